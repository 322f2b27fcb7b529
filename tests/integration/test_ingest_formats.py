"""A mixed plant over a real Mosquitto: every format by its own topic filter, and a replay after a mapping was fixed."""

import json
import threading
import time
from contextlib import contextmanager

import pytest
from ingest_plant import PLANT, START_MS

from ingest.broker_settings import BrokerSettings
from ingest.ingestor import Ingestor
from ingest.publisher import Publisher
from ingest.rework import fingerprint
from ingest.settings import IngestSettings, MappingSettings
from ingest.spool import Spool, Task
from ingest.topics import ledger_filters
from plant.clock import PlantClock, instant
from store.embedded.writer import open_writer

pytestmark = pytest.mark.mosquitto
MAPPINGS = (
    MappingSettings(),
    MappingSettings(format="uns", topic="umh/v1/{enterprise}/{site}/{area}/{line}/{machine}/_historian/#"),
    MappingSettings(format="line", topic="telegraf/#", machine="{host}"),
    MappingSettings(format="opcua", topic="opcua/json/data/+/#", machine="{writer}"),
    MappingSettings(topic="gateway/{machine}", samples="samples", time_field="t"),
)
STAMP = "2026-09-21T14:13:20Z"
"""START_MS in ISO 8601."""


@contextmanager
def ingesting(port, folder, mappings):
    """An ingestor over the embedded store, in a thread; stopped in order."""
    settings = IngestSettings(mappings=mappings)
    writer = open_writer(folder, plant=PLANT, clock=PlantClock())
    stop = threading.Event()
    ingestor = Ingestor(
        settings,
        broker=BrokerSettings(port=port, reconnect_min_s=0.1, reconnect_max_s=0.2),
        plant=PLANT,
        sink=writer.write,
        clock=PlantClock(),
        run=writer.begin_run(ledger_filters(mappings, plant=PLANT)),
        spool=Spool(folder / "spool"),
        quarantine=writer,
    )
    thread = threading.Thread(target=ingestor.run, args=(stop,))
    thread.start()
    try:
        until(lambda: ingestor.state["connected"])
        yield writer
    finally:
        stop.set()
        thread.join(20)
        writer.close()


def until(condition, *, limit_s=20.0):
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def account(store):
    lines = store.ledger()
    names = ("received", "stored", "duplicate", "quarantined", "in_flight")
    return tuple(sum(getattr(line, name) for line in lines) for name in names)


def messages():
    base = "umh/v1/acme/linz/hall1/L1/L1-press1/_historian"
    return [
        ("acme/linz/hall1/L1/L1-press0/telemetry", {"timestamp_ms": START_MS, "vibration_mm_s": 1.5, "state": "Idle"}),
        (f"{base}/vibration_mm_s", {"timestamp_ms": START_MS, "value": 2.5}),
        (f"{base}/state", {"timestamp_ms": START_MS, "value": "Execute"}),
        (
            "telegraf/edge",
            f"a,host=L1-press2 vibration_mm_s=3.5 {START_MS}000000\n"
            f"a,host=L1-press0 temperature_c=20i {START_MS}000000\n",
        ),
        (
            "opcua/json/data/edge/g/w",
            {"Messages": [{"DataSetWriterName": "L1-press3", "Timestamp": STAMP, "Payload": {"vibration_mm_s": 4.5}}]},
        ),
        (
            "gateway/L1-press3",
            {"samples": [{"t": START_MS + 1, "temperature_c": 1}, {"t": START_MS + 2, "temperature_c": 2}]},
        ),
        (f"{base}/drive/temp", {"timestamp_ms": START_MS, "value": 40.5}),
    ]


def test_a_mixed_plant_is_stored_and_what_was_unmapped_after_a_replay_exactly_once(mosquitto, tmp_path):
    mosquitto.start()
    publisher = Publisher(BrokerSettings(port=mosquitto.port), client_id="test-publisher")
    publisher.connect()
    sent = [(topic, body if isinstance(body, str) else json.dumps(body)) for topic, body in messages()]
    with ingesting(mosquitto.port, tmp_path, MAPPINGS) as store:
        publisher.publish_many((topic, payload.encode()) for topic, payload in [*sent, *sent])
        until(lambda: sum(account(store)[1:4]) == 14)
        assert account(store) == (14, 6, 6, 2, 0)
    fixed = (MAPPINGS[0], MAPPINGS[1].model_copy(update={"fields": {"temperature_c": "drive/temp"}}), *MAPPINGS[2:])
    with ingesting(mosquitto.port, tmp_path, fixed) as store:
        spool = Spool(tmp_path / "spool")
        numbers = [entry.number for entry in store.quarantine()]
        name = spool.ask(Task.REPLAY, numbers[::-1], mappings=fingerprint(fixed, plant=PLANT))
        publisher.publish_many((topic, payload.encode()) for topic, payload in sent[:3])
        until(lambda: spool.answer(name) is not None and account(store)[0] == 17)
        until(lambda: account(store)[4] == 0)
        assert (spool.answer(name).stored, spool.answer(name).duplicate) == (1, 1)
        assert account(store) == (17, 7, 10, 0, 0)
        assert publisher.acknowledged == 17
        windows = store.read(
            [f"L1-press{number}" for number in range(4)],
            start=instant(START_MS * 1_000),
            end=instant((START_MS + 10) * 1_000),
        )
    publisher.close()
    assert [windows[f"L1-press{number}"].values["vibration_mm_s"][0] for number in range(4)] == [1.5, 2.5, 3.5, 4.5]
    assert windows["L1-press0"].values["temperature_c"].tolist() == [20.0]
    assert windows["L1-press1"].values["temperature_c"].tolist() == [40.5]
    assert windows["L1-press3"].values["temperature_c"].tolist()[1:] == [1.0, 2.0]
    assert [windows[f"L1-press{number}"].states["state"][0] for number in (0, 1)] == ["Idle", "Execute"]
