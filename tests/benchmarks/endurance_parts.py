"""Pieces of the endurance benchmark: a publisher that counts, an ingestor to be killed, a link to be cut, a full disk.

All are processes or sockets of their own; what they count is compared only at the end.
"""

import contextlib
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

TESTS: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "integration")]

from ingest_plant import MACHINES, PLANT, START_MS, reading  # noqa: E402 - found by the path above

from plant.clock import instant  # noqa: E402 - found by the path above
from plant.signals import LedgerLine  # noqa: E402 - found by the path above
from store.embedded.reader import open_reader  # noqa: E402 - found by the path above

SCRIPT: Final = TESTS / "integration" / "ingest_plant.py"
PATIENT_S: Final = 120.0
WINDOW: Final = 20_000
"""Messages that may be unconfirmed."""
MOST_AT_ONCE: Final = 2_000


class _Sender:
    """MQTT 3.1.1 packets by hand, with QoS 1: what is not confirmed is sent again on the next connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: dict[int, bytes] = {}
        self._rest = b""
        self._socket: socket.socket | None = None
        self.confirmed = 0

    @property
    def room(self) -> int:
        return WINDOW - len(self._open)

    def send(self, numbers: range) -> None:
        """Publish readings; takes what was confirmed meanwhile."""
        packets = []
        for number in numbers:
            topic, payload = reading(number)
            mid = number % 65_535 + 1
            body = struct.pack("!H", len(topic)) + topic.encode() + struct.pack("!H", mid) + payload
            assert 128 <= len(body) < 16_384
            self._open[mid] = bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body
            packets.append(self._open[mid])
        try:
            if self._socket is None:
                self._connect()
                packets = list(self._open.values())
            assert self._socket is not None
            self._socket.sendall(b"".join(packets))
            self._take()
        except OSError:
            self._drop()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENT_S)
        name = b"endurance"
        head = bytes([0x10, 12 + len(name)]) + b"\x00\x04MQTT\x04\x02\x00\x00"
        self._socket.sendall(head + struct.pack("!H", len(name)) + name)
        self._rest = b""
        if self._socket.recv(4) != b"\x20\x02\x00\x00":
            raise OSError("no welcome")

    def _take(self) -> None:
        assert self._socket is not None
        while select.select([self._socket], [], [], 0.0)[0]:
            data = self._socket.recv(65_536)
            if not data:
                raise OSError("hung up")
            self._rest += data
            whole = len(self._rest) // 4 * 4
            for (mid,) in struct.iter_unpack("!xxH", self._rest[:whole]):
                self.confirmed += self._open.pop(mid, None) is not None
            self._rest = self._rest[whole:]

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        time.sleep(0.1)


def publish(port: int, rate_per_s: float, progress: Path) -> None:
    """Publish distinct readings at a rate until SIGTERM; then says how many the broker has confirmed.

    Where the machine cannot hold the rate, or the broker is away, it does not make up for it.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sender = _Sender(port)
    sys.stdout.write("publishing\n")
    sys.stdout.flush()
    sent, began, last = 0, time.monotonic(), time.monotonic()
    while not stop.is_set():
        time.sleep(0.01)
        now = time.monotonic()
        more = min(round((now - last) * rate_per_s), sender.room, MOST_AT_ONCE)
        last = now
        sender.send(range(sent, sent + more))
        sent += more
        progress.write_text(str(sent))
    seconds = time.monotonic() - began
    deadline = time.monotonic() + PATIENT_S
    while sender.confirmed < sent and time.monotonic() < deadline:
        time.sleep(0.02)
        sender.send(range(0))
    assert sender.confirmed == sent
    sys.stdout.write(f"{sent} {seconds:.1f}\n")


class Publishing:
    """The publisher's process."""

    def __init__(self, port: int, rate_per_s: float, *, progress: Path) -> None:
        command = [sys.executable, str(Path(__file__)), str(port), str(rate_per_s), str(progress)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "publishing\n"

    def end(self) -> tuple[int, float]:
        """Stop it; how many messages the broker confirmed, and in how long [s]."""
        self._process.send_signal(signal.SIGTERM)
        told, _ = self._process.communicate(timeout=2 * PATIENT_S)
        count, seconds = told.split()
        return int(count), float(seconds)

    def discard(self) -> None:
        """End it if it still runs."""
        _discard(self._process)


class Ingesting:
    """The ingest process on a folder; may be killed and started again."""

    def __init__(self, port: int, folder: Path, *more: str) -> None:
        self._command = [sys.executable, str(SCRIPT), str(port), str(folder), *more]
        self.start()

    def start(self) -> None:
        """Start and wait until it is connected."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "connected\n"

    def kill(self) -> None:
        """As power does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In order."""
        assert self._end(signal.SIGTERM) == 0

    def discard(self) -> None:
        """End it if it still runs."""
        _discard(self._process)

    def _end(self, how: signal.Signals) -> int:
        self._process.send_signal(how)
        code = self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


def _discard(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
        process.wait(60)
    if process.stdout is not None:
        process.stdout.close()


class Cable:
    """A TCP link to a port that can be cut: both ends are reset, whatever was under way is lost."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset what is connected now."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Cut it for good."""
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """A tmpfs of its own at a folder; OSError where this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise OSError(mounted.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all room that is left on a disk; returns the file that does."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65_536))
    return filler


def ledger_of(folder: Path) -> list[LedgerLine]:
    """What became of the messages."""
    with contextlib.closing(open_reader(folder, plant=PLANT)) as reader:
        return reader.ledger()


def settled(folder: Path) -> int:
    """Messages stored so far."""
    return sum(line.stored for line in ledger_of(folder))


def caught_up(folder: Path, progress: Path, *, within: int) -> bool:
    """Whether no more than so many messages wait."""
    told = progress.read_text() if progress.exists() else ""
    return settled(folder) >= int(told or 0) - within


def lost_and_doubled(folder: Path, published: int) -> tuple[int, int]:
    """Readings of the publisher that are not in the store, and readings that are there more than once."""
    with contextlib.closing(open_reader(folder, plant=PLANT)) as reader:
        names = [machine.name for machine in MACHINES]
        end = instant((START_MS + published + 1) * 1_000)
        windows = reader.read(names, signals=["temperature_c"], start=instant(START_MS * 1_000), end=end, step=None)
    seen = np.concatenate([window.observed_at for window in windows.values()])
    distinct = np.unique(seen)
    wanted = (START_MS + np.arange(published, dtype=np.int64)) * 1_000
    return len(np.setdiff1d(wanted, distinct)), int(len(seen) - len(distinct))


if __name__ == "__main__":
    publish(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
