"""Command: plants unlike the recorded ones, planned by the real command line; rows of docs/benchmarks/plan.md.

Usage: python tests/benchmarks/plan_others.py [SECONDS] [SEED] [NAME...]

Each plant is a facts file, planned by `linewright plan solve FILE --time-limit SECONDS --json` in a process
of its own. Told are what the process took on the wall clock and of CPU, imports, rounding, checking and the comparison
without maintenance included. Exit code 1 where a plant has neither a checked plan nor an explained conflict.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from optimizer.facts import PlanningFacts, facts_to_json
from plant.assets import Line, Machine, MachineClass, Plant
from plant.plans import MaintenanceWindow, Plan, PlannedRun, SolveStatus
from plant.production import (
    Calendar,
    Capability,
    Component,
    Order,
    PlanningPolicy,
    Product,
    Shift,
    Stock,
    Tariff,
    TariffBand,
)
from plant.risks import Risk

START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PATIENT = "from optimizer import highs; highs.WALL_PER_CPU = 20.0; from linewright.__main__ import main; main()"
"""The command line as it is, on a shared machine: its limit is CPU time here, however long that takes by the wall."""
HORIZONS_H = (4, 8, 16, 24, 36, 48, 72, 96, 168, 240, 336)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sketch:
    """What kind of plant to make up."""

    lines: int
    products: int
    hours: int
    machines: int = 1
    """Of each line."""
    load: float = 0.8
    """What is asked for, as a part of what the lines can make [0..]."""
    orders: int = 3
    """Of each product."""
    makers: int = 3
    """Lines that can make a product."""
    setup_h: float = 0.4
    shift_h: int = 8
    """0: no shifts."""
    demand_charge: float = 2.0
    wear: float = 0.5
    """Age of the machines as a part of their life; 0: no maintenance is worth it."""
    deadlines: float = 0.0
    """Part of the orders that have one, a day after they are due."""
    assembled: float = 0.0
    """Part of the products that are made of others."""
    rate: tuple[float, float] = (40.0, 160.0)
    frozen_h: int = 0
    """Of a plan that is taken over."""
    step_h: int = 4
    """Grain of maintenance starts [h]."""


PLANTS = {
    "one line, one product, a day": Sketch(lines=1, products=1, hours=24),
    "one line, 20 products, a week": Sketch(lines=1, products=20, hours=168, makers=1, load=0.9),
    "two lines, 60 products, four days": Sketch(lines=2, products=60, hours=96, makers=2, orders=1, setup_h=0.3),
    "25 lines, 10 products, two days": Sketch(lines=25, products=10, hours=48, makers=8, orders=4),
    "25 lines, 60 products, a week": Sketch(lines=25, products=60, hours=168, orders=2, step_h=12),
    "10 lines, 30 products, two weeks": Sketch(lines=10, products=30, hours=336, orders=6, step_h=12),
    "tight: 130 % load, three days": Sketch(lines=6, products=12, hours=72, load=1.3),
    "loose: 20 % load, three days": Sketch(lines=6, products=12, hours=72, load=0.2),
    "setups of 3 h, three days": Sketch(lines=5, products=15, hours=72, setup_h=3.0, load=0.5),
    "shifts of an hour, two days": Sketch(lines=4, products=8, hours=48, shift_h=1, setup_h=0.2),
    "shifts of 4 h, three days": Sketch(lines=5, products=12, hours=72, shift_h=4),
    "shifts of 12 h, a week": Sketch(lines=8, products=20, hours=168, shift_h=12),
    "no shifts, no setups, three days": Sketch(lines=6, products=12, hours=72, shift_h=0, setup_h=0.0),
    "600 orders, a week": Sketch(lines=8, products=20, hours=168, orders=30),
    "no demand charge, no wear": Sketch(lines=6, products=15, hours=72, demand_charge=0.0, wear=0.0),
    "much wear, six machines a line": Sketch(lines=6, products=10, hours=72, machines=6, wear=1.1),
    "deadlines for half of the orders": Sketch(lines=6, products=12, hours=72, deadlines=0.5, load=0.6),
    "half of the products assembled": Sketch(lines=6, products=16, hours=72, assembled=0.5, load=0.5),
    "slow lines: a few units an hour": Sketch(lines=4, products=8, hours=72, rate=(0.5, 4.0)),
    "frozen zone of 12 h": Sketch(lines=5, products=12, hours=72, frozen_h=12),
}


def facts_of(sketch: Sketch, seed: int) -> PlanningFacts:
    """A plant of a kind; the same seed gives the same one."""
    chance = random.Random(seed)
    lines = [f"L{n}" for n in range(sketch.lines)]
    names = [f"p{n:02}" for n in range(sketch.products)]
    capabilities = tuple(
        Capability(
            line=line,
            product=name,
            rate_per_h=round(chance.uniform(*sketch.rate), 2),
            scrap_ratio=round(chance.uniform(0.0, 0.06), 3),
            energy_kwh_per_unit=round(chance.uniform(0.2, 1.2) * 80.0 / sketch.rate[1], 3),
            setup_h=round(sketch.setup_h * chance.uniform(0.6, 1.4), 2),
            setup_cost=round(chance.uniform(20.0, 150.0), 2) if sketch.setup_h else 0.0,
        )
        for name in names
        for line in chance.sample(lines, min(sketch.makers, len(lines)))
    )
    assembled = set(names[: round(sketch.assembled * len(names))])
    products = tuple(_product(name, names, assembled, chance) for name in names)
    plant = _plant(sketch, lines)
    facts = PlanningFacts(
        plant=plant,
        products=products,
        capabilities=capabilities,
        orders=_orders(sketch, names, capabilities, chance),
        stock=tuple(Stock(product=name, quantity=float(chance.randrange(0, 60))) for name in names),
        calendar=Calendar(
            shifts=tuple(
                Shift(name=f"s{hour:02}", start_hour=hour, hours=sketch.shift_h)
                for hour in range(0, 24, sketch.shift_h or 24)
                if sketch.shift_h
            )
        ),
        tariff=Tariff(
            base_price_per_kwh=0.11,
            bands=(TariffBand(name="peak", start_hour=17, end_hour=21, price_per_kwh=0.32),),
            demand_charge_per_kw=sketch.demand_charge,
            peak_so_far_kw=0.0,
            co2_kg_per_kwh=(0.3,) * 24,
            co2_price_per_kg=0.08,
        ),
        policy=PlanningPolicy(horizon_h=sketch.hours, option_step_h=sketch.step_h, crews=2, frozen_h=sketch.frozen_h),
        risks=tuple(_risk(machine.name, sketch.wear, chance) for machine in plant.machines),
        start=START,
    )
    return replace(facts, previous=_previous(facts)) if sketch.frozen_h else facts


def _product(name: str, names: list[str], assembled: set[str], chance: random.Random) -> Product:
    bought = [other for other in names if other not in assembled]
    parts = chance.sample(bought, 2) if name in assembled else []
    return Product(
        name=name,
        label=name,
        price=10.0,
        holding_cost_per_unit_h=round(chance.uniform(0.002, 0.02), 4),
        backlog_cost_per_unit_h=round(chance.uniform(0.05, 0.6), 3),
        scrap_cost=0.5,
        components=tuple(Component(product=part, quantity=float(chance.randrange(1, 3))) for part in parts),
    )


def _plant(sketch: Sketch, lines: list[str]) -> Plant:
    return Plant(
        enterprise="others",
        site="others",
        timezone="Europe/Vienna",
        currency="EUR",
        lines=tuple(
            Line(
                name=line,
                label=f"Line {line}",
                area="hall",
                machines=tuple(
                    Machine(name=f"{line}-M{k}", label=f"Machine {k} of {line}", line=line, machine_class="machine")
                    for k in range(sketch.machines)
                ),
            )
            for line in lines
        ),
        classes=(
            MachineClass(
                name="machine",
                signals=(),
                mtbf_h=900.0,
                maintenance_h=4.0,
                repair_h=9.0,
                maintenance_cost=700.0,
                failure_cost=5000.0,
                idle_power_kw=8.0,
            ),
        ),
    )


def _orders(
    sketch: Sketch, names: list[str], capabilities: tuple[Capability, ...], chance: random.Random
) -> tuple[Order, ...]:
    line_h = sketch.lines * sketch.hours * sketch.load
    share = {name: chance.lognormvariate(0.0, 0.6) for name in names}
    orders = []
    for name in names:
        rates = [c.rate_per_h for c in capabilities if c.product == name]
        units = line_h * share[name] / sum(share.values()) * sum(rates) / len(rates)
        for n in range(sketch.orders):
            due_at = START + HOUR * chance.randrange(6, sketch.hours + 1)
            is_hard = chance.random() < sketch.deadlines
            orders.append(
                Order(
                    number=f"{name}-{n}",
                    product=name,
                    quantity=float(max(round(units / sketch.orders), 1)),
                    due_at=due_at,
                    priority=chance.choice([1, 1, 1, 2, 3]),
                    deadline_at=due_at + 24 * HOUR if is_hard else None,
                )
            )
    return tuple(orders)


def _risk(machine: str, wear: float, chance: random.Random) -> Risk:
    life_h, age = 500.0, wear * chance.uniform(0.5, 1.5)
    survival = tuple(2.718281828 ** (age**3 - (age + h / life_h) ** 3 if wear else -h / 1e6) for h in HORIZONS_H)
    return Risk(
        machine=machine,
        mode="wear",
        assessed_at=START,
        horizons_h=tuple(float(h) for h in HORIZONS_H),
        survival=survival,
        probability=1.0 - survival[5],
        horizon_h=48.0,
        remaining_life_p10_h=10.0,
        remaining_life_p50_h=50.0,
        remaining_life_p90_h=200.0,
        evidence=(),
        model_version="others",
        enough_data=True,
    )


def _previous(facts: PlanningFacts) -> Plan:
    """A plan that was accepted six hours before: two hours of each line's first product, one maintenance."""
    begin = facts.start - 6 * HOUR
    runs = []
    for line in facts.plant.lines:
        made = next((c for c in facts.capabilities if c.line == line.name), None)
        if made is not None:
            runs.append(
                PlannedRun(
                    line=line.name,
                    product=made.product,
                    start=facts.start + 2 * HOUR,
                    end=facts.start + 4 * HOUR,
                    gross_units=2 * int(made.rate_per_h),
                    good_units=2 * int(made.rate_per_h) * (1.0 - made.scrap_ratio),
                    energy_kwh=10.0,
                    setup=True,
                    hourly_units=(float(int(made.rate_per_h)), float(int(made.rate_per_h))),
                )
            )
    machine = facts.plant.machines[0]
    window = MaintenanceWindow(
        machine=machine.name,
        line=machine.line,
        start=facts.start + 6 * HOUR,
        end=facts.start + 10 * HOUR,
        expected_failure_cost=0.0,
        expected_failure_cost_without=0.0,
    )
    return Plan(
        number="EARLIER",
        created_at=begin,
        start=begin,
        end=begin + facts.policy.horizon_h * HOUR,
        status=SolveStatus.FEASIBLE,
        reason="hourly",
        runs=tuple(runs),
        maintenance=(window,),
        costs=(),
        hours=(),
        late=(),
        peak_kw=0.0,
        co2_kg=0.0,
        certificate=None,
        headline="",
        saving=None,
    )


def row(name: str, facts: PlanningFacts, limit_s: float) -> bool:
    """Prints a line of the table; whether there is a checked plan or an explained conflict."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "facts.json"
        file.write_bytes(facts_to_json(facts))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        arguments = ["plan", "solve", str(file), "--time-limit", f"{limit_s:g}", "--json"]
        command = [sys.executable, "-c", PATIENT, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wall_s = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    try:
        plan = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        sys.stdout.write(f"| {name} | CRASHED: {last[:150]} | | | {wall_s:.0f} | {cpu_s:.0f} |\n")
        sys.stdout.flush()
        return False
    certificate = plan.get("certificate") or {}
    checked = bool(certificate.get("checked"))
    objective, bound, gap = (certificate.get(key) for key in ("recomputed_objective", "bound", "gap"))
    told = f"{objective:.1f}" if objective is not None else plan["headline"][:120]
    proved = f"{bound:.1f} | {gap:.1%}" if bound is not None and gap is not None else "- | -"
    explained = plan["status"] == "infeasible" and bool(plan["conflicts"])
    verdict = "" if checked or explained else " NO PLAN |"
    sys.stdout.write(f"| {name} | {told} | {proved} | {wall_s:.0f} | {cpu_s:.1f} |{verdict}\n")
    sys.stdout.flush()
    return checked or explained


def main(limit_s: float, seed: int, names: list[str]) -> int:
    """Plans every plant, or those whose names begin so; gives the exit code."""
    told = [
        row(name, facts_of(sketch, seed), limit_s)
        for name, sketch in PLANTS.items()
        if not names or name.startswith(tuple(names))
    ]
    return 0 if all(told) else 1


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(
        main(
            float(arguments[0]) if arguments else 10.0,
            int(arguments[1]) if len(arguments) > 1 else 11,
            arguments[2:],
        )
    )
