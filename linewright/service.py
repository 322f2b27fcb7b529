"""The supervisor: each role is its own process, started in order, restarted when it dies, stopped in order.

Stopping drains the line: first who publishes, then ingest once nothing is in flight any more, then the rest,
the broker last; so an orderly stop loses nothing even on a broker that keeps nothing.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from linewright.lifecycle import SUPERVISOR_VARIABLE
from linewright.settings.shell import StoreKind
from linewright.settings.site import Site
from plant.errors import Unavailable
from store.records import Records

log = logging.getLogger(__name__)

START_ORDER: Final = ("broker", "ingest", "serve", "work", "mirror", "simulate")
STOP_ORDER: Final = ("simulate", "ingest", "mirror", "work", "serve", "broker")
RESTART_PAUSE_S: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Pause before the n-th restart in a row; a role that lived a minute starts over."""
STOP_LIMIT_S: Final = 30.0
"""A role that has not ended by then after SIGTERM is killed; what it held stays with the broker."""
DRAIN_LIMIT_S: Final = 20.0
READY_LIMIT_S: Final = 60.0


@dataclass(slots=True)
class RoleProcess:
    """One role with its process."""

    name: str
    command: Sequence[str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    started_at_s: float = 0.0
    failures: int = 0
    next_start_s: float = field(default=0.0)


def roles_of(site: Site) -> tuple[str, ...]:
    """The roles that this site runs, in starting order."""
    wanted = {"ingest", "serve", "work"}
    if site.broker.embedded:
        wanted.add("broker")
    if site.influx is not None and site.keeps is StoreKind.EMBEDDED:
        wanted.add("mirror")
    if site.simulator is not None:
        wanted.add("simulate")
    return tuple(role for role in START_ORDER if role in wanted)


def supervise(
    site: Site,
    *,
    records: Records,
    stop: threading.Event,
    settled: Callable[[], bool],
    announce: Callable[[str], None],
) -> None:
    """Run every role of the site until `stop` is set; then stop them in order.

    Args:
        site: The loaded configuration; each role loads it again by itself.
        records: Where roles report that they live.
        stop: Set by SIGTERM or Ctrl-C.
        settled: Whether ingest has settled everything that was published.
        announce: Receives sentences for the person at the terminal.
    """
    run_folder = site.data / "run"
    run_folder.mkdir(parents=True, exist_ok=True)
    processes = {
        name: RoleProcess(
            name=name,
            command=(sys.executable, "-m", "linewright", name, "--site", str(site.folder)),
            log_file=run_folder / f"{name}.log",
        )
        for name in roles_of(site)
    }
    try:
        for role in processes.values():
            if stop.is_set():
                break
            if role.name == "simulate":
                _wait_until(lambda: _ingest_listens(records, processes.get("ingest")), limit_s=READY_LIMIT_S, stop=stop)
            _start(role)
        while not stop.wait(0.5):
            _revive(processes, announce)
    finally:
        _stop_all(processes, settled)


def _start(role: RoleProcess) -> None:
    environment = {**os.environ, SUPERVISOR_VARIABLE: str(os.getpid())}
    with role.log_file.open("ab") as output:
        role.process = subprocess.Popen(
            role.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches the supervisor only, which then stops the roles in order
        )
    role.started_at_s = time.monotonic()
    log.info("role_started", extra={"role": role.name, "pid": role.process.pid})


def _revive(processes: dict[str, RoleProcess], announce: Callable[[str], None]) -> None:
    now = time.monotonic()
    for role in processes.values():
        if role.process is not None and role.process.poll() is not None:
            lived_s = now - role.started_at_s
            role.failures = 0 if lived_s > 60.0 else role.failures
            pause = RESTART_PAUSE_S[min(role.failures, len(RESTART_PAUSE_S) - 1)]
            announce(
                f"Role {role.name} ended with code {role.process.returncode} after {lived_s:.0f} s; "
                f"starting it again in {pause:.0f} s. Its last words are in {role.log_file}."
            )
            role.failures += 1
            role.next_start_s = now + pause
            role.process = None
        elif role.process is None and now >= role.next_start_s:
            _start(role)


def _stop_all(processes: dict[str, RoleProcess], settled: Callable[[], bool]) -> None:
    for name in STOP_ORDER:
        role = processes.get(name)
        if role is None or role.process is None:
            continue
        if name == "ingest":
            _wait_until(settled, limit_s=DRAIN_LIMIT_S, stop=None)
        if role.process.poll() is None:
            role.process.send_signal(signal.SIGTERM)
        try:
            role.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            log.warning("role_killed", extra={"role": name, "pid": role.process.pid, "waited_s": STOP_LIMIT_S})
            role.process.kill()
            role.process.wait()
        log.info("role_stopped", extra={"role": name, "code": role.process.returncode})


def _ingest_listens(records: Records, ingest: RoleProcess | None) -> bool:
    """Whether this very ingest process is connected; what an earlier one last said does not count."""
    pid = None if ingest is None or ingest.process is None else ingest.process.pid
    try:
        return any(
            beat.role == "ingest" and beat.pid == pid and bool(beat.detail.get("connected")) for beat in records.roles()
        )
    except Unavailable:
        return False


def _wait_until(condition: Callable[[], bool], *, limit_s: float, stop: threading.Event | None) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and not (stop is not None and stop.is_set()):
        if condition():
            return True
        time.sleep(0.1)
    return False
