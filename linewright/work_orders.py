"""Work orders: made from alerts and from the accepted plan, closed by the mechanic's finding."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from plant.alerts import Alert
from plant.assets import Plant
from plant.plans import MaintenanceWindow, Plan
from plant.work_orders import Finding, WorkOrder, WorkOrderState
from store.records import Records

log = logging.getLogger(__name__)

LOOKED_AT: Final = 1000
"""So many of the newest work orders are known when new ones are made."""


def keep_work_orders(records: Records, *, plant: Plant, now: datetime) -> tuple[WorkOrder, ...]:
    """Bring the work orders in line with the alerts and the accepted plan; run again, it changes nothing.

    A machine has at most one open order. An active alert makes one; a maintenance window of the accepted plan gives it
    its time, or makes one of its own. When another plan is accepted without that window, an order that an alert asked
    for stays without a time, and one that only the plan asked for is cancelled.

    Args:
        records: Alerts, plans and work orders; one process at a time may do this.
        plant: For the names that people use.
        now: Plant time.

    Returns:
        The orders that are new or different.
    """
    accepted = records.accepted_plan()
    plan = accepted if accepted is not None and accepted.end > now else None
    orders = {order.number: order for order in records.work_orders(limit=LOOKED_AT)}
    before = dict(orders)
    active = [alert for alert in records.alerts(open_only=True) if alert.state.is_active]
    for alert in active:
        if _open_of(orders.values(), alert.machine) is None and not any(
            o.alert == alert.number for o in before.values()
        ):
            order = _of_alert(alert, number=_number(orders, alert.machine, now), now=now)
            orders[order.number] = order
    windows = plan.maintenance if plan is not None else ()
    for window in windows:
        assert plan is not None
        if (scheduled := _scheduled(orders, window, plan=plan, plant=plant, now=now)) is not None:
            orders[scheduled.number] = scheduled
    planned = {window.machine for window in windows}
    for order in [each for each in orders.values() if each.is_open and each.plan]:
        if order.machine in planned or (accepted is not None and order.plan == accepted.number):
            continue
        unplanned = replace(order, plan="", planned_start=None, planned_end=None)
        orders[order.number] = unplanned if order.alert else replace(order, state=WorkOrderState.CANCELLED)
    changed = tuple(order for number, order in orders.items() if before.get(number) != order)
    for order in changed:
        records.put_work_order(order)
        log.info("work_order_changed", extra={"number": order.number, "state": order.state.value, "plan": order.plan})
    return changed


def close_work_order(
    records: Records, *, number: str, finding: Finding, mode: str = "", note: str = "", by: str, at: datetime
) -> WorkOrder:
    """Record what the mechanic found; it also acknowledges the alert that had asked for the work.

    Raises:
        KeyError: there is no such work order.
        ValueError: nobody is named.
    """
    if not by.strip():
        raise ValueError("A finding needs a name, so that others know who looked.")
    closed = records.close_work_order(
        number, finding=finding, mode=mode.strip(), by=by.strip(), at=at, note=note.strip()
    )
    if closed.alert and records.alert(closed.alert) is not None:
        records.acknowledge(closed.alert, by=by.strip(), at=at)
    said = f"{number}: {finding.value}" + (f", {closed.found_mode}" if closed.found_mode else "")
    records.audit(by.strip(), "work order closed", at=at, detail=f"{said}. {closed.note}".strip())
    return closed


def _of_alert(alert: Alert, *, number: str, now: datetime) -> WorkOrder:
    return WorkOrder(
        number=number,
        machine=alert.machine,
        title=alert.title,
        created_at=now,
        alert=alert.number,
        suspected_mode=alert.mode,
    )


def _scheduled(
    orders: dict[str, WorkOrder], window: MaintenanceWindow, *, plan: Plan, plant: Plant, now: datetime
) -> WorkOrder | None:
    """The machine's order with the window's time; None where this window's work has been reported already."""
    order = _open_of(orders.values(), window.machine)
    if order is None:
        if any(each.machine == window.machine and each.plan == plan.number for each in orders.values()):
            return None
        order = WorkOrder(
            number=_number(orders, window.machine, now),
            machine=window.machine,
            title=f"{plant.machine_index[window.machine].label}: planned maintenance",
            created_at=now,
        )
    return replace(order, plan=plan.number, planned_start=window.start, planned_end=window.end)


def _open_of(orders: Iterable[WorkOrder], machine: str) -> WorkOrder | None:
    return next((order for order in orders if order.machine == machine and order.is_open), None)


def _number(orders: dict[str, WorkOrder], machine: str, now: datetime) -> str:
    stem = f"W-{now:%Y-%m-%d}-{machine}"
    count = 1
    while f"{stem}-{count}" in orders:
        count += 1
    return f"{stem}-{count}"
