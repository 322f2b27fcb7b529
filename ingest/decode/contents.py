"""What one message holds, whatever its format: any number of readings, of one machine or of several.

Every format has a module with a plan (a mapping made ready) and a pure function from bytes and plan to values; this is
where the ingestor asks, and the plan chooses the format.
"""

from typing import NamedTuple

from ingest.decode.json import Decoded, JsonPlan, MessageFault, Value, decode

Plan = JsonPlan
"""A mapping made ready, of any format."""


class Reading(NamedTuple):
    """The signals of one machine at one instant."""

    machine: str
    machine_class: str
    observed_at_us: int | None
    """Device time [µs UTC]; None: the message carries none."""
    values: tuple[Value, ...]
    """One per signal of the class, in its order, in canonical units; None: not reported."""


class Contents(NamedTuple):
    """What one message says."""

    readings: tuple[Reading, ...]
    fault: MessageFault | None
    """What of the message could not be taken; the rest is in `readings`."""
    unknown: tuple[str, ...] = ()
    """Fields of the message that no signal is mapped to."""


def contents_of(payload: bytes, *, plan: Plan, machine: str) -> Contents:
    """What a message says under a plan; never raises.

    Args:
        payload: The message's bytes.
        plan: How its topic's messages are read.
        machine: The machine that its topic speaks of; formats that name the machine inside pass over it.
    """
    return _of_one(decode(payload, plan=plan), machine=machine, machine_class=plan.machine_class)


def _of_one(decoded: Decoded, *, machine: str, machine_class: str) -> Contents:
    reading = Reading(machine, machine_class, decoded.observed_at_us, decoded.values)
    return Contents((reading,) if decoded.values else (), decoded.fault, decoded.unknown)
