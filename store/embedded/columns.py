"""Rows of one machine class as Arrow tables, in the one form in which the store keeps them.

Columns: `machine` (dictionary text), `observed_at`, `received_at` (int64 µs UTC), `quality` (uint8), then signals:
float64, or dictionary text for states and events; null where nothing was reported. Hot rows also carry `filter` and
`message`, with which sealing can correct the ledger.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from plant.assets import MachineClass, SignalKind
from plant.signals import Quality

TEXT: Final = pa.dictionary(pa.int32(), pa.string())
KEYS: Final = {"machine": TEXT, "observed_at": pa.int64(), "received_at": pa.int64(), "quality": pa.uint8()}
ORIGIN: Final = {"filter": pa.int16(), "message": pa.int32()}
_KEPT: Final = {
    "observed_at": pa.int64(),
    "received_at": pa.int64(),
    "quality": pa.uint8(),
    "message": pa.int32(),
}
PACKED_MARK: Final = b"LWB2"
PACKED: Final = struct.Struct("<4sQ")
"""Mark and size of what was packed [byte]."""
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


def incoming(table: Any, columns: ClassColumns) -> Any:
    """A batch's table in the store's form; NaN becomes null, and columns without a value are left out.

    Raises:
        ValueError: a column that the machine class does not have, or a missing key column.
    """
    given = {name: _piece(column) for name, column in zip(table.column_names, table.itercolumns(), strict=True)}
    if unknown := sorted(given.keys() - NOT_SIGNALS - set(columns.signals)):
        raise ValueError(f"Machine class {columns.name} has no signal {', '.join(unknown)}.")
    arrays: dict[str, Any] = {"machine": as_text(given["machine"])}
    given.setdefault("quality", pa.array(np.zeros(len(table), np.uint8)))
    for name, kind in _KEPT.items():
        arrays[name] = given[name] if given[name].type == kind else given[name].cast(kind)
    for signal in columns.numbers:
        if signal in given and (numbers := _without_nan(given[signal])) is not None:
            arrays[signal] = numbers
    for signal in columns.texts:
        if signal in given and given[signal].null_count < len(table):
            arrays[signal] = as_text(given[signal])
    return pa.Table.from_arrays(list(arrays.values()), names=list(arrays))


def signals_in(table: Any) -> list[str]:
    """The signal columns of a table in the store's form."""
    return [name for name in table.column_names if name not in NOT_SIGNALS]


def reported(table: Any) -> NDArray[np.int64]:
    """How many samples each row holds. (row,)"""
    named = zip(table.column_names, table.itercolumns(), strict=True)
    columns = [column for name, column in named if name not in NOT_SIGNALS]
    holed = [column for column in columns if column.null_count]
    count = np.full(len(table), len(columns) - len(holed), dtype=np.int64)
    for column in holed:
        count += column.is_valid().to_numpy()
    return count


def machine_codes(table: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Each row's index into the list of machine names, and that list."""
    array = as_text(table["machine"])
    names: list[str] = array.dictionary.to_numpy(zero_copy_only=False).tolist()
    return array.indices.to_numpy(zero_copy_only=False).astype(np.int64), names


def timeless(table: Any) -> NDArray[np.bool_]:
    """Rows without a device time, of which repeated deliveries cannot be told apart. (row,)"""
    quality: NDArray[np.uint8] = table["quality"].to_numpy()
    flagged: NDArray[np.bool_] = (quality & np.uint8(Quality.NO_DEVICE_TIME)) != 0
    return flagged


def without(table: Any, cells: dict[int, list[str]]) -> Any:
    """The table without some cells, and without the rows that then hold nothing.

    Args:
        table: Rows in the store's form.
        cells: Row index to the signals to take out there.
    """
    if not cells:
        return table
    counts = reported(table)
    whole = [row for row, signals in cells.items() if len(signals) == counts[row]]
    rows_of: dict[str, list[int]] = {}
    for row in cells.keys() - set(whole):
        for signal in cells[row]:
            rows_of.setdefault(signal, []).append(row)
    for signal, rows in rows_of.items():
        mask = np.zeros(len(table), dtype=bool)
        mask[rows] = True
        position = table.column_names.index(signal)
        column = table[signal].combine_chunks()
        table = table.set_column(position, signal, pc.if_else(pa.array(mask), pa.scalar(None, column.type), column))
    if not whole:
        return table
    kept = np.ones(len(table), dtype=bool)
    kept[whole] = False
    return table.filter(pa.array(kept)).combine_chunks()


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


def packed(table: Any) -> bytes:
    """A table as an Arrow IPC stream under one lz4 block; a third of the work of Arrow's own, buffer by buffer."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    plain = sink.getvalue()
    return PACKED.pack(PACKED_MARK, plain.size) + bytes(pa.compress(plain, codec="lz4_raw", asbytes=True))


def unpacked(body: bytes) -> Any:
    """The table of a packed body; those of format 1 are plain Arrow IPC streams."""
    plain: Any = body
    if body.startswith(PACKED_MARK):
        _, size = PACKED.unpack_from(body)
        plain = pa.decompress(memoryview(body)[PACKED.size :], decompressed_size=size, codec="lz4_raw")
    with pa.ipc.open_stream(plain) as reader:
        return reader.read_all()


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


def _without_nan(array: Any) -> Any | None:
    """A numeric column with null for NaN; None when it holds nothing."""
    if array.type == pa.float64() and array.null_count == 0:
        numbers = array.to_numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.add.reduce(numbers)):  # one NaN would make the sum NaN
                return array if len(array) else None
        if not (absent := np.isnan(numbers)).any():
            return array
    else:
        absent = np.isnan(as_numbers(array))
    return None if absent.all() else pa.array(as_numbers(array), mask=absent if absent.any() else None)
