"""From wire to batch, and acknowledged only when the batch is kept.

One thread does all: read what waits, decode it into columns, hand the batch to the sink, acknowledge. A message leaves
the broker only after `sink(batch)` has returned, so a kill at any instant loses nothing: the broker delivers again, and
the store recognises what it already has. A message that cannot be used is part of its batch as a `Rejection`, is
quarantined in the same transaction, and then acknowledged: every outcome frees its slot.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from paho.mqtt.client import MQTTMessage

from ingest.batching import Batcher
from ingest.client import Backoff, span
from ingest.link import Link, Token
from ingest.placing import FOR_A_HANDLER, place
from ingest.rework import Quarantine, Rework, fingerprint
from ingest.settings import BrokerSettings, IngestSettings
from ingest.spool import Spool
from ingest.topics import compile_router
from plant.assets import Plant
from plant.clock import US_PER_S, PlantClock
from plant.errors import Unavailable
from plant.signals import Batch, Receipt, RejectionReason

log = logging.getLogger(__name__)

Sink = Callable[[Batch], Receipt]
"""Keeps a batch durably before it returns; raises `Unavailable` where it cannot for now."""
SideHandler = Callable[[str, bytes], str | None]
"""Settles a message that is no reading (topic, payload): None, or a sentence why it cannot be used. The same message
may come again after a kill, so it must settle twice to the same end; raises `Unavailable` where it cannot for now."""

STALLED_MESSAGES: Final = 20
"""Brokers commonly hand out 20 unacknowledged messages and then wait: with so many held and none coming, commit."""
IDLE_S: Final = 0.25
"""Longest wait in one turn [s]; bounds how long a stop takes."""
_UNKNOWN_FIELDS_LIMIT: Final = 1_000


class _Held(NamedTuple):
    """A batch offered to the sink, and what to acknowledge once it is kept."""

    batch: Batch
    tokens: tuple[Token, ...]


class _Aside(NamedTuple):
    """A message on a side topic that waits for its handler."""

    message: int
    topic: str
    payload: bytes
    received_at_us: int
    handler: SideHandler


class Ingestor:
    """Reads a broker's messages into a sink until it is told to stop."""

    def __init__(
        self,
        settings: IngestSettings,
        *,
        broker: BrokerSettings,
        plant: Plant,
        sink: Sink,
        clock: PlantClock,
        run: str,
        side_topics: Mapping[str, SideHandler] | None = None,
        spool: Spool | None = None,
        quarantine: Quarantine | None = None,
        randomness: random.Random | None = None,
    ) -> None:
        """Prepare without connecting.

        Args:
            settings: Mappings and batching.
            broker: Where the messages are.
            plant: The machines that messages may speak of.
            sink: Keeps batches; `store.write` fits.
            clock: Gives the time of reception.
            run: Identifier of this run in the ledger.
            side_topics: Filter = handler, for messages that are no readings, such as orders.
            spool: Where replays from quarantine are asked for; None: nobody asks.
            quarantine: Of the store behind the sink; needed with `spool`.
            randomness: Jitter of waits.

        Raises:
            ConfigError: Mappings that do not fit the plant, or unusable password and TLS files.
        """
        self._settings = settings
        self._broker = broker
        self._sink = sink
        self._clock = clock
        self._sides = dict(side_topics or {})
        self._router = compile_router(settings.mappings, plant=plant, side_filters=tuple(self._sides))
        chance = randomness or random.Random()
        self._link = Link(
            broker, subscriptions=self._router.subscriptions, on_message=self._on_message, randomness=chance
        )
        # the way of a message takes wall time, however fast the plant's clock runs
        skew_us = round(settings.clock_skew_limit_s * clock.speed * US_PER_S)
        self._batcher = Batcher(run=run, plant=plant, filters=self._router.filters, clock_skew_limit_us=skew_us)
        self._rework: Rework | None = None
        if spool is not None and quarantine is not None:
            self._rework = Rework(
                spool,
                quarantine=quarantine,
                router=self._router,
                sides=self._sides,
                batcher=Batcher(run=run, plant=plant, filters=self._router.filters, clock_skew_limit_us=skew_us),
                sink=sink,
                run=run,
                mappings=fingerprint(settings.mappings, plant=plant),
                max_payload_bytes=broker.max_payload_bytes,
            )
        self._backoff = Backoff(
            minimum_s=settings.sink_retry_min_s, maximum_s=settings.sink_retry_max_s, randomness=chance
        )
        self._received = [0] * len(self._router.filters)
        self._tokens: list[Token] = []
        self._asides: list[_Aside] = []
        self._opened_at = 0.0
        self._held: _Held | None = None
        self._sink_retry_at = 0.0
        self._sink_away_since: float | None = None
        self._sink_trouble = ""
        self._batches = 0
        self._committed_at_us: int | None = None
        self._unknown_fields: dict[tuple[str, str], int] = {}

    @property
    def filters(self) -> tuple[str, ...]:
        """The ledger's keys, in the order of `Batch.received`."""
        return self._router.filters

    @property
    def state(self) -> dict[str, object]:
        """How it goes, as plain values for a heartbeat; safe to read from another thread."""
        connected_at = self._link.connected_at
        return {
            "broker": self._broker.address,
            "connected": self._link.connected,
            "connected_for_s": None
            if connected_at is None or not self._link.connected
            else round(time.monotonic() - connected_at, 1),
            "broker_trouble": self._link.trouble,
            "refused_filters": list(self._link.refused),
            "store_available": self._sink_away_since is None,
            "store_trouble": self._sink_trouble,
            "received": sum(self._received),
            "batches": self._batches,
            "committed_at_us": self._committed_at_us,
            "unknown_fields": sum(self._unknown_fields.values()),
        }

    def run(self, stop: threading.Event) -> None:
        """Ingest until `stop` is set; then commit and acknowledge what is held, and leave with the session kept.

        An absent broker or store is waited for. Any other exception of the sink ends the run, with nothing acknowledged
        that was not kept.
        """
        try:
            while not stop.is_set():
                self._turn(stop)
            self._finish()
        finally:
            self._link.close()

    def _turn(self, stop: threading.Event) -> None:
        blocked = self._full() and self._held_up()
        if not blocked:
            self._link.connect_if_due()
        if blocked or not self._link.open:
            stop.wait(self._wait_s())
            arrived = 0
        else:
            arrived = self._link.read(self._wait_s(), enough=self._full)
        self._commit_if_due(quiet=arrived == 0)
        if self._rework is not None and self._held is None:
            self._rework.turn(self._received)
        if arrived and self._settings.read_interval_s:
            time.sleep(self._settings.read_interval_s)

    def _wait_s(self) -> float:
        """How long this turn may wait for bytes [s]."""
        now = time.monotonic()
        if self._held_up():
            until = self._sink_retry_at
        elif len(self._batcher):
            stalled = len(self._batcher) >= STALLED_MESSAGES
            until = now if stalled else self._opened_at + self._settings.batch_settle_s
        else:
            until = now + IDLE_S
        if not self._link.open:
            until = min(until, self._link.retry_at)
        return min(IDLE_S, max(0.0, until - now))

    def _held_up(self) -> bool:
        return self._sink_away_since is not None

    def _full(self) -> bool:
        return (
            len(self._batcher) >= self._settings.batch_max_messages
            or self._batcher.payload_bytes >= self._settings.batch_max_bytes
        )

    def _due(self, *, quiet: bool) -> bool:
        if not len(self._batcher):
            return False
        age_s = time.monotonic() - self._opened_at
        if self._full() or not self._link.connected or age_s >= self._settings.batch_max_age_s:
            return True
        return quiet and (age_s >= self._settings.batch_settle_s or len(self._batcher) >= STALLED_MESSAGES)

    def _commit_if_due(self, *, quiet: bool) -> None:
        if self._held_up():
            if time.monotonic() >= self._sink_retry_at:
                self._commit()
        elif self._due(quiet=quiet):
            self._commit()

    def _commit(self) -> None:
        """Keep, then acknowledge. An absent store leaves the batch held, to be offered again."""
        try:
            if self._held is None:
                self._settle_asides()
                self._held = _Held(self._batcher.take(self._received), tuple(self._tokens))
                self._tokens = []
            self._sink(self._held.batch)
        except Unavailable as error:
            self._sink_gone(str(error))
            return
        self._link.acknowledge(self._held.tokens)
        self._held = None
        self._batches += 1
        self._committed_at_us = self._clock.now_us()
        if self._sink_away_since is not None:
            away_s = round(time.monotonic() - self._sink_away_since, 1)
            log.info("store_back", extra={"away_s": away_s})
            self._sink_away_since, self._sink_trouble = None, ""
        self._backoff.reset()

    def _sink_gone(self, why: str) -> None:
        now = time.monotonic()
        wait_s = self._backoff.next_s()
        self._sink_retry_at = now + wait_s
        self._sink_trouble = why
        if self._sink_away_since is None:
            self._sink_away_since = now
            detail = (
                f"{why.rstrip('.')}. Nothing is acknowledged meanwhile; the broker keeps the messages. "
                f"Trying again in {span(wait_s)}."
            )
            log.warning("store_away", extra={"detail": detail})

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

    def _finish(self) -> None:
        if self._held is not None:
            self._commit()
        if self._held is None and len(self._batcher):
            self._commit()
        left = len(self._batcher) + (self._held.batch.messages if self._held else 0)
        if left:
            log.warning("messages_left_at_broker", extra={"messages": left, "detail": self._sink_trouble})

    def _on_message(self, message: MQTTMessage, token: Token) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(a topic that is not UTF-8)"
        way = self._router.route(topic)
        self._received[way.filter] += 1
        received_at_us = self._clock.now_us()
        payload = bytes(message.payload)
        if not len(self._batcher):
            self._opened_at = time.monotonic()
        index = self._batcher.open_message(way.filter, payload_bytes=len(payload))
        self._tokens.append(token)
        unknown = place(
            self._batcher,
            index,
            way=way,
            topic=topic,
            payload=payload,
            received_at_us=received_at_us,
            max_payload_bytes=self._broker.max_payload_bytes,
        )
        if unknown is FOR_A_HANDLER:
            handler = self._sides[self._router.filters[way.filter]]
            self._asides.append(_Aside(index, topic, payload, received_at_us, handler))
            return
        for field in unknown:
            self._note_unknown(topic, field)

    def _note_unknown(self, topic: str, field: str) -> None:
        key = (topic, field[:100])
        seen = self._unknown_fields.get(key, 0)
        if seen or len(self._unknown_fields) < _UNKNOWN_FIELDS_LIMIT:
            self._unknown_fields[key] = seen + 1
            if not seen:
                log.warning("unknown_field", extra={"topic": topic, "field": ascii(field[:100])})
