"""The records file itself: made, adopted from 0.1.0, refused where it cannot be used."""

import sqlite3
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from plant.errors import Unavailable
from store.books.migrating import HEAD, MIGRATIONS
from store.records import Records, records_url

OLD = """
CREATE TABLE facts (version INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, kind VARCHAR NOT NULL, "key" VARCHAR NOT NULL,
  at_us BIGINT NOT NULL, source VARCHAR NOT NULL, current BOOLEAN NOT NULL, body BLOB);
CREATE INDEX facts_by_key ON facts (kind, "key", version);
CREATE INDEX facts_current ON facts (kind, "key") WHERE current;
CREATE TABLE notes ("key" VARCHAR NOT NULL, document BLOB NOT NULL, PRIMARY KEY ("key"));
PRAGMA user_version=1;
"""
"""A part of what 0.1.0 made; the rest is missing, as `thinned` was in its earliest files."""


def test_records_are_unavailable_with_the_path_when_the_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file")
    with pytest.raises(Unavailable, match=r"Cannot use the records at .*blocked"):
        Records(records_url(tmp_path / "blocked" / "records.db"))
    (tmp_path / "rubbish.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        Records(records_url(tmp_path / "rubbish.db"))


def test_records_of_a_newer_format_are_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Records(records_url(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(Unavailable, match=f"of format 9999; this version reads up to {HEAD}"):
        Records(records_url(path))


def test_records_of_0_1_0_are_adopted_with_what_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    connection = sqlite3.connect(path)
    connection.executescript(OLD)
    connection.execute("INSERT INTO notes VALUES ('banner', '{\"text\": \"kept\"}')")
    connection.commit()
    connection.close()
    records = Records(records_url(path))
    assert records.noted("banner") == {"text": "kept"}
    assert records.work_orders() == ()
    records.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)  # 0.1.0 will say that it is newer
    connection.close()
    Records(records_url(path)).close()


def test_head_is_the_newest_migration_in_the_package() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]
