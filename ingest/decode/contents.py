"""What one message holds, whatever its format: any number of readings, of one machine or of several."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ingest.decode.values import (
    FieldPlan,
    MessageFault,
    Refusal,
    Value,
    field_plans,
    short,
    summary,
    value_of,
)
from ingest.settings import MappingSettings, TimeUnit
from plant.assets import MachineClass
from plant.signals import Quality, RejectionReason


class Hearing(StrEnum):
    """Whence a message comes."""

    LIVE = "live"
    """From the wire, in the order of arrival."""
    AGAIN = "again"
    """From quarantine: what it says of the present is over."""


class Reading(NamedTuple):
    """The signals of one machine at one instant."""

    machine: str
    machine_class: str
    observed_at_us: int | None
    """Device time [µs UTC]; None: the message carries none."""
    values: tuple[Value, ...]
    """One per signal of the class, in its order, in canonical units; None: not reported."""
    quality: Quality = Quality.GOOD
    """What the message says of all these values."""


class Contents(NamedTuple):
    """What one message says."""

    readings: tuple[Reading, ...]
    fault: MessageFault | None
    """What of the message could not be taken; the rest is in `readings`."""
    unknown: tuple[str, ...] = ()
    """Fields of the message that no signal is mapped to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedPlan:
    """A mapping made ready for one machine class, in formats where every value has one name."""

    machine_class: str
    fields: tuple[FieldPlan, ...]
    names: Mapping[str, int]
    """Name in the message = position of the signal."""
    time_unit: TimeUnit


class Found(NamedTuple):
    """The machine that a part of a message speaks of."""

    machine: str
    plan: NamedPlan


Finder = Callable[[Mapping[str, str]], Found | MessageFault]
"""Finds the machine by what a part of a message says of itself, e.g. its tags."""


def plan_names(mapping: MappingSettings, *, machine_class: MachineClass) -> NamedPlan:
    """Make a mapping ready for the signals of a class; signals without an own name in `fields` go by theirs."""
    return NamedPlan(
        machine_class=machine_class.name,
        fields=field_plans(mapping, machine_class=machine_class),
        names={
            mapping.fields.get(signal.name, signal.name): index for index, signal in enumerate(machine_class.signals)
        },
        time_unit=mapping.time_unit,
    )


class Gathering:
    """Gathers a message's values into readings: those of one machine and instant become one row."""

    def __init__(self) -> None:
        self._rows: list[tuple[Found, int | None, list[Value]]] = []
        self._newest: dict[tuple[str, int | None], list[Value]] = {}
        self._refusals: list[Refusal] = []
        self._lost = 0
        self._unknown: dict[str, None] = {}
        self._known = 0
        self._expected: tuple[str, NamedPlan] | None = None

    def refuse(self, reason: RejectionReason, detail: str, *, samples: int = 1) -> None:
        """Note that so many samples cannot be taken."""
        self._refusals.append((reason, detail))
        self._lost += samples

    def add(
        self, found: Found, observed_at_us: int | None, values: Iterable[tuple[str, object]], *, where: str
    ) -> None:
        """Take the values that the mapping names, and remember the names of the others.

        Args:
            found: The machine and how its values are read.
            observed_at_us: Their device time [µs UTC].
            values: Name and raw value, each.
            where: What holds them, for sentences.
        """
        self._expected = where, found.plan
        names, fields = found.plan.names, found.plan.fields
        key = (found.machine, observed_at_us)
        row: list[Value] | None = self._newest.get(key)
        for name, raw in values:
            position = names.get(name)
            if position is None:
                self._unknown[name] = None
                continue
            self._known += 1
            value = value_of(raw, fields[position])
            if value is None:
                continue
            if isinstance(value, tuple):
                self.refuse(*value)
                continue
            if row is None or row[position] is not None:
                row = self._newest[key] = [None] * len(fields)
                self._rows.append((found, observed_at_us, row))
            row[position] = value

    def contents(self) -> Contents:
        """All that was gathered; where the mapping names nothing of it, that is a fault."""
        if self._expected is not None and not self._known:
            where, plan = self._expected
            has = ", ".join(short(name) for name in list(self._unknown)[:5]) or "no value at all"
            wanted = ", ".join(list(plan.names)[:5])
            detail = f"{where} has {has}; none of them is a field of class {plan.machine_class}, such as {wanted}"
            self.refuse(RejectionReason.NO_FIELD, detail, samples=max(1, len(self._unknown)))
        fault = summary(self._refusals)
        readings = tuple(
            Reading(found.machine, found.plan.machine_class, observed_at_us, tuple(values))
            for found, observed_at_us, values in self._rows
        )
        return Contents(readings, fault and fault._replace(samples=max(1, self._lost)), tuple(self._unknown))
