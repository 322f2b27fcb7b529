"""Risks: the assessments, thinned out with age, and the newest of each machine."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from plant.risks import Risk
from store.books.database import decoded, encoded, moment, replace_row
from store.books.tables import newest_risks, risks, thinned

HOUR_US: Final = 3_600_000_000
KEPT_WHOLE_US: Final = 24 * HOUR_US
"""So long every assessment is kept [µs of plant time]."""


def put(connection: Connection, new: Sequence[Risk]) -> None:
    """Append assessments; the one recorded last is a machine's newest, whatever the age of its readings.

    An assessment that says just what the newest one says is not kept again.
    """
    known = {row.machine: row.body for row in connection.execute(select(newest_risks.c.machine, newest_risks.c.body))}
    for machine in {risk.machine for risk in new}:
        at_us = min(moment(risk.assessed_at) or 0 for risk in new if risk.machine == machine)
        _thin(connection, machine, before_us=at_us - KEPT_WHOLE_US)
    for risk in new:
        columns = {"assessed_us": moment(risk.assessed_at), "body": encoded(risk)}
        if known.get(risk.machine) == columns["body"]:
            continue
        connection.execute(insert(risks).values(machine=risk.machine, probability=risk.probability, **columns))
        replace_row(connection, newest_risks, key={"machine": risk.machine}, columns=columns)


def _thin(connection: Connection, machine: str, *, before_us: int) -> None:
    """Of the assessments before an instant, keep the newest of each hour; done hour by hour as time goes on."""
    past = before_us // HOUR_US * HOUR_US
    done = connection.execute(select(thinned.c.until_us).where(thinned.c.machine == machine)).scalar() or 0
    if past <= done:
        return
    old = (risks.c.machine == machine) & (risks.c.assessed_us >= done) & (risks.c.assessed_us < past)
    hour = risks.c.assessed_us.op("/")(HOUR_US)
    newest_at = select(func.max(risks.c.assessed_us)).where(old).group_by(hour)
    kept = select(func.max(risks.c.id)).where(old, risks.c.assessed_us.in_(newest_at)).group_by(hour)
    connection.execute(delete(risks).where(old, risks.c.id.not_in(kept)))
    replace_row(connection, thinned, key={"machine": machine}, columns={"until_us": past})


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
