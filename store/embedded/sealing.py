"""From hot rows to sealed segments.

A file is written and synced first; then ONE transaction enters it in the manifest and deletes the rows it replaces. A
crash before leaves an orphan that the next open removes, a crash after leaves nothing to do.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store.embedded import ledger
from store.embedded.columns import machine_codes
from store.embedded.hot import HotBatch, hot_batches
from store.embedded.keys import RecentKeys
from store.embedded.layout import ROLLUPS, WINDOW_US, retired_path, segment_path, transaction
from store.embedded.memory import give_back
from store.embedded.rows import Rows, emptied, hashed, in_order, joined, picked, rows_of, table_of, without
from store.embedded.segments import (
    OpenSegment,
    Ranges,
    Segment,
    Written,
    enter,
    manifest,
    read_whole,
    write_segment,
)

ROWS_PER_WINDOW: Final = 1_000
"""Fewer rows a window are not worth a file each."""
PORTION_ROWS: Final = 100_000
"""Sealed at a time, to whole batches: sorting and writing take some six times the memory of the rows."""
Moves = dict[tuple[str, str], tuple[int, int]]
"""By run and filter: messages that turned out duplicates as a whole, and duplicate samples."""


class Origin(NamedTuple):
    """Where the rows of a batch came from."""

    run: str
    filters: tuple[str, ...]


def seal_class(connection: sqlite3.Connection, folder: Path, machine_class: str) -> int:
    """Seal the whole hot part of a class, portion by portion; returns how many rows went into segments."""
    count = 0
    while batches := hot_batches(connection, machine_class, rows=PORTION_ROWS):
        count += _seal_portion(connection, folder, machine_class, batches)
        give_back()
    return count


def _seal_portion(connection: sqlite3.Connection, folder: Path, machine_class: str, batches: list[HotBatch]) -> int:
    last = batches[-1].number
    rows, moves = _new_rows(connection, folder, machine_class, batches)
    count, number = len(rows), next_number(connection)
    parts = _by_window(rows)
    del rows
    files: list[Written] = []
    while parts:
        table = table_of(parts.pop(0))
        files.append(write_segment(folder, table, machine_class=machine_class, number=number + len(files)))
        del table
    with transaction(connection):
        for index, file in enumerate(files):
            enter(connection, file, number=number + index, machine_class=machine_class, level=0)
        connection.execute("DELETE FROM batches WHERE class = ? AND id <= ?", (machine_class, last))
        for (run, name), (messages, samples) in moves.items():
            ledger.reclassify(connection, run, name, messages=messages, samples=samples)
    return count


def _new_rows(
    connection: sqlite3.Connection, folder: Path, machine_class: str, batches: list[HotBatch]
) -> tuple[Rows, Moves]:
    """What is new of some batches, sorted, and what moves in the ledger; the batches are used up, to save memory."""
    batch_of = np.repeat(np.arange(len(batches)), [len(batch.rows) for batch in batches])
    origins = [Origin(run=batch.run, filters=batch.filters) for batch in batches]
    hot = joined([batch.rows for batch in batches])
    batches.clear()
    known = _known_before(connection, folder, machine_class, hot)
    moves = _moves(origins, hot, batch_of, known)
    rows = without(hot, known)
    del hot
    return in_order(rows), moves


def unlink_retired(connection: sqlite3.Connection, folder: Path, *, before_us: int) -> int:
    """Delete files that left the manifest before an instant of wall time [µs], put others aside; returns how many."""
    rows = connection.execute("SELECT file, left_us FROM retired").fetchall()
    gone = [file for file, left_us in rows if left_us <= before_us]
    for file in gone:
        segment_path(folder, file).unlink(missing_ok=True)
        retired_path(folder, file).unlink(missing_ok=True)
    for file in {file for file, _ in rows} - set(gone):
        if (path := segment_path(folder, file)).exists():
            waiting = retired_path(folder, file)
            waiting.parent.mkdir(parents=True, exist_ok=True)
            path.replace(waiting)
    if gone:
        with transaction(connection):
            connection.executemany("DELETE FROM retired WHERE file = ?", [(file,) for file in gone])
    return len(gone)


def remove_orphans(connection: sqlite3.Connection, folder: Path) -> list[str]:
    """Delete files that neither the manifest nor the waiting list names: what a crash left half done."""
    named = {file for (file,) in connection.execute("SELECT file FROM segments UNION SELECT file FROM retired")}
    for (rollups,) in connection.execute("SELECT rollups FROM segments UNION ALL SELECT rollups FROM rolled"):
        named |= set((json.loads(rollups) or {}).values())
    found = {f"{path.parent.name}/{path.name}": path for path in segment_path(folder, "").glob("*/*.parquet")}
    found |= {f"{ROLLUPS}{path.parent.name}/{path.name}": path for path in segment_path(folder, ROLLUPS).glob("*/*.*")}
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


def _known_before(connection: sqlite3.Connection, folder: Path, machine_class: str, hot: Rows) -> dict[int, list[str]]:
    """Cells of the hot rows that sealed segments hold already: row to signals."""
    low, high = int(hot.observed.min()), int(hot.observed.max())
    if not (segments := manifest(connection, machine_class, start_us=low, end_us=high + 1)):
        return {}
    within = np.zeros(len(hot), dtype=bool)
    for segment in segments:
        within |= (hot.observed >= segment.start_us) & (hot.observed <= segment.end_us)
    if not within.any():
        return {}
    late = picked(hot, within)
    ranges = _ranges(late)
    wanted = np.sort(hashed(late.machine.words, late.machine.codes, late.observed))
    tables = [_alike(folder, segment, ranges, wanted) for segment in segments]
    if not any(len(table) for table in tables):
        return {}
    known = joined([rows_of(table) for table in tables if len(table)])
    known = picked(known, np.argsort(known.received, kind="stable"))
    keys = RecentKeys(window_rows=len(known))
    keys.add(known, keys.compare(known).merged)
    return keys.compare(hot).duplicates


def _ranges(rows: Rows) -> Ranges:
    """First and last `observed_at` of each machine."""
    codes, count = rows.machine.codes, len(rows.machine.words)
    low, high = np.full(count, 2**62), np.full(count, -(2**62))
    np.minimum.at(low, codes, rows.observed)
    np.maximum.at(high, codes, rows.observed)
    spans = zip(rows.machine.words, low.tolist(), high.tolist(), strict=True)
    return {machine: (first, last) for machine, first, last in spans if first <= last}


def _alike(folder: Path, segment: Segment, ranges: Ranges, wanted: NDArray[np.int64]) -> Any:
    """The rows of a segment whose keys may be among those wanted; only the row groups that have any are decoded."""

    def fits(keys: Any) -> Any:
        codes, names = machine_codes(keys)
        own = hashed(names, codes, keys["observed_at"].to_numpy())
        return wanted[np.minimum(np.searchsorted(wanted, own), len(wanted) - 1)] == own

    with closing(OpenSegment(folder, segment)) as opened:
        return opened.alike(ranges, fits)


def _by_window(rows: Rows) -> list[Rows]:
    """Sorted rows parted where compaction parts them, so that a file belongs to one window; few rows stay together."""
    window = rows.observed // WINDOW_US
    windows = np.unique(window)
    if len(windows) <= 1 or len(rows) < ROWS_PER_WINDOW * len(windows):
        return [rows] if len(rows) else []
    return [picked(rows, window == one) for one in windows]


def _moves(origins: list[Origin], hot: Rows, batch_of: NDArray[np.int64], known: dict[int, list[str]]) -> Moves:
    """By run and filter: messages that turned out duplicates as a whole, and duplicate samples."""
    if not known:
        return {}
    kept = ~emptied(hot, known)
    still = set(zip(batch_of[kept].tolist(), hot.message[kept].tolist(), strict=True))
    moves: Moves = {}
    gone: set[tuple[int, int]] = set()
    for row, signals in known.items():
        batch, message = int(batch_of[row]), int(hot.message[row])
        origin = (origins[batch].run, origins[batch].filters[hot.filter[row]])
        whole = message >= 0 and (batch, message) not in still and (batch, message) not in gone
        if whole:
            gone.add((batch, message))
        messages, samples = moves.get(origin, (0, 0))
        moves[origin] = (messages + whole, samples + len(signals))
    return moves
