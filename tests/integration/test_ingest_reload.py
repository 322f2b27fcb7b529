"""A configuration changed while ingest runs: taken on with nothing lost or doubled, or refused with its faults."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from ingest.broker_settings import BrokerSettings
from ingest.publisher import Publisher
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site, open_store
from plant.errors import Unavailable

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(120)]
START_MS = 1_790_000_000_000
MAPPING = """
[[ingest.mappings]]
topic = "further/{line}/{machine}/values"
time_unit = "%s"
"""


def wait_for(done: Callable[[], bool], *, seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def site(mosquitto, tmp_path, monkeypatch):
    mosquitto.start()
    write_template(tmp_path)
    monkeypatch.setenv("LINEWRIGHT_BROKER__PORT", str(mosquitto.port))
    monkeypatch.setenv("LINEWRIGHT_BROKER__EMBEDDED", "false")
    import os

    return open_site(tmp_path, environ=os.environ)


@pytest.fixture
def role(site):
    process = subprocess.Popen([sys.executable, "-m", "linewright", "ingest", "--site", str(site.folder)])
    wait_for(lambda: bool(told(site).get("connected")))
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def told(site) -> dict:
    with closing(open_records(site)) as records:
        return next((dict(beat.detail) for beat in records.roles() if beat.role == "ingest"), {})


def ledger(site) -> dict[str, int]:
    try:
        with closing(open_store(site)) as store:
            lines = store.ledger()
    except Unavailable:
        return {"stored": 0}
    names = ("received", "stored", "duplicate", "quarantined", "in_flight", "missing", "samples_missing")
    return {name: sum(getattr(line, name) for line in lines) for name in names}


def messages(site, start: int, count: int, *, topic: str):
    machine = site.plant.machines[0]
    line = next(each for each in site.plant.lines if each.name == machine.line)
    at = topic.format(enterprise="acme", site="linz", area=line.area, line=line.name, machine=machine.name)
    at = at.replace("acme", site.plant.enterprise).replace("linz", site.plant.site)
    for number in range(start, start + count):
        yield at, json.dumps({"timestamp_ms": START_MS + number, "power_kw": number}).encode()


def there_and_back(site, role, publisher: Publisher, before: str, turn: int) -> None:
    """Take a mapping on, have it used, and take it off again; this happens for the n-th time."""
    file = site.folder / "linewright.toml"
    file.write_text(before + MAPPING % "ms")
    wait_for(lambda: works_by(site, 2 * turn + 1))
    publisher.publish_many(messages(site, 1_000_000 + 100 * turn, 100, topic="further/{line}/{machine}/values"))
    wait_for(lambda: of_filter(site, "further/+/+/values") == 100 * (turn + 1))
    file.write_text(before)
    role.send_signal(signal.SIGHUP)
    wait_for(lambda: works_by(site, 2 * turn + 2))


def test_new_mappings_are_taken_on_under_load_and_faulty_ones_refused(site, role, mosquitto):
    file = site.folder / "linewright.toml"
    before = file.read_text()
    publisher = Publisher(BrokerSettings(port=mosquitto.port), client_id="test-publisher")
    publisher.connect()
    stop, sent = threading.Event(), [0]

    def publish() -> None:
        while not stop.wait(0.01):
            publisher.publish_many(
                messages(site, sent[0], 20, topic="{enterprise}/{site}/{area}/{line}/{machine}/telemetry")
            )
            sent[0] += 20

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        wait_for(lambda: ledger(site)["stored"] > 100)
        file.write_text(before + MAPPING % "fortnights")
        wait_for(lambda: "was not taken" in str(told(site).get("configuration")))
        assert "time_unit" in told(site)["configuration"]
        stored = ledger(site)["stored"]
        wait_for(lambda: ledger(site)["stored"] > stored + 100)
        for turn in range(3):
            there_and_back(site, role, publisher, before, turn)
    finally:
        stop.set()
        thread.join(20)
        publisher.close()
    wait_for(lambda: ledger(site)["stored"] == sent[0] + 300)
    account = ledger(site)
    assert (account["quarantined"], account["missing"], account["samples_missing"]) == (0, 0, 0)


def works_by(site, number: int) -> bool:
    """Whether ingest is connected by the configuration that was taken on as this one since its start."""
    now = told(site)
    return now["configurations"] == number and not now["configuration"] and bool(now["connected"])


def of_filter(site, name: str) -> int:
    with closing(open_store(site)) as store:
        return sum(line.stored for line in store.ledger() if line.filter == name)
