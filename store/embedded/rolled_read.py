"""Stepped windows: from rollups wherever only one compacted segment speaks of a window, from rows elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plant.clock import microseconds
from plant.signals import Aggregation, Quality, Window
from store.embedded.columns import ClassColumns
from store.embedded.durations import summed
from store.embedded.layout import UNIT_OF, found_path
from store.embedded.rollups import GRAINS_S, HELD, Rolled, joined, parts_needed, rolled, rolled_from, stepped
from store.embedded.segments import Segment, reading
from store.embedded.windows import (
    Frame,
    Readings,
    grid_of,
    last_words,
    newest_of_each,
    readings_by_machine,
    stepped_window,
    window_of,
)

Source = Callable[[Sequence[str], int, int], Any | None]
"""Rows of machines in [start, end) [µs UTC], or None."""
Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A compacted segment whose rollup holds for [start, end) [µs UTC]."""

    segment: Segment
    start_us: int
    end_us: int


def grain_for(frame: Frame) -> int | None:
    """The coarsest grain [s] of which the frame's step is a multiple; None where only rows answer."""
    if frame.step is None or frame.as_of is not None:
        return None
    fitting = [grain for grain in GRAINS_S if frame.step % timedelta(seconds=grain) == timedelta(0)]
    return max(fitting, default=None)


def settled_windows(
    segments: Sequence[Segment],
    rolled: Sequence[Segment],
    hot: Any | None,
    *,
    columns: ClassColumns,
    frame: Frame,
    grain_s: int,
) -> list[Settled]:
    """Where a rollup of this grain holds: whole windows of which, and shortly before which, no other row is known.

    Args:
        segments: That touch the frame.
        rolled: Windows of which only rollups are left; they hold whatever came later.
        hot: Rows that are not sealed.
        columns: Of the whole class, for how long values hold.
        frame: What is asked for.
        grain_s: Of the rollup [s].
    """
    grain_us, hold_us = grain_s * 1_000_000, max(columns.hold_us.values(), default=0)
    first = -(-microseconds(frame.start) // grain_us) * grain_us
    past = microseconds(frame.end) // grain_us * grain_us
    hot_at = np.empty(0, np.int64) if hot is None else np.sort(hot["observed_at"].to_numpy())
    loose = [segment for segment in segments if segment.level == 0]
    found = [
        Settled(segment=window, start_us=max(window.start_us, first), end_us=min(window.end_us + 1, past))
        for window in rolled
        if grain_s in window.rollups and max(window.start_us, first) < min(window.end_us + 1, past)
    ]
    over = [(window.start_us, window.end_us) for window in rolled]
    for segment in segments:
        unit = UNIT_OF[segment.level]
        low = segment.start_us // unit * unit
        touched = any(other.end_us >= low - hold_us and other.start_us < low + unit for other in loose)
        touched |= bool(np.diff(np.searchsorted(hot_at, [low - hold_us, low + unit]))[0])
        touched |= any(end >= low and start < low + unit for start, end in over)
        start_us, end_us = max(low, first), min(low + unit, past)
        if segment.level and grain_s in segment.rollups and not touched and start_us < end_us:
            found.append(Settled(segment=segment, start_us=start_us, end_us=end_us))
    return sorted(found, key=lambda settled: settled.start_us)


@dataclass(frozen=True, kw_only=True, slots=True)
class RolledRead:
    """What is asked for."""

    machines: Sequence[str]
    columns: ClassColumns
    frame: Frame
    hows: Mapping[str, Aggregation]
    timed: Sequence[str]
    """States whose durations are asked for."""
    grain_s: int
    before_us: int
    """How far back a value may hold [µs]."""

    def windows(self, folder: Path, settled: Sequence[Settled], source: Source) -> dict[str, Window]:
        """One window per machine."""
        pieces: dict[str, list[Rolled]] = {machine: [] for machine in self.machines}
        for one in settled:
            for machine, piece in self._from_rollup(folder, one).items():
                pieces[machine].append(piece)
        for start_us, end_us in self._rest(settled):
            table = source(self.machines, start_us - self.before_us, end_us)
            if table is None:
                continue
            for machine, readings in self._readings(table, start_us, end_us).items():
                piece = rolled(
                    newest_of_each(readings),
                    columns=self.columns,
                    grain_s=self.grain_s,
                    start_us=start_us,
                    end_us=end_us,
                )
                pieces[machine].append(piece)
        return {machine: self._window(machine, parts) for machine, parts in pieces.items()}

    def _from_rollup(self, folder: Path, one: Settled) -> dict[str, Rolled]:
        parts = {name: parts_needed(how) for name, how in self.hows.items()}
        wanted = {f"{name}.{part}" for name, some in parts.items() for part in some}
        wanted |= {"machine", "step_at", "quality", "reported", *self.columns.texts}
        wanted |= {f"{name}.{HELD}" for name in self.timed}
        name = one.segment.rollups[self.grain_s]
        with reading(one.segment, file=name), pq.ParquetFile(found_path(folder, name), memory_map=True) as file:
            names = [name for name in file.schema_arrow.names if name in wanted]
            groups = [i for i in range(file.num_row_groups) if self._touches(file.metadata.row_group(i), one)]
            table = file.read_row_groups(groups, columns=names, use_threads=False)
        at = table["step_at"]
        table = table.filter(pc.and_(pc.greater_equal(at, one.start_us), pc.less(at, one.end_us)))
        machines = table["machine"].cast(pa.string())
        found = {}
        for machine in self.machines:
            rows = table.filter(pc.equal(machines, machine)).combine_chunks()
            if len(rows):
                found[machine] = rolled_from(rows, columns=self.columns, parts=parts, timed=self.timed)
        return found

    def _touches(self, group: Any, one: Settled) -> bool:
        machine, at = group.column(0).statistics, group.column(1).statistics
        in_time = at.min < one.end_us and at.max >= one.start_us
        return in_time and any(machine.min <= name <= machine.max for name in self.machines)

    def _rest(self, settled: Sequence[Settled]) -> list[Span]:
        """What the settled windows leave of the frame."""
        spans, cursor = [], microseconds(self.frame.start)
        for one in settled:
            spans.append((cursor, one.start_us))
            cursor = one.end_us
        spans.append((cursor, microseconds(self.frame.end)))
        return [(low, high) for low, high in spans if low < high]

    def _readings(self, table: Any, start_us: int, end_us: int) -> dict[str, Readings]:
        frame = Frame(
            start=self.frame.start + timedelta(microseconds=start_us - microseconds(self.frame.start)),
            end=self.frame.start + timedelta(microseconds=end_us - microseconds(self.frame.start)),
            step=None,
            as_of=None,
        )
        return readings_by_machine(
            table, machines=self.machines, columns=self.columns, frame=frame, before_us=self.before_us
        )

    def _window(self, machine: str, pieces: Sequence[Rolled]) -> Window:
        if not pieces:
            hows = {**self.hows, **dict.fromkeys(self.timed, Aggregation.DURATION)}
            return stepped_window(machine, None, self.frame, columns=self.columns, aggregation=hows)
        wanted = {name: parts_needed(how) for name, how in self.hows.items()}
        one = joined([piece.only(wanted, timed=self.timed) for piece in pieces])
        grid = grid_of(self.frame)
        step = self.frame.step
        assert step is not None
        step_us = round(step / timedelta(microseconds=1))
        count, step_of = len(grid), one.at // step_us - grid[0] // step_us
        flags = np.zeros(count, dtype=np.uint8)
        np.bitwise_or.at(flags, step_of, one.quality)
        flags[np.bincount(step_of[one.reported], minlength=count) == 0] |= np.uint8(Quality.GAP)
        return window_of(
            machine,
            self.frame,
            Readings(
                observed=grid,
                numbers={name: stepped(one.numbers[name], step_of, count, how) for name, how in self.hows.items()},
                texts={name: last_words(words, step_of, count) for name, words in one.texts.items()},
                quality=flags,
            ),
            durations={name: summed(one.held[name], step_of, count) for name in self.timed},
        )
