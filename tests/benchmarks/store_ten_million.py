"""The contract at 10 million samples: `store_ten_million.py [--samples N] [--kinds embedded,influxdb]`.

Two presses report a gauge, a current, a counter and a state each second; every value follows from its second, so that
each answer of a store is known. A tenth comes late, a part comes twice, some values are corrected. The server is a real
InfluxDB 1.6 behind the path-mapping proxy of the tests. Exit code 1 where an answer is wrong.
"""

import argparse
import sys
import tempfile
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from plant.clock import PlantClock
from plant.signals import Aggregation, Batch
from store.contract import TimeSeriesStore
from store.embedded.writer import open_writer
from store.influx.settings import InfluxSettings
from store.influx.writer import InfluxWriter
from store.settings import StoreSettings
from tests.contract.batches import FILTER, PLANT, SECOND, START_US, at
from tests.integration.influx_servers import Influx1

NAMES = ("L1-press", "L2-press")
SIGNALS = 4
BATCH_S = 2_500
"""Seconds a batch: 5,000 rows of 4 samples."""
WORDS = np.array(["Idle", "Execute"])


def temperature(second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the first press [degC]; that of the second is 1 more. Halves, so that sums are exact."""
    return (second % 512) / 2.0


def batch_of(seconds: NDArray[np.int64], *, received_s: int, total: int, corrected: bool = False) -> Batch:
    """What both presses report at some seconds."""
    count, both = len(seconds), np.tile(seconds, 2)
    gauge = np.concatenate([temperature(seconds), temperature(seconds) + 1.0])
    table = pa.table(
        {
            "machine": pa.array(np.repeat(np.array(NAMES, dtype=object), count), pa.string()),
            "observed_at": pa.array(START_US + both * SECOND),
            "received_at": pa.array(np.full(2 * count, START_US + received_s * SECOND)),
            "message": pa.array(np.arange(2 * count, dtype=np.int32)),
            "quality": pa.array(np.zeros(2 * count, np.uint8)),
            "temperature_c": pa.array(gauge + (1_000.0 if corrected else 0.0)),
            "current_a": pa.array((both % 16).astype(float)),
            "good_parts": pa.array(both.astype(float)),
            "state": pa.array(WORDS[both // 600 % 2].tolist(), pa.string()),
        }
    )
    return Batch(
        run="run",
        tables={"press": table},
        filters=(FILTER,),
        message_filter=np.zeros(2 * count, dtype=np.int16),
        received=np.array([total], dtype=np.int64),
    )


def fill(store: TimeSeriesStore, span_s: int) -> dict[str, int]:
    """Write everything; how many samples were stored and found doubled before the corrections."""
    stored = doubled = total = 0
    held: list[NDArray[np.int64]] = []
    for number, first in enumerate(range(0, span_s, BATCH_S)):
        every = np.arange(first, min(first + BATCH_S, span_s))
        late = every % 10 == 3
        pieces = [every[~late], *held] + ([every[:100][~late[:100]]] if number % 5 == 0 else [])
        held = [every[late]]
        for seconds in pieces:
            total += 2 * len(seconds)
            receipt = store.write(batch_of(seconds, received_s=first + 2 * BATCH_S, total=total))
            stored, doubled = stored + receipt.samples_stored, doubled + receipt.samples_duplicate
    for seconds in held:
        total += 2 * len(seconds)
        stored += store.write(batch_of(seconds, received_s=span_s + 2 * BATCH_S, total=total)).samples_stored
    again = np.arange(0, span_s, 100_000)
    total += 2 * len(again)
    store.write(batch_of(again, received_s=span_s + 9 * BATCH_S, total=total, corrected=True))
    return {"stored": stored, "doubled": doubled, "messages": total}


def wrong_answers(store: TimeSeriesStore, span_s: int, counts: dict[str, int]) -> list[str]:
    """The questions of the contract whose answers are not what follows from the seconds."""
    faults: list[str] = []

    def same(what: str, found: Any, wanted: Any) -> None:
        if not np.array_equal(np.asarray(found), np.asarray(wanted), equal_nan=np.asarray(wanted).dtype.kind == "f"):
            faults.append(f"{what}: {np.asarray(found).ravel()[:3]} in place of {np.asarray(wanted).ravel()[:3]}")

    same("stored", counts["stored"], 2 * SIGNALS * span_s)
    (line,) = store.ledger()
    same("ledger", (line.received, line.in_flight, line.missing), (counts["messages"], 0, 0))
    start, end = at(span_s - 90_000), at(span_s)
    seconds = np.arange(span_s - 90_000, span_s)
    now = temperature(seconds) + 1_000.0 * (seconds % 100_000 == 0)
    raw = store.read(["L1-press"], start=start, end=end)["L1-press"]
    same("raw rows", raw.values["temperature_c"], now)
    same("raw states", raw.states["state"], WORDS[seconds // 600 % 2])
    then = store.read(["L1-press"], signals=["temperature_c"], start=start, end=end, as_of=at(span_s + 8 * BATCH_S))
    same("as of before the corrections", then["L1-press"].values["temperature_c"], temperature(seconds))
    step, hour = timedelta(minutes=1), 60
    first = -(START_US // SECOND) % hour  # the grid is anchored at the epoch
    begin = first + (span_s // 2) // hour * hour
    minutes = np.arange(begin, begin + 600 * hour).reshape(-1, hour)
    values = temperature(minutes) + 1.0 + 1_000.0 * (minutes % 100_000 == 0)
    for aggregation, by in (
        (Aggregation.MEAN, np.mean),
        (Aggregation.MIN, np.min),
        (Aggregation.MAX, np.max),
        (Aggregation.SUM, np.sum),
    ):
        window = store.read(
            ["L2-press"],
            signals=["temperature_c"],
            start=at(begin),
            end=at(begin + 600 * hour),
            step=step,
            aggregation=aggregation,
        )["L2-press"]
        if not np.allclose(window.values["temperature_c"], by(values, axis=1), rtol=1e-12, atol=0.0):
            faults.append(f"{aggregation} by the minute")
    held = store.read(
        ["L1-press"],
        signals=["state"],
        start=at(begin),
        end=at(begin + 600 * hour),
        step=step,
        aggregation=Aggregation.DURATION,
    )["L1-press"]
    idle = (minutes // 600 % 2 == 0).sum(axis=1).astype(float)
    same("durations", np.round(held.durations["state"]["Idle"], 6), idle)
    newest = {(value.machine, value.signal): value.value for value in store.last_values()}
    same("last value", newest["L2-press", "good_parts"], float(span_s - 1))
    gone = store.delete("L2-press", start=at(1_000), end=at(2_000))
    same("deleted", gone, 1_000)
    left = store.read(["L2-press"], signals=["current_a"], start=at(0), end=at(3_000))["L2-press"]
    same("left", len(left), 2_000)
    return faults


def main() -> int:
    """Fill each store, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--kinds", default="embedded,influxdb")
    arguments = parser.parse_args()
    span_s = arguments.samples // (2 * SIGNALS)
    failed = False
    print("| store | samples | doubled | writing [CPU s, of this process] | questions [s] | wrong answers |")
    print("|---|---|---|---|---|---|")
    for kind in arguments.kinds.split(","):
        with tempfile.TemporaryDirectory(prefix="ten-million-", dir="/var/tmp") as given:
            folder = Path(given)
            server: Influx1 | None = None
            store: TimeSeriesStore
            if kind == "influxdb":
                (folder / "server").mkdir()
                server = Influx1(Path("/usr/bin/influxd"), folder / "server")
                server.start()
                settings = InfluxSettings(url=server.url, org="linewright", bucket="ten-million")
                store = InfluxWriter(
                    folder / "site", plant=PLANT, clock=PlantClock(), settings=settings, sizes=StoreSettings()
                )
            else:
                store = open_writer(folder / "site", plant=PLANT, clock=PlantClock(), settings=StoreSettings())
            try:
                with closing(store):
                    began = time.process_time()
                    counts = fill(store, span_s)
                    written_s, began = time.process_time() - began, time.perf_counter()
                    faults = wrong_answers(store, span_s, counts)
                    asked_s = time.perf_counter() - began
            finally:
                if server is not None:
                    server.stop()
                    server.close()
        failed |= bool(faults)
        print(
            f"| {kind} | {counts['stored']:,} | {counts['doubled']:,} | {written_s:.1f} | {asked_s:.1f} | "
            f"{'; '.join(faults) or 'none'} |",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
