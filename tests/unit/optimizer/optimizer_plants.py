"""Seeded plants for the planner's tests and benchmarks: the demo's size, a fleet of single machines, and tiny ones."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from optimizer.problem import PlanningFacts
from plant.assets import Line, Machine, MachineClass, Plant
from plant.production import (
    Calendar,
    Capability,
    Closure,
    Order,
    PlanningPolicy,
    Product,
    Shift,
    Stock,
    Tariff,
    TariffBand,
)
from plant.risks import Risk

START = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
CLASSES = ("press", "mill", "oven", "packer")
PRODUCTS = ("bracket", "flange", "gear", "housing", "shaft", "valve")
SHIFTS = (
    Shift(name="early", start_hour=6, hours=8),
    Shift(name="late", start_hour=14, hours=8),
    Shift(name="night", start_hour=22, hours=8),
)


def tariff(**changes: object) -> Tariff:
    """A two-band tariff with a demand charge."""
    fields: dict[str, object] = {
        "base_price_per_kwh": 0.12,
        "bands": (
            TariffBand(name="peak", start_hour=17, end_hour=21, price_per_kwh=0.30),
            TariffBand(name="day", start_hour=7, end_hour=17, price_per_kwh=0.18),
        ),
        "demand_charge_per_kw": 2.0,
        "peak_so_far_kw": 60.0,
        "co2_kg_per_kwh": tuple(0.25 + 0.1 * math.cos(math.pi * hour / 12) for hour in range(24)),
        "co2_price_per_kg": 0.08,
    }
    return Tariff(**{**fields, **changes})  # type: ignore[arg-type]  # fields by name


def risk(machine: str, *, scale_h: float, shape: float = 3.0, age_h: float = 0.0, at: datetime = START) -> Risk:
    """A Weibull risk at an age."""
    horizons = tuple(float(h) for h in (4, 8, 16, 24, 36, 48, 72, 96, 168))
    survival = tuple(math.exp((age_h / scale_h) ** shape - ((age_h + h) / scale_h) ** shape) for h in horizons)
    return Risk(
        machine=machine,
        mode="bearing",
        assessed_at=at,
        horizons_h=horizons,
        survival=survival,
        probability=1 - survival[5],
        horizon_h=48.0,
        remaining_life_p10_h=10.0,
        remaining_life_p50_h=40.0,
        remaining_life_p90_h=90.0,
        evidence=(),
        model_version="test-1",
        enough_data=True,
    )


def demo_facts(seed: int = 1, *, lines: int = 3, horizon_h: int = 48, **policy: object) -> PlanningFacts:
    """3 lines of 4 machines, 6 products, two days; one press is wearing out."""
    chance = random.Random(seed)
    names = [f"L{number}" for number in range(1, lines + 1)]
    plant = Plant(
        enterprise="acme",
        site="linz",
        timezone="Europe/Vienna",
        currency="EUR",
        lines=tuple(
            Line(
                name=name,
                label=f"Line {name[1:]}",
                area="hall1",
                machines=tuple(
                    Machine(name=f"{name}-{c}", label=f"{c.capitalize()} {name[1:]}", line=name, machine_class=c)
                    for c in CLASSES
                ),
            )
            for name in names
        ),
        classes=tuple(
            MachineClass(name=c, signals=(), mtbf_h=400.0 + 100 * i, maintenance_h=3.0 + i % 2, repair_h=8.0 + i)
            for i, c in enumerate(CLASSES)
        ),
    )
    capabilities = tuple(
        Capability(
            line=name,
            product=product,
            rate_per_h=round(chance.uniform(60, 140), 1),
            scrap_ratio=round(chance.uniform(0.01, 0.05), 3),
            energy_kwh_per_unit=round(chance.uniform(0.3, 1.0), 3),
            setup_h=round(chance.uniform(0.2, 0.6), 2),
            setup_cost=round(chance.uniform(30, 120), 2),
        )
        for number, name in enumerate(names)
        for product in [PRODUCTS[(2 * number + k) % 6] for k in range(4)]
    )
    orders = tuple(
        Order(
            number=f"O{number}",
            product=PRODUCTS[number % 6],
            quantity=float(chance.randrange(200, 700)),
            due_at=START + timedelta(hours=chance.randrange(8, horizon_h + 1)),
            priority=chance.choice([1, 1, 1, 2]),
        )
        for number in range(4 * lines)
    )
    wearing = {"L2-press": 60.0, "L1-oven": 200.0}
    return PlanningFacts(
        plant=plant,
        products=tuple(
            Product(
                name=p,
                label=p.capitalize(),
                price=10.0,
                holding_cost_per_unit_h=0.005,
                backlog_cost_per_unit_h=0.3,
                scrap_cost=0.5,
            )
            for p in PRODUCTS
        ),
        capabilities=capabilities,
        orders=orders,
        stock=tuple(Stock(product=p, quantity=float(chance.randrange(0, 100))) for p in PRODUCTS),
        calendar=Calendar(shifts=SHIFTS),
        tariff=tariff(),
        policy=PlanningPolicy(**{"horizon_h": horizon_h, **policy}),  # type: ignore[arg-type]  # fields by name
        risks=tuple(risk(m.name, scale_h=wearing.get(m.name, 900.0), age_h=40.0) for m in plant.machines),
        start=START,
    )


def fleet_facts(machines: int = 100, *, horizon_h: int = 48, seed: int = 3) -> PlanningFacts:
    """Single-machine lines of one product, of which a few are near their end; two crews."""
    chance = random.Random(seed)
    names = [f"engine-{number:03d}" for number in range(1, machines + 1)]
    return PlanningFacts(
        plant=Plant(
            enterprise="nasa",
            site="fd001",
            timezone="UTC",
            currency="USD",
            lines=tuple(
                Line(
                    name=n,
                    label=n,
                    area="fleet",
                    machines=(Machine(name=n, label=n, line=n, machine_class="turbofan"),),
                )
                for n in names
            ),
            classes=(
                MachineClass(
                    name="turbofan",
                    signals=(),
                    mtbf_h=200.0,
                    maintenance_h=4.0,
                    repair_h=12.0,
                    failure_cost=8000.0,
                    maintenance_cost=900.0,
                ),
            ),
        ),
        products=(
            Product(
                name="flight",
                label="Flight hour",
                price=100.0,
                holding_cost_per_unit_h=0.0,
                backlog_cost_per_unit_h=5.0,
                scrap_cost=0.0,
            ),
        ),
        capabilities=tuple(
            Capability(
                line=n,
                product="flight",
                rate_per_h=1.0,
                scrap_ratio=0.0,
                energy_kwh_per_unit=2.0,
                setup_h=0.0,
                setup_cost=0.0,
            )
            for n in names
        ),
        orders=tuple(
            Order(
                number=f"F{k}",
                product="flight",
                quantity=machines * 10.0,
                due_at=START + timedelta(hours=12 * (k + 1)),
            )
            for k in range(horizon_h // 12)
        ),
        stock=(),
        calendar=Calendar(shifts=()),
        tariff=tariff(peak_so_far_kw=0.0),
        policy=PlanningPolicy(horizon_h=horizon_h, option_step_h=4, crews=2, gap=0.01),
        risks=tuple(risk(n, scale_h=200.0, shape=4.0, age_h=chance.uniform(20, 190)) for n in names),
        start=START,
    )


def tiny_facts(
    seed: int = 0, *, horizon_h: int = 6, lines: int = 1, machines: int = 2, **policy: object
) -> PlanningFacts:
    """A plant small enough to enumerate."""
    chance = random.Random(seed)
    names = [f"A{number}" for number in range(lines)]
    classes = (
        MachineClass(
            name="drill",
            signals=(),
            mtbf_h=60.0,
            maintenance_h=1.5,
            repair_h=2.5,
            maintenance_cost=40.0,
            failure_cost=float(chance.randrange(100, 600)),
            idle_power_kw=1.0,
        ),
    )
    plant = Plant(
        enterprise="t",
        site="t",
        timezone="Europe/Vienna",
        currency="EUR",
        lines=tuple(
            Line(
                name=n,
                label=n,
                area="a",
                machines=tuple(
                    Machine(name=f"{n}-{k}", label=f"Drill {n} {k}", line=n, machine_class="drill")
                    for k in range(machines)
                ),
            )
            for n in names
        ),
        classes=classes,
    )
    products = ("nut", "bolt")
    return PlanningFacts(
        plant=plant,
        products=tuple(
            Product(
                name=p,
                label=p,
                price=1.0,
                holding_cost_per_unit_h=0.01,
                backlog_cost_per_unit_h=round(chance.uniform(0.2, 1.0), 2),
                scrap_cost=0.1,
            )
            for p in products
        ),
        capabilities=tuple(
            Capability(
                line=n,
                product=p,
                rate_per_h=float(chance.randrange(30, 80)),
                scrap_ratio=0.02,
                energy_kwh_per_unit=0.4,
                setup_h=0.25,
                setup_cost=15.0,
            )
            for n in names
            for p in products
        ),
        orders=tuple(
            Order(
                number=f"o{k}",
                product=chance.choice(products),
                quantity=float(chance.randrange(20, 90)),
                due_at=START + timedelta(hours=chance.randrange(1, horizon_h + 1)),
                priority=chance.choice([1, 2]),
            )
            for k in range(3)
        ),
        stock=(Stock(product="nut", quantity=5.0),),
        calendar=Calendar(shifts=SHIFTS),
        tariff=tariff(peak_so_far_kw=10.0),
        policy=PlanningPolicy(
            **{"horizon_h": horizon_h, "option_step_h": 2, "gap": 0.0, "final_backlog_factor": 4.0, **policy}  # type: ignore[arg-type]  # fields by name
        ),
        risks=tuple(
            risk(m.name, scale_h=chance.uniform(8, 60), shape=2.0, age_h=chance.uniform(5, 30)) for m in plant.machines
        ),
        start=START,
    )


def every_rule_facts(seed: int) -> PlanningFacts:
    """A tiny random plant with every rule on: shifts, a closure, crews, chance, emissions, peak, priorities."""
    chance = random.Random(seed)
    facts = tiny_facts(seed, machines=2, horizon_h=6, crews=1, max_failure_probability=chance.uniform(0.5, 0.95))
    change = chance.randrange(7, 10)
    shifts = (
        Shift(name="a", start_hour=6, hours=change - 6),
        Shift(name="b", start_hour=change, hours=chance.randrange(11, 13) - change),
    )
    begin = START + timedelta(minutes=chance.randrange(0, 270))
    closed = Closure(line="A0", start=begin, end=begin + timedelta(minutes=chance.randrange(20, 90)), reason="audit")
    return replace(
        facts,
        calendar=replace(facts.calendar, shifts=shifts, closures=(closed,)),
        tariff=tariff(
            demand_charge_per_kw=chance.uniform(0.5, 10.0),
            peak_so_far_kw=chance.uniform(0.0, 20.0),
            co2_cap_kg=chance.uniform(6.0, 30.0),
        ),
    )
