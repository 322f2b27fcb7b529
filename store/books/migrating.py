"""Brings the tables of a database up to this version, when it is opened and under a lock.

The migrations are in the package (`store/books/migrations`), so nobody needs an `alembic.ini`. Alembic is loaded only
where there is something to do. A `records.db` of 0.1.0, which knew no Alembic, is adopted: the first migration makes
only what is missing of its tables.
"""

import logging
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from plant.errors import Unavailable

log = logging.getLogger(__name__)

HEAD: Final = "0002"
"""The newest migration."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"
LOCK: Final = 5_604_117
"""Number of the advisory lock under which a PostgreSQL database is migrated; any number that nobody else takes."""
LAST_UNKNOWING_FORMAT: Final = 2
"""`PRAGMA user_version` of 0.1.0; a greater one keeps 0.1.0 from opening the file."""


def bring_up(connection: Connection, *, where: str) -> None:
    """Run the migrations that this database lacks, in the transaction of the connection.

    Args:
        connection: In a transaction that, on SQLite, holds the write lock.
        where: The database for messages, without its password.

    Raises:
        Unavailable: a newer Linewright wrote this database.
    """
    if _version(connection) == HEAD:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    found = _version(connection)  # another process may have been first
    if found == HEAD:
        return
    from alembic.command import upgrade
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise Unavailable(
            f"The records at {where} are of format {found}; this version reads up to {HEAD}. "
            "Run the newer Linewright that wrote them."
        )
    upgrade(config, "head")
    log.info("records_migrated", extra={"where": where, "before": found or "none", "now": HEAD})


def _version(connection: Connection) -> str | None:
    """The migration that a database is at; None: new, or of 0.1.0."""
    if inspect(connection).has_table("alembic_version"):
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if connection.dialect.name == "sqlite":
        format_ = int(connection.execute(text("PRAGMA user_version")).scalar_one())
        return None if format_ <= LAST_UNKNOWING_FORMAT else str(format_)
    return None
