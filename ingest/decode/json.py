"""JSON messages: one object per message, its fields mapped to the signals of a machine class.

Every payload gives a `Decoded`: values, a fault, or both. Nothing raises, whatever the bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from ingest.decode.values import (
    FieldPlan,
    MessageFault,
    Refusal,
    Value,
    field_plans,
    kind_of,
    short,
    split_path,
    summary,
    time_of,
    value_of,
)
from ingest.settings import MappingSettings, TimeUnit
from plant.assets import MachineClass
from plant.signals import RejectionReason

ABSENT: Final = object()
"""What `find` gives where a path leads nowhere; null is a value."""


class Decoded(NamedTuple):
    """What one message says."""

    observed_at_us: int | None
    """Device time [µs UTC]; None: the message carries none."""
    values: tuple[Value, ...]
    """One per signal of the class, in its order, in canonical units; None: not reported. Empty: none is sound."""
    fault: MessageFault | None
    unknown: tuple[str, ...]
    """Fields of the message that no signal is mapped to."""


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
    fields = field_plans(mapping, machine_class=machine_class)
    timed = mapping.time_unit is not TimeUnit.NONE
    time_path = split_path(mapping.time_field) if timed else ()
    known = {field.path[0] for field in fields} | set(time_path[:1])
    return JsonPlan(
        machine_class=machine_class.name,
        fields=fields,
        time_path=time_path,
        time_unit=mapping.time_unit,
        known=frozenset(known),
    )


def decode(payload: bytes, *, plan: JsonPlan) -> Decoded:
    """What a message says under a plan; never raises."""
    document = parse(payload)
    return Decoded(None, (), document, ()) if isinstance(document, MessageFault) else decode_object(document, plan=plan)


def decode_object(document: object, *, plan: JsonPlan) -> Decoded:
    """What one object of a message says; never raises."""
    if not isinstance(document, dict):
        detail = f"the message is {kind_of(document)}; it must be one JSON object with a field per signal"
        return Decoded(None, (), MessageFault(RejectionReason.WRONG_SHAPE, detail, 1), ())
    unknown = tuple(document.keys() - plan.known)
    values: list[Value] = []
    faults: list[Refusal] = []
    found = reported = 0
    for field in plan.fields:
        raw = document.get(field.path[0], ABSENT) if len(field.path) == 1 else find(document, field.path)
        if raw is ABSENT:
            values.append(None)
            continue
        found += 1
        value = value_of(raw, field)
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
    return Decoded(observed_at_us, tuple(values) if reported else (), summary(faults), unknown)


def parse(payload: bytes) -> object:
    """The document of a message, or a `MessageFault` where it is none; never raises."""
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
        return MessageFault(RejectionReason.NOT_JSON, f"the message begins {short(payload)}; send a JSON object", 1)
    return MessageFault(RejectionReason.NOT_JSON, f"{problem.split(' - at')[0]}; send a JSON object", 1)


def _first_bad_byte(payload: bytes, error: UnicodeDecodeError) -> int:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as whole:
        return whole.start
    return error.start


def find(document: object, path: tuple[str, ...]) -> object:
    """What is at a path, through objects and lists; `ABSENT` where it leads nowhere."""
    here: object = document
    for key in path:
        if isinstance(here, dict):
            here = here.get(key, ABSENT)
        elif isinstance(here, list) and key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(here):
            here = here[int(key)]
        else:
            return ABSENT
    return here


def _time(document: Mapping[str, object], plan: JsonPlan) -> int | str | None:
    """Device time [µs UTC], None where there is none, or a sentence about what is wrong with it."""
    if not plan.time_path:
        return None
    raw = find(document, plan.time_path)
    if raw is ABSENT or raw is None:
        return None
    return time_of(raw, name=".".join(plan.time_path), unit=plan.time_unit)


def _no_field(document: Mapping[str, object], plan: JsonPlan) -> MessageFault:
    has = ", ".join(short(key) for key in list(document)[:5]) or "no field at all"
    wanted = ", ".join(".".join(field.path) for field in plan.fields[:5])
    detail = f"the message has {has}; none of them is a field of class {plan.machine_class}, such as {wanted}"
    return MessageFault(RejectionReason.NO_FIELD, detail, 1)
