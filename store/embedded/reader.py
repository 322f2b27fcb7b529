"""Reading an embedded store, from any number of processes, also while it is being written."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from plant.assets import Plant
from plant.clock import microseconds
from plant.signals import Aggregation, LastValue, LedgerLine, Window
from store.contract import Aggregations
from store.embedded import last_values, ledger, quarantine
from store.embedded.columns import KEYS, ClassColumns, columns_of, together, unpacked
from store.embedded.durations import timed_states
from store.embedded.layout import open_hot_to_read, reaching
from store.embedded.quarantine import QuarantinedMessage
from store.embedded.retention import rolled_windows
from store.embedded.rolled_read import RolledRead, Source, grain_for, settled_windows
from store.embedded.segments import Damaged, Gone, Segment, manifest, read_segment
from store.embedded.windows import Frame, aggregation_of, raw_window, readings_by_machine, stepped_window

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
        by_class: dict[str, list[str]] = {}
        for machine in dict.fromkeys(machines):
            found = self._plant.machine_index.get(machine)
            by_class.setdefault("" if found is None else found.machine_class, []).append(machine)
        unknown = by_class.pop("", [])
        wanted = self._wanted(tuple(by_class) or tuple(self._columns), signals)
        nothing = _all_of(wanted)
        windows = {machine: raw_window(machine, None, frame, columns=nothing) for machine in unknown}
        for machine_class, names in by_class.items():
            windows |= self._read_class(names, wanted[machine_class], frame, aggregation)
        return {machine: windows[machine] for machine in machines}

    def last_values(self, machines: Sequence[str] | None = None) -> list[LastValue]:
        """The newest value of each signal, as persisted at most a second after its batch."""
        with self._lock, reaching(self._folder):
            return last_values.stored(self._connection, machines)

    def ledger(self) -> list[LedgerLine]:
        """The account of each topic filter, over all runs."""
        with self._lock, reaching(self._folder):
            return ledger.lines(self._connection)

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

    def _wanted(self, classes: Sequence[str], signals: Sequence[str] | None) -> dict[str, ClassColumns]:
        """The wanted columns of each class; a signal must be in at least one of them."""
        columns = {name: self._columns[name] for name in classes}
        if signals is None:
            return columns
        known = {signal for each in columns.values() for signal in each.signals}
        if missing := sorted(set(signals) - known):
            raise KeyError(
                f"No signal {', '.join(missing)} on machines of class {', '.join(columns)}; "
                f"there are {', '.join(sorted(known))}."
            )
        return {
            name: ClassColumns(
                name=name,
                numbers=tuple(signal for signal in each.numbers if signal in signals),
                counters=each.counters,
                hold_us=each.hold_us,
                texts=tuple(signal for signal in each.texts if signal in signals),
                states=each.states & set(signals),
            )
            for name, each in columns.items()
        }

    def _read_class(
        self, machines: list[str], columns: ClassColumns, frame: Frame, aggregation: Aggregations
    ) -> dict[str, Window]:
        with reaching(self._folder):
            return self._trying(lambda: self._windows(machines, columns, frame, aggregation))

    def _windows(
        self, machines: list[str], columns: ClassColumns, frame: Frame, aggregation: Aggregations
    ) -> dict[str, Window]:
        start_us, end_us = microseconds(frame.start), microseconds(frame.end)
        hows = {name: aggregation_of(name, columns, aggregation) for name in columns.numbers}
        timed = timed_states(columns, aggregation)
        holding = [*timed, *(columns.numbers if Aggregation.INTEGRAL in hows.values() else ())]
        before_us = 0 if frame.step is None else max((columns.hold_us[name] for name in holding), default=0)
        segments, rolled, hot = self._view(columns.name, start_us - before_us, end_us)
        if (grain_s := grain_for(frame)) is not None:
            settled = settled_windows(
                segments, rolled, hot, columns=self._columns[columns.name], frame=frame, grain_s=grain_s
            )
            if settled:
                rolled_up = RolledRead(
                    machines=machines,
                    columns=columns,
                    frame=frame,
                    hows=hows,
                    timed=timed,
                    grain_s=grain_s,
                    before_us=before_us,
                )
                return rolled_up.windows(self._folder, settled, self._source(segments, hot, columns))
        table = self._source(segments, hot, columns)(machines, start_us - before_us, end_us)
        found = (
            {}
            if table is None
            else readings_by_machine(table, machines=machines, columns=columns, frame=frame, before_us=before_us)
        )
        if frame.step is None:
            return {m: raw_window(m, found.get(m), frame, columns=columns) for m in machines}
        return {m: stepped_window(m, found.get(m), frame, columns=columns, aggregation=aggregation) for m in machines}

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

    def _source(self, segments: list[Segment], hot: Any | None, columns: ClassColumns) -> Source:
        """What gives the rows of some machines in [start, end) of this view, oldest writing first; None: none."""
        signals = frozenset(columns.signals)

        def rows(machines: Sequence[str], start_us: int, end_us: int) -> Any | None:
            ranges = dict.fromkeys(machines, (start_us, end_us - 1))
            tables = [
                table
                for segment in segments
                if segment.start_us < end_us and segment.end_us >= start_us
                for table in read_segment(self._folder, segment, ranges=ranges, signals=signals)
            ]
            if hot is not None:
                tables.append(hot.select([name for name in hot.column_names if name in KEYS or name in signals]))
            return together(tables) if tables else None

        return rows

    def _view(self, machine_class: str, start_us: int, end_us: int) -> tuple[list[Segment], list[Segment], Any | None]:
        """Manifest, windows with rollups only, and hot rows of one read transaction; nothing of a damaged file."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                segments = manifest(self._connection, machine_class, start_us=start_us, end_us=end_us)
                rolled = rolled_windows(self._connection, machine_class, start_us=start_us, end_us=end_us)
                hot = self._hot_rows(machine_class)
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")
        if self._damaged:
            segments = self._sound([segment for segment in segments if segment.file not in self._damaged])
            rolled = self._sound(rolled)
        return segments, rolled, hot

    def _sound(self, segments: list[Segment]) -> list[Segment]:
        """Without their damaged rollups."""
        damaged = self._damaged
        return [replace(s, rollups={g: f for g, f in s.rollups.items() if f not in damaged}) for s in segments]

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
            tables = [unpacked(body) for (body,) in fresh]
            table = together(tables if table is None else [table, *tables])
        self._hot[machine_class] = (numbers, table)
        return table


def _all_of(classes: Mapping[str, ClassColumns]) -> ClassColumns:
    """The columns of several classes, each once."""
    return ClassColumns(
        name="",
        numbers=tuple(dict.fromkeys(name for columns in classes.values() for name in columns.numbers)),
        counters=frozenset(),
        texts=tuple(dict.fromkeys(name for columns in classes.values() for name in columns.texts)),
    )
