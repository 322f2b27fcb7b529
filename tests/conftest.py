"""Fixtures that every test may use: real components, free ports, the recorded data beside the project."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mosquitto_broker import Mosquitto
from postgres_server import Postgres

PROGRAMS = {
    "mosquitto": ("mosquitto", "/usr/sbin/mosquitto"),
    "chromium": ("chromium", "/usr/bin/chromium"),
    "victoria-metrics": ("victoria-metrics",),
    "influxdb": ("influxd",),
    "sparkplug-edge": (str(Path(sys.prefix) / "edge" / "bin" / "python"),),
    "postgresql": ("postgres", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True))),
}
HINTS = {
    "sparkplug-edge": "in an environment beside the product's: python -m venv .venv/edge; "
    ".venv/edge/bin/pip install -r tests/edge/constraints.txt"
}


@pytest.fixture(scope="session")
def require_real() -> Callable[[str], Path]:
    """Path of a real component; without it the test is skipped, or fails under LINEWRIGHT_REQUIRE_REAL."""

    def find(name: str) -> Path:
        for candidate in PROGRAMS[name]:
            if found := shutil.which(candidate):
                return Path(found)
        message = f"{name} is not installed on this machine ({HINTS.get(name, f'Debian: apt-get install {name}')})"
        if os.environ.get("LINEWRIGHT_REQUIRE_REAL"):
            pytest.fail(message)
        pytest.skip(message)

    return find


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of recorded data beside the project; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the recorded data (../shared) is not beside the project")
    return folder


@pytest.fixture
def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres_program(require_real: Callable[[str], Path]) -> Iterator[Postgres]:
    """The session's PostgreSQL; a test takes it as `postgres`, which runs whatever an earlier test did to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = Postgres(require_real("postgresql"), port=port)
    yield server
    server.close()


@pytest.fixture
def postgres(postgres_program: Postgres) -> Postgres:
    """A running PostgreSQL."""
    if not postgres_program.running:
        postgres_program.start()
    return postgres_program


@pytest.fixture
def mosquitto(require_real: Callable[[str], Path], free_port: int) -> Iterator[Mosquitto]:
    """A Mosquitto that is not started yet."""
    program = require_real("mosquitto")
    folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
    folder.chmod(0o777)  # started by root, it works as its own user
    broker = Mosquitto(program, port=free_port, folder=folder)
    yield broker
    broker.stop()
    shutil.rmtree(folder, ignore_errors=True)
