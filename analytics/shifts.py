"""When lines are planned to be busy, as instants, from shifts and closures in local time."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from plant.production import Calendar

Interval = tuple[datetime, datetime]
"""Half-open range of aware UTC instants."""


def busy_intervals(
    calendar: Calendar, *, timezone: str, line: str, start: datetime, end: datetime
) -> tuple[Interval, ...]:
    """The planned busy time of a line between two instants: its shifts without its closures, in order, disjoint.

    Shifts begin and end by the local clock, so a night shift from 22 to 6 is 7 hours long when clocks go forward and
    9 hours when they go back, and three shifts of 8 hours fill every day.

    Args:
        calendar: shifts and closures; without shifts nothing is ever busy.
        timezone: IANA name of the plant's time zone.
        line: name of the line; closures without a line name hold for every line.
        start: aware instant.
        end: aware instant, excluded.

    >>> from plant.production import Shift
    >>> night = Calendar(shifts=(Shift(name="night", start_hour=22, hours=8),))
    >>> noon = datetime(2026, 3, 28, 12, tzinfo=UTC)
    >>> ((first, last),) = busy_intervals(
    ...     night, timezone="Europe/Vienna", line="L1", start=noon, end=noon + timedelta(days=1)
    ... )
    >>> first.isoformat(), (last - first) / timedelta(hours=1)
    ('2026-03-28T21:00:00+00:00', 7.0)
    """
    zone = ZoneInfo(timezone)
    shifts: list[Interval] = []
    day = start.astimezone(zone).date() - timedelta(days=2)  # a shift of 24 h may have begun the day before
    last_day = end.astimezone(zone).date()
    while day <= last_day:
        for shift in calendar.shifts:
            if day.weekday() in shift.weekdays:
                begins = datetime.combine(day, time(shift.start_hour))
                ends = begins + timedelta(hours=shift.hours)  # by the local clock: naive arithmetic
                shifts.append((begins.replace(tzinfo=zone).astimezone(UTC), ends.replace(tzinfo=zone).astimezone(UTC)))
        day += timedelta(days=1)
    closures = [
        (closure.start.astimezone(UTC), closure.end.astimezone(UTC))
        for closure in calendar.closures
        if closure.line in ("", line)
    ]
    return clip(without(merge(shifts), merge(closures)), start=start, end=end)


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same instants as ordered, disjoint intervals; empty ones are dropped."""
    merged: list[Interval] = []
    for begins, ends in sorted(intervals):
        if merged and begins <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ends))
        elif begins < ends:
            merged.append((begins, ends))
    return tuple(merged)


def without(intervals: Sequence[Interval], holes: Sequence[Interval]) -> tuple[Interval, ...]:
    """The instants of ordered, disjoint intervals that lie in no hole."""
    remaining = list(intervals)
    for hole_start, hole_end in holes:
        pieces: list[Interval] = []
        for begins, ends in remaining:
            before = (begins, min(ends, hole_start))
            after = (max(begins, hole_end), ends)
            pieces.extend(piece for piece in (before, after) if piece[0] < piece[1])
        remaining = pieces
    return tuple(remaining)


def clip(intervals: Sequence[Interval], *, start: datetime, end: datetime) -> tuple[Interval, ...]:
    """The parts of intervals between two instants, in UTC."""
    first, last = start.astimezone(UTC), end.astimezone(UTC)  # datetimes of one local zone compare without their offset
    clipped = ((max(begins.astimezone(UTC), first), min(ends.astimezone(UTC), last)) for begins, ends in intervals)
    return tuple((begins, ends) for begins, ends in clipped if begins < ends)
