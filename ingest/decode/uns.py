"""Unified Namespace: one tag per topic, the tag's name in the topic, time and value in the message.

Source: United Manufacturing Hub documentation, "Unified Namespace": topic convention and payload of time series,
`{"timestamp_ms": 1700000000000, "value": 21.5}`. A group of tags, `{"timestamp_ms": ..., "x": 1, "y": 2}`, are the tags
`<tag>/x` and `<tag>/y`; a bare number, text, true or false is a value without device time.
"""

from dataclasses import dataclass

from ingest.decode.contents import Contents, Found, Gathering, Reading
from ingest.decode.json import ABSENT, find, parse
from ingest.decode.values import MessageFault, Value, kind_of, time_of, value_of
from plant.signals import RejectionReason


@dataclass(frozen=True, kw_only=True, slots=True)
class TagPlan:
    """How the messages of one topic are read."""

    found: Found
    tag: str
    """Name of the tag: the topic's last levels, e.g. `drive/current`."""
    time_path: tuple[str, ...]
    """Empty: messages carry no device time."""
    value_path: tuple[str, ...]


def decode_tag(payload: bytes, *, plan: TagPlan) -> Contents:
    """What a tag's message says; never raises."""
    document = parse(payload)
    if isinstance(document, MessageFault):
        return Contents((), document)
    gathering = Gathering()
    if isinstance(document, (bool, int, float, str)):
        if (reading := _bare(document, plan.found, plan.tag)) is not None:
            return Contents((reading,), None)
        gathering.add(plan.found, None, [(plan.tag, document)], where="the topic's tag")
        return gathering.contents()
    if not isinstance(document, dict):
        detail = f'the message is {kind_of(document)}; it must be an object like {{"timestamp_ms": 0, "value": 1.5}}'
        return Contents((), MessageFault(RejectionReason.WRONG_SHAPE, detail, 1))
    observed_at_us = _time(document, plan)
    if isinstance(observed_at_us, str):
        return Contents((), MessageFault(RejectionReason.BAD_TIME, observed_at_us, 1))
    value = find(document, plan.value_path)
    values = [(plan.tag, value)]
    if value is ABSENT:
        values = [(f"{plan.tag}/{key}", each) for key, each in document.items() if key not in plan.time_path[:1]]
    gathering.add(plan.found, observed_at_us, values, where="the topic's tag")
    return gathering.contents()


def _bare(document: object, found: Found, tag: str) -> Reading | None:
    """The reading of a sound bare value, the usual one; None leaves it to `Gathering`, which explains what is wrong."""
    position = found.plan.names.get(tag)
    value = None if position is None else value_of(document, found.plan.fields[position])
    if value is None or isinstance(value, tuple) or position is None:
        return None
    values: list[Value] = [None] * len(found.plan.fields)
    values[position] = value
    return Reading(found.machine, found.plan.machine_class, None, tuple(values))


def _time(document: dict[str, object], plan: TagPlan) -> int | str | None:
    raw = find(document, plan.time_path) if plan.time_path else None
    if raw is None or raw is ABSENT:
        return None
    return time_of(raw, name=".".join(plan.time_path), unit=plan.found.plan.time_unit)
