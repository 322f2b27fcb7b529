"""Plans with the facts they rest on, and what was decided about them."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from plant.plans import Decision, Plan
from store.books.database import decoded, encoded, moment, replace_row
from store.books.tables import decisions, plans


def put(connection: Connection, plan: Plan, facts: bytes) -> None:
    """Keep a plan; the same number again replaces body and facts."""
    columns = {
        "created_us": moment(plan.created_at),
        "status": plan.status.value,
        "decision": plan.decision.value,
        "body": encoded(plan),
        "facts": facts,
    }
    replace_row(connection, plans, key={"number": plan.number}, columns=columns)


def one(connection: Connection, number: str) -> Plan | None:
    """One plan, or None."""
    body = connection.execute(select(plans.c.body).where(plans.c.number == number)).scalar()
    return None if body is None else decoded(body, Plan)


def facts(connection: Connection, number: str) -> bytes | None:
    """The planning facts of a plan."""
    return connection.execute(select(plans.c.facts).where(plans.c.number == number)).scalar()


def listed(connection: Connection, *, limit: int) -> tuple[Plan, ...]:
    """Plans, recorded last first."""
    rows = connection.execute(select(plans.c.body).order_by(plans.c.id.desc()).limit(limit))
    return tuple(decoded(body, Plan) for (body,) in rows)


def accepted(connection: Connection) -> Plan | None:
    """The plan accepted last."""
    body = connection.execute(
        select(plans.c.body)
        .where(plans.c.decision == Decision.ACCEPTED.value)
        .order_by(plans.c.decided_us.desc(), plans.c.id.desc())
        .limit(1)
    ).scalar()
    return None if body is None else decoded(body, Plan)


def decide(connection: Connection, number: str, decision: Decision, *, by: str, reason: str, at: datetime) -> Plan:
    """Record a decision; accepting a plan supersedes the one accepted before."""
    plan = one(connection, number)
    if plan is None:
        raise KeyError(f"There is no plan {number}; `linewright plan list` shows those there are.")
    if decision is Decision.ACCEPTED:
        query = select(plans.c.body).where(plans.c.decision == Decision.ACCEPTED.value, plans.c.number != number)
        for (body,) in connection.execute(query).all():
            _record(connection, decoded(body, Plan), Decision.SUPERSEDED, by=by, reason=f"{number} accepted", at=at)
    return _record(connection, plan, decision, by=by, reason=reason, at=at)


def _record(connection: Connection, plan: Plan, decision: Decision, *, by: str, reason: str, at: datetime) -> Plan:
    decided = replace(plan, decision=decision, decided_by=by, decision_reason=reason)
    connection.execute(
        update(plans)
        .where(plans.c.number == plan.number)
        .values(decision=decision.value, decided_us=moment(at), body=encoded(decided))
    )
    connection.execute(
        insert(decisions).values(
            number=plan.number, decision=decision.value, decided_by=by, reason=reason, at_us=moment(at)
        )
    )
    return decided
