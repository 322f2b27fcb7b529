"""Writing a plant's store in InfluxDB: one process, each batch confirmed by the server before its account is.

The account (ledger, quarantine, last values) is in `hot.db` of the instance's folder, in one transaction per batch,
after the server's 204. A kill between the two makes the broker send the batch again: newer rows than the account
knows are written again, which changes nothing, and are counted once. Rows that are not newer are compared with what
the server has, so that duplicates are counted as such and a changed value leaves a revision behind.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plant.assets import Plant
from plant.clock import PlantClock, microseconds
from plant.errors import Unavailable
from plant.signals import Batch, LastValue, Receipt, Rejection, RejectionReason
from store.answering import Answering
from store.embedded import ledger, quarantine, retention
from store.embedded.columns import ClassColumns, columns_of
from store.embedded.keys import RecentKeys
from store.embedded.last_values import LastValues
from store.embedded.layout import open_hot, reaching, transaction
from store.embedded.ledger import Outcome
from store.embedded.lock import WriterLock
from store.embedded.retention import Removal
from store.embedded.rows import Rows, incoming, picked, reported, rows_of, table_of, without
from store.influx.delivery import deliver
from store.influx.query import InfluxQuery, NoSuchBucket, among, delete, name_of, select, within
from store.influx.reader import InfluxReader
from store.influx.rows import QUALITY, REVISIONS, Row, fetch, highest_revisions, line_of
from store.influx.server import InfluxServer
from store.influx.settings import InfluxSettings
from store.settings import StoreSettings

log = logging.getLogger(__name__)

Key = tuple[str, int]
PROBE: Final = "linewright_probe"
"""A measurement that nobody writes: asking for it tells whether the bucket is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """One table of a batch, compared with what was there."""

    columns: ClassColumns
    rows: Rows
    """What is new or revised."""
    lines: list[str]
    """A line per row of `rows`, then those of revisions."""
    new: NDArray[np.int64]
    """New samples of each message. (message,)"""
    duplicate: NDArray[np.int64]
    """(message,)"""


class InfluxWriter(Answering):
    """The one writer; it also answers everything that a reader does. Safe to share between threads."""

    def __init__(
        self, folder: Path, *, plant: Plant, clock: PlantClock, settings: InfluxSettings, sizes: StoreSettings
    ) -> None:
        """Open it, and make the bucket when it is not there.

        Args:
            folder: Of the instance, for the account.
            plant: Machines and signals.
            clock: The plant's.
            settings: Server and bucket.
            sizes: For the quarantine.

        Raises:
            Unavailable: another process writes, or folder or server cannot be used.
        """
        self._folder, self._plant, self._clock, self._settings, self._sizes = folder, plant, clock, settings, sizes
        self._columns = {machine_class.name: columns_of(machine_class) for machine_class in plant.classes}
        self._last = LastValues(self._columns)
        self._newest: dict[str, int] = {}
        self._runs: dict[str, tuple[str, ...]] = {}
        self._mutex = threading.RLock()
        self._closed = False
        with reaching(folder):
            self._lock = WriterLock(folder)
        try:
            self._query = InfluxQuery(settings)
            self._server = InfluxServer(settings)
            self._prepare_bucket()
            with reaching(folder):
                self._connection = open_hot(folder)
                with transaction(self._connection):
                    ledger.close_runs(self._connection, at_us=clock.now_us())
                self._quarantined_bytes = quarantine.size(self._connection)
                self._last.load(self._connection, {each.name: each.machine_class for each in plant.machines})
            for value in self._last.listed(None):
                self._newest[value.machine] = max(self._newest.get(value.machine, 0), value.observed_at_us)
            self._reader = InfluxReader(folder, plant=plant, settings=settings)
        except BaseException:
            self._lock.release()
            raise

    def write(self, batch: Batch) -> Receipt:
        """See `store.contract.TimeSeriesStore.write`; a reading that the server refuses goes to quarantine."""
        with self._mutex:
            parts = [self._prepare(batch, name, table) for name, table in batch.tables.items() if len(table)]
            none = np.zeros(batch.messages, dtype=np.int64)
            new: NDArray[np.int64] = sum((part.new for part in parts), none)
            duplicate: NDArray[np.int64] = sum((part.duplicate for part in parts), none)
            rejections: list[Rejection] = []
            kept: list[tuple[str, Rows]] = []
            for part in parts:
                refused = self._send(part)
                counts = reported(part.rows)
                for index, reason in refused.items():
                    new[part.rows.message[index]] -= counts[index]
                    rejections.append(self._rejection(part, index, reason, samples=int(counts[index])))
                stays = np.ones(len(part.rows), dtype=bool)
                stays[list(refused)] = False
                kept.append((part.columns.name, picked(part.rows, stays)))
            whole = replace(batch, rejections=(*batch.rejections, *rejections))
            outcome = ledger.outcome_of(whole, new, duplicate)
            with reaching(self._folder):
                self._commit(whole, outcome, kept)
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

    def end_run(self, run: str) -> None:
        """Close the account of a run; what it read and did not settle was not acknowledged and is sent again."""
        with self._mutex, reaching(self._folder), transaction(self._connection):
            ledger.close_runs(self._connection, at_us=self._clock.now_us(), run=run)

    def seal(self) -> int:
        """What is confirmed is sealed by the server; returns 0 rows."""
        return 0

    def quarantine_remove(self, numbers: Sequence[int]) -> int:
        """Take messages out of quarantine; returns how many were there."""
        with self._mutex, reaching(self._folder), transaction(self._connection):
            count = quarantine.remove(self._connection, numbers)
            self._quarantined_bytes = quarantine.size(self._connection)
            return count

    def delete(self, machine: str, *, start: datetime, end: datetime) -> int:
        """See `store.contract.TimeSeriesStore.delete`."""
        found = self._plant.machine_index.get(machine)
        if found is None:
            return 0
        with self._mutex:
            where = f"{among([machine])} AND {within(microseconds(start), microseconds(end))}"
            asked = select([f"count({name_of(QUALITY)})"], found.machine_class, where=where)
            gone = sum(int(values[1]) for series in self._query.ask(asked) for values in series.values)
            for measurement in (found.machine_class, found.machine_class + REVISIONS):
                self._query.tell(delete(measurement, where=where))
            if gone:
                with reaching(self._folder), transaction(self._connection):
                    retention.enter(
                        self._connection,
                        Removal.DELETED,
                        found.machine_class,
                        machine,
                        (microseconds(start), microseconds(end)),
                        rows=gone,
                        size=0,
                        at_us=self._clock.now_us(),
                    )
            return gone

    def deleting(self, machine: str, *, start: datetime, end: datetime) -> Iterator[int]:
        """As `delete`, in one step: it is the server's work."""
        yield self.delete(machine, start=start, end=end)

    def tidying(self) -> Iterator[int]:
        """Nothing is due: the bucket's own retention lets go of what is old."""
        return iter(())

    def retain(self, older_than: datetime) -> int:
        """See `store.contract.TimeSeriesStore.retain`; the files are the server's business, so it returns 0."""
        for name in self._columns:
            for measurement in (name, name + REVISIONS):
                self._query.tell(delete(measurement, where=f"time < {microseconds(older_than) * 1000}"))
        return 0

    def last_values(self, machines: Sequence[str] | None = None) -> list[LastValue]:
        """The newest value of each signal."""
        with self._mutex:
            return self._last.listed(machines)

    def close(self) -> None:
        """Close open runs, let the next writer in; safe to call twice."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            try:
                with reaching(self._folder), transaction(self._connection):
                    ledger.close_runs(self._connection, at_us=self._clock.now_us())
            finally:
                self._reader.close()
                self._query.close()
                self._server.close()
                self._connection.close()
                self._lock.release()

    def _prepare_bucket(self) -> None:
        if not self._query.speaks():
            raise Unavailable(
                f"The server at {self._settings.url} takes readings and does not answer InfluxQL at /query, so none "
                "could be read again. InfluxDB 1.x and 2.x do. VictoriaMetrics can be a mirror: leave store.kind at "
                "embedded."
            )
        try:
            for _ in self._query.ask(select(["*"], PROBE, where="time > now()")):
                pass
        except NoSuchBucket:
            self._server.make_bucket()
            log.info("bucket_made", extra={"sink": self._settings.address, "days": self._settings.retention_days})

    def _prepare(self, batch: Batch, name: str, table: Any) -> Prepared:
        if name not in self._columns:
            raise ValueError(f"The plant has no machine class {name}; there are {', '.join(self._columns)}.")
        columns = self._columns[name]
        rows = incoming(table, columns, message_filter=batch.message_filter)
        known = self._known(columns, rows)
        keys = RecentKeys(window_rows=0)
        if known is not None:
            keys.add(rows_of(known), {})
        comparison = keys.compare(rows)
        message = rows.message
        total = np.bincount(message, weights=reported(rows), minlength=batch.messages).astype(np.int64)
        duplicate = np.zeros(batch.messages, dtype=np.int64)
        for row, signals in comparison.duplicates.items():
            duplicate[message[row]] += len(signals)
        new_rows = without(rows, comparison.duplicates)
        return Prepared(
            columns=columns,
            rows=new_rows,
            lines=self._lines(columns, new_rows, known, touched=set(comparison.merged)),
            new=total - duplicate,
            duplicate=duplicate,
        )

    def _known(self, columns: ClassColumns, rows: Rows) -> Any | None:
        """What the server has at the instants of rows that are not newer than the newest of their machine."""
        codes, names = rows.machine.codes, rows.machine.words
        newest = np.array([self._newest.get(name, -(2**63)) for name in names], dtype=np.int64)
        observed = rows.observed
        old = observed <= newest[codes]
        if not old.any():
            return None
        machines = [names[code] for code in np.unique(codes[old])]
        first, last = int(observed[old].min()), int(observed[old].max())
        return fetch(self._query, columns, machines=machines, start_us=first, end_us=last + 1)

    def _lines(self, columns: ClassColumns, rows: Rows, known: Any | None, *, touched: set[Key]) -> list[str]:
        """A line per row, and one per version that a row replaces, which goes before it is gone."""
        line_of_machine = {machine.name: machine.line for machine in self._plant.machines}
        before: dict[Key, Row] = {}
        count: dict[Key, int] = {}
        if known is not None and touched:
            before = {(each["machine"], each["observed_at"]): each for each in known.to_pylist()}
            times = [instant for _, instant in touched]
            machines = sorted({machine for machine, _ in touched})
            first, last = min(times), max(times)
            count = highest_revisions(self._query, columns, machines=machines, start_us=first, end_us=last + 1)
        lines: list[str] = []
        older: list[str] = []
        for each in table_of(rows).to_pylist():
            key = (each["machine"], each["observed_at"])
            line = line_of_machine[each["machine"]]
            lines.append(line_of(each, columns, line=line))
            if key in touched:
                if (replaced := before.get(key)) is not None:
                    nth = count.get(key, 0)
                    count[key] = nth + 1
                    older.append(line_of(replaced, columns, line=line, nth=nth))
                before[key] = {**before.get(key, {}), **{n: v for n, v in each.items() if v is not None}}
        return [*lines, *older]

    def _send(self, part: Prepared) -> dict[int, str]:
        """Send the lines of a part; which of its rows the server refused, with its words."""
        refused: dict[int, str] = {}
        # revisions first: a kill in between leaves them without harm, the other way round they would be lost
        deliver(self._server, part.lines[len(part.rows) :], together=self._settings.batch_lines)
        delivery = deliver(self._server, part.lines[: len(part.rows)], together=self._settings.batch_lines)
        for index, reason in delivery.refused:
            refused[index] = reason
            log.warning("influx_refused", extra={"line": part.lines[index], "reason": reason})
        return refused

    def _rejection(self, part: Prepared, index: int, reason: str, *, samples: int) -> Rejection:
        rows = part.rows
        machine = self._plant.machine_index[rows.machine.words[rows.machine.codes[index]]]
        return Rejection(
            message=int(rows.message[index]),
            topic=f"influxdb/{part.columns.name}/{machine.line}/{machine.name}",
            payload=part.lines[index].encode(),
            received_at_us=int(rows.received[index]),
            reason=RejectionReason.WRONG_TYPE,
            detail=f"InfluxDB refused this reading: {reason}",
            samples=samples,
        )

    def _commit(self, batch: Batch, outcome: Outcome, kept: list[tuple[str, Rows]]) -> None:
        before = [(name, self._last.update(name, rows)) for name, rows in kept]
        held = self._quarantined_bytes
        try:
            with transaction(self._connection):
                if self._runs.get(batch.run) != batch.filters:
                    ledger.ensure_run(self._connection, batch.run, batch.filters, at_us=self._clock.now_us())
                if batch.released:
                    held -= quarantine.release(self._connection, batch.released)
                ledger.settle(self._connection, batch, outcome)
                if batch.rejections:
                    held = quarantine.trim(
                        self._connection,
                        held_bytes=held + quarantine.keep(self._connection, batch),
                        max_bytes=self._sizes.quarantine_max_bytes,
                    )
                self._last.persist(self._connection)  # with each batch: they say what is newer
        except BaseException:
            for name, newest in before:
                self._last.restore(name, newest)
            raise
        self._runs.setdefault(batch.run, batch.filters)
        self._quarantined_bytes = held
        self._last.persisted()
        for machine, newest_us in _newest_of(kept):
            self._newest[machine] = max(self._newest.get(machine, 0), newest_us)


def _newest_of(kept: list[tuple[str, Rows]]) -> Iterator[tuple[str, int]]:
    for _, rows in kept:
        codes = rows.machine.codes
        for code in np.unique(codes):
            yield rows.machine.words[code], int(rows.observed[codes == code].max())
