"""From stored rows to windows: revisions resolved, readings brought onto a grid. Pure functions on arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.clock import microseconds
from plant.signals import Aggregation, Quality, Window
from store.contract import Aggregations
from store.embedded.columns import ClassColumns, as_numbers, as_text, machine_codes
from store.embedded.durations import Durations, durations, timed_states
from store.embedded.rows import Rows, as_described

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]
Texts = NDArray[np.object_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Readings:
    """Rows of one machine, `observed_at` non-decreasing, of equal instants the one received last at the end."""

    observed: Instants
    numbers: Mapping[str, Floats]
    texts: Mapping[str, Texts]
    quality: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What a window looks like, whoever reported."""

    start: datetime
    end: datetime
    step: timedelta | None
    as_of: datetime | None


def no_readings(columns: ClassColumns) -> Readings:
    """Rows of a machine that reported nothing."""
    return Readings(
        observed=np.empty(0, np.int64),
        numbers={name: _nothing(0) for name in columns.numbers},
        texts={name: _no_words(0) for name in columns.texts},
        quality=np.empty(0, np.uint8),
    )


def readings_by_machine(
    table: Any, *, machines: Sequence[str], columns: ClassColumns, frame: Frame, before_us: int = 0
) -> dict[str, Readings]:
    """The rows of a table inside a frame, sorted, by machine.

    Args:
        table: Rows in the store's form, in the order in which they were written.
        machines: The machines wanted.
        columns: The signals wanted; those that the table lacks were never reported.
        frame: Range and `as_of`.
        before_us: How far back from the frame's start readings are taken too, for values that still hold [µs].
    """
    observed, received = table["observed_at"].to_numpy(), table["received_at"].to_numpy()
    inside = (observed >= microseconds(frame.start) - before_us) & (observed < microseconds(frame.end))
    if frame.as_of is not None:
        inside &= received <= microseconds(frame.as_of)
    codes, names = machine_codes(table)
    inside &= np.isin(names, machines)[codes]
    rows = np.flatnonzero(inside)
    order = rows[np.lexsort((received[rows], observed[rows], codes[rows]))]
    if len(order) == 0:
        return {}
    present = set(table.column_names)
    numbers = {n: as_numbers(table[n])[order] for n in columns.numbers if n in present}
    texts = {n: words_of(table[n])[order] for n in columns.texts if n in present}
    quality, observed, codes = table["quality"].to_numpy()[order], observed[order], codes[order]
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return {
        names[codes[low]]: Readings(
            observed=observed[low:high],
            numbers={n: numbers[n][low:high] if n in numbers else _nothing(high - low) for n in columns.numbers},
            texts={n: texts[n][low:high] if n in texts else _no_words(high - low) for n in columns.texts},
            quality=quality[low:high],
        )
        for low, high in pairwise(bounds)
    }


def readings_of(rows: Rows, columns: ClassColumns) -> Readings:
    """The rows of one machine, sorted already, as readings."""
    rows, count = as_described(rows, columns), len(rows)
    place = {name: index for index, name in enumerate(rows.numbers)}
    words = {name: np.array([*each.words, None], dtype=object)[each.codes] for name, each in rows.texts.items()}
    return Readings(
        observed=rows.observed,
        numbers={n: rows.values[place[n]] if n in place else _nothing(count) for n in columns.numbers},
        texts={n: words[n] if n in words else _no_words(count) for n in columns.texts},
        quality=rows.quality,
    )


def raw_window(machine: str, readings: Readings | None, frame: Frame, *, columns: ClassColumns) -> Window:
    """The readings as they are; instants at which no wanted signal was reported are left out."""
    readings = no_readings(columns) if readings is None else newest_of_each(readings)
    told = np.zeros(len(readings.observed), dtype=bool)
    for numbers in readings.numbers.values():
        told |= ~np.isnan(numbers)
    for words in readings.texts.values():
        told |= words != np.array(None)
    if told.all():
        return window_of(machine, frame, readings)
    return window_of(
        machine,
        frame,
        Readings(
            observed=readings.observed[told],
            numbers={name: numbers[told] for name, numbers in readings.numbers.items()},
            texts={name: words[told] for name, words in readings.texts.items()},
            quality=readings.quality[told],
        ),
    )


def stepped_window(
    machine: str, readings: Readings | None, frame: Frame, *, columns: ClassColumns, aggregation: Aggregations
) -> Window:
    """One value per step of the grid anchored at the epoch; steps in which nothing was reported are NaN or None."""
    readings = no_readings(columns) if readings is None else newest_of_each(readings)
    grid = grid_of(frame)
    count, step_us = len(grid), _step_us(frame)
    first_us, past_us = microseconds(frame.start), microseconds(frame.end)
    inside = slice(int(np.searchsorted(readings.observed, first_us)), None)
    step_of = readings.observed[inside] // step_us - (grid[0] // step_us if count else 0)
    flags = np.zeros(count, dtype=np.uint8)
    np.bitwise_or.at(flags, step_of, readings.quality[inside])
    flags[np.bincount(step_of, minlength=count) == 0] |= np.uint8(Quality.GAP)
    edges = np.clip(np.append(grid, grid[-1:] + step_us), first_us, past_us)

    def in_steps(name: str, numbers: Floats) -> Floats:
        how = aggregation_of(name, columns, aggregation)
        if how is Aggregation.INTEGRAL and count:
            return integrated(readings.observed, numbers, edges, hold_us=columns.hold_us[name])
        return aggregated(numbers[inside], step_of, count, how)

    return window_of(
        machine,
        frame,
        Readings(
            observed=grid,
            numbers={name: in_steps(name, numbers) for name, numbers in readings.numbers.items()},
            texts={name: last_words(words[inside], step_of, count) for name, words in readings.texts.items()},
            quality=flags,
        ),
        durations={
            name: durations(readings.observed, readings.texts[name], edges, hold_us=columns.hold_us[name])
            for name in timed_states(columns, aggregation)
            if name in readings.texts
        },
    )


def grid_of(frame: Frame) -> Instants:
    """Starts of the steps that touch [start, end). [µs UTC] (step,)"""
    step_us = _step_us(frame)
    first = microseconds(frame.start) // step_us
    past = -(-microseconds(frame.end) // step_us)
    return np.arange(first, max(past, first), dtype=np.int64) * step_us


def newest_of_each(readings: Readings) -> Readings:
    """One row per instant: of each signal the value that was received last."""
    fresh = np.diff(readings.observed, prepend=readings.observed[:1] - 1) != 0
    if fresh.all():
        return readings
    group = np.cumsum(fresh) - 1
    count = int(group[-1]) + 1
    last = np.append(np.flatnonzero(fresh)[1:] - 1, len(fresh) - 1)
    return Readings(
        observed=readings.observed[fresh],
        numbers={n: aggregated(v, group, count, Aggregation.LAST) for n, v in readings.numbers.items()},
        texts={n: last_words(words, group, count) for n, words in readings.texts.items()},
        quality=readings.quality[last],
    )


def newest_rows(table: Any) -> Any:
    """Rows of one machine in order, as one row per instant: of each signal the value that was received last."""
    observed = table["observed_at"].to_numpy()
    fresh = np.diff(observed, prepend=observed[:1] - 1) != 0
    group = np.cumsum(fresh) - 1
    arrays = []
    for column in table.itercolumns():
        rows = np.flatnonzero(column.is_valid().to_numpy())
        place = np.full(int(group[-1]) + 1, -1)
        place[group[rows]] = rows  # of equal groups the last one stays
        arrays.append(column.combine_chunks().take(pa.array(place, mask=place < 0)))
    return pa.table(arrays, schema=table.schema)


def aggregation_of(signal: str, columns: ClassColumns, aggregation: Aggregations) -> Aggregation:
    """What holds for a numeric signal: its own entry, else the one for all gauges; counters take the last value."""
    if aggregation is Aggregation.DURATION:  # of the states; numbers keep their own
        aggregation = Aggregation.MEAN
    if isinstance(aggregation, Aggregation):
        return Aggregation.LAST if signal in columns.counters else aggregation
    return aggregation.get(signal, Aggregation.LAST if signal in columns.counters else Aggregation.MEAN)


def aggregated(numbers: Floats, step_of: Instants, count: int, how: Aggregation) -> Floats:
    """One number per step from the numbers that are there; NaN for a step without any.

    Args:
        numbers: NaN where nothing was reported. (row,)
        step_of: Index of each row's step, non-decreasing. (row,)
        count: How many steps there are.
        how: What to make of the numbers of one step.

    >>> aggregated(np.array([1.0, 3.0, np.nan, 5.0]), np.array([0, 0, 1, 2]), 4, Aggregation.MEAN)
    array([ 2., nan,  5., nan])
    """
    result = np.full(count, np.nan)
    there = ~np.isnan(numbers)
    numbers, step_of = numbers[there], step_of[there]
    if len(numbers) == 0:
        return result
    starts = np.flatnonzero(np.diff(step_of, prepend=step_of[0] - 1))
    steps = step_of[starts]
    ends = np.append(starts[1:], len(step_of))
    if how is Aggregation.LAST:
        result[steps] = numbers[ends - 1]
    elif how is Aggregation.MIN:
        result[steps] = np.minimum.reduceat(numbers, starts)
    elif how is Aggregation.MAX:
        result[steps] = np.maximum.reduceat(numbers, starts)
    elif how is Aggregation.SUM:
        result[steps] = np.add.reduceat(numbers, starts)
    else:
        result[steps] = np.add.reduceat(numbers, starts) / (ends - starts)
    return result


def integrated(observed: Instants, numbers: Floats, edges: Instants, *, hold_us: int) -> Floats:
    """The time integral between edges [unit of the numbers x h]; NaN where no value held. (edge - 1,)

    A value holds until the next one, but no longer than `hold_us`.

    >>> hour = 3_600_000_000
    >>> integrated(np.array([0, hour]), np.array([2.0, 4.0]), np.array([0, hour, 2 * hour, 9 * hour]), hold_us=2 * hour)
    array([2., 4., 4.])
    """
    there = ~np.isnan(numbers)
    holding = holding_at(observed[there], edges, hold_us=hold_us)
    return np.full(len(edges) - 1, np.nan) if holding is None else holding.integral(numbers[there])


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """Which value holds at each edge, and since when; the same for all signals reported at the same instants."""

    held: Instants
    """How long each value holds [µs]. (row,)"""
    place: Instants
    """Row of the newest value at each edge. (edge,)"""
    since: Instants
    """How long it has held by then [µs]. (edge,)"""
    known: NDArray[np.bool_]
    """Whether there is one. (edge,)"""
    some: NDArray[np.bool_]
    """Whether any value held between two edges. (edge - 1,)"""

    def integral(self, values: Floats) -> Floats:
        """Of the values, between the edges [unit x h]. (..., row) to (..., edge - 1)"""
        total = np.cumsum(values * self.held, axis=-1)
        before = np.where(self.place > 0, total[..., self.place - 1], 0.0)
        area = np.diff(np.where(self.known, before + values[..., self.place] * self.since, 0.0)) / 3.6e9
        return np.where(self.some, area, np.nan)


def holding_at(at: Instants, edges: Instants, *, hold_us: int) -> Holding | None:
    """How values reported at some instants hold until the next, no longer than `hold_us`; None without any."""
    if len(at) == 0:
        return None
    held = np.minimum(np.diff(at, append=at[-1] + hold_us), hold_us)
    last = np.searchsorted(at, edges, side="right") - 1
    known, place = last >= 0, np.maximum(last, 0)
    since = np.where(known, np.minimum(edges - at[place], held[place]), 0)
    time = np.where(known, np.concatenate(([0], np.cumsum(held)))[place] + since, 0)
    return Holding(held=held, place=place, since=since, known=known, some=np.diff(time) > 0)


def last_words(words: Texts, step_of: Instants, count: int) -> Texts:
    """The last word of each step; None for a step without any."""
    result = _no_words(count)
    rows = np.flatnonzero(words != np.array(None))
    if len(rows):
        last = np.append(np.flatnonzero(np.diff(step_of[rows])), len(rows) - 1)
        result[step_of[rows[last]]] = words[rows[last]]
    return result


def window_of(
    machine: str, frame: Frame, readings: Readings, *, durations: Mapping[str, Durations] | None = None
) -> Window:
    """The readings in a frame as a window."""
    return Window(
        machine=machine,
        start=frame.start,
        end=frame.end,
        step=frame.step,
        as_of=frame.as_of,
        observed_at=readings.observed,
        values=readings.numbers,
        states=readings.texts,
        quality=readings.quality,
        durations=durations or {},
    )


def _step_us(frame: Frame) -> int:
    if frame.step is None or frame.step <= timedelta(0):
        raise ValueError(f"A step is longer than nothing; found {frame.step}.")
    return round(frame.step / timedelta(microseconds=1))


def words_of(column: Any) -> Texts:
    """A text column as words, None for null."""
    array = as_text(column)
    words = np.array([*array.dictionary.to_pylist(), None], dtype=object)
    found: Texts = words[array.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return found


def _nothing(count: int) -> Floats:
    return np.full(count, np.nan)


def _no_words(count: int) -> Texts:
    return np.full(count, None, dtype=object)
