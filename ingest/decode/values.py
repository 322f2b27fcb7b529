"""One value of a message: its type made right by rule or refused alone, its unit converted, its time understood.

Shared by all formats. Nothing raises, whatever the value; what is refused comes back with a sentence.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ingest.settings import MappingSettings, TextNumbers, TimeUnit
from plant.assets import MachineClass, SignalKind
from plant.clock import microseconds
from plant.quantities import UNITS
from plant.signals import RejectionReason

MAX_TEXT: Final = 200
"""Longest text of a state or event [character]; more is a wrong field, not a state."""
END_OF_TIME_US: Final = 253_402_300_800_000_000
"""Year 10000, the end of what dates can say [µs UTC]."""
_US_OF: Final = {TimeUnit.S: 1_000_000, TimeUnit.MS: 1_000, TimeUnit.US: 1}
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""RFC 8259, section 6."""

Value = float | str | None
Refusal = tuple[RejectionReason, str]
"""Why a value cannot be taken: reason, and a sentence with field, value and what would be right."""


class MessageFault(NamedTuple):
    """What is wrong with a message, or with some of its fields."""

    reason: RejectionReason
    detail: str
    """A sentence for a person: field, value, what would be right."""
    samples: int
    """How many samples could not be taken (at least 1)."""


class FieldPlan(NamedTuple):
    """How one signal is found and converted."""

    signal: str
    path: tuple[str, ...]
    text: bool
    factor: float
    offset: float
    text_numbers: TextNumbers = TextNumbers.CONVERT
    states: Mapping[str, str] | None = None
    """For a text: what the message writes = what is stored. None: as written."""


def field_plans(mapping: MappingSettings, *, machine_class: MachineClass) -> tuple[FieldPlan, ...]:
    """How each signal of a class is found and converted, in its order; by its own name unless the mapping says."""
    plans = []
    for signal in machine_class.signals:
        unit = mapping.units.get(signal.name, signal.quantity.unit)
        _, factor, offset = UNITS[unit]
        text = signal.kind in (SignalKind.STATE, SignalKind.EVENT)
        plans.append(
            FieldPlan(
                signal=signal.name,
                path=split_path(mapping.fields.get(signal.name, signal.name)),
                text=text,
                factor=factor,
                offset=offset,
                text_numbers=mapping.text_numbers,
                states=mapping.states.get(signal.name) if text else None,
            )
        )
    return tuple(plans)


def split_path(path: str) -> tuple[str, ...]:
    """Keys on the way to a field: dotted, or a JSON pointer (RFC 6901) where a key holds a dot.

    >>> split_path("motor.current"), split_path("/motor/current.rms")
    (('motor', 'current'), ('motor', 'current.rms'))
    """
    if path.startswith("/"):
        return tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    return tuple(path.split("."))


def value_of(raw: object, field: FieldPlan) -> Value | Refusal:
    """A value in its canonical unit, None where none was reported, or why it cannot be taken."""
    if raw is None:
        return None
    return _text(raw, field) if field.text else _number(raw, field)


def time_of(raw: object, *, name: str, unit: TimeUnit) -> int | str:
    """A device time [µs UTC], or a sentence about what is wrong with it."""
    at_us = _iso(raw, name) if unit is TimeUnit.ISO else _ticks(raw, name, unit)
    if isinstance(at_us, int) and not 0 <= at_us < END_OF_TIME_US:
        return f"{name} is {short(raw)}, outside the years 1970 to 9999 when read as {unit}; check time_unit"
    return at_us


def summary(refusals: Sequence[Refusal]) -> MessageFault | None:
    """Several refusals as one; None where there is none."""
    if not refusals:
        return None
    more = f"; and {len(refusals) - 3} more" if len(refusals) > 3 else ""
    return MessageFault(refusals[0][0], "; ".join(detail for _, detail in refusals[:3]) + more, len(refusals))


def kind_of(value: object) -> str:
    """What a value is, in words.

    >>> kind_of([1]), kind_of("x"), kind_of(None)
    ('a list', 'text', 'null')
    """
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def short(value: object) -> str:
    """The value as its author wrote it, at most 40 characters, safe to store."""
    if isinstance(value, int) and abs(value) > 10**30:
        return "an integer of more than 30 digits"
    if isinstance(value, (dict, list)):
        return f"of {len(value)} entries"
    head = value[:40] if isinstance(value, (str, bytes)) else value
    text = ascii(head).removeprefix("b") if isinstance(head, bytes) else ascii(head)
    return text if len(text) <= 60 else text[:57] + "..."


def _number(raw: object, field: FieldPlan) -> float | Refusal:
    written = raw
    if isinstance(raw, str) and len(raw) <= 40 and _NUMBER.fullmatch(raw):
        if field.text_numbers is TextNumbers.REJECT:
            detail = f"{field.signal} is the text {short(raw)}; write it without quotes, as a number"
            return RejectionReason.WRONG_TYPE, detail
        written = float(raw)
    if not isinstance(written, (bool, int, float)):
        return RejectionReason.WRONG_TYPE, f"{field.signal} is {kind_of(raw)} {short(raw)}; it must be a number"
    try:
        value = float(written) * field.factor + field.offset
    except OverflowError:
        value = math.inf
    if math.isfinite(value):
        return value
    detail = f"{field.signal} is {short(raw)}; it must be a finite number, or null for none"
    return RejectionReason.NOT_A_NUMBER, detail


def _text(raw: object, field: FieldPlan) -> str | Refusal:
    if field.states is not None:
        key = _key(raw)
        if key in field.states:
            return field.states[key]
        if key and not isinstance(raw, str):
            detail = f"{field.signal} is {key[:40]}, which the mapping's states do not name; add it there"
            return RejectionReason.WRONG_TYPE, detail
    if not isinstance(raw, str):
        hint = "; name what it means in the mapping's states" if isinstance(raw, (bool, int)) else ""
        return RejectionReason.WRONG_TYPE, f"{field.signal} is {kind_of(raw)} {short(raw)}; it must be text{hint}"
    if len(raw) > MAX_TEXT:
        return RejectionReason.WRONG_TYPE, f"{field.signal} is {len(raw)} characters long; at most {MAX_TEXT} are taken"
    if not raw.isascii() and any("\ud800" <= sign <= "\udfff" for sign in raw):
        return (
            RejectionReason.WRONG_TYPE,
            f"{field.signal} is {short(raw)}, which is not valid Unicode; send whole characters",
        )
    return raw


def _key(raw: object) -> str:
    """How a raw value is written in the mapping's states: `6` also where it came as 6.0, `true`, or text."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw)) if abs(raw) < 1e15 else ""
    if isinstance(raw, int):
        return str(raw) if abs(raw) < 10**15 else ""
    return raw if isinstance(raw, str) else ""


def _ticks(raw: object, name: str, unit: TimeUnit) -> int | str:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return f"{name} is {kind_of(raw)} {short(raw)}; it must be a number of {unit} since 1970 UTC"
    if isinstance(raw, int):
        return raw // 1_000 if unit is TimeUnit.NS else raw * _US_OF[unit]
    at_us = raw / 1_000 if unit is TimeUnit.NS else raw * _US_OF[unit]
    if not math.isfinite(at_us):
        return f"{name} is {short(raw)}; it must be a number of {unit} since 1970 UTC"
    return round(at_us)


def _iso(raw: object, name: str) -> int | str:
    expected = "it must be ISO 8601 text with a zone, e.g. 2026-11-22T14:20:00Z"
    if not isinstance(raw, str):
        return f"{name} is {kind_of(raw)} {short(raw)}; {expected}"
    try:
        at = datetime.fromisoformat(raw)
    except ValueError:
        return f"{name} is {short(raw)}; {expected}"
    if at.utcoffset() is None:
        return f"{name} is {short(raw)}, which has no zone; {expected}"
    return microseconds(at)
