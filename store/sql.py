"""SQL over an embedded store: DuckDB in memory, with a view per machine class over sealed files and hot rows.

It can read nothing but the files of the manifest, write nothing, and loads no extension. A view `press` has one row per
machine and instant, revisions resolved; `press_rows` has every row as it was received; `press_states` has a row per
report of a state with how long it held; `press_1min` and `press_1h` are the rollups, also of readings that were let go.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from plant.assets import Plant
from store.embedded.care import classes
from store.embedded.columns import KEYS, ClassColumns, columns_of
from store.embedded.hot import hot_batches
from store.embedded.layout import found_path, open_hot_to_read, reaching
from store.embedded.retention import rolled_windows
from store.embedded.rows import joined, table_of
from store.embedded.segments import manifest

SETTINGS: Final = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
ALLOWED: Final = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
ROWS_AT_ONCE: Final = 1_000
ROLLUP_VIEWS: Final = {60: "_1min", 3600: "_1h"}
"""Grain [s] to the ending of its view."""


class SqlError(ValueError):
    """The statement cannot be run; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Columns, and rows as they are computed."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def ask(folder: Path, statement: str, *, plant: Plant) -> Answer:
    """Run one SELECT over the store as it is now.

    Args:
        folder: Of the store.
        statement: In DuckDB's SQL.
        plant: For which signals are states, and how long these hold.

    Raises:
        SqlError: It is no single SELECT, or DuckDB refuses it.
        Unavailable: There is no store.
    """
    connection = duckdb.connect(":memory:")
    try:
        parsed = duckdb.extract_statements(statement)
        if len(parsed) != 1 or parsed[0].type not in ALLOWED:
            raise SqlError("One SELECT at a time (or EXPLAIN, DESCRIBE, SUMMARIZE, SHOW TABLES); nothing is written.")
        with reaching(folder):
            _show(connection, folder, plant)
        for setting in SETTINGS:
            connection.execute(setting)
        cursor = connection.execute(statement)
    except duckdb.Error as error:
        raise SqlError(str(error)) from error
    return Answer(columns=tuple(column[0] for column in cursor.description or ()), rows=_rows(cursor))


def _rows(cursor: Any) -> Iterator[tuple[Any, ...]]:
    try:
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield from rows
    except duckdb.Error as error:
        raise SqlError(str(error)) from error


def _show(connection: Any, folder: Path, plant: Plant) -> None:
    """Make the views of one consistent moment."""
    with closing(open_hot_to_read(folder)) as hot:
        hot.execute("BEGIN")
        paths: list[str] = []
        for name in classes(hot):
            files = [str(found_path(folder, segment.file)) for segment in manifest(hot, name)]
            sound = [file for file in files if Path(file).exists()]
            paths += sound
            batches = [batch.rows for batch in hot_batches(hot, name)]
            if sound or batches:
                _view(connection, name, files=sound, hot=_plain(table_of(joined(batches))) if batches else None)
                if name in plant.class_index:
                    _view_states(connection, name, columns=columns_of(plant.class_index[name]))
            for grain_s, ending in ROLLUP_VIEWS.items():
                paths += _view_rollups(connection, hot, folder, name, grain_s=grain_s, ending=ending)
        hot.execute("COMMIT")
    connection.execute(f"SET allowed_paths = [{', '.join(map(_text, paths))}]")


def _view(connection: Any, name: str, *, files: list[str], hot: Any | None) -> None:
    sources = []
    if files:
        sources.append(f"SELECT * FROM read_parquet([{', '.join(map(_text, files))}], union_by_name = true)")  # noqa: S608 - quoted
    if hot is not None:
        connection.register(f"{name}_hot", hot)
        sources.append(f"SELECT * FROM {_name(name + '_hot')}")  # noqa: S608 - quoted
    rows = " UNION ALL BY NAME ".join(sources)
    connection.execute(
        f'CREATE VIEW {_name(name + "_rows")} AS SELECT make_timestamp(observed_at) AS "time", * FROM ({rows})'  # noqa: S608 - quoted names
    )
    described = connection.execute(f"DESCRIBE {_name(name + '_rows')}").fetchall()
    signals = [column[0] for column in described if column[0] not in {"time", *KEYS}]
    newest = ", ".join(f"arg_max({_name(s)}, received_at) AS {_name(s)}" for s in signals)
    connection.execute(
        f'CREATE VIEW {_name(name)} AS SELECT machine, "time", observed_at, max(received_at) AS received_at, '  # noqa: S608 - quoted names
        f"arg_max(quality, received_at) AS quality{', ' + newest if newest else ''} FROM {_name(name + '_rows')} "
        'GROUP BY machine, "time", observed_at'
    )


def _view_states(connection: Any, name: str, *, columns: ClassColumns) -> None:
    """Each report of a state, and until when it held: the next one, or three periods of its signal."""
    described = connection.execute(f"DESCRIBE {_name(name)}").fetchall()
    there = [column[0] for column in described if column[0] in columns.states]
    parts = [
        f'SELECT machine, {_text(signal)} AS signal, {_name(signal)} AS state, "time" AS since, '  # noqa: S608 - quoted
        f'least(coalesce(lead("time") OVER (PARTITION BY machine ORDER BY "time"), \'infinity\'::TIMESTAMP), '
        f'"time" + INTERVAL {columns.hold_us[signal]} MICROSECOND) AS until '
        f"FROM {_name(name)} WHERE {_name(signal)} IS NOT NULL"
        for signal in there
    ]
    if parts:
        connection.execute(
            f"CREATE VIEW {_name(name + '_states')} AS SELECT *, epoch(until - since) AS seconds "  # noqa: S608 - quoted
            f"FROM ({' UNION ALL '.join(parts)})"
        )


def _view_rollups(
    connection: Any, hot: sqlite3.Connection, folder: Path, name: str, *, grain_s: int, ending: str
) -> list[str]:
    """A view of the rollups of a grain; returns its files."""
    segments = [*manifest(hot, name), *rolled_windows(hot, name)]
    found = [found_path(folder, segment.rollups[grain_s]) for segment in segments if grain_s in segment.rollups]
    files = [str(path) for path in found if path.exists()]
    if files:
        connection.execute(
            f"CREATE VIEW {_name(name + ending)} AS "  # noqa: S608 - quoted
            f'SELECT make_timestamp(step_at) AS "time", * FROM '
            f"read_parquet([{', '.join(map(_text, files))}], union_by_name = true)"
        )
    return files


def _plain(table: Any) -> Any:
    """With text for dictionaries, as the files' columns are seen."""
    fields = [pa.field(f.name, pa.string()) if pa.types.is_dictionary(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _name(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
