"""The records of the plant: what people and jobs decided, ordered and were told.

One file `records.db` or one PostgreSQL database, read and written by any number of processes. The subjects are in
`store/books/`; here is the one object that the shell holds. Every method is one short transaction; `Unavailable` when
the database cannot be used.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from plant.alerts import Alert
from plant.kpis import Kpi
from plant.plans import Decision, Plan
from plant.production import Closure, Order, Stock
from plant.risks import Risk
from plant.work_orders import Finding, WorkOrder, WorkOrderState
from store.books import alerts, demand, journal, kpis, messages, models, plans, risks, users, work_orders
from store.books.database import Database
from store.books.entries import AuditLine, JobRequest, ModelUse, OutboxItem, Renewal, RoleBeat, User


def records_url(path: Path) -> str:
    """The URL of a records file.

    >>> records_url(Path("/data/records.db"))
    'sqlite:////data/records.db'
    """
    return f"sqlite:///{path.absolute()}"


class Records:
    """All records; safe to share between threads."""

    def __init__(self, url: URL | str) -> None:
        """Open the records, and bring their tables up to this version.

        Args:
            url: `sqlite:///PATH`, see `records_url`, or of a PostgreSQL, see `store.books.settings`.
        """
        self._database = Database(url)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def version(self) -> int:
        """A number that changes when another connection has committed; to poll cheaply."""
        return self._database.version()

    # Orders, stock and closures: every version is kept

    def put_orders(self, orders: Sequence[Order], *, source: str, at: datetime) -> int:
        """Add or replace orders by number; returns how many differed from what was there."""
        with self._database.writing() as connection:
            return demand.put(connection, "order", {order.number: order for order in orders}, source=source, at=at)

    def remove_orders(self, numbers: Sequence[str], *, source: str, at: datetime) -> int:
        """Take orders out (delivered or cancelled); returns how many were there."""
        with self._database.writing() as connection:
            return demand.remove(connection, "order", numbers, source=source, at=at)

    def orders(self) -> tuple[Order, ...]:
        """Open orders, by due date."""
        return self._orders(None)

    def orders_as_of(self, at: datetime) -> tuple[Order, ...]:
        """Orders as they were recorded by an instant."""
        return self._orders(at)

    def put_stock(self, stock: Sequence[Stock], *, source: str, at: datetime) -> int:
        """Set the stock of products; returns how many differed."""
        with self._database.writing() as connection:
            return demand.put(connection, "stock", {item.product: item for item in stock}, source=source, at=at)

    def stock(self) -> tuple[Stock, ...]:
        """Stock by product name."""
        return self._stock(None)

    def stock_as_of(self, at: datetime) -> tuple[Stock, ...]:
        """Stock as it was recorded by an instant."""
        return self._stock(at)

    def put_closures(self, closures: Sequence[Closure], *, source: str, at: datetime) -> int:
        """Replace the whole list of closures; returns 1 when it differed."""
        with self._database.writing() as connection:
            return demand.put(connection, "closures", {"all": tuple(closures)}, source=source, at=at)

    def closures(self) -> tuple[Closure, ...]:
        """The closures that hold."""
        return self._closures(None)

    def closures_as_of(self, at: datetime) -> tuple[Closure, ...]:
        """The closures as they were recorded by an instant."""
        return self._closures(at)

    # Risks

    def put_risks(self, new: Sequence[Risk]) -> None:
        """Keep new assessments; of those older than 24 plant hours, one an hour stays as history."""
        with self._database.writing() as connection:
            risks.put(connection, new)

    def risks(self) -> tuple[Risk, ...]:
        """The newest assessment of each machine, by machine name."""
        with self._database.reading() as connection:
            return risks.newest(connection)

    def risk_history(self, machine: str, *, start: datetime, end: datetime) -> tuple[Risk, ...]:
        """A machine's assessments in [start, end), oldest first."""
        with self._database.reading() as connection:
            return risks.history(connection, machine, start=start, end=end)

    # Alerts

    def put_alerts(self, changed: Sequence[Alert], *, seen_at: datetime | None = None) -> None:
        """Keep new or changed alerts; every state an alert was in stays in its history.

        Args:
            changed: Alerts as decided.
            seen_at: Wall time at which the open alerts were read for that decision. An acknowledgement made since then
                is kept rather than overwritten. None: the alerts are taken as they are.
        """
        with self._database.writing() as connection:
            alerts.put(connection, changed, seen_at=seen_at)

    def alerts(self, *, open_only: bool = False, limit: int = 200) -> tuple[Alert, ...]:
        """Alerts, newest opening first."""
        with self._database.reading() as connection:
            return alerts.listed(connection, open_only=open_only, limit=limit)

    def alert(self, number: str) -> Alert | None:
        """One alert as it is now, or None."""
        with self._database.reading() as connection:
            return alerts.one(connection, number)

    def alert_history(self, number: str) -> tuple[Alert, ...]:
        """Every state one alert was in, oldest first."""
        with self._database.reading() as connection:
            return alerts.history(connection, number)

    def acknowledge(self, number: str, *, by: str, at: datetime) -> Alert:
        """Acknowledge an alert; one that had returned to normal is closed by it. KeyError for an unknown number."""
        with self._database.writing() as connection:
            return alerts.acknowledge(connection, number, by=by, at=at, wall=datetime.now(UTC))

    # Plans

    def put_plan(self, plan: Plan, facts: bytes) -> None:
        """Keep a plan with the facts it was made from; the same number again replaces it."""
        with self._database.writing() as connection:
            plans.put(connection, plan, facts)

    def plan(self, number: str) -> Plan | None:
        """One plan with its decision, or None."""
        with self._database.reading() as connection:
            return plans.one(connection, number)

    def plan_facts(self, number: str) -> bytes | None:
        """The planning facts of a plan, as they were given."""
        with self._database.reading() as connection:
            return plans.facts(connection, number)

    def newest_plan(self) -> Plan | None:
        """The plan recorded last, whatever was decided about it."""
        with self._database.reading() as connection:
            return next(iter(plans.listed(connection, limit=1)), None)

    def plans(self, limit: int = 20) -> tuple[Plan, ...]:
        """Plans, recorded last first."""
        with self._database.reading() as connection:
            return plans.listed(connection, limit=limit)

    def accepted_plan(self) -> Plan | None:
        """The plan that holds, or None."""
        with self._database.reading() as connection:
            return plans.accepted(connection)

    def decide(self, number: str, decision: Decision, *, by: str, reason: str = "", at: datetime) -> Plan:
        """Record a decision; accepting a plan supersedes the one accepted before. KeyError for an unknown number."""
        with self._database.writing() as connection:
            return plans.decide(connection, number, decision, by=by, reason=reason, at=at)

    # KPIs and maintenance

    def put_kpis(self, new: Sequence[Kpi]) -> None:
        """Keep KPIs; the same entity and range again replaces."""
        with self._database.writing() as connection:
            kpis.put(connection, new)

    def kpis(self) -> tuple[Kpi, ...]:
        """The newest KPI of each entity, by name."""
        with self._database.reading() as connection:
            return kpis.newest(connection)

    def kpi_history(self, entity: str, start: datetime, end: datetime) -> tuple[Kpi, ...]:
        """KPIs whose range begins in [start, end), oldest first."""
        with self._database.reading() as connection:
            return kpis.history(connection, entity, start=start, end=end)

    def put_maintenance(self, machine: str, *, kind: str, at: datetime, mode: str = "") -> None:
        """Keep a maintenance event (`maintained`, `repaired` or `failed`); the same again changes nothing."""
        with self._database.writing() as connection:
            kpis.put_maintenance(connection, machine, kind=kind, at=at, mode=mode)

    def maintenance(self, machine: str | None = None) -> tuple[Renewal, ...]:
        """Maintenance events of one machine or of all, oldest first."""
        with self._database.reading() as connection:
            return kpis.maintenance_of(connection, machine)

    # Work orders, uses of models, users

    def put_work_order(self, order: WorkOrder) -> None:
        """Keep a new or changed work order; every state it was in stays in its history."""
        with self._database.writing() as connection:
            work_orders.put(connection, order)

    def work_order(self, number: str) -> WorkOrder | None:
        """One work order as it is now, or None."""
        with self._database.reading() as connection:
            return work_orders.one(connection, number)

    def work_orders(
        self, *, machine: str | None = None, state: WorkOrderState | None = None, limit: int = 200
    ) -> tuple[WorkOrder, ...]:
        """Work orders of one machine or all, in one state or any, made last first."""
        with self._database.reading() as connection:
            return work_orders.listed(connection, machine=machine, state=state, limit=limit)

    def work_order_history(self, number: str) -> tuple[WorkOrder, ...]:
        """Every state one work order was in, oldest first."""
        with self._database.reading() as connection:
            return work_orders.history(connection, number)

    def close_work_order(
        self, number: str, *, finding: Finding, mode: str = "", by: str, at: datetime, note: str = ""
    ) -> WorkOrder:
        """Record what the mechanic found; once more corrects it. KeyError for an unknown number."""
        with self._database.writing() as connection:
            return work_orders.close(connection, number, finding=finding, mode=mode, by=by, at=at, note=note)

    def put_model_use(self, use: ModelUse) -> None:
        """Keep that a version of a model was put in use."""
        with self._database.writing() as connection:
            models.put(connection, use)

    def model_uses(self, machine_class: str | None = None, *, limit: int = 200) -> tuple[ModelUse, ...]:
        """Which versions were put in use, newest first."""
        with self._database.reading() as connection:
            return models.listed(connection, machine_class=machine_class, limit=limit)

    def put_user(self, user: User) -> str:
        """Keep a user; gives the token for the API, which is told only now and replaces an older one."""
        with self._database.writing() as connection:
            return users.put(connection, user)

    def users(self) -> tuple[User, ...]:
        """Users by name."""
        with self._database.reading() as connection:
            return users.listed(connection)

    def user_of_token(self, token: str) -> User | None:
        """Whose token this is; None: nobody's."""
        with self._database.reading() as connection:
            return users.of_token(connection, token)

    def remove_user(self, name: str) -> bool:
        """Take a user out; returns whether there was one."""
        with self._database.writing() as connection:
            return users.remove(connection, name)

    # Roles, messages on their way out, notes, requests, audit

    def beat(self, role: str, *, pid: int, since: datetime, at: datetime, detail: Mapping[str, Any]) -> None:
        """A role says that it is alive, and how."""
        with self._database.writing() as connection:
            journal.beat(connection, role, pid=pid, since=since, at=at, detail=detail)

    def roles(self) -> tuple[RoleBeat, ...]:
        """The newest sign of life of each role, by name."""
        with self._database.reading() as connection:
            return journal.roles(connection)

    def enqueue(self, kind: str, payload: bytes, *, at: datetime) -> int:
        """Keep a message until it is delivered; returns its number."""
        with self._database.writing() as connection:
            return messages.enqueue(connection, kind, payload, at=at)

    def due(self, kind: str, limit: int = 20, *, at: datetime | None = None) -> tuple[OutboxItem, ...]:
        """Messages to deliver, oldest first; failed ones only once `at` (None: wall time now) reached their retry."""
        with self._database.reading() as connection:
            return messages.due(connection, kind, limit=limit, at=at or datetime.now(UTC))

    def settle(self, item: int) -> None:
        """A message was delivered."""
        with self._database.writing() as connection:
            messages.settle(connection, item)

    def fail(self, item: int, reason: str, retry_at: datetime) -> None:
        """A delivery failed; the message is due again at `retry_at`."""
        with self._database.writing() as connection:
            messages.fail(connection, item, reason=reason, retry_at=retry_at)

    def note(self, key: str, document: Mapping[str, Any]) -> None:
        """Keep a small named document (JSON types); replaces the one before."""
        with self._database.writing() as connection:
            journal.note(connection, key, document)

    def noted(self, key: str) -> dict[str, Any] | None:
        """A named document, or None."""
        with self._database.reading() as connection:
            return journal.noted(connection, key)

    def request(self, job: str, *, at: datetime, detail: str = "") -> None:
        """Ask the work role to run a job (`plan`, `train`, `assess`)."""
        with self._database.writing() as connection:
            messages.request(connection, job, at=at, detail=detail)

    def take_requests(self) -> tuple[JobRequest, ...]:
        """All open requests, oldest first; each is given to one caller only."""
        with self._database.writing() as connection:
            return messages.take_requests(connection)

    def audit(self, who: str, what: str, at: datetime, detail: str = "") -> None:
        """Keep who did what."""
        with self._database.writing() as connection:
            journal.audit(connection, who, what, at=at, detail=detail)

    def audit_trail(self, limit: int = 200) -> tuple[AuditLine, ...]:
        """What was done, newest first."""
        with self._database.reading() as connection:
            return journal.audit_trail(connection, limit=limit)

    def _orders(self, at: datetime | None) -> tuple[Order, ...]:
        with self._database.reading() as connection:
            found = demand.current(connection, "order", Order, at=at)
        return tuple(sorted(found, key=lambda order: (order.due_at, order.number)))

    def _stock(self, at: datetime | None) -> tuple[Stock, ...]:
        with self._database.reading() as connection:
            return demand.current(connection, "stock", Stock, at=at)

    def _closures(self, at: datetime | None) -> tuple[Closure, ...]:
        with self._database.reading() as connection:
            lists = demand.current(connection, "closures", tuple[Closure, ...], at=at)
        return lists[0] if lists else ()
