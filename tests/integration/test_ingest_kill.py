"""Counts against the publisher: an ingest process killed under load, and the embedded store behind it."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ingest_plant import MACHINES, PLANT, START_MS, reading

from ingest.broker_settings import BrokerSettings
from ingest.publisher import Publisher
from plant.clock import instant
from store.embedded.reader import open_reader

pytestmark = pytest.mark.mosquitto
MESSAGES = 3_000
SCRIPT = Path(__file__).with_name("ingest_plant.py")


def start_ingest(port: int, folder: Path, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", str(SCRIPT), str(port), str(folder), *more]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "connected\n"
    return process


def ledger_of(folder: Path):
    reader = open_reader(folder, plant=PLANT)
    try:
        return reader.ledger()
    finally:
        reader.close()


def settled(folder: Path) -> int:
    return sum(line.stored + line.quarantined for line in ledger_of(folder))


def test_a_killed_ingest_loses_and_doubles_nothing(mosquitto, tmp_path):
    mosquitto.start()
    publisher = Publisher(BrokerSettings(port=mosquitto.port), client_id="test-publisher")
    publisher.connect()
    process = start_ingest(mosquitto.port, tmp_path)
    chance = random.Random(7)
    kills_at = sorted(chance.sample(range(500, MESSAGES - 500), 2))
    try:
        for number in range(MESSAGES):
            publisher.send(*reading(number))
            if number % 200 == 0:
                publisher.send("acme/linz/hall1/L1/L1-oven/telemetry", b'{"lost": %d}' % number)
            if number in kills_at:
                process.kill()
                process.wait(10)
                process.stdout.close()
                process = start_ingest(mosquitto.port, tmp_path)
        publisher.flush()
        deadline = time.monotonic() + 30
        while settled(tmp_path) < MESSAGES + MESSAGES // 200 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()
        publisher.close()
    lines = ledger_of(tmp_path)
    assert publisher.acknowledged == MESSAGES + MESSAGES // 200
    assert sum(line.stored for line in lines) == MESSAGES
    assert sum(line.samples_stored for line in lines) == 3 * MESSAGES
    assert sum(line.in_flight for line in lines) == 0
    # a message set aside cannot be told from its redelivery: it may be in quarantine twice, never not at all
    assert sum(line.quarantined for line in lines) >= MESSAGES // 200
    reader = open_reader(tmp_path, plant=PLANT)
    try:
        names = [machine.name for machine in MACHINES]
        windows = reader.read(
            names, start=instant(START_MS * 1_000), end=instant((START_MS + MESSAGES) * 1_000), step=None
        )
        seen = sorted(at for window in windows.values() for at in window.observed_at.tolist())
        assert seen == [(START_MS + number) * 1_000 for number in range(MESSAGES)]
    finally:
        reader.close()


def test_an_orderly_stop_and_start_loses_nothing(mosquitto, tmp_path):
    mosquitto.start()
    publisher = Publisher(BrokerSettings(port=mosquitto.port), client_id="test-publisher")
    publisher.connect()
    for begin in (0, 400):
        process = start_ingest(mosquitto.port, tmp_path)
        publisher.publish_many(reading(number) for number in range(begin, begin + 200))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()
        publisher.publish_many(reading(number) for number in range(begin + 200, begin + 400))
    process = start_ingest(mosquitto.port, tmp_path)
    deadline = time.monotonic() + 20
    while settled(tmp_path) < 800 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.stdout.close()
    publisher.close()
    (line, stray) = ledger_of(tmp_path)
    assert (line.received, line.stored, line.duplicate, line.in_flight) == (800, 800, 0, 0)
    assert stray.received == 0
