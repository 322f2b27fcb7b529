"""The doctor against a real broker, and its look at clocks after a real reading came in."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from ingest.ingestor import Ingestor
from ingest.publisher import Publisher
from linewright.doctor import check_broker
from linewright.doctor_data import check_clock, check_store
from linewright.findings import Level
from linewright.settings.loading import load
from linewright.settings.site import Site
from linewright.settings.template import write_template
from store.embedded.writer import open_writer

pytestmark = pytest.mark.mosquitto


class Broker(Protocol):
    """As the fixture `mosquitto` gives it."""

    port: int

    def start(self) -> None:
        """Start it."""


@pytest.fixture
def site(tmp_path: Path, mosquitto: Broker) -> Site:
    loaded = load(write_template(tmp_path, broker_port=mosquitto.port), {"LINEWRIGHT_BROKER__EMBEDDED": "false"})
    mosquitto.start()
    return loaded


def wait_until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_check_broker_is_welcomed_by_mosquitto(site: Site) -> None:
    (finding,) = check_broker(site)
    assert finding.level is Level.OK
    assert "welcomed us" in finding.sentence


def test_check_broker_finds_a_stranger_at_the_embedded_brokers_port(site: Site) -> None:
    (finding,) = check_broker(replace(site, broker=site.broker.model_copy(update={"embedded": True})))
    assert finding.level is Level.FAULT
    assert "not this site's" in finding.sentence


def test_check_clock_names_the_device_whose_clock_is_off(site: Site) -> None:
    writer = open_writer(site.data, plant=site.plant, clock=site.clock)
    ingestor = Ingestor(
        site.ingest,
        broker=site.broker,
        plant=site.plant,
        sink=writer.write,
        clock=site.clock,
        run=writer.begin_run(("acme/linz/+/+/+/telemetry", "(no filter)")),
    )
    stop = threading.Event()
    thread = threading.Thread(target=ingestor.run, args=(stop,))
    thread.start()
    publisher = Publisher(site.broker, client_id="doctor-test")
    try:
        wait_until(lambda: bool(ingestor.state["connected"]), "the ingestor did not connect")
        publisher.connect()
        now_ms = time.time_ns() // 1_000_000
        for machine, offset_s in (("L1-press", -1), ("L2-press", -7200)):
            payload = {"timestamp_ms": now_ms + 1000 * offset_s, "temperature_c": 40.0}
            publisher.publish(f"acme/linz/hall1/{machine[:2]}/{machine}/telemetry", json.dumps(payload).encode())
        wait_until(lambda: len(writer.last_values()) == 2, "the readings were not stored")
    finally:
        publisher.close()
        stop.set()
        thread.join()
        writer.close()
    findings = list(check_clock(site))
    assert findings[-1].level is Level.WARNING
    assert "L2-press by -7200 s" in findings[-1].sentence
    assert "L1-press" not in findings[-1].sentence
    assert any("2 messages received" in finding.sentence for finding in check_store(site))
