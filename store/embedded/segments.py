"""Sealed readings: Parquet files, one row group per machine, and their rows in the manifest.

Source: Apache Parquet format, "Encodings": BYTE_STREAM_SPLIT for noise and counters, dictionary for quantised values,
DELTA_BINARY_PACKED for times.
"""

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plant.clock import instant
from store.embedded.columns import KEYS, machine_codes, signals_in, together
from store.embedded.layout import class_folder, segment_path, sync_folder

ROW_GROUP_ROWS: Final = 20_000
DICTIONARY_BELOW: Final = 0.3
"""Ratio of distinct values below which a column is dictionary-encoded [0..1]."""
PROBE_ROWS: Final = 4_096

Ranges = Mapping[str, tuple[int, int]]
"""Machine to the first and last `observed_at` of its rows, both included [µs UTC]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A row of the manifest."""

    number: int
    machine_class: str
    file: str
    level: int
    """How often its rows were merged."""
    rows: int
    start_us: int
    end_us: int
    """Last `observed_at`, included."""
    ranges: Ranges


def manifest(
    connection: sqlite3.Connection,
    machine_class: str,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
) -> list[Segment]:
    """The segments of a class that touch [start, end), in the order in which they were written."""
    rows = connection.execute(
        "SELECT id, class, file, level, row_count, start_us, end_us, ranges FROM segments "
        "WHERE class = ?1 AND (?2 IS NULL OR end_us >= ?2) AND (?3 IS NULL OR start_us < ?3) ORDER BY id",
        (machine_class, start_us, end_us),
    )
    return [
        Segment(
            number=row[0],
            machine_class=row[1],
            file=row[2],
            level=row[3],
            rows=row[4],
            start_us=row[5],
            end_us=row[6],
            ranges={machine: (low, high) for machine, (low, high) in json.loads(row[7]).items()},
        )
        for row in rows
    ]


def ranges_of(table: Any) -> dict[str, tuple[int, int]]:
    """First and last `observed_at` of each machine in a table sorted by machine and time."""
    observed = table["observed_at"].to_numpy()
    return {machine: (int(observed[low]), int(observed[high - 1])) for machine, low, high in machine_slices(table)}


def machine_slices(table: Any) -> list[tuple[str, int, int]]:
    """Machine, first row and end row of each machine in a table sorted by machine."""
    if len(table) == 0:
        return []
    codes, names = machine_codes(table)
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return [(names[codes[low]], low, high) for low, high in pairwise(bounds)]


def in_order(table: Any) -> Any:
    """The table sorted by machine, `observed_at` and `received_at`; rows alike in these keep their order."""
    codes, names = machine_codes(table)
    rank = np.argsort(np.argsort(names, kind="stable"), kind="stable")
    order = np.lexsort((table["received_at"].to_numpy(), table["observed_at"].to_numpy(), rank[codes]))
    return table if (order[1:] > order[:-1]).all() else table.take(pa.array(order)).combine_chunks()


def write_segment(folder: Path, table: Any, *, machine_class: str, number: int) -> str:
    """Write a sorted table durably as a file that no manifest names yet; returns its name."""
    ranges = ranges_of(table)
    first = instant(min(low for low, _ in ranges.values()))
    file = f"{class_folder(machine_class)}/{first:%Y%m%dT%H%M%S}-{number}.parquet"
    path = segment_path(folder, file)
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        sync_folder(path.parent.parent)
    with path.open("wb") as sink:
        with pq.ParquetWriter(sink, table.schema, compression="zstd", **_encodings(table)) as writer:
            for _, low, high in machine_slices(table):
                writer.write_table(table.slice(low, high - low), row_group_size=ROW_GROUP_ROWS)
        sink.flush()
        os.fsync(sink.fileno())
    sync_folder(path.parent)
    return file


def enter(
    connection: sqlite3.Connection, table: Any, *, folder: Path, file: str, number: int, machine_class: str, level: int
) -> None:
    """Add a written segment to the manifest."""
    ranges = ranges_of(table)
    connection.execute(
        "INSERT INTO segments (id, class, file, level, row_count, byte_count, start_us, end_us, received_us, ranges) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            machine_class,
            file,
            level,
            len(table),
            segment_path(folder, file).stat().st_size,
            min(low for low, _ in ranges.values()),
            max(high for _, high in ranges.values()),
            int(table["received_at"].to_numpy().max()),
            json.dumps(ranges),
        ),
    )


def retire(connection: sqlite3.Connection, segment: Segment, *, wall_us: int) -> None:
    """Take a segment out of the manifest; its file goes later, when no reader can still want it."""
    connection.execute("DELETE FROM segments WHERE id = ?", (segment.number,))
    connection.execute("INSERT OR REPLACE INTO retired (file, left_us) VALUES (?, ?)", (segment.file, wall_us))


def read_segment(
    folder: Path,
    segment: Segment,
    *,
    ranges: Ranges,
    signals: frozenset[str] | None = None,
) -> list[Any]:
    """The row groups of a segment that may hold rows of these machines and times (both ends included)."""
    wanted = [m for m, (low, high) in ranges.items() if m in segment.ranges and _touch((low, high), segment.ranges[m])]
    if not wanted:
        return []
    chosen = {machine: ranges[machine] for machine in wanted}
    with pq.ParquetFile(segment_path(folder, segment.file), memory_map=True) as file:
        names = [n for n in file.schema_arrow.names if n in KEYS or signals is None or n in signals]
        count = file.metadata.num_row_groups
        groups = [index for index in range(count) if _group_touches(file.metadata.row_group(index), chosen)]
        return [file.read_row_groups(groups, columns=names, use_threads=False)] if groups else []


def read_whole(folder: Path, segments: list[Segment]) -> Any:
    """All rows of some segments, in the order in which they were written."""
    everything = [read_segment(folder, segment, ranges=segment.ranges) for segment in segments]
    return together([table for tables in everything for table in tables])


def _touch(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _group_touches(group: Any, ranges: Ranges) -> bool:
    """By the statistics of a row group, whose first columns are machine and `observed_at`."""
    machine, observed = group.column(0).statistics, group.column(1).statistics
    wanted = ranges.get(machine.min)
    return wanted is not None and _touch(wanted, (observed.min, observed.max))


def _encodings(table: Any) -> dict[str, Any]:
    """Which columns get a dictionary, and how the others are laid out, by their share of distinct values."""
    dictionary = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    other = {"observed_at": "DELTA_BINARY_PACKED", "received_at": "DELTA_BINARY_PACKED"}
    for name in signals_in(table):
        if name in dictionary:
            continue
        probe = table[name].slice(0, PROBE_ROWS).drop_null().to_numpy()
        if len(np.unique(probe)) <= DICTIONARY_BELOW * len(probe):
            dictionary.append(name)
        else:
            other[name] = "BYTE_STREAM_SPLIT"
    return {"use_dictionary": [*dictionary, "quality"], "column_encoding": other}
