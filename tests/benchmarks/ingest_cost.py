"""Command: what a message costs on its whole way and how soon it is durable; prints the table of the documentation.

Usage: python tests/benchmarks/ingest_cost.py [REPEATS] [MESSAGES]
       python tests/benchmarks/ingest_cost.py --memory [MINUTES] [MESSAGES_PER_S]

Each subject reads the same load from a real Mosquitto with deploy/mosquitto.conf; the ingestors decode, commit to the
embedded store with ledger and quarantine, and acknowledge, in a process that leaves pandas out as the ingest role does.
CPU is user + system time of the subscriber's process, from when some messages have warmed it up until all is durable
and acknowledged. Subjects alternate; figures are medians. `plain paho` reads as paho's own loop does, whenever a packet
arrives; `fast` and `paho` read at the product's pace.
With --memory one ingestor runs for so long and its resident memory is printed each minute. Exit code 1
where a ledger did not agree with what was published.
"""

import json
import multiprocessing
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ingest_load import FILTER, MAPPING, plant_of, publish
from mosquitto_broker import Mosquitto

from ingest.broker_settings import BrokerSettings
from ingest.ingestor import Ingestor
from ingest.pacing import Pace
from ingest.settings import IngestSettings
from ingest.topics import ledger_filters
from plant.clock import PlantClock
from plant.signals import Batch, Receipt
from store.embedded.memory import leave_pandas_out
from store.embedded.writer import open_writer

LIMIT_S: Final = 120.0
"""No single run takes longer, but for that of --memory."""
WARM_UP: Final = 2_000
"""Messages before an ingestor's cost counts: the first of each kind loads libraries and fills caches."""
WITH_DELAYS: Final = 200_000
"""Delays are kept of runs with no more messages, so that they do not count as the ingestor's memory."""


def ingest(
    port: int, folder: Path, *, count: int, fields: int, options: dict[str, Any], limit_s: float = 0.0
) -> dict[str, Any]:
    """Be the ingestor of one run, in a process of its own: says `connected`, then `warm`, then what it cost."""
    leave_pandas_out()
    options = dict(options)
    if options.pop("unpaced", False):
        Pace.pause_s = lambda *_, **__: 0.0  # type: ignore[method-assign]  # in this process of its own
    plant, clock, stop = plant_of(fields), PlantClock(), threading.Event()
    options = {"mappings": (MAPPING,), **options}
    broker = BrokerSettings(port=port, **options.pop("broker", {}))
    settings = IngestSettings(**options)
    delays: list[Any] = []
    settled = commits = 0
    began = (0.0, 0.0)
    everything = WARM_UP + count
    with closing(open_writer(folder, plant=plant, clock=clock)) as writer:

        def keep(batch: Batch) -> Receipt:
            nonlocal settled, commits, began
            receipt = writer.write(batch)
            warm = settled >= WARM_UP
            settled += receipt.stored
            if warm:
                commits += 1
                if count <= WITH_DELAYS:
                    now_us = time.time_ns() // 1_000
                    delays.extend(now_us - table["observed_at"].to_numpy() for table in batch.tables.values())
            elif settled >= WARM_UP:
                began = (cpu_s(), time.perf_counter())
                print("warm", flush=True)
            if settled >= everything:
                stop.set()
            return receipt

        run = writer.begin_run(ledger_filters(settings.mappings, plant=plant))
        ingestor = Ingestor(settings, broker=broker, plant=plant, sink=keep, clock=clock, run=run)
        watchdog = threading.Timer(max(LIMIT_S, 2 * limit_s), stop.set)
        watchdog.daemon = True
        watchdog.start()

        def announce() -> None:
            while not ingestor.state["connected"]:
                time.sleep(0.01)
            time.sleep(0.2)
            print("connected", flush=True)

        threading.Thread(target=announce).start()
        ingestor.run(stop)
        spent, took_s = cpu_s() - began[0], time.perf_counter() - began[1]
        writer.end_run(run)
        (line, _) = writer.ledger()
        exact = line.received == line.stored == everything and line.samples_stored == everything * fields
    every = np.concatenate(delays) / 1_000 if delays else np.array([np.nan])
    return {
        "cpu_s_per_million": spent / count * 1e6,
        "per_s": count / took_s,
        "commits": commits,
        "p50_ms": float(np.percentile(every, 50)),
        "p99_ms": float(np.percentile(every, 99)),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "exact": bool(exact),
    }


def measure_ingestor(
    port: int, *, count: int, fields: int, rate_per_s: float, options: dict[str, Any]
) -> dict[str, Any]:
    """One run of the whole way."""
    with ingestor(port, count=count, fields=fields, options=options) as process:
        publish_apart(port, count, fields=fields, rate_per_s=rate_per_s)
        return told(process)


def measure_memory(*, minutes: float, rate_per_s: float) -> bool:
    """Print the resident memory of an ingestor each minute, and the last as a share of that after two.

    Gives whether the ledger was exact.
    """
    count, found = round(minutes * 60 * rate_per_s), list[float]()
    limit_s = minutes * 60 + LIMIT_S
    with broker() as port, ingestor(port, count=count, fields=6, options={}, limit_s=limit_s) as process:
        load = publisher(port, count, fields=6, rate_per_s=rate_per_s)
        load.start()
        watched = psutil.Process(process.pid)
        while load.is_alive():
            found.append(watched.memory_info().rss / 2**20)
            print(f"{len(found) - 1} min: {found[-1]:.1f} MB", flush=True)
            load.join(60.0)
        result = told(process)
    after = found[min(2, len(found) - 1)]
    print(
        f"{result['per_s']:,.0f} messages/s for {minutes:g} min, {result['cpu_s_per_million']:.1f} CPU s per million; "
        f"{after:.1f} MB after 2 min, {found[-1]:.1f} MB at the end ({found[-1] / after:.3f} times), "
        f"{result['memory_mb']:.1f} MB at most; ledger exact: {'yes' if result['exact'] else 'NO'}"
    )
    return bool(result["exact"])


@contextmanager
def ingestor(
    port: int, *, count: int, fields: int, options: dict[str, Any], limit_s: float = 0.0
) -> Iterator["subprocess.Popen[str]"]:
    """An ingestor in a process of its own, connected and warm, that ends after so many messages."""
    folder = Path(tempfile.mkdtemp(prefix="ingest-cost-"))
    task = {"port": port, "folder": str(folder), "count": count, "fields": fields, "options": options}
    command = [sys.executable, __file__, "--ingest", json.dumps({**task, "limit_s": limit_s})]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "connected\n":
            raise RuntimeError("the ingestor did not connect")
        publish_apart(port, WARM_UP, fields=fields, rate_per_s=0.0)
        if process.stdout.readline() != "warm\n":
            raise RuntimeError("the ingestor did not keep the first messages")
        yield process
    finally:
        process.wait(LIMIT_S)
        shutil.rmtree(folder, ignore_errors=True)


def told(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What an ingestor says of its run."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def measure_mosquitto_sub(port: int, *, count: int, fields: int, rate_per_s: float) -> dict[str, Any]:
    """One run of the C subscriber, receiving alone."""
    command = ["mosquitto_sub", "-p", str(port), "-q", "1", "-i", "in-c", "-c", "-t", FILTER, "-C", str(count)]
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere)
    time.sleep(0.5)
    started = time.perf_counter()
    publish_apart(port, count, fields=fields, rate_per_s=rate_per_s)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    spent = usage.ru_utime + usage.ru_stime
    return {"cpu_s_per_million": spent / count * 1e6, "per_s": count / (time.perf_counter() - started), "exact": True}


def publish_apart(port: int, count: int, *, fields: int, rate_per_s: float) -> None:
    """Publish from a process of its own."""
    worker = publisher(port, count, fields=fields, rate_per_s=rate_per_s)
    worker.start()
    worker.join(LIMIT_S)
    if worker.is_alive():
        worker.kill()
        raise TimeoutError(f"the load was not published within {LIMIT_S} s")


def publisher(port: int, count: int, *, fields: int, rate_per_s: float) -> Any:
    """A process that publishes the load once it is started."""
    return multiprocessing.get_context("spawn").Process(
        target=publish, args=(port, count), kwargs={"fields": fields, "rate_per_s": rate_per_s}
    )


@contextmanager
def broker() -> Iterator[int]:
    """A fresh Mosquitto with the plant's configuration; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
    folder.chmod(0o777)
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    mosquitto = Mosquitto(Path(program), port=port, folder=folder)
    mosquitto.start()
    try:
        yield port
    finally:
        mosquitto.stop()
        shutil.rmtree(folder, ignore_errors=True)


def cpu_s() -> float:
    """User and system time of this process so far [s]."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


SUBJECTS: Final = ("fast", "paho", "plain paho", "mosquitto_sub")
COLUMNS: Final = ("cpu_s_per_million", "per_s", "p50_ms", "p99_ms", "memory_mb")


def run_one(subject: str, *, count: int, fields: int, rate_per_s: float) -> dict[str, Any]:
    """One run of a subject against a broker of its own."""
    load = {"count": count, "fields": fields, "rate_per_s": rate_per_s}
    with broker() as port:
        if subject == "mosquitto_sub":
            return measure_mosquitto_sub(port, **load)
        options = {"broker": {"read_path": subject.removeprefix("plain ")}, "unpaced": subject.startswith("plain ")}
        return measure_ingestor(port, **load, options=options)


def measure_all(repeats: int, messages: int) -> tuple[list[str], bool]:
    """All loads and subjects, alternating; the lines of the table, and whether every ledger was exact."""
    all_exact = True
    loads = [
        ("saturated", {"fields": 6, "rate_per_s": 0.0}, {"fast": messages, "paho": messages // 4}),
        ("5,000/s", {"fields": 6, "rate_per_s": 5_000.0}, {"fast": messages // 4, "paho": messages // 8}),
        ("1,000/s", {"fields": 6, "rate_per_s": 1_000.0}, {"fast": messages // 16, "paho": messages // 32}),
        ("saturated, 50 metrics", {"fields": 50, "rate_per_s": 0.0}, {"fast": messages // 5, "paho": messages // 16}),
    ]
    lines = [
        "| load | subscriber | CPU s per million messages | messages/s | p50 ms | p99 ms | memory MB | ledger exact |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, load, counts in loads:
        found: dict[str, list[dict[str, Any]]] = {subject: [] for subject in SUBJECTS}
        for _ in range(repeats):
            for subject in SUBJECTS:
                count = counts.get(subject.removeprefix("plain "), counts["fast"])
                found[subject].append(run_one(subject, count=count, **load))
                all_exact &= found[subject][-1]["exact"]
        for subject, runs in found.items():
            middle = {key: statistics.median(run.get(key, float("nan")) for run in runs) for key in COLUMNS}
            latency = load["rate_per_s"] > 0 and subject != "mosquitto_sub"
            shown = [f"{middle['cpu_s_per_million']:.1f}", f"{middle['per_s']:,.0f}"]
            shown += [f"{middle[key]:.0f}" if latency else "" for key in ("p50_ms", "p99_ms")]
            ours = subject != "mosquitto_sub"
            shown += (
                [f"{middle['memory_mb']:.0f}", "yes" if all(run["exact"] for run in runs) else "NO"]
                if ours
                else [""] * 2
            )
            lines.append(f"| {name} | {subject} | {' | '.join(shown)} |")
            print(lines[-1], flush=True)
    return lines, all_exact


if __name__ == "__main__":
    if "--ingest" in sys.argv:
        task = json.loads(sys.argv[-1])
        print(json.dumps(ingest(task.pop("port"), Path(task.pop("folder")), **task)), flush=True)
        os._exit(0)
    if sys.argv[1:2] == ["--memory"]:
        given = [float(each) for each in sys.argv[2:]]
        minutes, rate = (*given, *(30.0, 4_000.0)[len(given) :])
        sys.exit(0 if measure_memory(minutes=minutes, rate_per_s=rate) else 1)
    numbers = [int(each) for each in sys.argv[1:]]
    repeats, messages = (*numbers, *(3, 160_000)[len(numbers) :])
    table, is_exact = measure_all(repeats, messages)
    print("\n".join(table))
    sys.exit(0 if is_exact else 1)
