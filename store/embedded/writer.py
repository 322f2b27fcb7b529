"""Writing an embedded store: one process, each batch one durable transaction."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.assets import Plant
from plant.clock import PlantClock, microseconds
from plant.errors import Unavailable
from plant.signals import Batch, LastValue, Receipt
from store.answering import Answering
from store.embedded import ledger, quarantine, retention, sealing
from store.embedded.care import set_all_aside, set_aside
from store.embedded.columns import ClassColumns, columns_of
from store.embedded.hot import HotPart, body_of, hot_batches, hot_part, hot_rows, insert_batch, span
from store.embedded.keys import RecentKeys
from store.embedded.last_values import LastValues
from store.embedded.layout import open_hot, reaching, transaction
from store.embedded.ledger import Outcome
from store.embedded.lock import WriterLock
from store.embedded.preparing import Prepared, prepare
from store.embedded.reader import EmbeddedReader
from store.embedded.retention import Deletion, Removal
from store.embedded.rows import Rows, rows_of
from store.embedded.segments import Damaged, manifest, retire
from store.embedded.upkeep import Upkeep, wall_us
from store.settings import StoreSettings

log = logging.getLogger(__name__)

SEAL_AGAIN_S = 30.0
"""After sealing failed, wall time until it is tried again [s]."""


def open_writer(
    folder: Path, *, plant: Plant, clock: PlantClock, settings: StoreSettings | None = None
) -> "EmbeddedWriter":
    """Open a store for writing, creating it when it is not there.

    Runs that a killed writer left open are closed, half-written files removed, recent keys rebuilt.

    Raises:
        Unavailable: another process is writing it (the text says which), or the folder cannot be used.
    """
    return EmbeddedWriter(folder, plant=plant, clock=clock, settings=settings or StoreSettings())


class EmbeddedWriter(Answering):
    """The one writer of a folder; it also answers everything that a reader does. Safe to share between threads."""

    def __init__(self, folder: Path, *, plant: Plant, clock: PlantClock, settings: StoreSettings) -> None:
        self._folder, self._clock, self._settings = folder, clock, settings
        self._columns = {machine_class.name: columns_of(machine_class) for machine_class in plant.classes}
        self._keys = {name: self._no_keys() for name in self._columns}
        self._hot = {name: HotPart() for name in self._columns}
        self._last = LastValues(self._columns)
        self._class_of = {machine.name: machine.machine_class for machine in plant.machines}
        self._runs: dict[str, tuple[str, ...]] = {}
        self._mutex = threading.RLock()
        self._seal_after_s = -1e9
        self._closed = False
        with reaching(folder):
            self._lock = WriterLock(folder)
            try:
                self._connection = open_hot(folder)
                self._upkeep = Upkeep(
                    self._connection, folder, columns=self._columns, settings=settings, now_us=clock.now_us
                )
                self._recover()
                self._reader = EmbeddedReader(folder, plant=plant)
            except BaseException:
                self._lock.release()
                raise

    def write(self, batch: Batch) -> Receipt:
        """See `store.contract.TimeSeriesStore.write`; seals what is due afterwards."""
        with self._mutex:
            parts = [
                prepare(batch, table, columns=self._class_columns(name), keys=self._keys[name])
                for name, table in batch.tables.items()
                if len(table)
            ]
            none = np.zeros(batch.messages, dtype=np.int64)
            outcome = ledger.outcome_of(
                batch, sum((part.new for part in parts), none), sum((part.duplicate for part in parts), none)
            )
            with reaching(self._folder):
                self._commit(batch, outcome, [part for part in parts if len(part.rows)])
            self._seal_due()
            self._compact_some()
            return outcome.receipt()

    def begin_run(self, filters: Sequence[str], *, beside: Sequence[str] = ()) -> str:
        """Open the account of a new run of an ingestor. Returns its identifier.

        Args:
            filters: The ledger's keys.
            beside: Runs that go on; all others that never ended are closed.
        """
        with self._mutex, reaching(self._folder), transaction(self._connection):
            run = ledger.begin_run(self._connection, filters, at_us=self._clock.now_us(), beside=beside)
            self._runs = {known: self._runs[known] for known in beside} | {run: tuple(filters)}
            return run

    def note_received(self, run: str, counts: Sequence[int] | NDArray[np.int64]) -> None:
        """Messages read from the wire so far in this run, by filter in the order of `begin_run`."""
        with self._mutex, reaching(self._folder), transaction(self._connection):
            received = [int(count) for count in counts]
            ledger.note_received(self._connection, run, self._runs[run], received)

    def end_run(self, run: str) -> None:
        """Close the account of a run; what it read and did not settle was not acknowledged and is sent again."""
        with self._mutex, reaching(self._folder), transaction(self._connection):
            ledger.close_runs(self._connection, at_us=self._clock.now_us(), run=run)

    def seal(self) -> int:
        """Seal everything now, compact what is due, persist last values; returns the rows sealed."""
        with self._mutex, reaching(self._folder):
            rows = sum(self._seal_class(name) for name in self._columns)
            self._upkeep.finish()
            self._persist_last_values()
            return rows

    def compact(self) -> int:
        """Seal and compact everything, down to one segment per window; returns how many segments there are then."""
        with self._mutex, reaching(self._folder):
            for name in self._columns:
                self._seal_class(name)
            self._upkeep.finish(everything=True)
            return int(self._connection.execute("SELECT COUNT(*) FROM segments").fetchone()[0])

    def tidying(self) -> Iterator[int]:
        """Compact, prune and let go of what is due, step by step; yields the rows of each step."""
        with self._mutex:
            self._upkeep.look_again()
        while True:
            with self._mutex, reaching(self._folder):
                if not self._upkeep.waits:
                    self._upkeep.unlink_retired()
                    return
                rows = self._upkeep.step()
            yield rows

    def set_damaged_aside(self) -> int:
        """Check every file whole, and set aside those that cannot be read as they were written; returns how many."""
        with self._mutex, reaching(self._folder):
            return set_all_aside(self._connection, self._folder, wall_us=wall_us())

    def delete(self, machine: str, *, start: datetime, end: datetime) -> int:
        """See `store.contract.TimeSeriesStore.delete`; rewrites the windows that hold it."""
        with self._mutex:
            return sum(self.deleting(machine, start=start, end=end))

    def deleting(self, machine: str, *, start: datetime, end: datetime) -> Iterator[int]:
        """Delete step by step, so that batches can be written in between; yields 0, and at last how many instants."""
        if (name := self._class_of.get(machine)) is None:
            return
        deletion = Deletion(machine=machine, start_us=microseconds(start), end_us=microseconds(end))
        with self._mutex, reaching(self._folder):
            self._seal_class(name)
            steps = self._upkeep.delete(name, deletion)
        gone: int | None = None
        while gone is None:
            with self._mutex, reaching(self._folder):
                try:
                    next(steps)
                except StopIteration as done:
                    gone = int(done.value)
                    self._keys[name] = self._no_keys()
            yield gone or 0

    def retain(self, older_than: datetime) -> int:
        """See `store.contract.TimeSeriesStore.retain`; whole segments only."""
        with self._mutex, reaching(self._folder):
            gone = [
                segment
                for name in self._columns
                for segment in manifest(self._connection, name)
                if segment.end_us < microseconds(older_than)
            ]
            rolled = [
                window
                for name in self._columns
                for window in retention.rolled_windows(self._connection, name)
                if window.end_us < microseconds(older_than)
            ]
            with transaction(self._connection):
                for segment in gone:
                    retire(self._connection, segment, wall_us=wall_us())
                for window in rolled:
                    retention.set_rollups(self._connection, window, {}, wall_us=wall_us())
                for name in self._columns:
                    mine = [segment for segment in gone if segment.machine_class == name]
                    retention.note(self._connection, Removal.READINGS, mine, at_us=self._clock.now_us())
            return len(gone) + len(rolled)

    def quarantine_remove(self, numbers: Sequence[int]) -> int:
        """Take messages out of quarantine; returns how many were there."""
        with self._mutex, reaching(self._folder), transaction(self._connection):
            count = quarantine.remove(self._connection, numbers)
            self._quarantined_bytes = quarantine.size(self._connection)
            return count

    def last_values(self, machines: Sequence[str] | None = None) -> list[LastValue]:
        """The newest value of each signal."""
        with self._mutex:
            return self._last.listed(machines)

    def close(self) -> None:
        """Persist last values, close open runs, let the next writer in; safe to call twice."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            self._upkeep.stop()
            try:
                with reaching(self._folder):
                    self._persist_last_values()
                    with transaction(self._connection):
                        ledger.close_runs(self._connection, at_us=self._clock.now_us())
            finally:
                self._reader.close()
                self._connection.close()
                self._lock.release()

    def _recover(self) -> None:
        """Bring memory and folder to what the manifest and the hot part say."""
        with transaction(self._connection):
            ledger.close_runs(self._connection, at_us=self._clock.now_us())
        if orphans := sealing.remove_orphans(self._connection, self._folder):
            log.info("orphans_removed", extra={"files": orphans})
        self._upkeep.unlink_retired()
        self._quarantined_bytes = quarantine.size(self._connection)
        self._last.load(self._connection, self._class_of)
        for name, keys in self._keys.items():
            rows = self._settings.window_rows
            if (sealed := self._newest_sealed(name, rows)) is not None:
                keys.add(sealed, keys.compare(sealed).merged)
                keys.seal()
            for batch in hot_batches(self._connection, name):
                keys.add(batch.rows, keys.compare(batch.rows).merged, batch=batch.number)
                self._last.update(name, batch.rows)
            self._hot[name] = hot_part(self._connection, name)

    def _newest_sealed(self, name: str, rows: int) -> Rows | None:
        while True:
            try:
                table = sealing.newest_rows(self._connection, self._folder, name, rows=rows)
                return None if table is None else rows_of(table)
            except Damaged as damage:
                set_aside(self._connection, self._folder, damage.segment, why=damage.why, wall_us=wall_us())

    def _commit(self, batch: Batch, outcome: Outcome, parts: list[Prepared]) -> None:
        bodies = [body_of(part.rows, batch) for part in parts]
        due = self._last.is_due
        quarantined_bytes = self._quarantined_bytes
        numbers = []
        with transaction(self._connection):
            if due:
                self._last.persist(self._connection)
            if self._runs.get(batch.run) != batch.filters:
                ledger.ensure_run(self._connection, batch.run, batch.filters, at_us=self._clock.now_us())
            if batch.released:
                quarantined_bytes -= quarantine.release(self._connection, batch.released)
            ledger.settle(self._connection, batch, outcome)
            for part, body in zip(parts, bodies, strict=True):
                name, rows = part.machine_class, part.rows
                numbers.append(insert_batch(self._connection, batch, machine_class=name, rows=rows, body=body))
            if batch.rejections:
                quarantined_bytes = quarantine.trim(
                    self._connection,
                    held_bytes=quarantined_bytes + quarantine.keep(self._connection, batch),
                    max_bytes=self._settings.quarantine_max_bytes,
                )
        self._runs.setdefault(batch.run, batch.filters)
        self._quarantined_bytes = quarantined_bytes
        if due:
            self._last.persisted()
        for part, body, number in zip(parts, bodies, numbers, strict=True):
            self._last.note(part.machine_class, part.rows)
            self._keys[part.machine_class].add(part.rows, part.comparison.merged, batch=number)
            low, high = span(part.rows)
            hot = self._hot[part.machine_class]
            self._hot[part.machine_class] = hot.grown(rows=len(part.rows), size=len(body), start_us=low, end_us=high)

    def _no_keys(self) -> RecentKeys:
        return RecentKeys(
            window_rows=self._settings.window_rows, fetch=lambda numbers: hot_rows(self._connection, numbers)
        )

    def _seal_due(self) -> None:
        """Seal the fullest class that is due, one per batch so that writing pauses briefly, and all that are too large.

        The batch is committed already: a failure is logged and tried again.
        """
        if time.monotonic() < self._seal_after_s:
            return
        due = [name for name, hot in self._hot.items() if hot.is_due(self._settings)]
        due.sort(key=lambda name: self._hot[name].rows, reverse=True)
        large = [name for name in due[1:] if self._hot[name].bytes >= self._settings.seal_bytes]
        for name in due[:1] + large:
            try:
                with reaching(self._folder):
                    self._seal_class(name)
            except Unavailable as error:
                self._seal_after_s = time.monotonic() + SEAL_AGAIN_S
                log.warning("sealing_failed", extra={"machine_class": name, "why": str(error), "again_s": SEAL_AGAIN_S})
                return

    def _seal_class(self, name: str) -> int:
        started = time.perf_counter()
        self._persist_last_values()  # before the batches go that hold what is newer
        rows = self._upkeep.past_damage(lambda: sealing.seal_class(self._connection, self._folder, name))
        self._hot[name] = HotPart()
        self._keys[name].seal()
        self._upkeep.unlink_retired()
        if rows:
            took = round(time.perf_counter() - started, 3)
            log.info("sealed", extra={"machine_class": name, "rows": rows, "took_s": took})
            self._upkeep.sealed(name)
            pa.default_memory_pool().release_unused()
        return rows

    def _compact_some(self) -> None:
        """One step of compaction, so that writing pauses briefly; a failure is logged and tried again."""
        if time.monotonic() < self._seal_after_s or not self._upkeep.waits:
            return
        try:
            with reaching(self._folder):
                self._upkeep.step()
        except Unavailable as error:
            self._seal_after_s = time.monotonic() + SEAL_AGAIN_S
            log.warning("compaction_failed", extra={"why": str(error), "again_s": SEAL_AGAIN_S})

    def _persist_last_values(self) -> None:
        if self._last.changed:
            with transaction(self._connection):
                self._last.persist(self._connection)
            self._last.persisted()

    def _class_columns(self, name: str) -> ClassColumns:
        if name not in self._columns:
            raise ValueError(f"The plant has no machine class {name}; there are {', '.join(self._columns)}.")
        return self._columns[name]
