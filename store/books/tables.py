"""Every table of the records, in one place.

Key columns are for finding; `body` is the whole dataclass as JSON. All times are int64 microseconds UTC.
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

FORMAT: Final = 2
"""`PRAGMA user_version` of the file; raised with every change of these tables. 2: `thinned`, added to older files."""

metadata = MetaData()

facts = Table(
    "facts",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),  # order, stock or closures
    Column("key", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("source", String, nullable=False),
    Column("current", Boolean, nullable=False),  # the newest version of its key
    Column("body", LargeBinary),  # NULL: removed
    Index("facts_by_key", "kind", "key", "version"),
    Index("facts_current", "kind", "key", sqlite_where=text("current")),
    sqlite_autoincrement=True,
)

risks = Table(
    "risks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("machine", String, nullable=False),
    Column("assessed_us", BigInteger, nullable=False),
    Column("probability", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("risks_by_machine", "machine", "assessed_us"),
)

newest_risks = Table(  # beside the history, so that the newest never need a search
    "newest_risks",
    metadata,
    Column("machine", String, primary_key=True),
    Column("assessed_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

thinned = Table(  # up to where a machine's risk history was thinned out to one an hour
    "thinned",
    metadata,
    Column("machine", String, primary_key=True),
    Column("until_us", BigInteger, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("number", String, primary_key=True),
    Column("machine", String, nullable=False),
    Column("state", String, nullable=False),
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
    Column("id", Integer, primary_key=True),
    Column("number", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("alert_changes_by_number", "number", "id"),
)

plans = Table(
    "plans",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", String, nullable=False, unique=True),
    Column("created_us", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("decision", String, nullable=False),
    Column("decided_us", BigInteger),
    Column("body", LargeBinary, nullable=False),
    Column("facts", LargeBinary, nullable=False),
    Index("plans_by_decision", "decision", "decided_us"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", String, nullable=False),
    Column("decision", String, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("decisions_by_number", "number", "id"),
)

kpis = Table(
    "kpis",
    metadata,
    Column("entity", String, primary_key=True),
    Column("start_us", BigInteger, primary_key=True),
    Column("end_us", BigInteger, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("machine", String, primary_key=True),
    Column("at_us", BigInteger, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("mode", String, nullable=False),
)

roles = Table(
    "roles",
    metadata,
    Column("role", String, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("detail", LargeBinary, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("item", Integer, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),
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
    Column("key", String, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("detail", Text, nullable=False),
)
