"""QoS 2 from publisher to store: each message exactly once, however the ingestor ends."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from ingest_plant import PLANT, reading
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from test_ingest_kill import ledger_of, start_ingest

from ingest.broker_settings import BrokerSettings, Protocol, ReadPath
from ingest.client import session_properties
from ingest.ingestor import Ingestor
from ingest.settings import IngestSettings
from plant.clock import PlantClock
from plant.signals import Batch, Receipt

pytestmark = pytest.mark.mosquitto
MESSAGES = 2_000


def wait_for(done: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def publish(mosquitto):
    """Publishes readings with QoS 2 and waits until the broker has completed each."""
    mosquitto.start()
    client = Client(CallbackAPIVersion.VERSION2, client_id="exact-publisher")
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    sent = []

    def some(numbers: range) -> None:
        for number in numbers:
            topic, payload = reading(number)
            sent.append(client.publish(topic, payload, qos=2))

    yield some
    for each in sent:
        each.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize(("protocol", "read_path"), [("3.1.1", ReadPath.FAST), ("5", ReadPath.PAHO)])
def test_each_message_is_stored_once_over_kills(mosquitto, publish, tmp_path, read_path, protocol):
    more = ("qos=2", f"read_path={read_path.value}", f"protocol={protocol}")
    process = start_ingest(mosquitto.port, tmp_path, *more)
    chance = random.Random(5)
    for begin in range(0, MESSAGES, 1_000):
        publish(range(begin, begin + 1_000))
        time.sleep(chance.uniform(0.0, 0.15))  # the kill falls anywhere between reading and completion
        process.kill()
        process.wait(10)
        process.stdout.close()
        process = start_ingest(mosquitto.port, tmp_path, *more)
    wait_for(lambda: sum(line.stored for line in ledger_of(tmp_path)) >= MESSAGES)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.stdout.close()
    lines = ledger_of(tmp_path)
    assert sum(line.stored for line in lines) == MESSAGES
    assert sum(line.samples_stored for line in lines) == 3 * MESSAGES
    assert all(line.missing == line.samples_missing == line.in_flight == line.quarantined == 0 for line in lines)


@pytest.mark.parametrize("read_path", list(ReadPath))
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_message_without_device_time_comes_once_where_its_receipt_is_lost_on_a_cut_link(
    mosquitto, publish, read_path, protocol
):
    """Another client takes the session over between commit and receipt, so the broker sends the message again."""
    mapping = {"topic": "acme/linz/hall1/{line}/{machine}/telemetry", "time_unit": "none", "time_field": ""}
    given = {"port": mosquitto.port, "qos": 2, "protocol": protocol, "read_path": read_path, "reconnect_min_s": 0.05}
    broker = BrokerSettings.model_validate({**given, "reconnect_max_s": 0.1})
    batches: list[Batch] = []
    came: list[tuple[int, int, int, int]] = []  # number, batch, connection, packet identifier
    cuts: list[bool] = []

    def sink(batch: Batch) -> Receipt:
        assert ingestor._held is not None
        packets = [(token.generation, mid) for token in ingestor._held.tokens for mid in token.mids]
        for table in batch.tables.values():
            rows = zip(table["vibration_mm_s"].to_pylist(), table["message"].to_pylist(), strict=True)
            came.extend((round(value * 7), len(batches), *packets[message]) for value, message in rows)
        batches.append(batch)
        if len(cuts) < 3:
            cuts.append(take_over(broker))
        return Receipt(
            stored=0, duplicate=0, quarantined=0, samples_stored=0, samples_duplicate=0, samples_quarantined=0
        )

    ingestor = Ingestor(
        IngestSettings.model_validate({"mappings": [mapping]}),
        broker=broker,
        plant=PLANT,
        sink=sink,
        clock=PlantClock(),
        run="run-1",
    )
    stop = threading.Event()
    thread = threading.Thread(target=ingestor.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: ingestor.state["connected"])
        for turn in range(5):
            publish(range(turn * 20, (turn + 1) * 20))
            wait_for(lambda turn=turn: sum(batch.messages for batch in batches) >= (turn + 1) * 20)
            wait_for(lambda: ingestor.state["connected"])
    finally:
        stop.set()
        thread.join(20)
    assert cuts == [True] * 3
    times = Counter(number for number, *_ in came)
    doubled = [each for each in sorted(came) if times[each[0]] > 1]
    assert not doubled, "(number, batch, connection, packet identifier); the broker sent what has two identifiers anew"
    assert sum(batch.messages for batch in batches) == 100
    assert sorted(times) == list(range(100))


def take_over(broker: BrokerSettings) -> bool:
    """Connect under the ingestor's name and hang up; whether the broker kept the session."""
    told: list[bool] = []
    five = broker.protocol is Protocol.V5
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=broker.client_id,
        clean_session=None if five else False,
        protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    client.on_connect = lambda _client, _userdata, flags, _reason, _properties: told.append(flags.session_present)
    client._send_pubrec = lambda _mid: MQTTErrorCode.MQTT_ERR_SUCCESS  # takes nothing
    options = {"clean_start": False, "properties": session_properties(broker)} if five else {}
    client.connect(broker.host, broker.port, **options)
    while not told:
        client.loop(0.1)
    client._sock_close()
    return told[0]
