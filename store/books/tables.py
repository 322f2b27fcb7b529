"""Every table of the records, in one place.

Key columns are for finding; `body` is the whole dataclass as JSON. All times are int64 microseconds UTC. The tables are
made and changed by the migrations in `store/books/migrations`; a test holds the two to each other.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()
NAME: Final = String().with_variant(String(collation="C"), "postgresql")
"""Sorted by code point at every server."""
NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up only a column of this very type."""

revisions = Table(  # one row, counted up by every transaction that writes; on PostgreSQL it is the writers' lock
    "revisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("version", NUMBER, primary_key=True, autoincrement=True),
    Column("kind", NAME, nullable=False),  # order, stock or closures
    Column("key", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("source", NAME, nullable=False),
    Column("current", Boolean, nullable=False),  # the newest version of its key
    Column("body", LargeBinary),  # NULL: removed
    Index("facts_by_key", "kind", "key", "version"),
    Index("facts_current", "kind", "key", sqlite_where=text("current"), postgresql_where=text("current")),
    sqlite_autoincrement=True,
)

risks = Table(
    "risks",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("machine", NAME, nullable=False),
    Column("assessed_us", BigInteger, nullable=False),
    Column("probability", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("risks_by_machine", "machine", "assessed_us"),
)

newest_risks = Table(  # beside the history, so that the newest never need a search
    "newest_risks",
    metadata,
    Column("machine", NAME, primary_key=True),
    Column("assessed_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

thinned = Table(  # up to where a machine's risk history was thinned out to one an hour
    "thinned",
    metadata,
    Column("machine", NAME, primary_key=True),
    Column("until_us", BigInteger, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("number", NAME, primary_key=True),
    Column("machine", NAME, nullable=False),
    Column("state", NAME, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("acknowledged_wall_us", BigInteger),
    Column("body", LargeBinary, nullable=False),
    Index("alerts_by_opening", "opened_us"),
    Index("alerts_by_state", "state"),
)

alert_changes = Table(
    "alert_changes",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("number", NAME, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("alert_changes_by_number", "number", "id"),
)

plans = Table(
    "plans",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("number", NAME, nullable=False, unique=True),
    Column("created_us", BigInteger, nullable=False),
    Column("status", NAME, nullable=False),
    Column("decision", NAME, nullable=False),
    Column("decided_us", BigInteger),
    Column("body", LargeBinary, nullable=False),
    Column("facts", LargeBinary, nullable=False),
    Index("plans_by_decision", "decision", "decided_us"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("number", NAME, nullable=False),
    Column("decision", NAME, nullable=False),
    Column("decided_by", NAME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("decisions_by_number", "number", "id"),
)

kpis = Table(
    "kpis",
    metadata,
    Column("entity", NAME, primary_key=True),
    Column("start_us", BigInteger, primary_key=True),
    Column("end_us", BigInteger, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("machine", NAME, primary_key=True),
    Column("at_us", BigInteger, primary_key=True),
    Column("kind", NAME, primary_key=True),
    Column("mode", NAME, nullable=False),
)

roles = Table(
    "roles",
    metadata,
    Column("role", NAME, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("detail", LargeBinary, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("item", NUMBER, primary_key=True, autoincrement=True),
    Column("kind", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("retry_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("outbox_by_kind", "kind", "item"),
    sqlite_autoincrement=True,
)

notes = Table(
    "notes",
    metadata,
    Column("key", NAME, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("job", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("who", NAME, nullable=False),
    Column("what", NAME, nullable=False),
    Column("detail", Text, nullable=False),
)

work_orders = Table(
    "work_orders",
    metadata,
    Column("number", NAME, primary_key=True),
    Column("machine", NAME, nullable=False),
    Column("state", NAME, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Column("body", LargeBinary, nullable=False),
    Index("work_orders_by_machine", "machine", "created_us"),
    Index("work_orders_by_state", "state"),
)

work_order_changes = Table(
    "work_order_changes",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("number", NAME, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("work_order_changes_by_number", "number", "id"),
)

model_uses = Table(  # the versions are files; this says which was in use when, and what it had been measured at
    "model_uses",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("machine_class", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("model_uses_by_class", "machine_class", "id"),
)

users = Table(
    "users",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("token_hash", NAME, unique=True),  # SHA-256 of a random token, as hex; NULL: cannot use the API
    Column("body", LargeBinary, nullable=False),
)
