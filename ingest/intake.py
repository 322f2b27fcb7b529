"""From messages as they were read to a batch: counted and routed at once, decoded together when the batch is taken.

Decoding waits so that messages of one mapping can be decoded into columns together; what the columnar decoder leaves
goes the general way, one by one, in the order of arrival.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.batching import Batcher
from ingest.decode.fast import FastPlan, decode_columns, plan_fast, plan_tags, spread
from ingest.decode.json import JsonPlan
from ingest.decode.uns import TagPlan
from ingest.placing import FOR_A_HANDLER, place
from ingest.retained import Known, Memory
from ingest.rework import SideHandler
from ingest.topics import Route, Router, Unroutable
from plant.signals import Batch, RejectionReason

log = logging.getLogger(__name__)

FEW: Final = 8
"""So few messages of a mapping cost less one by one."""
TOGETHER: Final = 1_000
"""So many are decoded at once: their objects fit in the processor's cache."""
_KNOWN_LIMIT: Final = 100_000
_UNKNOWN_FIELDS_LIMIT: Final = 1_000
_STRANGE_TOPIC: Final = "(a topic that is not UTF-8)"


class _Way(NamedTuple):
    """What a topic means, ready for many messages."""

    topic: str
    route: Route | Unroutable
    filter: int
    machine: str
    """Empty where it leads to none."""
    number: int
    """Of its machine; -1 where it leads to none."""
    queue: "_Queue"
    """Where its messages wait to be decoded."""


_Alike = int | tuple[int, int, tuple[str, ...], tuple[str, ...]]
"""Tells plans whose messages are decoded together."""


class _Queue(NamedTuple):
    """Messages that are decoded in the same way."""

    plan: JsonPlan | TagPlan | None
    """Kept so that its identity stays its own; of several tags with one signal the first's."""
    fast: FastPlan | None
    """None: they are read one by one."""
    messages: list[int]


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
        self._known: dict[bytes, _Way] = {}
        self._single = _Queue(None, None, [])
        self._queues: dict[_Alike, _Queue] = {}
        self._ways: list[_Way] = []
        self._payloads: list[bytes] = []
        self._received_at_us: list[int] = []
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
        counts = [0] * len(self.received)
        for way in self._ways:
            counts[way.filter] += 1
        return counts

    @property
    def unknown_fields(self) -> int:
        """How often a field came that no signal is mapped to."""
        return sum(self._unknown_fields.values())

    def read(self, topics: Sequence[bytes], payloads: Sequence[bytes], *, at_us: int, retained: bool = False) -> None:
        """Count and keep messages that were read from the wire at an instant [µs UTC, plant clock]."""
        if retained:
            self._retained.update(range(len(self._ways), len(self._ways) + len(topics)))
        known, received = self._known, self.received
        ways = [known.get(topic) or self._way(topic) for topic in topics]
        for way in ways:
            received[way.filter] += 1
        self._ways += ways
        self._payloads += payloads
        self._received_at_us += [at_us] * len(ways)
        self.payload_bytes += sum(map(len, payloads))

    def take(self) -> Batch:
        """Decode what was read since the last batch, settle what is for handlers, and give all as one batch.

        Raises:
            Unavailable: A handler cannot settle its message for now; nothing is lost, call again.
        """
        self._decode()
        self._settle_asides()
        batch = self._batcher.take(self.received)
        self._ways, self._payloads, self._received_at_us = [], [], []
        self._retained.clear()
        self._placed = self.payload_bytes = 0
        return batch

    def _decode(self) -> None:
        new = range(self._placed, len(self._payloads))
        if not new:
            return
        opened = [way.filter for way in self._ways[self._placed :]]
        self._batcher.open_messages(opened, payload_bytes=0)
        for index, way in enumerate(self._ways[self._placed :], self._placed):
            way.queue.messages.append(index)
        received_at_us = np.array(self._received_at_us, dtype=np.int64)
        single = self._single.messages[:]
        self._single.messages.clear()
        for queue in self._queues.values():
            indices = queue.messages[:]
            queue.messages.clear()
            for start in range(0, len(indices), TOGETHER):
                single += self._decode_together(
                    indices[start : start + TOGETHER], queue=queue, received_at_us=received_at_us
                )
        memory = Memory(self._known_values, signals=self._batcher.signals) if self._retained else None
        for index in sorted(single):
            self._place(index, memory)
        self._placed = len(self._payloads)

    def _decode_together(self, indices: list[int], *, queue: _Queue, received_at_us: NDArray[np.int64]) -> list[int]:
        """Place messages of one mapping in columns; those that must go one by one are returned."""
        plan, fast = queue.plan, queue.fast
        payloads = [self._payloads[index] for index in indices]
        if fast is None or len(indices) <= FEW or max(map(len, payloads)) > self._max_payload_bytes:
            return indices
        columns = decode_columns(payloads, plan=fast)
        messages = np.array(indices, dtype=np.int64)[columns.taken]
        ways = self._ways
        self._batcher.add_columns(
            messages,
            machines=np.array([ways[index].number for index in messages.tolist()], dtype=np.int32),
            machine_class=fast.plan.machine_class,
            observed_at_us=columns.observed_at,
            received_at_us=received_at_us[messages],
            values=spread(columns.values, plan=plan) if isinstance(plan, TagPlan) else columns.values,
        )
        return [indices[row] for row in columns.left]

    def _place(self, index: int, memory: Memory | None) -> None:
        way, payload, at_us = self._ways[index], self._payloads[index], self._received_at_us[index]
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
            handler = self._sides[self._router.filters[way.filter]]
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

    def _way(self, topic: bytes) -> _Way:
        try:
            name = topic.decode("utf-8")
        except UnicodeDecodeError:
            name = _STRANGE_TOPIC
        route = self._router.route(name)
        plan = route.plan if isinstance(route, Route) else None
        queue = self._queue(plan) if isinstance(plan, JsonPlan | TagPlan) else self._single
        machine = route.machine if isinstance(route, Route) else ""
        way = _Way(name, route, route.filter, machine, self._batcher.number_of(machine), queue)
        if isinstance(route, Route) and len(self._known) < _KNOWN_LIMIT:
            self._known[topic] = way
        return way

    def _queue(self, plan: JsonPlan | TagPlan) -> _Queue:
        """Where messages of one plan wait; those of all tags that mean one signal of a class, together."""
        key: _Alike = id(plan)
        if isinstance(plan, TagPlan):
            key = (id(plan.found.plan), plan.found.plan.names.get(plan.tag, -1), plan.time_path, plan.value_path)
        if key not in self._queues:
            self._queues[key] = _Queue(plan, plan_tags(plan) if isinstance(plan, TagPlan) else plan_fast(plan), [])
        return self._queues[key]

    def _note_unknown(self, topic: str, field: str) -> None:
        key = (topic, field[:100])
        seen = self._unknown_fields.get(key, 0)
        if seen or len(self._unknown_fields) < _UNKNOWN_FIELDS_LIMIT:
            self._unknown_fields[key] = seen + 1
            if not seen:
                log.warning("unknown_field", extra={"topic": topic, "field": ascii(field[:100])})
