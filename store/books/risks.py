"""Risks: every assessment, and the newest of each machine."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from plant.risks import Risk
from store.books.database import decoded, encoded, moment
from store.books.tables import risks


def put(connection: Connection, new: Sequence[Risk]) -> None:
    """Append assessments."""
    if new:
        connection.execute(
            insert(risks),
            [
                {
                    "machine": risk.machine,
                    "assessed_us": moment(risk.assessed_at),
                    "probability": risk.probability,
                    "body": encoded(risk),
                }
                for risk in new
            ],
        )


def newest(connection: Connection) -> tuple[Risk, ...]:
    """The newest assessment of each machine; of two at the same instant, the one recorded last."""
    latest = select(risks.c.machine, func.max(risks.c.assessed_us).label("at_us")).group_by(risks.c.machine).subquery()
    ids = (
        select(func.max(risks.c.id))
        .join(latest, (risks.c.machine == latest.c.machine) & (risks.c.assessed_us == latest.c.at_us))
        .group_by(risks.c.machine)
    )
    rows = connection.execute(select(risks.c.body).where(risks.c.id.in_(ids)).order_by(risks.c.machine))
    return tuple(decoded(body, Risk) for (body,) in rows)


def history(connection: Connection, machine: str, *, start: datetime, end: datetime) -> tuple[Risk, ...]:
    """A machine's assessments in [start, end), oldest first."""
    rows = connection.execute(
        select(risks.c.body)
        .where(risks.c.machine == machine, risks.c.assessed_us >= moment(start), risks.c.assessed_us < moment(end))
        .order_by(risks.c.assessed_us, risks.c.id)
    )
    return tuple(decoded(body, Risk) for (body,) in rows)
