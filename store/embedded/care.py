"""Looking after a store: damaged files found and set aside, counts, backup and restore."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from plant.clock import instant
from plant.errors import Unavailable
from store.embedded.layout import (
    ROLLUPS,
    found_path,
    hot_path,
    open_hot_to_read,
    reaching,
    segment_path,
    sync_folder,
    transaction,
)
from store.embedded.lock import WriterLock
from store.embedded.retention import Removed, removals, rolled_windows, set_rollups
from store.embedded.rolled_files import fault_of_rollup
from store.embedded.segments import Damaged, OpenSegment, Segment, checksum_of, manifest, retire

log = logging.getLogger(__name__)

ASIDE: Final = "damaged"
"""Folder of the files that were set aside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """A segment that cannot be read as it was written."""

    file: str
    rows: int
    start: datetime
    end: datetime
    """First and last `observed_at` that it held."""
    why: str
    set_aside: bool
    """Whether it is out of the manifest already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassCounts:
    """How much there is of a machine class."""

    machine_class: str
    hot_rows: int
    hot_bytes: int
    segments: int
    rows: int
    bytes: int
    rollup_bytes: int
    rolled_from: datetime | None
    """Since when there are rollups of readings that were let go; None: there are none."""
    start: datetime | None
    end: datetime | None


def set_aside(connection: sqlite3.Connection, folder: Path, segment: Segment, *, why: str, wall_us: int) -> None:
    """Take a damaged segment out of the manifest, keep its file in `damaged/`, and say so."""
    with transaction(connection):
        retire(connection, segment, wall_us=wall_us)
        connection.execute("DELETE FROM retired WHERE file = ?", (segment.file,))
        connection.execute(
            "INSERT OR REPLACE INTO damaged (file, class, row_count, start_us, end_us, why, found_us) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (segment.file, segment.machine_class, segment.rows, segment.start_us, segment.end_us, why, wall_us),
        )
    _move_aside(folder, segment.file)
    log.warning("segment_set_aside", extra={"file": segment.file, "rows": segment.rows, "why": why})


def set_all_aside(connection: sqlite3.Connection, folder: Path, *, wall_us: int) -> int:
    """Check every segment, and rollups that are all that is left, and set aside the damaged; returns how many."""
    found = 0
    for name in classes(connection):
        for window in rolled_windows(connection, name):
            damaged = [grain for grain in window.rollups if fault_of_rollup(folder, window, grain) is not None]
            for grain in damaged:
                _move_aside(folder, window.rollups[grain])
            if damaged:
                rest = {grain: file for grain, file in window.rollups.items() if grain not in damaged}
                with transaction(connection):
                    set_rollups(connection, window, rest, wall_us=wall_us)
            found += len(damaged)
        for segment in manifest(connection, name):
            if (why := fault_of(folder, segment)) is not None:
                set_aside(connection, folder, segment, why=why, wall_us=wall_us)
                found += 1
    return found


def examine(folder: Path) -> Iterator[Damage | None]:
    """Check every segment against its checksum and read it whole; None for a sound one. Changes nothing.

    Raises:
        Unavailable: there is no store.
    """
    with reaching(folder), closing(open_hot_to_read(folder)) as connection:
        for file, rows, low, high, why in connection.execute(
            "SELECT file, row_count, start_us, end_us, why FROM damaged ORDER BY file"
        ).fetchall():
            yield Damage(file=file, rows=rows, start=instant(low), end=instant(high), why=why, set_aside=True)
        for name in classes(connection):
            for window in rolled_windows(connection, name):
                for grain, file in window.rollups.items():
                    why = fault_of_rollup(folder, window, grain)
                    yield None if why is None else _damage(window, file, why)
            for segment in manifest(connection, name):
                why = fault_of(folder, segment)
                yield None if why is None else _damage(segment, segment.file, why)


def fault_of(folder: Path, segment: Segment) -> str | None:
    """What is wrong with a segment's file; None: nothing."""
    path = segment_path(folder, segment.file)
    try:
        if segment.checksum and path.exists() and checksum_of(path) != segment.checksum:
            return "its checksum is another than when it was written"
        with closing(OpenSegment(folder, segment)) as opened:
            rows = sum(len(table) for table in opened.rows(segment.ranges))
    except (Damaged, OSError) as error:
        return getattr(error, "why", str(error))
    return None if rows == segment.rows else f"it holds {rows} rows instead of {segment.rows}"


def classes(connection: sqlite3.Connection) -> list[str]:
    """The machine classes of which there is something."""
    rows = connection.execute(
        "SELECT class FROM segments UNION SELECT class FROM batches UNION SELECT class FROM rolled ORDER BY 1"
    )
    return [name for (name,) in rows]


def counts(folder: Path) -> list[ClassCounts]:
    """How much there is of each class."""
    with reaching(folder), closing(open_hot_to_read(folder)) as connection:
        return [_counts_of(connection, folder, name) for name in classes(connection)]


def removed(folder: Path, *, limit: int = 20) -> list[Removed]:
    """What was deleted, let go or pruned, newest first."""
    with reaching(folder), closing(open_hot_to_read(folder)) as connection:
        return removals(connection, limit=limit)


def back_up(folder: Path, target: Path) -> int:
    """Copy a store as it is at one instant, while it is written; segments as hard links where the disk allows it.

    Args:
        folder: The store.
        target: A folder that is not there yet or is empty.

    Returns:
        How many files were linked or copied, beside the database.

    Raises:
        Unavailable: there is no store, or the target cannot be used.
    """
    with reaching(target):
        if target.exists() and any(target.iterdir()):
            raise Unavailable(f"{target} is not empty. Give a folder of its own for each backup.")
        draft = target.with_name(target.name + ".unfinished")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
    with reaching(folder):
        with closing(open_hot_to_read(folder)) as source, closing(sqlite3.connect(draft / "hot.db")) as copy:
            source.backup(copy)
            # files of this instant are still there: they are kept for a while after they leave the manifest
            files = _files(copy)
            copy.execute("DELETE FROM retired")
            copy.commit()
        for file in files:
            place = segment_path(draft, file)
            _folder_of(draft, file).mkdir(parents=True, exist_ok=True)
            _link(found_path(folder, file), place)
        if (records := folder / "records.db").exists():
            _copy_database(records, draft / "records.db")
        if target.exists():
            target.rmdir()
        draft.replace(target)
        sync_folder(target.parent)
    return len(files)


def restore(backup: Path, folder: Path) -> int:
    """Put a backup where there is no store yet; returns how many files were linked or copied.

    Raises:
        Unavailable: the backup has no store, or the folder already has one.
    """
    if hot_path(folder).exists() or (folder / "records.db").exists():
        raise Unavailable(
            f"There is a store at {folder} already. Move it away first (`mv {folder} {folder}.before`); "
            "nothing was changed."
        )
    lock = WriterLock(folder)
    try:
        with reaching(folder), closing(open_hot_to_read(backup)) as source:
            files = _files(source)
            (folder / "segments").mkdir(parents=True, exist_ok=True)
            for file in files:
                _folder_of(folder, file).mkdir(parents=True, exist_ok=True)
                _link(segment_path(backup, file), segment_path(folder, file))
            if (backup / "records.db").exists():
                shutil.copy2(backup / "records.db", folder / "records.db")
            with closing(sqlite3.connect(folder / "hot.db.new")) as copy:
                source.backup(copy)
            (folder / "hot.db.new").replace(hot_path(folder))  # last: until then there is no store
            sync_folder(folder)
    finally:
        lock.release()
    return len(files)


def _files(connection: sqlite3.Connection) -> list[str]:
    """All that the manifest names: segments and rollups."""
    names = classes(connection)
    files = [file for name in names for s in manifest(connection, name) for file in (s.file, *s.rollups.values())]
    return files + [file for name in names for w in rolled_windows(connection, name) for file in w.rollups.values()]


def _damage(segment: Segment, file: str, why: str) -> Damage:
    start, end = instant(segment.start_us), instant(segment.end_us)
    return Damage(file=file, rows=segment.rows, start=start, end=end, why=why, set_aside=False)


def _move_aside(folder: Path, file: str) -> None:
    target = folder / ASIDE / file.removeprefix("../")
    target.parent.mkdir(parents=True, exist_ok=True)
    if (path := segment_path(folder, file)).exists():
        path.replace(target)


def _counts_of(connection: sqlite3.Connection, folder: Path, name: str) -> ClassCounts:
    hot_rows, hot_bytes, hot_low, hot_high = connection.execute(
        "SELECT COALESCE(SUM(row_count), 0), COALESCE(SUM(LENGTH(body)), 0), MIN(start_us), MAX(end_us) "
        "FROM batches WHERE class = ?",
        (name,),
    ).fetchone()
    segments = manifest(connection, name)
    starts = [segment.start_us for segment in segments] + ([] if hot_low is None else [hot_low])
    ends = [segment.end_us for segment in segments] + ([] if hot_high is None else [hot_high])
    rolled = rolled_windows(connection, name)
    rollups = [segment_path(folder, file) for segment in (*segments, *rolled) for file in segment.rollups.values()]
    return ClassCounts(
        machine_class=name,
        hot_rows=hot_rows,
        hot_bytes=hot_bytes,
        segments=len(segments),
        rows=sum(segment.rows for segment in segments),
        bytes=sum(segment.bytes for segment in segments),
        rollup_bytes=sum(path.stat().st_size for path in rollups if path.exists()),
        rolled_from=instant(rolled[0].start_us) if rolled else None,
        start=instant(min(starts)) if starts else None,
        end=instant(max(ends)) if ends else None,
    )


def _folder_of(folder: Path, file: str) -> Path:
    """Of a segment or rollup; `segments` itself is made too, since rollups are named from there."""
    (folder / "segments").mkdir(parents=True, exist_ok=True)
    if file.startswith(ROLLUPS):
        return folder / "rollups" / file.removeprefix(ROLLUPS).rsplit("/", 1)[0]
    return segment_path(folder, file).parent


def _copy_database(path: Path, target: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
