"""Many publishers, many topics, many series: `python ingest_wide.py`; what ingest costs and holds then.

Each of 2,000 connections publishes one message a second (QoS 1, packets by hand in one process) on topics of its own:
10,000 topics in turn, a machine each, 10 series each: 100,000 series. Mosquitto with `deploy/mosquitto.conf`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mosquitto_broker import Mosquitto

from ingest.broker_settings import BrokerSettings
from ingest.ingestor import Ingestor
from ingest.settings import IngestSettings
from ingest.topics import ledger_filters
from plant.assets import Line, Machine, MachineClass, Plant, Signal
from plant.clock import PlantClock
from plant.quantities import Quantity
from store.embedded.reader import open_reader
from store.embedded.writer import open_writer

SERIES = 10
CLASS = MachineClass(
    name="press",
    signals=tuple(Signal(name=f"vibration_{n}", quantity=Quantity.VIBRATION) for n in range(SERIES)),
)


def plant_of(machines: int) -> Plant:
    """A line of so many presses."""
    presses = tuple(
        Machine(name=f"p{n}", label=f"Press {n}", line="L1", machine_class="press") for n in range(machines)
    )
    return Plant(
        enterprise="acme",
        site="linz",
        timezone="Europe/Vienna",
        currency="EUR",
        lines=(Line(name="L1", label="Line 1", area="hall1", machines=presses),),
        classes=(CLASS,),
    )


def ingest(port: int, folder: Path, machines: int) -> None:
    """Ingest until SIGTERM; says `connected` once it is."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    plant, settings = plant_of(machines), IngestSettings()
    with contextlib.closing(open_writer(folder, plant=plant, clock=PlantClock())) as writer:
        run = writer.begin_run(ledger_filters(settings.mappings, plant=plant))
        broker = BrokerSettings(port=port)
        ingestor = Ingestor(settings, broker=broker, plant=plant, sink=writer.write, clock=PlantClock(), run=run)

        def announce() -> None:
            while not ingestor.state["connected"]:
                time.sleep(0.02)
            sys.stdout.write("connected\n")
            sys.stdout.flush()

        threading.Thread(target=announce, daemon=True).start()
        ingestor.run(stop)


async def one_publisher(port: int, index: int, *, connections: int, machines: int, seconds: float) -> tuple[int, int]:
    """A connection's life: a message a second; sent and confirmed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    name = f"p-{index}".encode()
    head = bytes([0x10, 12 + len(name)]) + b"\x00\x04MQTT\x04\x02\x00\x00"
    writer.write(head + struct.pack("!H", len(name)) + name)
    await reader.readexactly(4)
    sent = confirmed = 0
    own = range(index, machines, connections)
    loop = asyncio.get_running_loop()
    due = loop.time() + (index % 1000) / 1000  # spread over the second
    end = due + seconds
    while due < end:
        await asyncio.sleep(max(0.0, due - loop.time()))
        topic = f"acme/linz/hall1/L1/p{own[sent % len(own)]}/telemetry".encode()
        values = {f"vibration_{n}": (sent + n) / 16 for n in range(SERIES)}
        payload = json.dumps({"timestamp_ms": time.time_ns() // 1_000_000, **values}).encode()
        body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", sent % 65_535 + 1) + payload
        writer.write(bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body)
        sent += 1
        due += 1.0
        while confirmed < sent:
            await reader.readexactly(4)
            confirmed += 1
    writer.close()
    return sent, confirmed


async def all_publishers(port: int, *, connections: int, machines: int, seconds: float) -> tuple[int, int]:
    """All connections; the sums."""
    lives = (
        one_publisher(port, index, connections=connections, machines=machines, seconds=seconds)
        for index in range(connections)
    )
    told = await asyncio.gather(*lives)
    return sum(sent for sent, _ in told), sum(confirmed for _, confirmed in told)


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=2_000)
    parser.add_argument("--topics", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    told = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wide-"))
    folder.chmod(0o777)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 3 * told.connections + 1_000), most))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = Mosquitto(Path(shutil.which("mosquitto") or "/usr/sbin/mosquitto"), port=port, folder=folder)
    broker.start()
    command = [sys.executable, str(Path(__file__)), "ingest", str(port), str(folder / "site"), str(told.topics)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "connected\n"
        before = _cpu_s(process.pid)
        began = time.monotonic()
        sent, confirmed = asyncio.run(
            all_publishers(port, connections=told.connections, machines=told.topics, seconds=told.seconds)
        )
        took = time.monotonic() - began
        deadline = time.monotonic() + 60
        stored = -1
        while stored < confirmed and time.monotonic() < deadline:
            time.sleep(0.2)
            with contextlib.closing(open_reader(folder / "site", plant=plant_of(told.topics))) as reader:
                lines = reader.ledger()
                stored = sum(line.stored for line in lines)
        cpu, memory = _cpu_s(process.pid) - before, _memory_mb(process.pid)
        with contextlib.closing(open_reader(folder / "site", plant=plant_of(told.topics))) as reader:
            series = len(reader.last_values())
        even = all(line.missing == line.samples_missing == 0 for line in lines)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("| connections | topics | series | messages/s | sent | stored | lost | ledger | CPU | CPU s/M | memory MB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {told.connections:,} | {told.topics:,} | {series:,} | {sent / took:,.0f} | {confirmed:,} | {stored:,} | "
        f"{confirmed - stored} | {'even' if even else 'UNEVEN'} | {cpu / took:.1%} of a core | "
        f"{1e6 * cpu / max(stored, 1):.0f} | {memory:.0f} |"
    )
    return 0 if stored == confirmed and even else 1


def _cpu_s(pid: int) -> float:
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    if sys.argv[1:2] == ["ingest"]:
        ingest(int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(main())
