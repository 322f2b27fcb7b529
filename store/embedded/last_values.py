"""The newest value of every signal: kept in memory, persisted at most once a second, never a query."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.signals import LastValue, Quality
from store.embedded.columns import (
    TEXT,
    ClassColumns,
    as_numbers,
    as_text,
    machine_codes,
    packed,
    together,
    unpacked,
)

NEVER: Final = np.int64(-(2**63))
"""`observed_at` of what was not reported yet."""
WAITING_ROWS: Final = 5_000
"""So many rows wait at most to be looked at; bounds memory."""


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


class LastValues:
    """Newest values by class, machine and signal, and which classes changed since they were persisted."""

    def __init__(self, classes: Mapping[str, ClassColumns]) -> None:
        self._newest = {name: _nothing(columns) for name, columns in classes.items()}
        self._changed: set[str] = set()
        self._waiting: dict[str, list[Any]] = {}
        self._waiting_rows = 0

    def load(self, connection: sqlite3.Connection, class_of: Mapping[str, str]) -> None:
        """Take what is persisted, by the class that each machine has today."""
        for _, table in _stored_tables(connection):
            for value in _values_of(table):
                if (name := class_of.get(value.machine)) is not None:
                    self._put(self._newest[name], value)

    def note(self, name: str, table: Any) -> None:
        """Take committed rows of a class; looked at when somebody asks or persists, many tables at once."""
        if (table["quality"].to_numpy() & np.uint8(Quality.STALE)).any():  # what came before such a row matters
            self.update(name, table)
            return
        self._waiting.setdefault(name, []).append(table)
        self._waiting_rows += len(table)
        if self._waiting_rows > WAITING_ROWS:
            self._settle()

    def update(self, name: str, table: Any) -> Newest:
        """Take the newest values of new rows of a class, late ones aside; returns what `restore` takes."""
        self._settle()
        return self._update(name, table)

    def restore(self, name: str, before: Newest) -> None:
        """Undo an update whose rows were not committed."""
        missing = len(self._newest[name].observed) - len(before.observed)
        self._newest[name] = _grown(before, missing) if missing else before

    def persist(self, connection: sqlite3.Connection) -> None:
        """Write the classes that changed; call `persisted` once that is committed."""
        self._settle()
        connection.executemany(
            "INSERT OR REPLACE INTO newest (class, body) VALUES (?, ?)",
            [(name, packed(_table_of(self._newest[name]))) for name in sorted(self._changed)],
        )

    def persisted(self) -> None:
        """What was written is committed."""
        self._changed.clear()

    @property
    def changed(self) -> bool:
        """Whether something is not persisted yet."""
        return bool(self._changed or self._waiting)

    def listed(self, machines: Sequence[str] | None) -> list[LastValue]:
        """The newest values, by machine and signal."""
        self._settle()
        values = [value for newest in self._newest.values() for value in _values_of(_table_of(newest))]
        return _chosen(values, machines)

    def _settle(self) -> None:
        waiting, self._waiting, self._waiting_rows = self._waiting, {}, 0
        for name, tables in waiting.items():
            self._update(name, together(tables) if len(tables) > 1 else tables[0])

    def _update(self, name: str, table: Any) -> Newest:
        newest = self._newest[name]
        before = newest.copy()
        if len(table) == 0:
            return before
        codes, names = machine_codes(table)
        observed, received = table["observed_at"].to_numpy(), table["received_at"].to_numpy()
        order = np.lexsort((received, observed, codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        ends = np.append(starts[1:], len(order)) - 1
        places = self._places(newest, [names[code] for code in codes[order][starts]])
        dead = (table["quality"].to_numpy() & np.uint8(Quality.STALE)) != 0
        if dead.any():
            newest.stale[places] = np.maximum(
                newest.stale[places], _died_at(dead[order], received[order], order, starts)
            )
        named = dict(zip(table.column_names, table.itercolumns(), strict=True))
        columns = {
            index: named[signal].combine_chunks()
            for index, signal in enumerate(newest.columns.signals)
            if signal in named
        }
        rows, numeric = order[ends], len(newest.columns.numbers)
        full = [
            i for i, column in columns.items() if i < numeric and column.type == pa.float64() and not column.null_count
        ]
        if full:
            _take_all(
                newest, places, full, [columns[index].to_numpy()[rows] for index in full], observed, received, rows
            )
        for index in columns.keys() - full:
            _take_one(newest, places, index, columns[index], observed, received, order, starts, ends)
        self._changed.add(name)
        return before

    def _places(self, newest: Newest, machines: list[str]) -> NDArray[np.int64]:
        """The row of each machine; new ones are added."""
        known = newest.machines
        unknown = [machine for machine in machines if machine not in known]
        if unknown:
            known.update({machine: len(known) + index for index, machine in enumerate(unknown)})
            larger = _grown(newest, len(known) - len(newest.observed))
            newest.numbers, newest.texts = larger.numbers, larger.texts
            newest.observed, newest.received, newest.stale = larger.observed, larger.received, larger.stale
        return np.array([known[machine] for machine in machines], dtype=np.int64)

    def _put(self, newest: Newest, value: LastValue) -> None:
        is_text = isinstance(value.value, str)
        names = newest.columns.texts if is_text else newest.columns.numbers
        if value.signal not in names:  # the plant no longer has it, or it changed its kind
            return
        (place,) = self._places(newest, [value.machine])
        index = newest.columns.signals.index(value.signal)
        if is_text:
            newest.texts[place, index - len(newest.columns.numbers)] = value.value
        else:
            newest.numbers[place, index] = value.value
        newest.observed[place, index], newest.received[place, index] = value.observed_at_us, value.received_at_us
        if value.stale:
            newest.stale[place] = max(newest.stale[place], value.received_at_us)


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


def stored(connection: sqlite3.Connection, machines: Sequence[str] | None) -> list[LastValue]:
    """The persisted values, by machine and signal."""
    return _chosen([value for _, table in _stored_tables(connection) for value in _values_of(table)], machines)


def persisted_form(values: Sequence[LastValue]) -> bytes:
    """Values as the body of a row of `newest`; for those of an older format."""
    return packed(
        pa.table(
            {
                "machine": pa.array([value.machine for value in values], pa.string()).dictionary_encode().cast(TEXT),
                "signal": pa.array([value.signal for value in values], pa.string()).dictionary_encode().cast(TEXT),
                "number": pa.array(
                    [None if isinstance(value.value, str) else value.value for value in values], pa.float64()
                ),
                "text": pa.array([value.value if isinstance(value.value, str) else None for value in values])
                .cast(pa.string())
                .dictionary_encode()
                .cast(TEXT),
                "observed_at": pa.array([value.observed_at_us for value in values], pa.int64()),
                "received_at": pa.array([value.received_at_us for value in values], pa.int64()),
                "stale": pa.array([value.stale for value in values], pa.bool_()),
            }
        )
    )


def _stored_tables(connection: sqlite3.Connection) -> list[tuple[str, Any]]:
    """Oldest first: what an older format left, under no class, is overruled by the classes' own."""
    rows = connection.execute("SELECT class, body FROM newest ORDER BY class")
    return [(name, unpacked(body)) for name, body in rows]


def _chosen(values: list[LastValue], machines: Sequence[str] | None) -> list[LastValue]:
    """Each signal once, in order; of some machines or of all."""
    wanted = None if machines is None else {machine: place for place, machine in enumerate(machines)}
    newest = {(v.machine, v.signal): v for v in values if wanted is None or v.machine in wanted}
    if wanted is None:
        return [newest[key] for key in sorted(newest)]
    return [newest[key] for key in sorted(newest, key=lambda key: (wanted[key[0]], key[1]))]


def _table_of(newest: Newest) -> Any:
    """Long form: one row per machine and signal."""
    machine, signal = np.nonzero(newest.observed != NEVER)
    numeric = len(newest.columns.numbers)
    texts = signal >= numeric
    numbers, words = np.zeros(len(machine)), np.zeros(len(machine), dtype=np.int32)
    numbers[~texts] = newest.numbers[machine[~texts], signal[~texts]]
    encoded = pa.array(newest.texts[machine[texts], signal[texts] - numeric], pa.string()).dictionary_encode()
    words[texts] = encoded.indices.to_numpy()
    return pa.table(
        {
            "machine": _encoded(machine, list(newest.machines)),
            "signal": _encoded(signal, list(newest.columns.signals)),
            "number": pa.array(numbers, mask=texts),
            "text": pa.DictionaryArray.from_arrays(pa.array(words, mask=~texts), encoded.dictionary),
            "observed_at": pa.array(newest.observed[machine, signal]),
            "received_at": pa.array(newest.received[machine, signal]),
            "stale": pa.array(newest.stale[machine] >= newest.received[machine, signal]),
        }
    )


def _encoded(codes: NDArray[np.int64], words: list[str]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words, pa.string()))


def _values_of(table: Any) -> list[LastValue]:
    numbers = table["number"].to_numpy().tolist()
    columns = (table[name].to_pylist() for name in ("machine", "signal", "text"))
    times = (table[name].to_numpy().tolist() for name in ("observed_at", "received_at"))
    stale = table["stale"].to_pylist() if "stale" in table.column_names else [False] * len(numbers)
    return [
        LastValue(
            machine=machine,
            signal=signal,
            value=number if text is None else text,
            observed_at_us=observed_us,
            received_at_us=received_us,
            stale=is_stale,
        )
        for machine, signal, text, number, observed_us, received_us, is_stale in zip(
            *columns, numbers, *times, stale, strict=True
        )
    ]


def _nothing(columns: ClassColumns) -> Newest:
    return Newest(
        columns=columns,
        numbers=np.empty((0, len(columns.numbers))),
        texts=np.empty((0, len(columns.texts)), dtype=object),
        observed=np.empty((0, len(columns.signals)), dtype=np.int64),
        received=np.empty((0, len(columns.signals)), dtype=np.int64),
        stale=np.empty(0, dtype=np.int64),
    )


def _grown(newest: Newest, by: int) -> Newest:
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


def _words(column: Any, rows: NDArray[np.int64]) -> Any:
    array = as_text(column)
    words = np.array([*array.dictionary.to_pylist(), None], dtype=object)
    return words[array.indices.fill_null(-1).to_numpy(zero_copy_only=False)[rows]]
