"""The folder of an embedded store: `hot.db`, `segments/<class>/*.parquet`, and how both are opened.

Source: SQLite "Write-Ahead Logging", "PRAGMA synchronous": in WAL mode FULL syncs the log at each commit, so that a
committed batch survives a power cut.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyarrow as pa

from plant.errors import Unavailable
from store.embedded.migration import from_format_1, from_format_2, from_format_3

FORMAT: Final = 5
"""`PRAGMA user_version` of hot.db. 2: checksums, rollups, last values by class, bodies under one lz4 block.
3: what is in flight and what samples came are counted by themselves. 4: rollups that outlive their readings, what was
let go or deleted, durations in rollups. 5: bodies of batches hold rows in few arrays."""

WINDOW_US: Final = 6 * 3_600_000_000
"""Sealed files never cross a border of such windows of `observed_at`, which compaction makes one file each [µs]."""
DAY_US: Final = 4 * WINDOW_US
UNIT_OF: Final = {0: WINDOW_US, 1: WINDOW_US, 2: DAY_US}
"""Length of the window of a segment's level [µs]."""
CHECKPOINT_PAGES: Final = 4_000
"""The log is copied into hot.db at 16 MB: most of it is sealed by then and never copied."""
ROLLUPS: Final = "../rollups/"
"""Where rollups are, relative to `segments/`: beside it, so that `segments/<class>/*.parquet` are readings only."""

TABLES: Final = """
CREATE TABLE batches (            -- readings not sealed yet: one row per batch and machine class
  id INTEGER PRIMARY KEY AUTOINCREMENT, class TEXT NOT NULL, run TEXT NOT NULL, filters TEXT NOT NULL,
  row_count INTEGER NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX batches_by_class ON batches (class, id, row_count, start_us, end_us);
CREATE TABLE segments (           -- the manifest: a file counts only while it is in here
  id INTEGER PRIMARY KEY AUTOINCREMENT, class TEXT NOT NULL, file TEXT NOT NULL UNIQUE, level INTEGER NOT NULL,
  row_count INTEGER NOT NULL, byte_count INTEGER NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL,
  received_us INTEGER NOT NULL, ranges TEXT NOT NULL, checksum TEXT NOT NULL DEFAULT '',
  rollups TEXT NOT NULL DEFAULT '{}', revisions INTEGER NOT NULL DEFAULT 0);
CREATE TABLE rolled (             -- rollups of a window whose readings were let go
  id INTEGER PRIMARY KEY, class TEXT NOT NULL, level INTEGER NOT NULL, start_us INTEGER NOT NULL,
  end_us INTEGER NOT NULL, rollups TEXT NOT NULL);
CREATE TABLE removals (           -- what was deleted, let go or pruned
  id INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, what TEXT NOT NULL, class TEXT NOT NULL,
  machine TEXT NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, row_count INTEGER NOT NULL,
  byte_count INTEGER NOT NULL);
CREATE TABLE retired (file TEXT PRIMARY KEY, left_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, started_us INTEGER NOT NULL, ended_us INTEGER);
CREATE TABLE counts (             -- the ledger: messages, in the last four samples
  run TEXT NOT NULL, filter TEXT NOT NULL, received INTEGER NOT NULL DEFAULT 0, stored INTEGER NOT NULL DEFAULT 0,
  duplicate INTEGER NOT NULL DEFAULT 0, quarantined INTEGER NOT NULL DEFAULT 0,
  in_flight INTEGER NOT NULL DEFAULT 0, abandoned INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,
  samples_received INTEGER NOT NULL DEFAULT 0,
  samples_stored INTEGER NOT NULL DEFAULT 0, samples_duplicate INTEGER NOT NULL DEFAULT 0,
  samples_quarantined INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run, filter));
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, filter TEXT NOT NULL, topic TEXT NOT NULL,
  payload BLOB NOT NULL, received_us INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
  samples INTEGER NOT NULL);
CREATE TABLE newest (class TEXT PRIMARY KEY, body BLOB NOT NULL);   -- last values
CREATE TABLE damaged (            -- segments that were set aside, with the reason
  file TEXT PRIMARY KEY, class TEXT NOT NULL, row_count INTEGER NOT NULL, start_us INTEGER NOT NULL,
  end_us INTEGER NOT NULL, why TEXT NOT NULL, found_us INTEGER NOT NULL);
"""


def hot_path(folder: Path) -> Path:
    """The database with everything that is not sealed."""
    return folder / "hot.db"


def segment_path(folder: Path, file: str) -> Path:
    """A segment by its name in the manifest, e.g. `press/20261122T160000-17.parquet`."""
    return folder / "segments" / file


def retired_path(folder: Path, file: str) -> Path:
    """Where a file waits that left the manifest: out of the way of who reads `segments/` as plain Parquet."""
    return folder / "retired" / file.removeprefix("../")


def found_path(folder: Path, file: str) -> Path:
    """Where a segment or rollup is now, for readers of a view in which it still counts."""
    path = segment_path(folder, file)
    return path if path.exists() or not (waiting := retired_path(folder, file)).exists() else waiting


def class_folder(machine_class: str) -> str:
    """A class name that every file system takes.

    >>> class_folder("press/big")
    'press%2Fbig'
    """
    return quote(machine_class, safe="")


def open_hot(folder: Path) -> sqlite3.Connection:
    """The writer's connection; creates folder and tables when they are not there."""
    (folder / "segments").mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(hot_path(folder), isolation_level=None, check_same_thread=False, timeout=15.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=OFF")  # Debian's zeroes what is freed: sealed pages, written once more
        connection.execute(f"PRAGMA journal_size_limit={64 * 2**20}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        version = _checked_format(connection, folder)
        if version < FORMAT:
            with transaction(connection):
                if version == 0:
                    for statement in TABLES.split(";"):
                        connection.execute(statement)
                else:
                    if version == 1:
                        from_format_1(connection)
                    if version <= 2:
                        from_format_2(connection)
                    if version <= 3:
                        from_format_3(connection)
                connection.execute(f"PRAGMA user_version={FORMAT}")
        sync_folder(folder)
    except BaseException:
        connection.close()
        raise
    return connection


def open_hot_to_read(folder: Path) -> sqlite3.Connection:
    """A connection that cannot write; raises Unavailable when there is no store yet."""
    path = hot_path(folder)
    if not path.exists():
        raise Unavailable(f"There is no store at {folder} yet. Start `linewright ingest` (or `linewright run`) first.")
    connection = _connect_to_read(path)
    try:
        version = _checked_format(connection, folder)
        if version == 0:
            raise Unavailable(f"The store at {folder} is just being created. Try again in a moment.")
        if version < FORMAT:
            raise Unavailable(
                f"The store at {folder} is of format {version}; this version reads format {FORMAT}. "
                "`linewright ingest` (or `linewright run`) brings it over when it starts."
            )
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, durable on leaving."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reaching(folder: Path) -> Iterator[None]:
    """Turn what disk and database throw into Unavailable."""
    try:
        yield
    except (sqlite3.Error, OSError, pa.ArrowException) as error:
        raise Unavailable(
            f"Cannot use the store at {folder} ({error}). Is the folder there, writable and its disk not full? "
            "Nothing that was acknowledged is lost; unacknowledged messages stay with the broker."
        ) from error


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checked_format(connection: sqlite3.Connection, folder: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > FORMAT:
        raise Unavailable(
            f"The store at {folder} is of format {version}; this version reads up to {FORMAT}. "
            "Run the newer Linewright that wrote it."
        )
    return version


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """Without the right to write; on a read-only file system without a log, as a file that cannot change."""
    where = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        return sqlite3.connect(f"{where}&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    return connection
