"""Messages on their way out, and requests to the work role."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from plant.clock import instant
from store.books.database import moment
from store.books.entries import JobRequest, OutboxItem
from store.books.tables import outbox, requests


def enqueue(connection: Connection, kind: str, payload: bytes, *, at: datetime) -> int:
    """Keep a message; it is due at once."""
    new = {"kind": kind, "at_us": moment(at), "retry_us": 0, "attempts": 0, "reason": "", "payload": payload}
    item: int = connection.execute(insert(outbox).values(new).returning(outbox.c.item)).scalar_one()
    return item


def due(connection: Connection, kind: str, *, limit: int, at: datetime) -> tuple[OutboxItem, ...]:
    """Messages of a kind whose retry has come, oldest first."""
    rows = connection.execute(
        select(outbox)
        .where(outbox.c.kind == kind, outbox.c.retry_us <= moment(at))
        .order_by(outbox.c.item)
        .limit(limit)
    )
    return tuple(
        OutboxItem(
            item=row.item,
            kind=row.kind,
            payload=row.payload,
            at=instant(row.at_us),
            attempts=row.attempts,
            reason=row.reason,
        )
        for row in rows
    )


def settle(connection: Connection, item: int) -> None:
    """Forget a delivered message."""
    connection.execute(delete(outbox).where(outbox.c.item == item))


def fail(connection: Connection, item: int, *, reason: str, retry_at: datetime) -> None:
    """Count a failed delivery and set its retry."""
    connection.execute(
        update(outbox)
        .where(outbox.c.item == item)
        .values(attempts=outbox.c.attempts + 1, reason=reason, retry_us=moment(retry_at))
    )


def request(connection: Connection, job: str, *, at: datetime, detail: str) -> None:
    """Ask for a job."""
    connection.execute(insert(requests).values(job=job, at_us=moment(at), detail=detail))


def take_requests(connection: Connection) -> tuple[JobRequest, ...]:
    """Hand out all requests, and forget them."""
    rows = connection.execute(select(requests).order_by(requests.c.id)).all()
    if rows:
        connection.execute(delete(requests).where(requests.c.id <= rows[-1].id))
    return tuple(JobRequest(job=row.job, at=instant(row.at_us), detail=row.detail) for row in rows)
