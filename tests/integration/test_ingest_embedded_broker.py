"""The broker that comes with Linewright: what it does, and its limits told in words."""

import threading

import pytest
from ingest_plant import reading, topic
from test_ingest_delivery import Keep, Running, wait_for

from ingest.broker import EmbeddedBroker
from ingest.broker_settings import BrokerSettings
from ingest.publisher import Publisher
from plant.errors import Unavailable


@pytest.fixture
def broker(free_port):
    with EmbeddedBroker(port=free_port) as started:
        yield started


@pytest.fixture
def settings(broker) -> BrokerSettings:
    return BrokerSettings(port=broker.port, embedded=True, reconnect_min_s=0.1, reconnect_max_s=0.5)


def test_embedded_broker_delivers_everything_in_order(settings):
    keep = Keep()
    running = Running(settings, keep)
    wait_for(lambda: running.ingestor.state["connected"])
    publisher = Publisher(settings, client_id="test-publisher")
    publisher.connect()
    publisher.publish_many(reading(n) for n in range(4_000))
    publisher.publish(topic("L1-press0"), b'{"timestamp_ms": 1,' + b" " * 1_000_000 + b'"temperature_c": 40}')
    wait_for(lambda: keep.messages == 4_001)
    publisher.close()
    running.end()
    assert running.failure is None
    assert publisher.acknowledged == 4_001
    assert not keep.rejections
    assert len(keep.instants) == 4_001


def test_embedded_broker_keeps_messages_for_an_absent_ingestor(settings):
    keep = Keep()
    first = Running(settings, keep)
    wait_for(lambda: first.ingestor.state["connected"])
    first.end()
    publisher = Publisher(settings, client_id="test-publisher")
    publisher.connect()
    publisher.publish_many(reading(n) for n in range(300))
    publisher.close()
    second = Running(settings, keep)
    wait_for(lambda: len(keep.instants) == 300)
    second.end()


def test_embedded_broker_says_when_its_port_is_taken(broker):
    with pytest.raises(Unavailable, match=r"cannot listen at 127\.0\.0\.1.*broker\.port"):
        EmbeddedBroker(port=broker.port).start()


def test_embedded_broker_runs_until_told_to_stop(free_port):
    stop = threading.Event()
    broker = EmbeddedBroker(port=free_port)
    thread = threading.Thread(target=broker.run, args=(stop,))
    thread.start()
    wait_for(lambda: broker.running)
    stop.set()
    thread.join(10)
    assert not broker.running


def test_embedded_broker_loses_nothing_over_orderly_restarts_of_ingest_under_load(settings):
    keep = Keep()
    running = Running(settings, keep)
    wait_for(lambda: running.ingestor.state["connected"])
    publisher = Publisher(settings, client_id="test-publisher")
    publisher.connect()
    load = threading.Thread(target=publisher.publish_many, args=([reading(n) for n in range(3_000)],))
    load.start()
    for _ in range(2):
        running.end()
        running = Running(settings, keep)
    load.join(20)
    wait_for(lambda: len(keep.instants) == 3_000)
    running.end()
    publisher.close()
    assert keep.messages == 3_000
