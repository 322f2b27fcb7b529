"""What keeping readings in InfluxDB costs beside keeping them in the folder: writing, and the questions of the console.

    python tests/benchmarks/influx_store.py [--hours 6] [--report docs/benchmarks/influx-store.md]

The same readings of the template's plant go through both stores in one process, in batches of 5 s and, for the
history, of 10 min; the server is a real InfluxDB 1.6 behind the path-mapping proxy of the tests, whose own time is
not counted.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from influx_mirror import Plant
from influx_servers import Influx1

from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_site, open_store
from plant.signals import Aggregation

LIVE_BATCHES = 60


def main() -> int:
    """Measure both, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="influx-store-"))
    (folder / "server").mkdir()
    influx = Influx1(Path("/usr/bin/influxd"), folder / "server")
    influx.start()
    try:
        rows = {
            "folder": measured(site_of(folder / "embedded", {}), hours=arguments.hours),
            "InfluxDB": measured(
                site_of(
                    folder / "influx", {"LINEWRIGHT_STORE__KIND": "influxdb", "LINEWRIGHT_INFLUX__URL": influx.url}
                ),
                hours=arguments.hours,
            ),
        }
    finally:
        influx.stop()
        influx.close()
    head = ["", *rows]
    lines = [[name, *(found[name] for found in rows.values())] for name in rows["folder"]]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])
    print(text)
    if arguments.report:
        arguments.report.write_text(
            "# Readings in InfluxDB beside readings in the folder\n\n"
            f"Made by `python tests/benchmarks/influx_store.py --hours {arguments.hours:g}` on "
            f"{datetime.now(tz=UTC):%Y-%m-%d}; 2 shared cores, Python {platform.python_version()}, InfluxDB 1.6.7 "
            f"behind the path-mapping proxy of the tests.\n\n{text}\n"
        )
    return 0


def site_of(folder: Path, environ: dict[str, str]) -> Site:
    """A site of the template."""
    write_template(folder)
    return open_site(folder, environ=environ)


def measured(site: Site, *, hours: float) -> dict[str, str]:
    """Figures of one store, in words."""
    plant = Plant(site)
    plant.next_us -= round((hours * 3600 - 3 * 3600) * 1e6)
    while plant.next_us < (time.time_ns() // 1000) - LIVE_BATCHES * 5_000_000 - 600_000_000:
        plant.write(600)
    before, cpu_s = plant.samples, time.thread_time()
    for _ in range(LIVE_BATCHES):
        plant.write(5)
    live = (time.thread_time() - cpu_s) / (plant.samples - before) * 1e6
    found = {"live, batches of 5 s [CPU s per million samples]": f"{live:.2f}"}
    machine = site.plant.machines[0].name
    line = [each.name for each in site.plant.lines[0].machines]
    end = datetime.now(tz=UTC)
    with closing(open_store(site)) as store:
        questions: dict[str, Callable[[], object]] = {
            f"{hours:g} h of a machine at 5 min, all signals [ms]": lambda: store.read(
                [machine], start=end - timedelta(hours=hours), end=end, step=timedelta(minutes=5)
            ),
            "1 h of a machine, raw [ms]": lambda: store.read([machine], start=end - timedelta(hours=1), end=end),
            "kWh of a line by the hour [ms]": lambda: store.read(
                line,
                signals=["power_kw"],
                start=end - timedelta(hours=hours),
                end=end,
                step=timedelta(hours=1),
                aggregation=Aggregation.INTEGRAL,
            ),
            "last values of the plant [ms]": store.last_values,
        }
        for name, question in questions.items():
            times = []
            for _ in range(3):
                began = time.perf_counter()
                question()
                times.append(time.perf_counter() - began)
            found[name] = f"{median(times) * 1000:.0f}"
    plant.writer.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
