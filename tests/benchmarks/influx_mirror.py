"""The mirror beside a real InfluxDB 1.6: what a sample costs, and an outage and kills while readings keep coming.

    python tests/benchmarks/influx_mirror.py [--outage-min 10] [--kills 20] [--report docs/benchmarks/influx-mirror.md]

A writer keeps a reading per machine and second coming; the role `mirror` is its own process, sending through the
path-mapping proxy of the tests. Ends with code 1 when a bar is missed: every reading there once, memory after the
outage and the kills at most 1.05 times that before.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from influx_servers import Influx1

from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.status import read_status
from linewright.wiring import open_keeper, open_site
from plant.assets import MachineClass, SignalKind
from plant.signals import Batch

SECOND = 1_000_000
HISTORY_S = 3 * 3600
MEMORY_BAR = 1.05
SETTLE_S = 45.0


class Plant:
    """Writes the readings of every machine of the template's plant, like `ingest` does."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.writer = open_keeper(site)
        self.run = self.writer.begin_run(["telemetry"])
        self.rows = 0
        self.next_us = (time.time_ns() // 1000 // SECOND - HISTORY_S) * SECOND
        self.samples = 0

    def write(self, seconds: int) -> None:
        """The next so many seconds of all machines, as one batch."""
        observed = np.arange(seconds, dtype=np.int64) * SECOND + self.next_us
        tables: dict[str, pa.Table] = {}
        message = 0
        for machine_class in self.site.plant.classes:
            machines = [m.name for m in self.site.plant.machines if m.machine_class == machine_class.name]
            count = len(machines) * seconds
            columns: dict[str, Any] = {
                "machine": pa.array(np.repeat(machines, seconds), pa.string()),
                "observed_at": pa.array(np.tile(observed, len(machines))),
                "received_at": pa.array(np.full(count, self.site.clock.now_us())),
                "message": pa.array(np.arange(message, message + count, dtype=np.int32)),
                "quality": pa.array(np.zeros(count, np.uint8)),
                **self._signals(machine_class, count),
            }
            message += count
            tables[machine_class.name] = pa.table(columns)
        self.rows += message
        self.next_us += seconds * SECOND
        self.writer.write(
            Batch(
                run=self.run,
                tables=tables,
                filters=("telemetry",),
                message_filter=np.zeros(message, np.int16),
                received=np.array([self.rows], np.int64),
            )
        )

    def _signals(self, machine_class: MachineClass, count: int) -> dict[str, pa.Array]:
        columns: dict[str, pa.Array] = {}
        noise = np.random.default_rng(self.rows)
        for each in machine_class.signals:
            if each.kind is SignalKind.EVENT:
                columns[each.name] = pa.nulls(count, pa.string())
            elif each.kind is SignalKind.STATE:
                columns[each.name] = pa.array(["Execute"] * count, pa.string())
                self.samples += count
            else:
                columns[each.name] = pa.array(noise.normal(50.0, 5.0, count).round(3))
                self.samples += count
        return columns

    def keep_up(self, stop: threading.Event) -> None:
        """A second's readings per second of wall time, until told to stop."""
        while not stop.is_set():
            due = (time.time_ns() // 1000 - self.next_us) // SECOND
            if due > 0:
                self.write(int(due))
            stop.wait(0.5)


def main() -> int:
    """Run the phases, print and write the report; the exit code says whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outage-min", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="influx-mirror-"))
    (folder / "server").mkdir()
    influx = Influx1(Path("/usr/bin/influxd"), folder / "server")
    influx.start()
    influx.make("plant")
    path = write_template(folder / "site")
    path.write_text(path.read_text() + f'\n[influx]\nurl = "{influx.url}"\nperiod_s = 1.0\nretry_max_s = 5.0\n')
    site = open_site(folder / "site", environ={})
    plant = Plant(site)
    for _ in range(HISTORY_S // 600):
        plant.write(600)
    lines = [f"History: {plant.rows} readings, {plant.samples} samples of {len(site.plant.machines)} machines."]
    stop = threading.Event()
    writing = threading.Thread(target=plant.keep_up, args=(stop,))
    command = [sys.executable, "-m", "linewright", "mirror", "--site", str(site.folder)]
    with (folder / "mirror.log").open("wb") as log:
        role = subprocess.Popen(command, env=dict(os.environ), stderr=log)
    process = psutil.Process(role.pid)
    try:
        start_cpu_s = 1.0 * sum(process.cpu_times()[:2])
        until(lambda: count(influx) >= plant.rows, limit_s=300)
        cpu_s = sum(process.cpu_times()[:2]) - start_cpu_s
        lines.append(
            f"Sent in {cpu_s:.1f} CPU s of the role, its start included: {cpu_s / plant.samples * 1e6:.2f} "
            "CPU s per million samples."
        )
        writing.start()
        time.sleep(SETTLE_S)
        before = process.memory_info().rss
        used_s, began = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(30)
        share = (sum(process.cpu_times()[:2]) - used_s) / (time.monotonic() - began)
        lines.append(f"Live, {len(site.plant.machines)} readings a second, a look a second: {share:.1%} of a core.")
        influx.stop()
        time.sleep(arguments.outage_min * 60)
        lines.append(f"Outage of {arguments.outage_min:g} min: the status said {behind(site):.0f} s behind at its end.")
        influx.start()
        until(lambda: behind(site) < 10, limit_s=120)
        for _ in range(arguments.kills):
            influx.stop(signal.SIGKILL)
            time.sleep(0.5)
            influx.start()
            time.sleep(1.5)
        stop.set()
        writing.join()
        until(lambda: count(influx) == plant.rows, limit_s=120)
        time.sleep(SETTLE_S / 2)
        after = process.memory_info().rss
    finally:
        stop.set()
        role.send_signal(signal.SIGTERM)
        role.wait(30)
        found = count(influx)
        influx.stop()
        influx.close()
        plant.writer.close()
    told = (folder / "mirror.log").read_text()
    met = found == plant.rows and after <= MEMORY_BAR * before
    lines += [
        f"{arguments.kills} kills: {found} readings at the server, {plant.rows} written; "
        f"{told.count('influx_gone')} times told as gone, {told.count('influx_back')} as back.",
        f"Memory: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after: {after / before:.3f} (bar {MEMORY_BAR}).",
        "Nothing lost, nothing doubled, memory within its bar." if met else "A BAR IS MISSED.",
    ]
    text = "\n".join(f"- {line}" for line in lines)
    print(text)
    if arguments.report:
        called = (
            f"python tests/benchmarks/influx_mirror.py --outage-min {arguments.outage_min:g} --kills {arguments.kills}"
        )
        arguments.report.write_text(
            "# The mirror beside a real server\n\n"
            f"Made by `{called}` on {datetime.now(tz=UTC):%Y-%m-%d}; 2 shared cores, "
            f"Python {platform.python_version()}, InfluxDB 1.6.7 behind the path-mapping proxy of the tests.\n\n"
            f"{text}\n"
        )
    return 0 if met else 1


def count(influx: Influx1) -> int:
    """Readings at the server, of every machine class; none while it does not answer."""
    try:
        rows = influx.rows("plant", "SELECT count(power_kw) FROM /.*/")
    except OSError:
        return 0
    return sum(int(row[1]) for row in rows)


def behind(site: Site) -> float:
    """How far the mirror says it is behind [s]."""
    (role,) = (each for each in read_status(site).roles if each.name == "mirror")
    return float(str(role.detail["behind_s"]))


def until(condition: Any, *, limit_s: float) -> None:
    """Wait for it; a miss shows in the counts."""
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
