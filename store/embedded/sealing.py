"""From hot rows to sealed segments, and from many small segments to few.

A file is written and synced first; then ONE transaction enters it in the manifest and deletes the rows it replaces. A
crash before leaves an orphan that the next open removes, a crash after leaves nothing to do.
"""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from store.embedded import ledger
from store.embedded.columns import ORIGIN, machine_codes, together, without
from store.embedded.hot import HotBatch, hot_batches
from store.embedded.keys import RecentKeys
from store.embedded.layout import segment_path, transaction
from store.embedded.segments import (
    Segment,
    enter,
    in_order,
    manifest,
    ranges_of,
    read_segment,
    read_whole,
    retire,
    write_segment,
)
from store.settings import StoreSettings


def seal_class(connection: sqlite3.Connection, folder: Path, machine_class: str) -> int:
    """Seal the whole hot part of a class; returns how many rows went into a segment."""
    batches = hot_batches(connection, machine_class)
    if not batches:
        return 0
    hot = together(
        [
            batch.table.append_column("batch", pa.array(np.full(len(batch.table), index, dtype=np.int32)))
            for index, batch in enumerate(batches)
        ]
    )
    kept = without(hot, known := _known_before(connection, folder, machine_class, hot))
    moves = _moves(batches, hot, kept, known)
    table = in_order(kept.drop_columns([*ORIGIN, "batch"]))
    number = next_number(connection)
    file = write_segment(folder, table, machine_class=machine_class, number=number) if len(table) else ""
    with transaction(connection):
        if file:
            enter(connection, table, folder=folder, file=file, number=number, machine_class=machine_class, level=0)
        connection.execute("DELETE FROM batches WHERE class = ? AND id <= ?", (machine_class, batches[-1].number))
        for (run, name), (messages, samples) in moves.items():
            ledger.reclassify(connection, run, name, messages=messages, samples=samples)
    return len(table)


def merge_class(
    connection: sqlite3.Connection, folder: Path, machine_class: str, *, settings: StoreSettings, wall_us: int
) -> int:
    """Merge segments of like size once there are enough of them; returns how many became one.

    The newest sealed segment is left out, so that opening finds the newest rows in a small file.
    """
    segments = manifest(connection, machine_class)
    newest = max((segment.number for segment in segments if segment.level == 0), default=-1)
    for level in sorted({segment.level for segment in segments}):
        alike = [
            segment
            for segment in segments
            if segment.level == level and segment.number != newest and segment.rows < settings.segment_rows
        ]
        chosen = _within(alike, settings.segment_rows)
        if len(alike) >= settings.merge_segments and len(chosen) > 1:
            _merge(connection, folder, machine_class, chosen, level=level + 1, wall_us=wall_us)
            return len(chosen)
    return 0


def unlink_retired(connection: sqlite3.Connection, folder: Path, *, before_us: int) -> int:
    """Delete files that left the manifest before an instant of wall time [µs]; returns how many."""
    files = [
        file for (file,) in connection.execute("SELECT file FROM retired WHERE left_us <= ?", (before_us,)).fetchall()
    ]
    for file in files:
        segment_path(folder, file).unlink(missing_ok=True)
    if files:
        with transaction(connection):
            connection.executemany("DELETE FROM retired WHERE file = ?", [(file,) for file in files])
    return len(files)


def remove_orphans(connection: sqlite3.Connection, folder: Path) -> list[str]:
    """Delete files that neither the manifest nor the waiting list names: what a crash left half done."""
    named = {file for (file,) in connection.execute("SELECT file FROM segments UNION SELECT file FROM retired")}
    found = {f"{path.parent.name}/{path.name}": path for path in segment_path(folder, "").glob("*/*.parquet")}
    orphans = sorted(set(found) - named)
    for file in orphans:
        found[file].unlink(missing_ok=True)
    return orphans


def newest_rows(connection: sqlite3.Connection, folder: Path, machine_class: str, *, rows: int) -> Any | None:
    """The rows received last of the newest sealed segment, in the order in which they were received."""
    newest = [segment for segment in manifest(connection, machine_class) if segment.level == 0]
    if not newest or rows == 0:
        return None
    table = read_whole(folder, newest[-1:])
    order = np.argsort(table["received_at"].to_numpy(), kind="stable")[-rows:]
    return table.take(pa.array(order)).combine_chunks()


def next_number(connection: sqlite3.Connection) -> int:
    """A number that no segment has had."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'segments'").fetchone()
    return 1 if row is None else int(row[0]) + 1


def _merge(
    connection: sqlite3.Connection,
    folder: Path,
    machine_class: str,
    segments: list[Segment],
    *,
    level: int,
    wall_us: int,
) -> None:
    table = in_order(read_whole(folder, segments))
    number = next_number(connection)
    file = write_segment(folder, table, machine_class=machine_class, number=number)
    with transaction(connection):
        enter(connection, table, folder=folder, file=file, number=number, machine_class=machine_class, level=level)
        for segment in segments:
            retire(connection, segment, wall_us=wall_us)


def _within(segments: list[Segment], rows: int) -> list[Segment]:
    """The oldest segments, as many as fit into so many rows, at least two."""
    chosen: list[Segment] = []
    for segment in sorted(segments, key=lambda segment: (segment.start_us, segment.number)):
        if len(chosen) >= 2 and sum(part.rows for part in chosen) + segment.rows > rows:
            break
        chosen.append(segment)
    return chosen


def _known_before(connection: sqlite3.Connection, folder: Path, machine_class: str, hot: Any) -> dict[int, list[str]]:
    """Cells of the hot rows that sealed segments hold already: row to signals."""
    ranges = ranges_of(in_order(hot.select(["machine", "observed_at", "received_at"])))
    low, high = min(start for start, _ in ranges.values()), max(end for _, end in ranges.values())
    segments = manifest(connection, machine_class, start_us=low, end_us=high + 1)
    overlapping = [table for segment in segments for table in read_segment(folder, segment, ranges=ranges)]
    if not overlapping:
        return {}
    sealed = together(overlapping)
    known = _rows_of(sealed, np.isin(_hashes(sealed), _hashes(hot)))
    if len(known) == 0:
        return {}
    known = known.take(pa.array(np.argsort(known["received_at"].to_numpy(), kind="stable"))).combine_chunks()
    keys = RecentKeys(window_rows=len(known))
    keys.add(known, keys.compare(known).merged)
    return keys.compare(hot).duplicates


def _moves(
    batches: list[HotBatch], hot: Any, kept: Any, known: dict[int, list[str]]
) -> dict[tuple[str, str], tuple[int, int]]:
    """By run and filter: messages that turned out duplicates as a whole, and duplicate samples."""
    if not known:
        return {}
    batch_of, filter_of = hot["batch"].to_numpy(), hot["filter"].to_numpy()
    message_of = hot["message"].to_numpy()
    still = set(zip(kept["batch"].to_pylist(), kept["message"].to_pylist(), strict=True))
    moves: dict[tuple[str, str], tuple[int, int]] = {}
    gone: set[tuple[int, int]] = set()
    for row, signals in known.items():
        batch, message = int(batch_of[row]), int(message_of[row])
        origin = (batches[batch].run, batches[batch].filters[filter_of[row]])
        whole = message >= 0 and (batch, message) not in still and (batch, message) not in gone
        if whole:
            gone.add((batch, message))
        messages, samples = moves.get(origin, (0, 0))
        moves[origin] = (messages + whole, samples + len(signals))
    return moves


def _rows_of(table: Any, mask: Any) -> Any:
    return table.filter(pa.array(mask)).combine_chunks()


def _hashes(table: Any) -> Any:
    """One number per key that is equal for equal keys, seldom for others; to find candidates in one pass."""
    codes, names = machine_codes(table)
    names_hash = np.array([hash(name) for name in names], dtype=np.int64)
    with np.errstate(over="ignore"):
        return table["observed_at"].to_numpy() * np.int64(0x9E3779B97F4A7C1) ^ names_hash[codes]
