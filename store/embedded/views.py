"""What one look at a store sees of a machine class, and the windows it holds. Needs the Parquet files, no database."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plant.clock import microseconds
from plant.signals import Aggregation, Window
from store.contract import Aggregations
from store.embedded.columns import KEYS, ClassColumns, together
from store.embedded.durations import timed_states
from store.embedded.rolled_read import RolledRead, Source, grain_for, settled_windows
from store.embedded.segments import Segment, read_segment
from store.embedded.windows import Frame, aggregation_of, raw_window, readings_by_machine, stepped_window


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """The files and hot rows of one machine class, as one read transaction saw them."""

    segments: tuple[Segment, ...]
    """In the order in which they were written."""
    rolled: tuple[Segment, ...]
    """Windows of which there are only rollups."""
    hot: Any | None
    """Rows that are in no file yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked of a view."""

    machines: tuple[str, ...]
    """All of the class."""
    columns: ClassColumns
    """Those wanted."""
    whole: ClassColumns
    """Those of the class."""
    frame: Frame
    aggregation: Aggregations

    @property
    def before_us(self) -> int:
        """How far back from the frame's start a value may hold into it [µs]."""
        if self.frame.step is None:
            return 0
        columns = self.columns
        integrated = any(
            aggregation_of(name, columns, self.aggregation) is Aggregation.INTEGRAL for name in columns.numbers
        )
        holding = [*timed_states(columns, self.aggregation), *(columns.numbers if integrated else ())]
        return max((columns.hold_us[name] for name in holding), default=0)


def windows_in(folder: Path, view: View, question: Question) -> dict[str, Window]:
    """A window of each machine asked for.

    Args:
        folder: Of the store; nothing in it is read but the files that the view names.
        view: Touching the frame, and what holds into it.
        question: What is asked.

    Raises:
        Damaged: a file cannot be read, or (Gone) is not there any more.
    """
    frame, columns, aggregation = question.frame, question.columns, question.aggregation
    start_us, end_us = microseconds(frame.start), microseconds(frame.end)
    rows = _source(folder, view, columns)
    if (grain_s := grain_for(frame)) is not None:
        settled = settled_windows(
            view.segments, view.rolled, view.hot, columns=question.whole, frame=frame, grain_s=grain_s
        )
        if settled:
            rolled_up = RolledRead(
                machines=question.machines,
                columns=columns,
                frame=frame,
                hows={name: aggregation_of(name, columns, aggregation) for name in columns.numbers},
                timed=timed_states(columns, aggregation),
                grain_s=grain_s,
                before_us=question.before_us,
            )
            return rolled_up.windows(folder, settled, rows)
    table = rows(question.machines, start_us - question.before_us, end_us)
    found = (
        {}
        if table is None
        else readings_by_machine(
            table, machines=question.machines, columns=columns, frame=frame, before_us=question.before_us
        )
    )
    if frame.step is None:
        return {m: raw_window(m, found.get(m), frame, columns=columns) for m in question.machines}
    return {
        m: stepped_window(m, found.get(m), frame, columns=columns, aggregation=aggregation) for m in question.machines
    }


def without(view: View, files: Collection[str]) -> View:
    """A view that has nothing of some files: no readings of segments among them, no rollups that are."""
    if not files:
        return view
    kept = [segment for segment in view.segments if segment.file not in files]
    return replace(view, segments=_without_rollups(kept, files), rolled=_without_rollups(view.rolled, files))


def _without_rollups(segments: Sequence[Segment], files: Collection[str]) -> tuple[Segment, ...]:
    return tuple(
        replace(each, rollups={grain: file for grain, file in each.rollups.items() if file not in files})
        for each in segments
    )


def _source(folder: Path, view: View, columns: ClassColumns) -> Source:
    """What gives the rows of some machines in [start, end) of a view, oldest writing first; None: none."""
    signals = frozenset(columns.signals)

    def rows(machines: Sequence[str], start_us: int, end_us: int) -> Any | None:
        ranges = dict.fromkeys(machines, (start_us, end_us - 1))
        tables = [
            table
            for segment in view.segments
            if segment.start_us < end_us and segment.end_us >= start_us
            for table in read_segment(folder, segment, ranges=ranges, signals=signals)
        ]
        if (hot := view.hot) is not None:
            tables.append(hot.select([name for name in hot.column_names if name in KEYS or name in signals]))
        return together(tables) if tables else None

    return rows
