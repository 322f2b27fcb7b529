"""The tables of 0.1.0; in a file that 0.1.0 wrote, only what an early one lacked.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables that are missing."""
    _facts()
    _table(
        "risks",
        sa.Column("id", NUMBER, primary_key=True),
        _name("machine"),
        _number("assessed_us"),
        sa.Column("probability", sa.Float(), nullable=False),
        _body(),
    )
    _index("risks_by_machine", "risks", "machine", "assessed_us")
    _table("newest_risks", _key("machine"), _number("assessed_us"), _body())
    _table("thinned", _key("machine"), _number("until_us"))
    _alerts()
    _plans()
    _table(
        "kpis",
        _key("entity"),
        sa.Column("start_us", sa.BigInteger(), primary_key=True),
        sa.Column("end_us", sa.BigInteger(), primary_key=True),
        _body(),
    )
    _table(
        "maintenance",
        _key("machine"),
        sa.Column("at_us", sa.BigInteger(), primary_key=True),
        _key("kind"),
        _name("mode"),
    )
    _table(
        "roles",
        _key("role"),
        sa.Column("pid", sa.Integer(), nullable=False),
        _number("since_us"),
        _number("at_us"),
        _body("detail"),
    )
    _table(
        "outbox",
        sa.Column("item", NUMBER, primary_key=True, autoincrement=True),
        _name("kind"),
        _number("at_us"),
        _number("retry_us"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("reason"),
        _body("payload"),
        sqlite_autoincrement=True,
    )
    _index("outbox_by_kind", "outbox", "kind", "item")
    _table("notes", _key("key"), _body("document"))
    _table(
        "requests",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        _name("job"),
        _number("at_us"),
        _text("detail"),
        sqlite_autoincrement=True,
    )
    _table(
        "audit",
        sa.Column("id", NUMBER, primary_key=True),
        _number("at_us"),
        _name("who"),
        _name("what"),
        _text("detail"),
    )


def _facts() -> None:
    _table(
        "facts",
        sa.Column("version", NUMBER, primary_key=True, autoincrement=True),
        _name("kind"),
        _name("key"),
        _number("at_us"),
        _name("source"),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sqlite_autoincrement=True,
    )
    _index("facts_by_key", "facts", "kind", "key", "version")
    current = sa.text("current")
    op.create_index(
        "facts_current", "facts", ["kind", "key"], sqlite_where=current, postgresql_where=current, if_not_exists=True
    )


def _alerts() -> None:
    _table(
        "alerts",
        _key("number"),
        _name("machine"),
        _name("state"),
        _number("opened_us"),
        _number("changed_us"),
        sa.Column("acknowledged_wall_us", sa.BigInteger()),
        _body(),
    )
    _index("alerts_by_opening", "alerts", "opened_us")
    _index("alerts_by_state", "alerts", "state")
    _table("alert_changes", sa.Column("id", NUMBER, primary_key=True), _name("number"), _body())
    _index("alert_changes_by_number", "alert_changes", "number", "id")


def _plans() -> None:
    _table(
        "plans",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("number", NAME, nullable=False, unique=True),
        _number("created_us"),
        _name("status"),
        _name("decision"),
        sa.Column("decided_us", sa.BigInteger()),
        _body(),
        _body("facts"),
    )
    _index("plans_by_decision", "plans", "decision", "decided_us")
    _table(
        "decisions",
        sa.Column("id", NUMBER, primary_key=True),
        _name("number"),
        _name("decision"),
        _name("decided_by"),
        _text("reason"),
        _number("at_us"),
    )
    _index("decisions_by_number", "decisions", "number", "id")


def _table(name: str, *columns: "sa.Column[object]", sqlite_autoincrement: bool = False) -> None:
    op.create_table(name, *columns, if_not_exists=True, sqlite_autoincrement=sqlite_autoincrement)


def _index(name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, list(columns), if_not_exists=True)


def _key(name: str) -> "sa.Column[object]":
    return sa.Column(name, NAME, primary_key=True)


def _name(name: str) -> "sa.Column[object]":
    return sa.Column(name, NAME, nullable=False)


def _text(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _body(name: str = "body") -> "sa.Column[object]":
    return sa.Column(name, sa.LargeBinary(), nullable=False)
