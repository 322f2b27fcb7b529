"""Last values as `hot.db` holds them, and how they are read from there.

Each batch that is committed holds its values durably. What is persisted says up to which batch it goes, and a reader
adds the hot batches since, which are few.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.signals import LastValue, Quality
from store.embedded.bodies import packed, unpacked, unpacked_rows
from store.embedded.columns import TEXT, ClassColumns, as_text
from store.embedded.newest import NEVER, Newest, nothing, places_of, take, values_of
from store.embedded.rows import Rows, joined

UP_TO: Final = b"up_to_batch"
"""In the metadata of what is persisted: the last batch it knows of."""


def stored(connection: sqlite3.Connection, machines: Sequence[str] | None) -> list[LastValue]:
    """The newest values that are committed, by machine and signal."""
    connection.execute("BEGIN")  # one view: between two, a sealed batch would be in neither
    try:
        persisted = dict(_bodies(connection))
        classes = connection.execute("SELECT DISTINCT class FROM batches")
        hot = {name: _since(connection, name, persisted.get(name)) for (name,) in classes.fetchall()}
    finally:
        connection.execute("COMMIT")
    found = [_newest_of(persisted.get(name), hot.get(name, [])) for name in sorted(persisted.keys() | hot.keys())]
    return chosen([value for newest in found for value in values_of(newest)], machines)


def persist(connection: sqlite3.Connection, changed: Iterable[tuple[str, Newest]]) -> None:
    """Write classes as they are after the batches that are in the database."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batches'").fetchone()
    up_to = {UP_TO: str(row[0] if row else 0).encode()}
    connection.executemany(
        "INSERT OR REPLACE INTO newest (class, body) VALUES (?, ?)",
        [(name, packed(_table_of(newest).replace_schema_metadata(up_to))) for name, newest in changed],
    )


def persisted_values(connection: sqlite3.Connection) -> list[LastValue]:
    """What is persisted, without the hot batches since; a signal may come twice, the later one counts."""
    return [value for _, table in _bodies(connection) for value in values_of(_newest_of(table, []))]


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


def chosen(values: list[LastValue], machines: Sequence[str] | None) -> list[LastValue]:
    """Each signal once, in order; of some machines or of all."""
    wanted = None if machines is None else {machine: place for place, machine in enumerate(machines)}
    newest = {(v.machine, v.signal): v for v in values if wanted is None or v.machine in wanted}
    if wanted is None:
        return [newest[key] for key in sorted(newest)]
    return [newest[key] for key in sorted(newest, key=lambda key: (wanted[key[0]], key[1]))]


def _bodies(connection: sqlite3.Connection) -> list[tuple[str, Any]]:
    """Oldest first: what an older format left, under no class, is overruled by the classes' own."""
    rows = connection.execute("SELECT class, body FROM newest ORDER BY class")
    return [(name, unpacked(body)) for name, body in rows]


def _since(connection: sqlite3.Connection, name: str, persisted: Any | None) -> list[Rows]:
    """The hot batches of a class that what is persisted does not know of, in order."""
    metadata = {} if persisted is None else persisted.schema.metadata or {}
    rows = connection.execute(
        "SELECT body FROM batches WHERE class = ? AND id > ? ORDER BY id", (name, int(metadata.get(UP_TO, 0)))
    )
    return [unpacked_rows(body) for (body,) in rows]


def _newest_of(persisted: Any | None, since: list[Rows]) -> Newest:
    """The arrays of a persisted table, and what some batches changed in them."""
    kinds: dict[str, bool] = {}  # whether a signal is text; the newest one says
    if persisted is not None:
        machines, machine = _decoded(persisted["machine"])
        signals, signal = _decoded(persisted["signal"])
        words, word = _decoded(persisted["text"])
        is_text = word >= 0
        kinds = dict(zip([signals[code] for code in signal], is_text.tolist(), strict=True))
    for rows in since:
        kinds |= dict.fromkeys(rows.numbers, False) | dict.fromkeys(rows.texts, True)
    numbers = tuple(name for name, text in kinds.items() if not text)
    texts = tuple(name for name, text in kinds.items() if text)
    newest = nothing(ClassColumns(name="", numbers=numbers, counters=frozenset(), texts=texts))
    if persisted is not None:
        row = places_of(newest, machines)[machine]
        place = {name: index for index, name in enumerate(newest.columns.signals)}
        places = [place.get(name, -1) for name in signals]  # not all that are named are reported
        column = np.array(places, dtype=np.int64)[signal]
        fits = is_text == (column >= len(numbers))
        row, column, is_text, word = row[fits], column[fits], is_text[fits], word[fits]
        observed, received = persisted["observed_at"].to_numpy()[fits], persisted["received_at"].to_numpy()[fits]
        newest.observed[row, column], newest.received[row, column] = observed, received
        number = persisted["number"].to_numpy()[fits]
        newest.numbers[row[~is_text], column[~is_text]] = number[~is_text]
        newest.texts[row[is_text], column[is_text] - len(numbers)] = np.array([*words, None], dtype=object)[
            word[is_text]
        ]
        if "stale" in persisted.column_names:
            stale = persisted["stale"].to_numpy()[fits]
            np.maximum.at(newest.stale, row[stale], received[stale])
    if any((rows.quality & np.uint8(Quality.STALE)).any() for rows in since):  # what came before such a row matters
        for rows in since:
            take(newest, rows)
    elif since:
        take(newest, joined(since))
    return newest


def _decoded(column: Any) -> tuple[list[str], NDArray[np.int64]]:
    """Words, and the index of each row's, -1 for none."""
    array = as_text(column)
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return array.dictionary.to_pylist(), codes


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
