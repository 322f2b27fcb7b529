"""Two ingest processes on one Mosquitto: shared out over MQTT 5, handed over to one store, whoever is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ingest_plant import PLANT

from ingest.batching import Batcher
from ingest.broker_settings import BrokerSettings
from ingest.handover import Handover, Upstream
from ingest.publisher import Publisher
from linewright.receiving import as_member
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site, open_store
from plant.clock import PlantClock, instant
from plant.errors import ConfigError, Unavailable
from plant.signals import Batch, Receipt, Rejection, RejectionReason
from store.embedded.reader import open_reader
from store.embedded.writer import EmbeddedWriter, open_writer

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(150)]
START_MS = 1_790_000_000_000
MESSAGES = 3_000


def wait_for(done: Callable[[], bool], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


class Role:
    """An ingest process of a site: the one with the store, or a member."""

    def __init__(self, site, *more: str) -> None:
        self._site, self._name = site, f"ingest-{more[1]}" if more else "ingest"
        self._command = [sys.executable, "-m", "linewright", "ingest", "--site", str(site.folder), *more]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command)
        wait_for(self._connected)

    def _connected(self) -> bool:
        with closing(open_records(self._site)) as records:
            return any(
                beat.role == self._name and beat.pid == self.process.pid and bool(beat.detail["connected"])
                for beat in records.roles()
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def cpu_s(self) -> float:
        """User and system time so far [s]."""
        told = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


@pytest.fixture
def site(mosquitto, tmp_path, monkeypatch):
    mosquitto.start()
    write_template(tmp_path)
    more = {"PORT": str(mosquitto.port), "EMBEDDED": "false", "SHARED_GROUP": "ingest", "PROTOCOL": "5"}
    for key, value in {**more, "RECONNECT_MAX_S": "1.0"}.items():
        monkeypatch.setenv(f"LINEWRIGHT_BROKER__{key}", value)
    return open_site(tmp_path, environ=os.environ)


@pytest.fixture
def roles(site) -> Iterator[tuple[Role, Role]]:
    keeper = Role(site)
    member = Role(site, "--member", "two")
    yield keeper, member
    member.stop()
    keeper.stop()


def topic_of(site, index: int) -> str:
    machine = site.plant.machines[index]
    line = next(each for each in site.plant.lines if each.name == machine.line)
    return f"{site.plant.enterprise}/{site.plant.site}/{line.area}/{line.name}/{machine.name}/telemetry"


def test_each_message_is_stored_once_by_two_processes_whoever_is_killed(site, roles, mosquitto):
    keeper, member = roles
    publisher = Publisher(BrokerSettings(port=mosquitto.port), client_id="test-publisher")
    publisher.connect()
    topics = [topic_of(site, index) for index in range(len(site.plant.machines))]
    chance = random.Random(11)

    def publish(start: int, end: int) -> None:
        for number in range(start, end):
            payload = json.dumps({"timestamp_ms": START_MS + number, "power_kw": number}).encode()
            publisher.send(topics[number % len(topics)], payload)
        publisher.flush()

    publish(0, MESSAGES // 3)
    wait_for(lambda: received(site, "ingest-two") > 0)
    shares = [received(site, "ingest"), received(site, "ingest-two")]
    for turn, victim in enumerate((member, keeper), start=1):
        thread = threading.Thread(target=publish, args=(turn * MESSAGES // 3, (turn + 1) * MESSAGES // 3))
        thread.start()
        time.sleep(chance.uniform(0.05, 0.3))  # somewhere under load
        victim.kill()
        victim.start()
        thread.join(60)
    wait_for(lambda: stored(site) >= MESSAGES)
    assert min(shares) > MESSAGES // 12, shares
    assert min(keeper.cpu_s(), member.cpu_s()) > 0.0
    publisher.close()
    with closing(open_store(site)) as store:
        lines = store.ledger()
        end = instant((START_MS + MESSAGES) * 1_000)
        names = [machine.name for machine in site.plant.machines]
        windows = store.read(names, signals=["power_kw"], start=instant(START_MS * 1_000), end=end, step=None)
    seen = np.sort(np.concatenate([window.observed_at for window in windows.values()]))
    assert seen.tolist() == [(START_MS + number) * 1_000 for number in range(MESSAGES)]
    assert sum(line.stored for line in lines) == MESSAGES
    assert all(line.missing == line.samples_missing == line.quarantined == 0 for line in lines)


def received(site, role: str) -> int:
    with closing(open_records(site)) as records:
        return sum(int(beat.detail.get("received", 0)) for beat in records.roles() if beat.role == role)


def stored(site) -> int:
    with closing(open_store(site)) as store:
        return sum(line.stored for line in store.ledger())


def test_a_member_needs_a_group_and_has_a_session_of_its_own(site):
    assert as_member(site, "two").broker.client_id == "linewright-ingest-two"
    alone = replace(site, broker=site.broker.model_copy(update={"shared_group": ""}))
    with pytest.raises(ConfigError, match="name the group that the processes share"):
        as_member(alone, "two")


def test_a_batch_arrives_as_it_was_handed_over_and_trouble_comes_back(tmp_path):
    kept: list[Batch] = []
    trouble = [""]

    def sink(batch: Batch) -> Receipt:
        if trouble[0]:
            raise Unavailable(trouble[0])
        kept.append(batch)
        return Receipt(
            stored=1, duplicate=0, quarantined=1, samples_stored=3, samples_duplicate=0, samples_quarantined=2
        )

    import pyarrow as pa

    folder = tmp_path / ("x" * 120)  # longer than a socket's address may be
    rejection = Rejection(
        message=1,
        topic="a/b",
        payload=b"\xff\x00",
        received_at_us=5,
        reason=RejectionReason.NOT_JSON,
        detail="why",
        samples=2,
    )
    batch = Batch(
        run="run-1",
        tables={"press": pa.table({"machine": ["p"], "power_kw": [1.5], "state": [None]})},
        filters=("a/#", "(no filter)"),
        message_filter=np.array([0, 1], dtype=np.int16),
        received=np.array([1, 1]),
        in_flight=np.array([0, 0]),
        samples=np.array([3, 2]),
        rejections=(rejection,),
    )
    upstream = Upstream(folder / "ingest.sock")
    with pytest.raises(Unavailable, match="Is `linewright ingest`"):
        upstream.write(batch)
    begin = {"begin_run": lambda filters: f"run-{len(filters)}", "settled": lambda _: 0}
    with closing(Handover(folder / "ingest.sock", sink=sink, **begin)):
        assert (folder / "ingest.sock").stat().st_mode & 0o777 == 0o600
        assert upstream.begin_run(("a", "b")) == "run-2"
        assert upstream.write(batch).samples_stored == 3
        trouble[0] = "The disk is full"
        with pytest.raises(Unavailable, match="The disk is full"):
            upstream.write(batch)
    with pytest.raises(Unavailable, match="Cannot hand over"):
        upstream.write(batch)
    upstream.close()
    (one,) = kept
    assert one.rejections == batch.rejections
    assert one.tables["press"].equals(batch.tables["press"])
    assert (one.received.tolist(), one.samples.tolist(), one.message_filter.tolist()) == ([1, 1], [3, 2], [0, 1])


def test_a_batch_whose_answer_is_lost_after_the_commit_is_kept_once_even_without_device_times(tmp_path):
    batcher = Batcher(run="", plant=PLANT, filters=("a/#",), clock_skew_limit_us=10**9)
    upstream = Upstream(tmp_path / "ingest.sock")

    @contextmanager
    def keeping(*, answers: bool) -> Iterator[EmbeddedWriter]:
        with closing(open_writer(tmp_path, plant=PLANT, clock=PlantClock())) as writer:

            def sink(batch: Batch) -> Receipt:
                receipt = writer.write(batch)
                if not answers:
                    handover.close()  # after the commit, before the answer
                return receipt

            with closing(open_reader(tmp_path, plant=PLANT)) as reader:
                handover = Handover(
                    tmp_path / "ingest.sock", sink=sink, begin_run=writer.begin_run, settled=reader.settled
                )
                yield writer
                handover.close()

    def batch(run: str, number: int) -> Batch:
        index = batcher.open_message(0, payload_bytes=1)
        values = (float(number), None, None)
        at_us = START_MS * 1_000 + number
        batcher.add(
            index,
            machine="L1-press0",
            machine_class="press",
            observed_at_us=None,
            received_at_us=at_us,
            values=values,
        )
        return replace(batcher.take([number]), run=run)

    with keeping(answers=False):
        run = upstream.begin_run(("a/#",))
        first = batch(run, 1)
        with pytest.raises(Unavailable, match="Cannot hand over"):
            upstream.write(first)
    with keeping(answers=True) as writer:
        assert upstream.write(first).duplicate == 1
        assert upstream.write(batch(run, 2)).stored == 1
        upstream.close()
        (line,) = writer.ledger()
        window = writer.read(["L1-press0"], start=instant(0), end=instant(2**52))["L1-press0"]
    assert (line.stored, line.duplicate, line.samples_stored) == (2, 0, 2)
    assert window.values["vibration_mm_s"].tolist() == [1.0, 2.0]
