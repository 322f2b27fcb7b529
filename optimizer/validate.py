"""Whether planning facts are sound: every fault found, each with its place, its value and what would be right."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from optimizer.facts import PlanningFacts
from optimizer.soundness import aware, fault, numbers, unique
from optimizer.validate_objective import objective_faults
from optimizer.validate_production import production_faults
from plant.errors import DataError, Fault

MAX_HORIZON_H = 24 * 31
"""Longer plans are refused: the hourly grain would not be solved in time [h]."""
_TOLERANCE = 1e-9


def validate(facts: PlanningFacts) -> None:
    """Raises ConfigError with every fault of the facts; returns where there is none."""
    if faults := tuple(find_faults(facts)):
        raise DataError(faults)


def find_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """Every fault of the facts, section by section."""
    yield from _plant_faults(facts)
    yield from production_faults(facts)
    yield from _calendar_faults(facts)
    yield from _overtime_faults(facts)
    yield from _tariff_faults(facts)
    yield from _policy_faults(facts)
    yield from _risk_faults(facts)
    yield from objective_faults(facts)
    time_faults = tuple(_time_faults(facts))
    yield from time_faults
    if not time_faults:
        yield from _fixed_faults(facts)


def _plant_faults(facts: PlanningFacts) -> Iterator[Fault]:
    plant = facts.plant
    try:
        ZoneInfo(plant.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield fault("plant.timezone", plant.timezone, "it must be an IANA time zone such as Europe/Vienna.")
    yield from unique("plant.lines", (line.name for line in plant.lines))
    yield from unique("plant.machines", (machine.name for machine in plant.machines))
    for machine in plant.machines:
        if machine.line not in {line.name for line in plant.lines}:
            yield fault(f"machine {machine.name}: line", machine.line, "it must name a line of the plant.")
        if machine.machine_class not in plant.class_index:
            yield fault(f"machine {machine.name}: class", machine.machine_class, "it must name a machine class.")
    for index, machine_class in enumerate(plant.classes):
        where = f"plant.classes[{index}]"
        yield from numbers(where, machine_class, ("mtbf_h", "maintenance_h"), above=True)
        costs = ("maintenance_cost", "repair_h", "failure_cost", "idle_power_kw")
        yield from numbers(where, machine_class, costs)


def _calendar_faults(facts: PlanningFacts) -> Iterator[Fault]:
    lines = {line.name for line in facts.plant.lines} | {""}
    for index, shift in enumerate(facts.calendar.shifts):
        where = f"calendar.shifts[{index}]"
        if not 0 <= shift.start_hour <= 23:
            yield fault(f"{where}.start_hour", shift.start_hour, "it must be an hour of the day, 0 to 23.")
        if not 1 <= shift.hours <= 24:
            yield fault(f"{where}.hours", shift.hours, "it must be 1 to 24.")
        yield from _weekdays(where, shift.weekdays)
    for index, closure in enumerate(facts.calendar.closures):
        where = f"calendar.closures[{index}]"
        if closure.line not in lines:
            yield fault(f"{where}.line", closure.line, "it must name a line, or be empty for the whole plant.")
        zones = [*aware(f"{where}.start", closure.start), *aware(f"{where}.end", closure.end)]
        yield from zones
        if not zones and closure.end <= closure.start:
            yield fault(f"{where}.end", closure.end.isoformat(), "it must be after the closure's start.")


def _overtime_faults(facts: PlanningFacts) -> Iterator[Fault]:
    lines = {line.name for line in facts.plant.lines}
    yield from unique("calendar.overtime", (overtime.line for overtime in facts.calendar.overtime))
    for index, overtime in enumerate(facts.calendar.overtime):
        where = f"calendar.overtime[{index}]"
        if overtime.line not in lines:
            yield fault(f"{where}.line", overtime.line, f"it must be one of {sorted(lines)}.")
        yield from numbers(where, overtime, ("cost_per_h",))
        yield from numbers(where, overtime, ("most_h_per_day",), above=True)
        if overtime.most_h_per_day > 24:
            yield fault(f"{where}.most_h_per_day", overtime.most_h_per_day, "it must be at most 24.")


def _weekdays(where: str, weekdays: tuple[int, ...]) -> Iterator[Fault]:
    if any(not 0 <= day <= 6 for day in weekdays):
        yield fault(f"{where}.weekdays", weekdays, "each must be 0 (Monday) to 6 (Sunday).")


def _tariff_faults(facts: PlanningFacts) -> Iterator[Fault]:
    tariff = facts.tariff
    yield from numbers("tariff", tariff, ("base_price_per_kwh",), least=-1e6)
    yield from numbers("tariff", tariff, ("demand_charge_per_kw", "peak_so_far_kw", "co2_price_per_kg"))
    for index, band in enumerate(tariff.bands):
        where = f"tariff.bands[{index}]"
        yield from numbers(where, band, ("price_per_kwh",), least=-1e6)
        if not 0 <= band.start_hour <= 23 or not 1 <= band.end_hour <= 24:
            found = (band.start_hour, band.end_hour)
            yield fault(where, found, "a band starts at 0 to 23 and ends at 1 to 24, local hours of the day.")
        yield from _weekdays(where, band.weekdays)
    if len(tariff.co2_kg_per_kwh) != 24:
        yield fault("tariff.co2_kg_per_kwh", len(tariff.co2_kg_per_kwh), "it must have 24 values, one per hour of day.")
    if any(not math.isfinite(value) or value < 0 for value in tariff.co2_kg_per_kwh):
        yield fault("tariff.co2_kg_per_kwh", tariff.co2_kg_per_kwh, "each must be a finite number of at least 0.")
    if tariff.co2_cap_kg is not None:
        yield from numbers("tariff", tariff, ("co2_cap_kg",))


def _policy_faults(facts: PlanningFacts) -> Iterator[Fault]:
    policy = facts.policy
    yield from numbers("planning", policy, ("horizon_h", "option_step_h"), least=1.0)
    if policy.horizon_h > MAX_HORIZON_H:
        yield fault("planning.horizon_h", policy.horizon_h, f"it must be at most {MAX_HORIZON_H}.")
    yield from numbers("planning", policy, ("crews", "frozen_h", "final_backlog_factor", "gap"))
    yield from numbers("planning", policy, ("time_limit_s",), above=True)
    if not 0 <= policy.risk_aversion <= 1:
        yield fault("planning.risk_aversion", policy.risk_aversion, "it must be between 0 and 1.")
    if not 0 < policy.tail_share <= 1:
        yield fault("planning.tail_share", policy.tail_share, "it must be above 0 and at most 1.")
    for name in ("max_failure_probability", "max_line_failure_probability", "max_plant_failure_probability"):
        limit = getattr(policy, name)
        if limit is not None and not 0 <= limit <= 1:
            yield fault(f"planning.{name}", limit, "it must be between 0 and 1.")


def _risk_faults(facts: PlanningFacts) -> Iterator[Fault]:
    for risk in facts.risks:
        if risk.machine not in facts.plant.machine_index:
            yield fault("risks: machine", risk.machine, "it must name a machine of the plant.")
        yield from _curve(f"risk of {risk.machine}", risk.horizons_h, risk.survival)
        yield from aware(f"risk of {risk.machine}: assessed_at", risk.assessed_at)
    for curve in facts.fresh:
        yield from _curve(f"fresh survival of {curve.machine_class}", curve.horizons_h, curve.survival)
    for job in facts.ongoing:
        if job.machine not in facts.plant.machine_index:
            yield fault("ongoing maintenance: machine", job.machine, "it must name a machine of the plant.")
        yield from aware(f"ongoing maintenance of {job.machine}: end", job.end)


def _fixed_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """What a person fixed speaks of what there is, on the plan's hours."""
    machines = facts.plant.machine_index
    capabilities = {(c.line, c.product): c for c in facts.capabilities}
    yield from unique("fixed_maintenance", (each.machine for each in facts.fixed_maintenance))
    for each in facts.fixed_maintenance:
        where = f"fixed_maintenance of {each.machine}"
        if each.machine not in machines or machines[each.machine].machine_class not in facts.plant.class_index:
            yield fault("fixed_maintenance: machine", each.machine, "it must name a machine of the plant.")
            continue
        length_h = math.ceil(facts.class_of(machines[each.machine]).maintenance_h)
        for at in each.starts:
            yield from _on_hour(facts, where, at, latest_h=facts.policy.horizon_h - length_h)
    for index, lot in enumerate(facts.fixed_lots):
        where = f"fixed_lots[{index}]"
        capability = capabilities.get((lot.line, lot.product))
        if capability is None:
            made = f"{lot.product} on {lot.line}"
            yield fault(where, made, "it must be a product that the line makes.")
            continue
        yield from numbers(where, lot, ("gross_units",))
        zones = [
            *_on_hour(facts, f"{where}.start", lot.start, latest_h=facts.policy.horizon_h - 1),
            *_on_hour(facts, f"{where}.end", lot.end, latest_h=facts.policy.horizon_h),
        ]
        yield from zones
        if not zones and lot.end <= lot.start:
            yield fault(f"{where}.end", lot.end.isoformat(), "it must be after the lot's start.")
        for other in facts.fixed_lots[:index] if not zones else ():
            same = (other.line, other.product) == (lot.line, lot.product)
            if same and other.start < lot.end and lot.start < other.end:
                yield fault(where, f"{lot.product} on {lot.line}", "its time overlaps that of another fixed lot.")


def _on_hour(facts: PlanningFacts, where: str, at: datetime, *, latest_h: int) -> Iterator[Fault]:
    """An instant that is none of the plan's hours up to a last one."""
    zones = tuple(aware(where, at))
    yield from zones
    if zones:
        return
    hours = (at - facts.start) / timedelta(hours=1)
    if hours != int(hours) or not 0 <= hours <= latest_h:
        last = facts.start + timedelta(hours=latest_h)
        yield fault(where, at.isoformat(), f"a full hour from {facts.start.isoformat()} to {last.isoformat()}.")


def _curve(where: str, horizons_h: tuple[float, ...], survival: tuple[float, ...]) -> Iterator[Fault]:
    if not horizons_h or len(horizons_h) != len(survival):
        yield fault(f"{where}: survival", len(survival), "it must have one value per horizon, and at least one.")
        return
    points = (0.0, *horizons_h)
    if any(not math.isfinite(h) for h in points) or any(b <= a for a, b in pairwise(points)):
        yield fault(f"{where}: horizons_h", horizons_h, "they must be finite, above 0 and increasing.")
    values = (1.0, *survival)
    falls = all(b <= a + _TOLERANCE for a, b in pairwise(values))
    if not falls or not all(value >= -_TOLERANCE for value in values):
        yield fault(f"{where}: survival", survival, "it must fall from at most 1 and stay at or above 0.")


def _time_faults(facts: PlanningFacts) -> Iterator[Fault]:
    start = facts.start
    if start.utcoffset() is None:
        yield fault("start", start.isoformat(), "it must carry a time zone.")
    elif (start - datetime(2000, 1, 1, tzinfo=start.tzinfo)) % timedelta(minutes=30):
        yield fault("start", start.isoformat(), "it must be a full hour of the plant's clock.")
