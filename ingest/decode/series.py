"""JSON messages of many objects: arrays of samples, and metrics that each have a name and a value."""

from dataclasses import dataclass

from ingest.decode.contents import Contents, Found, Gathering, NamedPlan, Reading
from ingest.decode.json import ABSENT, JsonPlan, decode_object, find, parse
from ingest.decode.values import MessageFault, kind_of, short, time_of
from plant.signals import RejectionReason


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesPlan:
    """Objects with a field per signal, many in a message."""

    each: JsonPlan
    samples: tuple[str, ...]
    """Path of the array; empty: the message itself."""

    @property
    def machine_class(self) -> str:
        """The class whose signals are read."""
        return self.each.machine_class


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsPlan:
    """Objects of one metric each."""

    named: NamedPlan
    samples: tuple[str, ...]
    """Path of the array; empty: the message itself, an array or a single metric."""
    name_path: tuple[str, ...]
    value_path: tuple[str, ...]
    time_path: tuple[str, ...]
    """In each metric, else in the message. Empty: messages carry no device time."""

    @property
    def machine_class(self) -> str:
        """The class whose signals are read."""
        return self.named.machine_class


def decode_series(payload: bytes, *, plan: SeriesPlan, machine: str) -> Contents:
    """What the samples of a message say; one that cannot be used costs only itself. Never raises.

    A sample without device time takes that of the message around it.
    """
    document = parse(payload)
    samples = _samples(document, plan.samples)
    if isinstance(samples, MessageFault):
        return Contents((), samples)
    around = _time_around(document, plan.each.time_path, plan.each)
    readings: list[Reading] = []
    faults: list[tuple[int, MessageFault]] = []
    unknown: dict[str, None] = {}
    for number, sample in enumerate(samples):
        decoded = decode_object(sample, plan=plan.each)
        observed_at_us = around if decoded.observed_at_us is None else decoded.observed_at_us
        if decoded.values and isinstance(observed_at_us, str):
            count = sum(value is not None for value in decoded.values)
            faults.append((number, MessageFault(RejectionReason.BAD_TIME, observed_at_us, count)))
        elif decoded.values and not isinstance(observed_at_us, str):
            readings.append(Reading(machine, plan.machine_class, observed_at_us, decoded.values))
        if decoded.fault is not None:
            faults.append((number, decoded.fault))
        unknown |= dict.fromkeys(decoded.unknown)
    return Contents(tuple(readings), _together(faults), tuple(unknown))


def decode_metrics(payload: bytes, *, plan: MetricsPlan, machine: str) -> Contents:
    """What the metrics of a message say; one that cannot be used costs only itself. Never raises."""
    document = parse(payload)
    samples = _samples(document, plan.samples)
    if isinstance(samples, MessageFault):
        return Contents((), samples)
    gathering = Gathering()
    found = Found(machine, plan.named)
    around = _time_around(document, plan.time_path, plan.named)
    for number, sample in enumerate(samples):
        name = find(sample, plan.name_path)
        value = find(sample, plan.value_path)
        observed_at_us = _time_around(sample, plan.time_path, plan.named)
        if not isinstance(name, str) or value is ABSENT:
            missing = plan.value_path if isinstance(name, str) else plan.name_path
            detail = f"metric {number} has no {'.'.join(missing)}; it must be an object with a name and a value"
            gathering.refuse(RejectionReason.WRONG_SHAPE, detail)
        elif isinstance(observed_at_us, str) or isinstance(around, str):
            problem = observed_at_us if isinstance(observed_at_us, str) else str(around)
            gathering.refuse(RejectionReason.BAD_TIME, f"metric {number} ({short(name)}): {problem}")
        else:
            at_us = around if observed_at_us is None else observed_at_us
            gathering.add(found, at_us, [(name, value)], where="the message")
    return gathering.contents()


def _samples(document: object, path: tuple[str, ...]) -> list[object] | MessageFault:
    if isinstance(document, MessageFault):
        return document
    found = find(document, path) if path else document
    if isinstance(found, dict):
        return [found]
    where = ".".join(path) or "the message"
    if found is ABSENT or not isinstance(found, list):
        what = "is not there" if found is ABSENT else f"is {kind_of(found)}"
        return MessageFault(RejectionReason.WRONG_SHAPE, f"{where} {what}; it must be an array of objects", 1)
    if not found:
        return MessageFault(RejectionReason.WRONG_SHAPE, f"{where} is an empty array; leave the message out", 1)
    return found


def _time_around(document: object, path: tuple[str, ...], plan: JsonPlan | NamedPlan) -> int | str | None:
    """A device time [µs UTC], None where there is none, or a sentence about what is wrong with it."""
    raw = find(document, path) if path and isinstance(document, dict) else None
    if raw is None or raw is ABSENT:
        return None
    return time_of(raw, name=".".join(path), unit=plan.time_unit)


def _together(faults: list[tuple[int, MessageFault]]) -> MessageFault | None:
    if not faults:
        return None
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    told = "; ".join(f"sample {number}: {fault.detail}" for number, fault in faults[:3])
    return MessageFault(faults[0][1].reason, told + more, sum(fault.samples for _, fault in faults))
