"""Alerts: as they are, and every state they were in.

Source: ISA-18.2 / IEC 62682, the states of an alarm and their transitions.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, select

from plant.alerts import Alert, AlertState
from store.books.database import decoded, encoded, moment, replace_row
from store.books.tables import alert_changes, alerts


def put(connection: Connection, changed: Sequence[Alert], *, seen_at: datetime | None) -> None:
    """Keep alerts; an acknowledgement made after `seen_at` (wall time) survives."""
    for alert in changed:
        _keep(connection, _with_later_acknowledgement(connection, alert, seen_at), wall_us=None)


def listed(connection: Connection, *, open_only: bool, limit: int) -> tuple[Alert, ...]:
    """Alerts, newest opening first."""
    query = select(alerts.c.body).order_by(alerts.c.opened_us.desc(), alerts.c.number.desc()).limit(limit)
    if open_only:
        query = query.where(alerts.c.state != AlertState.CLOSED.value)
    return tuple(decoded(body, Alert) for (body,) in connection.execute(query))


def one(connection: Connection, number: str) -> Alert | None:
    """One alert, or None."""
    body = connection.execute(select(alerts.c.body).where(alerts.c.number == number)).scalar()
    return None if body is None else decoded(body, Alert)


def history(connection: Connection, number: str) -> tuple[Alert, ...]:
    """Every state it was in, oldest first."""
    rows = connection.execute(
        select(alert_changes.c.body).where(alert_changes.c.number == number).order_by(alert_changes.c.id)
    )
    return tuple(decoded(body, Alert) for (body,) in rows)


def acknowledge(connection: Connection, number: str, *, by: str, at: datetime, wall: datetime) -> Alert:
    """Active becomes acknowledged, returned becomes closed; others stay as they are."""
    alert = one(connection, number)
    if alert is None:
        raise KeyError(f"There is no alert {number}; `linewright status` lists the open ones.")
    acknowledged = _acknowledged(alert, by=by, at=at)
    if acknowledged != alert:
        _keep(connection, acknowledged, wall_us=moment(wall))
    return acknowledged


def _acknowledged(alert: Alert, *, by: str, at: datetime) -> Alert:
    if alert.state is AlertState.ACTIVE:
        return replace(alert, state=AlertState.ACKNOWLEDGED, acknowledged_by=by, changed_at=at)
    if alert.state is AlertState.RETURNED:
        return replace(alert, state=AlertState.CLOSED, acknowledged_by=by, changed_at=at, closed_at=at)
    return alert


def _with_later_acknowledgement(connection: Connection, alert: Alert, seen_at: datetime | None) -> Alert:
    if seen_at is None or alert.acknowledged_by:
        return alert
    row = connection.execute(
        select(alerts.c.body).where(alerts.c.number == alert.number, alerts.c.acknowledged_wall_us >= moment(seen_at))
    ).scalar()
    if row is None:
        return alert
    return _acknowledged(alert, by=decoded(row, Alert).acknowledged_by, at=alert.changed_at)


def _keep(connection: Connection, alert: Alert, *, wall_us: int | None) -> None:
    body = encoded(alert)
    columns: dict[str, object] = {
        "machine": alert.machine,
        "state": alert.state.value,
        "opened_us": moment(alert.opened_at),
        "changed_us": moment(alert.changed_at),
        "body": body,
    }
    if wall_us is not None:
        columns["acknowledged_wall_us"] = wall_us
    replace_row(connection, alerts, key={"number": alert.number}, columns=columns)
    connection.execute(insert(alert_changes).values(number=alert.number, body=body))
