"""Retained messages over a real Mosquitto: each reconnect brings them again, and each reading is stored once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from ingest_plant import PLANT
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker_settings import BrokerSettings
from ingest.ingestor import Ingestor
from ingest.settings import IngestSettings
from ingest.topics import ledger_filters
from plant.clock import PlantClock, instant
from store.embedded.writer import open_writer

pytestmark = pytest.mark.mosquitto
SETTINGS = IngestSettings.model_validate(
    {
        "mappings": [
            {"format": "uns", "topic": "acme/linz/hall1/L1/{machine}/tag/#", "time_unit": "none", "time_field": ""},
            {"topic": "acme/linz/hall1/L1/{machine}/all", "time_unit": "none", "time_field": ""},
        ]
    }
)


def wait_for(done: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


class Plc:
    """Publishes retained messages."""

    def __init__(self, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="plc")
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def say(self, topic: str, text: str, *, qos: int = 1) -> None:
        sent = self._client.publish(f"acme/linz/hall1/L1/{topic}", text, qos=qos, retain=True)
        sent.wait_for_publish(10)

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.parametrize("read_path", ["fast", "paho"])
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_retained_message_without_device_time_is_stored_once_over_reconnects(
    mosquitto, tmp_path, protocol: str, read_path: str
) -> None:
    mosquitto.start()
    broker = BrokerSettings.model_validate(
        {
            "port": mosquitto.port,
            "protocol": protocol,
            "read_path": read_path,
            "reconnect_min_s": 0.1,
            "reconnect_max_s": 0.2,
        }
    )
    with closing(open_writer(tmp_path, plant=PLANT, clock=PlantClock())) as writer:

        @contextmanager
        def ingesting() -> Iterator[Ingestor]:
            run = writer.begin_run(ledger_filters(SETTINGS.mappings, plant=PLANT))
            ingestor = Ingestor(
                SETTINGS,
                broker=broker,
                plant=PLANT,
                sink=writer.write,
                clock=PlantClock(),
                run=run,
                known=writer.last_values,
            )
            stop = threading.Event()
            thread = threading.Thread(target=ingestor.run, args=(stop,))
            thread.start()
            try:
                yield ingestor
            finally:
                stop.set()
                thread.join(20)

        def counts() -> tuple[int, int]:
            lines = writer.ledger()
            assert all(line.missing == line.samples_missing == line.quarantined == 0 for line in lines)
            return sum(line.stored for line in lines), sum(line.duplicate for line in lines)

        plc = Plc(mosquitto.port)
        plc.say("L1-press0/tag/vibration_mm_s", "4.5")
        plc.say("L1-press0/tag/state", '"Execute"')
        plc.say("L1-press1/all", '{"vibration_mm_s": 1, "temperature_c": 40, "state": "Idle"}')
        with ingesting():
            wait_for(lambda: counts() == (3, 0))  # known since before the first subscription, and so kept
            plc.say("L1-press0/tag/vibration_mm_s", "5.5")
            plc.say("L1-press1/all", '{"temperature_c": 41}')
            plc.say("L1-press1/all", '{"vibration_mm_s": 1, "temperature_c": 41}')
            plc.say("L1-press1/all", '{"vibration_mm_s": 1, "temperature_c": 41}')  # the same again is a new reading
            wait_for(lambda: counts() == (7, 0))
        with ingesting():
            wait_for(lambda: counts() == (7, 3))  # the session is kept, and the broker sends all three again
        plc.say("L1-press0/tag/vibration_mm_s", "6.5")  # waits in the session: comes as news and as a retained copy
        plc.say("L1-press0/tag/state", '"Held"', qos=0)  # does not wait there: only the retained copy tells
        with ingesting() as ingestor:
            wait_for(lambda: counts() == (9, 5))
            wait_for(lambda: ingestor.state["in_flight"] == 0)  # acknowledged, and with the next answer also heard
            plc.say("nobody/listens", "0")
            mosquitto.stop()
            wait_for(lambda: not ingestor.state["connected"])
            mosquitto.start()
            wait_for(lambda: counts() == (9, 8))
        window = writer.read(["L1-press0"], start=instant(0), end=instant(2**52))["L1-press0"]
        plc.end()
    values = window.values["vibration_mm_s"].tolist()
    assert [value for value in values if value == value] == [4.5, 5.5, 6.5]
