"""A plant of two Sparkplug edge nodes with three devices each, a host over the embedded store, and the real edge."""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker_settings import BrokerSettings
from ingest.ingestor import Ingestor, labels
from ingest.settings import IngestSettings
from ingest.sparkplug.host import state_filters
from ingest.sparkplug.payload import Payload
from ingest.spool import Spool
from ingest.topics import compile_router
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind
from plant.clock import PlantClock
from plant.quantities import Quantity
from store.embedded.writer import open_writer

EDGE = Path(__file__).resolve().parents[1] / "edge" / "sparkplug_edge.py"
START_MS = 1_790_000_000_000
NODES, DEVICES = ("L1", "L2"), ("press0", "press1", "press2")
PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
        Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
        Signal(name="good_parts", quantity=Quantity.COUNT, kind=SignalKind.COUNTER),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
    ),
)
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=tuple(
        Line(
            name=node,
            label=node,
            area="hall1",
            machines=tuple(
                Machine(name=f"{node}-{device}", label=device, line=node, machine_class="press") for device in DEVICES
            ),
        )
        for node in NODES
    ),
    classes=(PRESS,),
)
MAPPING = {
    "format": "sparkplug",
    "topic": "spBv1.0/acme/#",
    "machine": "{node}-{device}",
    "fields": {"temperature_c": "Motor/Temperature", "vibration_mm_s": "Motor/Vibration"},
}


class Hosting:
    """A Sparkplug host in a thread, over the embedded store."""

    def __init__(self, port: int, folder: Path, *, broker: BrokerSettings | None = None, **sparkplug: Any) -> None:
        settings = IngestSettings.model_validate(
            {"mappings": [MAPPING], "sparkplug": {"reorder_timeout_s": 0.5, **sparkplug}}
        )
        self.writer = open_writer(folder, plant=PLANT, clock=PlantClock())
        router = compile_router(settings.mappings, plant=PLANT, side_filters=state_filters(settings))
        self.ingestor = Ingestor(
            settings,
            broker=broker
            or BrokerSettings(
                port=port, client_id="linewright-ingest-sparkplug", reconnect_min_s=0.1, reconnect_max_s=0.3
            ),
            plant=PLANT,
            sink=self.writer.write,
            clock=PlantClock(),
            run=self.writer.begin_run(labels(router.filters, broker="main.sparkplug")),
            name="main.sparkplug",
            spool=Spool(folder / "spool"),
            quarantine=self.writer,
            memory=folder / "edge-nodes.json",
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.ingestor.run, args=(self._stop,))
        self._thread.start()
        wait_for(lambda: bool(self.ingestor.state["connected"]))

    def end(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.writer.close()

    @property
    def told(self) -> dict[str, Any]:
        return self.ingestor.state["sparkplug"]

    def node(self, name: str) -> dict[str, Any]:
        return next((each for each in self.told["nodes"] if each["node"] == f"acme/{name}"), {"state": "unknown"})

    def is_born(self, name: str, *, devices: int = 3) -> bool:
        node = self.node(name)
        return node["state"] == "online" and node["devices"] - len(node["devices_not_online"]) >= devices

    def rows(self, machine: str) -> dict[int, tuple[Any, ...]]:
        """Number of the data = its values, of what is stored of a machine."""
        from plant.clock import instant

        start, end = instant(START_MS * 1000), instant(START_MS * 1000 + 3_600_000_000)
        window = self.writer.read([machine], start=start, end=end)[machine]
        columns = [
            *(window.values[name].tolist() for name in ("temperature_c", "vibration_mm_s", "good_parts")),
            window.states["state"].tolist(),
        ]
        numbers = [(at // 1000) - START_MS for at in window.observed_at.tolist()]
        return dict(zip(numbers, zip(*columns, strict=True), strict=True))

    def stale(self) -> set[str]:
        """Machines of which every last value is stale."""
        values = self.writer.last_values()
        return {value.machine for value in values} - {value.machine for value in values if not value.stale}

    def balanced(self) -> bool:
        return all(line.missing == 0 and line.samples_missing == 0 for line in self.writer.ledger())


class Edge:
    """The independent edge node in its own process."""

    def __init__(self, python: Path, port: int, node: str, devices: Sequence[str] = DEVICES) -> None:
        self.process = subprocess.Popen(
            [python, EDGE, str(port), "acme", node, *devices],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._said: queue.Queue[str] = queue.Queue()
        self.rebirths = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._ok()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self._ok()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line == "reborn\n":
                self.rebirths += 1
            else:
                self._said.put(line.strip())

    def _ok(self) -> None:
        assert self._said.get(timeout=20) == "ok"


class Probe:
    """A plain client that publishes what a test crafts and hears what the host says."""

    def __init__(self, port: int, *filters: str) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._there = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _u, got: self.heard.append((got.topic, got.payload, got.retain))
        self._client.on_subscribe = lambda *_: self._there.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe([(each, 1) for each in filters])
        assert self._there.wait(10)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(10)

    def states(self) -> list[tuple[bool, int]]:
        """Online and timestamp of each STATE heard."""
        told = [json.loads(payload) for topic, payload, _ in self.heard if "/STATE/" in topic]
        return [(each["online"], each["timestamp"]) for each in told]

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def payload(seq: int | None, *metrics: dict[str, Any], at_ms: int = START_MS) -> bytes:
    """A crafted message."""
    made = Payload(timestamp=at_ms)
    if seq is not None:
        made.seq = seq
    for metric in metrics:
        made.metrics.add(**metric)
    return made.SerializeToString()


def wait_for(done: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)
