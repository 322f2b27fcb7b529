"""Command: the planner on published lot sizing beside plain HiGHS and CBC; writes its part of docs/benchmarks/plan.md.

Usage: python tests/benchmarks/plan_lotsizing.py [SECONDS] [SHARED_FOLDER] [NAME...]

Trigeiro's capacitated lot sizing with setup times enters as planning facts (`lotsizing_facts.py`), as a file for
`linewright plan solve` would. Beside it the textbook's model, for HiGHS with its defaults and for PuLP's own CBC.
MIPLIB's lot sizing and the tariff instance (parallel machines under a price by time of use) go through the solver's one
door as general models. Exit code 1 where a known optimum is missed by a result that is called proved, or lies beyond a
bound. Instances that no bar asks to prove stop at 1 %. What is named is only printed, all together also written.
"""

import gzip
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import highspy
import pulp
from lotsizing_facts import trigeiro_facts
from plan_page import write_between_marks

from optimizer import highs
from optimizer.problem import PlanningProblem, build_problem
from optimizer.search import Found, search

ROOT = Path(__file__).resolve().parents[2]
TRIGEIRO = {"F1": 40854.0, "G53": 74634.0}
MIPLIB = {"set1ch": 54537.75, "pp08a": 7350.0, "egout": 568.1007, "khb05250": 106940226.0}
"""Known optima."""
GAP, GOOD_GAP = 1e-4, 0.01
"""Relative gaps of what is to be proved, and of what is not [0..1]."""
CBC_S = 20.0
"""CBC's limit, at most [s]."""
NEAR = 1e-5
"""Of a known optimum, as published figures are rounded."""


def textbook(problem: PlanningProblem) -> pulp.LpProblem:
    """The model of the books: one lot per item and period, no larger than what is left to deliver."""
    program = pulp.LpProblem("clsp", pulp.LpMinimize)
    hours = range(problem.hours)
    cost: dict[pulp.LpVariable, float] = {}
    used: list[dict[pulp.LpVariable, float]] = [{} for _ in hours]
    by_product = {demand.product: demand for demand in problem.demands}
    for i, making in enumerate(problem.makings):
        demand = by_product[making.product]
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


def by_highs(program: pulp.LpProblem, limit_s: float, gap: float = GAP) -> tuple[float, float, float]:
    """Objective, bound and CPU seconds of the solver's one door."""
    began = time.process_time()
    solution = highs.run(program, time_limit_s=limit_s, gap=gap)
    return solution.objective, -math.inf if solution.bound is None else solution.bound, time.process_time() - began


def by_cbc(program: pulp.LpProblem, limit_s: float, gap: float = GAP) -> tuple[float, float, float]:
    """Objective and CPU seconds of PuLP's own CBC; its bound is not passed on."""
    began = time.monotonic()
    program.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, timeLimit=min(limit_s, CBC_S), gapRel=gap))
    has_plan = program.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    return float(pulp.value(program.objective)) if has_plan else math.nan, -math.inf, time.monotonic() - began


def by_search(problem: PlanningProblem, limit_s: float, gap: float = GAP) -> tuple[float, float, float]:
    """Objective, bound and CPU seconds of the planner's search."""
    began = time.process_time()
    found = search(problem, time_limit_s=limit_s, gap=gap)
    took_s = time.process_time() - began
    if not isinstance(found, Found) or found.bound is None:
        return math.nan, -math.inf, took_s
    return found.solution.objective + found.constant, found.bound, took_s


rows: list[str] = []
"""Of the table, so far."""


def row(name: str, how: str, solved: Callable[[], tuple[float, float, float]], known: float | None = None) -> bool:
    """Prints a line of the table; whether it agrees with the known optimum."""
    objective, bound, took_s = solved()
    gap = max(objective - bound, 0.0) / abs(objective) if math.isfinite(bound) else math.inf
    misses = known is not None and (gap <= GAP < abs(objective - known) / known - NEAR or bound > known * (1 + NEAR))
    told = f"{gap:.2%}" if math.isfinite(gap) else "-"
    wrong = f" WRONG: {known:g} is the optimum |" if misses else ""
    rows.append(f"| {name} | {how} | {objective:.6g} | {told} | {took_s:.1f} |{wrong}\n")
    sys.stdout.write(rows[-1])
    sys.stdout.flush()
    return not misses


def main(limit_s: float, shared: Path, names: list[str]) -> int:
    """Runs the instances named, or all; gives the exit code."""
    highs.WALL_PER_CPU = 20.0  # measured in CPU seconds: the machine is shared
    instances = shared / "instances"
    folder = instances / "green_tou_parallel"
    right = []
    for path in sorted((instances / "trigeiro").glob("*.DAT")):
        if not names or path.stem in names:
            problem, known = build_problem(trigeiro_facts(path.read_text())), TRIGEIRO.get(path.stem)
            gap = GOOD_GAP if known is None else GAP
            right += [
                row(path.stem, "Linewright", lambda p=problem, g=gap: by_search(p, limit_s, g), known),
                row(path.stem, "plain HiGHS", lambda p=problem, g=gap: by_highs(textbook(p), limit_s, g), known),
                row(path.stem, "CBC", lambda p=problem, g=gap: by_cbc(textbook(p), limit_s, g)),
            ]
    for name, known in MIPLIB.items():
        if not names or name in names:
            path = instances / "miplib3" / f"{name}.gz"
            right.append(row(f"{name} ({known:g})", "Linewright", lambda p=path: by_highs(mps(p), limit_s), known))
            right.append(row(f"{name} ({known:g})", "CBC", lambda p=path: by_cbc(mps(p), limit_s)))
    for prices in ("c1", "c5"):
        if not names or "green_tou" in names:
            row(f"green_tou {prices}", "Linewright", lambda c=prices: by_highs(tariff_instance(folder, c), limit_s))
            row(f"green_tou {prices}", "CBC", lambda c=prices: by_cbc(tariff_instance(folder, c), limit_s))
    if not names:
        head = "| instance | by | objective | gap | CPU s |\n|---|---|---|---|---|\n"
        limits = f"Limits {limit_s:g} s, of CBC {CBC_S:g} s; gap {GAP:g} for known optima, {GOOD_GAP:g} for the others."
        page = ROOT / "docs" / "benchmarks" / "plan.md"
        write_between_marks(page, f"{limits}\n\n{head}{''.join(rows)}", mark="lotsizing")
    return 0 if all(right) else 1


if __name__ == "__main__":
    arguments = sys.argv[1:]
    status = main(
        float(arguments[0]) if arguments else 60.0,
        Path(arguments[1]) if len(arguments) > 1 else ROOT.parent / "shared",
        arguments[2:],
    )
    sys.exit(status)
