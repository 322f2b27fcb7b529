"""Rows of one machine class as Arrow tables, in the one form in which the store keeps them.

Columns: `machine` (dictionary text), `observed_at`, `received_at` (int64 µs UTC), `quality` (uint8), then signals:
float64, or dictionary text for states and events; null where nothing was reported. Hot rows also carry `filter` and
`message`, with which sealing can correct the ledger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.assets import MachineClass, SignalKind

TEXT: Final = pa.dictionary(pa.int32(), pa.string())
KEYS: Final = {"machine": TEXT, "observed_at": pa.int64(), "received_at": pa.int64(), "quality": pa.uint8()}
ORIGIN: Final = {"filter": pa.int16(), "message": pa.int32()}
NOT_SIGNALS: Final = frozenset([*KEYS, *ORIGIN, "batch"])


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassColumns:
    """The signals of a machine class by how they are stored."""

    name: str
    numbers: tuple[str, ...]
    """Gauges and counters."""
    counters: frozenset[str]
    texts: tuple[str, ...]
    """States and events."""
    states: frozenset[str] = frozenset()
    """Texts that hold until the next one; the others are events."""
    hold_us: Mapping[str, int] = field(default_factory=dict)
    """How long a value holds unless a newer one comes: three periods of its signal [µs]."""

    @property
    def signals(self) -> tuple[str, ...]:
        """All signals."""
        return self.numbers + self.texts

    def type_of(self, signal: str) -> Any:
        """Arrow type of a signal's column."""
        return pa.float64() if signal in self.numbers else TEXT


def columns_of(machine_class: MachineClass) -> ClassColumns:
    """How a machine class is stored."""
    text_kinds = (SignalKind.STATE, SignalKind.EVENT)
    return ClassColumns(
        name=machine_class.name,
        numbers=tuple(signal.name for signal in machine_class.signals if signal.kind not in text_kinds),
        counters=frozenset(signal.name for signal in machine_class.signals if signal.kind is SignalKind.COUNTER),
        texts=tuple(signal.name for signal in machine_class.signals if signal.kind in text_kinds),
        states=frozenset(signal.name for signal in machine_class.signals if signal.kind is SignalKind.STATE),
        hold_us={signal.name: round(3e6 * signal.period.total_seconds()) for signal in machine_class.signals},
    )


def wanted_columns(classes: Mapping[str, ClassColumns], signals: Sequence[str] | None) -> dict[str, ClassColumns]:
    """The wanted columns of each class; None: all. KeyError for a signal that none of them has."""
    if signals is None:
        return dict(classes)
    known = {signal for each in classes.values() for signal in each.signals}
    if missing := sorted(set(signals) - known):
        raise KeyError(
            f"No signal {', '.join(missing)} on machines of class {', '.join(classes)}; "
            f"there are {', '.join(sorted(known))}."
        )
    return {
        name: replace(
            each,
            numbers=tuple(signal for signal in each.numbers if signal in signals),
            texts=tuple(signal for signal in each.texts if signal in signals),
            states=each.states & set(signals),
        )
        for name, each in classes.items()
    }


def all_columns(classes: Mapping[str, ClassColumns]) -> ClassColumns:
    """The columns of several classes, each once."""
    return ClassColumns(
        name="",
        numbers=tuple(dict.fromkeys(name for columns in classes.values() for name in columns.numbers)),
        counters=frozenset(),
        texts=tuple(dict.fromkeys(name for columns in classes.values() for name in columns.texts)),
    )


def as_text(column: Any) -> Any:
    """A column of strings as one dictionary-encoded array."""
    array = _piece(column) if isinstance(column, pa.ChunkedArray) else column
    if array.type == TEXT:
        return array
    if pa.types.is_floating(array.type):  # it was a number before the plant's description changed
        array = array.cast(pa.string())
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return array if array.type == TEXT else array.cast(TEXT)


def as_numbers(column: Any) -> NDArray[np.float64]:
    """A numeric column with NaN for null, and for text that is no number where the signal was text before."""
    if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
        array = as_text(column)
        numbers = np.array([*map(_number, array.dictionary.to_pylist()), np.nan])
        found: NDArray[np.float64] = numbers[array.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        return found
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def signals_in(table: Any) -> list[str]:
    """The signal columns of a table in the store's form."""
    return [name for name in table.column_names if name not in NOT_SIGNALS]


def machine_codes(table: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Each row's index into the list of machine names, and that list."""
    array = as_text(table["machine"])
    names: list[str] = array.dictionary.to_numpy(zero_copy_only=False).tolist()
    return array.indices.to_numpy(zero_copy_only=False).astype(np.int64), names


def together(tables: Sequence[Any]) -> Any:
    """Tables of one class as one, each column in one piece; columns that some lack are null there.

    A signal that is text in some and a number in others, since the plant's description changed, becomes text: that
    loses nothing, and reading turns it into what it is today.
    """
    if not all(table.schema.equals(tables[0].schema) for table in tables[1:]):
        texts = {part.name for table in tables for part in table.schema if pa.types.is_dictionary(part.type)}
        tables = [_with_texts(table, texts) for table in tables]
    table = pa.concat_tables(tables, promote_options="default")
    return table.unify_dictionaries().combine_chunks()


def _with_texts(table: Any, texts: set[str]) -> Any:
    """The table with some columns as text."""
    for place, part in enumerate(table.schema):
        if part.name in texts and not pa.types.is_dictionary(part.type):
            table = table.set_column(place, part.name, as_text(table[place]))
    return table


def _number(word: str) -> float:
    """What a word says as a number; NaN where it is none."""
    try:
        return float(word)
    except ValueError:
        return float("nan")


def _piece(column: Any) -> Any:
    """A column in one piece; not copied where it is one already."""
    if column.num_chunks == 0:  # combined, it would stay chunked in some releases
        return pa.array([], column.type)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
