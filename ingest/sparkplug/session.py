"""What a host knows of each edge node: born or dead, its aliases, whether its messages come complete and in order."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from ingest.decode.contents import Found
from ingest.decode.values import FieldPlan, Refusal
from ingest.sparkplug.settings import SparkplugSettings

SEQUENCE: Final = 256
"""Sequence numbers run from 0 to 255 and begin again. Source: Sparkplug 3.0.0, 6.4.4."""
MAX_NODES: Final = 10_000
"""Edge nodes remembered: their names come from outside."""
MAX_DEVICES: Final = 10_000
"""Devices remembered of one edge node."""
LATE: Final = 128
"""A number further ahead than this is taken as a late or repeated one."""
CALM: Final = 4
"""After so many times its wait without another need, rebirths are asked for with the shortest wait again."""
MOST_ASKED: Final = 10
"""So often in a row a silent edge node is asked for its births; then it is left alone until it is heard."""


class NodeState(StrEnum):
    """What is known of an edge node or a device."""

    AWAITED = "awaited"
    """Its birth was not heard since the host connected."""
    ONLINE = "online"
    STALE = "stale"
    """It died; its values are the last known ones."""


class Quick(NamedTuple):
    """How a metric of a usual type for its signal is read."""

    read: Callable[[Any], Any]
    """Gives what stands in the usual field of its type, a number or a text."""
    limit: float
    """Only numbers below it stand there as they are."""
    factor: float
    offset: float
    states: Mapping[str, str] | None
    """Of a text; None: it is a number."""


class Target(NamedTuple):
    """Where the values of a metric go."""

    name: str
    datatype: int
    plain: str
    """Field of the metric that holds the value as it is; empty where it must be read by its type."""
    found: Found | None
    """None: nothing keeps it."""
    position: int
    field: FieldPlan | None
    """None: the machine has no signal for it, or there is none."""
    refusal: Refusal | None = None
    """Why it cannot be kept, where that is a fault."""
    noted: bool = False
    """Whether it is told that no signal takes it."""
    quick: Quick | None = None
    """How a metric that is as usual is read; None: by its type."""


class Death(NamedTuple):
    """A machine whose source died: its class and how many signals that has."""

    machine: str
    machine_class: str
    signals: int


@dataclass(kw_only=True, slots=True)
class SequenceWatch:
    """Tells whether an edge node's messages come complete: each number once, one after the other.

    Source: Sparkplug 3.0.0, 5.10 and 6.4.4, [tck-id-operational-behavior-host-reordering-*].
    """

    timeout_s: float
    """How long a missing number is waited for [s]."""
    expected: int | None = None
    """None: nothing is known yet."""
    early: set[int] = field(default_factory=set)
    """Numbers that came before a missing one."""
    waiting_since: float | None = None
    """Monotonic [s]."""
    gaps: int = 0
    """Times that a number was missing."""
    repeats: int = 0
    """Numbers that came again, or too late."""

    def begin(self, number: int | None) -> None:
        """Count from a birth's number on; the standard lets it be any."""
        self.expected = None if number is None else (number + 1) % SEQUENCE
        self.early.clear()
        self.waiting_since = None

    def see(self, number: int, *, now: float) -> bool:
        """Take a message's number into account; False for one that was seen already."""
        if self.expected is None:
            return True
        ahead = (number - self.expected) % SEQUENCE
        if ahead >= LATE or number in self.early:
            self.repeats += 1
            return False
        if ahead:
            if self.waiting_since is None:
                self.waiting_since = now
                self.gaps += 1
            self.early.add(number)
            return True
        self._advance()
        return True

    def overdue(self, *, now: float) -> bool:
        """Whether a missing number did not come in time; it is given up then, and counted on from the newest."""
        if self.waiting_since is None or now - self.waiting_since < self.timeout_s or self.expected is None:
            return False
        newest = max((number - self.expected) % SEQUENCE for number in self.early)
        self.begin((self.expected + newest) % SEQUENCE)
        return True

    def _advance(self) -> None:
        assert self.expected is not None
        self.expected = (self.expected + 1) % SEQUENCE
        while self.expected in self.early:
            self.early.remove(self.expected)
            self.expected = (self.expected + 1) % SEQUENCE
        if not self.early:
            self.waiting_since = None


@dataclass(kw_only=True, slots=True)
class Rebirths:
    """Requests for births, throttled: each further one waits twice as long as the one before."""

    minimum_s: float
    maximum_s: float
    why: str = ""
    """Why one is needed; empty: none is."""
    asked: int = 0
    """Requests so far."""
    unanswered: int = 0
    asked_at: float | None = None
    """Monotonic [s]."""
    asked_at_us: int | None = None
    """[µs UTC]"""
    wait_s: float = 0.0

    def need(self, why: str) -> None:
        """Say that a rebirth is needed; the first reason stays until it is asked for."""
        self.why = self.why or why

    def due(self, *, now: float, now_us: int) -> str:
        """Why a rebirth is to be asked for now, which then counts as asked; empty: not now."""
        if not self.why or (self.asked_at is not None and now < self.asked_at + self.wait_s):
            return ""
        calm = self.asked_at is None or now > self.asked_at + CALM * self.wait_s
        self.wait_s = self.minimum_s if calm else min(self.maximum_s, 2 * self.wait_s)
        why, self.why = self.why, ""
        self.asked, self.asked_at, self.asked_at_us = self.asked + 1, now, now_us
        self.unanswered += 1
        return why

    def answered(self) -> None:
        """Births came."""
        self.why, self.unanswered = "", 0


@dataclass(kw_only=True, slots=True)
class Device:
    """A device of an edge node, or (without a name) the edge node's own metrics."""

    state: NodeState = NodeState.AWAITED
    names: dict[str, Target] = field(default_factory=dict)
    machines: dict[str, Death] = field(default_factory=dict)
    """Machines that it reports of, by name."""


@dataclass(kw_only=True, slots=True)
class EdgeNode:
    """An edge node with its devices."""

    group: str
    name: str
    sequence: SequenceWatch
    rebirths: Rebirths
    state: NodeState = NodeState.AWAITED
    birth_number: int | None = None
    """`bdSeq` of the birth in force."""
    devices: dict[str, Device] = field(default_factory=lambda: {"": Device()})
    """By name; empty: the node itself."""
    aliases: dict[int, Target] = field(default_factory=dict)
    """Valid over the whole edge node."""
    homes: dict[int, str] = field(default_factory=dict)
    """The device whose birth gave an alias."""
    doubled: set[int] = field(default_factory=set)
    """Aliases that two metrics were given: they name neither."""
    since_us: int = 0
    """From this reception on messages can be read with the aliases of now [µs UTC]."""
    first_us: int | None = None
    """Reception of the first data that came before its birth [µs UTC]."""
    waiting: bool = False
    """Whether data that came before its birth is in quarantine."""
    reborn: bool = False
    """Whether a birth came since, so that such data is worth replaying."""
    born_at_us: int | None = None
    died_at_us: int | None = None
    births: int = 0
    deaths: int = 0
    deaths_ignored: int = 0
    """NDEATHs of an earlier session."""

    @property
    def key(self) -> str:
        """`group/node`."""
        return f"{self.group}/{self.name}"

    def born(self, number: int | None, *, birth_number: int | None, at_us: int) -> None:
        """Begin anew from an NBIRTH: all aliases and devices of before are void."""
        again = self.state is NodeState.ONLINE and self.birth_number == birth_number and birth_number is not None
        if not again:
            self.since_us = at_us if self.first_us is None else self.first_us
        self.state, self.birth_number, self.first_us = NodeState.ONLINE, birth_number, None
        self.born_at_us, self.births = at_us, self.births + 1
        self.aliases.clear()
        self.homes.clear()
        self.doubled.clear()
        for device in self.devices.values():
            device.names.clear()
            device.state = NodeState.AWAITED
        self.devices[""].state = NodeState.ONLINE
        self.sequence.begin(number)
        self.rebirths.answered()

    def device(self, name: str) -> Device | None:
        """A device, made known if it is not; None beyond `MAX_DEVICES`."""
        known = self.devices.get(name)
        if known is None and len(self.devices) < MAX_DEVICES:
            known = self.devices[name] = Device()
        return known

    def give_alias(self, alias: int, target: Target, *, device: str) -> None:
        """Let an alias stand for a metric; one that stands for two metrics stands for neither."""
        home = self.homes.get(alias)
        if alias in self.doubled or (home is not None and (home, self.aliases[alias].name) != (device, target.name)):
            self.doubled.add(alias)
            self.aliases.pop(alias, None)
            return
        self.aliases[alias], self.homes[alias] = target, device

    def forget_aliases(self, device: str) -> None:
        """Void what an earlier birth of a device gave."""
        for alias in [alias for alias, home in self.homes.items() if home == device]:
            del self.homes[alias]
            self.aliases.pop(alias, None)

    def died(self, *, at_us: int) -> list[Death]:
        """The whole edge node went; the machines that nothing is known of from here on."""
        self.state, self.died_at_us, self.deaths = NodeState.STALE, at_us, self.deaths + 1
        self.first_us = None
        self.sequence.begin(None)
        gone: dict[str, Death] = {}
        for device in self.devices.values():
            device.state = NodeState.STALE
            gone |= device.machines
        return list(gone.values())

    def unheard(self) -> None:
        """The host has a new session: what came meanwhile is not known."""
        self.state = NodeState.AWAITED
        self.first_us = None
        self.sequence.begin(None)
        self.rebirths.unanswered = 0
        self.rebirths.need("the host has a new session")


class EdgeNodes:
    """All edge nodes that a host has heard of."""

    def __init__(self, settings: SparkplugSettings) -> None:
        self.settings = settings
        self.nodes: dict[tuple[str, str], EdgeNode] = {}
        self.transient = 0
        """Metrics not kept because their edge node says so."""
        self.historical = 0
        """Metrics kept that their edge node sent late."""
        self.nulls = 0
        """Metrics without a value."""
        self.births = 0
        """Births heard, of edge nodes and devices."""
        self.reborn = False
        """Whether an edge node is `reborn`."""

    def __iter__(self) -> Iterator[EdgeNode]:
        return iter(list(self.nodes.values()))

    def node(self, group: str, name: str) -> EdgeNode | None:
        """An edge node, made known if it is not; None beyond `MAX_NODES`."""
        known = self.nodes.get((group, name))
        if known is None and len(self.nodes) < MAX_NODES:
            settings = self.settings
            known = self.nodes[group, name] = EdgeNode(
                group=group,
                name=name,
                sequence=SequenceWatch(timeout_s=settings.reorder_timeout_s),
                rebirths=Rebirths(minimum_s=settings.rebirth_min_s, maximum_s=settings.rebirth_max_s),
            )
        return known
