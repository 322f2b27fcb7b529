"""A real PostgreSQL of the tests' own, on a free loopback port; it refuses root, so root starts it as another user."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

PASSWORD = "correct horse"
USER = "linewright"


class Postgres:
    """The server with its folder; `stop` and `start` as often as a test likes."""

    def __init__(self, program: Path, *, port: int) -> None:
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._bin = program.resolve().parent
        self._account: dict[str, str] = {}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            name = "postgres" if "postgres" in names else "nobody"
            self._account = {"user": name}
            shutil.chown(self.folder, user=name)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._data = self.folder / "data"
        asked = ["-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(
            [self._bin / "initdb", "-D", self._data, *asked], check=True, stdout=subprocess.DEVNULL, **self._account
        )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "60",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *options], stdout=log, stderr=log, **self._account
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self._address("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "server.log").read_text()
                assert time.monotonic() < deadline, (self.folder / "server.log").read_text()
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it; SIGINT ends its sessions at once, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self) -> str:
        """URL without a password of a new, empty database."""
        self._made += 1
        name = f"records_{self._made}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{name}"

    def rows(self, database: str, query: str) -> list[tuple[object, ...]]:
        """Rows of a query, as somebody beside Linewright sees them."""
        with psycopg.connect(self._address(database.rsplit("/", 1)[1])) as connection:
            return connection.execute(query).fetchall()

    def _address(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user={USER} password='{PASSWORD}' dbname={database}"
