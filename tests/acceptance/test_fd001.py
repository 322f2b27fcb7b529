"""The recorded turbofan fleet FD001: trained on files, streamed over a real Mosquitto, ending in a checked plan."""

import gzip
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.assess import failure_probability, score_life
from analytics.registry import load_current
from ingest.recording import load_recording
from linewright.recorded import recorded_lives
from linewright.wiring import open_records, open_site

PROJECT = Path(__file__).resolve().parents[2]
TEST_ROWS = 13_096
ENGINES = 100
HORIZON_H = 30.0

pytestmark = [pytest.mark.acceptance, pytest.mark.shared, pytest.mark.mosquitto, pytest.mark.timeout(600)]


def command(*arguments: str, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linewright", *arguments, "--site", str(site)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )


def status(site: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(command("status", "--json", site=site).stdout)
    return answer


def test_recorded_fleet_ends_in_alerts_and_a_checked_plan(mosquitto: Any, shared: Path, tmp_path: Path) -> None:
    mosquitto.start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        console_port = probe.getsockname()[1]
    site_folder = tmp_path / "fd001"
    site_folder.mkdir()
    text = (PROJECT / "deploy" / "fd001" / "linewright.toml").read_text()
    text = text.replace("port = 1883", f"port = {mosquitto.port}") + f"\n[console]\nport = {console_port}\n"
    (site_folder / "linewright.toml").write_text(text)
    source = str(shared / "data" / "cmapss")
    mappings = PROJECT / "deploy" / "replay"

    trained = command(
        *("model", "train", "--class", "turbofan", "--source", source),
        *("--recorded", str(mappings / "cmapss-fd001-train.toml")),
        site=site_folder,
    )
    assert "is current" in trained.stdout, trained.stdout + trained.stderr

    running = subprocess.Popen(
        [sys.executable, "-m", "linewright", "run", "--site", str(site_folder)], stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: ingest_listens(status(site_folder)), limit_s=60)
        replayed = command(
            "replay", str(mappings / "cmapss-fd001.toml"), "--as-now", "--source", source, site=site_folder
        )
        assert f"acknowledged {TEST_ROWS}" in replayed.stdout, replayed.stdout + replayed.stderr
        wait_until(lambda: status(site_folder)["messages"]["stored"] == TEST_ROWS, limit_s=60)
        command("plan", "request", site=site_folder)
        wait_until(lambda: fleet_is_planned(site_folder), limit_s=240)
        told = status(site_folder)
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(90)
    assert running.returncode == 0

    assert told["messages"] == {
        "received": TEST_ROWS,
        "stored": TEST_ROWS,
        "duplicate": 0,
        "quarantined": 0,
        "in_flight": 0,
    }
    assert told["plan"]["checked"]
    assert told["plan"]["status"] in ("optimal", "feasible")

    site = open_site(site_folder, environ={})
    records = open_records(site)
    streamed = {risk.machine: risk for risk in records.risks()}
    assert len(streamed) == ENGINES
    truth = np.loadtxt(unpacked(shared / "data" / "cmapss" / "RUL_FD001.txt.gz", tmp_path))
    remaining_h = {f"engine-{index + 1:03d}": float(cycles) for index, cycles in enumerate(truth)}

    model = load_current("turbofan", folder=site.data / "models")
    assert model is not None
    recording = load_recording(mappings / "cmapss-fd001.toml")
    turbofan = site.plant.class_index["turbofan"]
    for life in recorded_lives(recording, source=Path(source), machine_class=turbofan):
        scores = score_life(life, model=model, rows=[len(life) - 1])
        batch = float(failure_probability(scores, model=model, horizon_units=HORIZON_H)[0])
        assert streamed[life.machine].probability == pytest.approx(batch, abs=1e-6)

    near_end = {name for name, hours in remaining_h.items() if hours <= HORIZON_H}
    alerted = {alert.machine for alert in records.alerts(open_only=True)}
    assert len(alerted & near_end) >= 0.8 * len(near_end), "engines near their end without an alert"
    assert len(alerted - near_end) <= 0.2 * len(near_end), "alerts for engines far from their end"

    plan = next(plan for plan in records.plans(limit=20) if plan.maintenance)
    maintained = {window.machine for window in plan.maintenance}
    assert maintained, "the plan maintains nothing"
    # crews are short: it pays to reach also those that fail soon after the horizon's 48 h, before they do
    soon = {name for name, hours in remaining_h.items() if hours <= 72.0}
    assert len(maintained & soon) >= 0.8 * len(maintained), "the plan maintains healthy engines"
    assert len(maintained & near_end) >= 0.4 * len(near_end), "the plan leaves the engines near their end"
    starts = sorted(window.start for window in plan.maintenance)
    overlapping = max(sum(window.start <= start < window.end for window in plan.maintenance) for start in starts)
    assert overlapping <= site.planning.crews
    records.close()


def ingest_listens(document: dict[str, Any]) -> bool:
    return any(role["name"] == "ingest" and role["detail"].get("connected") for role in document["roles"])


def fleet_is_planned(site_folder: Path) -> bool:
    site = open_site(site_folder, environ={})
    records = open_records(site)
    try:
        return len(records.risks()) == ENGINES and any(plan.maintenance for plan in records.plans(limit=5))
    finally:
        records.close()


def wait_until(condition: Any, *, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)


def unpacked(packed: Path, folder: Path) -> Path:
    """The one text file inside, whether it is a tar archive or a plain gzip."""

    plain = folder / packed.stem
    with gzip.open(packed, "rb") as source, plain.open("wb") as target:
        shutil.copyfileobj(source, target)
    return plain
