"""The small plant of the decoders' golden cases, and how a case is read: `python tests/unit/ingest/ingest_cases.py`
writes what the decoders say now into each case that has no `expected.json` yet, to be checked by eye."""

import json
import tomllib
from pathlib import Path
from typing import Any

from ingest.decode.contents import Contents
from ingest.decode.formats import contents_of
from ingest.settings import MappingSettings
from ingest.topics import Unroutable, compile_router
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind
from plant.quantities import Quantity

CASES = Path(__file__).resolve().parents[2] / "cases"
PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
        Signal(name="good_parts", quantity=Quantity.COUNT, kind=SignalKind.COUNTER),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
    ),
)
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=(
        Line(
            name="L1",
            label="Line 1",
            area="hall1",
            machines=tuple(
                Machine(name=name, label=name, line="L1", machine_class="press") for name in ("L1-press", "L1-oven")
            ),
        ),
    ),
    classes=(PRESS,),
)


def said(topic: str, payload: bytes, mapping: dict[str, Any]) -> Contents:
    """What a message says under a mapping, from its topic on."""
    way = compile_router([MappingSettings.model_validate(mapping)], plant=PLANT).route(topic)
    if isinstance(way, Unroutable):
        return Contents((), way.fault)
    assert way.plan is not None
    return contents_of(payload, plan=way.plan, machine=way.machine)


def case(folder: Path) -> tuple[str, bytes, dict[str, Any]]:
    """Topic, payload and mapping of a case."""
    settings = tomllib.loads((folder / "case.toml").read_text())
    return settings["topic"], (folder / "message").read_bytes(), settings["mapping"]


def as_document(contents: Contents) -> dict[str, Any]:
    """The contents as `expected.json` holds them."""
    names = [signal.name for signal in PRESS.signals]
    return {
        "readings": [
            {
                "machine": reading.machine,
                "observed_at_us": reading.observed_at_us,
                "values": {name: value for name, value in zip(names, reading.values, strict=True) if value is not None},
            }
            for reading in contents.readings
        ],
        "fault": contents.fault
        and {
            "reason": contents.fault.reason.value,
            "samples": contents.fault.samples,
            "detail": contents.fault.detail,
        },
        "unknown": sorted(contents.unknown),
    }


if __name__ == "__main__":
    for each in sorted(CASES.glob("decode_*")):
        expected = each / "expected.json"
        if not expected.exists():
            expected.write_text(json.dumps(as_document(said(*case(each))), indent=2) + "\n")
