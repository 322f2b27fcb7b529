"""Command: what each step of a message's way costs, in one process and without a broker or its sockets.

Usage: python tests/benchmarks/ingest_steps.py [MESSAGES_A_BATCH FIELDS MESSAGES]

CPU time of this process by step, once four batches have warmed it up; without arguments the table of the documentation.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ingest_load import MAPPING, packets, plant_of

from ingest.batching import Batcher
from ingest.intake import Intake
from ingest.topics import compile_router, ledger_filters
from ingest.wire import READ_BYTES, READS_AT_ONCE, Publishes, gather
from plant.clock import PlantClock
from store.embedded.memory import leave_pandas_out
from store.embedded.writer import open_writer

WARM_UP: Final = 4
"""Batches."""
CASES: Final = ((5_000, 6, 100_000), (1_350, 6, 60_000), (120, 6, 12_000), (2_000, 50, 20_000))
STEPS: Final = ("walk", "count and route", "decode, columns, tables", "commit")


def measure(size: int, *, fields: int, count: int) -> dict[str, float]:
    """CPU of each step [µs a message]."""
    plant, clock = plant_of(fields), PlantClock()
    spent = dict.fromkeys(STEPS, 0.0)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_writer(Path(folder), plant=plant, clock=clock)) as writer,
    ):
        filters = ledger_filters((MAPPING,), plant=plant)
        run = writer.begin_run(filters)
        batcher = Batcher(run=run, plant=plant, filters=filters, clock_skew_limit_us=10**12)
        router = compile_router((MAPPING,), plant=plant)
        intake = Intake(batcher, router=router, sides={}, max_payload_bytes=4_000_000)
        for number, wire in enumerate(batches(size, fields=fields, count=count + WARM_UP * size)):
            if number == WARM_UP:
                spent = dict.fromkeys(STEPS, 0.0)
            at = 0
            while at < len(wire):
                piece, found = wire[at : at + READ_BYTES * READS_AT_ONCE], Publishes([], [], [])
                began = time.process_time()
                at += gather(piece, 0, into=found, limit=size, with_properties=False)
                walked = time.process_time()
                intake.read(found.topics, found.payloads, at_us=clock.now_us())
                spent["count and route"] += time.process_time() - walked
                spent["walk"] += walked - began
            began = time.process_time()
            batch = intake.take()
            taken = time.process_time()
            writer.write(batch)
            spent["commit"] += time.process_time() - taken
            spent["decode, columns, tables"] += taken - began
    return {step: seconds / count * 1e6 for step, seconds in spent.items()}


def batches(size: int, *, fields: int, count: int) -> Iterator[bytes]:
    """Bytes from the wire, a batch at a time."""
    made = packets(count, fields=fields)
    for _ in range(count // size):
        yield b"".join(next(made) for _ in range(size))


def main() -> None:
    """Print the table."""
    given = tuple(int(each) for each in sys.argv[1:])
    print(f"| messages a batch | fields | {' | '.join(STEPS)} | in all |\n|---|---|{'---|' * (len(STEPS) + 1)}")
    for size, fields, count in (given,) if given else CASES:
        found = measure(size, fields=fields, count=count // size * size)
        shown = " | ".join(f"{each:.2f}" for each in (*found.values(), sum(found.values())))
        print(f"| {size:,} | {fields} | {shown} |", flush=True)


if __name__ == "__main__":
    leave_pandas_out()
    main()
