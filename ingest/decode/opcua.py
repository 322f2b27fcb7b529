"""OPC UA PubSub in JSON: network messages, bare data set messages, and arrays of them.

Source: OPC 10000-14 (PubSub), 7.2.5 "JSON message mapping": NetworkMessage and DataSetMessage headers, each of which
may be left out; OPC 10000-6, 5.4: values bare, as Variant (`Type`/`Body`, since 1.05 `UaType`/`Value`) or as DataValue
(`Value`, `Status`, `SourceTimestamp`), 64-bit integers as text; OPC 10000-4, 7.38: severity of status codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ingest.decode.contents import Contents, Finder, Gathering
from ingest.decode.json import parse
from ingest.decode.values import MessageFault, kind_of, short, time_of
from ingest.settings import TimeUnit
from plant.signals import RejectionReason

_BAD: Final = 0x8000_0000
"""Severity bit of a status code."""
_INT64: Final = frozenset({8, 9, "Int64", "UInt64"})
_SILENT: Final = tuple(
    f"ua-{kind}" for kind in ("keepalive", "metadata", "status", "connection", "application", "endpoints")
)
"""Kinds of messages that carry no values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PubSubPlan:
    """How the messages under a topic are read."""

    find: Finder
    """Finds the machine by topic levels, publisher, group and writer."""
    named: Mapping[str, str]
    """Placeholders that the topic fills; they win over what the message says."""


def decode_pubsub(payload: bytes, *, plan: PubSubPlan) -> Contents:
    """What the data set messages of a message say; one that cannot be used costs only itself. Never raises."""
    document = parse(payload)
    if isinstance(document, MessageFault):
        return Contents((), document)
    gathering = Gathering()
    for network in document if isinstance(document, list) else [document]:
        if isinstance(network, dict):
            _network(network, plan, gathering)
        else:
            _shape(gathering, f"the message is {kind_of(network)}")
    if document == []:
        _shape(gathering, "the message is an empty array")
    return gathering.contents()


def _network(network: dict[str, object], plan: PubSubPlan, gathering: Gathering) -> None:
    if network.get("MessageType") in _SILENT:
        return
    parts = network.get("Messages", network)
    named = {
        "publisher": _name(network.get("PublisherId")),
        "group": _name(network.get("WriterGroupName")),
        "writer": _name(network.get("DataSetWriterName", network.get("DataSetWriterId"))),
    }
    for part in parts if isinstance(parts, list) else [parts]:
        if not isinstance(part, dict):
            _shape(gathering, f"a data set message is {kind_of(part)}")
        elif part.get("MessageType") not in _SILENT:
            writer = _name(part.get("DataSetWriterName", part.get("DataSetWriterId")))
            publisher = _name(part.get("PublisherId"))
            own = {key: value for key, value in (("writer", writer), ("publisher", publisher)) if value}
            _data_set(part, network.get("Timestamp"), {**named, **own}, plan, gathering)


def _data_set(
    part: dict[str, object], sent: object, named: dict[str, str], plan: PubSubPlan, gathering: Gathering
) -> None:
    fields = part.get("Payload")
    if fields is None:  # without a header the message is the payload
        fields = {} if "DataSetWriterId" in part or "Messages" in part else part
    if not isinstance(fields, dict) or not fields:
        _shape(gathering, f"a data set message's Payload is {'empty' if fields == {} else kind_of(fields)}")
        return
    found = plan.find({**{key: value for key, value in named.items() if value}, **plan.named})
    if isinstance(found, MessageFault):
        gathering.refuse(found.reason, found.detail, samples=len(fields))
        return
    if _is_bad(part.get("Status")):
        return
    stamp = part.get("Timestamp", sent) if fields is not part else None
    shared_us = _time(stamp)
    by_time: dict[int | None, list[tuple[str, object]]] = {}
    for name, raw in fields.items():
        value, own_stamp = _value(raw)
        observed_at_us = shared_us if own_stamp is None else _time(own_stamp)
        if isinstance(observed_at_us, str):
            if name in found.plan.names:
                gathering.refuse(RejectionReason.BAD_TIME, f"{short(name)}: {observed_at_us}")
        else:
            by_time.setdefault(observed_at_us, []).append((name, value))
    for observed_at_us, values in by_time.items():
        gathering.add(found, observed_at_us, values, where="the data set message")


def _value(raw: object) -> tuple[object, object]:
    """A field's bare value, None where its status is bad, and its own time stamp if it has one."""
    stamp: object = None
    if type(raw) is not dict:
        return raw, None
    if len(raw) == 1 and type(bare := raw.get("Value", raw)) is not dict:  # the usual one
        return bare, None
    if raw.keys() & {"SourceTimestamp", "ServerTimestamp", "Status", "StatusCode"}:
        stamp = raw.get("SourceTimestamp", raw.get("ServerTimestamp"))
        if _is_bad(raw.get("StatusCode", raw.get("Status"))):
            return None, stamp
        kind = raw.get("UaType")
        raw = raw.get("Value")
        raw = {"UaType": kind, "Value": raw} if kind is not None else raw
    for _ in range(2):  # a data value holds a variant, a variant its body
        if not isinstance(raw, dict) or not ({"Body"} <= raw.keys() or raw.keys() <= {"Value", "UaType", "Type"}):
            break
        kind = raw.get("Type", raw.get("UaType"))
        raw = raw.get("Body", raw.get("Value"))
        if isinstance(kind, (int, str)) and kind in _INT64 and isinstance(raw, str) and len(raw) <= 20:
            raw = int(raw) if raw.removeprefix("-").isascii() and raw.removeprefix("-").isdigit() else raw
    return raw, stamp


def _is_bad(status: object) -> bool:
    code = status.get("Code", 0) if isinstance(status, dict) else status
    return isinstance(code, int) and bool(code & _BAD)


def _time(stamp: object) -> int | str | None:
    return None if stamp is None else time_of(stamp, name="Timestamp", unit=TimeUnit.ISO)


def _name(raw: object) -> str:
    return raw if isinstance(raw, str) else str(raw) if isinstance(raw, int) and abs(raw) < 2**64 else ""


def _shape(gathering: Gathering, what: str) -> None:
    detail = f"{what}; it must be an OPC UA data message: an object with Messages, or with Payload ({short('ua-data')})"
    gathering.refuse(RejectionReason.WRONG_SHAPE, detail)
