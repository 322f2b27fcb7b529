"""`linewright demo`, hands off: a worn machine, an alert, a checked plan; accepted, the simulated plant obeys."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from ingest.simulator.publish import read_counts
from linewright.wiring import open_records, open_site, open_store
from plant.plans import Decision

WORN = "L2-press"
PREPARED_WITHIN_S = 240.0
TOLD_WITHIN_S = 240.0
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [pytest.mark.acceptance, pytest.mark.chromium, pytest.mark.timeout(900)]


class Demo:
    """A running demo in a folder of its own."""

    def __init__(self, folder: Path, *, port: int) -> None:
        self.folder = folder
        self.output = folder.parent / "demo.out"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "linewright", "demo", "--folder", str(folder), "--port", str(port)],
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "linewright", *arguments]
        return subprocess.run(line, capture_output=True, text=True)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.command("status", "--json", "--site", str(self.folder)).stdout)
        return answer

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(120)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo") / "site", port=0)
    wait_until(lambda: "Console: http" in running.output.read_text(), running, limit_s=PREPARED_WITHIN_S)
    yield running
    running.stop()


def test_demo_tells_the_worn_machine_and_the_plant_obeys(demo: Demo, require_real: Callable[[str], Path]) -> None:
    wait_until(lambda: proposal_for(demo, WORN) is not None, demo, limit_s=TOLD_WITHIN_S)
    wait_until(lambda: demo.status()["well"], demo, limit_s=60)
    told = demo.status()
    assert told["alerts"]["open"] >= 1
    assert told["plan"]["checked"]
    assert told["plan"]["status"] in ("optimal", "feasible")
    assert {role["name"] for role in told["roles"] if role["running"]} == {
        *("broker", "ingest", "serve", "work", "simulate")
    }
    with urllib.request.urlopen(f"{told['console']}/api/status", timeout=30) as answer:
        assert json.load(answer)["plan"]["number"] is not None

    look(told["console"], require_real("chromium"))

    proposal = proposal_for(demo, WORN)
    assert proposal is not None
    accepted = demo.command("plan", "accept", proposal, "--by", "a planner", "--site", str(demo.folder))
    assert "is accepted" in accepted.stdout, accepted.stderr
    log = demo.folder / ".linewright" / "run" / "simulate.log"
    wait_until(lambda: f"plan_followed plan={proposal}" in log.read_text(), demo, limit_s=30)

    broken = demo.command("demo", "--folder", str(demo.folder), "--break", "L1-mill")
    assert "is damaged now" in broken.stdout, broken.stderr
    wait_until(lambda: "machine_broken machine=L1-mill" in log.read_text(), demo, limit_s=30)
    refused = demo.command("demo", "--folder", str(demo.folder), "--break", "L9-mill")
    assert refused.returncode == 2
    assert "L1-mill" in refused.stderr

    assert demo.stop() == 0
    site = open_site(demo.folder, environ={})
    published = read_counts(site.data / "run" / "simulator-counts.json")
    store = open_store(site)
    (line,) = (line for line in store.ledger() if line.filter.endswith("/telemetry"))
    store.close()
    assert published.messages > 1000
    assert (line.received, line.stored, line.in_flight) == (published.messages, published.messages, 0)
    assert (line.duplicate, line.quarantined) == (0, 0)
    assert line.samples_stored == published.samples


def proposal_for(demo: Demo, machine: str) -> str | None:
    """Number of the newest checked plan that maintains a machine, once its alert is open."""
    site = open_site(demo.folder, environ={})
    records = open_records(site)
    try:
        plan = records.newest_plan()
        alerted = any(alert.machine == machine for alert in records.alerts(open_only=True))
        if plan is None or not alerted or plan.decision is not Decision.PROPOSED:
            return None
        checked = plan.certificate is not None and plan.certificate.checked
        return plan.number if checked and any(each.machine == machine for each in plan.maintenance) else None
    finally:
        records.close()


def look(console: str, chromium: Path) -> None:
    """The pages as a person sees them; kept as pictures where LINEWRIGHT_SCREENSHOTS names a folder."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for name, path, words in (
            ("demo-plant", "/", "Press 2: bearing wearing"),
            ("demo-machine", f"/machine/{WORN}", "Press 2"),
            ("demo-alerts", "/alerts", "Press 2: bearing wearing"),
            ("demo-plan", "/plan", "Press 2: bearing wearing"),
        ):
            page.goto(f"{console}{path}")
            page.get_by_text(words).first.wait_for(timeout=20_000)
            if folder := os.environ.get("LINEWRIGHT_SCREENSHOTS"):
                page.wait_for_timeout(1500)  # charts draw themselves in
                page.screenshot(path=str(Path(folder) / f"{name}.png"))
        browser.close()


def wait_until(condition: Callable[[], bool], demo: Demo, *, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert demo.process.poll() is None, demo.output.read_text()
        assert time.monotonic() < deadline, demo.output.read_text()
        time.sleep(0.5)
