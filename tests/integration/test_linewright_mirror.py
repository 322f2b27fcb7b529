"""The mirror on real servers: VictoriaMetrics with the client's own path, InfluxDB 1.6 behind a path-mapping proxy."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from influx_servers import Influx1, Server, VictoriaMetrics

from linewright.doctor import check_influx
from linewright.findings import Level
from linewright.mirror import open_mirror
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.status import read_status
from linewright.wiring import open_site, open_store
from plant.assets import SignalKind
from plant.signals import Batch, Quality
from store.embedded.writer import EmbeddedWriter, open_writer
from store.influx.book import MirrorBook
from store.influx.mirror import Mirror

pytestmark = pytest.mark.influx

SECOND = 1_000_000
DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"
QUICK = "period_s = 0.05\nretry_min_s = 0.05\nretry_max_s = 0.2\nlate_every_s = 0.2\nlate_h = 2\n"


@pytest.fixture
def victoria(require_real: Callable[[str], Path], tmp_path: Path) -> Iterator[VictoriaMetrics]:
    (tmp_path / "server").mkdir()
    server = VictoriaMetrics(require_real("victoria-metrics"), tmp_path / "server")
    yield server
    server.stop()


@pytest.fixture
def influx(require_real: Callable[[str], Path], tmp_path: Path) -> Iterator[Influx1]:
    (tmp_path / "server").mkdir()
    server = Influx1(require_real("influxdb"), tmp_path / "server")
    server.start()
    server.make("plant")
    yield server
    server.stop()
    server.close()


class House:
    """A site with a writer whose readings begin half an hour ago, so that some look crosses a full hour."""

    def __init__(self, folder: Path, server: Server) -> None:
        write_template(folder)
        with (folder / "linewright.toml").open("a") as file:
            file.write(f'\n[influx]\nurl = "{server.url}"\n{QUICK}')
        self.site: Site = open_site(folder, environ={"LINEWRIGHT_INFLUX__TOKEN": "let me in"})
        self.start_us = time.time_ns() // 1000 // SECOND * SECOND - 1800 * SECOND
        self.writer: EmbeddedWriter = open_writer(
            self.site.data, plant=self.site.plant, clock=self.site.clock, settings=self.site.store
        )
        self.run = self.writer.begin_run(["telemetry"])
        self.number = 0

    def write(self, machine: str, seconds: range, **values: float | str) -> None:
        """A reading per second; `power_kw` is the second's number unless it is given."""
        self.number += len(seconds)
        machine_class = self.site.plant.class_index[self.site.plant.machine_index[machine].machine_class]
        columns: dict[str, Any] = {
            "machine": pa.array([machine] * len(seconds), pa.string()),
            "observed_at": pa.array([self.start_us + each * SECOND for each in seconds], pa.int64()),
            "received_at": pa.array([self.site.clock.now_us()] * len(seconds), pa.int64()),
            "message": pa.array(range(len(seconds)), pa.int32()),
            "quality": pa.array([int(Quality.GOOD)] * len(seconds), pa.uint8()),
        }
        for signal_ in machine_class.signals:
            text = signal_.kind in (SignalKind.STATE, SignalKind.EVENT)
            given: Any = values.get(signal_.name)
            cells = [given] * len(seconds)
            if signal_.name == "power_kw" and given is None:
                cells = [float(each) for each in seconds]
            columns[signal_.name] = pa.array(cells, pa.string() if text else pa.float64())
        self.writer.write(
            Batch(
                run=self.run,
                tables={machine_class.name: pa.table(columns)},
                filters=("telemetry",),
                message_filter=np.zeros(len(seconds), np.int16),
                received=np.array([self.number], np.int64),
            )
        )

    def samples(self, seconds: range) -> list[tuple[int, float]]:
        """What VictoriaMetrics must show of them."""
        return [((self.start_us + each * SECOND) // 1000, float(each)) for each in seconds]


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    name = "victoria" if "victoria" in request.fixturenames else "influx"
    made = House(tmp_path / "site", request.getfixturevalue(name))
    yield made
    made.writer.close()


@pytest.fixture
def mirror(house: House) -> Iterator[Mirror]:
    store = open_store(house.site)
    with open_mirror(house.site, store=store) as opened:
        yield opened
    store.close()


def until(condition: Callable[[], bool], what: str, limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def count(influx: Influx1) -> int:
    rows = influx.rows("plant", "SELECT count(power_kw) FROM press, mill")
    return sum(int(row[1]) for row in rows)


def test_mirror_sends_every_reading_once_and_late_ones_too(
    victoria: VictoriaMetrics, house: House, mirror: Mirror
) -> None:
    victoria.start()
    house.write("L1-press", range(1200), state="Execute", temperature_c=float("inf"))
    house.write("L2-mill", range(600))
    assert mirror.turn() == 1800
    assert mirror.turn() == 0
    house.write("L1-press", range(1200, 1260))
    house.write("L2-mill", range(600, 700))  # ten minutes and more before the newest look
    assert mirror.turn() >= 60
    until(lambda: mirror.turn() >= 0 and mirror.state["lines_sent"] == 1960, "the late readings were not sent")
    pressed = victoria.series("press_power_kw")
    assert pressed == {"L1-press": house.samples(range(1260))}
    assert victoria.series("mill_power_kw") == {"L2-mill": house.samples(range(700))}
    assert victoria.series("press_temperature_c") == {}
    house.write("L1-press", range(5, 6), power_kw=77.5)  # a revision
    until(lambda: mirror.turn() == 1, "the revised reading was not sent")
    house.write("L1-press", range(5, 6), power_kw=5.0)  # and back
    until(lambda: mirror.turn() == 1, "the reading was not sent when it went back to its older value")
    assert mirror.state["lines_sent"] == 1962


def test_mirror_loses_nothing_while_the_server_is_away_and_tells_it_once(
    victoria: VictoriaMetrics, house: House, mirror: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stop = threading.Event()
    running = threading.Thread(target=mirror.run, args=(stop,))
    running.start()
    try:
        until(lambda: "connected" in mirror.state, "an empty store needs no server")
        assert mirror.state["connected"] is None
        house.write("L1-press", range(400))
        until(lambda: mirror.state.get("connected") is False, "the absent server was not noticed")
        assert "Is it running?" in str(mirror.state["reason"])
        (found,) = check_influx(house.site)
        assert found.level is Level.WARNING
        house.write("L1-press", range(400, 800))
        victoria.start()
        until(lambda: mirror.state["lines_sent"] == 800, "the backlog was not sent")
        (found,) = check_influx(house.site)
        assert found.level is Level.OK
        victoria.stop()
        house.write("L1-press", range(800, 1200))
        until(lambda: mirror.state["connected"] is False, "the stopped server was not noticed")
        victoria.start()
        until(lambda: mirror.state["lines_sent"] == 1200, "what came meanwhile was not sent")
    finally:
        stop.set()
        running.join()
    events = [record.message for record in caplog.records if record.name == "store.influx.mirror"]
    assert events == ["influx_gone", "influx_back"] * 2
    assert victoria.series("press_power_kw") == {"L1-press": house.samples(range(1200))}


def test_mirror_sends_what_ingest_brings_after_a_long_absence(influx: Influx1, house: House, mirror: Mirror) -> None:
    house.write("L1-press", range(-40_000, -39_900))
    until(lambda: mirror.turn() == 100, "the first readings were not sent")
    assert mirror.turn() == 0  # eleven hours pass: far more than late_h
    house.write("L2-mill", range(-39_900, -39_000))
    house.write("L1-press", range(100))
    until(lambda: mirror.turn() >= 0 and count(influx) == 1100, "what the broker had kept was not sent")
    until(lambda: mirror.turn() == 0 and mirror.state["behind_s"] == 0.0, "an idle plant is not behind")
    assert mirror.state["lines_sent"] == 1100


def test_mirror_doubles_nothing_after_its_own_restart(influx: Influx1, house: House) -> None:
    store = open_store(house.site)
    house.write("L1-press", range(500), state="Execute")
    with open_mirror(house.site, store=store) as mirror:
        assert mirror.turn() == 500
    house.write("L1-press", range(500, 600), state="Held")
    with open_mirror(house.site, store=store) as mirror:
        assert mirror.turn() == 600  # what the first one sent is sent again, and overwrites itself
    store.close()
    assert count(influx) == 600
    last = influx.rows("plant", "SELECT power_kw, state FROM press WHERE machine='L1-press' ORDER BY time DESC LIMIT 1")
    assert last == [[house.start_us + 599 * SECOND, 599.0, "Held"]]


def test_mirror_loses_nothing_when_the_server_is_killed(influx: Influx1, house: House, mirror: Mirror) -> None:
    stop = threading.Event()
    running = threading.Thread(target=mirror.run, args=(stop,))
    running.start()
    try:
        for kill in range(5):
            house.write("L1-press", range(kill * 200, kill * 200 + 200))
            if kill % 2:
                until(lambda: int(str(mirror.state["lines_sent"])) > 0, "nothing was sent")
            influx.stop(signal.SIGKILL)
            house.write("L2-mill", range(kill * 100, kill * 100 + 100))
            influx.start()
        until(lambda: count(influx) == 1500, "not every reading arrived")
    finally:
        stop.set()
        running.join()
    assert count(influx) == 1500


def test_mirror_sets_a_refused_line_aside_and_sends_the_rest(
    influx: Influx1, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    # somebody else wrote this machine's setting as text on another day: within its shard the type is fixed
    influx.write("plant", f'press,machine=other speed_ratio="fast" {house.start_us}')
    house.write("L1-press", range(300))
    house.write("L1-press", range(300, 302), speed_ratio=0.5)
    house.write("L1-press", range(302, 600))
    store = open_store(house.site)
    with open_mirror(house.site, store=store) as mirror:
        assert mirror.turn() == 598
        assert influx.writes < 60
        assert (mirror.state["connected"], mirror.state["lines_refused"]) == (True, 2)
        assert mirror.turn() == 0
    store.close()
    assert count(influx) == 598
    book = MirrorBook(house.site.data / "mirror.db", sink=f"{influx.url} linewright/plant")
    refused = book.refused()
    assert [f"power_kw={number}.0" in each.line for each, number in zip(refused, (301, 300), strict=True)] == [True] * 2
    assert all("type conflict" in each.reason for each in refused)
    assert book.account().refused == 2
    book.close()
    assert sum(record.message == "influx_refused" for record in caplog.records) == 2


def test_dashboard_of_grafana_asks_what_the_bucket_answers(influx: Influx1, house: House, mirror: Mirror) -> None:
    house.write("L1-press", range(-5400, 1800, 60), state="Execute", good_parts=7.0, scrap_parts=1.0, energy_kwh=3.0)
    assert mirror.turn() == 120
    (file,) = DASHBOARDS.glob("*.json")
    dashboard = json.loads(file.read_text())
    filled = {
        "$machine_class": "press",
        "/^$machine$/": "/^(L1-press|L2-press)$/",
        "$timeFilter": "time > now() - 3h",
        "$__interval": "10s",
        "$signal": "power_kw",
    }

    def answer(query: str) -> list[list[Any]]:
        for name, value in filled.items():
            query = query.replace(name, value)
        assert "$" not in query.replace(")$/", "")
        return influx.rows("plant", query)

    for panel in dashboard["panels"]:
        assert answer(panel["targets"][0]["query"]), panel["title"]
    found = {each["name"]: answer(each["query"]) for each in dashboard["templating"]["list"]}
    assert found["machine_class"] == [["press"]]
    assert found["machine"] == [["machine", "L1-press"]]
    assert ["power_kw", "float"] in found["signal"]


def test_role_sends_and_status_shows_it(victoria: VictoriaMetrics, house: House) -> None:
    victoria.start()
    house.write("L1-press", range(100))
    environment = {**os.environ, "LINEWRIGHT_INFLUX__TOKEN": "let me in"}
    command = [sys.executable, "-m", "linewright"]
    site = ["--site", str(house.site.folder)]
    role = subprocess.Popen([*command, "mirror", *site], env=environment, stderr=subprocess.PIPE, text=True)

    def status() -> dict[str, Any]:
        document = read_status(house.site)
        (found,) = (each for each in document.roles if each.name == "mirror")
        return {**found.detail, "running": found.running, "problems": document.problems}

    try:
        until(lambda: status().get("lines_sent") == 100, "the role did not send", limit_s=60)
        assert status()["running"]
        assert status()["connected"]
        victoria.stop()
        house.write("L1-press", range(100, 200))
        until(lambda: any("behind" in each for each in status()["problems"]), "nobody was told", limit_s=60)
    finally:
        role.send_signal(signal.SIGTERM)
        told = role.communicate(timeout=30)[1]
    assert role.returncode == 0, told
    assert told.count("influx_gone") == 1
    assert "let me in" not in told


def test_role_says_what_is_missing_without_the_section(tmp_path: Path) -> None:
    house = write_template(tmp_path / "bare").parent
    site = open_site(house, environ={})
    open_writer(site.data, plant=site.plant, clock=site.clock, settings=site.store).close()
    done = subprocess.run(
        [sys.executable, "-m", "linewright", "mirror", "--site", str(house)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "influx: found no such section" in done.stderr
    assert "Traceback" not in done.stderr
