"""What decoding costs in each format: `python tests/benchmarks/decode_formats.py`.

First one message at a time, from bytes to values in canonical units; then many from topic to batch, as the running
ingestor takes them: JSON objects and tags are decoded together into columns. CPU time, the best of five rounds.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "ingest"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ingest_cases import PLANT

from ingest import intake
from ingest.batching import Batcher
from ingest.decode.formats import contents_of
from ingest.settings import MappingSettings
from ingest.sparkplug.payload import DataType, Payload
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
SPARKPLUG = {
    "format": "sparkplug",
    "topic": "spBv1.0/acme/#",
    "machine": "{node}-{device}",
}


def sparkplug(*, count: int, born: bool) -> bytes:
    """So many metrics of a device: its birth, or data by alias."""
    message = Payload(timestamp=START_MS)
    kinds = (DataType.FLOAT, DataType.DOUBLE, DataType.INT32, DataType.STRING)
    fields = ("float_value", "double_value", "int_value", "string_value")
    for index in range(count):
        kind = index % 4
        metric = message.metrics.add(alias=kind + 1, timestamp=START_MS + index // 4)
        setattr(metric, fields[kind], list(FIELDS.values())[kind])
        if born:
            metric.name, metric.datatype = list(FIELDS)[kind], kinds[kind]
    written: bytes = message.SerializeToString()
    return written


def row(name: str, topic: str, body: object, mapping: dict[str, Any]) -> str:
    """One line of the table."""
    payload = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    router = compile_router([MappingSettings.model_validate(mapping)], plant=PLANT)
    for before, told in BIRTHS if mapping.get("format") == "sparkplug" else ():
        birth = router.route(before)
        assert isinstance(birth, Route)
        assert birth.plan is not None
        contents_of(told, plan=birth.plan, machine="")
    way = router.route(topic)
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


BIRTHS = (
    ("spBv1.0/acme/NBIRTH/L1", Payload(timestamp=START_MS).SerializeToString()),
    ("spBv1.0/acme/DBIRTH/L1/press", sparkplug(count=4, born=True)),
)


def together(name: str, topic: str, body: object, mapping: dict[str, Any], *, count: int = 5_000) -> str:
    """One line of the second table: many messages from topic to batch, together and one by one."""
    router = compile_router([MappingSettings.model_validate(mapping)], plant=PLANT)
    payload = (body if isinstance(body, str) else json.dumps(body)).encode()
    payloads = [payload.replace(str(START_MS).encode(), str(START_MS + number).encode()) for number in range(count)]
    costs_us, samples = [], 0
    for few in (intake.FEW, 10**9):
        usual, intake.FEW = intake.FEW, few
        best_s = float("inf")
        for _ in range(ROUNDS):
            batcher = Batcher(run="run", plant=PLANT, filters=router.filters, clock_skew_limit_us=10**18)
            held = intake.Intake(batcher, router=router, sides={}, max_payload_bytes=10**6)
            started = time.process_time()
            held.read([topic.encode()] * count, payloads, at_us=START_MS * 1_000)
            batch = held.take()
            best_s = min(best_s, time.process_time() - started)
        assert batch.samples is not None
        samples = int(batch.samples.sum())
        assert not batch.rejections
        costs_us.append(best_s * 1e6 / samples)
        intake.FEW = usual
    return f"| {name} | {samples // count} | {costs_us[0]:.2f} | {costs_us[1]:.2f} |"


def main() -> None:
    """Print both tables."""
    print("| format | bytes | samples | µs per message | µs per sample |")
    print("|---|---|---|---|---|")
    data = "spBv1.0/acme/DDATA/L1/press"
    further: tuple[Case, ...] = (
        ("Sparkplug B, 4 metrics by alias", data, sparkplug(count=4, born=False), SPARKPLUG),
        ("Sparkplug B, 50 metrics by alias", data, sparkplug(count=50, born=False), SPARKPLUG),
        ("Sparkplug B, birth of 4", BIRTHS[1][0], BIRTHS[1][1], SPARKPLUG),
    )
    for case in (*CASES, *further):
        print(row(*case), flush=True)
    print("\n| format | samples per message | µs per sample, together | one by one |")
    print("|---|---|---|---|")
    for case in (CASES[0], CASES[3], CASES[4], CASES[5], CASES[6]):
        print(together(*case), flush=True)


if __name__ == "__main__":
    main()
