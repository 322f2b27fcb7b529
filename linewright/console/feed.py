"""One look at the store per second for all open tabs, off the event loop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from linewright.account import account_of
from linewright.console.snapshot import Banner, Snapshot
from linewright.lifecycle import SILENT_AFTER_S
from linewright.settings.site import Site
from linewright.wiring import StoreReader, open_records, open_store, wall_now
from plant.assets import SignalRole
from plant.clock import instant
from plant.errors import Unavailable
from plant.signals import LastValue
from store.books.entries import RoleBeat
from store.records import Records

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
LOOK_EVERY_S = 1.0
UNDER_WAY_S = 5.0
"""From a machine to the page: the batch, the persisted last values, the look [s of wall time]."""
STATE_LOOK_BACK = timedelta(hours=12)
"""How far back the beginning of a machine's present state is searched when the console starts."""
ALERTS_SHOWN = 200


@dataclass(slots=True)
class Source:
    """A thread of its own with its own connections; questions are answered there, one after the other."""

    site: Site
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="console"))
    reader: "StoreReader | None" = None
    records: Records | None = None

    async def ask(self, question: Callable[[StoreReader, Records], Answer]) -> Answer:
        """The answer to a question about store and records.

        Raises:
            Unavailable: The store or the records cannot be read now; the text says why and what to do.
        """
        return await asyncio.get_running_loop().run_in_executor(self.thread, lambda: self._answer(question))

    async def on_records(self, action: Callable[[Records], Answer]) -> Answer:
        """What became of a question to, or an action on, the records alone. Raises Unavailable."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, lambda: action(self._records()))

    async def close(self) -> None:
        """Close the connections in their own thread, then end it."""
        await asyncio.get_running_loop().run_in_executor(self.thread, self._drop)
        self.thread.shutdown(wait=True)

    def _answer(self, question: Callable[[StoreReader, Records], Answer]) -> Answer:
        if self.reader is None:
            self.reader = open_store(self.site)
        return question(self.reader, self._records())

    def _records(self) -> Records:
        if self.records is None:
            self.records = open_records(self.site)
        return self.records

    def _drop(self) -> None:
        for connection in (self.reader, self.records):
            if connection is not None:
                connection.close()
        self.reader = self.records = None


@dataclass(slots=True)
class Feed:
    """The newest snapshot, and its revision, by which pages see that something changed."""

    site: Site
    source: Source
    snapshot: Snapshot = field(default_factory=Snapshot)
    revision: int = 0
    _store_version: int | None = None
    _records_version: int | None = None

    async def run(self) -> None:
        """Look once a second until cancelled; a store that is away is told once and tried again."""
        while True:
            began = asyncio.get_running_loop().time()
            await self.look()
            took = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(LOOK_EVERY_S - took, 0.2))

    async def look(self) -> None:
        """Take one look; a new revision begins only where something changed."""
        fresh = self.snapshot
        try:
            fresh = await self.source.on_records(self._read_records)
            recorded = fresh
            fresh = await self.source.ask(lambda reader, _: self._read_values(reader, recorded))
            fresh = replace(fresh, trouble="")
        except Unavailable as trouble:
            fresh = replace(fresh, trouble=str(trouble))
        except Exception as fault:  # noqa: BLE001 - the console stays up whatever the store does, and says so
            sentence = f"The store at {self.site.data} cannot be read ({type(fault).__name__}: {fault}). "
            fresh = replace(self.snapshot, trouble=sentence + "Run `linewright doctor`.")
        if bool(fresh.trouble) != bool(self.snapshot.trouble):
            log.log(
                logging.WARNING if fresh.trouble else logging.INFO,
                "store_away" if fresh.trouble else "store_back",
                extra={"why": fresh.trouble},
            )
        if fresh != self.snapshot:
            self.snapshot = fresh
            self.revision += 1

    def _read_records(self, records: Records) -> Snapshot:
        version = records.version()
        if version == self._records_version:
            return self.snapshot
        self._records_version = None
        fresh = replace(
            self.snapshot,
            kpis={kpi.entity: kpi for kpi in records.kpis()},
            risks={risk.machine: risk for risk in records.risks()},
            alerts=records.alerts(limit=ALERTS_SHOWN),
            work_orders=records.work_orders(),
            plan=records.newest_plan(),
            accepted=records.accepted_plan(),
            banner=read_banner(records.noted("banner")),
            links=links_of(records.roles()),
            under_way=timedelta(seconds=UNDER_WAY_S * self.site.clock.speed),
        )
        self._records_version = version
        return fresh

    def _read_values(self, reader: StoreReader, fresh: Snapshot) -> Snapshot:
        version = reader.version()
        if version == self._store_version:
            return fresh
        self._store_version = None
        gathered: dict[str, dict[str, LastValue]] = {}
        for value in reader.last_values():
            gathered.setdefault(value.machine, {})[value.signal] = value
        read = replace(fresh, last=gathered, state_since_us=self._state_since(gathered, reader))
        read = replace(read, ledger=account_of(reader.ledger()))
        self._store_version = version
        return read

    def _state_since(self, last: dict[str, dict[str, LastValue]], reader: StoreReader) -> dict[str, int]:
        since = dict(self.snapshot.state_since_us)
        unknown: dict[str, list[str]] = {}
        for machine in self.site.plant.machines:
            signal = self.site.plant.class_of(machine.name).signal(SignalRole.STATE)
            newest = last.get(machine.name, {}).get(signal.name) if signal else None
            if signal is None or newest is None:
                continue
            before = self.snapshot.last.get(machine.name, {}).get(signal.name)
            if before is None:
                unknown.setdefault(signal.name, []).append(machine.name)
            elif before.value != newest.value:
                since[machine.name] = newest.observed_at_us
        for signal_name, names in unknown.items():
            newest_us = {name: last[name][signal_name].observed_at_us for name in names}
            end = instant(max(newest_us.values()) + 1)
            windows = reader.read(names, signals=[signal_name], start=end - STATE_LOOK_BACK, end=end)
            for name, window in windows.items():
                reported = zip(window.observed_at, window.states.get(signal_name, ()), strict=False)
                since[name] = began_us(reported, state=last[name][signal_name].value) or newest_us[name]
        return since


def links_of(beats: Sequence[RoleBeat]) -> tuple[Mapping[str, Any], ...]:
    """What ingest said of its links, unless it is silent or has ended."""
    for beat in beats:
        silent = (wall_now() - beat.at).total_seconds() > SILENT_AFTER_S
        if beat.role == "ingest" and not silent and not beat.detail.get("ended"):
            return tuple(beat.detail.get("links", ()))
    return ()


def began_us(reported: Iterable[tuple[int, object]], *, state: object) -> int | None:
    """When the last stretch of a state began [µs UTC]; None where the last report is of another state.

    >>> began_us([(1, "Idle"), (2, "Execute"), (3, None), (4, "Execute")], state="Execute")
    2
    """
    began: int | None = None
    for at, text in reported:
        if text is None:
            continue
        if text != state:
            began = None
        elif began is None:
            began = int(at)
    return began


def read_banner(document: dict[str, object] | None) -> Banner | None:
    """The banner of a noted document; links only lead to pages of this console.

    >>> read_banner({"sentence": "Press 2 is wearing", "href": "https://elsewhere.example", "kind": "risk"}).href
    ''
    """
    if not document or not document.get("sentence"):
        return None
    href = str(document.get("href", ""))
    inside = href.startswith("/") and not href.startswith("//") and "\\" not in href
    return Banner(
        sentence=str(document["sentence"]), href=href if inside else "", kind=str(document.get("kind", "info"))
    )


@contextlib.asynccontextmanager
async def feeding(feed: Feed, *, others: tuple[Source, ...]) -> AsyncIterator[None]:
    """Keep the feed looking while the context lasts; close every source at its end."""
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for source in (feed.source, *others):
            await source.close()
