"""Orders, stock and closures: versioned facts, of which none is ever overwritten."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from store.books.database import decoded, encoded, moment
from store.books.tables import facts

Fact = TypeVar("Fact")


def put(connection: Connection, kind: str, items: Mapping[str, object], *, source: str, at: datetime) -> int:
    """Add a version for each item that differs from its newest one; returns how many did."""
    known = _newest(connection, kind, None)
    changed = {key: body for key, item in items.items() if known.get(key) != (body := encoded(item))}
    _append(connection, kind, changed, source=source, at=at)
    return len(changed)


def remove(connection: Connection, kind: str, keys: Sequence[str], *, source: str, at: datetime) -> int:
    """Add a version that says "no longer there"; returns how many were there."""
    known = _newest(connection, kind, None)
    gone: dict[str, bytes | None] = {key: None for key in keys if known.get(key) is not None}
    _append(connection, kind, gone, source=source, at=at)
    return len(gone)


def current(connection: Connection, kind: str, body: type[Fact], *, at: datetime | None) -> tuple[Fact, ...]:
    """The items that hold now, or held at an instant, by key."""
    found = _newest(connection, kind, at)
    return tuple(decoded(found_body, body) for _, found_body in sorted(found.items()) if found_body is not None)


def _newest(connection: Connection, kind: str, at: datetime | None) -> dict[str, bytes | None]:
    chosen: ColumnElement[bool] = facts.c.current
    if at is not None:
        recorded = select(func.max(facts.c.version)).where(facts.c.kind == kind, facts.c.at_us <= moment(at))
        chosen = facts.c.version.in_(recorded.group_by(facts.c.key))
    rows = connection.execute(select(facts.c.key, facts.c.body).where(facts.c.kind == kind, chosen))
    return {row.key: row.body for row in rows}


def _append(connection: Connection, kind: str, items: Mapping[str, bytes | None], *, source: str, at: datetime) -> None:
    for key, body in items.items():
        connection.execute(
            update(facts).where(facts.c.kind == kind, facts.c.key == key, facts.c.current).values(current=False)
        )
        new = {"kind": kind, "key": key, "at_us": moment(at), "source": source, "current": True, "body": body}
        connection.execute(insert(facts).values(new))
