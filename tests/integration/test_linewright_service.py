"""A whole instance on a real Mosquitto: killed roles come back, a stop is orderly, and the account is exact."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mosquitto_broker import Mosquitto

from ingest.simulator.publish import read_counts
from linewright.settings.template import write_template
from linewright.wiring import keep_clock, open_site, open_store
from plant.clock import PlantClock

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(300)]


class Instance:
    """A site of the template on an outside broker, with a fast plant clock."""

    def __init__(self, folder: Path, *, broker_port: int) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            console_port = probe.getsockname()[1]
        write_template(folder, broker_port=broker_port, console_port=console_port)
        self.environment = {
            **os.environ,
            "LINEWRIGHT_BROKER__EMBEDDED": "false",
            "LINEWRIGHT_PLANNING__TIME_LIMIT_S": "5",
        }
        wall_us = time.time_ns() // 1000
        clock = PlantClock(plant_epoch_us=wall_us, wall_epoch_us=wall_us, speed=120.0)
        self.site = keep_clock(open_site(folder, environ=self.environment), clock)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "linewright", "run", "--site", str(self.folder)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def stop(self) -> str:
        """Stop in order; gives what was told at the terminal."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        told, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, told
        return told

    def status(self) -> tuple[int, dict[str, Any]]:
        run = subprocess.run(
            [sys.executable, "-m", "linewright", "status", "--json", "--site", str(self.folder)],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        document: dict[str, Any] = json.loads(run.stdout)
        return run.returncode, document

    def pid_of(self, role: str) -> int | None:
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            if child.status() != psutil.STATUS_ZOMBIE and role in child.cmdline():
                return child.pid
        return None


@pytest.fixture
def instance(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Instance]:
    """An instance that is not started yet; whatever a failed test leaves running is ended."""
    made = Instance(tmp_path / "site", broker_port=mosquitto.port)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.send_signal(signal.SIGTERM)
        made.process.communicate(timeout=120)


def wait_until(condition: Callable[[], bool], *, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.25)


def test_killed_roles_come_back_and_nothing_is_lost(mosquitto: Mosquitto, instance: Instance) -> None:
    instance.start()  # the broker is away at the start
    wait_until(lambda: any(role["running"] for role in instance.status()[1]["roles"]), limit_s=60)
    code, early = instance.status()
    assert code == 1
    assert not early["well"]
    assert any("broker" in problem for problem in early["problems"])

    mosquitto.start()
    counts = instance.site.data / "run" / "simulator-counts.json"
    wait_until(lambda: counts.exists() and read_counts(counts).messages > 100, limit_s=90)
    for role in ("ingest", "work", "serve"):
        pid = instance.pid_of(role)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda role=role, pid=pid: instance.pid_of(role) not in (None, pid), limit_s=30)  # type: ignore[misc]  # the loop's own values
    wait_until(lambda: instance.status()[0] == 0, limit_s=120)
    told = instance.stop()
    assert "Role ingest ended with code -9" in told
    assert "in order" in told

    published = read_counts(counts)
    store = open_store(instance.site)
    (line,) = (each for each in store.ledger() if each.filter.endswith("/telemetry"))
    store.close()
    assert line.stored == published.messages
    assert line.samples_stored == published.samples
    assert (line.in_flight, line.quarantined) == (0, 0)


def test_supervisor_that_dies_leaves_no_role_behind(mosquitto: Mosquitto, instance: Instance) -> None:
    mosquitto.start()
    instance.start()
    assert instance.process is not None
    wait_until(lambda: instance.pid_of("work") is not None, limit_s=60)
    roles = psutil.Process(instance.process.pid).children()
    instance.process.kill()
    instance.process.communicate()
    _, alive = psutil.wait_procs(roles, timeout=40)
    assert not alive


def test_status_schema_is_the_documented_one() -> None:
    run = subprocess.run([sys.executable, "-m", "linewright", "status", "--schema"], capture_output=True, text=True)
    schema = json.loads(run.stdout)
    assert set(schema["properties"]) >= {"well", "roles", "messages", "stale", "alerts", "plan", "models", "console"}
    assert set(schema["$defs"]["MessageStatus"]["properties"]) == {
        *("received", "stored", "duplicate", "quarantined", "in_flight")
    }
    assert schema["$defs"]["PlanStatus"]["properties"]["status"]["enum"] == [
        "optimal",
        "feasible",
        "infeasible",
        "none",
    ]


def test_folder_that_cannot_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_template(folder)
    (folder / ".linewright").write_text("a file where the instance's folder should be")
    run = subprocess.run(
        [sys.executable, "-m", "linewright", "run", "--site", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 3
    assert ".linewright" in run.stderr
    assert "Traceback" not in run.stderr
