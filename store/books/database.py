"""The connection to the records: short transactions, one writer at a time, bodies as JSON.

On SQLite a writer holds the file's write lock from its first statement. On PostgreSQL it holds the row of `revisions`,
which it counts up first; so both give the same order to writers, and the same number to poll for changes.

Source: SQLite "Write-Ahead Logging" and "Transaction control"; SQLAlchemy 2.1 "pysqlite: transactions with SAVEPOINT
and the driver's own BEGIN switched off" and "Dealing with Disconnects"; PostgreSQL 15 manual 13.2 and 13.3.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    PoolProxiedConnection,
    Table,
    create_engine,
    event,
    exc,
    make_url,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from plant.clock import microseconds
from plant.errors import Unavailable
from store.books.migrating import bring_up
from store.books.tables import revisions

Body = TypeVar("Body")
BUSY_TIMEOUT_S: Final = 15.0
"""How long a writer waits for another process' transaction [s]."""
SERVER_OPTIONS: Final = {
    "connect_timeout": 5,
    "application_name": "linewright",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "options": f"-c lock_timeout={BUSY_TIMEOUT_S:.0f}s -c statement_timeout=60s "
    "-c idle_in_transaction_session_timeout=60s",
}
"""A server that went away without a word is noticed within half a minute."""


def encoded(body: object) -> bytes:
    """A plant dataclass as JSON. JSON has no NaN and no infinity: they become strings that `decoded` turns back.

    >>> encoded([1.0, float("inf")])
    b'[1.0,"inf"]'
    """
    return msgspec.json.encode(_spelled(msgspec.to_builtins(body)))


def decoded(body: bytes, kind: type[Body]) -> Body:
    """The dataclass of a stored body; fields added since it was stored take their defaults.

    >>> decoded(b'[1.0,"inf"]', list[float])
    [1.0, inf]
    """
    return msgspec.json.decode(body, type=kind, strict=False)


def moment(at: datetime | None) -> int | None:
    """Microseconds UTC, or None for none; the form of every time column."""
    return None if at is None else microseconds(at)


def replace_row(
    connection: Connection, table: Table, *, key: Mapping[str, object], columns: Mapping[str, object]
) -> None:
    """Insert a row, or set these columns of the one that has the key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**key, **columns)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(columns)))


def insert_once(connection: Connection, table: Table, row: Mapping[str, object]) -> None:
    """Insert a row whose key is not there yet."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(**row).on_conflict_do_nothing())


class Database:
    """An engine with this product's ways of beginning, failing and counting versions."""

    def __init__(self, url: URL | str) -> None:
        address = make_url(url)
        self._is_file = address.get_backend_name() == "sqlite"
        self._where = (address.database or "") if self._is_file else address.render_as_string(hide_password=True)
        self._lock = threading.Lock()
        self._watch: PoolProxiedConnection | None = None
        self._engine = self._engine_of_file(address) if self._is_file else self._engine_of_server(address)
        try:
            with self._reaching(), self._engine.connect() as connection:
                immediate = connection.execution_options(immediate=True)
                with immediate.begin():
                    bring_up(immediate, where=self._where)
        except BaseException:
            self._engine.dispose()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; copy out and leave."""
        view: dict[str, Any] = {} if self._is_file else {"isolation_level": "REPEATABLE READ"}
        with self._reaching(), self._engine.connect() as connection:
            viewing = connection.execution_options(**view)
            with viewing.begin():
                yield viewing

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its first statement; keep it short."""
        with self._reaching(), self._engine.connect() as connection:
            immediate = connection.execution_options(immediate=True)
            with immediate.begin():
                if not self._is_file:
                    immediate.execute(update(revisions).values(number=revisions.c.number + 1))
                yield immediate

    def version(self) -> int:
        """A number that changes when another connection has committed."""
        if not self._is_file:
            with self.reading() as connection:
                return int(connection.execute(select(revisions.c.number)).scalar_one())
        with self._lock, self._reaching():
            if self._watch is None:
                self._watch = self._engine.raw_connection()  # outside transactions: inside one the number stands still
            cursor = self._watch.cursor()
            cursor.execute("PRAGMA data_version")
            row = cursor.fetchone()
            cursor.close()
            assert row is not None
            return int(row[0])

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
            self._engine.dispose()

    def _engine_of_file(self, address: URL) -> Engine:
        try:
            Path(self._where).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._away(error) from error
        engine = create_engine(address, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine

    def _engine_of_server(self, address: URL) -> Engine:
        """An engine that notices a server's restart before it uses a connection from before."""
        try:
            return create_engine(
                address,
                connect_args=SERVER_OPTIONS,
                pool_pre_ping=True,
                pool_size=2,
                max_overflow=4,
                isolation_level="READ COMMITTED",
            )
        except ModuleNotFoundError as error:
            raise Unavailable(
                f"Cannot use the records at {self._where}: the PostgreSQL driver is not installed. "
                "Install it with `pip install 'linewright[postgres]'`."
            ) from error

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except exc.TimeoutError as error:
            raise self._away(error) from error
        except exc.DatabaseError as error:
            if isinstance(error, exc.IntegrityError | exc.ProgrammingError):
                raise
            raise self._away(error.orig or error) from error

    def _away(self, error: BaseException) -> Unavailable:
        reason = " ".join(str(error).split())
        advice = (
            "Is the folder there, writable and its disk not full?"
            if self._is_file
            else "Does PostgreSQL run there, is there such a database, and are user and password right?"
        )
        return Unavailable(f"Cannot use the records at {self._where} ({reason}). {advice}")


def _prepare(connection: Any, record: object) -> None:  # noqa: ARG001 - the shape SQLAlchemy calls
    connection.isolation_level = None  # the driver's own BEGIN is off; _begin sends ours
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _spelled(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _spelled(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(part) for part in value]
    return value
