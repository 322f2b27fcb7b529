"""What the embedded store costs, beside DuckDB native and SQLite rows in the same run; prints a Markdown table.

Run: `python tests/benchmarks/store_cost.py [--hours 3] [--batch-s 5] [--beside-hours 3]`. With 24.25 hours the first
day is over and compacted as days are. CPU is user + system of all threads.
"""

import argparse
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from store_workload import MACHINES, NAMES, PLANT, PRESS, SIGNALS, START_US, batches

from plant.assets import SignalKind
from plant.clock import PlantClock, instant
from plant.signals import Aggregation
from store.embedded.reader import open_reader
from store.embedded.writer import open_writer
from store.settings import StoreSettings

SHARE_OF_ROWS = 0.02
"""SQLite rows are measured on so much of the time: they cost ten times as much [0..1]."""
LEAST_HOURS = 0.1
"""Of less there would be no whole batch of SQLite rows."""
SEAL_S = 600
WARM = 3


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def written_bytes() -> int:
    """What this process has caused to be written to disk so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def embedded(folder: Path, *, hours: float, batch_s: int) -> dict[str, float]:
    """Ingest with a durable commit and last values persisted at every batch; sealed each 10 min; then compacted."""
    settings = StoreSettings(seal_span_s=1e12, seal_bytes=2**40, unlink_after_s=0.0)
    store = open_writer(folder, plant=PLANT, clock=PlantClock(), settings=settings)
    ingest = upkeep = samples = hot = 0.0
    before = written_bytes()
    for number, batch in enumerate(batches(hours=hours, batch_s=batch_s), start=1):
        ingest += cpu(lambda batch=batch: store.write(batch))
        samples += len(batch.tables["press"]) * SIGNALS
        if number * batch_s % SEAL_S == 0:
            upkeep += cpu(store.seal)
            hot = max(hot, size(folder) / 2**20)
    began = time.perf_counter()
    last = cpu(store.compact)
    took, upkeep = time.perf_counter() - began, upkeep + last
    millions = samples / 1e6
    found = {
        "samples [M]": millions,
        "ingest [CPU s/M]": ingest / millions,
        "sealing, compaction, rollups [CPU s/M]": upkeep / millions,
        "written over its life [B/sample]": (written_bytes() - before) / samples,
        "at rest, readings [B/sample]": size(folder / "segments") / samples,
        "at rest, rollups [B/sample]": size(folder / "rollups") / samples,
        "largest folder meanwhile [MB]": hot,
        "last compaction [CPU s]": last,
        "last compaction [s]": took,
    }
    store.close()
    return found


def duckdb_native(folder: Path, *, hours: float, batch_s: int) -> dict[str, float]:
    """A table per machine class without a key, one transaction per batch."""
    folder.mkdir()
    connection = duckdb.connect(str(folder / "native.duckdb"), config={"threads": 2})
    columns = ", ".join(
        f"{signal.name} {'VARCHAR' if signal.kind is SignalKind.STATE else 'DOUBLE'}" for signal in PRESS.signals
    )
    connection.execute(f"CREATE TABLE press (machine VARCHAR, observed_at BIGINT, received_at BIGINT, {columns})")
    names = ", ".join(["machine", "observed_at", "received_at", *(signal.name for signal in PRESS.signals)])
    ingest = samples = 0.0
    for batch in batches(hours=hours, batch_s=batch_s):
        table = batch.tables["press"]
        samples += len(table) * SIGNALS

        def insert(table: Any = table) -> None:
            connection.register("incoming", table)
            connection.execute(f"INSERT INTO press SELECT {names} FROM incoming")

        ingest += cpu(insert)
    ingest += cpu(lambda: connection.execute("CHECKPOINT"))
    connection.close()
    return {"ingest [CPU s/M]": ingest / samples * 1e6, "at rest, readings [B/sample]": size(folder) / samples}


def sqlite_rows(folder: Path, *, hours: float, batch_s: int) -> dict[str, float]:
    """A row per sample with upsert, WAL, synchronous FULL."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "rows.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE samples (series INTEGER, at INTEGER, value, PRIMARY KEY (series, at)) WITHOUT ROWID"
    )
    ingest = samples = 0.0
    for batch in batches(hours=hours * SHARE_OF_ROWS, batch_s=batch_s):
        table = batch.tables["press"]
        series = np.array([NAMES.index(name) for name in table["machine"].to_pylist()]) * SIGNALS
        at = table["observed_at"].to_pylist()
        rows = [
            row
            for index, signal in enumerate(PRESS.signals)
            for row in zip((series + index).tolist(), at, table[signal.name].to_pylist(), strict=True)
        ]
        samples += len(rows)

        def insert(rows: list[Any] = rows) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")

        ingest += cpu(insert)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return {"ingest [CPU s/M]": ingest / samples * 1e6, "at rest, readings [B/sample]": size(folder) / samples}


def questions(folder: Path, *, hours: float) -> dict[str, float]:
    """CPU ms of each question, after a first answer; and the first answer after a cold open [s]."""
    start, end = instant(START_US), instant(START_US + round(hours * 3600e6))
    began = time.perf_counter()
    reader = open_reader(folder, plant=PLANT)
    reader.read(NAMES[:1], signals=["adc_00_c"], start=end - timedelta(hours=1), end=end)
    first = time.perf_counter() - began
    a_thousand = timedelta(minutes=max(1, round(hours * 60 / 1000)))
    asked: dict[str, Callable[[], Any]] = {
        "last values of 1,000 series": reader.last_values,
        "one series to 1,000 points": lambda: reader.read(
            NAMES[:1], signals=["noise_0_a"], start=start, end=end, step=a_thousand
        ),
        "one series raw to the same": lambda: reader.read(
            NAMES[:1], signals=["noise_0_a"], start=start, end=end, step=a_thousand, as_of=end + timedelta(days=1)
        ),
        "kWh per line and hour": lambda: reader.read(
            NAMES,
            signals=["power_kw"],
            start=start,
            end=end,
            step=timedelta(hours=1),
            aggregation={"power_kw": Aggregation.INTEGRAL},
        ),
        "state durations per machine": lambda: reader.read(
            NAMES, signals=["state"], start=start, end=end, step=timedelta(hours=24), aggregation=Aggregation.DURATION
        ),
        "state durations per machine, from rows": lambda: reader.read(
            NAMES,
            signals=["state"],
            start=start,
            end=end,
            step=timedelta(hours=24),
            aggregation=Aggregation.DURATION,
            as_of=end + timedelta(days=1),
        ),
        "states of one machine, raw": lambda: reader.read(NAMES[:1], signals=["state"], start=start, end=end),
        "10-min feature window of 50 machines": lambda: reader.read(NAMES, start=end - timedelta(minutes=10), end=end),
    }
    found = {}
    for name, ask in asked.items():
        ask()
        found[name] = min(cpu(ask) for _ in range(WARM)) * 1000
    found["first answer after a cold open [s]"] = first
    reader.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--batch-s", type=int, default=5)
    parser.add_argument("--beside-hours", type=float, default=3.0, help="of DuckDB and SQLite, at least 0.1")
    arguments = parser.parse_args()
    if (least := min(arguments.hours, arguments.beside_hours)) < LEAST_HOURS:
        parser.error(f"--hours and --beside-hours are at least {LEAST_HOURS}; found {least}")
    how = {"hours": arguments.hours, "batch_s": arguments.batch_s}
    beside = {"hours": arguments.beside_hours, "batch_s": arguments.batch_s}
    folder = Path(tempfile.mkdtemp(prefix="store-cost-", dir="/var/tmp"))
    try:
        ours = embedded(folder / "embedded", **how)
        print(f"{MACHINES} machines x {SIGNALS} signals, {how}\n\n| embedded | |\n|---|---|")
        for name, value in ours.items():
            print(f"| {name} | {value:.2f} |", flush=True)
        answers = questions(folder / "embedded", hours=min(arguments.hours, 24.0))
        print("\n| question | CPU ms |\n|---|---|")
        for name, value in answers.items():
            print(f"| {name} | {value:.2f} |")
        shutil.rmtree(folder / "embedded")
        print("\n| other | ingest [CPU s/M] | at rest [B/sample] |\n|---|---|---|")
        for name, measure in {"DuckDB native, no key": duckdb_native, "SQLite rows": sqlite_rows}.items():
            print(
                "| "
                + " | ".join([name, *(f"{value:.2f}" for value in measure(folder / name[:6], **beside).values())])
                + " |"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
