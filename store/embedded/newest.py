"""Newest values of one machine class as arrays, and how rows change them."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.signals import LastValue, Quality
from store.embedded.columns import ClassColumns, as_numbers, as_text, machine_codes

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


def take(newest: Newest, table: Any) -> None:
    """Take the newest values of rows in the store's form, late ones aside."""
    if len(table) == 0:
        return
    codes, names = machine_codes(table)
    observed, received = table["observed_at"].to_numpy(), table["received_at"].to_numpy()
    order = np.lexsort((received, observed, codes))
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    places = places_of(newest, [names[code] for code in codes[order][starts]])
    dead = (table["quality"].to_numpy() & np.uint8(Quality.STALE)) != 0
    if dead.any():
        newest.stale[places] = np.maximum(newest.stale[places], _died_at(dead[order], received[order], order, starts))
    named = dict(zip(table.column_names, table.itercolumns(), strict=True))
    columns = {
        index: named[signal].combine_chunks() for index, signal in enumerate(newest.columns.signals) if signal in named
    }
    rows, numeric = order[ends], len(newest.columns.numbers)
    full = [i for i, column in columns.items() if i < numeric and column.type == pa.float64() and not column.null_count]
    if full:
        _take_all(newest, places, full, [columns[index].to_numpy()[rows] for index in full], observed, received, rows)
    for index in columns.keys() - full:
        _take_one(newest, places, index, columns[index], observed, received, order, starts, ends)


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


def _take_all(
    newest: Newest,
    places: NDArray[np.int64],
    signals: list[int],
    values: list[Any],
    observed: NDArray[np.int64],
    received: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:
    """Numbers that every row holds: the newest row of each machine is the newest of each signal."""
    block = np.ix_(places, np.array(signals))
    at = observed[rows][:, np.newaxis]
    fresh = newest.observed[block] <= at  # (machine, signal)
    newest.numbers[block] = np.where(fresh, np.stack(values, axis=1), newest.numbers[block])
    newest.received[block] = np.where(fresh, received[rows][:, np.newaxis], newest.received[block])
    newest.observed[block] = np.where(fresh, at, newest.observed[block])


def _take_one(
    newest: Newest,
    places: NDArray[np.int64],
    index: int,
    column: Any,
    observed: NDArray[np.int64],
    received: NDArray[np.int64],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> None:
    """One signal: of each machine the newest row that holds it."""
    found, rows = places, order[ends]
    if column.null_count:
        valid = column.is_valid().to_numpy(zero_copy_only=False)[order]
        last = np.maximum.reduceat(np.where(valid, np.arange(len(order)), -1), starts)
        found, rows = places[last >= 0], order[last[last >= 0]]
    fresh = newest.observed[found, index] <= observed[rows]
    found, rows = found[fresh], rows[fresh]
    newest.observed[found, index], newest.received[found, index] = observed[rows], received[rows]
    numeric = len(newest.columns.numbers)
    if index < numeric:
        newest.numbers[found, index] = as_numbers(column)[rows]
    else:
        newest.texts[found, index - numeric] = _words(column, rows)


def _words(column: Any, rows: NDArray[np.int64]) -> Any:
    array = as_text(column)
    words = np.array([*array.dictionary.to_pylist(), None], dtype=object)
    return words[array.indices.fill_null(-1).to_numpy(zero_copy_only=False)[rows]]
