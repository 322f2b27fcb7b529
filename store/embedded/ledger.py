"""The account of every message: per run and topic filter, in the same transaction as the readings."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plant.signals import Batch, LedgerLine, Receipt

Counts = NDArray[np.int64]


_SETTLE: Final = """UPDATE counts SET stored = stored + ?, duplicate = duplicate + ?, quarantined = quarantined + ?,
  samples_stored = samples_stored + ?, samples_duplicate = samples_duplicate + ?,
  samples_quarantined = samples_quarantined + ?, samples_received = samples_received + ?"""
_OF_LINE: Final = "WHERE run = ? AND filter = ?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a batch, by filter. (filter,) each"""

    stored: Counts
    duplicate: Counts
    quarantined: Counts
    samples_stored: Counts
    samples_duplicate: Counts
    samples_quarantined: Counts

    def receipt(self) -> Receipt:
        """The sums."""
        return Receipt(
            stored=int(self.stored.sum()),
            duplicate=int(self.duplicate.sum()),
            quarantined=int(self.quarantined.sum()),
            samples_stored=int(self.samples_stored.sum()),
            samples_duplicate=int(self.samples_duplicate.sum()),
            samples_quarantined=int(self.samples_quarantined.sum()),
        )


def outcome_of(batch: Batch, new: Counts, duplicate: Counts) -> Outcome:
    """Settle each message: quarantined with any rejection, duplicate when all its samples were there, else stored.

    A message without samples and without a rejection was kept elsewhere (an order, in the records): it is stored.

    Args:
        batch: The messages with their filters and rejections.
        new: New or revised samples of each message. (message,)
        duplicate: Samples of each message that were there before, apart from the batch's `copies`. (message,)
    """
    filters = np.asarray(batch.message_filter, dtype=np.int64)
    duplicate = duplicate.copy()
    for message, samples in batch.copies:
        duplicate[message] += samples
    rejected = np.zeros(batch.messages, dtype=np.int64)
    for rejection in batch.rejections:
        rejected[rejection.message] += rejection.samples
    bad = np.zeros(batch.messages, dtype=bool)
    bad[[rejection.message for rejection in batch.rejections]] = True
    good = ~bad & ((new > 0) | (duplicate == 0))

    def by_filter(weights: NDArray[np.int64] | NDArray[np.bool_]) -> Counts:
        return np.bincount(filters, weights=weights, minlength=len(batch.filters)).astype(np.int64)

    return Outcome(
        stored=by_filter(good),
        duplicate=by_filter(~bad & ~good),
        quarantined=by_filter(bad),
        samples_stored=by_filter(new),
        samples_duplicate=by_filter(duplicate),
        samples_quarantined=by_filter(rejected),
    )


def begin_run(connection: sqlite3.Connection, filters: Sequence[str], *, at_us: int, beside: Sequence[str]) -> str:
    """Close the runs that never ended, but for those `beside` the new one; returns the new one's identifier."""
    rows = connection.execute("SELECT run FROM runs WHERE ended_us IS NULL").fetchall()
    for (run,) in rows:
        if run not in beside:
            close_runs(connection, at_us=at_us, run=run)
    newest = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'runs'").fetchone()
    run = f"run-{int(newest[0]) + 1}"
    ensure_run(connection, run, filters, at_us=at_us)
    return run


def ensure_run(connection: sqlite3.Connection, run: str, filters: Iterable[str], *, at_us: int) -> None:
    """Have a line for each filter of a run."""
    connection.execute("INSERT INTO runs (run, started_us) VALUES (?, ?) ON CONFLICT DO NOTHING", (run, at_us))
    connection.executemany(
        "INSERT INTO counts (run, filter) VALUES (?, ?) ON CONFLICT DO NOTHING", [(run, name) for name in filters]
    )


def close_runs(connection: sqlite3.Connection, *, at_us: int, run: str | None = None) -> None:
    """End one run, or all that are open.

    What was read from the wire and never settled was never acknowledged: it is counted as abandoned, and counts as
    received again when the broker sends it again.
    """
    chosen = "ended_us IS NULL AND (?1 IS NULL OR run = ?1)"
    connection.execute(
        f"""UPDATE counts SET abandoned = abandoned + in_flight, received = received - in_flight, in_flight = 0
            WHERE run IN (SELECT run FROM runs WHERE {chosen})""",  # noqa: S608 - a constant
        (run,),
    )
    connection.execute(f"UPDATE runs SET ended_us = ?2 WHERE {chosen}", (run, at_us))  # noqa: S608 - a constant


def note_received(connection: sqlite3.Connection, run: str, filters: Sequence[str], received: Sequence[int]) -> None:
    """Raise the counts of messages read from the wire by who does not count what it holds."""
    connection.executemany(
        """UPDATE counts SET received = MAX(received, ?1, stored + duplicate + quarantined),
             in_flight = MAX(received, ?1, stored + duplicate + quarantined) - stored - duplicate - quarantined
           WHERE run = ?2 AND filter = ?3""",
        [(int(count), run, name) for name, count in zip(filters, received, strict=True)],
    )


def settle(connection: sqlite3.Connection, batch: Batch, outcome: Outcome) -> None:
    """Add a batch's outcome and its counts of received messages."""
    counted = outcome.samples_stored + outcome.samples_duplicate + outcome.samples_quarantined
    columns = (
        *(outcome.stored, outcome.duplicate, outcome.quarantined),
        *(outcome.samples_stored, outcome.samples_duplicate, outcome.samples_quarantined),
        counted if batch.samples is None else batch.samples,
    )
    named = [(batch.run, name) for name in batch.filters]
    if batch.in_flight is None:
        rows = [column.tolist() for column in columns]
        connection.executemany(f"{_SETTLE} {_OF_LINE}", zip(*rows, *zip(*named, strict=True), strict=True))
        note_received(connection, batch.run, batch.filters, batch.received.tolist())
        return
    rows = [column.tolist() for column in (*columns, batch.received, batch.in_flight)]
    connection.executemany(
        f"{_SETTLE}, received = ?, in_flight = ? {_OF_LINE}", zip(*rows, *zip(*named, strict=True), strict=True)
    )


def settled(connection: sqlite3.Connection, run: str) -> int:
    """How many messages of a run are settled."""
    counted = connection.execute("SELECT SUM(stored + duplicate + quarantined) FROM counts WHERE run = ?", (run,))
    return int(counted.fetchone()[0] or 0)


def reclassify(connection: sqlite3.Connection, run: str, name: str, *, messages: int, samples: int) -> None:
    """Move what sealing found to be there already from stored to duplicate."""
    connection.execute(
        """UPDATE counts SET stored = stored - ?1, duplicate = duplicate + ?1, samples_stored = samples_stored - ?2,
             samples_duplicate = samples_duplicate + ?2 WHERE run = ?3 AND filter = ?4""",
        (messages, samples, run, name),
    )


def lines(connection: sqlite3.Connection) -> list[LedgerLine]:
    """The account of each filter over all runs, in the order in which the filters first appeared."""
    rows = connection.execute(
        """SELECT filter, SUM(received), SUM(stored), SUM(duplicate), SUM(quarantined), SUM(in_flight),
             SUM(samples_received), SUM(samples_stored), SUM(samples_duplicate), SUM(samples_quarantined)
           FROM counts GROUP BY filter ORDER BY MIN(rowid)"""
    )
    return [
        LedgerLine(
            filter=row[0],
            received=row[1],
            stored=row[2],
            duplicate=row[3],
            quarantined=row[4],
            in_flight=row[5],
            samples_received=row[6],
            samples_stored=row[7],
            samples_duplicate=row[8],
            samples_quarantined=row[9],
        )
        for row in rows
    ]
