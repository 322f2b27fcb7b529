"""Recorded data through a real Mosquitto: the counts agree from file to batch."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_ingest_delivery import Keep, wait_for

from ingest.broker_settings import BrokerSettings
from ingest.ingestor import Ingestor
from ingest.publisher import Publisher
from ingest.recording import load_recording
from ingest.replay import replay
from ingest.settings import IngestSettings
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind
from plant.clock import PlantClock
from plant.errors import ConfigError
from plant.quantities import Quantity

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "replay"
ENGINE = MachineClass(
    name="engine",
    signals=(
        *(Signal(name=f"setting_{n}", quantity=Quantity.DIMENSIONLESS) for n in range(1, 4)),
        *(Signal(name=f"sensor_{n}", quantity=Quantity.DIMENSIONLESS) for n in range(1, 22)),
        Signal(name="maintenance", quantity=Quantity.STATE, kind=SignalKind.EVENT),
    ),
)
ENGINES = [f"engine-{n:03d}" for n in range(1, 101)]
PLANT = Plant(
    enterprise="nasa",
    site="fd001",
    timezone="UTC",
    currency="EUR",
    lines=tuple(
        Line(
            name=name,
            label=name,
            area="fleet",
            machines=(Machine(name=name, label=name, line=name, machine_class="engine"),),
        )
        for name in ENGINES
    ),
    classes=(ENGINE,),
)

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def link(mosquitto):
    """A publisher beside a running ingestor, and the sink behind it."""
    mosquitto.start()
    settings = BrokerSettings(port=mosquitto.port)
    keep = Keep()
    stop = threading.Event()
    ingestor = Ingestor(IngestSettings(), broker=settings, plant=PLANT, sink=keep, clock=PlantClock(), run="run-1")
    thread = threading.Thread(target=ingestor.run, args=(stop,))
    thread.start()
    wait_for(lambda: ingestor.state["connected"])
    publisher = Publisher(settings, client_id="test-replay")
    publisher.connect()
    yield publisher, keep
    publisher.close()
    stop.set()
    thread.join(20)


@pytest.mark.shared
def test_replay_brings_every_row_of_the_test_fleet(link, shared):
    publisher, keep = link
    counts = replay(
        load_recording(DEPLOY / "cmapss-fd001.toml"),
        publisher=publisher,
        plant=PLANT,
        folder=shared / "data" / "cmapss",
    )
    assert (counts.rows, counts.endings, counts.machines, counts.samples) == (13_096, 0, 100, 13_096 * 24)
    assert counts.acknowledged == publisher.acknowledged == 13_096
    wait_for(lambda: keep.messages == 13_096)
    assert not keep.rejections
    rows = [
        row
        for batch in keep.batches
        for row in zip(*(batch.tables["engine"][name].to_pylist() for name in ("machine", "observed_at")), strict=True)
    ]
    assert len(set(rows)) == 13_096
    assert {machine for machine, _ in rows} == set(ENGINES)
    assert counts.last_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert sum(at == 1_793_491_200_000_000 for _, at in rows) == 100


@pytest.mark.shared
def test_replay_tells_how_the_training_fleet_ended(link, shared):
    publisher, keep = link
    mapping = load_recording(DEPLOY / "cmapss-fd001-train.toml")
    stop = threading.Event()
    told: list[int] = []
    counts = replay(
        mapping, publisher=publisher, plant=PLANT, folder=shared / "data" / "cmapss", stop=stop, progress=told.append
    )
    assert (counts.rows, counts.endings) == (20_631, 100)
    wait_for(lambda: keep.messages == counts.messages)
    events = [text for batch in keep.batches for text in batch.tables["engine"]["maintenance"].to_pylist() if text]
    assert events == ["failed"] * 100


def recording(folder: Path, rows: str, *, files: str = "data.csv"):
    (folder / "data.csv").write_text(f"unit,t,sensor_1\n{rows}")
    path = folder / "mapping.toml"
    path.write_text(
        f'files = "{files}"\nmachine_column = "unit"\nmachine_name = "engine-{{value:03d}}"\n'
        'time_column = "t"\ntime_unit = "s"\n'
    )
    return load_recording(path)


def test_replay_keeps_the_pace_it_is_given(link, tmp_path):
    publisher, keep = link
    settings = recording(tmp_path, "".join(f"1,{1_000 + second},1\n" for second in range(0, 61, 20)))
    began = time.monotonic()
    counts = replay(settings, publisher=publisher, plant=PLANT, speed=100.0)
    assert counts.rows == 4
    assert 0.6 <= time.monotonic() - began < 3
    wait_for(lambda: keep.messages == 4)


def test_replay_stops_when_told(link, tmp_path):
    publisher, _ = link
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    counts = replay(recording(tmp_path, "1,0,1\n1,3600,1\n"), publisher=publisher, plant=PLANT, speed=1.0, stop=stop)
    assert (counts.rows, counts.acknowledged) == (1, 1)


def test_replay_names_a_machine_that_the_plant_does_not_have(link, tmp_path):
    publisher, _ = link
    with pytest.raises(ConfigError, match="engine-900"):
        replay(recording(tmp_path, "900,0,1\n"), publisher=publisher, plant=PLANT)
