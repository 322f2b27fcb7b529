"""The hot part: batches that are committed and not sealed yet, one compressed row per batch and machine class."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from plant.signals import Batch
from store.embedded.bodies import packed_rows, unpacked_rows
from store.embedded.rows import Rows, joined
from store.settings import StoreSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class HotPart:
    """How much of a class is not sealed yet."""

    rows: int = 0
    bytes: int = 0
    start_us: int = 2**62
    end_us: int = -(2**62)

    def grown(self, *, rows: int, size: int, start_us: int, end_us: int) -> "HotPart":
        """With some rows more."""
        return HotPart(
            rows=self.rows + rows,
            bytes=self.bytes + size,
            start_us=min(self.start_us, start_us),
            end_us=max(self.end_us, end_us),
        )

    def is_due(self, settings: StoreSettings) -> bool:
        """Whether it is worth a segment."""
        long_enough = self.end_us - self.start_us >= settings.seal_span_s * 1e6
        return (long_enough and self.rows >= settings.seal_rows) or self.bytes >= settings.seal_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class HotBatch:
    """One row of the hot part."""

    number: int
    run: str
    filters: tuple[str, ...]
    rows: Rows


def hot_batches(connection: sqlite3.Connection, machine_class: str, *, rows: int | None = None) -> list[HotBatch]:
    """The hot part of a class in the order in which it was written; `rows`: only as many batches as hold so many."""
    found: list[HotBatch] = []
    held = 0
    with closing(
        connection.execute("SELECT id, run, filters, body FROM batches WHERE class = ? ORDER BY id", (machine_class,))
    ) as cursor:
        for number, run, filters, body in cursor:
            found.append(HotBatch(number=number, run=run, filters=tuple(json.loads(filters)), rows=unpacked_rows(body)))
            held += len(found[-1].rows)
            if rows is not None and held >= rows:
                break
    return found


def hot_part(connection: sqlite3.Connection, machine_class: str) -> HotPart:
    """How much of a class is hot."""
    rows, size, start_us, end_us = connection.execute(
        "SELECT SUM(row_count), SUM(LENGTH(body)), MIN(start_us), MAX(end_us) FROM batches WHERE class = ?",
        (machine_class,),
    ).fetchone()
    return HotPart() if rows is None else HotPart(rows=rows, bytes=size, start_us=start_us, end_us=end_us)


def body_of(rows: Rows, batch: Batch) -> bytes:
    """New rows of a batch as they are kept; those of a quarantined message get message -1: it does not count as stored.

    Args:
        rows: Of one class.
        batch: For its rejections.
    """
    if rejected := [rejection.message for rejection in batch.rejections]:
        counted = np.where(np.isin(rows.message, rejected), -1, rows.message).astype(np.int32)
        rows = replace(rows, message=counted)
    return packed_rows(rows)


def hot_rows(connection: sqlite3.Connection, numbers: Sequence[int]) -> Rows | None:
    """The rows of some batches, one after the other; None where one is gone."""
    parts = []
    for number in numbers:
        if (found := connection.execute("SELECT body FROM batches WHERE id = ?", (number,)).fetchone()) is None:
            return None
        parts.append(unpacked_rows(found[0]))
    return joined(parts) if parts else None


def insert_batch(connection: sqlite3.Connection, batch: Batch, *, machine_class: str, rows: Rows, body: bytes) -> int:
    """Add the rows of one class; returns their number."""
    low, high = span(rows)
    cursor = connection.execute(
        "INSERT INTO batches (class, run, filters, row_count, start_us, end_us, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (machine_class, batch.run, json.dumps(batch.filters), len(rows), low, high, body),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def span(rows: Rows) -> tuple[int, int]:
    """First and last `observed_at`, both included [µs UTC]."""
    return int(rows.observed.min()), int(rows.observed.max())
