"""Lines of the plainest kind read at a fraction of the cost: what a machine sends looks the same each time.

A line is `head fields time`. What the head (measurement and tags) leads to is remembered by its text, and the shape of
its fields (their keys and types, in their order) as one regular expression. Whatever is not as plain is left, with its
whole message, to the general decoder: what is stored, refused and said is the same for both.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ingest.decode.contents import Found, Reading
from ingest.decode.values import END_OF_TIME_US, Value, value_of
from ingest.settings import TimeUnit

NS_OF: Final = {TimeUnit.S: 1_000_000_000, TimeUnit.MS: 1_000_000, TimeUnit.US: 1_000, TimeUnit.NS: 1}
HEADS_KEPT: Final = 10_000
_FLOAT: Final = r"([+-]?(?:[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100})(?:[eE][+-]?[0-9]{1,9})?)"
_INTEGER: Final = r"([+-]?[0-9]{1,18})[iu]"
_TEXT: Final = r'"([^"]*)"'
_KINDS: Final = tuple((kind, re.compile(kind)) for kind in (_FLOAT, _INTEGER, _TEXT))
_TIME: Final = r" ([0-9]{1,19})"
_ITEM: Final = re.compile(r'([^,= "]+)=([^," ]+|"[^"]*")(?:,|\Z)')


class _Number(NamedTuple):
    """A field that is a number for a signal that is one."""

    position: int
    factor: float
    offset: float


class _Shape(NamedTuple):
    """Keys and types of a line's fields."""

    pattern: re.Pattern[str]
    """Matches fields and time; a group for each value, and the time."""
    fields: tuple[_Number | int, ...]
    """For each group but the last: how it is converted; a text's position."""


class Head:
    """What the measurement and tags of lines lead to, and the newest shape of their fields."""

    __slots__ = ("found", "positions", "shape")

    def __init__(self, found: Found, positions: Mapping[str, int]) -> None:
        self.found = found
        self.positions = positions
        """Field key = position of its signal."""
        self.shape: _Shape | None = None


def plain_readings(
    text: str, *, heads: dict[str, Head], head_of: Callable[[str], Head | None], unit: TimeUnit
) -> tuple[Reading, ...] | None:
    """The readings of lines that are all plain, mapped and sound; None where any is not.

    Args:
        text: The message.
        heads: What is remembered of the lines before.
        head_of: Finds what measurement and tags lead to; None where that is nothing.
        unit: Of the times.
    """
    if "\\" in text or "\r" in text:
        return None
    readings: list[Reading] = []
    seen: set[tuple[str, int | None]] = set()
    for line in text.removesuffix("\n").split("\n"):
        written, _, body = line.partition(" ")
        head = heads.get(written)
        if head is None:
            if (head := head_of(written)) is None:
                return None
            if len(heads) < HEADS_KEPT:
                heads[written] = head
        reading = _reading(body, head, unit)
        if reading is None or (key := (reading.machine, reading.observed_at_us)) in seen:
            return None
        seen.add(key)
        readings.append(reading)
    return tuple(readings)


def _reading(body: str, head: Head, unit: TimeUnit) -> Reading | None:
    """The reading of a line's fields and time; None where they are not plain."""
    match = head.shape.pattern.fullmatch(body) if head.shape is not None else None
    if match is None:
        head.shape = _shape(body, head)
        match = head.shape.pattern.fullmatch(body) if head.shape is not None else None
    if match is None or head.shape is None:
        return None
    plan = head.found.plan
    values: list[Value] = [None] * len(plan.fields)
    *written, stamp = match.groups()
    for text, each in zip(written, head.shape.fields, strict=True):
        if isinstance(each, int):
            value = value_of(text, plan.fields[each])
            if not isinstance(value, str):
                return None
            values[each] = value
            continue
        number = float(text) * each.factor + each.offset
        if not math.isfinite(number):
            return None
        values[each.position] = number
    observed_at_us = None
    if unit is not TimeUnit.NONE:
        observed_at_us = int(stamp) * NS_OF[unit] // 1_000
        if observed_at_us >= END_OF_TIME_US:
            return None
    return Reading(head.found.machine, plan.machine_class, observed_at_us, tuple(values))


def _shape(body: str, head: Head) -> _Shape | None:
    """The shape of a line's fields; None where they are not plain, or not all mapped to signals of their type."""
    fields, _, _ = body.rpartition(" ")
    parts: list[str] = []
    wanted: list[_Number | int] = []
    at = 0
    while at < len(fields):
        item = _ITEM.match(fields, at)
        position = None if item is None else head.positions.get(item[1])
        if item is None or position is None:
            return None
        kind = next((kind for kind, pattern in _KINDS if pattern.fullmatch(item[2])), None)
        field = head.found.plan.fields[position]
        if kind is None or field.text is not (kind is _TEXT):
            return None
        parts.append(f"{re.escape(item[1])}={kind}")
        wanted.append(position if field.text else _Number(position, field.factor, field.offset))
        at = item.end()
    if (
        not parts
        or fields.endswith(",")
        or len({each if isinstance(each, int) else each[0] for each in wanted}) < len(wanted)
    ):
        return None
    return _Shape(re.compile(",".join(parts) + _TIME), tuple(wanted))
