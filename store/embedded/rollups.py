"""Rollups per minute and per hour: of each number its count, sum, least, greatest, last and time integral, of each
state its last word and how long each word held.

They are made when a window of time is compacted and live and die with its segment, so they can never disagree with it.
Whoever reads takes them only where nothing else touches that window; late data is thereby seen at once, and the next
compaction makes new ones. Minutes are stitched exactly: a value holds until the next one, also across the border of two
segments, but no longer than three periods of its signal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.signals import Aggregation
from store.embedded.columns import TEXT, ClassColumns, as_numbers
from store.embedded.durations import Durations, durations, joined_durations, summed
from store.embedded.windows import Readings, aggregated, holding_at, last_words, words_of

GRAINS_S: Final = (60, 3600)
"""Grains that are kept [s]."""
HOW: Final = {
    "sum": Aggregation.SUM,
    "min": Aggregation.MIN,
    "max": Aggregation.MAX,
    "last": Aggregation.LAST,
}
PART_OF: Final = {how: part for part, how in HOW.items()} | {Aggregation.INTEGRAL: "integral"}
COMBINE: Final = {Aggregation.INTEGRAL: Aggregation.SUM}
PARTS: Final = ("n", "integral", *HOW)
HELD: Final = "held_s"
"""Ending of the column with a state's durations: a map of word to seconds."""

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rolled:
    """Grains of one machine in which something was reported."""

    at: Instants
    """Starts of the grains, increasing. [µs UTC] (grain,)"""
    numbers: Mapping[str, Mapping[str, Floats]]
    """Signal to part to values, NaN where the signal was not reported. (grain,) each"""
    texts: Mapping[str, NDArray[np.object_]]
    quality: NDArray[np.uint8]
    reported: NDArray[np.bool_]
    """Whether something was reported in the grain itself; else a value before it still held. (grain,)"""
    held: Mapping[str, Durations]
    """State to word to seconds. (grain,) each"""

    def only(self, parts: Mapping[str, tuple[str, ...]], *, timed: Sequence[str]) -> "Rolled":
        """With some parts of each signal, and the durations of some states."""
        chosen = {name: {part: self.numbers[name][part] for part in some} for name, some in parts.items()}
        return replace(self, numbers=chosen, held={name: self.held[name] for name in timed})


def rolled(readings: Readings, *, columns: ClassColumns, grain_s: int, start_us: int, end_us: int) -> Rolled:
    """The grains of a machine's readings in [start, end).

    Args:
        readings: Each instant once; those before `start_us` count only for the integral, as values that still hold.
        columns: Signals and how long each holds.
        grain_s: Length of a grain [s].
        start_us: First instant [µs UTC].
        end_us: Last instant, excluded [µs UTC].
    """
    grain_us = grain_s * 1_000_000
    first, past = start_us // grain_us, -(-end_us // grain_us)
    grid = np.arange(first, past + 1, dtype=np.int64) * grain_us
    count = past - first
    inside = slice(*np.searchsorted(readings.observed, [start_us, end_us]))
    step_of = readings.observed[inside] // grain_us - first
    edges = np.clip(grid, start_us, end_us)
    reported = np.bincount(step_of, minlength=count) > 0
    kept = reported.copy()
    numbers: dict[str, dict[str, Floats]] = {}
    for names, hold_us, there in _alike(readings.numbers, columns):
        values = np.stack([readings.numbers[name] for name in names])  # (signal, row)
        told, at, steps, begin = values, readings.observed, step_of, inside.start
        if there is not None:
            told, at, steps = values[:, there], at[there], step_of[there[inside]]
            begin = int(np.searchsorted(at, start_us))
        parts = _parts(told[:, begin : begin + len(steps)], steps, count)
        holding = holding_at(at, edges, hold_us=hold_us)
        integral = np.full((len(names), count), np.nan) if holding is None else holding.integral(told)
        parts["integral"] = integral
        kept |= ~np.isnan(integral).all(axis=0)
        for index, name in enumerate(names):
            numbers[name] = {part: found[index] for part, found in parts.items()}
    numbers = {name: numbers[name] for name in readings.numbers}
    held = {
        name: durations(readings.observed, words, edges, hold_us=columns.hold_us[name])
        for name, words in readings.texts.items()
        if name in columns.states
    }
    for each in held.values():
        for seconds in each.values():
            kept |= seconds > 0
    quality = np.zeros(count, dtype=np.uint8)
    np.bitwise_or.at(quality, step_of, readings.quality[inside])
    return Rolled(
        at=grid[:-1][kept],
        numbers={name: {part: values[kept] for part, values in parts.items()} for name, parts in numbers.items()},
        texts={name: last_words(words[inside], step_of, count)[kept] for name, words in readings.texts.items()},
        quality=quality[kept],
        reported=reported[kept],
        held={name: {word: seconds[kept] for word, seconds in each.items()} for name, each in held.items()},
    )


def coarser(fine: Rolled, *, grain_s: int) -> Rolled:
    """Grains of which each is made of several finer ones, whole."""
    grain_us = grain_s * 1_000_000
    steps, step_of = np.unique(fine.at // grain_us, return_inverse=True)
    count, starts = len(steps), np.flatnonzero(np.diff(step_of, prepend=-1))
    numbers: dict[str, dict[str, Floats]] = {name: {} for name in fine.numbers}
    for part in PARTS if numbers and count else ():
        values = np.stack([parts[part] for parts in fine.numbers.values()])  # (signal, grain)
        for name, found in zip(numbers, _COARSER[part](values, starts), strict=True):
            numbers[name][part] = found
    quality, reported = np.zeros(count, dtype=np.uint8), np.zeros(count, dtype=bool)
    np.bitwise_or.at(quality, step_of, fine.quality)
    np.logical_or.at(reported, step_of, fine.reported)
    return Rolled(
        at=steps * grain_us,
        numbers=numbers,
        texts={name: last_words(words, step_of, count) for name, words in fine.texts.items()},
        quality=quality,
        reported=reported,
        held={name: summed(parts, step_of, count) for name, parts in fine.held.items()},
    )


def _alike(
    numbers: Mapping[str, Floats], columns: ClassColumns
) -> list[tuple[list[str], int, NDArray[np.bool_] | None]]:
    """Signals by the rows that hold them, None: all, and by how long they hold; those with nothing together."""
    groups: dict[tuple[bytes, int], tuple[list[str], int, NDArray[np.bool_] | None]] = {}
    for name, values in numbers.items():
        there = values == values
        whole = bool(there.all())
        key = (b"" if whole else np.packbits(there).tobytes(), columns.hold_us[name])
        groups.setdefault(key, ([], key[1], None if whole else there))[0].append(name)
    return list(groups.values())


def _parts(values: Floats, step_of: Instants, count: int) -> dict[str, Floats]:
    """Count, sum, least, greatest and last of each grain; NaN for a grain without any. (signal, grain) each

    Args:
        values: Of signals that are in every row. (signal, row)
        step_of: Grain of each row, non-decreasing. (row,)
        count: How many grains there are.
    """
    found = {part: np.full((len(values), count), np.nan) for part in ("n", *HOW)}
    if values.shape[1] == 0:
        return found
    starts = np.flatnonzero(np.concatenate(([True], step_of[1:] != step_of[:-1])))
    steps, ends = step_of[starts], np.append(starts[1:], len(step_of))
    found["n"][:, steps] = ends - starts
    found["sum"][:, steps] = np.add.reduceat(values, starts, axis=1)
    found["min"][:, steps] = np.minimum.reduceat(values, starts, axis=1)
    found["max"][:, steps] = np.maximum.reduceat(values, starts, axis=1)
    found["last"][:, steps] = values[:, ends - 1]
    return found


def _sums(values: Floats, starts: Instants) -> Floats:
    """Sums of what is there; NaN where nothing is."""
    total = np.add.reduceat(np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf), starts, axis=1)
    return np.where(np.logical_and.reduceat(np.isnan(values), starts, axis=1), np.nan, total)


def _lasts(values: Floats, starts: Instants) -> Floats:
    """The last of what is there; NaN where nothing is."""
    rows = np.where(np.isnan(values), -1, np.arange(values.shape[1]))
    last = np.maximum.reduceat(rows, starts, axis=1)
    return np.where(last < 0, np.nan, np.take_along_axis(values, np.maximum(last, 0), axis=1))


_COARSER: Final[Mapping[str, Callable[[Floats, Instants], Floats]]] = {
    "n": _sums,
    "integral": _sums,
    "sum": _sums,
    "min": lambda values, starts: np.fmin.reduceat(values, starts, axis=1),
    "max": lambda values, starts: np.fmax.reduceat(values, starts, axis=1),
    "last": _lasts,
}
"""How each part of a grain comes from finer ones: of (signal, grain) and where each coarser grain starts."""


def joined(pieces: Sequence[Rolled]) -> Rolled:
    """Pieces of one machine as one, in the order of time."""
    at = np.concatenate([piece.at for piece in pieces])
    order = np.argsort(at, kind="stable")
    one = pieces[0]
    return Rolled(
        at=at[order],
        numbers={
            name: {part: np.concatenate([piece.numbers[name][part] for piece in pieces])[order] for part in parts}
            for name, parts in one.numbers.items()
        },
        texts={name: np.concatenate([piece.texts[name] for piece in pieces])[order] for name in one.texts},
        quality=np.concatenate([piece.quality for piece in pieces])[order],
        reported=np.concatenate([piece.reported for piece in pieces])[order],
        held={
            name: {
                word: seconds[order]
                for word, seconds in joined_durations([(piece.held[name], len(piece.at)) for piece in pieces]).items()
            }
            for name in one.held
        },
    )


def stepped(parts: Mapping[str, Floats], step_of: Instants, count: int, how: Aggregation) -> Floats:
    """One number per step from the parts of its grains; NaN for a step without any."""
    if how is not Aggregation.MEAN:
        return aggregated(parts[PART_OF[how]], step_of, count, COMBINE.get(how, how))
    total = aggregated(parts["sum"], step_of, count, Aggregation.SUM)
    return total / aggregated(parts["n"], step_of, count, Aggregation.SUM)


def parts_needed(how: Aggregation) -> tuple[str, ...]:
    """Which parts an aggregation takes."""
    return ("n", "sum") if how is Aggregation.MEAN else (PART_OF[how],)


def table_of(pieces: Sequence[tuple[str, Rolled]]) -> Any:
    """The grains of some machines as rows of a rollup file."""
    founds = [found for _, found in pieces]
    counts, first = [len(found.at) for found in founds], founds[0]
    machine = np.repeat(np.arange(len(pieces), dtype=np.int32), counts)
    names = pa.array([name for name, _ in pieces], pa.string())
    arrays: dict[str, Any] = {
        "machine": pa.DictionaryArray.from_arrays(pa.array(machine), names),
        "step_at": pa.array(np.concatenate([found.at for found in founds])),
        "quality": pa.array(np.concatenate([found.quality for found in founds])),
        "reported": pa.array(np.concatenate([found.reported for found in founds])),
    }
    for name, parts in first.numbers.items():
        for part in parts:
            values = np.concatenate([found.numbers[name][part] for found in founds])
            arrays[f"{name}.{part}"] = pa.array(values, from_pandas=True)
    for name in first.texts:
        words = np.concatenate([found.texts[name] for found in founds])
        arrays[name] = pa.array(words, pa.string()).dictionary_encode().cast(TEXT)
    for name in first.held:
        held = joined_durations([(found.held[name], len(found.at)) for found in founds])
        arrays[f"{name}.{HELD}"] = _as_maps(held, len(machine))
    return pa.table(arrays)


def _as_maps(held: Durations, count: int) -> Any:
    """Of each grain a map of word to seconds, without the words that did not hold; null where none did."""
    words = list(held)
    seconds = np.array([held[word] for word in words]).reshape(len(words), count).T  # (grain, word)
    grain, word = np.nonzero(seconds > 0)
    sizes = np.bincount(grain, minlength=count)
    offsets = pa.array(np.concatenate(([0], np.cumsum(sizes))).astype(np.int32), mask=np.append(sizes == 0, False))
    keys = pa.array([words[index] for index in word], pa.string())
    return pa.MapArray.from_arrays(offsets, keys, pa.array(seconds[grain, word], pa.float64()))


def _from_maps(column: Any) -> Durations:
    maps = column.combine_chunks()
    if isinstance(maps, pa.ChunkedArray):
        maps = pa.concat_arrays(maps.chunks) if maps.num_chunks else pa.array([], maps.type)
    sizes = np.diff(maps.offsets.to_numpy())
    grain = np.repeat(np.arange(len(maps)), sizes)
    low, high = int(maps.offsets[0].as_py()), int(maps.offsets[-1].as_py())
    words = maps.keys.slice(low, high - low).dictionary_encode()
    seconds = maps.items.slice(low, high - low).to_numpy()
    codes, names = words.indices.to_numpy(), words.dictionary.to_pylist()
    nothing = np.where(sizes > 0, 0.0, np.nan)
    found = {name: nothing.copy() for name in names}
    for code, name in enumerate(names):
        found[name][grain[codes == code]] = seconds[codes == code]
    return found


def rolled_from(
    table: Any, *, columns: ClassColumns, parts: Mapping[str, tuple[str, ...]], timed: Sequence[str] = ()
) -> Rolled:
    """The rows of one machine in a rollup file; what the file lacks was never reported.

    Args:
        table: Rows of one machine.
        columns: The signals wanted.
        parts: Parts wanted of each numeric signal.
        timed: States whose durations are wanted.
    """
    count, there = len(table), set(table.column_names)

    def numbers_of(name: str) -> Floats:
        return as_numbers(table[name]) if name in there else np.full(count, np.nan)

    nothing = np.full(count, None, dtype=object)
    return Rolled(
        at=table["step_at"].to_numpy(),
        numbers={name: {part: numbers_of(f"{name}.{part}") for part in parts[name]} for name in columns.numbers},
        texts={name: words_of(table[name]) if name in there else nothing for name in columns.texts},
        quality=table["quality"].to_numpy(),
        reported=table["reported"].to_numpy(),
        held={name: _from_maps(table[f"{name}.{HELD}"]) if f"{name}.{HELD}" in there else {} for name in timed},
    )
