"""Whether planning facts are sound: every fault found, each with its place, its value and what would be right."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from optimizer.facts import PlanningFacts
from plant.errors import DataError, Fault

MAX_HORIZON_H = 24 * 31
"""Longer plans are refused: the hourly grain would not be solved in time [h]."""
_TOLERANCE = 1e-9
MOST = 1e300
"""No number is larger; whole ones could be, beyond what is calculated with."""


def validate(facts: PlanningFacts) -> None:
    """Raises ConfigError with every fault of the facts; returns where there is none."""
    if faults := tuple(find_faults(facts)):
        raise DataError(faults)


def find_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """Every fault of the facts, section by section."""
    yield from _plant_faults(facts)
    yield from _production_faults(facts)
    yield from _order_faults(facts)
    yield from _calendar_faults(facts)
    yield from _tariff_faults(facts)
    yield from _policy_faults(facts)
    yield from _risk_faults(facts)
    time_faults = tuple(_time_faults(facts))
    yield from time_faults
    if not time_faults:
        yield from _fixed_faults(facts)


def _fault(where: str, found: object, expected: str) -> Fault:
    return Fault(where=where, found=repr(found)[:80], expected=expected)


def _numbers(
    where: str, thing: Any, fields: Iterable[str], *, least: float = 0.0, above: bool = False
) -> Iterator[Fault]:
    """Fields that are not finite numbers of at least `least` (or above it)."""
    for name in fields:
        value = getattr(thing, name)
        if not abs(value) <= MOST or value < least or (above and value <= least):
            bound = f"above {least:g}" if above else f"of at least {least:g}"
            yield _fault(f"{where}.{name}", value, f"it must be a finite number {bound}.")


def _unique(where: str, names: Iterable[str]) -> Iterator[Fault]:
    for name, count in Counter(names).items():
        if count > 1:
            yield _fault(where, name, f"it appears {count} times and may appear once.")


def _plant_faults(facts: PlanningFacts) -> Iterator[Fault]:
    plant = facts.plant
    try:
        ZoneInfo(plant.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield _fault("plant.timezone", plant.timezone, "it must be an IANA time zone such as Europe/Vienna.")
    yield from _unique("plant.lines", (line.name for line in plant.lines))
    yield from _unique("plant.machines", (machine.name for machine in plant.machines))
    for machine in plant.machines:
        if machine.line not in {line.name for line in plant.lines}:
            yield _fault(f"machine {machine.name}: line", machine.line, "it must name a line of the plant.")
        if machine.machine_class not in plant.class_index:
            yield _fault(f"machine {machine.name}: class", machine.machine_class, "it must name a machine class.")
    for index, machine_class in enumerate(plant.classes):
        where = f"plant.classes[{index}]"
        yield from _numbers(where, machine_class, ("mtbf_h", "maintenance_h"), above=True)
        costs = ("maintenance_cost", "repair_h", "failure_cost", "idle_power_kw")
        yield from _numbers(where, machine_class, costs)


def _production_faults(facts: PlanningFacts) -> Iterator[Fault]:
    lines = {line.name for line in facts.plant.lines}
    products = {product.name for product in facts.products}
    yield from _unique("products", (product.name for product in facts.products))
    for index, product in enumerate(facts.products):
        costs = ("holding_cost_per_unit_h", "backlog_cost_per_unit_h", "scrap_cost")
        levels = ("safety_stock", "safety_cost_per_unit_h", "overflow_cost_per_unit_h")
        yield from _numbers(f"products[{index}]", product, (*costs, *levels))
        if product.max_stock is not None:
            yield from _numbers(f"products[{index}]", product, ("max_stock",))
            if product.max_stock < product.safety_stock:
                found = (product.safety_stock, product.max_stock)
                yield _fault(f"products[{index}].max_stock", found, "it must be at least `safety_stock`.")
    yield from _unique("capabilities", (f"{c.line} makes {c.product}" for c in facts.capabilities))
    for index, capability in enumerate(facts.capabilities):
        where = f"capabilities[{index}]"
        if capability.line not in lines:
            yield _fault(f"{where}.line", capability.line, f"it must be one of {sorted(lines)}.")
        if capability.product not in products:
            yield _fault(f"{where}.product", capability.product, f"it must be one of {sorted(products)}.")
        yield from _numbers(where, capability, ("rate_per_h",), above=True)
        yield from _numbers(where, capability, ("energy_kwh_per_unit", "setup_h", "setup_cost", "scrap_ratio"))
        if capability.scrap_ratio >= 1:
            yield _fault(f"{where}.scrap_ratio", capability.scrap_ratio, "it must be below 1.")


def _order_faults(facts: PlanningFacts) -> Iterator[Fault]:
    products = {product.name for product in facts.products}
    yield from _unique("orders", (order.number for order in facts.orders))
    for order in facts.orders:
        where = f"order {order.number}"
        if order.product not in products:
            yield _fault(f"{where}: product", order.product, f"it must be one of {sorted(products)}.")
        yield from _numbers(where, order, ("quantity", "priority"))
        yield from _aware(f"{where}: due_at", order.due_at)
    yield from _unique("stock", (stock.product for stock in facts.stock))
    for stock in facts.stock:
        if stock.product not in products:
            yield _fault("stock: product", stock.product, f"it must be one of {sorted(products)}.")
        yield from _numbers(f"stock of {stock.product}", stock, ("quantity",))


def _calendar_faults(facts: PlanningFacts) -> Iterator[Fault]:
    lines = {line.name for line in facts.plant.lines} | {""}
    for index, shift in enumerate(facts.calendar.shifts):
        where = f"calendar.shifts[{index}]"
        if not 0 <= shift.start_hour <= 23:
            yield _fault(f"{where}.start_hour", shift.start_hour, "it must be an hour of the day, 0 to 23.")
        if not 1 <= shift.hours <= 24:
            yield _fault(f"{where}.hours", shift.hours, "it must be 1 to 24.")
        yield from _weekdays(where, shift.weekdays)
    for index, closure in enumerate(facts.calendar.closures):
        where = f"calendar.closures[{index}]"
        if closure.line not in lines:
            yield _fault(f"{where}.line", closure.line, "it must name a line, or be empty for the whole plant.")
        zones = [*_aware(f"{where}.start", closure.start), *_aware(f"{where}.end", closure.end)]
        yield from zones
        if not zones and closure.end <= closure.start:
            yield _fault(f"{where}.end", closure.end.isoformat(), "it must be after the closure's start.")


def _weekdays(where: str, weekdays: tuple[int, ...]) -> Iterator[Fault]:
    if any(not 0 <= day <= 6 for day in weekdays):
        yield _fault(f"{where}.weekdays", weekdays, "each must be 0 (Monday) to 6 (Sunday).")


def _tariff_faults(facts: PlanningFacts) -> Iterator[Fault]:
    tariff = facts.tariff
    yield from _numbers("tariff", tariff, ("base_price_per_kwh",), least=-1e6)
    yield from _numbers("tariff", tariff, ("demand_charge_per_kw", "peak_so_far_kw", "co2_price_per_kg"))
    for index, band in enumerate(tariff.bands):
        where = f"tariff.bands[{index}]"
        yield from _numbers(where, band, ("price_per_kwh",), least=-1e6)
        if not 0 <= band.start_hour <= 23 or not 1 <= band.end_hour <= 24:
            found = (band.start_hour, band.end_hour)
            yield _fault(where, found, "a band starts at 0 to 23 and ends at 1 to 24, local hours of the day.")
        yield from _weekdays(where, band.weekdays)
    if len(tariff.co2_kg_per_kwh) != 24:
        yield _fault(
            "tariff.co2_kg_per_kwh", len(tariff.co2_kg_per_kwh), "it must have 24 values, one per hour of day."
        )
    if any(not math.isfinite(value) or value < 0 for value in tariff.co2_kg_per_kwh):
        yield _fault("tariff.co2_kg_per_kwh", tariff.co2_kg_per_kwh, "each must be a finite number of at least 0.")
    if tariff.co2_cap_kg is not None:
        yield from _numbers("tariff", tariff, ("co2_cap_kg",))


def _policy_faults(facts: PlanningFacts) -> Iterator[Fault]:
    policy = facts.policy
    yield from _numbers("planning", policy, ("horizon_h", "option_step_h"), least=1.0)
    if policy.horizon_h > MAX_HORIZON_H:
        yield _fault("planning.horizon_h", policy.horizon_h, f"it must be at most {MAX_HORIZON_H}.")
    yield from _numbers("planning", policy, ("crews", "frozen_h", "final_backlog_factor", "gap"))
    yield from _numbers("planning", policy, ("time_limit_s",), above=True)
    limit = policy.max_failure_probability
    if limit is not None and not 0 <= limit <= 1:
        yield _fault("planning.max_failure_probability", limit, "it must be between 0 and 1.")


def _risk_faults(facts: PlanningFacts) -> Iterator[Fault]:
    for risk in facts.risks:
        if risk.machine not in facts.plant.machine_index:
            yield _fault("risks: machine", risk.machine, "it must name a machine of the plant.")
        yield from _curve(f"risk of {risk.machine}", risk.horizons_h, risk.survival)
        yield from _aware(f"risk of {risk.machine}: assessed_at", risk.assessed_at)
    for curve in facts.fresh:
        yield from _curve(f"fresh survival of {curve.machine_class}", curve.horizons_h, curve.survival)
    for job in facts.ongoing:
        if job.machine not in facts.plant.machine_index:
            yield _fault("ongoing maintenance: machine", job.machine, "it must name a machine of the plant.")
        yield from _aware(f"ongoing maintenance of {job.machine}: end", job.end)


def _fixed_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """What a person fixed speaks of what there is, on the plan's hours."""
    machines = facts.plant.machine_index
    capabilities = {(c.line, c.product): c for c in facts.capabilities}
    yield from _unique("fixed_maintenance", (each.machine for each in facts.fixed_maintenance))
    for each in facts.fixed_maintenance:
        where = f"fixed_maintenance of {each.machine}"
        if each.machine not in machines or machines[each.machine].machine_class not in facts.plant.class_index:
            yield _fault("fixed_maintenance: machine", each.machine, "it must name a machine of the plant.")
            continue
        length_h = math.ceil(facts.class_of(machines[each.machine]).maintenance_h)
        for at in each.starts:
            yield from _on_hour(facts, where, at, latest_h=facts.policy.horizon_h - length_h)
    for index, lot in enumerate(facts.fixed_lots):
        where = f"fixed_lots[{index}]"
        capability = capabilities.get((lot.line, lot.product))
        if capability is None:
            made = f"{lot.product} on {lot.line}"
            yield _fault(where, made, "it must be a product that the line makes.")
            continue
        yield from _numbers(where, lot, ("gross_units",))
        zones = [
            *_on_hour(facts, f"{where}.start", lot.start, latest_h=facts.policy.horizon_h - 1),
            *_on_hour(facts, f"{where}.end", lot.end, latest_h=facts.policy.horizon_h),
        ]
        yield from zones
        if not zones and lot.end <= lot.start:
            yield _fault(f"{where}.end", lot.end.isoformat(), "it must be after the lot's start.")
        for other in facts.fixed_lots[:index] if not zones else ():
            same = (other.line, other.product) == (lot.line, lot.product)
            if same and other.start < lot.end and lot.start < other.end:
                yield _fault(where, f"{lot.product} on {lot.line}", "its time overlaps that of another fixed lot.")


def _on_hour(facts: PlanningFacts, where: str, at: datetime, *, latest_h: int) -> Iterator[Fault]:
    """An instant that is none of the plan's hours up to a last one."""
    zones = tuple(_aware(where, at))
    yield from zones
    if zones:
        return
    hours = (at - facts.start) / timedelta(hours=1)
    if hours != int(hours) or not 0 <= hours <= latest_h:
        last = facts.start + timedelta(hours=latest_h)
        yield _fault(where, at.isoformat(), f"a full hour from {facts.start.isoformat()} to {last.isoformat()}.")


def _curve(where: str, horizons_h: tuple[float, ...], survival: tuple[float, ...]) -> Iterator[Fault]:
    if not horizons_h or len(horizons_h) != len(survival):
        yield _fault(f"{where}: survival", len(survival), "it must have one value per horizon, and at least one.")
        return
    points = (0.0, *horizons_h)
    if any(not math.isfinite(h) for h in points) or any(b <= a for a, b in pairwise(points)):
        yield _fault(f"{where}: horizons_h", horizons_h, "they must be finite, above 0 and increasing.")
    values = (1.0, *survival)
    falls = all(b <= a + _TOLERANCE for a, b in pairwise(values))
    if not falls or not all(value >= -_TOLERANCE for value in values):
        yield _fault(f"{where}: survival", survival, "it must fall from at most 1 and stay at or above 0.")


def _aware(where: str, at: datetime) -> Iterator[Fault]:
    if at.utcoffset() is None:
        yield _fault(where, at.isoformat(), "it must carry a time zone.")


def _time_faults(facts: PlanningFacts) -> Iterator[Fault]:
    start = facts.start
    if start.utcoffset() is None:
        yield _fault("start", start.isoformat(), "it must carry a time zone.")
    elif (start - datetime(2000, 1, 1, tzinfo=start.tzinfo)) % timedelta(minutes=30):
        yield _fault("start", start.isoformat(), "it must be a full hour of the plant's clock.")
