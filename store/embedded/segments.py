"""Sealed readings: Parquet files, a row group per machine or few of them, and their rows in the manifest."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plant.clock import instant
from store.embedded.columns import KEYS, machine_codes, together
from store.embedded.layout import class_folder, found_path, segment_path, sync_folder
from store.embedded.packing import Packing, encodings
from store.embedded.rows import Rows, picked, rows_of

ROW_GROUP_ROWS: Final = {Packing.QUICK: 7_200, Packing.SMALL: 21_600}
"""Rows of one machine in a row group: 2 h at 1 Hz of what is looked at often, then 6 h.

Fewer are less to decode for a short look back, more are smaller: 86,400, a whole day, took 4 % off a day's file and
made a look back of 10 minutes into it four times as dear; 7,200 would add 3 % to it."""
GROUP_ROWS_AT_LEAST: Final = 5_000
"""Machines with fewer rows share a row group; each group costs as much as some thousand values."""

Ranges = Mapping[str, tuple[int, int]]
"""Machine to the first and last `observed_at` of its rows, both included [µs UTC]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A row of the manifest."""

    number: int
    machine_class: str
    file: str
    """Relative to `segments/`."""
    level: int
    """0: as sealed; then how far it was compacted, see `store.embedded.compaction`."""
    rows: int
    bytes: int
    start_us: int
    end_us: int
    """Last `observed_at`, included."""
    ranges: Ranges
    checksum: str = ""
    """BLAKE2b-128 of the file; empty: written before checksums were kept."""
    rollups: Mapping[int, str] = field(default_factory=dict)
    """Grain [s] to the file with its rollup, relative to `segments/`; none before it was compacted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A file that is durable and that no manifest names yet."""

    file: str
    rows: int
    bytes: int
    received_us: int
    ranges: Ranges
    checksum: str


class Damaged(Exception):  # noqa: N818 - what it is called in every message
    """A file that the manifest names cannot be read."""

    def __init__(self, segment: Segment, why: str, *, file: str | None = None) -> None:
        """Name it.

        Args:
            segment: It belongs to.
            why: What is wrong.
            file: When it is not the segment's own: a rollup.
        """
        self.segment, self.why, self.file = segment, why, file or segment.file
        super().__init__(f"{self.file}: {why}")


class Gone(Damaged):
    """It is not there: deleted by hand, or by compaction while somebody was reading."""


def manifest(
    connection: sqlite3.Connection,
    machine_class: str,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
) -> list[Segment]:
    """The segments of a class that touch [start, end), in the order in which they were written."""
    rows = connection.execute(
        "SELECT id, class, file, level, row_count, byte_count, start_us, end_us, ranges, checksum, rollups "
        "FROM segments WHERE class = ?1 AND (?2 IS NULL OR end_us >= ?2) AND (?3 IS NULL OR start_us < ?3) ORDER BY id",
        (machine_class, start_us, end_us),
    )
    return [
        Segment(
            number=row[0],
            machine_class=row[1],
            file=row[2],
            level=row[3],
            rows=row[4],
            bytes=row[5],
            start_us=row[6],
            end_us=row[7],
            ranges={machine: (low, high) for machine, (low, high) in json.loads(row[8]).items()},
            checksum=row[9],
            rollups={int(grain): file for grain, file in (json.loads(row[10]) or {}).items()},
        )
        for row in rows
    ]


def machine_slices(table: Any) -> list[tuple[str, int, int]]:
    """Machine, first row and end row of each machine in a table sorted by machine."""
    if len(table) == 0:
        return []
    codes, names = machine_codes(table)
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return [(names[codes[low]], low, high) for low, high in pairwise(bounds)]


def file_name(machine_class: str, *, start_us: int, number: int) -> str:
    """Of a new segment, e.g. `press/20261122T160000-17.parquet`."""
    return f"{class_folder(machine_class)}/{instant(start_us):%Y%m%dT%H%M%S}-{number}.parquet"


class SegmentFile:
    """A segment being written, machine after machine."""

    def __init__(
        self, folder: Path, file: str, probe: Any, *, schema: Any | None = None, packing: Packing = Packing.QUICK
    ) -> None:
        """Begin a file.

        Args:
            folder: Of the store.
            file: Its name.
            probe: Some of its rows, from which the encodings are chosen.
            schema: Its columns; None: those of the probe.
            packing: Whether it stays.
        """
        self._file, self._path = file, segment_path(folder, file)
        if not self._path.parent.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(self._path.parent.parent)
        self._rows, self._received_us, self._ranges = 0, 0, dict[str, tuple[int, int]]()
        self._waiting: list[Any] = []
        self._waiting_rows = 0
        self._group_rows = ROW_GROUP_ROWS[packing]
        self._sink = self._path.open("wb")
        self._schema = probe.schema if schema is None else schema
        self._writer = pq.ParquetWriter(
            self._sink, self._schema, write_page_checksum=True, **encodings(probe, packing=packing)
        )

    def add(self, table: Any) -> None:
        """Sorted rows of machines that come after those before."""
        observed, begin = table["observed_at"].to_numpy(), 0
        for machine, low, high in machine_slices(table):
            before = self._ranges.get(machine, (int(observed[low]), 0))
            self._ranges[machine] = (before[0], int(observed[high - 1]))
            if self._waiting_rows + high - begin >= GROUP_ROWS_AT_LEAST:
                self._wait(table.slice(begin, high - begin))
                self._flush()
                begin = high
        self._wait(table.slice(begin))
        self._rows += len(table)
        self._received_us = max(self._received_us, int(table["received_at"].to_numpy().max()))

    def close(self) -> Written:
        """Make it durable."""
        self._flush()
        self._writer.close()
        self._sink.flush()
        os.fsync(self._sink.fileno())
        self._sink.close()
        sync_folder(self._path.parent)
        return Written(
            file=self._file,
            rows=self._rows,
            bytes=self._path.stat().st_size,
            received_us=self._received_us,
            ranges=self._ranges,
            checksum=checksum_of(self._path),
        )

    def abandon(self) -> None:
        """Leave nothing behind."""
        with suppress(pa.ArrowException, OSError):  # closed first: else it would write its end later, as garbage
            self._writer.close()
        self._sink.close()
        self._path.unlink(missing_ok=True)

    def _wait(self, rows: Any) -> None:
        self._waiting.append(rows if rows.schema.equals(self._schema) else in_columns(rows, self._schema))
        self._waiting_rows += len(rows)

    def _flush(self) -> None:
        if self._waiting_rows:
            table = self._waiting[0] if len(self._waiting) == 1 else together(self._waiting)
            self._writer.write_table(table, row_group_size=self._group_rows)
            self._waiting, self._waiting_rows = [], 0


def write_segment(folder: Path, table: Any, *, machine_class: str, number: int) -> Written:
    """Write a sorted table durably as a file that no manifest names yet."""
    file = file_name(machine_class, start_us=int(table["observed_at"].to_numpy().min()), number=number)
    target = SegmentFile(folder, file, table, schema=table.schema)
    target.add(table)
    return target.close()


def checksum_of(path: Path) -> str:
    """BLAKE2b-128 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def enter(
    connection: sqlite3.Connection,
    written: Written,
    *,
    number: int,
    machine_class: str,
    level: int,
    rollups: Mapping[int, str] | None = None,
    revisions: int = 0,
) -> None:
    """Add a written segment to the manifest; `revisions` is how many of its rows were overwritten by later ones."""
    connection.execute(
        "INSERT INTO segments (id, class, file, level, row_count, byte_count, start_us, end_us, received_us, ranges, "
        "checksum, rollups, revisions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            machine_class,
            written.file,
            level,
            written.rows,
            written.bytes,
            min(low for low, _ in written.ranges.values()),
            max(high for _, high in written.ranges.values()),
            written.received_us,
            json.dumps(written.ranges),
            written.checksum,
            json.dumps(dict(rollups or {})),
            revisions,
        ),
    )


def retire(connection: sqlite3.Connection, segment: Segment, *, wall_us: int) -> None:
    """Take a segment out of the manifest; its files go later, when no reader can still want them."""
    connection.execute("DELETE FROM segments WHERE id = ?", (segment.number,))
    connection.executemany(
        "INSERT OR REPLACE INTO retired (file, left_us) VALUES (?, ?)",
        [(file, wall_us) for file in (segment.file, *segment.rollups.values())],
    )


def in_columns(table: Any, schema: Any) -> Any:
    """The table with exactly the columns of a schema; what it lacks is null."""
    there = set(table.column_names)
    return pa.table(
        [
            table[part.name].combine_chunks().cast(part.type) if part.name in there else pa.nulls(len(table), part.type)
            for part in schema
        ],
        schema=schema,
    )


class OpenSegment:
    """A segment's file, opened once for many looks."""

    def __init__(self, folder: Path, segment: Segment) -> None:
        """Open it; Gone when it is not there, Damaged when it is no whole Parquet file."""
        self.segment = segment
        self._held: tuple[int, Rows | None, dict[str, tuple[int, int]]] = (-1, None, {})
        path = found_path(folder, segment.file)
        with reading(segment):
            self._file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
            self.schema = self._file.schema_arrow
            groups = (self._file.metadata.row_group(index) for index in range(self._file.metadata.num_row_groups))
            self._groups = [_group_of(group) for group in groups]

    def rows(self, ranges: Ranges, signals: frozenset[str] | None = None) -> list[Any]:
        """The row groups that may hold rows of these machines and times, both ends included."""
        if not (groups := self._touched(ranges)):
            return []
        names = [name for name in self.schema.names if name in KEYS or signals is None or name in signals]
        with reading(self.segment):
            return [self._file.read_row_groups(groups, columns=names, use_threads=False)]

    def alike(self, ranges: Ranges, fits: Callable[[Any], Any]) -> Any:
        """The rows whose keys fit, all columns; the others of a row group are looked at by key only.

        Args:
            ranges: Machines and times, both ends included, that may hold any.
            fits: Of `machine` and `observed_at`, which rows.
        """
        parts = [self.schema.empty_table()]
        for index in self._touched(ranges):
            with reading(self.segment):
                keys = self._file.read_row_group(index, columns=["machine", "observed_at"], use_threads=False)
            if (found := np.flatnonzero(fits(keys))).size:
                parts.append(self._group(index).take(pa.array(found)))
        return together(parts)

    def rows_of(self, machine: str, start_us: int, end_us: int) -> list[Rows]:
        """Row groups, or parts of them, with a machine's rows that may be in [start, end).

        Cheap when machines are asked for in order: a group that several share is decoded once.
        """
        parts = []
        for index, (first, last, low, high) in enumerate(self._groups):
            if first <= machine <= last and _touch((start_us, end_us - 1), (low, high)):
                if first == last:
                    parts.append(rows_of(self._group(index)))
                    continue
                if self._held[0] != index:
                    table = self._group(index)
                    places = {name: (begin, end) for name, begin, end in machine_slices(table)}
                    self._held = (index, rows_of(table), places)
                _, held, places = self._held
                if held is not None and machine in places:
                    parts.append(picked(held, slice(*places[machine])))
        return parts

    def _touched(self, ranges: Ranges) -> list[int]:
        """Row groups that may hold rows of these machines and times."""
        return [
            index
            for index, (first, last, low, high) in enumerate(self._groups)
            if any(first <= machine <= last and _touch(span, (low, high)) for machine, span in ranges.items())
        ]

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def _group(self, index: int) -> Any:
        with reading(self.segment):
            return self._file.read_row_group(index, use_threads=False)


def read_segment(
    folder: Path,
    segment: Segment,
    *,
    ranges: Ranges,
    signals: frozenset[str] | None = None,
) -> list[Any]:
    """The row groups of a segment that may hold rows of these machines and times (both ends included)."""
    if not any(m in segment.ranges and _touch(span, segment.ranges[m]) for m, span in ranges.items()):
        return []
    with closing(OpenSegment(folder, segment)) as opened:
        return opened.rows(ranges, signals)


def read_whole(folder: Path, segments: list[Segment]) -> Any:
    """All rows of some segments, in the order in which they were written."""
    everything = [read_segment(folder, segment, ranges=segment.ranges) for segment in segments]
    return together([table for tables in everything for table in tables])


def _touch(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _group_of(group: Any) -> tuple[str, str, int, int]:
    """First and last machine and `observed_at`, by the statistics of a row group's first two columns."""
    machine, observed = group.column(0).statistics, group.column(1).statistics
    return machine.min, machine.max, observed.min, observed.max


@contextmanager
def reading(segment: Segment, *, file: str | None = None) -> Iterator[None]:
    """Turn what a file throws that cannot be read into Damaged."""
    try:
        yield
    except FileNotFoundError as error:
        raise Gone(segment, "the file is gone", file=file) from error
    except (pa.ArrowException, OSError) as error:
        raise Damaged(segment, str(error).split("\n", maxsplit=1)[0], file=file) from error
