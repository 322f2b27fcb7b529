"""Command: how fast and how well the planner plans; writes docs/benchmarks/plan.md.

Usage: python tests/benchmarks/plan_plants.py [SECONDS] [SHARED_FOLDER]

The template's and generated plants go the whole way (solve, round, check). The recorded plants state availability and
failure costs as tables, so they enter as problems and are measured at the search: objective, bound and gap.
"""

import gzip
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_plants import START, demo_facts, fleet_facts, risk, tariff

from ingest.simulator.canonical import demo_facts as template_plant
from optimizer import highs
from optimizer.control import Control, Progress
from optimizer.problem import Demand, Making, PlanningFacts, PlanningProblem, build_problem
from optimizer.risk_tables import MachineOptions
from optimizer.search import Found, search
from optimizer.slots import Slots
from optimizer.solve import solve
from plant.assets import Plant
from plant.production import Calendar, PlanningPolicy

ROOT = Path(__file__).resolve().parents[2]
RECORDED = (
    ("day_4x10x24", "known: 3596.1, proved in 34 s", 30.0),
    ("three_days_6x15x72", "known: 14491, gap 9.4 %, in 20 s", 60.0),
    ("week_10x30x168", "no plan known", 120.0),
)
"""Plant, what was known of it, and CPU seconds that its search may take."""
MOMENTS_S = (5.0, 10.0, 20.0, 60.0, 120.0)
"""When gaps are told [s]."""


def recorded_problem(path: Path) -> PlanningProblem:
    """A plant of shared/instances/plants; its idle power is drawn in running hours only."""
    day = json.loads(gzip.decompress(path.read_bytes()))
    lines, products, hours = range(day["lines"]), range(day["products"]), day["hours"]
    price, co2 = np.array(day["tariff_per_kwh"]), np.array(day["co2_kg_per_kwh"])
    makings = tuple(
        Making(
            line=line,
            product=str(p),
            rate_per_h=day["rate_units_per_h"][line][p],
            good_per_h=day["rate_units_per_h"][line][p] * (1 - day["scrap_ratio"][line][p]),
            energy_kwh_per_h=day["rate_units_per_h"][line][p] * day["energy_kwh_per_unit"][line][p]
            + day["idle_power_kw"][line],
            scrap_cost_per_h=day["rate_units_per_h"][line][p]
            * day["scrap_ratio"][line][p]
            * day["scrap_cost_per_unit"],
            setup_h=day["setup_time_h"][line][p],
            setup_cost=day["setup_cost"][line][p],
            needs_setup=True,
            ready=False,
            step=1.0,
        )
        for line in lines
        for p in products
        if day["eligible"][line][p]
    )
    length = day["maintenance_duration_h"]
    facts = PlanningFacts(
        plant=Plant(enterprise="", site="", timezone="UTC", currency="", lines=(), classes=()),
        products=(),
        capabilities=(),
        orders=(),
        stock=(),
        calendar=Calendar(shifts=()),
        tariff=tariff(
            demand_charge_per_kw=day["demand_charge_per_kw"],
            peak_so_far_kw=0.0,
            co2_price_per_kg=day["co2_price_per_kg"],
        ),
        policy=PlanningPolicy(
            horizon_h=hours, crews=day["crews"], final_backlog_factor=float(day["final_backlog_factor"])
        ),
        risks=(),
        start=START,
    )
    return PlanningProblem(
        facts=facts,
        slots=Slots(
            starts=tuple(START + timedelta(hours=t) for t in range(hours)),
            shift=tuple(t // day["shift_hours"] for t in range(hours)),
            shift_names=tuple(f"shift {s}" for s in range(-(-hours // day["shift_hours"]))),
            open_share=np.ones((day["lines"], hours)),
            price_per_kwh=price,
            co2_kg_per_kwh=co2,
        ),
        lines=tuple(str(line) for line in lines),
        idle_kw=np.zeros(day["lines"]),
        makings=makings,
        demands=tuple(
            Demand(
                product=str(p),
                backlog_cost_per_unit_h=day["backlog_cost_per_unit_h"][p],
                units=np.array(day["demand_units"][p], dtype=float),
            )
            for p in products
        ),
        stock={str(p): float(day["initial_stock_units"][p]) for p in products},
        holding={str(p): day["holding_cost_per_unit_h"][p] for p in products},
        machines=tuple(
            MachineOptions(
                machine=str(line),
                line=str(line),
                starts=(None, *day["maintenance_starts_h"][line]),
                windows=((0, 0), *((t, t + length) for t in day["maintenance_starts_h"][line])),
                maintenance_cost=np.array(
                    [0.0] + [day["maintenance_cost"][line]] * len(day["maintenance_starts_h"][line])
                ),
                failure_cost=np.array(day["expected_failure_cost"][line]),
                failure_probability=np.zeros(len(day["expected_failure_cost"][line])),
                loss=_loss(day, line, length),
                forced=False,
            )
            for line in lines
        ),
        crews_free=(day["crews"],) * hours,
        frozen={},
        unmakeable=(),
    )


def _loss(day: dict[str, list[list[float]]], line: int, length: int) -> np.ndarray:
    loss = 1.0 - np.array(day["availability"][line])
    for option, start in enumerate(day["maintenance_starts_h"][line], start=1):
        loss[option, int(start) : int(start) + length] = 0.0
    return loss


def template_facts(hour: int, wearing: dict[str, tuple[float, float]]) -> PlanningFacts:
    """The plant of the shipped template, two days from an hour of a Monday; some machines are wearing."""
    start = datetime(2026, 11, 23, hour, tzinfo=UTC)
    plant = template_plant(start)
    risks = []
    for machine in plant.plant.machines:
        scale_h, age_h = wearing.get(machine.name, (400.0, 100.0))
        shape = 3.0 if machine.name in wearing else 2.0
        risks.append(risk(machine.name, scale_h=scale_h, age_h=age_h, shape=shape, at=start))
    return PlanningFacts(
        plant=plant.plant,
        products=plant.products,
        capabilities=plant.capabilities,
        orders=plant.orders,
        stock=plant.stock,
        calendar=plant.calendar,
        tariff=plant.tariff,
        policy=PlanningPolicy(),
        risks=tuple(risks),
        start=start,
    )


def cases() -> Iterator[tuple[str, PlanningFacts]]:
    """Plants that go the whole way."""
    for hour, wearing in (
        (5, {"L2-press": (60.0, 40.0)}),
        (13, {"L1-mill": (50.0, 45.0)}),
        (20, {"L3-oven": (80.0, 60.0), "L2-packer": (70.0, 50.0)}),
        (8, {}),
    ):
        worn = ", ".join(wearing) or "none"
        yield f"template's plant from {hour}:00 UTC, wearing: {worn}", template_facts(hour, wearing)
    for seed in (1, 2, 3):
        yield f"generated 3 lines x 4 machines x 6 products x 48 h, seed {seed}", demo_facts(seed)
    yield "fleet of 100 machines x 72 h, 2 crews", fleet_facts(100, horizon_h=72)


def over_time(heard: list[Progress]) -> str:
    """Best plan and gap at a few moments, and the memory taken."""
    told = []
    for moment_s in MOMENTS_S:
        before = [progress for progress in heard if progress.spent_s <= moment_s]
        if before and (incumbent := before[-1].incumbent) is not None:
            gap = "no bound yet" if before[-1].gap is None else f"{before[-1].gap:.1%}"
            told.append(f"{moment_s:g} s {incumbent:.0f} ({gap})")
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{'; '.join(told)}; {memory_mb:.0f} MB at most"


def main(limit_s: float, shared: Path) -> None:
    """Runs every case and writes the table."""
    highs.WALL_PER_CPU = 20.0  # measured in CPU seconds: the machine is shared
    rows = []
    for name, given in cases():
        facts = replace(given, policy=replace(given.policy, time_limit_s=limit_s))
        began = time.process_time()
        plan = solve(build_problem(facts), number="P", created_at=START, reason="benchmark")
        took_s = time.process_time() - began
        certificate = plan.certificate
        if certificate is not None and certificate.bound is not None and certificate.gap is not None:
            row = f"{certificate.recomputed_objective:.1f} | {certificate.bound:.1f} | {certificate.gap:.2%}"
            rows.append(f"| {name} | {row} | {took_s:.1f} | {'yes' if certificate.checked else 'no'} |")
            sys.stdout.write(rows[-1] + "\n")
            sys.stdout.flush()
    for name, known, plant_limit_s in RECORDED:
        path = shared / "instances" / "plants" / f"{name}.json.gz"
        if not path.exists():
            continue
        began = time.process_time()
        heard: list[Progress] = []
        control = Control(report=heard.append)
        found = search(recorded_problem(path), time_limit_s=plant_limit_s, gap=0.001, control=control)
        took_s = time.process_time() - began
        row = f"none ({found}) | | | {took_s:.1f}"
        if isinstance(found, Found):
            objective, bound = found.solution.objective + found.constant, found.bound or 0.0
            row = f"{objective:.1f} | {bound:.1f} | {(objective - bound) / objective:.2%} | {took_s:.1f}"
        sys.stdout.write(f"{name}, gap over time: {over_time(heard)}\n")
        rows.append(f"| {name}, limit {plant_limit_s:g} s ({known}) | {row} | at the solver |")
        sys.stdout.write(rows[-1] + "\n")
        sys.stdout.flush()
    head = "| case | objective | bound | gap | CPU s | checked |\n|---|---|---|---|---|---|\n"
    text = (
        "# How fast and how well the planner plans\n\n"
        f"Made by `python tests/benchmarks/plan_plants.py {limit_s:g}`. 2 shared cores, one thread, 2026-11-22. CPU "
        "seconds of building, solving, rounding, checking and of the comparison without maintenance, which comes on "
        "top of the limit. Objective and gap are those of the rounded, checked plan; for the recorded plants, which "
        "state their availability as tables and not as facts, those of the search before rounding.\n\n"
        f"Solver: {highs.description(time_limit_s=limit_s, gap=0.005)} (fleet: gap 0.01, recorded plants: 0.001).\n\n"
    )
    target = ROOT / "docs" / "benchmarks" / "plan.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + head + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        float(arguments[0]) if arguments else 10.0,
        Path(arguments[1]) if len(arguments) > 1 else ROOT.parent / "shared",
    )
