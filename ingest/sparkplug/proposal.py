"""What births say of a plant that no mapping serves yet: groups, machines, metrics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from ingest.shapes import SeenField
from ingest.sparkplug.naming import BIRTH_NUMBER, CONTROLS
from ingest.sparkplug.payload import DataType, Payload
from ingest.sparkplug.settings import NAMESPACE

CHOICES: Final = ("{node}-{device}", "{device}", "{node}", "{node}-{folder}", "{folder}")
"""How machines are commonly named, the usual one first."""
MAX_METRICS: Final = 2_000
_TEXTS: Final = (DataType.STRING, DataType.TEXT, DataType.UUID)


@dataclass(kw_only=True, slots=True)
class Born:
    """One group as its births describe it."""

    template: str
    machine: str = CHOICES[0]
    topics: list[str] = field(default_factory=list)
    machines: set[str] = field(default_factory=set)
    """Of the plant."""
    strangers: set[str] = field(default_factory=set)
    """Names that the plant does not have."""
    fields: dict[str, SeenField] = field(default_factory=dict)
    unborn: set[str] = field(default_factory=set)
    """Edge nodes that were heard without a birth."""


def born_groups(topics: Mapping[str, Iterable[bytes]], *, known: Iterable[str]) -> list[Born]:
    """What births in the newest payloads of Sparkplug topics tell, by group.

    Args:
        topics: Topic = payloads.
        known: Names of the plant's machines.
    """
    machines = frozenset(known)
    groups: dict[str, Born] = {}
    metrics: dict[str, list[tuple[dict[str, str], str, int]]] = {}
    heard: dict[str, set[str]] = {}
    born: dict[str, set[str]] = {}
    for topic, payloads in topics.items():
        levels = topic.split("/")
        if len(levels) < 4 or levels[2] in ("STATE", "NCMD", "DCMD"):
            continue
        _, group, kind, node, *device = levels
        groups.setdefault(group, Born(template=f"{NAMESPACE}/{group}/#")).topics.append(topic)
        heard.setdefault(group, set()).add(node)
        if kind not in ("NBIRTH", "DBIRTH"):
            continue
        born.setdefault(group, set()).add(node)
        told = {"node": node} | ({"device": device[0]} if device else {})
        metrics.setdefault(group, []).extend((told, *each) for payload in payloads for each in _metrics(payload))
    for group, one in groups.items():
        _name(one, metrics.get(group, []), machines)
        one.unborn = heard[group] - born.get(group, set())
    return list(groups.values())


def _metrics(payload: bytes) -> list[tuple[str, int]]:
    """Name and data type of each metric that could be a signal's."""
    try:
        message = Payload.FromString(payload)
    except DecodeError:
        return []
    return [
        (metric.name, metric.datatype)
        for metric in message.metrics[:MAX_METRICS]
        if isinstance(metric.name, str) and metric.name not in ("", BIRTH_NUMBER)
        if not metric.name.startswith(CONTROLS) and metric.datatype <= DataType.UUID
    ]


def _name(one: Born, metrics: list[tuple[dict[str, str], str, int]], machines: frozenset[str]) -> None:
    """Choose how machines are named, by which way finds most of the plant's; then gather what is so named."""

    def named(choice: str, told: dict[str, str], name: str) -> str:
        known = told | {"folder": name.rpartition("/")[0]}
        wanted = [each for each in ("node", "device", "folder") if "{" + each + "}" in choice]
        return choice.format_map(known) if all(known.get(each) for each in wanted) else ""

    def found(choice: str) -> int:
        return len({each for told, name, _ in metrics if (each := named(choice, told, name)) in machines})

    one.machine = max(CHOICES, key=found)
    for told, name, datatype in metrics:
        machine = named(one.machine, told, name)
        if not machine:
            continue
        (one.machines if machine in machines else one.strangers).add(machine)
        kind = "text" if datatype in _TEXTS else "boolean" if datatype == DataType.BOOLEAN else "number"
        short = name.rpartition("/")[2] if "{folder}" in one.machine else name
        one.fields.setdefault(short, SeenField(example=f"{DataType(datatype).name.title()}")).kinds.add(kind)
