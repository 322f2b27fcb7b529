"""Messages that could not be stored whole, with the reason; bounded, and never dropped in silence."""

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from plant.signals import Batch, RejectionReason

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantinedMessage:
    """A rejected message as it came."""

    number: int
    """To remove it with; increases."""
    run: str
    filter: str
    topic: str
    payload: bytes
    received_at_us: int
    """[µs UTC, plant clock]"""
    reason: RejectionReason
    detail: str
    """A sentence for a person."""
    samples: int
    """Samples of the message that could not be stored."""


COLUMNS = "id, run, filter, topic, payload, received_us, reason, detail, samples"


def keep(connection: sqlite3.Connection, batch: Batch) -> int:
    """Add a batch's rejections; returns their size [byte]."""
    connection.executemany(
        "INSERT INTO quarantine (run, filter, topic, payload, received_us, reason, detail, samples) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                batch.run,
                batch.filters[batch.message_filter[rejection.message]],
                rejection.topic,
                rejection.payload,
                rejection.received_at_us,
                rejection.reason.value,
                rejection.detail,
                rejection.samples,
            )
            for rejection in batch.rejections
        ],
    )
    return sum(len(rejection.payload) for rejection in batch.rejections)


def size(connection: sqlite3.Connection) -> int:
    """Bytes of payload in quarantine."""
    return int(connection.execute("SELECT COALESCE(SUM(LENGTH(payload)), 0) FROM quarantine").fetchone()[0])


def trim(connection: sqlite3.Connection, *, held_bytes: int, max_bytes: int) -> int:
    """Drop the oldest until the rest fits, counting them in the ledger; returns the size left [byte]."""
    if held_bytes <= max_bytes:
        return held_bytes
    gone: list[int] = []
    rows = connection.execute("SELECT id, run, filter, LENGTH(payload) FROM quarantine ORDER BY id").fetchall()
    for number, run, name, length in rows:
        if held_bytes <= max_bytes:
            break
        connection.execute("DELETE FROM quarantine WHERE id = ?", (number,))
        connection.execute("UPDATE counts SET dropped = dropped + 1 WHERE run = ? AND filter = ?", (run, name))
        gone.append(number)
        held_bytes -= length
    log.warning(
        "quarantine_dropped",
        extra={"messages": len(gone), "oldest": gone[0], "newest": gone[-1], "limit_bytes": max_bytes},
    )
    return held_bytes


def listed(connection: sqlite3.Connection, *, limit: int) -> list[QuarantinedMessage]:
    """Messages in quarantine, newest first."""
    rows = connection.execute(f"SELECT {COLUMNS} FROM quarantine ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608 - a constant
    return [_message(row) for row in rows]


def one(connection: sqlite3.Connection, number: int) -> QuarantinedMessage | None:
    """One message, or None."""
    row = connection.execute(f"SELECT {COLUMNS} FROM quarantine WHERE id = ?", (number,)).fetchone()  # noqa: S608 - a constant
    return None if row is None else _message(row)


def remove(connection: sqlite3.Connection, numbers: Sequence[int]) -> int:
    """Take messages out; returns how many were there."""
    gone = [connection.execute("DELETE FROM quarantine WHERE id = ?", (number,)).rowcount for number in numbers]
    return sum(gone)


def release(connection: sqlite3.Connection, numbers: Sequence[int]) -> int:
    """Take out messages that a batch settles anew, and take back their account; returns the bytes freed.

    The batch counts them as received again, so over all runs each stays received once.
    """
    freed = 0
    for number in numbers:
        rows = connection.execute(
            "SELECT run, filter, samples, LENGTH(payload) FROM quarantine WHERE id = ?", (number,)
        ).fetchall()
        for run, name, samples, length in rows:
            connection.execute("DELETE FROM quarantine WHERE id = ?", (number,))
            connection.execute(
                "UPDATE counts SET received = received - 1, quarantined = quarantined - 1, "
                "samples_quarantined = samples_quarantined - ?1, samples_received = samples_received - ?1 "
                "WHERE run = ?2 AND filter = ?3",
                (samples, run, name),
            )
            freed += int(length)
    return freed


def dropped(connection: sqlite3.Connection) -> int:
    """Messages dropped since the store began because the quarantine was full."""
    return int(connection.execute("SELECT COALESCE(SUM(dropped), 0) FROM counts").fetchone()[0])


def _message(row: tuple[int, str, str, str, bytes, int, str, str, int]) -> QuarantinedMessage:
    number, run, name, topic, payload, received_us, reason, detail, samples = row
    return QuarantinedMessage(
        number=number,
        run=run,
        filter=name,
        topic=topic,
        payload=payload,
        received_at_us=received_us,
        reason=RejectionReason(reason),
        detail=detail,
        samples=samples,
    )
