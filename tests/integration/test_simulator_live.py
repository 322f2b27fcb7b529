"""The simulated plant over a real Mosquitto: its own count is what arrives, and it obeys plans."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ingest.broker_settings import BrokerSettings
from ingest.publisher import Publisher
from ingest.simulator.canonical import demo_facts
from ingest.simulator.checkpoint import load
from ingest.simulator.publish import break_payload, run_live, topics_of
from ingest.simulator.settings import SimulatorSettings
from ingest.simulator.world import World
from plant.clock import PlantClock, microseconds
from plant.plans import MaintenanceWindow, Plan, SolveStatus

START = datetime(2026, 11, 22, 18, tzinfo=UTC)
FACTS = demo_facts(START)
SETTINGS = SimulatorSettings(worn=None)

pytestmark = pytest.mark.mosquitto


def wait_until(done: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def broker(require_real: Callable[[str], Path], free_port: int, tmp_path: Path) -> Iterator[BrokerSettings]:
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {free_port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([require_real("mosquitto"), "-c", config], stderr=subprocess.DEVNULL)
    try:
        yield BrokerSettings(port=free_port)
    finally:
        process.terminate()
        process.wait(10)


def make_world() -> World:
    return World(
        FACTS.plant,
        products=FACTS.products,
        capabilities=FACTS.capabilities,
        calendar=FACTS.calendar,
        settings=SETTINGS,
        start=START,
    )


def clock_from(at_us: int, *, speed: float) -> PlantClock:
    return PlantClock(plant_epoch_us=at_us, wall_epoch_us=time.time_ns() // 1000, speed=speed)


class Live:
    """A simulator on its own thread, and a listener that counts what arrives."""

    def __init__(self, broker: BrokerSettings, world: World, folder: Path, *, speed: float, off_h: float = 0.0) -> None:
        self.world, self.folder = world, folder
        self.heard: list[tuple[str, bytes]] = []
        self.avoided: list[bytes] = []
        self.stop = threading.Event()
        self.control = Publisher(broker, client_id="listener")
        self.control.connect(timeout_s=20.0)
        topics = topics_of(world)
        self.control.subscribe("acme/#", lambda topic, payload: self.heard.append((topic, payload)))
        self.control.subscribe(topics.avoided, lambda _topic, payload: self.avoided.append(payload))
        self.publisher = Publisher(broker, client_id="simulator")
        self.publisher.connect(timeout_s=20.0)
        self.thread = threading.Thread(
            target=run_live,
            args=(world,),
            kwargs={
                "publisher": self.publisher,
                "clock": clock_from(world.at_us + round(off_h * 3.6e9), speed=speed),
                "stop": self.stop,
                "counts_file": folder / "counts.json",
                "truth_file": folder / "truth.jsonl",
                "checkpoint_file": folder / "world.json",
            },
        )
        self.thread.start()

    def end(self) -> dict[str, object]:
        """Stop orderly; gives the counts file."""
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()
        counts: dict[str, object] = json.loads((self.folder / "counts.json").read_text(encoding="utf-8"))
        wait_until(lambda: len(self.heard) >= int(str(counts["messages"])))
        self.publisher.close()
        self.control.close()
        return counts


def test_live_publishes_what_it_counts_at_the_pace_of_the_clock(broker: BrokerSettings, tmp_path: Path) -> None:
    live = Live(broker, make_world(), tmp_path, speed=600.0)
    began = time.monotonic()
    wait_until(lambda: len(live.heard) > 400)
    counts = live.end()
    assert time.monotonic() - began < 15.0
    assert counts["messages"] == len(live.heard)
    payloads = [json.loads(payload) for _, payload in live.heard]
    assert counts["samples"] == sum(len(payload) - 1 for payload in payloads)
    keys = {(topic, payload["timestamp_ms"]) for (topic, _), payload in zip(live.heard, payloads, strict=True)}
    assert len(keys) == len(payloads)
    assert "acme/linz/hall1/L2/L2-press/telemetry" in {topic for topic, _ in live.heard}
    assert len({topic for topic, _ in live.heard}) == 12
    assert {"vibration_mm_s", "energy_kwh", "state"} <= set(payloads[-1])


def test_live_goes_on_from_its_checkpoint_and_keeps_counting(broker: BrokerSettings, tmp_path: Path) -> None:
    live = Live(broker, make_world(), tmp_path, speed=600.0)
    wait_until(lambda: len(live.heard) > 100)
    first = live.end()
    world = load(
        tmp_path / "world.json",
        plant=FACTS.plant,
        products=FACTS.products,
        capabilities=FACTS.capabilities,
        calendar=FACTS.calendar,
        settings=SETTINGS,
    )
    assert world.at_us == live.world.at_us
    again = Live(broker, world, tmp_path, speed=600.0)
    again.heard.extend(live.heard)
    wait_until(lambda: len(again.heard) > len(live.heard) + 100)
    counts = again.end()
    assert int(str(counts["messages"])) == len(again.heard) > int(str(first["messages"]))
    stamps = [json.loads(payload)["timestamp_ms"] for topic, payload in again.heard if "L1-mill" in topic]
    assert stamps == sorted(set(stamps))


def test_broken_machine_is_saved_by_a_plan_and_the_avoided_failure_is_told(
    broker: BrokerSettings, tmp_path: Path
) -> None:
    world = make_world()
    topics = topics_of(world)
    live = Live(broker, world, tmp_path, speed=7200.0)
    wait_until(lambda: bool(live.heard))
    live.control.publish(topics.break_machine, b'{"machine": "nobody"}')
    live.control.publish(topics.break_machine, break_payload(FACTS.plant, machine="L2-press", mode="bearing"))
    wait_until(lambda: world.course("L2-press").life.growth_per_h > 0.0)
    start = (START + timedelta(microseconds=world.at_us - microseconds(START))).replace(minute=0, second=0)
    window = MaintenanceWindow(
        machine="L2-press",
        line="L2",
        start=start + timedelta(hours=2),
        end=start + timedelta(hours=6),
        expected_failure_cost=0.0,
        expected_failure_cost_without=0.0,
    )
    plan = Plan(
        number="P-1",
        created_at=start,
        start=start + timedelta(hours=2),
        end=start + timedelta(hours=6),
        status=SolveStatus.OPTIMAL,
        reason="alert",
        runs=(),
        maintenance=(window,),
        costs=(),
        hours=(),
        late=(),
        peak_kw=0.0,
        co2_kg=0.0,
        certificate=None,
        headline="",
        saving=None,
    )
    live.control.publish(topics.plan, msgspec.json.encode(plan), retain=True)
    wait_until(lambda: bool(live.avoided))
    counts = live.end()
    assert counts["messages"] == len(live.heard)
    avoided = json.loads(live.avoided[0])
    assert (avoided["machine"], avoided["mode"]) == ("L2-press", "bearing")
    assert avoided["maintained_at"] < avoided["would_have_failed_at"]
    events = [json.loads(payload).get("maintenance") for topic, payload in live.heard if "L2-press" in topic]
    assert [event for event in events if event] == ["maintained"]
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    assert "avoided" in {line["kind"] for line in lines}


def test_plant_stands_still_while_the_simulator_was_off_for_long(broker: BrokerSettings, tmp_path: Path) -> None:
    world = make_world()
    live = Live(broker, world, tmp_path, speed=600.0, off_h=200.0)
    wait_until(lambda: len(live.heard) > 60)
    live.end()
    first = min(json.loads(payload)["timestamp_ms"] for _, payload in live.heard)
    assert first * 1000 > microseconds(START + timedelta(hours=200))
    assert world.course("L1-press").life.age_h < 1.0
