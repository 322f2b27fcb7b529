"""The embedded store with its writer killed again and again, and read by others meanwhile: real processes."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plant.clock import PlantClock
from plant.errors import Unavailable
from store.embedded.reader import open_reader
from store.embedded.writer import open_writer
from tests.contract.batches import PLANT, at
from tests.integration.store_processes import ROWS, SETTINGS

ROOT = Path(__file__).resolve().parents[2]


def start(*words: object) -> "subprocess.Popen[str]":
    """A process of `store_processes`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.store_processes", *map(str, words)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def write_until_killed(folder: Path, first: int, *, batches: int, linger_s: float) -> int:
    """Let a writer acknowledge some batches, kill it a moment later; the last batch it told of."""
    acknowledged = first - 1
    with start("write", folder, first, 1_000_000) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        while acknowledged < first + batches:
            acknowledged = int(writer.stdout.readline())
        time.sleep(linger_s)  # the kill falls anywhere in a later write, sealing or merging
        writer.kill()
        rest = writer.stdout.read().split("\n")
        told = [int(line) for line in rest[:-1]]  # what follows the last newline is half a word
        return told[-1] if told else acknowledged


def test_store_keeps_every_acknowledged_batch_once_when_its_writer_is_killed_ten_times(tmp_path: Path) -> None:
    folder, chance, acknowledged = tmp_path / "site", random.Random(7), -1
    for _ in range(10):
        acknowledged = write_until_killed(
            folder, acknowledged + 1, batches=chance.randrange(5, 40), linger_s=chance.random() * 0.03
        )
    end = acknowledged + 20
    with start("write", folder, acknowledged + 1, end) as writer:
        output, errors = writer.communicate(timeout=60)
    assert writer.returncode == 0, errors
    assert output.split()[-1] == str(end - 1)

    reader = open_reader(folder, plant=PLANT)
    for window in reader.read(["L1-press", "L2-press"], start=at(0), end=at(1_000_000)).values():
        assert window.values["temperature_c"].tolist() == [float(number) for number in range(end) for _ in range(3)]
    (line,) = reader.ledger()
    assert line.stored == end * ROWS
    assert line.in_flight == 0
    assert line.samples_stored == end * ROWS * 2
    last = {value.machine: value.value for value in reader.last_values() if value.signal == "temperature_c"}
    assert last == {"L1-press": end - 1.0, "L2-press": end - 1.0}
    reader.close()


def test_readers_in_other_processes_see_whole_batches_while_one_writes_and_seals(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    with start("write", folder, 0, 600) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        readers = [start("read", folder, 3) for _ in range(2)]
        outputs = [reader.communicate(timeout=60) for reader in readers]
        _, errors = writer.communicate(timeout=60)
    assert writer.returncode == 0, errors
    for reader, (output, complaint) in zip(readers, outputs, strict=True):
        assert reader.returncode == 0, complaint
        reads, seen = map(int, output.removeprefix("open\n").split())
        assert reads > 3
        assert seen > 0


def test_second_writer_is_told_who_writes_since_when_and_gets_in_once_that_one_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    with start("write", folder, 0, 1_000_000) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(
            Unavailable, match=rf"already being written by process {writer.pid} since 20\d\d-.*stop that"
        ):
            open_writer(folder, plant=PLANT, clock=PlantClock(), settings=SETTINGS)
        writer.kill()
        writer.communicate()
    open_writer(folder, plant=PLANT, clock=PlantClock(), settings=SETTINGS).close()
