"""From many sealed segments to one per window of time, with its rollups.

Windows are 6 h, then days, of `observed_at`. After compaction the segments of a class do not overlap; what comes late
is sealed beside them and compacted into its window once it is worth it. The work goes machine after machine, so that it
takes the memory of one machine's day and can be parted between the batches of a running ingest; the manifest changes in
one transaction at the end.
"""

import sqlite3
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from store.embedded.columns import KEYS, TEXT, ClassColumns
from store.embedded.layout import DAY_US, UNIT_OF, WINDOW_US, transaction
from store.embedded.packing import Packing
from store.embedded.retention import KEEP, Deletion, Limits, Removal
from store.embedded.retention import enter as enter_removal
from store.embedded.rolled_files import RollupFile, rollup_file
from store.embedded.rollups import GRAINS_S, Rolled, coarser, rolled
from store.embedded.rows import in_order, joined, picked, table_of
from store.embedded.sealing import next_number
from store.embedded.segments import (
    OpenSegment,
    Segment,
    SegmentFile,
    Written,
    enter,
    file_name,
    manifest,
    retire,
)
from store.embedded.windows import newest_of_each, newest_rows, readings_of
from store.settings import StoreSettings

LATE_SHARE: Final = 0.05
"""Late rows, as a share of their window, that are worth compacting it again [0..1]."""
ROWS_PER_GRAIN: Final = 4
"""With fewer rows in a grain its rollup would be larger than the rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Segments to become one per window."""

    segments: tuple[Segment, ...]
    unit_us: int
    start_us: int
    end_us: int
    """Range of all windows, aligned."""
    prune: bool = False
    """Whether overwritten values are left out."""


def next_task(
    connection: sqlite3.Connection,
    machine_class: str,
    *,
    settings: StoreSettings,
    limits: Limits = KEEP,
    everything: bool = False,
) -> Task | None:
    """What is worth compacting now, oldest first; None: nothing.

    Args:
        connection: Of the writer.
        machine_class: Whose segments.
        settings: `merge_segments` and `compact_after_s`.
        limits: What is about to go is compacted before, so that it has its rollups; or is pruned.
        everything: Also windows that are not over yet, and late data however little it is.
    """
    rows = connection.execute(
        "SELECT level, row_count, start_us, end_us, rollups = '{}', rollups NOT LIKE '%\"60\"%', revisions "
        "FROM segments WHERE class = ? ORDER BY start_us",
        (machine_class,),
    ).fetchall()
    if not rows:
        return None
    newest_us = max(row[3] for row in rows)
    settled_us = newest_us - round(settings.compact_after_s * 1e6)
    days = {start // DAY_US for level, _, start, *_ in rows if level == 2}
    windows: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    going = set[tuple[int, int]]()
    for level, rows_held, start, end, bare, no_minutes, _ in rows:
        unit = DAY_US if start // DAY_US in days else WINDOW_US
        count = rows_held // (end // unit - start // unit + 1)
        windows.setdefault((start // unit * unit, unit), []).append((level, count, bare))
        if end < limits.raw_us and (level == 0 or no_minutes):
            going.add((start // unit * unit, unit))
    for (start, unit), members in sorted(windows.items()):
        over = start + unit <= settled_us
        if (start, unit) in going or _worth(members, over=over, settings=settings, everything=everything):
            return _task(connection, machine_class, start, unit)
    for day in sorted({start // DAY_US for level, _, start, *_ in rows if level == 1}):
        if (day + 1) * DAY_US <= settled_us:
            return _task(connection, machine_class, day * DAY_US, DAY_US)
    for level, _, start, _, _, _, revisions in rows:
        if level == 2 and revisions and (start // DAY_US + 1) * DAY_US <= limits.revisions_us:
            return replace(_task(connection, machine_class, start // DAY_US * DAY_US, DAY_US), prune=True)
    return None


def _worth(members: list[tuple[int, int, int]], *, over: bool, settings: StoreSettings, everything: bool) -> bool:
    """Whether a window's segments (level, rows, without rollups) are worth compacting."""
    fresh = [count for level, count, _ in members if level == 0]
    whole = sum(count for level, count, _ in members if level)
    if everything and fresh:
        return True
    if over and any(bare and level for level, _, bare in members):
        return True
    if over and whole == 0 and sum(fresh) >= settings.seal_rows:  # fewer rows are not worth a file of their own
        return True
    many = settings.merge_segments * (1 if over else 8)
    return len(fresh) >= many or (over and bool(fresh) and whole > 0 and sum(fresh) >= LATE_SHARE * whole)


def deletion_tasks(connection: sqlite3.Connection, machine_class: str, deletion: Deletion) -> list[Task]:
    """The windows in which there is something to delete, each with all its segments."""
    tasks: list[Task] = []
    for segment in manifest(connection, machine_class, start_us=deletion.start_us, end_us=deletion.end_us):
        low, high = segment.ranges.get(deletion.machine, (0, -1))
        known = any(segment.number == other.number for task in tasks for other in task.segments)
        if not known and low < deletion.end_us and high >= deletion.start_us:
            unit = UNIT_OF[segment.level]
            tasks.append(_task(connection, machine_class, segment.start_us // unit * unit, unit))
    return tasks


def compact(
    connection: sqlite3.Connection,
    folder: Path,
    task: Task,
    *,
    columns: ClassColumns,
    wall_us: int,
    at_us: int = 0,
    without: Deletion | None = None,
    rows_per_grain: float = ROWS_PER_GRAIN,
) -> Generator[int, None, int]:
    """Work a task off, yielding after each machine; the last step changes the manifest.

    Args:
        connection: Of the writer.
        folder: Of the store.
        task: What to compact.
        columns: Of the class.
        wall_us: When the old files leave the manifest [µs UTC].
        at_us: Now, for the book [µs UTC, plant clock].
        without: Rows to leave out.
        rows_per_grain: With fewer rows a grain there is no rollup of it, but by the hour.

    Yields:
        Rows of that machine and window.

    Returns:
        Instants that were left out.

    Raises:
        Damaged: a segment cannot be read; nothing was changed.
    """
    number, hold_us = next_number(connection), max(columns.hold_us.values(), default=0)
    earlier = manifest(connection, columns.name, start_us=task.start_us - hold_us, end_us=task.start_us)
    outputs: list[_Output] = []
    entered = False
    try:
        with ExitStack() as stack:
            opened = [
                stack.enter_context(closing(OpenSegment(folder, segment)))
                for segment in {segment.number: segment for segment in (*earlier, *task.segments)}.values()
            ]
            for start_us in range(task.start_us, task.end_us, task.unit_us):
                end_us = start_us + task.unit_us
                inputs = [s for s in task.segments if s.start_us < end_us and s.end_us >= start_us]
                output = _Output(
                    folder,
                    columns,
                    number=number,
                    start_us=start_us,
                    end_us=end_us,
                    prune=task.prune,
                    rows_per_grain=rows_per_grain,
                )
                outputs.append(output)
                for machine in sorted({machine for segment in inputs for machine in segment.ranges}):
                    yield output.take(machine, opened, hold_us=hold_us, without=without)
                output.close()
        with transaction(connection):
            there = {row[0] for row in connection.execute("SELECT id FROM segments WHERE class = ?", (columns.name,))}
            if there >= {segment.number for segment in task.segments}:
                for output in outputs:
                    output.enter(connection, level=2 if task.unit_us == DAY_US else 1)
                for segment in task.segments:
                    retire(connection, segment, wall_us=wall_us)
                if without is not None or any(segment.level == 0 for segment in task.segments):
                    _outdate_next(connection, task, machine_class=columns.name, hold_us=hold_us, wall_us=wall_us)
                if task.prune:
                    _note_pruned(connection, task, outputs, machine_class=columns.name, at_us=at_us)
                entered = True
    finally:
        if not entered:
            for output in outputs:
                output.abandon()
    return sum(output.removed for output in outputs)


class _Output:
    """One window's segment and rollups while they are written."""

    def __init__(
        self,
        folder: Path,
        columns: ClassColumns,
        *,
        number: int,
        start_us: int,
        end_us: int,
        prune: bool,
        rows_per_grain: float,
    ) -> None:
        self._folder, self._columns = folder, columns
        self._prune, self._rows_per_grain = prune, rows_per_grain
        self._revisions = 0
        self.removed = 0
        """Instants left out."""
        self._start_us, self._end_us = start_us, end_us
        kind = "day" if end_us - start_us == DAY_US else "6h"
        self._file = file_name(columns.name, start_us=start_us, number=number).replace(".parquet", f"-{kind}.parquet")
        self._target: SegmentFile | None = None
        self._rollups: list[RollupFile] = []
        self._written: Written | None = None

    def take(self, machine: str, opened: list[OpenSegment], *, hold_us: int, without: Deletion | None = None) -> int:
        """Write a machine's rows; returns how many."""
        low, high = self._start_us - hold_us, self._end_us - 1
        parts = [part for one in opened for part in one.rows_of(machine, low, high + 1)]
        if not parts:
            return 0
        both = in_order(joined(parts))
        if without is not None and without.machine == machine:
            kept = (both.observed < without.start_us) | (both.observed >= without.end_us)
            gone = both.observed[~kept & (both.observed >= self._start_us) & (both.observed <= high)]
            self.removed += len(np.unique(gone))
            both = picked(both, kept)
        begin, end = np.searchsorted(both.observed, [self._start_us, self._end_us])
        if begin == end:
            return 0
        inside = picked(both, slice(begin, end))
        table = table_of(inside)
        older = int((inside.observed[1:] == inside.observed[:-1]).sum())
        if older and self._prune:
            table = newest_rows(table)
        else:
            self._revisions += older
        if self._target is None:
            self._target = SegmentFile(
                self._folder,
                self._file,
                table,
                schema=_schema(opened, self._columns),
                packing=Packing.SMALL if self._end_us - self._start_us == DAY_US else Packing.QUICK,
            )
            grains = _grains_for(len(table), self._end_us - self._start_us, rows_per_grain=self._rows_per_grain)
            self._rollups = [RollupFile(self._folder, rollup_file(self._file, grain), grain) for grain in grains]
        self._target.add(table)
        readings = newest_of_each(readings_of(both, self._columns))
        finer: Rolled | None = None
        for rollup in self._rollups:
            finer = (
                rolled(
                    readings,
                    columns=self._columns,
                    grain_s=rollup.grain_s,
                    start_us=self._start_us,
                    end_us=self._end_us,
                )
                if finer is None
                else coarser(finer, grain_s=rollup.grain_s)
            )
            rollup.add(machine, finer)
        return len(table)

    @property
    def written(self) -> Written | None:
        """The file, once it is durable."""
        return self._written

    def close(self) -> None:
        """Make everything durable."""
        if self._target is not None:
            self._written = self._target.close()
            for rollup in self._rollups:
                rollup.close()

    def enter(self, connection: sqlite3.Connection, *, level: int) -> None:
        """Into the manifest."""
        if self._written is not None:
            enter(
                connection,
                self._written,
                number=next_number(connection),
                machine_class=self._columns.name,
                level=level,
                rollups={rollup.grain_s: rollup.file for rollup in self._rollups},
                revisions=self._revisions,
            )

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._target is not None:
            self._target.abandon()
        for rollup in self._rollups:
            rollup.abandon()


def _grains_for(rows: int, span_us: int, *, rows_per_grain: float) -> list[int]:
    """Grains worth keeping beside so many rows of a machine; the coarsest always."""
    return [g for g in GRAINS_S if g == GRAINS_S[-1] or rows >= rows_per_grain * span_us / (g * 1_000_000)]


def _task(connection: sqlite3.Connection, machine_class: str, start_us: int, unit_us: int) -> Task:
    """All segments that touch a window, and the windows that these touch."""
    low, high = start_us, start_us + unit_us
    while True:
        segments = manifest(connection, machine_class, start_us=low, end_us=high)
        unit = max(unit_us, *(UNIT_OF[segment.level] for segment in segments))
        wider = (
            min(low, *(segment.start_us for segment in segments)) // unit * unit,
            -(-max(high, *(segment.end_us + 1 for segment in segments)) // unit) * unit,
        )
        if wider == (low, high):
            return Task(segments=tuple(segments), unit_us=unit, start_us=low, end_us=high)
        low, high = wider


def _outdate_next(
    connection: sqlite3.Connection, task: Task, *, machine_class: str, hold_us: int, wall_us: int
) -> None:
    """What changes at the end of a window changes the first integrals of the next: its rollups are made again."""
    if not any(segment.end_us >= task.end_us - hold_us for segment in task.segments):
        return
    for segment in manifest(connection, machine_class, start_us=task.end_us, end_us=task.end_us + hold_us):
        if segment.rollups:
            connection.execute("UPDATE segments SET rollups = '{}' WHERE id = ?", (segment.number,))
            connection.executemany(
                "INSERT OR REPLACE INTO retired (file, left_us) VALUES (?, ?)",
                [(file, wall_us) for file in segment.rollups.values()],
            )


def _note_pruned(
    connection: sqlite3.Connection, task: Task, outputs: list[_Output], *, machine_class: str, at_us: int
) -> None:
    written = [output.written for output in outputs if output.written is not None]
    enter_removal(
        connection,
        Removal.REVISIONS,
        machine_class,
        "",
        (task.start_us, task.end_us),
        rows=sum(s.rows for s in task.segments) - sum(w.rows for w in written),
        size=sum(s.bytes for s in task.segments) - sum(w.bytes for w in written),
        at_us=at_us,
    )


def _schema(opened: list[OpenSegment], columns: ClassColumns) -> Any:
    """All columns of some segments; one that is text in any of them is text."""
    types: dict[str, Any] = dict(KEYS)
    for one in opened:
        for part in one.schema:
            if types.get(part.name) != TEXT:
                types[part.name] = TEXT if pa.types.is_dictionary(part.type) else part.type
    order = [*KEYS, *(name for name in columns.signals if name in types)]
    return pa.schema([(name, types[name]) for name in [*order, *(types.keys() - set(order))]])
