"""The stores that keep the contract; each test runs on every one of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import PASSWORD, Postgres
from pydantic import SecretStr

from plant.clock import PlantClock
from store.books.settings import RecordsSettings
from store.contract import TimeSeriesStore
from store.embedded.writer import open_writer
from store.records import Records
from store.settings import StoreSettings
from tests.contract.batches import PLANT

STORES = {
    "embedded": StoreSettings(),
    "embedded-sealing": StoreSettings(seal_span_s=1e-6, seal_rows=1, window_rows=0, merge_segments=3),
}
"""As it is by default, and sealing after every batch with no memory of what was sealed."""


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TimeSeriesStore]:
    """An empty store of each kind, for the plant of `batches`."""
    opened = open_writer(tmp_path / "site", plant=PLANT, clock=PlantClock(), settings=STORES[request.param])
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
