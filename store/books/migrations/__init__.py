"""The history of the records' tables, as Alembic migrations."""
