"""The whole product with its records in a real PostgreSQL, which crashes and comes back meanwhile."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postgres_server import PASSWORD, Postgres
from pydantic import SecretStr

from linewright.doctor import check_records
from linewright.findings import Level
from linewright.settings.site import load
from linewright.wiring import open_records, open_site
from plant.errors import ConfigError, Unavailable
from plant.work_orders import WorkOrder
from store.books.settings import RecordsSettings
from store.records import Records
from tests.integration.test_linewright_service import Instance, wait_until

START = datetime(2026, 11, 22, tzinfo=UTC)
pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]


@pytest.fixture
def instance(postgres: Postgres, tmp_path: Path, free_port: int) -> Iterator[Instance]:
    """An instance of the template with its own broker and a simulated plant; its records are in PostgreSQL."""
    made = Instance(tmp_path / "site", broker_port=free_port)
    made.environment |= {
        "LINEWRIGHT_BROKER__EMBEDDED": "true",
        "LINEWRIGHT_RECORDS__URL": postgres.database(),
        "LINEWRIGHT_RECORDS__PASSWORD": PASSWORD,
    }
    made.site = open_site(made.folder, environ=made.environment)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.send_signal(signal.SIGTERM)
        made.process.communicate(timeout=120)


def test_instance_runs_whole_on_postgres_and_outlives_its_crash(postgres: Postgres, instance: Instance) -> None:
    instance.start()
    with closing(open_records(instance.site)) as records:
        wait_until(lambda: len(records.risks()) > 0 and records.newest_plan() is not None, limit_s=150)
        (found,) = check_records(instance.site)
        assert found.level is Level.OK
        postgres.stop(signal.SIGQUIT)
        with pytest.raises(Unavailable, match="Does PostgreSQL run there"):
            records.risks()
        (found,) = check_records(instance.site)
        assert found.level is Level.FAULT
        before = instance.pid_of("work")
        postgres.start()
        beats = {beat.role: beat.at for beat in records.roles()}
        wait_until(lambda: all(beat.at > beats[beat.role] for beat in records.roles()), limit_s=60)
        assessed = max(risk.assessed_at for risk in records.risks())
        wait_until(lambda: max(risk.assessed_at for risk in records.risks()) > assessed, limit_s=60)
        assert instance.pid_of("work") == before, "a role did not outlive it"
    assert "in order" in instance.stop()
    assert not (instance.site.data / "records.db").exists()
    database = str(instance.site.records.url)
    assert postgres.rows(database, "SELECT count(*) > 0 FROM risks") == [(True,)]
    for log in (instance.site.data / "run").glob("*.log"):
        assert PASSWORD not in log.read_text()


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
