"""Risks: every assessment, and the newest of each machine."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from plant.risks import Risk
from store.books.database import decoded, encoded, moment
from store.books.tables import newest_risks, risks


def put(connection: Connection, new: Sequence[Risk]) -> None:
    """Append assessments; the one recorded last is a machine's newest, whatever the age of its readings.

    An assessment that says just what the newest one says is not kept again.
    """
    known = {row.machine: row.body for row in connection.execute(select(newest_risks.c.machine, newest_risks.c.body))}
    for risk in new:
        columns = {"assessed_us": moment(risk.assessed_at), "body": encoded(risk)}
        if known.get(risk.machine) == columns["body"]:
            continue
        connection.execute(insert(risks).values(machine=risk.machine, probability=risk.probability, **columns))
        connection.execute(
            upsert(newest_risks)
            .values(machine=risk.machine, **columns)
            .on_conflict_do_update(["machine"], set_=columns)
        )


def newest(connection: Connection) -> tuple[Risk, ...]:
    """The newest assessment of each machine, by machine name."""
    rows = connection.execute(select(newest_risks.c.body).order_by(newest_risks.c.machine))
    return tuple(decoded(body, Risk) for (body,) in rows)


def history(connection: Connection, machine: str, *, start: datetime, end: datetime) -> tuple[Risk, ...]:
    """A machine's assessments in [start, end), oldest first."""
    rows = connection.execute(
        select(risks.c.body)
        .where(risks.c.machine == machine, risks.c.assessed_us >= moment(start), risks.c.assessed_us < moment(end))
        .order_by(risks.c.assessed_us, risks.c.id)
    )
    return tuple(decoded(body, Risk) for (body,) in rows)
