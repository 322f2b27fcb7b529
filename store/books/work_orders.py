"""Work orders: as they are, and every state they were in."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, select

from plant.work_orders import Finding, WorkOrder, WorkOrderState
from store.books.database import decoded, encoded, moment, replace_row
from store.books.tables import work_order_changes, work_orders


def put(connection: Connection, order: WorkOrder) -> None:
    """Keep a work order; one that says just what is there already is not kept again."""
    body = encoded(order)
    if connection.execute(select(work_orders.c.body).where(work_orders.c.number == order.number)).scalar() == body:
        return
    columns: dict[str, object] = {
        "machine": order.machine,
        "state": order.state.value,
        "created_us": moment(order.created_at),
        "closed_us": moment(order.closed_at),
        "body": body,
    }
    replace_row(connection, work_orders, key={"number": order.number}, columns=columns)
    connection.execute(insert(work_order_changes).values(number=order.number, body=body))


def one(connection: Connection, number: str) -> WorkOrder | None:
    """One work order, or None."""
    body = connection.execute(select(work_orders.c.body).where(work_orders.c.number == number)).scalar()
    return None if body is None else decoded(body, WorkOrder)


def listed(
    connection: Connection, *, machine: str | None, state: WorkOrderState | None, limit: int
) -> tuple[WorkOrder, ...]:
    """Work orders, made last first."""
    query = select(work_orders.c.body).order_by(work_orders.c.created_us.desc(), work_orders.c.number.desc())
    if machine is not None:
        query = query.where(work_orders.c.machine == machine)
    if state is not None:
        query = query.where(work_orders.c.state == state.value)
    return tuple(decoded(body, WorkOrder) for (body,) in connection.execute(query.limit(limit)))


def history(connection: Connection, number: str) -> tuple[WorkOrder, ...]:
    """Every state it was in, oldest first."""
    rows = connection.execute(
        select(work_order_changes.c.body).where(work_order_changes.c.number == number).order_by(work_order_changes.c.id)
    )
    return tuple(decoded(body, WorkOrder) for (body,) in rows)


def close(
    connection: Connection, number: str, *, finding: Finding, mode: str, by: str, at: datetime, note: str
) -> WorkOrder:
    """Record what was found; a closed order is corrected by closing it again, and both findings stay in its history."""
    order = one(connection, number)
    if order is None:
        raise KeyError(f"There is no work order {number}; `linewright workorders list` shows those there are.")
    closed = replace(
        order,
        state=WorkOrderState.CLOSED,
        finding=finding,
        found_mode=mode,
        note=note,
        closed_by=by,
        closed_at=at,
    )
    put(connection, closed)
    return closed
