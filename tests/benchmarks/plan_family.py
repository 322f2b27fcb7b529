"""The family of the recorded plants (shared/instances/plants): a seeded generator by the same rule, and their facts.

A document of the family is the recorded files' JSON. Its ranges and rules are read off the three recorded ones: each
product runs on 2 to 4 lines; 72 good units are asked per line and hour, in equal orders of a product that fall due once
a day between 16:00 and 23:00 (in a plant of one day: in its morning and at its end); stock is 8 % of what is asked;
machines are at 20 to 100 % of their characteristic life.
"""

import gzip
import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.facts import FreshSurvival, PlanningFacts
from optimizer.problem import PlanningProblem, build_problem
from optimizer.risk_tables import MachineOptions
from plant.assets import Line, Machine, MachineClass, Plant
from plant.production import Calendar, Capability, Order, PlanningPolicy, Product, Shift, Stock, Tariff, TariffBand
from plant.risks import Risk

START = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
ZONE = "Etc/GMT-4"
"""Where START is midnight, and the recorded starts of maintenance, 4 + 8 k hours later, lie on the planner's grid."""
NEVER_AGAIN_H = 1e12
"""A repaired machine fails no more: the recorded tables count the first failure's cumulative hazard only [h]."""
UNITS_PER_LINE_H = 72.0
STOCK_SHARE = 0.08
Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How large a plant of the family is."""

    name: str
    lines: int
    products: int
    hours: int
    option_step_h: int


SIZES = (
    Size(name="day_4x10x24", lines=4, products=10, hours=24, option_step_h=4),
    Size(name="three_days_6x15x72", lines=6, products=15, hours=72, option_step_h=8),
    Size(name="week_10x30x168", lines=10, products=30, hours=168, option_step_h=8),
)


def recorded(path: Path) -> Document:
    """A recorded plant."""
    document: Document = json.loads(gzip.decompress(path.read_bytes()))
    return document


def generated(size: Size, seed: int) -> Document:
    """Another plant of the family; the same seed gives the same one."""
    chance = np.random.default_rng(seed)
    lines, products, hours = size.lines, size.products, size.hours
    each, both = (lines,), (lines, products)
    eligible = np.zeros(both, dtype=int)
    for product in range(products):
        count = int(chance.integers(2, 5))
        eligible[chance.choice(lines, size=count, replace=False), product] = 1
    share = chance.lognormal(0.0, 0.65, size=products)
    asked = UNITS_PER_LINE_H * lines * hours * share / share.sum()
    demand = np.zeros((products, hours), dtype=int)
    for product in range(products):
        due = _due_hours(hours, chance)
        demand[product, due] = max(round(asked[product] / len(due)), 1)
    age_share, scale = chance.uniform(0.2, 1.0, each), chance.uniform(700.0, 1200.0, each)
    document: Document = {
        "lines": lines,
        "products": products,
        "hours": hours,
        "shift_hours": 8,
        "eligible": eligible.tolist(),
        "rate_units_per_h": chance.uniform(60.0, 140.0, both).tolist(),
        "energy_kwh_per_unit": chance.uniform(0.3, 1.2, both).tolist(),
        "idle_power_kw": chance.uniform(10.0, 40.0, each).tolist(),
        "setup_time_h": chance.uniform(0.2, 0.7, both).tolist(),
        "setup_cost": chance.uniform(30.0, 150.0, both).tolist(),
        "scrap_ratio": chance.uniform(0.01, 0.06, both).tolist(),
        "scrap_cost_per_unit": 0.5,
        "tariff_per_kwh": [0.30 if 17 <= t % 24 < 21 else 0.16 if 7 <= t % 24 < 17 else 0.09 for t in range(hours)],
        "co2_kg_per_kwh": [0.25 + 0.15 * math.sin((t - 13) * math.pi / 12) for t in range(hours)],
        "co2_price_per_kg": 0.08,
        "demand_charge_per_kw": 3.0 * hours / 168.0,
        "holding_cost_per_unit_h": chance.uniform(0.002, 0.01, products).tolist(),
        "backlog_cost_per_unit_h": chance.uniform(0.2, 0.5, products).tolist(),
        "final_backlog_factor": 5,
        "demand_units": demand.tolist(),
        "initial_stock_units": np.round(STOCK_SHARE * demand.sum(axis=1)).astype(int).tolist(),
        "crews": 2,
        "maintenance_duration_h": 4,
        "maintenance_cost": chance.uniform(550.0, 1150.0, each).tolist(),
        "maintenance_starts_h": [list(range(4, hours - 7, size.option_step_h))] * lines,
        "failure_cost": chance.uniform(3000.0, 9000.0, each).tolist(),
        "repair_time_h": chance.uniform(6.0, 14.0, each).tolist(),
        "weibull_age_h": (age_share * scale).tolist(),
        "weibull_scale_h": scale.tolist(),
        "weibull_shape": chance.uniform(1.8, 3.2, each).tolist(),
    }
    return document


def _due_hours(hours: int, chance: np.random.Generator) -> list[int]:
    if hours <= 24:
        return [int(chance.integers(8, 14)), hours - 1]
    return [24 * day + int(chance.integers(16, 24)) for day in range(hours // 24)]


def facts_of(document: Document, **policy: float) -> PlanningFacts:
    """A plant of the family as facts, so that it goes the whole, certified way.

    A line is one machine. Its idle power is drawn in running hours only, so it enters the energy of a unit.
    """
    hours, lines, products = document["hours"], range(document["lines"]), range(document["products"])
    by_hour = document["co2_kg_per_kwh"][:24]
    classes = tuple(
        MachineClass(
            name=f"class {line}",
            signals=(),
            mtbf_h=NEVER_AGAIN_H,
            maintenance_h=float(document["maintenance_duration_h"]),
            repair_h=document["repair_time_h"][line],
            maintenance_cost=document["maintenance_cost"][line],
            failure_cost=document["failure_cost"][line],
            idle_power_kw=0.0,
        )
        for line in lines
    )
    plant = Plant(
        enterprise="family",
        site="family",
        timezone=ZONE,
        currency="EUR",
        lines=tuple(
            Line(
                name=str(line),
                label=f"Line {line}",
                area="a",
                machines=(Machine(name=f"M{line}", label=f"M{line}", line=str(line), machine_class=f"class {line}"),),
            )
            for line in lines
        ),
        classes=classes,
    )
    starts = document["maintenance_starts_h"][0]
    return PlanningFacts(
        plant=plant,
        products=tuple(
            Product(
                name=f"p{p:02}",
                label=f"p{p:02}",
                price=0.0,
                holding_cost_per_unit_h=document["holding_cost_per_unit_h"][p],
                backlog_cost_per_unit_h=document["backlog_cost_per_unit_h"][p],
                scrap_cost=document["scrap_cost_per_unit"],
            )
            for p in products
        ),
        capabilities=tuple(
            _capability(document, line, p) for line in lines for p in products if document["eligible"][line][p]
        ),
        orders=tuple(
            Order(
                number=f"{p}-{t}",
                product=f"p{p:02}",
                quantity=float(units),
                due_at=START + timedelta(hours=t + 1),
            )
            for p in products
            for t, units in enumerate(document["demand_units"][p])
            if units > 0
        ),
        stock=tuple(Stock(product=f"p{p:02}", quantity=float(document["initial_stock_units"][p])) for p in products),
        calendar=Calendar(
            shifts=tuple(
                Shift(name=f"from {hour:02}", start_hour=hour, hours=document["shift_hours"])
                for hour in range(0, 24, document["shift_hours"])
            )
        ),
        tariff=Tariff(
            base_price_per_kwh=0.09,
            bands=(
                TariffBand(name="day", start_hour=7, end_hour=17, price_per_kwh=0.16),
                TariffBand(name="peak", start_hour=17, end_hour=21, price_per_kwh=0.30),
            ),
            demand_charge_per_kw=document["demand_charge_per_kw"],
            peak_so_far_kw=0.0,
            co2_kg_per_kwh=tuple(by_hour),
            co2_price_per_kg=document["co2_price_per_kg"],
        ),
        policy=PlanningPolicy(
            **{  # type: ignore[arg-type]  # fields by name
                "horizon_h": hours,
                "option_step_h": starts[1] - starts[0],
                "crews": document["crews"],
                "final_backlog_factor": float(document["final_backlog_factor"]),
                **policy,
            }
        ),
        risks=tuple(_risk(document, line) for line in lines),
        start=START,
        fresh=tuple(
            FreshSurvival(
                machine_class=f"class {line}",
                horizons_h=tuple(float(h) for h in range(1, hours + 1)),
                survival=tuple((1.0 - _hazard(document, line, 0.0, hours)).tolist()),
            )
            for line in lines
        ),
    )


def problem_of(document: Document, **policy: float) -> PlanningProblem:
    """The planning problem of a plant of the family, with maintenance at the recorded starts only."""
    problem = build_problem(facts_of(document, **policy))
    machines = tuple(
        _only(options, {None, *document["maintenance_starts_h"][k]}) for k, options in enumerate(problem.machines)
    )
    return replace(problem, machines=machines)


def with_hourly_setups(document: Document) -> Document:
    """The plant with a setup in every hour in which a product runs: its shifts are an hour long."""
    return {**document, "shift_hours": 1}


def _capability(document: Document, line: int, product: int) -> Capability:
    rate = document["rate_units_per_h"][line][product]
    return Capability(
        line=str(line),
        product=f"p{product:02}",
        rate_per_h=rate,
        scrap_ratio=document["scrap_ratio"][line][product],
        energy_kwh_per_unit=document["energy_kwh_per_unit"][line][product] + document["idle_power_kw"][line] / rate,
        setup_h=document["setup_time_h"][line][product],
        setup_cost=document["setup_cost"][line][product],
    )


def _hazard(document: Document, line: int, age_h: float, hours: int) -> NDArray[np.float64]:
    """Cumulative hazard from an age to each hour's end. (hour,)"""
    scale, shape = document["weibull_scale_h"][line], document["weibull_shape"][line]
    ages = (age_h + np.arange(hours + 1)) / scale
    hazard: NDArray[np.float64] = ages[1:] ** shape - ages[0] ** shape
    return hazard


def _risk(document: Document, line: int) -> Risk:
    """Expected failures stand in the place of the probability of one: that is how the recorded tables count."""
    hours = document["hours"]
    survival = 1.0 - _hazard(document, line, document["weibull_age_h"][line], hours)
    return Risk(
        machine=f"M{line}",
        mode="wear",
        assessed_at=START,
        horizons_h=tuple(float(h) for h in range(1, hours + 1)),
        survival=tuple(survival.tolist()),
        probability=float(1.0 - survival[-1]),
        horizon_h=float(hours),
        remaining_life_p10_h=0.0,
        remaining_life_p50_h=0.0,
        remaining_life_p90_h=0.0,
        evidence=(),
        model_version="family",
        enough_data=True,
    )


def _only(options: MachineOptions, starts: set[int | None]) -> MachineOptions:
    kept = [o for o, start in enumerate(options.starts) if start in starts]
    return replace(
        options,
        starts=tuple(options.starts[o] for o in kept),
        windows=tuple(options.windows[o] for o in kept),
        maintenance_cost=options.maintenance_cost[kept],
        failure_cost=options.failure_cost[kept],
        failure_probability=options.failure_probability[kept],
        loss=options.loss[kept],
    )
