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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ingest.batching import Batcher
from ingest.broker_settings import MAIN, BrokerSettings
from ingest.client import Backoff, span
from ingest.counters import CounterWatch
from ingest.figures import Figures
from ingest.intake import Intake
from ingest.link import Link, Token
from ingest.pacing import LONGEST_S, Pace
from ingest.retained import Known
from ingest.rework import Quarantine, Rework, SideHandler, fingerprint
from ingest.settings import IngestSettings, MessageFormat
from ingest.sparkplug.host import Host, state_filters
from ingest.sparkplug.links import host_faults
from ingest.sparkplug.memory import NodeMemory
from ingest.sparkplug.session import EdgeNodes
from ingest.spool import Spool
from ingest.topics import compile_router
from ingest.wire import Publishes
from plant.assets import Plant
from plant.clock import US_PER_S, PlantClock
from plant.errors import ConfigError, Unavailable
from plant.signals import Batch, Receipt

log = logging.getLogger(__name__)

Sink = Callable[[Batch], Receipt]
"""Keeps a batch durably before it returns; raises `Unavailable` where it cannot for now."""


def labels(filters: Sequence[str], *, broker: str) -> tuple[str, ...]:
    """The ledger's keys of a broker's filters: each by itself, with the broker's name where it is a further one.

    >>> labels(("acme/+", "(no filter)"), broker="east")
    ('east: acme/+', 'east: (no filter)')
    """
    return tuple(filters) if broker == MAIN else tuple(f"{broker}: {each}" for each in filters)


class _Held(NamedTuple):
    """A batch offered to the sink, and what to acknowledge once it is kept."""

    batch: Batch
    tokens: tuple[Token, ...]
    payload_bytes: int
    opened_at: float
    """When its first message may have come; monotonic [s]."""


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
        name: str = MAIN,
        side_topics: Mapping[str, SideHandler] | None = None,
        spool: Spool | None = None,
        quarantine: Quarantine | None = None,
        memory: Path | None = None,
        known: Known | None = None,
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
            name: What the ledger calls the broker, where there are several.
            side_topics: Filter = handler, for messages that are no readings, such as orders.
            spool: Where replays from quarantine are asked for; None: nobody asks.
            quarantine: Of the store behind the sink; needed with `spool`.
            memory: File in which a Sparkplug host remembers its edge nodes; None: only while it runs.
            known: The newest values in the store, by which copies of retained messages are told; `store.last_values`.
            randomness: Jitter of waits.

        Raises:
            ConfigError: Mappings that do not fit the plant or share a link that they must not, or unusable password
                and TLS files.
        """
        if faults := host_faults(settings, broker=broker, where=f"broker {name}"):
            raise ConfigError(faults)
        self._settings = settings
        self._broker = broker
        self._sink = sink
        self._clock = clock
        self._sides = dict(side_topics or {})
        nodes = EdgeNodes(settings.sparkplug)
        self._host: Host | None = None
        if any(mapping.format is MessageFormat.SPARKPLUG for mapping in settings.mappings):
            self._host = Host(nodes, memory=None if memory is None else NodeMemory(memory, plant=plant))
            self._sides |= dict.fromkeys(state_filters(settings), self._host.hear_state)
        self._router = compile_router(settings.mappings, plant=plant, side_filters=tuple(self._sides), nodes=nodes)
        chance = randomness or random.Random()
        self._link = Link(
            broker,
            subscriptions=self._router.subscriptions,
            on_publishes=self._on_publishes,
            randomness=chance,
            presence=self._host,
        )
        # the way of a message takes wall time, however fast the plant's clock runs
        self.filters = labels(self._router.filters, broker=name)
        """The ledger's keys, in the order of `Batch.received`."""
        skew_us = round(settings.clock_skew_limit_s * clock.speed * US_PER_S)
        self._intake = Intake(
            Batcher(run=run, plant=plant, filters=self.filters, clock_skew_limit_us=skew_us),
            router=self._router,
            sides=self._sides,
            max_payload_bytes=broker.max_payload_bytes,
            known=known,
        )
        self._rework: Rework | None = None
        if spool is not None and quarantine is not None:
            self._rework = Rework(
                spool,
                quarantine=quarantine,
                router=self._router,
                labels=self.filters,
                sides=self._sides,
                batcher=Batcher(run=run, plant=plant, filters=self.filters, clock_skew_limit_us=skew_us),
                sink=sink,
                run=run,
                mappings=fingerprint(settings.mappings, plant=plant),
                max_payload_bytes=broker.max_payload_bytes,
            )
        self._backoff = Backoff(
            minimum_s=settings.sink_retry_min_s, maximum_s=settings.sink_retry_max_s, randomness=chance
        )
        self._pace = Pace(settings)
        self._held: _Held | None = None
        self._sink_retry_at = 0.0
        self._sink_away_since: float | None = None
        self._sink_trouble = ""
        self._figures = Figures()
        self._counters = CounterWatch(plant)
        self._committed_at_us: int | None = None

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Filters that the broker is asked for."""
        return self._router.subscriptions

    def leave(self, subscriptions: Sequence[str]) -> None:
        """Tell the broker, once connected, that of these filters those are not wanted any more that are not its own."""
        self._link.leave(tuple(each for each in subscriptions if each not in self._router.subscriptions))

    @property
    def state(self) -> dict[str, object]:
        """How it goes, as plain values for a heartbeat; safe to read from another thread."""
        connected_at = self._link.connected_at
        return {
            "broker": self._link.address,
            "connected": self._link.connected,
            "connected_for_s": None
            if connected_at is None or not self._link.connected
            else round(time.monotonic() - connected_at, 1),
            "broker_trouble": self._link.trouble,
            "refused_filters": list(self._link.refused),
            "store_available": self._sink_away_since is None,
            "store_trouble": self._sink_trouble,
            "received": sum(self._intake.received),
            "in_flight": len(self._intake) + (self._held.batch.messages if self._held else 0),
            "batches": self._figures.batches,
            "durable": self._figures.durable,
            "committed_at_us": self._committed_at_us,
            "unknown_fields": self._intake.unknown_fields,
            **({} if self._host is None else {"sparkplug": self._host.state}),
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
            arrived = self._link.read(self._wait_s(), room=self._room)
            self._pace.looked(held=len(self._intake), arrived=arrived)
        if not self._link.connected:
            self._pace.cut()
        drained = not self._full()
        self._commit_if_due(quiet=arrived == 0)
        if self._rework is not None and self._held is None:
            self._rework.turn(self._intake.received, lambda: self._intake.in_flight)
        self._attend()
        if arrived and drained:
            pause_s = self._pace.pause_s(time.monotonic(), held=len(self._intake), arrived=arrived)
            if pause_s > 0:
                time.sleep(pause_s)

    def _attend(self) -> None:
        """Let a Sparkplug host say what it has to, and have data replayed whose births came."""
        if self._host is None or not self._link.connected:
            return
        self._link.publish(self._host.due())
        if self._rework is not None and self._held is None and (readable := self._host.released()) is not None:
            self._rework.ask(readable)

    def _wait_s(self) -> float:
        """How long this turn may wait for bytes [s]."""
        now = time.monotonic()
        if self._held_up():
            until = self._sink_retry_at
        elif len(self._intake):
            until = now if self._pace.stalled(len(self._intake)) else min(self._pace.due_at, self._pace.settled_at)
        else:
            until = now + LONGEST_S
        if not self._link.open:
            until = min(until, self._link.retry_at)
        return min(LONGEST_S, max(0.0, until - now))

    def _held_up(self) -> bool:
        return self._sink_away_since is not None

    def _room(self) -> int:
        """How many more messages the batch may take."""
        if self._intake.payload_bytes >= self._settings.batch_max_bytes:
            return 0
        return self._settings.batch_max_messages - len(self._intake)

    def _full(self) -> bool:
        return self._room() <= 0

    def _due(self, *, quiet: bool) -> bool:
        if not len(self._intake):
            return False
        now = time.monotonic()
        if self._full() or not self._link.connected or now >= self._pace.due_at:
            return True
        return quiet and (now >= self._pace.settled_at or self._pace.stalled(len(self._intake)))

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
                size = self._intake.payload_bytes
                batch = self._counters.mark(self._intake.take())
                self._held = _Held(batch, self._link.take_tokens(), size, self._pace.opened_at)
            began_at = time.monotonic()
            self._sink(self._held.batch)
        except Unavailable as error:
            self._sink_gone(str(error))
            return
        self._link.acknowledge(self._held.tokens)
        now = time.monotonic()
        messages = self._held.batch.messages
        self._figures.kept(messages=messages, waited_s=now - self._held.opened_at, commit_s=now - began_at)
        self._pace.kept(now, messages=messages, payload_bytes=self._held.payload_bytes)
        self._held = None
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

    def _finish(self) -> None:
        if self._held is not None:
            self._commit()
        if self._held is None and len(self._intake):
            self._commit()
        left = len(self._intake) + (self._held.batch.messages if self._held else 0)
        if left:
            log.warning("messages_left_at_broker", extra={"messages": left, "detail": self._sink_trouble})

    def _on_publishes(self, found: Publishes) -> None:
        self._pace.came(time.monotonic(), first=not len(self._intake))
        self._intake.read(found.topics, found.payloads, at_us=self._clock.now_us(), retained=found.retained)
