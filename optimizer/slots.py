"""The hours of a plan: which shift each belongs to, how much of it is open, what its energy costs and emits.

Hours follow each other in absolute time; shifts and tariffs are read off the local clock at each hour's start, so a day
has 23 or 25 of them when the clocks change.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.facts import PlanningFacts
from plant.production import Calendar, Tariff

CLOSED = -1
HOUR = timedelta(hours=1)
OVERTIME = "overtime"
"""The shift that a day's hours outside the shifts make up, where some line may work them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slots:
    """The hours of a plan."""

    starts: tuple[datetime, ...]
    """UTC. (hour,)"""
    shift: tuple[int, ...]
    """Index of the shift, or CLOSED. (hour,)"""
    shift_names: tuple[str, ...]
    """E.g. `early 2026-11-22`. (shift,)"""
    open_share: NDArray[np.float64]
    """Part of the hour in which the line may run, in overtime too [0..1]. (line, hour)"""
    in_overtime: NDArray[np.bool_]
    """Whether it would be overtime. (line, hour)"""
    price_per_kwh: NDArray[np.float64]
    """[currency/kWh] (hour,)"""
    co2_kg_per_kwh: NDArray[np.float64]
    """[kg/kWh] (hour,)"""

    @property
    def manned_share(self) -> NDArray[np.float64]:
        """Part of the hour in which the line is on without overtime: it ages and draws idle power [0..1]."""
        return np.where(self.in_overtime, 0.0, self.open_share)

    def hours_of_shift(self, shift: int) -> list[int]:
        """The hours of a shift, in order."""
        return [t for t, s in enumerate(self.shift) if s == shift]


def lay_out(facts: PlanningFacts) -> Slots:
    """The hours of the facts' horizon."""
    zone = ZoneInfo(facts.plant.timezone)
    starts = tuple(facts.start.astimezone(UTC) + HOUR * k for k in range(facts.policy.horizon_h))
    local = [start.astimezone(zone).replace(tzinfo=None) for start in starts]
    names = [shift_at(facts.calendar, at) for at in local]
    extra = {overtime.line for overtime in facts.calendar.overtime}
    closed = [not name for name in names]
    names = [name or (f"{OVERTIME} {at.date()}" if extra else "") for name, at in zip(names, local, strict=True)]
    known = {name: index for index, name in enumerate(dict.fromkeys(name for name in names if name))}
    in_overtime = [[shut and line.name in extra for shut in closed] for line in facts.plant.lines]
    shares = [
        [_open_share(facts, line.name, k) if extra_hour or not closed[k] else 0.0 for k, extra_hour in enumerate(mine)]
        for line, mine in zip(facts.plant.lines, in_overtime, strict=True)
    ]
    return Slots(
        starts=starts,
        shift=tuple(known[name] if name else CLOSED for name in names),
        shift_names=tuple(known),
        open_share=np.array(shares, dtype=np.float64).reshape(len(facts.plant.lines), len(starts)),
        in_overtime=np.array(in_overtime, dtype=np.bool_).reshape(len(facts.plant.lines), len(starts)),
        price_per_kwh=np.array([price_at(facts.tariff, at) for at in local]),
        co2_kg_per_kwh=np.array([facts.tariff.co2_kg_per_kwh[at.hour] for at in local]),
    )


def shift_at(calendar: Calendar, local: datetime) -> str:
    """Name and day of the shift that a local hour belongs to; empty where the plant is closed.

    A plant without shifts is always open; its days take the place of shifts.
    """
    if not calendar.shifts:
        return f"day {local.date()}"
    for shift in calendar.shifts:
        for day in (local.date(), local.date() - timedelta(days=1)):
            begin = datetime(day.year, day.month, day.day, shift.start_hour)  # noqa: DTZ001 - the wall clock's own time
            if day.weekday() in shift.weekdays and begin <= local < begin + HOUR * shift.hours:
                return f"{shift.name} {day}"
    return ""


def price_at(tariff: Tariff, local: datetime) -> float:
    """Energy price in a local hour [currency/kWh]: the first band that holds, else the base price."""
    for band in tariff.bands:
        if band.start_hour < band.end_hour:
            holds = band.start_hour <= local.hour < band.end_hour
        else:
            holds = local.hour >= band.start_hour or local.hour < band.end_hour
        if holds and local.weekday() in band.weekdays:
            return band.price_per_kwh
    return tariff.base_price_per_kwh


def slot_of(start: datetime, at: datetime) -> int:
    """Index of the hour that an instant falls into; negative before the start."""
    return (at - start) // HOUR


def _open_share(facts: PlanningFacts, line: str, hour: int) -> float:
    begin = facts.start + HOUR * hour
    spans = sorted(
        (max(closure.start, begin), min(closure.end, begin + HOUR))
        for closure in facts.calendar.closures
        if closure.line in ("", line) and closure.start < begin + HOUR and closure.end > begin
    )
    closed, reached = timedelta(0), begin
    for start, end in spans:
        closed += max(end - max(start, reached), timedelta(0))
        reached = max(reached, end)
    return (HOUR - closed) / HOUR
