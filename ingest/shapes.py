"""What messages look like: their format, where their time is, and what their fields are, told from a few samples."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ingest.decode.json import parse
from ingest.decode.line import first_line
from ingest.decode.values import MessageFault
from ingest.settings import MessageFormat, TimeUnit
from ingest.survey import leaves

_TIME_NAME: Final = re.compile(r"(time|stamp|date)|^(t|ts|at|utc|epoch)(_|$)|_(ts|at)$", re.IGNORECASE)
_TICKS: Final = ((1e9, TimeUnit.S), (1e12, TimeUnit.MS), (1e15, TimeUnit.US), (1e18, TimeUnit.NS))
"""From these numbers on (the year 2001), up to four times as much (the year 2096)."""
_NAME_KEYS: Final = ("name", "metric", "tag", "id", "key", "signal")
_VALUE_KEYS: Final = ("value", "val", "v")
_BESIDE_A_TAG: Final = 3
"""A tag's message has at most so many keys beside its value: time, quality, unit."""


@dataclass(kw_only=True, slots=True)
class SeenField:
    """A field as the samples show it."""

    kinds: set[str] = field(default_factory=set)
    """`number`, `text`, `boolean`; more than one is a drift."""
    example: object = None

    def see(self, value: object) -> None:
        """Take one value into account; null says nothing."""
        if value is not None:
            kind = "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
            self.kinds.add(kind)
            self.example = value


@dataclass(kw_only=True, slots=True)
class Shape:
    """What the messages of a topic look like."""

    format: MessageFormat
    fields: dict[str, SeenField] = field(default_factory=dict)
    """By what `fields` of a mapping refers to them with."""
    time_field: str = ""
    time_unit: TimeUnit = TimeUnit.NONE
    samples: str = ""
    name_field: str = ""
    value_field: str = "value"
    tags: dict[str, str] = field(default_factory=dict)
    """Line protocol: tags of the newest line. OPC UA: publisher, group and writer."""


def shape_of(samples: Iterable[bytes]) -> Shape | None:
    """The shape that the samples share, or None where none of them can be read."""
    shape: Shape | None = None
    for payload in samples:
        found = _shape(payload)
        if found is None:
            continue
        if shape is None or shape.format is not found.format:
            shape = found
            continue
        for name, seen in found.fields.items():
            known = shape.fields.setdefault(name, seen)
            known.kinds |= seen.kinds
        if shape.time_unit is TimeUnit.NONE:
            shape.time_field, shape.time_unit = found.time_field, found.time_unit
    return shape


def written(path: tuple[str, ...]) -> str:
    """A path as mappings write it: dotted, or a JSON pointer where a key holds a dot or begins with a slash.

    >>> written(("a", "b")), written(("a.b", "c/d"))
    ('a.b', '/a.b/c~1d')
    """
    if any("." in key or not key for key in path) or path[0].startswith("/"):
        return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)
    return ".".join(path)


def time_unit_of(value: object) -> TimeUnit | None:
    """How a value writes a time of our days, or None where it is none.

    >>> time_unit_of(1790000000000), time_unit_of("2026-11-22T14:20:00Z"), time_unit_of(21.5)
    (<TimeUnit.MS: 'ms'>, <TimeUnit.ISO: 'iso'>, None)
    """
    if isinstance(value, str):
        try:
            return TimeUnit.ISO if "T" in value and datetime.fromisoformat(value).utcoffset() is not None else None
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return next((unit for least, unit in _TICKS if least <= value < 4 * least), None)


def _shape(payload: bytes) -> Shape | None:
    document = parse(payload)
    if isinstance(document, MessageFault):
        return _line_shape(payload)
    if isinstance(document, (bool, int, float, str)):
        shape = Shape(format=MessageFormat.UNS)
        shape.fields.setdefault("", SeenField()).see(document)
        return shape
    if isinstance(document, dict) and (
        "Messages" in document or str(document.get("MessageType", "")).startswith("ua-") or "Payload" in document
    ):
        return _opcua_shape(document)
    if isinstance(document, dict) and "value" in document and not isinstance(document["value"], (dict, list)):
        others = {key: each for key, each in document.items() if key != "value"}
        if len(others) <= _BESIDE_A_TAG and not any(key in _NAME_KEYS for key in others):
            return _tag_shape(document, others)
    return _object_shape(document)


def _line_shape(payload: bytes) -> Shape | None:
    try:
        line = first_line(payload.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    if line is None:
        return None
    _, tags, values = line
    shape = Shape(format=MessageFormat.LINE, time_unit=TimeUnit.NS, tags=tags)
    for key, value in values.items():
        shape.fields.setdefault(key, SeenField()).see(value)
    return shape


def _opcua_shape(document: Mapping[str, object]) -> Shape:
    shape = Shape(format=MessageFormat.OPCUA)
    parts = document.get("Messages", document)
    for part in parts if isinstance(parts, list) else [parts]:
        if not isinstance(part, dict):
            continue
        writer = part.get("DataSetWriterName", part.get("DataSetWriterId"))
        told = {"publisher": document.get("PublisherId"), "group": document.get("WriterGroupName"), "writer": writer}
        shape.tags |= {key: str(value) for key, value in told.items() if isinstance(value, (str, int))}
        payload = part.get("Payload")
        for name, raw in payload.items() if isinstance(payload, dict) else ():
            scalars = [value for path, value in leaves(raw) if not path or path[-1] in ("Body", "Value")]
            shape.fields.setdefault(name, SeenField()).see(scalars[0] if scalars else None)
    return shape


def _tag_shape(document: Mapping[str, object], others: Mapping[str, object]) -> Shape:
    shape = Shape(format=MessageFormat.UNS)
    _find_time(shape, (((key,), value) for key, value in others.items()))
    shape.fields.setdefault("", SeenField()).see(document["value"])
    return shape


def _object_shape(document: object) -> Shape:
    shape = Shape(format=MessageFormat.JSON)
    elements: list[object] = [document]
    if isinstance(document, list):
        elements = document[:50]
    elif isinstance(document, dict):
        arrays = _arrays(document)
        if len(arrays) == 1:
            key, array = arrays[0]
            shape.samples = written((key,))
            _find_time(shape, leaves({name: value for name, value in document.items() if name != key}))
            elements = array[:50]
    for element in elements:
        keyed: dict[str, object] = element if isinstance(element, dict) else {}
        name = next((key for key in _NAME_KEYS if isinstance(keyed.get(key), str)), "")
        value = next((key for key in _VALUE_KEYS if key in keyed), "")
        told = [(path, each) for path, each in leaves(element) if path]
        _find_time(shape, iter(told))
        if name and value:
            shape.name_field, shape.value_field = name, value
            shape.fields.setdefault(str(keyed[name]), SeenField()).see(keyed[value])
            continue
        for path, each in told:
            if written(path) != shape.time_field:
                shape.fields.setdefault(written(path), SeenField()).see(each)
    return shape


def _arrays(document: Mapping[str, object]) -> list[tuple[str, list[object]]]:
    """Arrays of objects, with their keys."""
    lists = [(key, value) for key, value in document.items() if isinstance(value, list)]
    return [(key, value) for key, value in lists if value and isinstance(value[0], dict)]


def _find_time(shape: Shape, told: Iterator[tuple[tuple[str, ...], object]]) -> None:
    """The first field that is named like a time and holds one."""
    if shape.time_unit is not TimeUnit.NONE:
        return
    for path, value in told:
        unit = time_unit_of(value)
        if unit is not None and path and _TIME_NAME.search(path[-1]):
            shape.time_field, shape.time_unit = written(path), unit
            return
