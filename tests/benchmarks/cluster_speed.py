"""How much sooner long work is done with two workers than with one; prints a Markdown table.

Run: `python tests/benchmarks/cluster_speed.py [--hours 2] [--lives 16] [--repeats 3]`. A scheduler and workers of one
thread each on loopback; one and two workers take turns, so that whatever else runs disturbs both. "of CPU" is that of
the busiest worker, which other load does not stretch. Results are compared bit for bit with those of this process;
where one differs it exits with 1.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client
from store_workload import MACHINES, NAMES, PLANT, START_US, batches

from analytics.feature_table import feature_table
from analytics.lives import Life
from analytics.model_settings import ModelSettings
from analytics.normalise import fit_normaliser
from linewright.cluster import by_workers
from linewright.settings.shell import ClusterSettings
from plant.clock import PlantClock, instant
from store.embedded.partitions import divided, joined, load
from store.embedded.reader import open_reader
from store.embedded.writer import open_writer
from store.settings import StoreSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from dask_cluster import DaskCluster

PARTS = 24
SIGNALS = 16
ROWS = 8_000
"""Of a life: eight weeks at 10 min."""

Work = tuple[Callable[[Any], Any], list[Any], Callable[[Any], bytes]]


def reading(folder: Path, hours: float) -> Work:
    """Raw rows of some hours of 1,000 series, brought onto a grid of 10 s, in parts."""
    settings = StoreSettings(seal_span_s=1e12)
    with closing(open_writer(folder, plant=PLANT, clock=PlantClock(), settings=settings)) as writer:
        for batch in batches(hours=hours, batch_s=60):
            writer.write(batch)
        writer.compact()
    with closing(open_reader(folder, plant=PLANT)) as reader:
        asked = {"start": instant(START_US), "end": instant(START_US + round(hours * 3.6e9))}
        (whole,) = reader.partitions(NAMES, step=timedelta(seconds=10), **asked)
        rows = round(hours * 3600 * MACHINES / PARTS)
        parts = divided(folder, whole.view, whole.question, rows=rows)

    def content(loaded: Any) -> bytes:
        windows = joined([loaded.windows])
        return b"".join(np.ascontiguousarray(v).tobytes() for w in windows.values() for v in w.values.values())

    return load, parts, content


def features(count: int) -> Work:
    """The model's inputs of every row of some lives."""
    chance = np.random.default_rng(4)
    names = tuple(f"signal_{index:02d}" for index in range(SIGNALS))
    lives = [
        Life(
            machine=f"press-{number}",
            machine_class="press",
            signals=names,
            settings=(),
            observed_at_us=START_US + np.arange(ROWS, dtype=np.int64) * 600_000_000,
            age_units=np.arange(ROWS) / 6.0,
            values=chance.normal(0, 1, (ROWS, SIGNALS)).cumsum(axis=0) / 50,
            failed=number % 2 == 0,
            row_units=1 / 6,
        )
        for number in range(count)
    ]
    settings = ModelSettings()
    work = partial(feature_table, normaliser=fit_normaliser(lives, settings=settings, seed=1), settings=settings)
    return work, lives, lambda table: table.iloc[:, 6:].to_numpy().tobytes()


@contextmanager
def crew(folder: Path, workers: int) -> Iterator[tuple[Client, ClusterSettings]]:
    """A client of a cluster with so many workers, all there."""
    folder.mkdir()
    cluster = DaskCluster(folder)
    try:
        for _ in range(workers):
            cluster.add_worker()
        make: Callable[..., Client] = Client
        with make(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
            yield client, ClusterSettings(scheduler=cluster.address)
    finally:
        cluster.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one run took."""

    wall_s: float
    busiest_s: float
    """CPU of the worker that did the most [s]."""
    client_s: float
    """CPU of this process [s]."""


def timed(
    client: Client, settings: ClusterSettings, work: Callable[[Any], Any], items: list[Any]
) -> tuple[Run, list[Any]]:
    """One run, and what came of it."""
    before, own, began = client.run(time.process_time), time.process_time(), time.perf_counter()
    found = list(by_workers(client, settings, work, items))
    took, mine, after = time.perf_counter() - began, time.process_time() - own, client.run(time.process_time)
    busiest = max(after[worker] - before[worker] for worker in after)
    return Run(wall_s=took, busiest_s=busiest, client_s=mine), found


def main() -> int:
    """Measure and print; 1 where results are not equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="of 1,000 series at 1 Hz, to read")
    parser.add_argument("--lives", type=int, default=16, help=f"of {ROWS} rows, to build features of")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cluster-speed-", dir="/var/tmp"))
    try:
        jobs = {
            "read raw rows onto 10 s": reading(folder / "site", arguments.hours),
            "features of lives": features(arguments.lives),
        }
        print(f"load average {os.getloadavg()[0]:.1f} before\n")
        print("| work, parts | here [s] | one worker [s] | two [s] | speed-up | of CPU | client [CPU s] | equal |")
        print("|---|---|---|---|---|---|---|---|")
        different = list[str]()
        with crew(folder / "one", 1) as one, crew(folder / "two", 2) as two:
            for name, (work, items, content) in jobs.items():
                began = time.perf_counter()
                wanted = [content(work(item)) for item in items]
                here = time.perf_counter() - began
                runs: dict[int, list[Run]] = {1: [], 2: []}
                equal = True
                for repeat in range(arguments.repeats + 1):
                    for count, made in ((1, one), (2, two)):
                        run, found = timed(*made, work, items)
                        if repeat:  # the first one loads the libraries
                            runs[count].append(run)
                        equal &= [content(each) for each in found] == wanted
                if not equal:
                    different.append(name)
                wall = {count: statistics.median(run.wall_s for run in each) for count, each in runs.items()}
                busiest = {count: statistics.median(run.busiest_s for run in each) for count, each in runs.items()}
                sooner = statistics.median(a.wall_s / b.wall_s for a, b in zip(runs[1], runs[2], strict=True))
                print(
                    f"| {name}, {len(items)} | {here:.2f} | {wall[1]:.2f} | {wall[2]:.2f} | {sooner:.2f} | "
                    f"{busiest[1]:.2f} / {busiest[2]:.2f} = {busiest[1] / busiest[2]:.2f} | "
                    f"{statistics.median(run.client_s for run in runs[2]):.2f} | {'bit for bit' if equal else 'NO'} |",
                    flush=True,
                )
        print(f"\nload average {os.getloadavg()[0]:.1f} after")
        if different:
            print(f"Not equal to the results of one process: {', '.join(different)}.", file=sys.stderr)
        return 1 if different else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
