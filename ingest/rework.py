"""Messages in quarantine that are sent the way of a message again, as the spool asks, between two batches.

A replayed message leaves quarantine in the transaction of the batch that settles it anew, so it is stored exactly once
however often ingest is killed; one that is rejected again comes back under a new number with the reason of now.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import msgspec

from ingest.batching import Batcher
from ingest.decode.contents import Hearing
from ingest.placing import FOR_A_HANDLER, place
from ingest.settings import MappingSettings
from ingest.spool import Answer, Request, Spool, Task
from ingest.topics import Router
from plant.assets import Plant
from plant.errors import Unavailable
from plant.signals import Batch, Receipt, RejectionReason

log = logging.getLogger(__name__)

PORTION_MESSAGES: Final = 500
"""Settled at once; ingest reads from the broker between two portions."""
PORTION_BYTES: Final = 8_000_000
NEWEST: Final = 5_000
"""Messages in quarantine looked at for what can be read by now."""
LOOK_EVERY_S: Final = 0.5
"""How often the spool is looked at [s]."""
RETRY_S: Final = 2.0
"""Wait after the store or the spool could not be written [s]."""

SideHandler = Callable[[str, bytes], str | None]


class Quarantined(Protocol):
    """A message in quarantine."""

    @property
    def number(self) -> int: ...
    @property
    def reason(self) -> RejectionReason: ...
    @property
    def run(self) -> str: ...
    @property
    def filter(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def received_at_us(self) -> int: ...


class Quarantine(Protocol):
    """What is needed of the store's quarantine."""

    def quarantine_item(self, number: int, /) -> Quarantined | None:
        """A message by its number."""

    def quarantine_remove(self, numbers: Sequence[int], /) -> int:
        """Remove messages; how many were there."""

    def quarantine(self, limit: int, /) -> Sequence[Quarantined]:
        """The newest messages."""


def fingerprint(mappings: Sequence[MappingSettings], *, plant: Plant) -> str:
    """Tells mappings and plants apart: a replay is meant for those that its asker saw."""
    told = [mapping.model_dump_json() for mapping in mappings]
    return hashlib.sha256(repr((told, plant)).encode()).hexdigest()[:12]


class Rework:
    """Serves the spool's requests, a portion at each turn."""

    def __init__(
        self,
        spool: Spool,
        *,
        quarantine: Quarantine,
        router: Router,
        labels: Sequence[str],
        sides: Mapping[str, SideHandler],
        batcher: Batcher,
        sink: Callable[[Batch], Receipt],
        run: str,
        mappings: str,
        max_payload_bytes: int,
    ) -> None:
        """Prepare; requests from before now are served whatever mappings they had in mind.

        Args:
            spool: Where requests come.
            quarantine: Where the messages are.
            router: What their topics mean now.
            labels: The ledger's keys, in the order of the router's filters.
            sides: Handlers of topics that are no readings, by filter.
            batcher: An empty one of its own, apart from that of the messages on their first way.
            sink: Keeps a batch and takes the messages in `Batch.released` out of quarantine, in one transaction.
            run: This run of the ingestor.
            mappings: Fingerprint of the mappings of now.
            max_payload_bytes: As for messages on their first way [byte].
        """
        self._spool, self._quarantine, self._router, self._sides = spool, quarantine, router, sides
        self._labels = tuple(labels)
        self._batcher, self._sink, self._run, self._mappings = batcher, sink, run, mappings
        self._max_payload_bytes = max_payload_bytes
        self._started_us = time.time_ns() // 1_000
        self._look_at = 0.0
        self._name = ""
        self._request: Request | None = None
        self._done = 0
        self._answer = Answer()

    def turn(self, received: list[int], in_flight: Callable[[], Sequence[int]]) -> None:
        """Serve a portion of what is asked, if anything is.

        Args:
            received: Messages read from the wire in this run, by filter; a replayed one moves to this run's account.
            in_flight: Gives those of them that are held for the next batch, by filter.
        """
        now = time.monotonic()
        if now < self._look_at:
            return
        try:
            if self._request is None and not self._begin():
                self._look_at = now + LOOK_EVERY_S
                return
            self._serve(received, in_flight)
        except (Unavailable, OSError) as error:
            self._batcher.take(received)  # a portion that was not kept begins anew
            self._look_at = now + RETRY_S
            log.warning("rework_held_up", extra={"request": self._name, "why": str(error), "again_s": RETRY_S})

    def ask(self, wanted: Callable[[str, RejectionReason, int], bool]) -> None:
        """Ask for a replay of those of the newest messages whose topic, reason and reception are wanted."""
        try:
            messages = self._quarantine.quarantine(NEWEST)
            numbers = [each.number for each in messages if wanted(each.topic, each.reason, each.received_at_us)]
            if numbers:
                self._spool.ask(Task.REPLAY, sorted(numbers), mappings=self._mappings)
                log.info("replay_asked", extra={"messages": len(numbers)})
        except (Unavailable, OSError) as error:
            log.warning("replay_not_asked", extra={"why": str(error)})

    def _begin(self) -> bool:
        if not self._spool.changed():
            return False
        for name in self._spool.waiting():
            request = self._spool.request(name)
            if request is None:
                log.warning("request_unreadable", extra={"request": name})
                self._spool.settle(name, Answer(detail="the request cannot be read; it was removed"))
            elif request.mappings in ("", self._mappings) or request.asked_at_us <= self._started_us:
                self._name, self._request, self._done, self._answer = name, request, 0, Answer()
                return True
        return False

    def _serve(self, received: list[int], in_flight: Callable[[], Sequence[int]]) -> None:
        assert self._request is not None
        numbers = self._request.numbers[self._done : self._done + PORTION_MESSAGES]
        if numbers and self._request.task is Task.DROP:
            gone = self._quarantine.quarantine_remove(numbers)
            self._add(len(numbers), dropped=gone, missing=len(numbers) - gone)
        elif numbers:
            self._replay(numbers, received, in_flight)
        if self._done >= len(self._request.numbers):
            self._spool.settle(self._name, self._answer)
            log.info("rework_done", extra={"task": self._request.task.value, **_counts(self._answer)})
            self._request = None

    def _replay(self, numbers: Sequence[int], received: list[int], in_flight: Callable[[], Sequence[int]]) -> None:
        counts = list(received)
        released: list[int] = []
        missing = 0
        for number in numbers:
            if self._batcher.payload_bytes >= PORTION_BYTES:
                break
            message = self._quarantine.quarantine_item(number)
            if message is None:
                missing += 1
                continue
            released.append(number)
            if message.run == self._run and message.filter in self._labels:
                counts[self._labels.index(message.filter)] -= 1
            self._place(message, counts)
        if released:
            batch = self._batcher.take(counts, in_flight=in_flight())
            receipt = self._sink(replace(batch, released=tuple(released)))
            received[:] = counts
            self._add(
                len(released),
                stored=receipt.stored,
                duplicate=receipt.duplicate,
                quarantined=receipt.quarantined,
            )
        self._add(missing, missing=missing)

    def _place(self, message: Quarantined, counts: list[int]) -> None:
        way = self._router.route(message.topic)
        counts[way.filter] += 1
        index = self._batcher.open_message(way.filter, payload_bytes=len(message.payload))
        unknown = place(
            self._batcher,
            index,
            way=way,
            topic=message.topic,
            payload=message.payload,
            received_at_us=message.received_at_us,
            max_payload_bytes=self._max_payload_bytes,
            hearing=Hearing.AGAIN,
        )
        if unknown is not FOR_A_HANDLER:
            return
        problem = self._sides[self._router.filters[way.filter]](message.topic, message.payload)
        if problem is not None:
            self._batcher.reject(
                index,
                topic=message.topic,
                payload=message.payload,
                received_at_us=message.received_at_us,
                reason=RejectionReason.WRONG_SHAPE,
                detail=problem,
            )

    def _add(self, done: int, **counts: int) -> None:
        self._done += done
        sums = {name: before + counts.get(name, 0) for name, before in _counts(self._answer).items()}
        self._answer = msgspec.structs.replace(self._answer, **sums)


def _counts(answer: Answer) -> dict[str, int]:
    names = ("stored", "duplicate", "quarantined", "dropped", "missing")
    return {name: getattr(answer, name) for name in names}
