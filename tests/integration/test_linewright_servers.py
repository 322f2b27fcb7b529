"""The whole product on servers: readings in InfluxDB (1.6 behind a proxy), records in PostgreSQL; both are killed."""

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from influx_servers import Influx1
from postgres_server import PASSWORD, Postgres

from ingest.simulator.publish import read_counts
from linewright.doctor import check_records
from linewright.findings import Level
from linewright.service import roles_of
from linewright.wiring import open_records, open_site, open_store
from plant.errors import Unavailable
from tests.integration.test_linewright_service import Instance, wait_until

pytestmark = [pytest.mark.influx, pytest.mark.postgres, pytest.mark.timeout(300)]


@pytest.fixture
def influx(require_real: Callable[[str], Path], tmp_path: Path) -> Iterator[Influx1]:
    (tmp_path / "server").mkdir()
    server = Influx1(require_real("influxdb"), tmp_path / "server")
    server.start()
    yield server
    server.stop()
    server.close()


@pytest.fixture
def instance(influx: Influx1, postgres: Postgres, tmp_path: Path, free_port: int) -> Iterator[Instance]:
    """An instance of the template with its own broker and a simulated plant, which keeps nothing but its account."""
    made = Instance(tmp_path / "site", broker_port=free_port)
    made.environment |= {
        "LINEWRIGHT_BROKER__EMBEDDED": "true",
        "LINEWRIGHT_STORE__KIND": "influxdb",
        "LINEWRIGHT_INFLUX__URL": influx.url,
        "LINEWRIGHT_INFLUX__TOKEN": "let me in",
        "LINEWRIGHT_INFLUX__RETENTION_DAYS": "30",
        "LINEWRIGHT_RECORDS__URL": postgres.database(),
        "LINEWRIGHT_RECORDS__PASSWORD": PASSWORD,
    }
    made.site = open_site(made.folder, environ=made.environment)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.send_signal(signal.SIGTERM)
        made.process.communicate(timeout=120)


def test_instance_runs_whole_on_servers_and_outlives_their_kills(
    influx: Influx1, postgres: Postgres, instance: Instance
) -> None:
    instance.start()
    with closing(open_records(instance.site)) as records:
        wait_until(lambda: len(records.risks()) > 0 and records.newest_plan() is not None, limit_s=150)
        wait_until(lambda: {beat.role for beat in records.roles()} == set(roles_of(instance.site)), limit_s=60)
        (found,) = check_records(instance.site)
        assert found.level is Level.OK
        before = instance.pid_of("work")
        influx.stop(signal.SIGKILL)
        influx.start()
        postgres.stop(signal.SIGQUIT)
        with pytest.raises(Unavailable, match="Does PostgreSQL run there"):
            records.risks()
        (found,) = check_records(instance.site)
        assert found.level is Level.FAULT
        postgres.start()
        beats = {beat.role: beat.at for beat in records.roles()}
        assessed = max(risk.assessed_at for risk in records.risks())
        wait_until(lambda: all(beat.at > beats[beat.role] for beat in records.roles()), limit_s=60)
        wait_until(lambda: max(risk.assessed_at for risk in records.risks()) > assessed, limit_s=60)
        assert instance.pid_of("work") == before, "a role did not outlive it"
    assert "in order" in instance.stop()
    _lost_nothing(influx, instance)
    assert postgres.rows(instance.site.records.url, "SELECT count(*) > 0 FROM risks") == [(True,)]
    assert not (instance.site.data / "records.db").exists()
    for log in (instance.site.data / "run").glob("*.log"):
        text = log.read_text()
        assert PASSWORD not in text
        assert "let me in" not in text


def _lost_nothing(influx: Influx1, instance: Instance) -> None:
    """What was published is at the server once, and the account says so."""
    published = read_counts(instance.site.data / "run" / "simulator-counts.json")
    with closing(open_store(instance.site)) as store:
        (line,) = (each for each in store.ledger() if each.filter.endswith("/telemetry"))
    assert (line.stored, line.samples_stored) == (published.messages, published.samples)
    assert (line.in_flight, line.quarantined) == (0, 0)
    rows = influx.rows("plant", "SELECT count(linewright_quality) FROM /^[a-z]+$/")
    assert sum(int(each[1]) for each in rows) == published.messages
    assert influx.rows("plant", 'SHOW RETENTION POLICIES ON "plant"')[0][1] == "720h0m0s"
    assert not list((instance.site.data / "segments").glob("*/*.parquet"))
