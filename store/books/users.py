"""Users: who may write over the API, known by a token."""

import hashlib
import secrets

from sqlalchemy import Connection, delete, select

from store.books.database import decoded, encoded, replace_row
from store.books.entries import User
from store.books.tables import users


def put(connection: Connection, user: User) -> str:
    """Keep a user and give the token by which a program of theirs may write; an older token ends with it.

    Only a hash of the token is kept: it is 256 random bits, so a plain SHA-256 cannot be searched.
    """
    token = secrets.token_urlsafe(32)
    replace_row(connection, users, key={"name": user.name}, columns={"token_hash": _hash(token), "body": encoded(user)})
    return token


def listed(connection: Connection) -> tuple[User, ...]:
    """Users by name."""
    rows = connection.execute(select(users.c.body).order_by(users.c.name))
    return tuple(decoded(body, User) for (body,) in rows)


def of_token(connection: Connection, token: str) -> User | None:
    """Whose token this is; None: nobody's."""
    body = connection.execute(select(users.c.body).where(users.c.token_hash == _hash(token))).scalar()
    return None if body is None else decoded(body, User)


def remove(connection: Connection, name: str) -> bool:
    """Take a user out, and with it the right to write; returns whether there was one."""
    return connection.execute(delete(users).where(users.c.name == name)).rowcount > 0


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
