"""JSON messages: one object per message, its fields mapped to the signals of a machine class.

Every payload gives a `Decoded`: values, a fault, or both. Nothing raises, whatever the bytes.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from ingest.settings import MappingSettings, TimeUnit
from plant.assets import MachineClass, SignalKind
from plant.clock import microseconds
from plant.quantities import UNITS
from plant.signals import RejectionReason

MAX_TEXT: Final = 200
"""Longest text of a state or event [character]; more is a wrong field, not a state."""
END_OF_TIME_US: Final = 253_402_300_800_000_000
"""Year 10000, the end of what dates can say [µs UTC]."""
_US_OF: Final = {TimeUnit.S: 1_000_000, TimeUnit.MS: 1_000, TimeUnit.US: 1}
_ABSENT: Final = object()

Value = float | str | None


class MessageFault(NamedTuple):
    """What is wrong with a message, or with some of its fields."""

    reason: RejectionReason
    detail: str
    """A sentence for a person: field, value, what would be right."""
    samples: int
    """How many samples could not be taken (at least 1)."""


class Decoded(NamedTuple):
    """What one message says."""

    observed_at_us: int | None
    """Device time [µs UTC]; None: the message carries none."""
    values: tuple[Value, ...]
    """One per signal of the class, in its order, in canonical units; None: not reported. Empty: none is sound."""
    fault: MessageFault | None
    unknown: tuple[str, ...]
    """Fields of the message that no signal is mapped to."""


class FieldPlan(NamedTuple):
    """How one signal is found and converted."""

    signal: str
    path: tuple[str, ...]
    text: bool
    factor: float
    offset: float


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonPlan:
    """A mapping made ready for one machine class."""

    machine_class: str
    fields: tuple[FieldPlan, ...]
    time_path: tuple[str, ...]
    time_unit: TimeUnit
    known: frozenset[str]
    """First levels of all paths."""


def plan_decoding(mapping: MappingSettings, *, machine_class: MachineClass) -> JsonPlan:
    """Make a mapping ready for the signals of a class; signals without an own path are found by their name."""
    fields = []
    for signal in machine_class.signals:
        unit = mapping.units.get(signal.name, signal.quantity.unit)
        _, factor, offset = UNITS[unit]
        path = split_path(mapping.fields.get(signal.name, signal.name))
        text = signal.kind in (SignalKind.STATE, SignalKind.EVENT)
        fields.append(FieldPlan(signal.name, path, text, factor, offset))
    timed = mapping.time_unit is not TimeUnit.NONE
    time_path = split_path(mapping.time_field) if timed else ()
    known = {field.path[0] for field in fields} | set(time_path[:1])
    return JsonPlan(
        machine_class=machine_class.name,
        fields=tuple(fields),
        time_path=time_path,
        time_unit=mapping.time_unit,
        known=frozenset(known),
    )


def split_path(path: str) -> tuple[str, ...]:
    """Keys on the way to a field: dotted, or a JSON pointer (RFC 6901) where a key holds a dot.

    >>> split_path("motor.current"), split_path("/motor/current.rms")
    (('motor', 'current'), ('motor', 'current.rms'))
    """
    if path.startswith("/"):
        return tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    return tuple(path.split("."))


def decode(payload: bytes, *, plan: JsonPlan) -> Decoded:
    """What a message says under a plan; never raises."""
    document = _parse(payload)
    if isinstance(document, MessageFault):
        return Decoded(None, (), document, ())
    if not isinstance(document, dict):
        detail = f"the message is {_kind(document)}; it must be one JSON object with a field per signal"
        return Decoded(None, (), MessageFault(RejectionReason.WRONG_SHAPE, detail, 1), ())
    unknown = tuple(document.keys() - plan.known)
    values: list[Value] = []
    faults: list[tuple[RejectionReason, str]] = []
    found = reported = 0
    for field in plan.fields:
        raw = document.get(field.path[0], _ABSENT) if len(field.path) == 1 else _find(document, field.path)
        if raw is _ABSENT:
            values.append(None)
            continue
        found += 1
        value = _text(raw, field) if field.text else _number(raw, field)
        if isinstance(value, tuple):
            faults.append(value)
            value = None
        elif value is not None:
            reported += 1
        values.append(value)
    if not found:
        return Decoded(None, (), _no_field(document, plan), unknown)
    observed_at_us = _time(document, plan)
    if isinstance(observed_at_us, str):
        fault = MessageFault(RejectionReason.BAD_TIME, observed_at_us, max(1, reported + len(faults)))
        return Decoded(None, (), fault, unknown)
    return Decoded(observed_at_us, tuple(values) if reported else (), _summary(faults), unknown)


def _parse(payload: bytes) -> object:
    try:
        return msgspec.json.decode(payload)
    except RecursionError:
        return MessageFault(RejectionReason.WRONG_SHAPE, "the message is nested too deeply to be read", 1)
    except UnicodeDecodeError as error:
        detail = f"the message is not UTF-8 text (byte {_first_bad_byte(payload, error)}); send JSON in UTF-8"
        return MessageFault(RejectionReason.NOT_JSON, detail, 1)
    except msgspec.DecodeError as error:
        if b"NaN" in payload or b"Infinity" in payload or "out of range" in str(error):
            return _parse_leniently(payload, problem=str(error))
        return _not_json(payload, str(error))


def _parse_leniently(payload: bytes, *, problem: str) -> object:
    """Read what only breaks JSON's rules for numbers, so that one such field does not cost the others."""
    try:
        return json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError):
        return _not_json(payload, problem)


def _not_json(payload: bytes, problem: str) -> MessageFault:
    if not payload.strip():
        return MessageFault(RejectionReason.NOT_JSON, "the message is empty; send a JSON object", 1)
    if not payload.lstrip().startswith((b"{", b"[")):
        return MessageFault(RejectionReason.NOT_JSON, f"the message begins {_short(payload)}; send a JSON object", 1)
    return MessageFault(RejectionReason.NOT_JSON, f"{problem.split(' - at')[0]}; send a JSON object", 1)


def _first_bad_byte(payload: bytes, error: UnicodeDecodeError) -> int:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as whole:
        return whole.start
    return error.start


def _find(document: Mapping[str, object], path: tuple[str, ...]) -> object:
    here: object = document
    for key in path:
        if isinstance(here, dict):
            here = here.get(key, _ABSENT)
        elif isinstance(here, list) and key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(here):
            here = here[int(key)]
        else:
            return _ABSENT
    return here


def _number(raw: object, field: FieldPlan) -> float | tuple[RejectionReason, str] | None:
    if raw is None:
        return None
    if isinstance(raw, (bool, int, float)):
        try:
            value = float(raw) * field.factor + field.offset
        except OverflowError:
            value = math.inf
        if math.isfinite(value):
            return value
        return (
            RejectionReason.NOT_A_NUMBER,
            f"{field.signal} is {_short(raw)}; it must be a finite number, or null for none",
        )
    if isinstance(raw, str) and _is_numeric(raw):
        return (
            RejectionReason.WRONG_TYPE,
            f"{field.signal} is the text {_short(raw)}; write it without quotes, as a number",
        )
    return RejectionReason.WRONG_TYPE, f"{field.signal} is {_kind(raw)} {_short(raw)}; it must be a number"


def _text(raw: object, field: FieldPlan) -> str | tuple[RejectionReason, str] | None:
    if raw is None:
        return None
    if not isinstance(raw, str):
        return RejectionReason.WRONG_TYPE, f"{field.signal} is {_kind(raw)} {_short(raw)}; it must be text"
    if len(raw) > MAX_TEXT:
        return RejectionReason.WRONG_TYPE, f"{field.signal} is {len(raw)} characters long; at most {MAX_TEXT} are taken"
    if not raw.isascii() and any("\ud800" <= sign <= "\udfff" for sign in raw):
        return (
            RejectionReason.WRONG_TYPE,
            f"{field.signal} is {_short(raw)}, which is not valid Unicode; send whole characters",
        )
    return raw


def _time(document: Mapping[str, object], plan: JsonPlan) -> int | str | None:
    """Device time [µs UTC], None where there is none, or a sentence about what is wrong with it."""
    if not plan.time_path:
        return None
    raw = _find(document, plan.time_path)
    if raw is _ABSENT or raw is None:
        return None
    name = ".".join(plan.time_path)
    at_us = _iso(raw, name) if plan.time_unit is TimeUnit.ISO else _ticks(raw, name, plan.time_unit)
    if isinstance(at_us, int) and not 0 <= at_us < END_OF_TIME_US:
        return f"{name} is {_short(raw)}, outside the years 1970 to 9999 when read as {plan.time_unit}; check time_unit"
    return at_us


def _ticks(raw: object, name: str, unit: TimeUnit) -> int | str:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return f"{name} is {_kind(raw)} {_short(raw)}; it must be a number of {unit} since 1970 UTC"
    if isinstance(raw, int):
        return raw // 1_000 if unit is TimeUnit.NS else raw * _US_OF[unit]
    at_us = raw / 1_000 if unit is TimeUnit.NS else raw * _US_OF[unit]
    if not math.isfinite(at_us):
        return f"{name} is {_short(raw)}; it must be a number of {unit} since 1970 UTC"
    return round(at_us)


def _iso(raw: object, name: str) -> int | str:
    expected = "it must be ISO 8601 text with a zone, e.g. 2026-11-22T14:20:00Z"
    if not isinstance(raw, str):
        return f"{name} is {_kind(raw)} {_short(raw)}; {expected}"
    try:
        at = datetime.fromisoformat(raw)
    except ValueError:
        return f"{name} is {_short(raw)}; {expected}"
    if at.utcoffset() is None:
        return f"{name} is {_short(raw)}, which has no zone; {expected}"
    return microseconds(at)


def _no_field(document: Mapping[str, object], plan: JsonPlan) -> MessageFault:
    has = ", ".join(_short(key) for key in list(document)[:5]) or "no field at all"
    wanted = ", ".join(".".join(field.path) for field in plan.fields[:5])
    detail = f"the message has {has}; none of them is a field of class {plan.machine_class}, such as {wanted}"
    return MessageFault(RejectionReason.NO_FIELD, detail, 1)


def _summary(faults: list[tuple[RejectionReason, str]]) -> MessageFault | None:
    if not faults:
        return None
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    return MessageFault(faults[0][0], "; ".join(detail for _, detail in faults[:3]) + more, len(faults))


def _is_numeric(text: str) -> bool:
    if len(text) > 40:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _short(value: object) -> str:
    """The value as its author wrote it, at most 40 characters, safe to store."""
    if isinstance(value, int) and abs(value) > 10**30:
        return "an integer of more than 30 digits"
    if isinstance(value, (dict, list)):
        return f"of {len(value)} entries"
    head = value[:40] if isinstance(value, (str, bytes)) else value
    text = ascii(head).removeprefix("b") if isinstance(head, bytes) else ascii(head)
    return text if len(text) <= 60 else text[:57] + "..."
