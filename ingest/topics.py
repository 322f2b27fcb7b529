"""Which machine a topic speaks of, and how its messages are decoded."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ingest.decode.contents import Finder, Found, NamedPlan, plan_names
from ingest.decode.formats import Plan
from ingest.decode.json import JsonPlan, plan_decoding
from ingest.decode.line import LinePlan
from ingest.decode.opcua import PubSubPlan
from ingest.decode.series import MetricsPlan, SeriesPlan
from ingest.decode.uns import TagPlan
from ingest.decode.values import MessageFault, split_path
from ingest.settings import MappingSettings, MessageFormat, TimeUnit
from ingest.sparkplug.decode import plan_sparkplug
from ingest.sparkplug.naming import Finder as MetricFinder
from ingest.sparkplug.naming import Home, Passed, table_name
from ingest.sparkplug.session import EdgeNodes
from ingest.sparkplug.settings import SparkplugSettings
from ingest.templates import placeholders
from plant.assets import Machine, MachineClass, Plant, SignalKind
from plant.errors import ConfigError, Fault
from plant.quantities import UNITS
from plant.signals import RejectionReason

NO_FILTER: Final = "(no filter)"
"""The ledger's line for messages that no configured filter asked for, e.g. from a session with older settings."""
_CACHE_LIMIT: Final = 100_000
_LIKENED_LIMIT: Final = 200


class Route(NamedTuple):
    """Where the messages of a topic go."""

    filter: int
    """Index into the router's filters."""
    machine: str
    """Empty where the messages name it."""
    plan: Plan | None
    """None: a side topic, whose messages are no readings."""


class Unroutable(NamedTuple):
    """A topic that leads to no machine."""

    filter: int
    fault: MessageFault


_ClassPlan = JsonPlan | SeriesPlan | MetricsPlan | NamedPlan


class _Way(NamedTuple):
    filter: int
    pattern: tuple[str, ...]
    """Levels: literal, `{placeholder}`, `+`, or a last `#`."""
    mapping: MappingSettings | None
    """None: a side topic."""
    plans: dict[str, _ClassPlan]
    """By machine class."""


class Router:
    """Finds the machine and the decoding of a topic; remembers the answers."""

    def __init__(self, *, filters: tuple[str, ...], ways: tuple[_Way, ...], plant: Plant, nodes: EdgeNodes) -> None:
        self.filters = filters
        """The ledger's keys: the filters to subscribe, then `NO_FILTER`."""
        self.nodes = nodes
        """What is known of Sparkplug's edge nodes; decoding their messages keeps it."""
        self._ways = ways
        self._plant = plant
        self._certain = {"enterprise": plant.enterprise, "site": plant.site}
        self._areas = {line.name: line.area for line in plant.lines}
        self._routes: dict[str, Route] = {}
        self._likened: dict[str, list[str]] = {}

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Filters to subscribe."""
        return self.filters[:-1]

    def route(self, topic: str) -> Route | Unroutable:
        """The way of a topic's messages."""
        known = self._routes.get(topic)
        if known is not None:
            return known
        found = self._search(topic)
        if isinstance(found, Route) and len(self._routes) < _CACHE_LIMIT:
            self._routes[topic] = found
        return found

    def _search(self, topic: str) -> Route | Unroutable:
        levels = topic.split("/")
        refusal: Unroutable | None = None
        for way in self._ways:
            named = match(way.pattern, levels)
            if named is None:
                continue
            if way.mapping is None:
                return Route(way.filter, "", None)
            told = self._certain | named
            if way.mapping.format is MessageFormat.LINE:
                find = self._finder(way, way.mapping, named)
                return Route(way.filter, "", LinePlan(find=find, named=told, time_unit=way.mapping.time_unit))
            if way.mapping.format is MessageFormat.SPARKPLUG:
                found = plan_sparkplug(levels, nodes=self.nodes, find=self._metric_finder(levels))
                if isinstance(found, MessageFault):
                    return Unroutable(way.filter, found)
                return Route(way.filter, "", found)
            if way.mapping.format is MessageFormat.OPCUA:
                return Route(way.filter, "", PubSubPlan(find=self._finder(way, way.mapping, named), named=told))
            machine = self._machine(way, way.mapping.machine.format_map(told), named)
            if isinstance(machine, Machine):
                plan = way.plans[machine.machine_class]
                if isinstance(plan, NamedPlan):
                    tag = "/".join(levels[len(way.pattern) - 1 :])
                    return Route(way.filter, machine.name, _tag_plan(way.mapping, Found(machine.name, plan), tag))
                return Route(way.filter, machine.name, plan)
            refusal = refusal or Unroutable(way.filter, machine)
        if refusal:
            return refusal
        detail = "no configured mapping covers this topic; add one to [[ingest.mappings]], or unsubscribe the session"
        return Unroutable(len(self.filters) - 1, MessageFault(RejectionReason.UNKNOWN_TOPIC, detail, 1))

    def _finder(self, way: _Way, mapping: MappingSettings, named: dict[str, str]) -> Finder:
        """Finds the machine for messages that say themselves which it is, as far as their topic does not."""
        wanted = placeholders(mapping.machine)
        homes: dict[tuple[str | None, ...], Found] = {}

        def find(told: Mapping[str, str]) -> Found | MessageFault:
            key = tuple([told.get(name) for name in wanted])
            if (home := homes.get(key)) is not None:
                return home
            missing = [name for name in wanted if not told.get(name)]
            if missing:
                has = ", ".join(told) or "nothing"
                detail = (
                    f"the machine is named by {{{missing[0]}}}, which neither topic nor message tells; known: {has}"
                )
                return MessageFault(RejectionReason.UNKNOWN_MACHINE, detail[:500], 1)
            machine = self._machine(way, mapping.machine.format_map(told), named)
            if isinstance(machine, MessageFault):
                return machine
            plan = way.plans[machine.machine_class]
            assert isinstance(plan, NamedPlan)
            found = Found(machine.name, plan)
            if len(homes) < _CACHE_LIMIT:
                homes[key] = found
            return found

        return find

    def _metric_finder(self, levels: Sequence[str]) -> MetricFinder:
        """Finds the machine of a Sparkplug metric: of the mappings that fit its topic the first that has one."""
        ways = [
            (way, way.mapping, named)
            for way in self._ways
            if way.mapping is not None and way.mapping.format is MessageFormat.SPARKPLUG
            if (named := match(way.pattern, levels)) is not None
        ]

        def find(told: Mapping[str, str]) -> Home | Passed | MessageFault:
            answers = [self._home(way, mapping, named, told) for way, mapping, named in ways]
            homes = (answer for answer in answers if isinstance(answer, Home) or answer is Passed.UNWANTED)
            return next(homes, answers[0])

        return find

    def _home(
        self, way: _Way, mapping: MappingSettings, named: dict[str, str], told: Mapping[str, str]
    ) -> Home | Passed | MessageFault:
        wanted = placeholders(mapping.machine)
        name = table_name(mapping.machines, told)
        by_folder = name is None and "folder" in wanted
        if name == "":
            return Passed.UNWANTED
        if name is None:
            known = self._certain | named | dict(told)
            if any(not known.get(each) for each in wanted):
                return Passed.UNTOLD
            name = mapping.machine.format_map(known)
        machine = self._machine(way, name, {key: level for key, level in named.items() if key in ("line", "area")})
        if isinstance(machine, MessageFault):
            return machine
        plan = way.plans[machine.machine_class]
        assert isinstance(plan, NamedPlan)
        return Home(Found(machine.name, plan), by_folder)

    def _machine(self, way: _Way, name: str, named: dict[str, str]) -> Machine | MessageFault:
        machine = self._plant.machine_index.get(name)
        problem = self._misplaced(machine, named) if machine else self._unknown(name)
        if machine and not problem:
            if machine.machine_class in way.plans:
                return machine
            problem = f"machine {name} is of class {machine.machine_class}, for which no mapping covers this topic"
        return MessageFault(RejectionReason.UNKNOWN_MACHINE, problem, 1)

    def _misplaced(self, machine: Machine, named: dict[str, str]) -> str:
        line, area = named.get("line", machine.line), named.get("area", self._areas[machine.line])
        if line != machine.line:
            return f"machine {machine.name} belongs to line {machine.line}, but the topic says line {line[:60]}"
        home = self._areas[machine.line]
        if area != home:
            return f"machine {machine.name} belongs to area {home}, but the topic says area {area[:60]}"
        return ""

    def _unknown(self, name: str) -> str:
        """Why a name is no machine's; a like one is looked for only for so many names, each once.

        The look takes milliseconds in a large plant, and anybody may publish under strange names.
        """
        short = name[:60]
        if short not in self._likened and len(self._likened) < _LIKENED_LIMIT:
            self._likened[short] = difflib.get_close_matches(short, self._plant.machine_index, n=1)
        close = self._likened.get(short)
        hint = (
            f"did you mean {close[0]}?"
            if close
            else f"the plant has {len(self._plant.machine_index)} machines, none of a like name."
        )
        return f"no machine is named {name[:60]!r}; {hint} Add it to the plant's lines, or correct the topic"


def compile_router(
    mappings: Sequence[MappingSettings],
    *,
    plant: Plant,
    side_filters: Sequence[str] = (),
    nodes: EdgeNodes | None = None,
) -> Router:
    """Make mappings ready for a plant.

    Args:
        mappings: In order; the first that fits a topic and its machine's class decodes it.
        plant: The machines and their signals.
        side_filters: Further filters, whose messages are no readings.
        nodes: What a Sparkplug host knows, for mappings of its format; None: nothing yet.

    Raises:
        ConfigError: Mappings that do not fit the plant, all faults at once.
    """
    faults: list[Fault] = []
    filters: list[str] = []
    ways: list[_Way] = []
    for index, mapping in enumerate(mappings):
        where = f"ingest.mappings[{index}]"
        classes = _classes(mapping, plant)
        faults += _faults(mapping, plant, classes, where)
        topic_filter = filter_of(mapping.topic, plant=plant)
        if topic_filter not in filters:
            filters.append(topic_filter)
        if not faults:
            plans = {each.name: _class_plan(mapping, each) for each in classes}
            ways.append(_Way(filters.index(topic_filter), _pattern(mapping.topic, plant), mapping, plans))
    if faults:
        raise ConfigError(tuple(faults))
    sides = [_Way(len(filters) + index, tuple(side.split("/")), None, {}) for index, side in enumerate(side_filters)]
    filters += side_filters
    ways = [*sides, *ways]
    known = EdgeNodes(SparkplugSettings()) if nodes is None else nodes
    return Router(filters=(*filters, NO_FILTER), ways=tuple(ways), plant=plant, nodes=known)


def ledger_filters(
    mappings: Sequence[MappingSettings], *, plant: Plant, side_filters: Sequence[str] = ()
) -> tuple[str, ...]:
    """The ledger's keys of an ingestor with these settings, in the order of `Batch.received`: to begin a run with.

    Raises:
        ConfigError: Mappings that do not fit the plant.
    """
    return compile_router(mappings, plant=plant, side_filters=side_filters).filters


def filter_of(template: str, *, plant: Plant) -> str:
    """The MQTT filter of a topic template: the plant's own names where they are certain, `+` elsewhere."""
    return "/".join("+" if level.startswith("{") else level for level in _pattern(template, plant))


def match(pattern: Sequence[str], levels: Sequence[str]) -> dict[str, str] | None:
    """Placeholders as the levels of a topic fill them; None where the topic does not fit.

    >>> match(("acme", "{line}", "{machine}", "#"), "acme/L2/press/a/b".split("/"))
    {'line': 'L2', 'machine': 'press'}
    """
    named: dict[str, str] = {}
    for index, part in enumerate(pattern):
        if part == "#":
            return named
        if index >= len(levels):
            return None
        if part.startswith("{"):
            named[part[1:-1]] = levels[index]
        elif part not in ("+", levels[index]):
            return None
    return named if len(levels) == len(pattern) else None


def _class_plan(mapping: MappingSettings, machine_class: MachineClass) -> _ClassPlan:
    if mapping.format is not MessageFormat.JSON:
        return plan_names(mapping, machine_class=machine_class)
    samples = split_path(mapping.samples) if mapping.samples else ()
    if mapping.name_field:
        return MetricsPlan(
            named=plan_names(mapping, machine_class=machine_class),
            samples=samples,
            name_path=split_path(mapping.name_field),
            value_path=split_path(mapping.value_field),
            time_path=_time_path(mapping),
        )
    plan = plan_decoding(mapping, machine_class=machine_class)
    return SeriesPlan(each=plan, samples=samples) if samples else plan


def _tag_plan(mapping: MappingSettings, found: Found, tag: str) -> TagPlan:
    return TagPlan(found=found, tag=tag, time_path=_time_path(mapping), value_path=split_path(mapping.value_field))


def _time_path(mapping: MappingSettings) -> tuple[str, ...]:
    return () if mapping.time_unit is TimeUnit.NONE else split_path(mapping.time_field)


def _pattern(template: str, plant: Plant) -> tuple[str, ...]:
    certain = {"{enterprise}": plant.enterprise, "{site}": plant.site}
    return tuple(certain.get(level, level) for level in template.split("/"))


def _classes(mapping: MappingSettings, plant: Plant) -> tuple[MachineClass, ...]:
    return tuple(each for each in plant.classes if mapping.machine_class in ("", each.name))


def _faults(mapping: MappingSettings, plant: Plant, classes: Sequence[MachineClass], where: str) -> list[Fault]:
    faults = []
    if not classes:
        known = ", ".join(each.name for each in plant.classes)
        faults.append(
            Fault(where=f"{where}.machine_class", found=repr(mapping.machine_class), expected=f"known are {known}")
        )
    if not placeholders(mapping.machine) and mapping.machine not in plant.machine_index:
        faults.append(
            Fault(where=f"{where}.machine", found=repr(mapping.machine), expected="name a machine of the plant")
        )
    signals = {signal.name: signal for each in classes for signal in each.signals}
    for key, table in (("fields", mapping.fields), ("units", mapping.units), ("states", mapping.states)):
        faults += [
            Fault(where=f"{where}.{key}", found=name, expected="name a signal of the machine class")
            for name in table
            if classes and name not in signals
        ]
    faults += [
        Fault(
            where=f"{where}.machines.{source}", found=repr(name), expected="name a machine of the plant, or leave empty"
        )
        for source, name in mapping.machines.items()
        if name and name not in plant.machine_index
    ]
    for name, unit in mapping.units.items():
        signal = signals.get(name)
        if signal is not None and UNITS[unit][0] is not signal.quantity:
            fitting = ", ".join(each for each, (quantity, _, _) in UNITS.items() if quantity is signal.quantity)
            expected = f"{name} measures {signal.quantity.name.lower()}; its units are {fitting}"
            faults.append(Fault(where=f"{where}.units.{name}", found=unit, expected=expected))
        if signal is not None and signal.kind in (SignalKind.STATE, SignalKind.EVENT):
            faults.append(Fault(where=f"{where}.units.{name}", found=unit, expected="text has no unit; remove it"))
    return faults
