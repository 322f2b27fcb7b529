"""Rows of one machine class that are not sealed yet, in few arrays: what a batch costs is calls, not numbers.

All numbers are one matrix, NaN where nothing was reported; words are numbered. Arrow tables, a column each, are made of
them when they are sealed or read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.signals import Quality
from store.embedded.columns import KEYS, NOT_SIGNALS, ClassColumns, as_numbers, as_text

SCHEMAS: Final = 64
"""So many schemas of tables are remembered; each source has one or few."""
Cells = Mapping[int, Sequence[str]]
"""Row index to some of its signals."""
ALWAYS: Final = frozenset(["observed_at", "received_at"])
"""Columns that every table has."""
SPREAD: Final = np.int64(0x9E3779B97F4A7C1)
"""An odd factor that spreads instants over 64 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A column of text."""

    words: tuple[str, ...]
    """Each once; some may not occur."""
    codes: NDArray[np.int32]
    """Index of each row's word, -1 for none. (row,)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Some rows of one machine class."""

    machine: Words
    observed: NDArray[np.int64]
    received: NDArray[np.int64]
    """[µs UTC] (row,) both"""
    quality: NDArray[np.uint8]
    message: NDArray[np.int32]
    """Of its batch; -1: of a quarantined one, which does not count as stored. (row,)"""
    filter: NDArray[np.int16]
    """Of the message's topic. (row,)"""
    numbers: tuple[str, ...]
    values: NDArray[np.float64]
    """NaN where nothing was reported. (number, row)"""
    texts: Mapping[str, Words]

    def __len__(self) -> int:
        return len(self.observed)


def incoming(table: Any, columns: ClassColumns, *, message_filter: NDArray[np.int16]) -> Rows:
    """A batch's table; NaN is nothing reported, and columns without a value are left out.

    Args:
        table: At least one row.
        columns: Of its machine class.
        message_filter: Topic filter of each message of the batch. (message,)

    Raises:
        ValueError: a column that the machine class does not have.
        KeyError: a key column is missing.
    """
    form = _form(table.schema, columns.texts)
    if unknown := sorted(form.signals - set(columns.signals)):
        raise ValueError(f"Machine class {columns.name} has no signal {', '.join(unknown)}.")
    rows = _formed(table, form)
    return replace(rows, filter=np.asarray(message_filter)[rows.message].astype(np.int16))


def rows_of(table: Any) -> Rows:
    """An Arrow table in the store's form as rows; at least one."""
    return _formed(table, _form(table.schema, None))


def table_of(rows: Rows) -> Any:
    """Rows as an Arrow table with a column for each signal; null where nothing was reported."""
    arrays = [_column(rows.machine), pa.array(rows.observed), pa.array(rows.received), pa.array(rows.quality)]
    holed = (rows.values != rows.values).any(axis=1).tolist()
    arrays += [pa.array(values, from_pandas=some) for values, some in zip(rows.values, holed, strict=True)]
    arrays += [_column(words) for words in rows.texts.values()]
    return pa.Table.from_arrays(arrays, names=[*KEYS, *rows.numbers, *rows.texts])


def picked(rows: Rows, which: NDArray[Any] | slice) -> Rows:
    """Some rows, by index, mask or range."""

    def of(words: Words) -> Words:
        return Words(words=words.words, codes=words.codes[which])

    return Rows(
        machine=of(rows.machine),
        observed=rows.observed[which],
        received=rows.received[which],
        quality=rows.quality[which],
        message=rows.message[which],
        filter=rows.filter[which],
        numbers=rows.numbers,
        values=rows.values[:, which],
        texts={name: of(words) for name, words in rows.texts.items()},
    )


def in_order(rows: Rows) -> Rows:
    """Sorted by machine, `observed_at` and `received_at`; rows alike in these keep their order."""
    codes = rows.machine.codes
    if len(rows) and (codes == codes[0]).all() and (rows.observed[1:] > rows.observed[:-1]).all():
        return rows
    rank = np.argsort(np.argsort(np.array(rows.machine.words, dtype=object), kind="stable"), kind="stable")
    order = np.lexsort((rows.received, rows.observed, rank[rows.machine.codes]))
    return rows if (order[1:] > order[:-1]).all() else picked(rows, order)


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other.

    A signal that is text in some and a number in others, since the plant's description changed, becomes text: that
    loses nothing, and reading turns it into what it is today.
    """
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.texts)
    parts = [with_texts(part, [name for name in part.numbers if name in names]) for part in parts]
    numbers = parts[0].numbers
    if all(part.numbers == numbers for part in parts):
        values = np.concatenate([part.values for part in parts], axis=1)
    else:
        numbers = tuple(dict.fromkeys(name for part in parts for name in part.numbers))
        values = np.full((len(numbers), sum(map(len, parts))), np.nan)
        place = {name: index for index, name in enumerate(numbers)}
        for part, end in zip(parts, accumulate(map(len, parts)), strict=True):
            values[[place[name] for name in part.numbers], end - len(part) : end] = part.values
    return Rows(
        machine=_joined_words([part.machine for part in parts]),
        observed=np.concatenate([part.observed for part in parts]),
        received=np.concatenate([part.received for part in parts]),
        quality=np.concatenate([part.quality for part in parts]),
        message=np.concatenate([part.message for part in parts]),
        filter=np.concatenate([part.filter for part in parts]),
        numbers=numbers,
        values=values,
        texts={name: _joined_words([part.texts.get(name) or _no_words(len(part)) for part in parts]) for name in names},
    )


def as_described(rows: Rows, columns: ClassColumns) -> Rows:
    """Rows with text for numbers and numbers for text where the plant's description says so today."""
    rows = with_texts(rows, [name for name in columns.texts if name in rows.numbers])
    if not (now_numbers := [name for name in columns.numbers if name in rows.texts]):
        return rows
    values = [as_numbers(_column(rows.texts[name])) for name in now_numbers]
    return replace(
        rows,
        numbers=(*rows.numbers, *now_numbers),
        values=np.vstack([rows.values, *values]),
        texts={name: words for name, words in rows.texts.items() if name not in now_numbers},
    )


def with_texts(rows: Rows, names: Sequence[str]) -> Rows:
    """Rows with some of their numbers as text."""
    if not names:
        return rows
    kept = np.array([name not in names for name in rows.numbers], dtype=bool)
    moved = {name: _coded(pa.array(rows.values[rows.numbers.index(name)], from_pandas=True)) for name in names}
    numbers = tuple(name for name in rows.numbers if name not in names)
    return replace(rows, numbers=numbers, values=rows.values[kept], texts={**rows.texts, **moved})


def reported(rows: Rows) -> NDArray[np.int64]:
    """How many samples each row holds. (row,)"""
    count: NDArray[np.int64] = np.count_nonzero(rows.values == rows.values, axis=0)
    for words in rows.texts.values():
        count = count + (words.codes >= 0)
    return count


def timeless(rows: Rows) -> NDArray[np.bool_]:
    """Rows without a device time, of which repeated deliveries cannot be told apart. (row,)"""
    flagged: NDArray[np.bool_] = (rows.quality & np.uint8(Quality.NO_DEVICE_TIME)) != 0
    return flagged


def sample(rows: Rows, row: int) -> dict[str, float | str]:
    """What one row reports, by signal."""
    numbers = zip(rows.numbers, rows.values[:, row].tolist(), strict=True)
    found: dict[str, float | str] = {name: value for name, value in numbers if value == value}
    for name, words in rows.texts.items():
        if (code := words.codes[row]) >= 0:
            found[name] = words.words[code]
    return found


def emptied(rows: Rows, cells: Cells) -> NDArray[np.bool_]:
    """Which rows hold nothing without some of their cells. (row,)"""
    empty = np.zeros(len(rows), dtype=bool)
    if cells:
        places = list(cells)
        held = reported(rows)[places].tolist()
        empty[[row for row, count in zip(places, held, strict=True) if len(cells[row]) == count]] = True
    return empty


def without(rows: Rows, cells: Cells) -> Rows:
    """Rows without some of their cells, and without those that then hold nothing."""
    if not cells:
        return rows
    empty = emptied(rows, cells)
    if partly := {row: signals for row, signals in cells.items() if not empty[row]}:
        values, place = rows.values.copy(), {name: index for index, name in enumerate(rows.numbers)}
        codes = {name: words.codes.copy() for name, words in rows.texts.items()}
        for row, signals in partly.items():
            for signal in signals:
                if signal in place:
                    values[place[signal], row] = np.nan
                else:
                    codes[signal][row] = -1
        texts = {name: replace(words, codes=codes[name]) for name, words in rows.texts.items()}
        rows = replace(rows, values=values, texts=texts)
    return picked(rows, ~empty) if empty.any() else rows


def hashed(machines: Sequence[str], codes: NDArray[Any], observed: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number per row that is equal for equal keys, seldom for others. (row,)"""
    salts = np.array([hash(name) for name in machines], dtype=np.int64)
    with np.errstate(over="ignore"):
        found: NDArray[np.int64] = (observed * SPREAD) ^ salts[codes]
    return found


class _Form(NamedTuple):
    """Where everything is in tables of one schema."""

    place: Mapping[str, int]
    signals: frozenset[str]
    numbers: tuple[str, ...]
    matrix: list[int]
    """Where the numbers are."""
    plain: bool
    """Whether all of them are float64."""
    texts: tuple[tuple[str, int], ...]


@lru_cache(maxsize=SCHEMAS)
def _form(schema: Any, texts: tuple[str, ...] | None) -> _Form:
    """How tables of a schema become rows.

    Args:
        schema: Of the tables.
        texts: Signals that are text; None: those that are in the schema.
    """
    place = {name: index for index, name in enumerate(schema.names)}
    signals = [name for name in place if name not in NOT_SIGNALS]
    if texts is None:
        texts = tuple(name for name in signals if _is_text(schema.types[place[name]]))
    numbers = tuple(name for name in signals if name not in texts)
    return _Form(
        place=place,
        signals=frozenset(signals),
        numbers=numbers,
        matrix=[place[name] for name in numbers],
        plain=all(schema.types[place[name]] == pa.float64() for name in numbers),
        texts=tuple((name, place[name]) for name in texts if name in place),
    )


def _formed(table: Any, form: _Form) -> Rows:
    pieces = table.to_batches()
    (batch,) = pieces if len(pieces) == 1 else table.combine_chunks().to_batches()
    numbers, values = form.numbers, _matrix(batch, form)
    told = (values == values).any(axis=1)
    if not told.all():
        numbers, values = tuple(np.array(numbers, dtype=object)[told].tolist()), values[told]
    words = {name: batch.column(index) for name, index in form.texts}

    def array(name: str, kind: type[Any]) -> Any:
        if name not in form.place and name not in ALWAYS:
            return np.zeros(batch.num_rows, kind)
        return batch.column(form.place[name]).to_numpy(zero_copy_only=False).astype(kind, copy=False)

    return Rows(
        machine=_coded(batch.column(form.place["machine"])),
        observed=array("observed_at", np.int64),
        received=array("received_at", np.int64),
        quality=array("quality", np.uint8),
        message=array("message", np.int32),
        filter=array("filter", np.int16),
        numbers=numbers,
        values=values,
        texts={name: _coded(column) for name, column in words.items() if column.null_count < batch.num_rows},
    )


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind))


def _matrix(batch: Any, form: _Form) -> NDArray[np.float64]:
    """All numbers of a record batch, NaN for null. (number, row)"""
    if not form.matrix:
        return np.empty((0, batch.num_rows))
    if form.plain:  # all at once
        found: NDArray[np.float64] = batch.select(form.matrix).to_tensor(null_to_nan=True, row_major=False).to_numpy().T
        return found
    return np.stack([as_numbers(batch.column(place)) for place in form.matrix])


def _coded(column: Any) -> Words:
    array = as_text(column)
    indices = array.indices.fill_null(-1) if array.null_count else array.indices
    return Words(words=tuple(array.dictionary.to_pylist()), codes=indices.to_numpy(zero_copy_only=False))


def _column(words: Words) -> Any:
    none = words.codes < 0
    codes = pa.array(words.codes, mask=none if none.any() else None)
    return pa.DictionaryArray.from_arrays(codes, pa.array(words.words, pa.string()))


def _no_words(count: int) -> Words:
    return Words(words=(), codes=np.full(count, -1, dtype=np.int32))


def _joined_words(parts: Sequence[Words]) -> Words:
    words = parts[0].words
    if all(part.words == words for part in parts):
        return Words(words=words, codes=np.concatenate([part.codes for part in parts]))
    place = {word: index for index, word in enumerate(dict.fromkeys(word for part in parts for word in part.words))}
    codes = [np.array([*map(place.__getitem__, part.words), -1], dtype=np.int32)[part.codes] for part in parts]
    return Words(words=tuple(place), codes=np.concatenate(codes))
