"""One Sparkplug message under what its edge node's births told: readings, births learned, deaths as stale rows.

Never raises, whatever the bytes. Data is never dropped for a gap or a repeat in its sequence numbers; what no birth
explains goes to quarantine, and a rebirth is asked for.
"""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from ingest.decode.contents import Contents, Found, Hearing, Reading
from ingest.decode.values import END_OF_TIME_US, MAX_TEXT, MessageFault, Refusal, Value, short, summary, value_of
from ingest.sparkplug.naming import BIRTH_NUMBER, Finder, is_structure, target_of
from ingest.sparkplug.payload import Payload
from ingest.sparkplug.session import Death, Device, EdgeNode, EdgeNodes, NodeState, Target
from ingest.sparkplug.values import metric_value, type_name
from plant.signals import Quality, RejectionReason

HEARD: Final = ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH")
"""Messages for a host; commands to edge nodes (NCMD, DCMD) and STATE are settled as saying nothing."""
_NOTHING: Final = Contents((), None)
_MAX_NAME: Final = 500
END_OF_TIME_MS: Final = END_OF_TIME_US // 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SparkplugPlan:
    """What a Sparkplug topic says, and where the state of its edge node is."""

    nodes: EdgeNodes
    find: Finder
    group: str
    kind: str
    """NBIRTH, DDATA, ..."""
    node: str
    device: str
    """Empty: the edge node itself."""

    @property
    def told(self) -> dict[str, str]:
        """For finding machines."""
        device = {"device": self.device} if self.device else {}
        return {"group": self.group, "node": self.node, **device}


def plan_sparkplug(levels: list[str], *, nodes: EdgeNodes, find: Finder) -> SparkplugPlan | MessageFault:
    """What a topic of the namespace says; Source: Sparkplug 3.0.0, 4.1."""
    kind = levels[2] if len(levels) > 2 else ""
    wanted = (5,) if kind[:1] == "D" else (4,)
    if (len(levels) not in wanted and kind in HEARD) or not all(levels) or len(levels) < 4:
        detail = f"the topic has {len(levels)} levels; Sparkplug's are spBv1.0/<group>/<type>/<node>[/<device>]"
        return MessageFault(RejectionReason.UNKNOWN_TOPIC, detail, 1)
    device = levels[4] if len(levels) > 4 else ""
    return SparkplugPlan(nodes=nodes, find=find, group=levels[1], kind=kind, node=levels[3], device=device)


def decode_sparkplug(payload: bytes, *, plan: SparkplugPlan, heard_at_us: int, hearing: Hearing) -> Contents:
    """What a message says, and what its edge node's state becomes by it.

    Args:
        payload: The message's bytes.
        plan: What its topic says.
        heard_at_us: When it was read from the wire [µs UTC].
        hearing: A message from quarantine is read with the aliases of now, and changes no state.
    """
    if plan.kind not in HEARD:
        return _NOTHING
    try:
        message = Payload.FromString(payload)
    except DecodeError:
        detail = f"{plan.kind} of {len(payload)} bytes is no Sparkplug B payload (Protocol Buffers); check the edge"
        return Contents((), MessageFault(RejectionReason.NOT_SPARKPLUG, detail, 1))
    node = plan.nodes.node(plan.group, plan.node)
    device = node.device(plan.device) if node is not None else None
    if node is None or device is None:
        detail = f"more edge nodes or devices than are remembered; {plan.node[:60]!r} is one too many"
        return Contents((), MessageFault(RejectionReason.TOO_LARGE, detail, 1))
    live = hearing is Hearing.LIVE
    match plan.kind:
        case "NDEATH":
            return _node_death(message, node=node, at_us=heard_at_us) if live else _NOTHING
        case "DDEATH":
            return _device_death(message, node=node, device=device, heard_at_us=heard_at_us) if live else _NOTHING
        case "NBIRTH" | "DBIRTH":
            return _birth(message, plan=plan, node=node, device=device, heard_at_us=heard_at_us, live=live)
        case _:
            return _data(message, plan=plan, node=node, device=device, heard_at_us=heard_at_us, live=live)


def _birth(
    message: Any, *, plan: SparkplugPlan, node: EdgeNode, device: Device, heard_at_us: int, live: bool
) -> Contents:
    told, names, given = plan.told, {}, []
    for metric in message.metrics:
        name = metric.name
        if isinstance(name, str) and name and len(name) <= _MAX_NAME:
            target = target_of(name, metric.datatype, told=told, find=plan.find)
            names[name] = target
            if metric.HasField("alias"):
                given.append((metric.alias, target))
    if live and plan.kind == "NBIRTH":
        number = message.seq if message.HasField("seq") and message.seq < 256 else None
        node.born(number, birth_number=_birth_number(message), at_us=heard_at_us)
    elif live:
        _see_sequence(message, node)
        if node.state is not NodeState.ONLINE:
            node.rebirths.need("a device was born before its edge node")
    if live and node.state is NodeState.ONLINE:
        node.forget_aliases(plan.device)
        device.names, device.state = names, NodeState.ONLINE
        device.machines = _machines(names.values())
        plan.nodes.births += 1
        if node.waiting:
            node.reborn = plan.nodes.reborn = True
        for alias, target in given:
            node.give_alias(alias, target, device=plan.device)
    contents = _readings(message, nodes=plan.nodes, node=node, names=names, aliases={}, what=plan.kind)
    return contents if contents.fault is not None else contents._replace(fault=_no_signal(names, contents))


def _data(
    message: Any, *, plan: SparkplugPlan, node: EdgeNode, device: Device, heard_at_us: int, live: bool
) -> Contents:
    if live:
        _see_sequence(message, node)
    lost = ""
    if node.state is not NodeState.ONLINE:
        lost = f"edge node {node.key[:120]} is {node.state}"
    elif device.state is not NodeState.ONLINE:
        lost = f"device {plan.device[:60]} of edge node {node.key[:120]} is {device.state}"
    elif heard_at_us < node.since_us:
        lost = f"edge node {node.key[:120]} had another birth then, which was not heard"
    if lost:
        node.waiting = node.waiting or heard_at_us >= node.since_us
        if live:
            node.first_us = heard_at_us if node.first_us is None else node.first_us
            node.rebirths.need("data came before its birth")
        detail = f"{lost}: without its birth, aliases and types are unknown; a rebirth is asked for"
        return Contents((), MessageFault(RejectionReason.BEFORE_BIRTH, detail, max(1, len(message.metrics))))
    contents = _readings(message, nodes=plan.nodes, node=node, names=device.names, aliases=node.aliases, what=plan.kind)
    if contents.fault is not None and contents.fault.reason is RejectionReason.BEFORE_BIRTH:
        node.waiting = True
        if live:
            node.rebirths.need("data has metrics that no birth told")
    return contents


def _node_death(message: Any, *, node: EdgeNode, at_us: int) -> Contents:
    """All of an edge node is stale, at the host's time; not where the death is of an earlier session.

    Source: Sparkplug 3.0.0, [tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline],
    [tck-id-payloads-ndeath-bdseq].
    """
    number = _birth_number(message)
    if node.state is NodeState.ONLINE and None not in (number, node.birth_number) and number != node.birth_number:
        node.deaths_ignored += 1
        return _NOTHING
    return Contents(tuple(_stale(each, at_us) for each in node.died(at_us=at_us)), None)


def _device_death(message: Any, *, node: EdgeNode, device: Device, heard_at_us: int) -> Contents:
    """A device is stale, at its payload's time.

    Source: Sparkplug 3.0.0, [tck-id-operational-behavior-device-ddisconnect-*].
    """
    _see_sequence(message, node)
    device.state = NodeState.STALE
    at_us = _instant(message, "timestamp")
    at_us = at_us if isinstance(at_us, int) else heard_at_us
    return Contents(tuple(_stale(each, at_us) for each in device.machines.values()), None)


def _see_sequence(message: Any, node: EdgeNode) -> None:
    if not message.HasField("seq") or message.seq > 255:
        return
    if not node.sequence.see(message.seq, now=time.monotonic()):
        node.rebirths.need(f"the sequence number {message.seq} came again")


class _Rows:
    """Rows by machine and instant; of two values for one signal the later begins another row."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, int | None], tuple[Found, list[Value]]] = {}
        self._more: list[tuple[Found, int | None, list[Value]]] = []

    def of(self, found: Found, at_us: int | None, *, position: int) -> list[Value]:
        """The row of a machine and an instant in which a position is free; -1: any."""
        key = (found.machine, at_us)
        _, row = self._newest.get(key, (found, None))
        if row is not None and position >= 0 and row[position] is not None:
            self._more.append((found, at_us, row))
            row = None
        if row is None:
            row = [None] * len(found.plan.fields)
            self._newest[key] = found, row
        return row

    def readings(self) -> tuple[Reading, ...]:
        """All rows."""
        more = [Reading(found.machine, found.plan.machine_class, at_us, tuple(row)) for found, at_us, row in self._more]
        newest = [
            Reading(machine, found.plan.machine_class, at_us, tuple(row), _quality(row))
            for (machine, at_us), (found, row) in self._newest.items()
        ]
        return (*more, *newest)


def _readings(
    message: Any,
    *,
    nodes: EdgeNodes,
    node: EdgeNode,
    names: Mapping[str, Target],
    aliases: Mapping[int, Target],
    what: str,
) -> Contents:
    """The metrics of a birth or of data as rows: those of one machine and instant become one."""
    rows = _Rows()
    last_found: Found | None = None
    last_ms, last_row = -1, list[Value]()
    refusals: list[Refusal] = []
    unknown: dict[str, None] = {}
    sent_at = _instant(message, "timestamp")
    for metric in message.metrics:
        name = metric.name
        target = names.get(name) if name and type(name) is str else aliases.get(metric.alias)
        if target is not None and (quick := target.quick) is not None and target.found is not None:
            # as most are: a field that is not zero is there, and asking for it costs more than reading it
            read, limit, factor, offset, states = quick
            raw, at_ms = read(metric), metric.timestamp
            value: Value = None
            if raw and 0 < at_ms < END_OF_TIME_MS and not metric.is_null and not metric.is_transient:
                if states is None:
                    value = raw * factor + offset if raw < limit else None
                elif type(raw) is str and len(raw) <= MAX_TEXT and raw.isascii():
                    value = states.get(raw, raw)
            if value is not None and value != math.inf and value != -math.inf:
                if target.found is not last_found or at_ms != last_ms or last_row[target.position] is not None:
                    last_row = rows.of(target.found, at_ms * 1_000, position=target.position)
                    last_found, last_ms = target.found, at_ms
                nodes.historical += metric.is_historical
                last_row[target.position] = value
                continue
        if isinstance(name, bytes):  # as Protocol Buffers give text that is not UTF-8
            refusals.append((RejectionReason.WRONG_TYPE, f"a metric of {what} has a name that is not UTF-8"))
            continue
        target = names.get(name) if name else aliases.get(metric.alias)
        if target is None:
            refusals.append(_nameless(metric, name, node=node, what=what))
            continue
        field, found = target.field, target.found
        if field is None or found is None:
            _pass_over(metric, target, refusals=refusals, unknown=unknown)
            continue
        if metric.is_transient:
            nodes.transient += 1
            continue
        at_us = _instant(metric, "timestamp") if metric.HasField("timestamp") else sent_at
        if isinstance(at_us, str):
            refusals.append((RejectionReason.BAD_TIME, f"{target.name}: {at_us}"))
            continue
        nodes.historical += metric.is_historical
        found_value = _value(metric, target)
        if isinstance(found_value, tuple):
            refusals.append(found_value)
            continue
        row = rows.of(found, at_us, position=-1 if found_value is None else target.position)
        last_found = None
        if found_value is None:
            nodes.nulls += 1
        else:
            row[target.position] = found_value
    refusals.sort(key=lambda each: each[0] is not RejectionReason.BEFORE_BIRTH)
    return Contents(rows.readings(), summary(refusals), tuple(unknown))


def _value(metric: Any, target: Target) -> Value | Refusal:
    """The value of a metric in its signal's unit; None for null."""
    field = target.field
    assert field is not None
    raw: Any
    if target.plain and metric.HasField(target.plain) and not metric.is_null:
        raw = getattr(metric, target.plain)
        if isinstance(raw, bytes):
            return RejectionReason.WRONG_TYPE, f"{target.name} is text that is not UTF-8"
        if type(raw) is float and not field.text and math.isfinite(value := raw * field.factor + field.offset):
            return value
    else:
        raw = metric_value(metric, target.datatype)
        if raw is None:
            return None
        if isinstance(raw, tuple):
            return raw[0], f"{target.name}: {raw[1]}"
    if isinstance(raw, bytes | list):
        detail = f"{target.name} is a {type_name(target.datatype)} of {len(raw)}, which no signal takes"
        return RejectionReason.NOT_SUPPORTED, f"{detail}; publish its elements as metrics"
    return value_of(raw, field)


def _pass_over(metric: Any, target: Target, *, refusals: list[Refusal], unknown: dict[str, None]) -> None:
    """A metric that no signal takes: noted, or refused where its machine is missing or it is made of others."""
    if target.refusal is not None:
        refusals.append(target.refusal)
    elif metric.HasField("template_value") or metric.HasField("dataset_value"):
        if not metric.template_value.is_definition:
            kind = type_name(target.datatype) if is_structure(target.datatype) else "structure"
            detail = f"{target.name} is a {kind}, which is not taken apart; publish its members as metrics"
            refusals.append((RejectionReason.NOT_SUPPORTED, detail))
    elif target.noted:
        unknown[target.name] = None


def _nameless(metric: Any, name: str, *, node: EdgeNode, what: str) -> Refusal:
    """Why a metric has no meaning."""
    if name:
        return RejectionReason.BEFORE_BIRTH, f"the metric {short(name)} was in no birth; a rebirth is asked for"
    if not metric.HasField("alias"):
        return RejectionReason.WRONG_SHAPE, f"a metric of {what} has neither name nor alias"
    if metric.alias in node.doubled:
        return RejectionReason.WRONG_SHAPE, f"the alias {metric.alias} stands for two metrics of edge node {node.key}"
    return RejectionReason.BEFORE_BIRTH, f"the alias {metric.alias} was in no birth; a rebirth is asked for"


def _no_signal(names: Mapping[str, Target], contents: Contents) -> MessageFault | None:
    """The fault of a birth for a known machine of which no metric fits any signal."""
    plan = next((target.found.plan for target in names.values() if target.found is not None), None)
    if plan is None or any(target.field is not None for target in names.values()):
        return None
    detail = (
        f"the birth has {', '.join(short(name) for name in contents.unknown[:5])}; none of them is a field of class "
        f"{plan.machine_class}, such as {', '.join(list(plan.names)[:5])}"
    )
    return MessageFault(RejectionReason.NO_FIELD, detail, len(contents.unknown))


def _birth_number(message: Any) -> int | None:
    """`bdSeq` of a birth or death."""
    for metric in message.metrics:
        if metric.name == BIRTH_NUMBER:
            number: int = metric.long_value if metric.HasField("long_value") else metric.int_value
            return number
    return None


def _machines(targets: Iterable[Target]) -> dict[str, Death]:
    return {
        target.found.machine: Death(
            target.found.machine, target.found.plan.machine_class, len(target.found.plan.fields)
        )
        for target in targets
        if target.found is not None and target.field is not None
    }


def _stale(death: Death, at_us: int) -> Reading:
    return Reading(death.machine, death.machine_class, at_us, (None,) * death.signals, Quality.STALE)


def _quality(row: list[Value]) -> Quality:
    """Null metrics alone at their instant are a gap that is worth a row."""
    return Quality.GAP if row.count(None) == len(row) else Quality.GOOD


def _instant(part: Any, field: str) -> int | str | None:
    """A timestamp [µs UTC], None where there is none, or what is wrong with it."""
    if not part.HasField(field):
        return None
    at_us: int = part.timestamp * 1_000
    return at_us if at_us < END_OF_TIME_US else f"its timestamp {part.timestamp} is beyond the year 9999 in ms"
