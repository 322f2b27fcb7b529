"""Ten minutes of the demo: is every message stored once, does memory stay, does a restart lose anything?

    python tests/benchmarks/demo_ten_minutes.py [--minutes 10] [--report docs/benchmarks/demo.md]

Starts `linewright demo` in a new folder, samples the resident memory of every role, stops it in order, compares the
simulator's own count with the ledger, then starts the site again for a minute with `linewright run` and compares again.
Ends with code 1 when a bar is missed.
"""

import argparse
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from ingest.simulator.publish import read_counts
from linewright.wiring import open_records, open_site, open_store

ROLES = ("broker", "ingest", "serve", "work", "simulate")
WARM_UP_S = 150.0
MEMORY_BAR = 1.05
SAMPLE_EVERY_S = 5.0


def main() -> int:
    """Run, print the table, write the report; the exit code says whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="linewright-demo-")) / "site"
    began = time.monotonic()
    lines, met = [], True
    demo = start("demo", "--folder", str(folder), "--port", "0")
    told_s = wait_for_story(folder, demo, began)
    lines.append(f"start to an open alert and a checked plan: {told_s:.0f} s")
    live = time.monotonic()
    memory = watch(folder, demo, until=live + arguments.minutes * 60)
    stop(demo)
    met &= account(folder, lines, "after the orderly stop")
    lines.append("")
    lines.append("| role | after warm-up [MB] | at the end [MB] | ratio |")
    lines.append("|---|---|---|---|")
    for role in ROLES:
        warm, end = middle(memory[role], WARM_UP_S, WARM_UP_S + 60), middle(memory[role], -60, None)
        lines.append(f"| {role} | {warm:.0f} | {end:.0f} | {end / warm:.3f} |")
    warm = sum(middle(memory[role], WARM_UP_S, WARM_UP_S + 60) for role in ROLES)
    end = sum(middle(memory[role], -60, None) for role in ROLES)
    met &= end <= MEMORY_BAR * warm
    lines.append(f"| all | {warm:.0f} | {end:.0f} | {end / warm:.3f} (bar {MEMORY_BAR}) |")
    again = start("run", "--site", str(folder))
    time.sleep(60)
    stop(again)
    lines.append("")
    met &= account(folder, lines, "after a restart of one minute and another orderly stop")
    text = "\n".join(lines)
    print(text)
    if arguments.report:
        heading = (
            f"# Ten minutes of the demo\n\n{datetime.now(tz=UTC):%Y-%m-%d}, {psutil.cpu_count()} shared cores, "
            f"Python {platform.python_version()}; `python tests/benchmarks/demo_ten_minutes.py "
            f"--minutes {arguments.minutes:g}`. About 48 messages/s over the embedded broker. Memory is the median "
            "resident set of each role's process over a minute.\n\n"
        )
        arguments.report.write_text(heading + text + f"\n\nBars {'met' if met else 'MISSED'}.\n")
    return 0 if met else 1


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "linewright", *arguments], stdout=subprocess.DEVNULL)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    process.wait(120)


def wait_for_story(folder: Path, demo: subprocess.Popen[bytes], began: float) -> float:
    """Seconds until an alert is open and a plan with maintenance is checked."""
    while True:
        if demo.poll() is not None:
            raise SystemExit("the demo ended by itself")
        if time.monotonic() - began > 900:
            raise SystemExit("no alert and checked plan within 15 minutes")
        if (folder / ".linewright" / "records.db").exists():
            records = open_records(open_site(folder, environ={}))
            plan = records.newest_plan()
            told = bool(records.alerts(open_only=True)) and plan is not None and bool(plan.maintenance)
            records.close()
            if told and plan is not None and plan.certificate is not None and plan.certificate.checked:
                return time.monotonic() - began
        time.sleep(1.0)


def watch(folder: Path, demo: subprocess.Popen[bytes], *, until: float) -> dict[str, list[tuple[float, float]]]:
    """Resident memory of each role: (seconds since the first look, MB)."""
    memory: dict[str, list[tuple[float, float]]] = {role: [] for role in ROLES}
    first = time.monotonic()
    while time.monotonic() < until:
        for child in psutil.Process(demo.pid).children():
            try:
                role = next((each for each in ROLES if each in child.cmdline()), None)
                if role is not None:
                    size = sum(p.memory_info().rss for p in (child, *children_of(child, role))) / 1e6
                    memory[role].append((time.monotonic() - first, size))
            except psutil.NoSuchProcess:
                continue
        time.sleep(SAMPLE_EVERY_S)
    return memory


def children_of(process: psutil.Process, role: str) -> list[psutil.Process]:
    """Processes that belong to a role for good; planning and training come and go and are not counted."""
    return [] if role == "work" else process.children(recursive=True)


def middle(samples: list[tuple[float, float]], start_s: float, end_s: float | None) -> float:
    """Median over a span; a negative start counts from the end."""
    last = samples[-1][0]
    first = last + start_s if start_s < 0 else min(start_s, last / 3)
    chosen = sorted(size for at, size in samples if first <= at <= (last if end_s is None else max(end_s, first + 30)))
    return chosen[len(chosen) // 2]


def account(folder: Path, lines: list[str], when: str) -> bool:
    """Compare the simulator's own count with the ledger."""
    site = open_site(folder, environ={})
    counts = read_counts(site.data / "run" / "simulator-counts.json")
    store = open_store(site)
    (line,) = (each for each in store.ledger() if each.filter.endswith("/telemetry"))
    store.close()
    lines.append(
        f"{when}: {counts.messages} published, {line.received} received = {line.stored} stored + {line.duplicate} "
        f"duplicate + {line.quarantined} quarantined + {line.in_flight} in flight; {counts.samples} samples published, "
        f"{line.samples_stored} stored"
    )
    return (line.stored, line.in_flight, line.samples_stored) == (counts.messages, 0, counts.samples)


if __name__ == "__main__":
    sys.exit(main())
