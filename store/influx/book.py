"""What a mirror must remember: how far the server has confirmed, and what it refused. The file `mirror.db`."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plant.errors import Unavailable

FORMAT: Final = 1
TABLES: Final = """
CREATE TABLE sinks (        -- a line per server and bucket
  sink TEXT PRIMARY KEY, until_us INTEGER NOT NULL, sent INTEGER NOT NULL, refused INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE refused (      -- dead letters: lines that the server does not take
  id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, at_us INTEGER NOT NULL, line TEXT NOT NULL,
  reason TEXT NOT NULL);
"""
REFUSED_KEPT: Final = 10_000
"""Dead letters that are kept with their line; older ones are counted only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedLine:
    """A line that the server did not take."""

    at_us: int
    """Plant time at which it was refused [µs UTC]."""
    line: str
    reason: str
    """In the server's words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Where one mirror stands."""

    until_us: int | None
    """Everything observed before, as far as it had come in, is confirmed [µs UTC]; None: nothing was sent yet."""
    sent: int
    """Lines that the server has confirmed, repeated ones counted again."""
    refused: int


class MirrorBook:
    """The file, for one sink; used by one thread at a time."""

    def __init__(self, path: Path, *, sink: str) -> None:
        self._path = path
        self._sink = sink
        with self._reaching():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=15.0)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            if self._connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in TABLES.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version={FORMAT}")

    def account(self) -> Account:
        """Where this mirror stands."""
        with self._reaching():
            found = self._connection.execute(
                "SELECT until_us, sent, refused FROM sinks WHERE sink = ?", (self._sink,)
            ).fetchone()
        return Account(until_us=None, sent=0, refused=0) if found is None else Account(**dict(_named(found)))

    def confirm(self, *, until_us: int, sent: int, refused: Sequence[RefusedLine] = ()) -> None:
        """Advance the cursor, with what was sent and refused on the way, in one transaction."""
        with self._reaching():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.execute(
                    "INSERT INTO sinks VALUES (?, ?, ?, ?) ON CONFLICT (sink) DO UPDATE SET "
                    "until_us = max(until_us, excluded.until_us), sent = sent + excluded.sent, "
                    "refused = refused + excluded.refused",
                    (self._sink, until_us, sent, len(refused)),
                )
                self._connection.executemany(
                    "INSERT INTO refused (sink, at_us, line, reason) VALUES (?, ?, ?, ?)",
                    [(self._sink, each.at_us, each.line, each.reason) for each in refused],
                )
                if refused:
                    self._connection.execute(
                        "DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?", (REFUSED_KEPT,)
                    )
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def refused(self, limit: int = 100) -> list[RefusedLine]:
        """Dead letters of this sink, newest first."""
        with self._reaching():
            rows = self._connection.execute(
                "SELECT at_us, line, reason FROM refused WHERE sink = ? ORDER BY id DESC LIMIT ?", (self._sink, limit)
            ).fetchall()
        return [RefusedLine(at_us=at_us, line=line, reason=reason) for at_us, line, reason in rows]

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._connection.close()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(
                f"Cannot use {self._path} ({error}). Is its folder there, writable and its disk not full?"
            ) from error


def _named(row: tuple[int, int, int]) -> Iterator[tuple[str, int]]:
    return zip(("until_us", "sent", "refused"), row, strict=True)
