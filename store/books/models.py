"""Which version of each class' model was in use when; the versions themselves are files of the model registry."""

from sqlalchemy import Connection, insert, select

from store.books.database import decoded, encoded, moment
from store.books.entries import ModelUse
from store.books.tables import model_uses


def put(connection: Connection, use: ModelUse) -> None:
    """Append an entry."""
    connection.execute(
        insert(model_uses).values(machine_class=use.machine_class, at_us=moment(use.at), body=encoded(use))
    )


def listed(connection: Connection, *, machine_class: str | None, limit: int) -> tuple[ModelUse, ...]:
    """Entries, newest first."""
    query = select(model_uses.c.body).order_by(model_uses.c.id.desc()).limit(limit)
    if machine_class is not None:
        query = query.where(model_uses.c.machine_class == machine_class)
    return tuple(decoded(body, ModelUse) for (body,) in connection.execute(query))
