"""A replay from quarantine whose process is killed again and again: every message stored exactly once."""

import contextlib
import random
import subprocess
import sys
import time
from pathlib import Path

from ingest_plant import MACHINES, PLANT, START_MS, topic

from ingest.batching import Batcher
from ingest.spool import Spool, Task
from plant.clock import PlantClock, instant
from plant.signals import RejectionReason
from store.embedded.reader import open_reader
from store.embedded.writer import open_writer

MESSAGES = 12_000
KILLS = 6
SCRIPT = Path(__file__).with_name("rework_process.py")


def start(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", str(SCRIPT), str(folder)]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "serving\n"
    return process


def set_aside(folder: Path) -> None:
    """Messages in quarantine, each with its own value and time of reception."""
    with contextlib.closing(open_writer(folder, plant=PLANT, clock=PlantClock())) as writer:
        filters = ("acme/linz/+/+/+/telemetry", "(no filter)")
        batcher = Batcher(run=writer.begin_run(filters), plant=PLANT, filters=filters, clock_skew_limit_us=10**18)
        for number in range(MESSAGES):
            batcher.reject(
                batcher.open_message(0, payload_bytes=0),
                topic=topic(MACHINES[number % len(MACHINES)].name),
                payload=b'{"vib": %d}' % number,
                received_at_us=START_MS * 1_000 + number,
                reason=RejectionReason.NO_FIELD,
                detail="no field",
            )
        writer.write(batcher.take([MESSAGES, 0]))


def test_a_killed_replay_loses_and_doubles_nothing(tmp_path):
    set_aside(tmp_path)
    spool = Spool(tmp_path / "spool")
    spool.ask(Task.REPLAY, range(1, MESSAGES + 1))
    chance = random.Random(5)
    killed = 0
    for _ in range(KILLS):
        process = start(tmp_path)
        time.sleep(chance.uniform(0.0, 0.12))
        killed += process.poll() is None
        process.kill()
        process.wait(10)
        process.stdout.close()
    process = start(tmp_path)
    assert process.wait(60) == 0
    process.stdout.close()
    assert killed >= 3
    assert spool.waiting() == []
    with contextlib.closing(open_reader(tmp_path, plant=PLANT)) as reader:
        lines = reader.ledger()
        sums = [
            sum(getattr(line, name) for line in lines) for name in ("received", "stored", "quarantined", "in_flight")
        ]
        assert sums == [MESSAGES, MESSAGES, 0, 0]
        assert sum(line.samples_stored for line in lines) == MESSAGES
        windows = reader.read(
            [machine.name for machine in MACHINES],
            start=instant(START_MS * 1_000),
            end=instant(START_MS * 1_000 + 10 * MESSAGES),
        )
        values = sorted(value for window in windows.values() for value in window.values["vibration_mm_s"].tolist())
        assert values == list(range(MESSAGES))
