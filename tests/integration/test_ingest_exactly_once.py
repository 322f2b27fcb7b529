"""QoS 2 from publisher to store: each message exactly once, however the ingestor ends."""

import random
import signal
import time
from collections.abc import Callable

import pytest
from ingest_plant import reading
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from test_ingest_kill import ledger_of, start_ingest

from ingest.settings import ReadPath

pytestmark = pytest.mark.mosquitto
MESSAGES = 3_000


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


@pytest.mark.parametrize("read_path", list(ReadPath))
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
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
