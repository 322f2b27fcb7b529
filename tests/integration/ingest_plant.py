"""The small plant of the ingest tests, and an ingest process to be killed: a script with port, folder, settings."""

import contextlib
import json
import signal
import sys
import threading
from pathlib import Path

from ingest.broker_settings import BrokerSettings
from ingest.ingestor import Ingestor
from ingest.settings import IngestSettings
from ingest.topics import ledger_filters
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind
from plant.clock import PlantClock
from plant.quantities import Quantity
from store.embedded.writer import open_writer

PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
    ),
)
MACHINES = tuple(Machine(name=f"L1-press{n}", label=f"Press {n}", line="L1", machine_class="press") for n in range(4))
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=(Line(name="L1", label="Line 1", area="hall1", machines=MACHINES),),
    classes=(PRESS,),
)
START_MS = 1_790_000_000_000


def topic(machine: str) -> str:
    return f"acme/linz/hall1/L1/{machine}/telemetry"


def reading(number: int) -> tuple[str, bytes]:
    """A distinct sound message: topic and payload of 3 samples."""
    body = {"timestamp_ms": START_MS + number, "vibration_mm_s": number / 7, "temperature_c": 40, "state": "Execute"}
    return topic(MACHINES[number % len(MACHINES)].name), json.dumps(body).encode()


def ingest(port: int, folder: Path, **more: str) -> None:
    """Ingest into the embedded store until SIGTERM; says `connected` once it is."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = IngestSettings()
    broker = BrokerSettings.model_validate({"port": port, "reconnect_min_s": 0.2, "reconnect_max_s": 1.0, **more})
    clock = PlantClock()
    with contextlib.closing(open_writer(folder, plant=PLANT, clock=clock)) as writer:
        run = writer.begin_run(ledger_filters(settings.mappings, plant=PLANT))
        ingestor = Ingestor(settings, broker=broker, plant=PLANT, sink=writer.write, clock=clock, run=run)
        threading.Thread(target=_announce, args=(ingestor, stop), daemon=True).start()
        ingestor.run(stop)
        writer.end_run(run)


def _announce(ingestor: Ingestor, stop: threading.Event) -> None:
    while not stop.wait(0.02):
        if ingestor.state["connected"]:
            sys.stdout.write("connected\n")
            sys.stdout.flush()
            return


if __name__ == "__main__":
    ingest(int(sys.argv[1]), Path(sys.argv[2]), **dict(each.split("=", 1) for each in sys.argv[3:]))
