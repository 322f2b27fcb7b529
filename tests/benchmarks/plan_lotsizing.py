"""Command: the planner on published lot sizing beside plain HiGHS and CBC; prints the rows of docs/benchmarks/plan.md.

Usage: python tests/benchmarks/plan_lotsizing.py [SECONDS] [SHARED_FOLDER] [NAME...]

Trigeiro's capacitated lot sizing with setup times enters as a planning problem as it stands: a period is an hour and a
shift of one line, nothing may wait. Beside it the textbook's model, for HiGHS with its defaults and for PuLP's own CBC.
MIPLIB's lot sizing and the tariff instance (parallel machines under a price by time of use) go through the solver's one
door as general models.
"""

import gzip
import math
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import highspy
import numpy as np
import pulp

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_plants import START, tariff

from optimizer import highs
from optimizer.problem import Demand, Making, PlanningFacts, PlanningProblem
from optimizer.search import Found, search
from optimizer.slots import Slots
from plant.assets import Plant
from plant.production import Calendar, PlanningPolicy

ROOT = Path(__file__).resolve().parents[2]
MIPLIB = {"set1ch": 54537.75, "pp08a": 7350.0, "egout": 568.1007, "khb05250": 106940226.0}
"""Known optima."""
GAP = 1e-4


def trigeiro(path: Path) -> PlanningProblem:
    """An instance as a planning problem."""
    numbers = [float(word) for word in path.read_text().split() if word.replace(".", "").isdigit()]
    items, periods, capacity = int(numbers[0]), int(numbers[1]), numbers[3]
    head = np.array(numbers[4 : 4 + 4 * items]).reshape(items, 4)
    demand = np.array(numbers[4 + 4 * items :][: items * periods]).reshape(periods, items)
    hours = range(periods)
    return PlanningProblem(
        facts=PlanningFacts(
            plant=Plant(enterprise="", site="", timezone="UTC", currency="", lines=(), classes=()),
            products=(),
            capabilities=(),
            orders=(),
            stock=(),
            calendar=Calendar(shifts=()),
            tariff=tariff(demand_charge_per_kw=0.0, peak_so_far_kw=0.0, co2_price_per_kg=0.0),
            policy=PlanningPolicy(horizon_h=periods, crews=0),
            risks=(),
            start=START,
        ),
        slots=Slots(
            starts=tuple(START + timedelta(hours=t) for t in hours),
            shift=tuple(hours),
            shift_names=tuple(f"period {t}" for t in hours),
            open_share=np.ones((1, periods)),
            price_per_kwh=np.zeros(periods),
            co2_kg_per_kwh=np.zeros(periods),
        ),
        lines=("machine",),
        idle_kw=np.zeros(1),
        makings=tuple(
            Making(
                line=0,
                product=str(i),
                rate_per_h=capacity / per_unit,
                good_per_h=capacity / per_unit,
                energy_kwh_per_h=0.0,
                scrap_cost_per_h=0.0,
                setup_h=setup / capacity,
                setup_cost=cost,
                needs_setup=True,
                ready=False,
                step=1.0,
            )
            for i, (per_unit, _, setup, cost) in enumerate(head)
        ),
        demands=tuple(
            Demand(product=str(i), backlog_cost_per_unit_h=math.inf, units=demand[:, i]) for i in range(items)
        ),
        stock={str(i): 0.0 for i in range(items)},
        holding={str(i): float(head[i, 1]) for i in range(items)},
        machines=(),
        crews_free=(0,) * periods,
        frozen={},
        unmakeable=(),
    )


def textbook(problem: PlanningProblem) -> pulp.LpProblem:
    """The model of the books: one lot per item and period, no larger than what is left to deliver."""
    program = pulp.LpProblem("clsp", pulp.LpMinimize)
    hours = range(problem.hours)
    cost: dict[pulp.LpVariable, float] = {}
    used: list[dict[pulp.LpVariable, float]] = [{} for _ in hours]
    for i, (making, demand) in enumerate(zip(problem.makings, problem.demands, strict=True)):
        before = None
        for t in hours:
            lot, stock = program.add_variable(f"x{i}_{t}", 0), program.add_variable(f"s{i}_{t}", 0)
            setup = program.add_variable(f"y{i}_{t}", cat="Binary")
            cost |= {setup: making.setup_cost, stock: problem.holding[making.product]}
            used[t] |= {lot: 1.0 / making.rate_per_h, setup: making.setup_h}
            most = min(making.rate_per_h * (1.0 - making.setup_h), float(demand.units[t:].sum()))
            program += pulp.LpAffineExpression({lot: 1.0, setup: -most}) <= 0
            flow = {lot: 1.0, stock: -1.0} | ({before: 1.0} if before is not None else {})
            program += pulp.LpAffineExpression(flow) == float(demand.units[t])
            before = stock
    for terms in used:
        program += pulp.LpAffineExpression(terms) <= 1.0
    program.setObjective(pulp.LpAffineExpression(cost))
    return program


def tariff_instance(folder: Path, prices: str) -> pulp.LpProblem:
    """Jobs on parallel machines without a break, their energy bought slot by slot; which job starts where and when."""
    read = [[int(word) for word in (folder / f"Data_{name}.txt").read_text().split()] for name in ("p1", "e1", prices)]
    jobs, power, price = read
    program = pulp.LpProblem("tou", pulp.LpMinimize)
    cost: dict[pulp.LpVariable, float] = {}
    once: list[dict[pulp.LpVariable, float]] = [{} for _ in jobs]
    busy: dict[tuple[int, int], dict[pulp.LpVariable, float]] = {}
    for j, length in enumerate(jobs):
        for m, kw in enumerate(power):
            for t in range(len(price) - length + 1):
                start = program.add_variable(f"x{j}_{m}_{t}", cat="Binary")
                cost[start] = float(kw * sum(price[t : t + length]))
                once[j][start] = 1.0
                for slot in range(t, t + length):
                    busy.setdefault((m, slot), {})[start] = 1.0
    for terms in once:
        program += pulp.LpAffineExpression(terms) == 1.0
    for terms in busy.values():
        program += pulp.LpAffineExpression(terms) <= 1.0
    program.setObjective(pulp.LpAffineExpression(cost))
    return program


def mps(path: Path) -> pulp.LpProblem:
    """A packed MPS file as a program; HiGHS writes it anew first, as PuLP's reader drops binaries given as bounds."""
    with tempfile.TemporaryDirectory() as folder:
        plain, anew = Path(folder) / "plain.mps", Path(folder) / "anew.mps"
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        reader = highspy.Highs()
        reader.setOptionValue("output_flag", False)
        reader.readModel(str(plain))
        reader.writeModel(str(anew))
        _, program = pulp.LpProblem.fromMPS(str(anew))
    return program


def by_highs(program: pulp.LpProblem, limit_s: float) -> tuple[float, float, float]:
    """Objective, bound and CPU seconds of the solver's one door."""
    began = time.process_time()
    solution = highs.run(program, time_limit_s=limit_s, gap=GAP)
    return solution.objective, -math.inf if solution.bound is None else solution.bound, time.process_time() - began


def by_cbc(program: pulp.LpProblem, limit_s: float) -> tuple[float, float, float]:
    """Objective and CPU seconds of PuLP's own CBC; its bound is not passed on."""
    began = time.monotonic()
    program.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, timeLimit=limit_s, gapRel=GAP))
    return float(pulp.value(program.objective)), -math.inf, time.monotonic() - began


def by_search(problem: PlanningProblem, limit_s: float) -> tuple[float, float, float]:
    """Objective, bound and CPU seconds of the planner's search."""
    began = time.process_time()
    found = search(problem, time_limit_s=limit_s, gap=GAP)
    took_s = time.process_time() - began
    if not isinstance(found, Found) or found.bound is None:
        return math.nan, -math.inf, took_s
    return found.solution.objective + found.constant, found.bound, took_s


def row(name: str, how: str, solved: Callable[[], tuple[float, float, float]]) -> None:
    """Prints a line of the table."""
    objective, bound, took_s = solved()
    gap = f"{max(objective - bound, 0.0) / abs(objective):.2%}" if math.isfinite(bound) else "-"
    sys.stdout.write(f"| {name} | {how} | {objective:.6g} | {gap} | {took_s:.1f} |\n")
    sys.stdout.flush()


def main(limit_s: float, shared: Path, names: list[str]) -> None:
    """Runs the instances named, or all."""
    highs.WALL_PER_CPU = 20.0  # measured in CPU seconds: the machine is shared
    instances = shared / "instances"
    folder = instances / "green_tou_parallel"
    for path in sorted((instances / "trigeiro").glob("*.DAT")):
        if not names or path.stem in names:
            problem = trigeiro(path)
            row(path.stem, "Linewright", lambda p=problem: by_search(p, limit_s))
            row(path.stem, "plain HiGHS", lambda p=problem: by_highs(textbook(p), limit_s))
            row(path.stem, "CBC", lambda p=problem: by_cbc(textbook(p), limit_s))
    for name, known in MIPLIB.items():
        if not names or name in names:
            path = instances / "miplib3" / f"{name}.gz"
            row(f"{name} ({known:g})", "Linewright", lambda p=path: by_highs(mps(p), limit_s))
            row(f"{name} ({known:g})", "CBC", lambda p=path: by_cbc(mps(p), limit_s))
    for prices in ("c1", "c5"):
        if not names or "green_tou" in names:
            row(f"green_tou {prices}", "Linewright", lambda c=prices: by_highs(tariff_instance(folder, c), limit_s))
            row(f"green_tou {prices}", "CBC", lambda c=prices: by_cbc(tariff_instance(folder, c), limit_s))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        float(arguments[0]) if arguments else 60.0,
        Path(arguments[1]) if len(arguments) > 1 else ROOT.parent / "shared",
        arguments[2:],
    )
