"""What the processes of the store's tests do: one writes and is killed, others read meanwhile.

Run as `python -m tests.integration.store_processes write|read|note FOLDER ...`.
"""

import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np

from plant.clock import PlantClock
from plant.errors import Unavailable
from plant.signals import Batch
from store.embedded.reader import open_reader
from store.embedded.writer import open_writer
from store.records import Records, records_url
from store.settings import StoreSettings
from tests.contract.batches import FILTER, PLANT, at, batch, row

ROWS = 6
"""Messages per batch: two machines, three instants each."""
SETTINGS = StoreSettings(seal_span_s=5, seal_rows=12, merge_segments=3, window_rows=24)
"""Seals every other batch, merges every third sealing: a kill mostly falls into one of them."""


def numbered_batch(number: int, *, run: str, received: int) -> Batch:
    """A batch whose every value is its number."""
    rows = [
        row(machine, number * 3 + second, temperature_c=float(number), state=f"batch {number}")
        for machine in ("L1-press", "L2-press")
        for second in range(3)
    ]
    return batch(*rows, run=run, received=received)


def tell(*words: object) -> None:
    """A line to the process that started this one."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def write(folder: Path, first: int, end: int) -> None:
    """Write batches [first, end), telling each once it is acknowledged; then stop orderly."""
    writer = open_writer(folder, plant=PLANT, clock=PlantClock(), settings=SETTINGS)
    run = writer.begin_run((FILTER,))
    tell("open")
    for number in range(first, end):
        writer.write(numbered_batch(number, run=run, received=(number - first + 1) * ROWS))
        tell(number)
    writer.end_run(run)
    writer.close()


def read(folder: Path, seconds: float, pause_s: float = 0.0) -> None:
    """Read until the time is over; whatever is there must be whole batches without a hole, and never become less.

    Tells "open" once it has read for the first time, and at the end how often it read and how many rows there were.
    """
    reader = open_reader(folder, plant=PLANT)
    until = time.monotonic() + seconds
    seen = reads = 0
    while time.monotonic() < until:
        windows = reader.read(["L1-press", "L2-press"], start=at(0), end=at(100_000))
        one, two = windows["L1-press"], windows["L2-press"]
        numbers = one.values["temperature_c"]
        assert len(one) % 3 == 0, f"{len(one)} rows: a batch is torn"
        # read by read each class is one view, so both machines show the same batches
        assert one.observed_at.tolist() == two.observed_at.tolist(), "two machines of one view differ"
        assert numbers.tolist() == np.repeat(np.arange(len(one) // 3, dtype=float), 3).tolist(), "a hole or a double"
        assert one.states["state"].tolist() == [f"batch {int(number)}" for number in numbers]
        assert len(one) >= seen, f"{seen} rows were there before, now {len(one)}"
        stepped = reader.read(["L1-press"], start=at(0), end=at(100), step=timedelta(seconds=10))["L1-press"]
        assert len(stepped) == 10
        reader.ledger()
        reader.last_values()
        seen, reads = len(one), reads + 1
        if reads == 1:
            tell("open")
        time.sleep(pause_s)
    tell(reads, seen)


def note(path: Path, name: str, count: int) -> None:
    """Write and read records as fast as one transaction after the other allows."""
    records = Records(records_url(path))
    for number in range(count):
        records.request(name, at=at(number))
        records.note(name, {"number": number})
        assert records.noted(name) == {"number": number}
    records.close()
    tell(count)


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["write", folder, first, end]:
                write(Path(folder), int(first), int(end))
            case ["read", folder, seconds]:
                read(Path(folder), float(seconds))
            case ["read", folder, seconds, pause_s]:
                read(Path(folder), float(seconds), float(pause_s))
            case ["note", path, name, count]:
                note(Path(path), name, int(count))
    except Unavailable as error:
        sys.exit(f"Unavailable: {error}")
