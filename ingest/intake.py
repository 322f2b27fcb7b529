"""From messages as they were read to a batch: counted and routed at once, decoded together when the batch is taken.

Decoding waits so that messages of one mapping can be decoded into columns together; what the columnar decoder leaves
goes the general way, one by one, in the order of arrival.
"""

import logging
from array import array
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.batching import Batcher
from ingest.decode.fast import decode_columns, spread
from ingest.decode.uns import TagPlan
from ingest.placing import FOR_A_HANDLER, place
from ingest.retained import Known, Memory
from ingest.rework import SideHandler
from ingest.topics import Router
from ingest.ways import Queue, Ways
from plant.signals import Batch, RejectionReason

log = logging.getLogger(__name__)

FEW: Final = 8
"""So few messages of a mapping cost less one by one."""
TOGETHER: Final = 1_000
"""So many are decoded at once: their objects fit in the processor's cache."""
_UNKNOWN_FIELDS_LIMIT: Final = 1_000


class _Aside(NamedTuple):
    """A message on a side topic that waits for its handler."""

    message: int
    topic: str
    payload: bytes
    received_at_us: int
    handler: SideHandler


class Intake:
    """Messages that are read and not committed; `take` gives them as one batch and begins anew."""

    def __init__(
        self,
        batcher: Batcher,
        *,
        router: Router,
        sides: Mapping[str, SideHandler],
        max_payload_bytes: int,
        known: Known | None = None,
    ) -> None:
        """Hold nothing yet.

        Args:
            batcher: Gathers what is decoded.
            router: What topics mean.
            sides: Handlers of topics that are no readings, by filter.
            max_payload_bytes: Larger messages are not decoded [byte].
            known: The newest values in the store, by which copies of retained messages are told.
        """
        self._batcher = batcher
        self._router = router
        self._sides = sides
        self._max_payload_bytes = max_payload_bytes
        self._known_values = known
        self._retained: set[int] = set()
        self._ways = Ways(router, machine_number=batcher.number_of)
        self._numbers = array("i")
        self._payloads: list[bytes] = []
        self._read_at_us, self._read_counts = array("q"), array("q")
        self._placed = 0
        self._asides: list[_Aside] = []
        self._unknown_fields: dict[tuple[str, str], int] = {}
        self.received = [0] * len(router.filters)
        """Messages read from the wire so far, by filter."""
        self.payload_bytes = 0
        """Payload of the messages held [byte]."""

    def __len__(self) -> int:
        return len(self._payloads)

    @property
    def in_flight(self) -> list[int]:
        """Messages held, by filter."""
        filters = self._ways.facts().filters[np.array(self._numbers)]
        counts: list[int] = np.bincount(filters, minlength=len(self.received)).tolist()
        return counts

    @property
    def unknown_fields(self) -> int:
        """How often a field came that no signal is mapped to."""
        return sum(self._unknown_fields.values())

    def read(self, topics: Sequence[bytes], payloads: Sequence[bytes], *, at_us: int, retained: bool = False) -> None:
        """Count and keep messages that were read from the wire at an instant [µs UTC, plant clock]."""
        start = len(self._payloads)
        if retained:
            self._retained.update(range(start, start + len(topics)))
        self._numbers.extend(map(self._ways.number, topics))
        self._count(self._numbers[start:])
        self._payloads += payloads
        self._read_at_us.append(at_us)
        self._read_counts.append(len(topics))
        self.payload_bytes += sum(map(len, payloads))

    def take(self) -> Batch:
        """Decode what was read since the last batch, settle what is for handlers, and give all as one batch.

        Raises:
            Unavailable: A handler cannot settle its message for now; nothing is lost, call again.
        """
        self._decode()
        self._settle_asides()
        batch = self._batcher.take(self.received)
        self._numbers, self._read_at_us, self._read_counts = array("i"), array("q"), array("q")
        self._payloads = []
        self._ways.forget_strangers()
        self._retained.clear()
        self._placed = self.payload_bytes = 0
        return batch

    def _count(self, numbers: "array[int]") -> None:
        """Count messages as received, by the filter of their way."""
        if len(numbers) <= FEW:
            for number in numbers:
                self.received[self._ways[number].route.filter] += 1
            return
        counts = np.bincount(self._ways.facts().filters[np.array(numbers)])
        for each in np.flatnonzero(counts).tolist():
            self.received[each] += int(counts[each])

    def _decode(self) -> None:
        if self._placed == len(self._payloads):
            return
        numbers, facts = np.array(self._numbers), self._ways.facts()
        received_at_us = np.repeat(np.array(self._read_at_us), np.array(self._read_counts))
        self._batcher.open_messages(facts.filters[numbers[self._placed :]])
        queues = facts.queues[numbers]
        queues[: self._placed] = -1  # they are in the batch
        single: list[int] = []
        for number, queue in enumerate(self._ways.queues):
            indices = np.flatnonzero(queues == number)
            together = queue.fast is not None and len(indices) > FEW
            for start in range(0, len(indices) if together else 0, TOGETHER):
                some = indices[start : start + TOGETHER]
                machines = facts.machines[numbers[some]]
                single += self._decode_together(some, machines, queue=queue, received_at_us=received_at_us[some])
            if not together:
                single += indices.tolist()
        memory = Memory(self._known_values, signals=self._batcher.signals) if self._retained else None
        for index in sorted(single):
            self._place(index, int(received_at_us[index]), memory)
        self._placed = len(self._payloads)

    def _decode_together(
        self,
        indices: NDArray[np.intp],
        machines: NDArray[np.int32],
        *,
        queue: Queue,
        received_at_us: NDArray[np.int64],
    ) -> list[int]:
        """Place messages of one mapping in columns; those that must go one by one are returned."""
        first, last = int(indices[0]), int(indices[-1])
        gapless = last - first + 1 == len(indices)
        payloads = (
            self._payloads[first : last + 1] if gapless else [self._payloads[index] for index in indices.tolist()]
        )
        large = self.payload_bytes > self._max_payload_bytes  # else no message can be
        if queue.fast is None or (large and max(map(len, payloads)) > self._max_payload_bytes):
            alone: list[int] = indices.tolist()
            return alone
        columns = decode_columns(payloads, plan=queue.fast)
        plan, taken = queue.plan, columns.taken
        self._batcher.add_columns(
            indices[taken],
            machines=machines[taken],
            machine_class=queue.fast.plan.machine_class,
            observed_at_us=columns.observed_at,
            received_at_us=received_at_us[taken],
            values=spread(columns.values, plan=plan) if isinstance(plan, TagPlan) else columns.values,
        )
        return [int(indices[row]) for row in columns.left]

    def _place(self, index: int, at_us: int, memory: Memory | None) -> None:
        way, payload = self._ways[self._numbers[index]], self._payloads[index]
        unknown = place(
            self._batcher,
            index,
            way=way.route,
            topic=way.topic,
            payload=payload,
            received_at_us=at_us,
            max_payload_bytes=self._max_payload_bytes,
            memory=memory,
            retained=index in self._retained,
        )
        if unknown is FOR_A_HANDLER:
            handler = self._sides[self._router.filters[way.route.filter]]
            self._asides.append(_Aside(index, way.topic, payload, at_us, handler))
            return
        for field in unknown:
            self._note_unknown(way.topic, field)

    def _settle_asides(self) -> None:
        while self._asides:
            aside = self._asides[0]
            problem = aside.handler(aside.topic, aside.payload)
            if problem is not None:
                self._batcher.reject(
                    aside.message,
                    topic=aside.topic,
                    payload=aside.payload,
                    received_at_us=aside.received_at_us,
                    reason=RejectionReason.WRONG_SHAPE,
                    detail=problem,
                )
            del self._asides[0]

    def _note_unknown(self, topic: str, field: str) -> None:
        key = (topic, field[:100])
        seen = self._unknown_fields.get(key, 0)
        if seen or len(self._unknown_fields) < _UNKNOWN_FIELDS_LIMIT:
            self._unknown_fields[key] = seen + 1
            if not seen:
                log.warning("unknown_field", extra={"topic": topic, "field": ascii(field[:100])})
