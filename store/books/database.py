"""The connection to the records: short transactions, one format version, bodies as JSON.

Source: SQLite "Write-Ahead Logging" and "Transaction control"; SQLAlchemy 2.1 "pysqlite: transactions with SAVEPOINT
and the driver's own BEGIN switched off".
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, PoolProxiedConnection, create_engine, event, exc, make_url, text

from plant.clock import microseconds
from plant.errors import Unavailable
from store.books.tables import FORMAT, metadata

Body = TypeVar("Body")
BUSY_TIMEOUT_S = 15.0
"""How long a writer waits for another process' transaction [s]."""


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


class Database:
    """An engine with this product's ways of beginning, failing and counting versions."""

    def __init__(self, url: str) -> None:
        self._where = make_url(url).database or url
        self._lock = threading.Lock()
        self._watch: PoolProxiedConnection | None = None
        try:
            Path(self._where).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._away(error) from error
        self._engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        with self.writing() as connection:
            self._migrate(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; copy out and leave."""
        with self._reaching(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its first statement; keep it short."""
        with self._reaching(), self._engine.connect() as connection:
            immediate = connection.execution_options(immediate=True)
            with immediate.begin():
                yield immediate

    def version(self) -> int:
        """A number that changes when another connection has committed."""
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

    def _migrate(self, connection: Connection) -> None:
        found = int(connection.execute(text("PRAGMA user_version")).scalar_one())
        if found > FORMAT:
            raise Unavailable(
                f"The records at {self._where} are of format {found}; this version reads up to {FORMAT}. "
                "Run the newer Linewright that wrote them."
            )
        metadata.create_all(connection)
        if found != FORMAT:
            connection.exec_driver_sql(f"PRAGMA user_version={FORMAT}")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (exc.OperationalError, exc.DatabaseError) as error:
            if isinstance(error, exc.IntegrityError | exc.ProgrammingError):
                raise
            raise self._away(error.orig or error) from error

    def _away(self, error: BaseException) -> Unavailable:
        return Unavailable(
            f"Cannot use the records at {self._where} ({error}). Is the folder there, writable and its disk not full?"
        )


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
