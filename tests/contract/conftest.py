"""The stores that keep the contract; each test runs on every one of them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from postgres_server import PASSWORD, Postgres
from pydantic import SecretStr

from plant.clock import PlantClock
from store.books.settings import RecordsSettings
from store.contract import TimeSeriesStore
from store.embedded.writer import open_writer
from store.influx.settings import InfluxSettings
from store.influx.writer import InfluxWriter
from store.records import Records
from store.settings import StoreSettings
from tests.contract.batches import PLANT
from tests.integration.influx_servers import Influx1

STORES = {
    "embedded": StoreSettings(),
    "embedded-sealing": StoreSettings(seal_span_s=1e-6, seal_rows=1, window_rows=0, merge_segments=3),
}
"""As it is by default, and sealing after every batch with no memory of what was sealed."""


@pytest.fixture(scope="session")
def influx_server(require_real: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx1]:
    """A real InfluxDB 1.6 behind the path-mapping proxy."""
    server = Influx1(require_real("influxdb"), tmp_path_factory.mktemp("influx"))
    server.start()
    yield server
    server.stop()
    server.close()


@pytest.fixture
def influx_settings(request: pytest.FixtureRequest) -> Iterator[InfluxSettings]:
    """A bucket that is not there yet, at LINEWRIGHT_TEST_INFLUX_URL (with its token) or at the InfluxDB 1.6."""
    if url := os.environ.get("LINEWRIGHT_TEST_INFLUX_URL"):
        org, token = (os.environ.get(f"LINEWRIGHT_TEST_INFLUX_{name}", "") for name in ("ORG", "TOKEN"))
    else:
        server: Influx1 = request.getfixturevalue("influx_server")
        url, org, token = server.url, "", ""
    settings = InfluxSettings(
        url=url, org=org or "linewright", bucket=f"test-{uuid4().hex}", token=SecretStr(token) if token else None
    )
    yield settings
    with InfluxDBClient(url=url, token=token, org=settings.org) as client:
        buckets = client.buckets_api()
        if (made := buckets.find_bucket_by_name(settings.bucket)) is not None:
            buckets.delete_bucket(made)


@pytest.fixture(params=[*STORES, pytest.param("influxdb", marks=pytest.mark.influx)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TimeSeriesStore]:
    """An empty store of each kind, for the plant of `batches`."""
    folder, clock = tmp_path / "site", PlantClock()
    opened: TimeSeriesStore
    if request.param == "influxdb":
        settings: InfluxSettings = request.getfixturevalue("influx_settings")
        opened = InfluxWriter(folder, plant=PLANT, clock=clock, settings=settings, sizes=StoreSettings())
    else:
        opened = open_writer(folder, plant=PLANT, clock=clock, settings=STORES[request.param])
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def records_settings(request: pytest.FixtureRequest) -> RecordsSettings:
    """Where records are kept: in a file, and in a new database of a real PostgreSQL."""
    if request.param == "sqlite":
        return RecordsSettings()
    server: Postgres = request.getfixturevalue("postgres")
    return RecordsSettings(url=server.database(), password=SecretStr(PASSWORD))


@pytest.fixture
def records(records_settings: RecordsSettings, tmp_path: Path) -> Iterator[Records]:
    """Empty records of each kind."""
    opened = Records(records_settings.address(tmp_path / "site"))
    yield opened
    opened.close()
