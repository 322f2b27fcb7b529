"""InfluxDB line protocol: `measurement,tag=value field=1.0,other=2i <time>`, any number of lines in a message.

Source: InfluxDB v2 documentation, "Line protocol": elements, data types, escapes, comments.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ingest.decode.contents import Contents, Finder, Gathering
from ingest.decode.plain_lines import NS_OF, Head, plain_readings
from ingest.decode.values import END_OF_TIME_US, MessageFault, short
from ingest.settings import TimeUnit
from plant.signals import RejectionReason

_KEY: Final = r"(?:[^\\,= \n]|\\.)++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_LINE: Final = re.compile(
    rf"(?P<measurement>(?:[^\\, \n]|\\.)++)(?P<tags>(?:,{_KEY}={_KEY})*+)[ ]++"
    rf"(?P<fields>{_KEY}=(?:{_QUOTED}|[^\"\\, \n]++)(?:,{_KEY}=(?:{_QUOTED}|[^\"\\, \n]++))*+)"
    r"(?:[ ]++(?P<time>-?[0-9]{1,19}))?+[ \r]*+(?:\n|\Z)",
    re.DOTALL,
)
_TAG: Final = re.compile(rf",({_KEY})=({_KEY})", re.DOTALL)
_FIELD: Final = re.compile(rf"({_KEY})=({_QUOTED}|[^\"\\, \n]++)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([,= ])")
_ESCAPED_IN_QUOTES: Final = re.compile(r'\\(["\\])')
_INTEGER: Final = re.compile(r"[+-]?[0-9]+[iu]")
_FLOAT: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS: Final = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
_BAD: Final = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class LinePlan:
    """How the lines under a topic are read."""

    find: Finder
    """Finds the machine by topic levels and tags."""
    named: Mapping[str, str]
    """Placeholders that the topic fills; they win over tags."""
    time_unit: TimeUnit
    heads: dict[str, Head] = field(default_factory=dict)
    """What measurement and tags lead to, as they were written: a memory that changes no answer."""


def decode_lines(payload: bytes, *, plan: LinePlan) -> Contents:
    """What the lines of a message say; a line that cannot be read costs only itself. Never raises."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"the message is not UTF-8 text (byte {error.start}); send line protocol in UTF-8"
        return Contents((), MessageFault(RejectionReason.WRONG_SHAPE, detail, 1))
    readings = plain_readings(text, heads=plan.heads, head_of=lambda head: _head(head, plan), unit=plan.time_unit)
    return decode_any_lines(text, plan=plan) if readings is None else Contents(readings, None)


def decode_any_lines(text: str, *, plan: LinePlan) -> Contents:
    """The same for lines of any kind, read one by one."""
    gathering = Gathering()
    position, number, lines = 0, 0, 0
    while position < len(text):
        number += 1
        line = _LINE.match(text, position)
        if line is None:
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            written = text[position:end].strip()
            if written and not written.startswith("#"):
                lines += 1
                detail = f"line {number} ({short(written)}) is no line protocol: measurement,tag=text field=1.0 <time>"
                gathering.refuse(RejectionReason.WRONG_SHAPE, detail)
            position = end + 1
            continue
        if not line["measurement"].startswith("#"):
            lines += 1
            _take(line, number, plan, gathering)
        number += line[0].count("\n", 0, -1)
        position = line.end()
    if not lines:
        detail = "the message holds no line; send measurement,tag=text field=1.0 <time>"
        return Contents((), MessageFault(RejectionReason.WRONG_SHAPE, detail, 1))
    return gathering.contents()


def _head(head: str, plan: LinePlan) -> Head | None:
    """What the measurement and tags of a plain line lead to; None where that is nothing, or not plain."""
    line = _LINE.match(f"{head} a=1")
    if line is None or line["measurement"].startswith("#") or line.end("tags") != len(head):
        return None
    found = plan.find({**dict(_TAG.findall(line["tags"])), **plan.named})
    if isinstance(found, MessageFault):
        return None
    names = found.plan.names
    prefix = f"{line['measurement']}."
    full = {name.removeprefix(prefix): position for name, position in names.items() if name.startswith(prefix)}
    return Head(found, {**names, **full})


def first_line(text: str) -> tuple[str, dict[str, str], dict[str, object]] | None:
    """Measurement, tags and fields of the first line, or None where the text is no line protocol.

    >>> first_line("# note\\ndrive,host=press temp=40i 1790000000000000000")
    ('drive', {'host': 'press'}, {'temp': 40.0})
    """
    for start in (0, *(found.end() for found in re.finditer("\n", text[:4_000]))):
        if (line := _LINE.match(text, start)) is not None and not line["measurement"].startswith("#"):
            tags = {_plain(key): _plain(value) for key, value in _TAG.findall(line["tags"])}
            values = {_plain(key): _value(value) for key, value in _FIELD.findall(line["fields"])}
            return None if _BAD in values.values() else (_plain(line["measurement"]), tags, values)
    return None


def _take(line: re.Match[str], number: int, plan: LinePlan, gathering: Gathering) -> None:
    raw = [(_plain(key), _value(value)) for key, value in _FIELD.findall(line["fields"])]
    tags = {_plain(key): _plain(value) for key, value in _TAG.findall(line["tags"])}
    found = plan.find({**tags, **plan.named})
    if isinstance(found, MessageFault):
        gathering.refuse(found.reason, f"line {number}: {found.detail}", samples=len(raw))
        return
    observed_at_us = _time(line["time"], plan.time_unit)
    if isinstance(observed_at_us, str):
        gathering.refuse(RejectionReason.BAD_TIME, f"line {number}: {observed_at_us}", samples=len(raw))
        return
    measurement = _plain(line["measurement"])
    names = found.plan.names
    values = []
    for key, value in raw:
        full = f"{measurement}.{key}"
        name = full if full in names else key
        if value is _BAD and name in names:
            detail = f"line {number}: {short(key)} is neither a number, nor true or false, nor text in quotes"
            gathering.refuse(RejectionReason.WRONG_TYPE, detail)
        values.append((name, None if value is _BAD else value))
    gathering.add(found, observed_at_us, values, where="the message")


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _value(text: str) -> object:
    if text.startswith('"'):
        return _ESCAPED_IN_QUOTES.sub(r"\1", text[1:-1])
    if len(text) > 400:
        return _BAD
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INTEGER.fullmatch(text):
        return float(text[:-1])
    return _BOOLEANS.get(text, _BAD)


def _time(text: str | None, unit: TimeUnit) -> int | str | None:
    if text is None or unit is TimeUnit.NONE:
        return None
    at_us = int(text) * NS_OF[unit] // 1_000
    if not 0 <= at_us < END_OF_TIME_US:
        return f"the time {text} is outside the years 1970 to 9999 when read as {unit}; check time_unit"
    return at_us
