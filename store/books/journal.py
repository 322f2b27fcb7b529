"""Signs of life, small named documents, and who did what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from plant.clock import instant
from store.books.database import encoded, moment, replace_row
from store.books.entries import AuditLine, RoleBeat
from store.books.tables import audit as audit_lines
from store.books.tables import notes
from store.books.tables import roles as beats


def beat(
    connection: Connection, role: str, *, pid: int, since: datetime, at: datetime, detail: Mapping[str, Any]
) -> None:
    """Replace a role's sign of life."""
    columns = {"pid": pid, "since_us": moment(since), "at_us": moment(at), "detail": encoded(dict(detail))}
    replace_row(connection, beats, key={"role": role}, columns=columns)


def roles(connection: Connection) -> tuple[RoleBeat, ...]:
    """The newest sign of life of each role, by name."""
    return tuple(
        RoleBeat(
            role=row.role,
            pid=row.pid,
            since=instant(row.since_us),
            at=instant(row.at_us),
            detail=msgspec.json.decode(row.detail),
        )
        for row in connection.execute(select(beats).order_by(beats.c.role))
    )


def note(connection: Connection, key: str, document: Mapping[str, Any]) -> None:
    """Replace a document."""
    replace_row(connection, notes, key={"key": key}, columns={"document": encoded(dict(document))})


def noted(connection: Connection, key: str) -> dict[str, Any] | None:
    """A document, or None."""
    body = connection.execute(select(notes.c.document).where(notes.c.key == key)).scalar()
    return None if body is None else msgspec.json.decode(body, type=dict[str, Any])


def audit(connection: Connection, who: str, what: str, *, at: datetime, detail: str) -> None:
    """Append a line."""
    connection.execute(insert(audit_lines).values(who=who, what=what, at_us=moment(at), detail=detail))


def audit_trail(connection: Connection, *, limit: int) -> tuple[AuditLine, ...]:
    """Lines, newest first."""
    rows = connection.execute(select(audit_lines).order_by(audit_lines.c.id.desc()).limit(limit))
    return tuple(AuditLine(at=instant(row.at_us), who=row.who, what=row.what, detail=row.detail) for row in rows)
