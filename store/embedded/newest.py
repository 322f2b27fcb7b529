"""Newest values of one machine class as arrays, and how rows change them."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plant.signals import LastValue, Quality
from store.embedded.columns import ClassColumns
from store.embedded.rows import Rows, as_described

NEVER: Final = np.int64(-(2**63))
"""`observed_at` of what was not reported yet."""


@dataclass(kw_only=True, slots=True)
class Newest:
    """Newest values of one machine class. (machine, signal) each, the class' numbers before its texts"""

    columns: ClassColumns
    machines: dict[str, int] = field(default_factory=dict)
    numbers: NDArray[np.float64]
    texts: NDArray[np.object_]
    observed: NDArray[np.int64]
    received: NDArray[np.int64]
    stale: NDArray[np.int64]
    """When the source of a machine was last declared dead: what was received later is not stale. (machine,)"""

    def copy(self) -> "Newest":
        """As it is now; the machines may only grow."""
        return Newest(
            columns=self.columns,
            machines=self.machines,
            numbers=self.numbers.copy(),
            texts=self.texts.copy(),
            observed=self.observed.copy(),
            received=self.received.copy(),
            stale=self.stale.copy(),
        )


def nothing(columns: ClassColumns) -> Newest:
    """Of no machine yet."""
    return Newest(
        columns=columns,
        numbers=np.empty((0, len(columns.numbers))),
        texts=np.empty((0, len(columns.texts)), dtype=object),
        observed=np.empty((0, len(columns.signals)), dtype=np.int64),
        received=np.empty((0, len(columns.signals)), dtype=np.int64),
        stale=np.empty(0, dtype=np.int64),
    )


def grown(newest: Newest, by: int) -> Newest:
    """With room for so many machines more."""
    signals = len(newest.columns.signals)
    return Newest(
        columns=newest.columns,
        machines=newest.machines,
        numbers=np.vstack([newest.numbers, np.full((by, len(newest.columns.numbers)), np.nan)]),
        texts=np.vstack([newest.texts, np.full((by, len(newest.columns.texts)), None, dtype=object)]),
        observed=np.vstack([newest.observed, np.full((by, signals), NEVER)]),
        received=np.vstack([newest.received, np.zeros((by, signals), dtype=np.int64)]),
        stale=np.concatenate([newest.stale, np.full(by, NEVER)]),
    )


def places_of(newest: Newest, machines: list[str]) -> NDArray[np.int64]:
    """The row of each machine; new ones are added."""
    known = newest.machines
    unknown = [machine for machine in machines if machine not in known]
    if unknown:
        known.update({machine: len(known) + index for index, machine in enumerate(unknown)})
        larger = grown(newest, len(known) - len(newest.observed))
        newest.numbers, newest.texts = larger.numbers, larger.texts
        newest.observed, newest.received, newest.stale = larger.observed, larger.received, larger.stale
    return np.array([known[machine] for machine in machines], dtype=np.int64)


def take(newest: Newest, rows: Rows) -> None:
    """Take the newest values of some rows, late ones aside."""
    if len(rows) == 0:
        return
    rows = as_described(rows, newest.columns)
    codes, observed, received = rows.machine.codes, rows.observed, rows.received
    order = np.lexsort((received, observed, codes))
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    places = places_of(newest, [rows.machine.words[code] for code in codes[order][starts].tolist()])
    dead = (rows.quality & np.uint8(Quality.STALE)) != 0
    if dead.any():
        newest.stale[places] = np.maximum(newest.stale[places], _died_at(dead[order], received[order], order, starts))
    column = {name: index for index, name in enumerate(newest.columns.signals)}
    known = [index for index, name in enumerate(rows.numbers) if name in column]
    if known:
        values = rows.values if len(known) == len(rows.numbers) else rows.values[known]
        fresh = _fresh(newest, rows, places, [column[rows.numbers[index]] for index in known], values == values, order)
        newest.numbers[fresh.place, fresh.column] = values[fresh.signal, fresh.row]
    numeric = len(newest.columns.numbers)
    for name, words in rows.texts.items():
        if name in column:
            fresh = _fresh(newest, rows, places, [column[name]], (words.codes >= 0)[np.newaxis], order)
            told = np.array(words.words, dtype=object)[words.codes[fresh.row]]
            newest.texts[fresh.place, fresh.column - numeric] = told


def values_of(newest: Newest) -> list[LastValue]:
    """All that was reported, by machine in the order of first report."""
    machine, signal = np.nonzero(newest.observed != NEVER)
    numeric = len(newest.columns.numbers)
    is_text = signal >= numeric
    values = np.empty(len(machine), dtype=object)
    values[~is_text] = newest.numbers[machine[~is_text], signal[~is_text]]
    values[is_text] = newest.texts[machine[is_text], signal[is_text] - numeric]
    names, signals = list(newest.machines), newest.columns.signals
    received = newest.received[machine, signal]
    rows = zip(
        machine.tolist(),
        signal.tolist(),
        values.tolist(),
        newest.observed[machine, signal].tolist(),
        received.tolist(),
        (newest.stale[machine] >= received).tolist(),
        strict=True,
    )
    return [
        LastValue(
            machine=names[place],
            signal=signals[index],
            value=value,
            observed_at_us=observed_us,
            received_at_us=received_us,
            stale=stale,
        )
        for place, index, value, observed_us, received_us, stale in rows
    ]


def _died_at(
    dead: NDArray[np.bool_], received: NDArray[np.int64], order: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """When each machine's source died, `NEVER` where it did not; what came after it in one read counts as later."""
    at = np.maximum.reduceat(np.where(dead, received, NEVER), starts)
    died, lived = (np.maximum.reduceat(np.where(these, order, -1), starts) for these in (dead, ~dead))
    again: NDArray[np.int64] = np.where((died >= 0) & (lived > died), at - 1, at)
    return again


class _Fresh(NamedTuple):
    """Values that are newer than what was known. (value,) each"""

    place: NDArray[np.int64]
    column: NDArray[np.int64]
    signal: NDArray[np.int64]
    row: NDArray[np.int64]


def _fresh(
    newest: Newest,
    rows: Rows,
    places: NDArray[np.int64],
    columns: list[int],
    told: NDArray[np.bool_],
    order: NDArray[np.int64],
) -> _Fresh:
    """Of each machine and signal the newest row that holds it, where that is newer; its times are taken.

    Args:
        newest: What was known.
        rows: New ones.
        places: Of their machines, in order. (machine,)
        columns: Of the signals. (signal,)
        told: Which rows hold which signal. (signal, row)
        order: Rows by machine, `observed_at` and `received_at`. (row,)
    """
    starts = np.flatnonzero(np.diff(rows.machine.codes[order], prepend=-1))
    if told.all():
        last = np.broadcast_to(np.append(starts[1:], len(order)) - 1, (len(columns), len(starts)))
    else:
        last = np.maximum.reduceat(np.where(told[:, order], np.arange(len(order)), -1), starts, axis=1)
    row = order[last]  # (signal, machine)
    column = np.array(columns)[:, np.newaxis]
    signal, machine = np.nonzero((last >= 0) & (newest.observed[places, column] <= rows.observed[row]))
    found = _Fresh(place=places[machine], column=column[signal, 0], signal=signal, row=row[signal, machine])
    newest.observed[found.place, found.column] = rows.observed[found.row]
    newest.received[found.place, found.column] = rows.received[found.row]
    return found
