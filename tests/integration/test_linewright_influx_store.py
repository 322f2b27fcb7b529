"""Readings in a real InfluxDB (1.6 behind a proxy): refusals, kills, and what commands say of such a site."""

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from influx_servers import Influx1, VictoriaMetrics
from typer.testing import CliRunner

from linewright.cli.app import app
from linewright.service import roles_of
from linewright.settings.loading import load
from linewright.settings.template import write_template
from linewright.wiring import open_site
from plant.clock import PlantClock
from plant.errors import ConfigError, Unavailable
from store.influx.reader import InfluxReader
from store.influx.settings import InfluxSettings
from store.influx.writer import InfluxWriter
from store.settings import StoreSettings
from tests.contract.batches import PLANT, at, batch, row, series
from tests.integration.test_linewright_service import Instance

pytestmark = [pytest.mark.influx, pytest.mark.timeout(300)]


@pytest.fixture
def influx(require_real: Callable[[str], Path], tmp_path: Path) -> Iterator[Influx1]:
    (tmp_path / "server").mkdir()
    server = Influx1(require_real("influxdb"), tmp_path / "server")
    server.start()
    yield server
    server.stop()
    server.close()


def writer(folder: Path, server: Influx1) -> InfluxWriter:
    settings = InfluxSettings(url=server.url, batch_lines=50)
    return InfluxWriter(folder, plant=PLANT, clock=PlantClock(), settings=settings, sizes=StoreSettings())


def test_writer_sets_a_refused_reading_aside_with_its_message(influx: Influx1, tmp_path: Path) -> None:
    influx.make("plant")
    influx.write("plant", f'press,machine=other current_a="high" {round(at(5).timestamp() * 1e6)}')
    with closing(writer(tmp_path / "site", influx)) as store:
        rows = [row("L1-press", second, temperature_c=1.0 * second) for second in range(200)]
        rows[120] = row("L1-press", 120, temperature_c=120.0, current_a=5.0)
        receipt = store.write(batch(*rows))
        assert (receipt.stored, receipt.quarantined, receipt.samples_stored) == (199, 1, 199)
        (line,) = store.ledger()
        assert (line.stored, line.quarantined, line.samples_quarantined, line.in_flight) == (199, 1, 2, 0)
        (aside,) = store.quarantine()
        assert b"current_a=5.0" in aside.payload
        assert "InfluxDB refused this reading" in aside.detail
        assert "type conflict" in aside.detail
        assert len(store.read(["L1-press"], start=at(0), end=at(500))["L1-press"]) == 199
        assert store.quarantine_remove([aside.number]) == 1


def test_writer_keeps_its_account_exact_over_kills_and_redeliveries(influx: Influx1, tmp_path: Path) -> None:
    with closing(writer(tmp_path / "site", influx)) as first:
        first.write(batch(*series("L1-press", 50)))
        with pytest.raises(Unavailable, match="already being written by process"):
            writer(tmp_path / "site", influx)
        influx.stop(signal.SIGKILL)
        with pytest.raises(Unavailable, match="answered 503"):
            first.write(batch(*series("L1-press", 50, first=50), received=100))
        influx.start()
        first.write(batch(*series("L1-press", 50, first=50), received=100))
    with closing(writer(tmp_path / "site", influx)) as second:
        second.write(batch(*series("L1-press", 60, first=50), run="again"))
        (line,) = second.ledger()
        assert (line.received, line.stored, line.duplicate, line.in_flight) == (160, 110, 50, 0)
        window = second.read(["L1-press"], start=at(0), end=at(500))["L1-press"]
        assert window.values["good_parts"].tolist() == [float(index) for index in range(110)]


def test_reader_is_told_what_is_missing(influx: Influx1, tmp_path: Path) -> None:
    settings = InfluxSettings(url=influx.url)
    with pytest.raises(Unavailable, match="There is no store at"):
        InfluxReader(tmp_path / "nowhere", plant=PLANT, settings=settings)
    with closing(writer(tmp_path / "site", influx)) as store:
        store.write(batch(*series("L1-press", 3)))
        with closing(InfluxReader(tmp_path / "site", plant=PLANT, settings=settings)) as reader:
            assert len(reader.last_values(["L1-press"])) == 3
            influx.stop()
            with pytest.raises(Unavailable, match="answered 503"):
                reader.read(["L1-press"], start=at(0), end=at(9), step=timedelta(seconds=1))


def test_site_without_a_section_for_the_server_is_refused(tmp_path: Path, free_port: int) -> None:
    made = Instance(tmp_path / "site", broker_port=free_port)
    with pytest.raises(ConfigError, match=r"add \[influx\] with url, org, bucket and token_file"):
        load(made.folder / "linewright.toml", {"LINEWRIGHT_STORE__KIND": "influxdb"})


def test_commands_on_a_site_in_influxdb_answer_or_say_why_not(influx: Influx1, tmp_path: Path) -> None:
    write_template(tmp_path)
    environ = {"LINEWRIGHT_STORE__KIND": "influxdb", "LINEWRIGHT_INFLUX__URL": influx.url}
    site = open_site(tmp_path, environ=environ)
    assert "mirror" not in roles_of(site)
    file = tmp_path / "history.csv"
    lines = [f"L1-press,2023-11-15T00:00:{second:02}Z,{second}.5" for second in range(40)]
    file.write_text("\n".join(["machine,observed_at,power_kw", *lines, ""]))

    def told(*words: str) -> tuple[int, str]:
        run = CliRunner().invoke(app, [*words, "--site", str(tmp_path)], env=environ)
        return run.exit_code, run.output + str(run.exception or "")

    assert told("import", str(file))[1].endswith("40 samples new, 0 were there.\n")
    assert told("import", str(file))[1].endswith("0 samples new, 40 were there.\n")
    out = tmp_path / "out.csv"
    span = ("--start", "2023-11-14", "--end", "2023-11-16")
    assert (
        told("export", "--machines", "L1-press", "--signals", "power_kw", *span, "--format", "csv", "-o", str(out))[0]
        == 0
    )
    assert len(out.read_text().splitlines()) == 41
    assert "40 readings of L1-press are deleted" in told("store", "delete", "--machines", "L1-press", *span, "--yes")[1]
    for words in (("sql", "SELECT 1"), ("store", "verify"), ("store", "compact"), ("store", "retain")):
        code, text = told(*words)
        assert code != 0
        assert "The readings of this site are in InfluxDB at" in text, words


def test_server_without_influxql_is_refused_in_words(require_real: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    server = VictoriaMetrics(require_real("victoria-metrics"), tmp_path / "server")
    server.start()
    try:
        settings = InfluxSettings(url=server.url)
        with pytest.raises(Unavailable, match="does not answer InfluxQL at /query"):
            InfluxWriter(tmp_path / "site", plant=PLANT, clock=PlantClock(), settings=settings, sizes=StoreSettings())
    finally:
        server.stop()
