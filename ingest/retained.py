"""Retained messages without a device time: which of them are copies of readings that came before.

A broker hands its retained messages out at every subscription, so also at every reconnect: subscribing again is what
finds a filter that the broker lost in a crash, and a retained message may be news that its queue does not hold (one
published with QoS 0 meanwhile). A message with a device time is recognised by the store. One without is a copy where
all it says is what was last heard of its machine: it is counted as a duplicate and not stored again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ingest.decode.contents import Reading
from ingest.decode.values import Value
from plant.signals import LastValue

Known = Callable[[Sequence[str]], Sequence[LastValue]]
"""The newest values of machines in the store; `store.last_values` fits."""


class Heard(NamedTuple):
    """A value that was heard of, and the time it was given [µs UTC]."""

    value: Value
    at_us: int


class Memory:
    """What is known of machines while a batch is decoded: what the store has, and what the batch brought so far."""

    def __init__(self, known: Known | None, *, signals: Mapping[str, Sequence[str]]) -> None:
        """Know nothing yet.

        Args:
            known: Asked once for each machine; None: there is only what the batch brings.
            signals: Signals of each machine class, in its order.
        """
        self._known = known
        self._signals = signals
        self._heard: dict[str, dict[str, Heard]] = {}

    def note(self, reading: Reading, *, at_us: int) -> None:
        """Remember a reading of the batch, with the time that it was given [µs UTC]."""
        heard = self._of(reading.machine)
        for signal, value in zip(self._signals[reading.machine_class], reading.values, strict=True):
            if value is not None and (signal not in heard or at_us >= heard[signal].at_us):
                heard[signal] = Heard(value, at_us)

    def has(self, reading: Reading) -> bool:
        """Whether a retained reading says nothing but what was last heard; one with a device time is the store's."""
        if reading.observed_at_us is not None:
            return False
        heard = self._of(reading.machine)
        said = zip(self._signals[reading.machine_class], reading.values, strict=True)
        return all(value is None or (signal in heard and heard[signal].value == value) for signal, value in said)

    def _of(self, machine: str) -> dict[str, Heard]:
        if machine not in self._heard:
            found = self._known([machine]) if self._known is not None else ()
            self._heard[machine] = {each.signal: Heard(each.value, each.observed_at_us) for each in found}
        return self._heard[machine]
