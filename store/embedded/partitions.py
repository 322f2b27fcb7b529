"""A long read in parts that any process can do which sees the folder: each names its files and carries its hot rows.

Rows that are in no file yet travel with the part, so that whoever does it opens no database: SQLite's log cannot be
shared over a network, Parquet files can.
"""

import math
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.clock import instant, microseconds
from plant.errors import Unavailable
from plant.signals import Window
from store.embedded.durations import joined_durations
from store.embedded.layout import DAY_US
from store.embedded.segments import Damaged, Gone
from store.embedded.views import Question, View, windows_in, without

PART_ROWS: Final = 2_000_000
"""Rows of a part, about: some seconds of work and some hundred MB of memory; whole days, of less machines where a day
has more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """One part of a long read."""

    folder: Path
    """Of the store; absolute, and the same wherever parts are done."""
    view: View
    question: Question

    @property
    def files(self) -> tuple[str, ...]:
        """What may be read for it, relative to `segments/`."""
        named = [segment.file for segment in self.view.segments]
        return (*named, *(file for s in (*self.view.segments, *self.view.rolled) for file in s.rollups.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """What came of a part."""

    windows: dict[str, Window]
    """By machine."""
    damaged: tuple[str, ...] = ()
    """Files that could not be read, with the reason; the windows are without them."""
    gone: bool = False
    """Whether one of them had been compacted away since the part was made: make it again."""


def load(partition: Partition) -> Loaded:
    """Do one part. Pure but for reading files.

    Raises:
        Unavailable: this process does not see the folder.
    """
    segments = partition.folder / "segments"
    if partition.files and not segments.is_dir():
        raise Unavailable(
            f"The worker on {socket.gethostname()} does not see {segments}. Mount the instance's folder there under "
            "the same path, readable for the user of the worker."
        )
    view, damaged, gone = partition.view, dict[str, str](), False
    while True:
        try:
            windows = windows_in(partition.folder, without(view, damaged), partition.question)
        except Damaged as damage:
            damaged[damage.file] = damage.why
            gone |= isinstance(damage, Gone)
            continue
        told = tuple(f"{file}: {why}" for file, why in damaged.items())
        return Loaded(windows=windows, damaged=told, gone=gone)


def divided(folder: Path, view: View, question: Question, *, rows: int = PART_ROWS) -> list[Partition]:
    """A read in parts, by machines and then by time, which `joined` puts together.

    Borders are those of days, of which sealed files never cross one, or of steps where these do not divide a day.

    Args:
        folder: Of the store.
        view: Of all of it.
        question: All that is asked.
        rows: Of a part, about.
    """
    frame = question.frame
    first_us, past_us = microseconds(frame.start), microseconds(frame.end)
    step_us = 1 if frame.step is None else round(frame.step / timedelta(microseconds=1))
    unit_us = -(-DAY_US // step_us) * step_us
    inner = np.arange(first_us // unit_us + 1, -(-past_us // unit_us), dtype=np.int64) * unit_us
    edges = np.concatenate(([first_us], inner, [past_us]))
    counts = _rows_between(view, edges)
    groups = max(1, min(len(question.machines), math.ceil(counts.max(initial=0.0) / rows)))
    size = math.ceil(len(question.machines) / groups) or 1
    kept = [0]
    filled = 0.0
    for index, count in enumerate(counts / groups):
        if index and filled + count > rows:
            kept.append(index)
            filled = 0.0
        filled += count
    borders = edges[[*kept, -1]].tolist()
    return [
        Partition(
            folder=folder.absolute(),
            view=_between(view, low, high),
            question=replace(
                question,
                machines=question.machines[begin : begin + size],
                frame=replace(frame, start=_at(low, frame.start, frame.end), end=_at(high, frame.start, frame.end)),
            ),
        )
        for begin in range(0, len(question.machines), size)
        for low, high in pairwise(borders)
    ]


def joined(parts: Iterable[dict[str, Window]]) -> dict[str, Window]:
    """The windows of parts, in the order of `divided`, as those of the whole read."""
    pieces: dict[str, list[Window]] = {}
    for windows in parts:
        for machine, window in windows.items():
            pieces.setdefault(machine, []).append(window)
    return {machine: _in_line(mine) for machine, mine in pieces.items()}


def _in_line(pieces: Sequence[Window]) -> Window:
    if len(pieces) == 1:
        return pieces[0]
    first = pieces[0]
    return replace(
        first,
        end=pieces[-1].end,
        observed_at=np.concatenate([piece.observed_at for piece in pieces]),
        values={name: np.concatenate([piece.values[name] for piece in pieces]) for name in first.values},
        states={name: np.concatenate([piece.states[name] for piece in pieces]) for name in first.states},
        quality=np.concatenate([piece.quality for piece in pieces]),
        durations={
            name: joined_durations([(piece.durations[name], len(piece)) for piece in pieces])
            for name in first.durations
        },
    )


def _rows_between(view: View, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """About how many rows there are between each two edges."""
    counts = np.zeros(len(edges) - 1)
    for segment in view.segments:
        length = max(segment.end_us - segment.start_us, 1)
        over = np.minimum(edges[1:], segment.end_us + 1) - np.maximum(edges[:-1], segment.start_us)
        counts += segment.rows * np.clip(over / length, 0.0, 1.0)
    if view.hot is not None:
        counts += np.diff(np.searchsorted(np.sort(view.hot["observed_at"].to_numpy()), edges))
    return counts


def _between(view: View, start_us: int, end_us: int) -> View:
    """What of a view may matter in [start, end): a day more on either side, for what holds and what is settled."""
    low, high = start_us - DAY_US, end_us + DAY_US
    hot = view.hot
    if hot is not None:
        observed = hot["observed_at"].to_numpy()
        rows = np.flatnonzero((observed >= low) & (observed < high))
        hot = None if len(rows) == 0 else hot if len(rows) == len(hot) else _picked(hot, rows)
    return View(
        segments=tuple(each for each in view.segments if each.start_us < high and each.end_us >= low),
        rolled=tuple(each for each in view.rolled if each.start_us < high and each.end_us >= low),
        hot=hot,
    )


def _picked(table: Any, rows: NDArray[np.intp]) -> Any:
    return table.take(pa.array(rows, pa.int64())).combine_chunks()


def _at(us: int, start: datetime, end: datetime) -> datetime:
    """A border as an instant; those of the whole read as they were given."""
    return start if us == microseconds(start) else end if us == microseconds(end) else instant(us)
