"""The embedded store's writer killed a hundred times with twenty reading processes beside it; prints what was found.

Exits with 1 where anything was lost or doubled, or a reader failed.

Run: `python tests/benchmarks/store_kills.py [--kills 100] [--readers 20] [--at-most-s S]`. The kills fall into ingest,
sealing and compaction: the writer seals every other batch and compacts every third sealing. Each value is the number of
its batch, so a lost, doubled or torn one shows. A short form is tests/integration/test_store_kills.py.
"""

import argparse
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from plant.clock import PlantClock
from store.embedded.reader import open_reader
from store.embedded.writer import open_writer
from tests.contract.batches import PLANT, at
from tests.integration.store_processes import ROWS, SETTINGS
from tests.integration.test_store_kills import start, write_until_killed

READ_EVERY_S = 3.0
"""Of each reader; so that twenty of them leave the writer some of two cores."""


def kill_again_and_again(folder: Path, kills: int, at_most_s: float) -> tuple[int, list[float]]:
    """The last batch that was acknowledged, and how long each opening after a kill took [s]."""
    until = time.monotonic() + at_most_s
    chance, acknowledged, opened_s = random.Random(11), -1, list[float]()
    for _ in range(kills):
        acknowledged = write_until_killed(
            folder, acknowledged + 1, batches=chance.randrange(2, 12), linger_s=chance.random() * 0.05
        )
        began = time.perf_counter()
        writer = open_writer(folder, plant=PLANT, clock=PlantClock(), settings=SETTINGS)
        opened_s.append(time.perf_counter() - began)
        writer.close()
        if time.monotonic() > until:
            break
    return acknowledged, opened_s


def faults_of(folder: Path, acknowledged: int) -> list[str]:
    """What is lost or doubled of the batches up to the last acknowledged one."""
    reader, faults = open_reader(folder, plant=PLANT), []
    for machine, window in reader.read(["L1-press", "L2-press"], start=at(0), end=at(1_000_000)).items():
        found = window.values["temperature_c"].tolist()
        expected = [float(number) for number in range(acknowledged + 1) for _ in range(3)]
        if found[: len(expected)] != expected or len(found) > len(expected) + 3:
            faults.append(f"{machine}: {len(found)} rows, {len(expected)} were acknowledged")
    (line,) = reader.ledger()
    if line.stored not in {(acknowledged + 1) * ROWS, (acknowledged + 2) * ROWS} or line.in_flight:
        faults.append(f"ledger: {line.stored} stored, {line.in_flight} in flight")
    reader.close()
    return faults


def main() -> int:
    """Kill, read, check, print; 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--at-most-s", type=float, default=1e9, help="stop after so long")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="store-kills-", dir="/var/tmp")) / "site"
    try:
        open_writer(folder, plant=PLANT, clock=PlantClock(), settings=SETTINGS).close()
        readers = [start("read", folder, 1e6, READ_EVERY_S) for _ in range(arguments.readers)]
        for reader in readers:  # twenty starting at once would leave the first opening no processor
            assert reader.stdout is not None
            reader.stdout.readline()
        began = time.perf_counter()
        acknowledged, opened_s = kill_again_and_again(folder, arguments.kills, arguments.at_most_s)
        took_s = time.perf_counter() - began
        ended = [reader.poll() for reader in readers]
        for reader in readers:
            reader.send_signal(signal.SIGKILL)
        errors = [reader.communicate()[1] for reader in readers]
        print(f"{len(opened_s)} kills in {took_s:.0f} s, {acknowledged + 1} batches acknowledged")
        faults = faults_of(folder, acknowledged)
        print("lost, doubled: " + ("; ".join(faults) or "none"))
        longest = ", ".join(f"{each:.3f}" for each in sorted(opened_s)[-3:])
        print(f"open after a kill: median {statistics.median(opened_s):.3f} s, longest {longest} s")
        failed = [error for code, error in zip(ended, errors, strict=True) if code is not None]
        print(f"{arguments.readers} readers: {len(failed)} ended with an error" + "".join(f"\n{e}" for e in failed))
        return 1 if faults or failed else 0
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
