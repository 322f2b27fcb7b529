"""Records in a real PostgreSQL: how it is reached, refused, left and found again."""

import signal
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postgres_server import PASSWORD, Postgres
from pydantic import SecretStr

from linewright.settings.loading import load
from plant.errors import ConfigError, Unavailable
from plant.work_orders import WorkOrder
from store.books.settings import RecordsSettings
from store.records import Records
from tests.integration.test_linewright_service import Instance

START = datetime(2026, 11, 22, tzinfo=UTC)
pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]


def test_postgres_that_is_away_at_the_start_is_told_in_a_sentence(tmp_path: Path, free_port: int) -> None:
    made = Instance(tmp_path / "site", broker_port=free_port)
    made.environment["LINEWRIGHT_RECORDS__URL"] = f"postgresql://linewright@127.0.0.1:{free_port}/linz"
    made.environment["LINEWRIGHT_RECORDS__PASSWORD"] = PASSWORD
    done = subprocess.run(
        [sys.executable, "-m", "linewright", "run", "--site", str(made.folder)],
        env=made.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert f"Cannot use the records at postgresql+psycopg://linewright:***@127.0.0.1:{free_port}/linz" in done.stderr
    assert "Does PostgreSQL run there" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_password_is_told_without_it(postgres: Postgres) -> None:
    settings = RecordsSettings(url=postgres.database(), password=SecretStr("a guess"))
    with pytest.raises(Unavailable, match="password authentication failed") as told:
        Records(settings.address(Path()))
    assert "a guess" not in str(told.value)


def test_password_in_the_url_is_refused_without_repeating_it(tmp_path: Path, free_port: int) -> None:
    made = Instance(tmp_path / "site", broker_port=free_port)
    url = "postgresql+psycopg://linewright:hunter2@127.0.0.1/linz"
    with pytest.raises(ConfigError) as told:
        load(made.folder / "linewright.toml", {"LINEWRIGHT_RECORDS__URL": url})
    assert "url holds a password; name a file with password_file instead" in str(told.value)
    assert "hunter2" not in str(told.value)


def test_writers_of_postgres_wait_for_each_other_and_lose_nothing(postgres: Postgres) -> None:
    settings = RecordsSettings(url=postgres.database(), password=SecretStr(PASSWORD))
    opened: list[Records] = []
    faults: list[Exception] = []

    def write(number: int) -> None:
        try:
            records = Records(settings.address(Path()))  # four at once bring a new database up
            opened.append(records)
            for count in range(30):
                noted = records.noted("count") or {"at": 0}
                records.request(f"writer {number}", at=START)
                records.put_work_order(
                    WorkOrder(number=f"W-{number}-{count}", machine="L1-press", title="x", created_at=START)
                )
                records.note("count", {"at": int(noted["at"]) + 1})
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    taken: list[str] = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if opened:
            taken += [each.job for each in opened[0].take_requests()]
    for thread in threads:
        thread.join()
    assert faults == []
    taken += [each.job for each in opened[0].take_requests()]
    assert sorted(taken) == sorted(f"writer {number}" for number in range(4) for _ in range(30))
    assert len(opened[0].work_orders(limit=1000)) == 120
    for records in opened:
        records.close()


def test_connections_from_before_a_crash_are_not_used_again(postgres: Postgres) -> None:
    settings = RecordsSettings(url=postgres.database(), password=SecretStr(PASSWORD))
    with closing(Records(settings.address(Path()))) as records:
        records.note("banner", {"text": "kept"})
        version = records.version()
        postgres.stop(signal.SIGQUIT)
        with pytest.raises(Unavailable, match="Does PostgreSQL run there"):
            records.noted("banner")
        postgres.start()
        assert records.noted("banner") == {"text": "kept"}
        records.note("banner", {"text": "new"})
        assert records.version() > version
