"""A real Mosquitto with `deploy/mosquitto.conf`, that tests may stop, kill and start again."""

import signal
import socket
import subprocess
import time
from pathlib import Path

CONFIGURATION = Path(__file__).resolve().parents[1] / "deploy" / "mosquitto.conf"


class Mosquitto:
    """The broker of a plant on a port of its own; its persistence lives as long as the test."""

    def __init__(self, program: Path, *, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.configuration = folder / "mosquitto.conf"
        text = CONFIGURATION.read_text(encoding="utf-8")
        text = text.replace("listener 1883", f"listener {port}")
        self.configuration.write_text(text.replace("/var/lib/mosquitto/", f"{folder}/"), encoding="utf-8")

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", self.configuration], stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
                time.sleep(0.02)
            else:
                return
        raise AssertionError("Mosquitto did not start within 10 s")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order or by a kill."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None
