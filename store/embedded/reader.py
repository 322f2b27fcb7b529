"""Reading an embedded store, from any number of processes, also while it is being written."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from plant.assets import Plant
from plant.clock import microseconds
from plant.signals import Aggregation, LastValue, LedgerLine, Window
from store.contract import Aggregations
from store.embedded import ledger, quarantine, stored_values
from store.embedded.bodies import unpacked_rows
from store.embedded.columns import ClassColumns, all_columns, columns_of, together, wanted_columns
from store.embedded.layout import open_hot_to_read, reaching
from store.embedded.partitions import Partition, divided
from store.embedded.quarantine import QuarantinedMessage
from store.embedded.retention import rolled_windows
from store.embedded.rows import joined, table_of
from store.embedded.segments import Damaged, Gone, manifest
from store.embedded.views import Question, View, windows_in, without
from store.embedded.windows import Frame, raw_window

log = logging.getLogger(__name__)
Found = TypeVar("Found")

ATTEMPTS = 3
"""A read that took longer than files are kept after leaving the manifest starts again, so often."""


def open_reader(folder: Path, *, plant: Plant) -> "EmbeddedReader":
    """Open a store for reading; Unavailable when there is none yet."""
    return EmbeddedReader(folder, plant=plant)


class EmbeddedReader:
    """Answers from one consistent view at a time: the manifest's files and the hot rows of one transaction.

    Safe to share between threads. Hot rows are kept decoded between calls, as far as they are still hot.
    """

    def __init__(self, folder: Path, *, plant: Plant) -> None:
        self._folder = folder
        self._plant = plant
        self._columns = {machine_class.name: columns_of(machine_class) for machine_class in plant.classes}
        self._lock = threading.Lock()
        self._hot: dict[str, tuple[list[int], Any]] = {}
        self._damaged: set[str] = set()
        with reaching(folder):
            self._connection = open_hot_to_read(folder)

    def read(
        self,
        machines: Sequence[str],
        *,
        signals: Sequence[str] | None = None,
        start: datetime,
        end: datetime,
        step: timedelta | None = None,
        aggregation: Aggregations = Aggregation.MEAN,
        as_of: datetime | None = None,
    ) -> dict[str, Window]:
        """See `store.contract.ReadingStore.read`."""
        frame = Frame(start=start, end=end, step=step, as_of=as_of)
        questions, nothing = self._questions(machines, signals, frame, aggregation)
        unknown = [machine for machine in machines if machine not in self._plant.machine_index]
        windows = {machine: raw_window(machine, None, frame, columns=nothing) for machine in unknown}
        for question in questions:
            with reaching(self._folder):
                windows |= self._trying(partial(self._windows, question))
        return {machine: windows[machine] for machine in machines}

    def partitions(
        self,
        machines: Sequence[str],
        *,
        signals: Sequence[str] | None = None,
        start: datetime,
        end: datetime,
        step: timedelta | None = None,
        aggregation: Aggregations = Aggregation.MEAN,
    ) -> list[Partition]:
        """The same read in parts, to be loaded anywhere; machines that the plant does not know are in none."""
        frame = Frame(start=start, end=end, step=step, as_of=None)
        questions, _ = self._questions(machines, signals, frame, aggregation)
        with reaching(self._folder):
            return [part for each in questions for part in divided(self._folder, self._view(each), each)]

    def again(self, partition: Partition) -> Partition:
        """A part as the store is now, after files of it went away."""
        with reaching(self._folder):
            return replace(partition, view=self._view(partition.question))

    def last_values(self, machines: Sequence[str] | None = None) -> list[LastValue]:
        """The newest value of each signal, of all that is committed."""
        with self._lock, reaching(self._folder):
            return stored_values.stored(self._connection, machines)

    def ledger(self) -> list[LedgerLine]:
        """The account of each topic filter, over all runs."""
        with self._lock, reaching(self._folder):
            return ledger.lines(self._connection)

    def settled(self, run: str) -> int:
        """How many messages of a run of an ingestor are settled."""
        with self._lock, reaching(self._folder):
            return ledger.settled(self._connection, run)

    def quarantine(self, limit: int = 100) -> list[QuarantinedMessage]:
        """Rejected messages, newest first."""
        with self._lock, reaching(self._folder):
            return quarantine.listed(self._connection, limit=limit)

    def quarantine_item(self, number: int) -> QuarantinedMessage | None:
        """One rejected message, or None."""
        with self._lock, reaching(self._folder):
            return quarantine.one(self._connection, number)

    def quarantine_dropped(self) -> int:
        """Rejected messages that are gone because the quarantine was full."""
        with self._lock, reaching(self._folder):
            return quarantine.dropped(self._connection)

    def version(self) -> int:
        """A number that changes when something was committed; to poll cheaply."""
        with self._lock, reaching(self._folder):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        with self._lock:
            self._connection.close()
            self._hot.clear()

    def _questions(
        self, machines: Sequence[str], signals: Sequence[str] | None, frame: Frame, aggregation: Aggregations
    ) -> tuple[list[Question], ClassColumns]:
        """One per class, and the columns of machines that no class has."""
        by_class: dict[str, list[str]] = {}
        for machine in dict.fromkeys(machines):
            if (found := self._plant.machine_index.get(machine)) is not None:
                by_class.setdefault(found.machine_class, []).append(machine)
        wanted = wanted_columns({name: self._columns[name] for name in by_class or self._columns}, signals)
        questions = [
            Question(
                machines=tuple(names),
                columns=wanted[name],
                whole=self._columns[name],
                frame=frame,
                aggregation=aggregation,
            )
            for name, names in by_class.items()
        ]
        return questions, all_columns(wanted)

    def _windows(self, question: Question) -> dict[str, Window]:
        return windows_in(self._folder, self._view(question), question)

    def _trying(self, read: Callable[[], Found]) -> Found:
        """Once more when a file went away meanwhile, and without a file that is damaged."""
        attempt = 0
        while True:
            try:
                return read()
            except Gone as damage:
                attempt += 1
                if attempt >= ATTEMPTS:
                    self._leave_out(damage)
            except Damaged as damage:
                self._leave_out(damage)

    def _leave_out(self, damage: Damaged) -> None:
        """Serve the rest; the writer sets the file aside when it comes across it."""
        self._damaged.add(damage.file)
        log.warning("segment_damaged", extra={"file": damage.file, "rows": damage.segment.rows, "why": damage.why})

    def _view(self, question: Question) -> View:
        """Manifest, windows with rollups only, and hot rows of one read transaction; nothing of a damaged file."""
        name = question.whole.name
        start_us = microseconds(question.frame.start) - question.before_us
        end_us = microseconds(question.frame.end)
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                segments = manifest(self._connection, name, start_us=start_us, end_us=end_us)
                rolled = rolled_windows(self._connection, name, start_us=start_us, end_us=end_us)
                hot = self._hot_rows(name)
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")
        return without(View(segments=tuple(segments), rolled=tuple(rolled), hot=hot), self._damaged)

    def _hot_rows(self, machine_class: str) -> Any | None:
        """The hot part of a class; only what is new since the last call is decoded."""
        rows = self._connection.execute("SELECT id FROM batches WHERE class = ? ORDER BY id", (machine_class,))
        numbers = [number for (number,) in rows]
        known, table = self._hot.get(machine_class, ([], None))
        if numbers[: len(known)] != known:
            known, table = [], None
        if len(known) < len(numbers):
            fresh = self._connection.execute(
                "SELECT body FROM batches WHERE class = ? AND id >= ? ORDER BY id",
                (machine_class, numbers[len(known)]),
            )
            new = table_of(joined([unpacked_rows(body) for (body,) in fresh]))
            table = new if table is None else together([table, new])
        self._hot[machine_class] = (numbers, table)
        return table
