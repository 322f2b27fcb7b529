"""What decoding costs in each format, one message at a time: `python tests/benchmarks/decode_formats.py`.

From bytes to values in canonical units, without columns (JSON objects of one mapping are decoded together in the
running ingestor and cost less there; see `ingest_cost.py`). CPU time, the best of five rounds.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "ingest"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ingest_cases import PLANT

from ingest.decode.formats import contents_of
from ingest.settings import MappingSettings
from ingest.topics import Route, compile_router

ROUNDS, REPEATS = 5, 4_000
START_MS = 1_790_000_000_000
FIELDS = {"vibration_mm_s": 1.5, "temperature_c": 40.25, "good_parts": 7, "state": "Execute"}
LINE = 'drive,machine=L1-press vibration_mm_s=1.5,temperature_c=40.25,good_parts=7i,state="Execute" {}000000\n'
DATA_SET = {"Timestamp": "2026-11-22T14:20:00Z", "Payload": {name: {"Value": value} for name, value in FIELDS.items()}}
HOME = "acme/linz/hall1/L1/L1-press"

Case = tuple[str, str, object, dict[str, Any]]
CASES: tuple[Case, ...] = (
    ("JSON object", f"{HOME}/telemetry", {"timestamp_ms": START_MS, **FIELDS}, {}),
    ("JSON array of 10", f"{HOME}/telemetry", [{"timestamp_ms": START_MS + step, **FIELDS} for step in range(10)], {}),
    (
        "JSON metrics",
        f"{HOME}/telemetry",
        {"t": START_MS, "metrics": [{"name": name, "value": value} for name, value in FIELDS.items()]},
        {"samples": "metrics", "name_field": "name", "time_field": "t"},
    ),
    (
        "Unified Namespace tag",
        f"umh/v1/{HOME}/_historian/vibration_mm_s",
        {"timestamp_ms": START_MS, "value": 1.5},
        {"format": "uns", "topic": "umh/v1/{enterprise}/{site}/{area}/{line}/{machine}/_historian/#"},
    ),
    ("line protocol, 1 line", "lines", LINE.format(START_MS), {"format": "line", "topic": "lines"}),
    (
        "line protocol, 10 lines",
        "lines",
        "".join(LINE.format(START_MS + step) for step in range(10)),
        {"format": "line", "topic": "lines"},
    ),
    (
        "OPC UA PubSub",
        "data/L1-press",
        {"MessageType": "ua-data", "Messages": [DATA_SET]},
        {"format": "opcua", "topic": "data/{machine}"},
    ),
)


def row(name: str, topic: str, body: object, mapping: dict[str, Any]) -> str:
    """One line of the table."""
    payload = (body if isinstance(body, str) else json.dumps(body)).encode()
    way = compile_router([MappingSettings.model_validate(mapping)], plant=PLANT).route(topic)
    assert isinstance(way, Route)
    assert way.plan is not None
    contents = contents_of(payload, plan=way.plan, machine=way.machine)
    assert contents.fault is None
    samples = sum(value is not None for reading in contents.readings for value in reading.values)
    best_s = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(REPEATS):
            contents_of(payload, plan=way.plan, machine=way.machine)
        best_s = min(best_s, (time.process_time() - started) / REPEATS)
    return f"| {name} | {len(payload)} | {samples} | {best_s * 1e6:.1f} | {best_s * 1e6 / samples:.2f} |"


def main() -> None:
    """Print the table."""
    print("| format | bytes | samples | µs per message | µs per sample |")
    print("|---|---|---|---|---|")
    for case in CASES:
        print(row(*case), flush=True)


if __name__ == "__main__":
    main()
