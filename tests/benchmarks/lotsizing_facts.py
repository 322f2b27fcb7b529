"""Command: Trigeiro's capacitated lot sizing with setup times as planning facts, for `linewright plan solve`.

Usage: python tests/benchmarks/lotsizing_facts.py FILE.DAT > facts.json

A period becomes an hour and a shift of one line whose capacity is that hour; what an item takes of the capacity becomes
its rate, its setup time a part of the hour. Every demand is an order due at its period's end; nothing may be late.
Source of the form: Trigeiro, Thomas and McClain, Capacitated lot sizing with setup times, Management Science 35, 1989.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from optimizer.facts import PlanningFacts, facts_to_json
from plant.assets import Line, Plant
from plant.production import Calendar, Capability, Order, PlanningPolicy, Product, Shift, Tariff

START = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)


def trigeiro_facts(text: str) -> PlanningFacts:
    """The facts of an instance: items and periods; a figure without meaning; the capacity; items; demands by period."""
    numbers = [float(word) for word in text.split() if word.replace(".", "").isdigit()]
    items, periods, capacity = int(numbers[0]), int(numbers[1]), numbers[3]
    head = np.array(numbers[4 : 4 + 4 * items]).reshape(items, 4)
    demand = np.array(numbers[4 + 4 * items :][: items * periods]).reshape(periods, items)
    names = [f"item{i + 1:02d}" for i in range(items)]
    return PlanningFacts(
        plant=Plant(
            enterprise="trigeiro",
            site="book",
            timezone="UTC",
            currency="",
            lines=(Line(name="machine", label="Machine", area="", machines=()),),
            classes=(),
        ),
        products=tuple(
            Product(
                name=name,
                label=name,
                price=0.0,
                holding_cost_per_unit_h=float(holding),
                backlog_cost_per_unit_h=None,
                scrap_cost=0.0,
            )
            for name, holding in zip(names, head[:, 1], strict=True)
        ),
        capabilities=tuple(
            Capability(
                line="machine",
                product=name,
                rate_per_h=float(capacity / per_unit),
                scrap_ratio=0.0,
                energy_kwh_per_unit=0.0,
                setup_h=float(setup / capacity),
                setup_cost=float(cost),
            )
            for name, (per_unit, _, setup, cost) in zip(names, head, strict=True)
        ),
        orders=tuple(
            Order(
                number=f"{name}-{t + 1:02d}",
                product=name,
                quantity=float(demand[t, i]),
                due_at=START + HOUR * (t + 1),
            )
            for i, name in enumerate(names)
            for t in range(periods)
            if demand[t, i] > 0
        ),
        stock=(),
        calendar=Calendar(shifts=tuple(Shift(name=f"{hour:02d}h", start_hour=hour, hours=1) for hour in range(24))),
        tariff=Tariff(
            base_price_per_kwh=0.0,
            bands=(),
            demand_charge_per_kw=0.0,
            peak_so_far_kw=0.0,
            co2_kg_per_kwh=(0.0,) * 24,
            co2_price_per_kg=0.0,
        ),
        policy=PlanningPolicy(horizon_h=periods, crews=0, gap=1e-4),
        risks=(),
        start=START,
    )


def readable(facts: PlanningFacts) -> str:
    """The facts as JSON with a line for each record."""
    parts = []
    for name, value in msgspec.json.decode(facts_to_json(facts)).items():
        rows = value if isinstance(value, list) else None
        if rows:
            lines = ",\n".join(f"  {msgspec.json.encode(row).decode()}" for row in rows)
            parts.append(f' "{name}": [\n{lines}\n ]')
        else:
            parts.append(f' "{name}": {msgspec.json.encode(value).decode()}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    sys.stdout.write(readable(trigeiro_facts(Path(sys.argv[1]).read_text(encoding="utf-8"))))
