"""Work orders, uses of models, users, and the count of changes by which writers wait for each other.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables; 0.1.0, which looks at `user_version` only, will not open the file any more."""
    revisions = op.create_table(
        "revisions",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(revisions, [{"id": 1, "number": 0}])
    op.create_table(
        "work_orders",
        sa.Column("number", NAME, primary_key=True),
        sa.Column("machine", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger()),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("work_orders_by_machine", "work_orders", ["machine", "created_us"])
    op.create_index("work_orders_by_state", "work_orders", ["state"])
    op.create_table(
        "work_order_changes",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("number", NAME, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("work_order_changes_by_number", "work_order_changes", ["number", "id"])
    op.create_table(
        "model_uses",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("machine_class", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("model_uses_by_class", "model_uses", ["machine_class", "id"])
    op.create_table(
        "users",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("token_hash", NAME, unique=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA user_version=3")
