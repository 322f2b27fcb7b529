"""Delivery over a real Mosquitto: whatever goes away, nothing published is lost."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from ingest_plant import PLANT, reading, topic

from ingest.broker_settings import BrokerSettings, Protocol
from ingest.ingestor import Ingestor
from ingest.publisher import Publisher
from ingest.settings import IngestSettings
from plant.clock import PlantClock
from plant.errors import Unavailable
from plant.signals import Batch, Receipt, RejectionReason

pytestmark = pytest.mark.mosquitto
RECEIPT = Receipt(stored=0, duplicate=0, quarantined=0, samples_stored=0, samples_duplicate=0, samples_quarantined=0)


class Keep:
    """A sink in memory; raises Unavailable while `away`."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.away = False
        self.refused = 0

    def __call__(self, batch: Batch) -> Receipt:
        if self.away:
            self.refused += 1
            raise Unavailable("The store folder is read-only")
        self.batches.append(batch)
        return RECEIPT

    @property
    def messages(self) -> int:
        return sum(batch.messages for batch in self.batches)

    @property
    def instants(self) -> set[int]:
        return {
            at for batch in self.batches for table in batch.tables.values() for at in table["observed_at"].to_pylist()
        }

    @property
    def rejections(self):
        return [rejection for batch in self.batches for rejection in batch.rejections]


class Running:
    """An ingestor in a thread."""

    def __init__(self, settings: BrokerSettings, sink, **more) -> None:
        self.stop = threading.Event()
        self.ingestor = Ingestor(
            IngestSettings(sink_retry_min_s=0.1, sink_retry_max_s=0.2, **more.pop("ingest", {})),
            broker=settings,
            plant=PLANT,
            sink=sink,
            clock=PlantClock(),
            run="run-1",
            **more,
        )
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.ingestor.run(self.stop)
        except BaseException as error:
            self.failure = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def wait_for(done: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def settings(mosquitto) -> BrokerSettings:
    return BrokerSettings(port=mosquitto.port, reconnect_min_s=0.1, reconnect_max_s=0.5, keepalive_s=5)


@pytest.fixture
def publisher(mosquitto, settings) -> Iterator[Publisher]:
    made = Publisher(settings, client_id="test-publisher")
    yield made
    made.close()


@pytest.fixture
def start(settings):
    started: list[Running] = []

    def begin(sink, *, broker: BrokerSettings = settings, wait: bool = True, **more) -> Running:
        running = Running(broker, sink, **more)
        started.append(running)
        if wait:
            wait_for(lambda: running.ingestor.state["connected"])
        return running

    yield begin
    for running in started:
        running.end()


def test_ingestor_waits_for_a_broker_that_is_away_at_start(mosquitto, settings, publisher, start, caplog):
    keep = Keep()
    with caplog.at_level(logging.INFO, logger="ingest"):
        running = start(keep, wait=False)
        wait_for(lambda: bool(running.ingestor.state["broker_trouble"]))
        told = running.ingestor.state["broker_trouble"]
        assert told.startswith(
            f"Cannot reach the broker at 127.0.0.1:{mosquitto.port} (refused; no contact yet). Is it running?"
        )
        mosquitto.start()
        wait_for(lambda: running.ingestor.state["connected"])
    publisher.connect()
    publisher.publish_many(reading(n) for n in range(100))
    wait_for(lambda: keep.messages == 100)
    assert [r.message for r in caplog.records if r.message.startswith("broker_")] == ["broker_away", "broker_connected"]


def test_nothing_is_lost_when_the_broker_restarts_mid_run(mosquitto, publisher, start, caplog):
    mosquitto.start()
    keep = Keep()
    with caplog.at_level(logging.INFO, logger="ingest"):
        running = start(keep)
        publisher.connect()
        for begin in range(0, 3_000, 1_000):
            publisher.publish_many(reading(n) for n in range(begin, begin + 500))
            for n in range(begin + 500, begin + 600):
                publisher.send(*reading(n))
            mosquitto.stop()
            mosquitto.start()
            publisher.publish_many(reading(n) for n in range(begin + 600, begin + 1_000))
        wait_for(lambda: len(keep.instants) == 3_000)
    assert publisher.published == publisher.acknowledged == 3_000
    state = running.ingestor.state
    assert state["received"] == keep.messages >= 3_000
    events = [r.message for r in caplog.records if r.message.startswith("broker_")]
    assert events == ["broker_connected", *["broker_away", "broker_connected"] * 3]


def test_messages_published_while_ingest_is_down_wait_at_the_broker(mosquitto, publisher, start):
    mosquitto.start()
    keep = Keep()
    start(keep).end()
    publisher.connect()
    publisher.publish_many(reading(n) for n in range(2_500))
    mosquitto.stop()
    mosquitto.start()
    start(keep)
    wait_for(lambda: keep.messages == 2_500)
    assert len(keep.instants) == 2_500


def test_nothing_is_acknowledged_while_the_store_is_away(mosquitto, publisher, start, caplog):
    mosquitto.start()
    keep = Keep()
    keep.away = True
    with caplog.at_level(logging.INFO, logger="ingest"):
        running = start(keep, ingest={"batch_max_messages": 300})
        publisher.connect()
        publisher.publish_many(reading(n) for n in range(1_500))
        wait_for(lambda: keep.refused >= 3)
        assert keep.messages == 0
        assert running.ingestor.state["received"] <= 600 + 1
        assert not running.ingestor.state["store_available"]
        keep.away = False
        wait_for(lambda: len(keep.instants) == 1_500)
    told = [r for r in caplog.records if r.message.startswith("store_")]
    assert [r.message for r in told] == ["store_away", "store_back"]
    assert told[0].detail.startswith("The store folder is read-only. Nothing is acknowledged meanwhile")


def test_a_stop_while_the_store_is_away_leaves_the_messages_at_the_broker(mosquitto, publisher, start):
    mosquitto.start()
    away = Keep()
    away.away = True
    first = start(away)
    publisher.connect()
    publisher.publish_many(reading(n) for n in range(200))
    wait_for(lambda: away.refused >= 1)
    first.end()
    keep = Keep()
    start(keep)
    wait_for(lambda: len(keep.instants) == 200)


def test_messages_come_again_when_the_ingestor_dies_between_commit_and_acknowledgement(mosquitto, publisher, start):
    mosquitto.start()
    keep = Keep()

    def dies(batch: Batch) -> Receipt:
        keep(batch)
        raise SystemExit("killed after the commit")

    publisher.connect()
    start(Keep()).end()  # makes the session
    publisher.publish_many(reading(n) for n in range(100))
    first = start(dies, wait=False)
    wait_for(lambda: not first.thread.is_alive())
    kept = keep.messages
    assert kept > 0
    start(keep)
    wait_for(lambda: keep.messages == kept + 100)
    assert len(keep.instants) == 100


def test_bad_messages_are_set_aside_with_their_reason_and_free_their_slots(mosquitto, settings, publisher, start):
    mosquitto.start()
    keep = Keep()
    small = settings.model_copy(update={"max_payload_bytes": 2_000_000})
    running = start(keep, broker=small)
    publisher.connect()
    press = topic("L1-press0")
    sent = [
        (press, b'{"timestamp_ms": 1790000000000, "vibration', RejectionReason.NOT_JSON),
        (press, b'{"timestamp_ms": 1790000000001, "vibration_mm_s": "2,1"}', RejectionReason.WRONG_TYPE),
        (
            press,
            b'{"timestamp_ms": 1790000000002, "vibration_mm_s": NaN, "temperature_c": 3}',
            RejectionReason.NOT_A_NUMBER,
        ),
        (topic("L1-oven"), b"{}", RejectionReason.UNKNOWN_MACHINE),
        (press, b'{"timestamp_ms": "soon", "temperature_c": 3}', RejectionReason.BAD_TIME),
        (press, b'{"timestamp_ms": 5}', RejectionReason.NO_FIELD),
        (press, b"\xff\xfe\x00", RejectionReason.NOT_JSON),
        (press, b"[" * 100_000, RejectionReason.WRONG_SHAPE),
        (press, b'{"timestamp_ms": 1790000000003, "state": "' + b"x" * 1_000_000 + b'"}', RejectionReason.WRONG_TYPE),
        (press, b'{"timestamp_ms": 1790000000004, "state": "' + b"x" * 3_000_000 + b'"}', RejectionReason.TOO_LARGE),
    ]
    for where, payload, _ in sent:
        publisher.publish(where, payload)
    publisher.publish_many(reading(n) for n in range(10, 20))
    wait_for(lambda: keep.messages == 20)
    assert [(r.topic, r.payload, r.reason) for r in keep.rejections] == sent
    assert len(keep.instants) == 11  # the ten sound ones, and the sound field beside the NaN
    running.end()
    again = start(Keep(), broker=small)
    publisher.publish(*reading(99))
    wait_for(lambda: again.ingestor.state["received"] == 1)


def test_a_message_of_one_megabyte_is_stored(mosquitto, publisher, start):
    mosquitto.start()
    keep = Keep()
    start(keep)
    publisher.connect()
    padding = b" " * 1_000_000
    publisher.publish(topic("L1-press0"), b'{"timestamp_ms": 1790000000000,' + padding + b'"temperature_c": 40}')
    wait_for(lambda: keep.messages == 1)
    assert not keep.rejections
    assert len(keep.instants) == 1


def test_unknown_fields_are_named_once_and_do_no_harm(mosquitto, publisher, start, caplog):
    mosquitto.start()
    keep = Keep()
    with caplog.at_level(logging.WARNING, logger="ingest"):
        running = start(keep)
        publisher.connect()
        for n in range(20):
            publisher.send(
                topic("L1-press0"), b'{"timestamp_ms": %d, "temperature_c": 1, "firmware": 2}' % (1_790_000_000_000 + n)
            )
        wait_for(lambda: keep.messages == 20)
    assert not keep.rejections
    assert running.ingestor.state["unknown_fields"] == 20
    assert [r.field for r in caplog.records if r.message == "unknown_field"] == ["'firmware'"]


def test_messages_without_device_time_are_all_kept(mosquitto, publisher, start):
    mosquitto.start()
    keep = Keep()
    mapping = {"time_unit": "none", "time_field": ""}
    start(keep, ingest={"mappings": (mapping,)})
    publisher.connect()
    publisher.publish_many((topic("L1-press0"), b'{"temperature_c": 1}') for _ in range(500))
    wait_for(lambda: keep.messages == 500)
    assert len(keep.instants) == 500


def test_side_topics_are_settled_by_their_handler(mosquitto, publisher, start):
    mosquitto.start()
    keep = Keep()
    taken: list[bytes] = []
    absent = [True]

    def handle(_topic: str, payload: bytes) -> str | None:
        if absent:
            absent.pop()
            raise Unavailable("The records are locked.")
        taken.append(payload)
        return "quantity is -4; it must be above 0" if b"-4" in payload else None

    running = start(keep, side_topics={"linewright/linz/orders": handle})
    publisher.connect()
    publisher.publish("linewright/linz/orders", b"100 brackets")
    publisher.publish("linewright/linz/orders", b"-4 brackets")
    wait_for(lambda: keep.messages == 2)
    assert taken == [b"100 brackets", b"-4 brackets"]
    assert [(r.topic, r.detail) for r in keep.rejections] == [
        ("linewright/linz/orders", "quantity is -4; it must be above 0")
    ]
    assert keep.batches[-1].received.tolist() == [0, 2, 0]
    assert running.ingestor.filters == ("acme/linz/+/+/+/telemetry", "linewright/linz/orders", "(no filter)")


def test_mqtt_5_keeps_its_session_and_window(mosquitto, settings, publisher, start):
    mosquitto.start()
    broker = settings.model_copy(update={"protocol": Protocol.V5, "receive_maximum": 50})
    keep = Keep()
    keep.away = True
    running = start(keep, broker=broker)
    publisher.connect()
    publisher.publish_many(reading(n) for n in range(500))
    wait_for(lambda: keep.refused >= 2)
    assert running.ingestor.state["received"] == 50
    running.end()
    keep.away = False
    start(keep, broker=broker)
    wait_for(lambda: len(keep.instants) == 500)


def test_a_second_ingestor_with_the_same_id_is_pointed_out(mosquitto, settings, start):
    mosquitto.start()
    first = start(Keep())
    start(Keep())
    wait_for(lambda: "does another client use the id" in str(first.ingestor.state["broker_trouble"]))


def test_wrong_passwords_are_told_apart_from_an_absent_broker(mosquitto, settings, start, tmp_path):
    text = mosquitto.configuration.read_text().replace("allow_anonymous true", "allow_anonymous false")
    mosquitto.configuration.write_text(text)
    mosquitto.start()
    (tmp_path / "secret").write_text("wrong\n")
    broker = settings.model_copy(update={"username": "linewright", "password_file": tmp_path / "secret"})
    running = start(Keep(), broker=broker, wait=False)
    wait_for(lambda: bool(running.ingestor.state["broker_trouble"]))
    assert "not authorized" in running.ingestor.state["broker_trouble"]
    assert "Check username and password" in running.ingestor.state["broker_trouble"]


def test_a_port_that_is_no_broker_is_told_apart_from_an_absent_one(mosquitto, settings, start):
    with socket.create_server(("127.0.0.1", mosquitto.port)) as server:
        running = start(Keep(), wait=False)
        server.accept()[0].close()
        wait_for(lambda: bool(running.ingestor.state["broker_trouble"]))
        assert "it hung up before its welcome" in running.ingestor.state["broker_trouble"]
        assert "another port" in running.ingestor.state["broker_trouble"]
        running.end()


def test_publisher_keeps_what_the_broker_has_not_acknowledged(mosquitto, publisher, start):
    with pytest.raises(Unavailable, match="Cannot reach the broker"):
        publisher.connect(timeout_s=0.3)
    with pytest.raises(Unavailable, match="refused"):
        publisher.publish(*reading(0), timeout_s=0.3)
    mosquitto.start()
    keep = Keep()
    start(keep)
    publisher.connect()
    publisher.flush()
    assert publisher.acknowledged == publisher.published == 1


def test_publisher_hears_retained_and_live_messages(mosquitto, settings, publisher):
    mosquitto.start()
    publisher.connect()
    publisher.publish("linewright/linz/plan", b"plan 1", retain=True)
    heard: list[tuple[str, bytes]] = []
    listener = Publisher(settings, client_id="test-listener")
    listener.subscribe("linewright/+/plan", lambda where, payload: heard.append((where, payload)))
    listener.connect()
    try:
        wait_for(lambda: len(heard) == 1)
        publisher.publish("linewright/linz/plan", b"plan 2", retain=True)
        wait_for(lambda: len(heard) == 2)
        mosquitto.stop()
        mosquitto.start()
        wait_for(lambda: len(heard) == 3)
    finally:
        listener.close()
    assert [payload for _, payload in heard] == [b"plan 1", b"plan 2", b"plan 2"]
