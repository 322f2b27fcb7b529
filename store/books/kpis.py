"""KPIs and maintenance events."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from plant.clock import instant
from plant.kpis import Kpi
from store.books.database import decoded, encoded, insert_once, moment, replace_row
from store.books.entries import Renewal
from store.books.tables import kpis, maintenance


def put(connection: Connection, new: Sequence[Kpi]) -> None:
    """Keep KPIs; the same entity and range again replaces."""
    for kpi in new:
        key = {"entity": kpi.entity, "start_us": moment(kpi.start), "end_us": moment(kpi.end)}
        replace_row(connection, kpis, key=key, columns={"body": encoded(kpi)})


def newest(connection: Connection) -> tuple[Kpi, ...]:
    """Of each entity the KPI that ends last; of several ending together, the longest."""
    latest = select(kpis.c.entity, func.max(kpis.c.end_us).label("end_us")).group_by(kpis.c.entity).subquery()
    rows = connection.execute(
        select(kpis.c.entity, kpis.c.body)
        .join(latest, (kpis.c.entity == latest.c.entity) & (kpis.c.end_us == latest.c.end_us))
        .order_by(kpis.c.entity, kpis.c.start_us.desc())
    )
    bodies: dict[str, bytes] = {row.entity: row.body for row in rows}
    return tuple(decoded(body, Kpi) for body in bodies.values())


def history(connection: Connection, entity: str, *, start: datetime, end: datetime) -> tuple[Kpi, ...]:
    """KPIs whose range begins in [start, end), oldest first."""
    rows = connection.execute(
        select(kpis.c.body)
        .where(kpis.c.entity == entity, kpis.c.start_us >= moment(start), kpis.c.start_us < moment(end))
        .order_by(kpis.c.start_us, kpis.c.end_us)
    )
    return tuple(decoded(body, Kpi) for (body,) in rows)


def put_maintenance(connection: Connection, machine: str, *, kind: str, at: datetime, mode: str) -> None:
    """Keep an event once."""
    insert_once(connection, maintenance, {"machine": machine, "at_us": moment(at), "kind": kind, "mode": mode})


def maintenance_of(connection: Connection, machine: str | None) -> tuple[Renewal, ...]:
    """Events of one machine or of all, oldest first."""
    query = select(maintenance).order_by(maintenance.c.at_us, maintenance.c.machine)
    if machine is not None:
        query = query.where(maintenance.c.machine == machine)
    return tuple(
        Renewal(machine=row.machine, kind=row.kind, at=instant(row.at_us), mode=row.mode)
        for row in connection.execute(query)
    )
