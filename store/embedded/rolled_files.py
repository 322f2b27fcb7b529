"""Rollup files: written by compaction; where readings are gone, checked, and written again without what is deleted."""

import os
import sqlite3
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.embedded.columns import machine_codes
from store.embedded.layout import ROLLUPS, found_path, segment_path, sync_folder, transaction
from store.embedded.packing import rollup_encodings
from store.embedded.retention import Deletion, rolled_windows, set_rollups
from store.embedded.rollups import Rolled, table_of
from store.embedded.segments import Segment, in_columns, reading

US_PER_S: Final = 1_000_000
ROLLUP_ROWS: Final = 20_000
"""Rows of a row group of a rollup; several machines share one."""


class RollupFile:
    """A rollup being written; a row group holds the grains of several machines."""

    def __init__(self, folder: Path, file: str, grain_s: int) -> None:
        self.file, self.grain_s = file, grain_s
        self._path = segment_path(folder, file)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._waiting: list[tuple[str, Rolled]] = []
        self._writer: Any | None = None

    def add(self, machine: str, found: Rolled) -> None:
        """A machine's grains."""
        self._waiting.append((machine, found))
        if sum(len(each.at) for _, each in self._waiting) >= ROLLUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Make it durable."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
            sync_folder(self._path.parent)

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            self._writer.close()
        self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = table_of(self._waiting)
        self._waiting = []
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path, table.schema, write_page_checksum=True, **rollup_encodings(table)
            )
        self._writer.write_table(in_columns(table, self._writer.schema))


def rollup_file(file: str, grain_s: int) -> str:
    """Where the rollup of a segment is.

    >>> rollup_file("press/20261122T160000-17-6h.parquet", 60)
    '../rollups/press/20261122T160000-17-6h.60s.parquet'
    """
    return f"{ROLLUPS}{file.removesuffix('.parquet')}.{grain_s}s.parquet"


def delete_rolled(
    connection: sqlite3.Connection, folder: Path, machine_class: str, deletion: Deletion, *, wall_us: int
) -> None:
    """Take a machine's grains that touch a deleted range out of the rollups that outlive their readings."""
    windows = rolled_windows(connection, machine_class, start_us=deletion.start_us, end_us=deletion.end_us)
    for window in windows:
        files = {grain: _without(folder, window, grain, deletion, wall_us=wall_us) for grain in window.rollups}
        with transaction(connection):
            set_rollups(connection, window, files, wall_us=wall_us)


def fault_of_rollup(folder: Path, window: Segment, grain_s: int) -> str | None:
    """What is wrong with a rollup's file; None: nothing."""
    path = found_path(folder, window.rollups[grain_s])
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        return str(error).split("\n", maxsplit=1)[0]
    return None


def _without(folder: Path, window: Segment, grain_s: int, deletion: Deletion, *, wall_us: int) -> str:
    name = window.rollups[grain_s]
    with reading(window, file=name), pq.ParquetFile(found_path(folder, name), memory_map=True) as file:
        table = file.read(use_threads=False)
    codes, machines = machine_codes(table)
    at = table["step_at"].to_numpy()
    touched = (at < deletion.end_us) & (at + grain_s * US_PER_S > deletion.start_us)
    kept = ~(touched & (np.array(machines, dtype=object)[codes] == deletion.machine))
    if kept.all():
        return name
    stem, grain = name.removesuffix(".parquet").rsplit(".", 1)
    other = f"{stem}-{wall_us}.{grain}.parquet"
    _write(segment_path(folder, other), table.filter(pa.array(kept)))
    return other


def _write(path: Path, table: Any) -> None:
    pq.write_table(table, path, write_page_checksum=True, **rollup_encodings(table))
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)
