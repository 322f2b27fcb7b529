"""What is wrong with single values of the facts: numbers, names, times; each with its place and what would be right."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from plant.errors import Fault

MOST, LEAST = 1e12, 1e-6
"""No number is larger, and none that must be above 0 is smaller: floats carry both to the check's tolerance."""

MOST_PER_H = 500_000.0
"""Faster lines lose whole units: the solver's tolerance of 1e-6 h is more than half of one [unit/h]."""
MOST_UNITS = 1e9
"""Greater amounts lose parts of a unit that the account counts: a float has 16 digits [unit]."""


def fault(where: str, found: object, expected: str) -> Fault:
    """A fault with what was found, cut to what people read."""
    return Fault(where=where, found=repr(found)[:80], expected=expected)


def numbers(
    where: str, thing: Any, fields: Iterable[str], *, least: float = 0.0, above: bool = False, most: float = MOST
) -> Iterator[Fault]:
    """Fields that are not finite numbers of at least `least` (or above it) and at most `most`."""
    for name in fields:
        value = getattr(thing, name)
        if not abs(value) <= most or value < least or (above and value <= least + LEAST):
            bound = f"above {least:g}" if above else f"of at least {least:g}"
            limit = f", at most {most:g}" if value > most else f" by {LEAST:g} or more" if above else ""
            yield fault(f"{where}.{name}", value, f"it must be a finite number {bound}{limit}.")


def unique(where: str, names: Iterable[str]) -> Iterator[Fault]:
    """Names that appear more than once."""
    for name, count in Counter(names).items():
        if count > 1:
            yield fault(where, name, f"it appears {count} times and may appear once.")


def aware(where: str, at: datetime) -> Iterator[Fault]:
    """An instant without a time zone."""
    if at.utcoffset() is None:
        yield fault(where, at.isoformat(), "it must carry a time zone.")
