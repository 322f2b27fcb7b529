"""What is let go of, and when: readings first, their rollups by minute and hour later; and the book of it.

Whole windows only. Before its readings go, a window is compacted, so that it has its rollups; these outlive it in
`rolled`. What comes for such a window afterwards is kept as readings until the next look, and is not in its rollups.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from plant.clock import instant
from store.embedded.layout import UNIT_OF, transaction
from store.embedded.rollups import GRAINS_S
from store.embedded.segments import Segment, manifest, retire
from store.settings import StoreSettings

DAY_S: Final = 86_400.0
NEVER: Final = -(2**63)


class Removal(StrEnum):
    """Why something is gone."""

    DELETED = "deleted"
    """By a person, by machine and time."""
    READINGS = "readings let go"
    """Older than `raw_days`; their rollups stay."""
    ROLLUPS = "rollups let go"
    """Older than `minute_days` or `hour_years`."""
    REVISIONS = "revisions pruned"
    """Overwritten values older than `revisions_days`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Instants before which something may go [µs UTC]; NEVER: nothing does."""

    raw_us: int = NEVER
    minute_us: int = NEVER
    hour_us: int = NEVER
    revisions_us: int = NEVER

    def of_grain(self, grain_s: int) -> int:
        """Of rollups of a grain."""
        return self.minute_us if grain_s < GRAINS_S[-1] else self.hour_us


KEEP: Final = Limits()


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """An entry of the book."""

    at: datetime
    what: Removal
    machine_class: str
    machine: str
    """Empty: all of the class."""
    start: datetime
    end: datetime
    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Deletion:
    """Rows of a machine in [start, end) to leave out for good [µs UTC]."""

    machine: str
    start_us: int
    end_us: int


def limits_at(settings: StoreSettings, *, now_us: int) -> Limits:
    """What may go at an instant of the plant's clock [µs UTC]."""

    def before(days: float | None) -> int:
        return NEVER if days is None else now_us - round(days * DAY_S * 1e6)

    return Limits(
        raw_us=before(settings.raw_days),
        minute_us=before(settings.minute_days),
        hour_us=before(None if settings.hour_years is None else settings.hour_years * 365.25),
        revisions_us=before(settings.revisions_days),
    )


def let_go(connection: sqlite3.Connection, machine_class: str, limits: Limits, *, at_us: int, wall_us: int) -> int:
    """Let go of the windows of a class that are older than the limits; returns how many files leave the manifest.

    Args:
        connection: Of the writer.
        machine_class: Whose.
        limits: As of now.
        at_us: Now, for the book [µs UTC, plant clock].
        wall_us: Now, for how long readers may still want the files [µs UTC].
    """
    old = [
        segment
        for segment in manifest(connection, machine_class, end_us=limits.raw_us)
        if segment.level and window_of(segment)[1] <= limits.raw_us
    ]
    if old:
        with transaction(connection):
            for segment in old:
                _let_readings_go(connection, segment, wall_us=wall_us)
            note(connection, Removal.READINGS, old, at_us=at_us)
    late = [
        (window, gone)
        for window in rolled_windows(connection, machine_class)
        if (gone := [grain for grain in window.rollups if window.end_us < limits.of_grain(grain)])
    ]
    if late:
        with transaction(connection):
            for window, gone in late:
                rest = {grain: file for grain, file in window.rollups.items() if grain not in gone}
                set_rollups(connection, window, rest, wall_us=wall_us)
            note(connection, Removal.ROLLUPS, [window for window, _ in late], at_us=at_us)
    return len(old) + sum(len(gone) for _, gone in late)


def rolled_windows(
    connection: sqlite3.Connection, machine_class: str, *, start_us: int | None = None, end_us: int | None = None
) -> list[Segment]:
    """The windows of a class in [start, end) of which there are only rollups, as segments without rows of their own."""
    rows = connection.execute(
        "SELECT id, level, start_us, end_us, rollups FROM rolled WHERE class = ?1 AND (?2 IS NULL OR end_us >= ?2) "
        "AND (?3 IS NULL OR start_us < ?3) ORDER BY start_us",
        (machine_class, start_us, end_us),
    )
    return [
        Segment(
            number=number,
            machine_class=machine_class,
            file="",
            level=level,
            rows=0,
            bytes=0,
            start_us=low,
            end_us=high,
            ranges={},
            rollups={int(grain): file for grain, file in json.loads(rollups).items()},
        )
        for number, level, low, high, rollups in rows
    ]


def set_rollups(connection: sqlite3.Connection, window: Segment, rollups: Mapping[int, str], *, wall_us: int) -> None:
    """Give a rolled window other rollups, or none, which ends it; files that it no longer names go."""
    if rollups:
        connection.execute("UPDATE rolled SET rollups = ? WHERE id = ?", (json.dumps(dict(rollups)), window.number))
    else:
        connection.execute("DELETE FROM rolled WHERE id = ?", (window.number,))
    gone = set(window.rollups.values()) - set(rollups.values())
    connection.executemany("INSERT OR REPLACE INTO retired (file, left_us) VALUES (?, ?)", [(f, wall_us) for f in gone])


def window_of(segment: Segment) -> tuple[int, int]:
    """Start and end of the window of a segment [µs UTC]."""
    unit = UNIT_OF[segment.level]
    return segment.start_us // unit * unit, segment.start_us // unit * unit + unit


def note(
    connection: sqlite3.Connection, what: Removal, segments: Sequence[Segment], *, at_us: int, machine: str = ""
) -> None:
    """Enter in the book what became of some segments."""
    if segments:
        low, high = min(s.start_us for s in segments), max(s.end_us for s in segments)
        rows, size = sum(s.rows for s in segments), sum(s.bytes for s in segments)
        enter(connection, what, segments[0].machine_class, machine, (low, high + 1), rows=rows, size=size, at_us=at_us)


def enter(
    connection: sqlite3.Connection,
    what: Removal,
    machine_class: str,
    machine: str,
    span: tuple[int, int],
    *,
    rows: int,
    size: int,
    at_us: int,
) -> None:
    """Add an entry to the book."""
    connection.execute(
        "INSERT INTO removals (at_us, what, class, machine, start_us, end_us, row_count, byte_count) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (at_us, what.value, machine_class, machine, *span, rows, size),
    )


def removals(connection: sqlite3.Connection, *, limit: int) -> list[Removed]:
    """The newest entries of the book, newest first."""
    rows = connection.execute(
        "SELECT at_us, what, class, machine, start_us, end_us, row_count, byte_count FROM removals "
        "ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return [
        Removed(
            at=instant(row[0]),
            what=Removal(row[1]),
            machine_class=row[2],
            machine=row[3],
            start=instant(row[4]),
            end=instant(row[5]),
            rows=row[6],
            bytes=row[7],
        )
        for row in rows
    ]


def _let_readings_go(connection: sqlite3.Connection, segment: Segment, *, wall_us: int) -> None:
    """Take a segment out of the manifest, but for its rollups, unless its window has some already."""
    start_us, end_us = window_of(segment)
    retire(connection, segment, wall_us=wall_us)
    if segment.rollups and not rolled_windows(connection, segment.machine_class, start_us=start_us, end_us=end_us):
        connection.executemany("DELETE FROM retired WHERE file = ?", [(file,) for file in segment.rollups.values()])
        connection.execute(
            "INSERT INTO rolled (class, level, start_us, end_us, rollups) VALUES (?, ?, ?, ?, ?)",
            (segment.machine_class, segment.level, start_us, end_us - 1, json.dumps(dict(segment.rollups))),
        )
