"""Several brokers at once: a link for each, one store, and none held up by another."""

import contextlib
import json
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mosquitto_broker import Mosquitto

from ingest.broker_settings import BrokerSettings
from ingest.publisher import Publisher
from linewright.links import role_detail
from linewright.pipeline import receive_and_keep
from linewright.quarantine import ask, chosen
from linewright.receiving import begin_beside, run_together
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.status import as_text, examine
from linewright.wiring import open_records, open_site, wall_now
from store.embedded.writer import EmbeddedWriter, open_writer

pytestmark = pytest.mark.mosquitto
START_MS = 1_790_000_000_000


@pytest.fixture
def second(require_real: Callable[[str], Path]) -> Iterator[Mosquitto]:
    """Another Mosquitto, not started yet."""
    folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
    folder.chmod(0o777)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = Mosquitto(require_real("mosquitto"), port=port, folder=folder)
    yield broker
    broker.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def site(mosquitto: Mosquitto, second: Mosquitto, tmp_path: Path) -> Site:
    """The template's plant, hearing two brokers: the second writes the power otherwise."""
    write_template(tmp_path)
    file = tmp_path / "linewright.toml"
    further = f"""
[[ingest.mappings]]
broker = "east"
topic = "{{enterprise}}/{{site}}/{{area}}/{{line}}/{{machine}}/telemetry"
fields = {{ power_kw = "kw" }}
[[ingest.brokers]]
name = "east"
port = {second.port}
reconnect_min_s = 0.1
reconnect_max_s = 0.5
"""
    file.write_text(file.read_text() + further)
    environ = {
        "LINEWRIGHT_BROKER__PORT": str(mosquitto.port),
        "LINEWRIGHT_BROKER__EMBEDDED": "false",
        "LINEWRIGHT_BROKER__RECONNECT_MIN_S": "0.1",
        "LINEWRIGHT_BROKER__RECONNECT_MAX_S": "0.5",
    }
    return open_site(tmp_path, environ=environ)


@contextlib.contextmanager
def ingesting(site: Site) -> Iterator[tuple[EmbeddedWriter, Callable[[], dict[str, object]]]]:
    """The ingest role in a thread; gives the store and what the role says of itself."""
    stop = threading.Event()
    with contextlib.closing(open_writer(site.data, plant=site.plant, clock=site.clock)) as writer:
        ingestors = receive_and_keep(
            site,
            write=writer.write,
            begin_run=begin_beside(writer.begin_run),
            take_orders=lambda _topic, _payload: None,
            quarantine=writer,
        )
        thread = threading.Thread(target=run_together, args=(ingestors, stop))
        thread.start()
        try:
            yield writer, lambda: role_detail({name: each.state for name, each in ingestors.items()})
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()


def wait_for(done: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def publish(site: Site, port: int, numbers: range, *, field: str) -> None:
    machine = site.plant.machines[0]
    line = next(each for each in site.plant.lines if each.name == machine.line)
    topic = f"{site.plant.enterprise}/{site.plant.site}/{line.area}/{line.name}/{machine.name}/telemetry"
    publisher = Publisher(BrokerSettings(port=port), client_id=f"test-{port}")
    try:
        publisher.connect()
        publisher.publish_many(
            (topic, json.dumps({"timestamp_ms": START_MS + 1_000 * number, field: number}).encode())
            for number in numbers
        )
    finally:
        publisher.close()


def stored(writer: EmbeddedWriter) -> dict[str, int]:
    """Messages stored by the broker they came from."""
    found = {"main": 0, "east": 0}
    for line in writer.ledger():
        found["east" if line.filter.startswith("east: ") else "main"] += line.stored
    return found


def test_two_brokers_feed_one_store_and_one_away_holds_up_no_other(mosquitto, second, site):
    mosquitto.start()
    second.start()
    with ingesting(site) as (writer, told):
        wait_for(lambda: bool(told()["connected"]))
        publish(site, mosquitto.port, range(400), field="power_kw")
        publish(site, second.port, range(1_000, 1_400), field="kw")
        wait_for(lambda: stored(writer) == {"main": 400, "east": 400})
        second.stop()
        wait_for(lambda: not told()["connected"])
        publish(site, mosquitto.port, range(400, 800), field="power_kw")
        wait_for(lambda: stored(writer)["main"] == 800)
        records = open_records(site)
        records.beat("ingest", pid=1, since=wall_now(), at=wall_now(), detail=told())
        status = examine(site, store=writer, records=records)
        records.close()
        assert f"no connection to the broker east at 127.0.0.1:{second.port}" in " ".join(status.problems)
        assert f"main at 127.0.0.1:{mosquitto.port}: connected" in as_text(status)
        assert f"east at 127.0.0.1:{second.port}: AWAY" in as_text(status)
        second.start()
        publish(site, second.port, range(1_400, 1_800), field="kw")
        wait_for(lambda: stored(writer) == {"main": 800, "east": 800})
        lines = writer.ledger()
    # a broker that stops between commit and acknowledgement sends again: duplicates are right there, doubles are not
    assert sum(line.quarantined for line in lines) == 0
    assert all(line.missing == line.samples_missing == line.in_flight == 0 for line in lines)


def test_a_message_of_a_further_broker_is_replayed_under_its_own_mapping(mosquitto, second, site):
    mosquitto.start()
    second.start()
    with ingesting(site) as (writer, told):
        wait_for(lambda: bool(told()["connected"]))
        publish(site, second.port, range(1), field="power_kw")  # not as this broker's mapping reads it
        wait_for(lambda: len(writer.quarantine()) == 1)
        (message,) = chosen(site)
        assert message.filter.startswith("east: ")
        outcome = ask(site, task="replay", numbers=[message.number], wait_s=10)
        assert not outcome.done, "the role does not beat here"
        wait_for(lambda: [each.number for each in writer.quarantine()] not in ([], [message.number]))
        lines = writer.ledger()
    assert sum(line.quarantined for line in lines) == 1
    assert all(line.missing == line.samples_missing == 0 for line in lines)
