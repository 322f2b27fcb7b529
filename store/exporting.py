"""Readings out of a store into one file that any tool reads: CSV, Parquet or Arrow, in the memory of six hours."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from plant.assets import Plant
from plant.signals import Aggregation, Quality, Window
from store.contract import ReadingStore
from store.embedded.columns import columns_of

CHUNK: Final = timedelta(hours=6)
CHUNK_STEPS: Final = 24
"""Steps in a piece, at least: of hours, a day."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT: Final = pa.timestamp("us", tz="UTC")
HELD: Final = pa.schema(
    {
        "machine": pa.string(),
        "observed_at": INSTANT,
        "signal": pa.string(),
        "state": pa.string(),
        "seconds": pa.float64(),
    }
)
"""Columns of a file of durations."""


class Format(StrEnum):
    """Of the file."""

    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"
    """Arrow IPC file ("Feather 2")."""


def export(
    store: ReadingStore,
    path: Path,
    *,
    plant: Plant,
    machines: Sequence[str],
    signals: Sequence[str] | None,
    start: datetime,
    end: datetime,
    kind: Format,
    step: timedelta | None = None,
    aggregation: Aggregation = Aggregation.MEAN,
    progress: Callable[[float], None] | None = None,
) -> int:
    """Write the readings of some machines in [start, end), piece after piece of time, each by machine and time.

    Args:
        store: To read from.
        path: Of the file; it appears only once it is whole.
        plant: For the classes of the machines.
        machines: Names that the plant knows.
        signals: Columns; None: all that these machines have.
        start: First instant.
        end: Last instant, excluded.
        kind: Format of the file.
        step: Grain, on a grid anchored at the epoch; steps without a reading are left out. None: as they were told.
        aggregation: How the readings of a step become one value. DURATION: seconds that each word of a state held,
            a row each, with the columns `signal`, `state` and `seconds` instead.
        progress: Called with the share done [0..1].

    Returns:
        Rows written; columns are `machine`, `observed_at` (UTC; of a step its begin), then the signals.

    Raises:
        ValueError: DURATION without a step.
    """
    held = aggregation is Aggregation.DURATION
    if held and step is None:
        raise ValueError("How long states held is told step by step; name a step.")
    schema = HELD if held else _schema(plant, machines, signals)
    draft = path.with_name(path.name + ".unfinished")
    rows = 0
    try:
        with draft.open("wb") as sink, _writer(kind, sink, schema) as writer:
            for low, high in _chunks(start, end, step):
                windows = store.read(machines, signals=signals, start=low, end=high, step=step, aggregation=aggregation)
                for machine in machines:
                    table = _held(windows[machine]) if held else _table(windows[machine], schema)
                    if len(table):
                        writer.write_table(table)
                        rows += len(table)
                if progress is not None:
                    progress((high - start) / (end - start))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return rows


def _writer(kind: Format, sink: Any, schema: Any) -> Any:
    if kind is Format.CSV:
        return pc.CSVWriter(sink, schema)
    if kind is Format.PARQUET:
        return pq.ParquetWriter(sink, schema, compression="zstd")
    return pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))


def _chunks(start: datetime, end: datetime, step: timedelta | None) -> Iterator[tuple[datetime, datetime]]:
    """Pieces of six hours, or of steps that many raw rows go into; borders are on the grid."""
    if step is None:
        while start < end:
            yield start, min(start + CHUNK, end)
            start += CHUNK
        return
    piece = max(1, CHUNK_STEPS, CHUNK // step) * step
    while start < end:
        past = EPOCH + ((start - EPOCH) // piece + 1) * piece
        yield start, min(past, end)
        start = past


def _schema(plant: Plant, machines: Sequence[str], signals: Sequence[str] | None) -> Any:
    types: dict[str, Any] = {"machine": pa.string(), "observed_at": INSTANT}
    for machine_class in dict.fromkeys(plant.machine_index[machine].machine_class for machine in machines):
        columns = columns_of(plant.class_index[machine_class])
        types |= {name: pa.float64() for name in columns.numbers if signals is None or name in signals}
        types |= {name: pa.string() for name in columns.texts if signals is None or name in signals}
    return pa.schema(list(types.items()))


def _held(window: Window) -> Any:
    """Seconds of each word of each state and step in which it held."""
    parts = [HELD.empty_table()]
    for name, words in window.durations.items():
        for word, seconds in words.items():
            steps = np.flatnonzero(np.nan_to_num(seconds) > 0)
            arrays = [
                pa.array([window.machine] * len(steps), pa.string()),
                pa.array(window.observed_at[steps]).cast(INSTANT),
                pa.array([name] * len(steps), pa.string()),
                pa.array([word] * len(steps), pa.string()),
                pa.array(seconds[steps]),
            ]
            parts.append(pa.table(arrays, schema=HELD))
    return pa.concat_tables(parts).sort_by([("observed_at", "ascending"), ("signal", "ascending")])


def _table(window: Window, schema: Any) -> Any:
    if window.step is not None:
        window = _told(window)
    arrays: list[Any] = []
    for part in schema:
        if part.name == "machine":
            arrays.append(pa.array([window.machine] * len(window), pa.string()))
        elif part.name == "observed_at":
            arrays.append(pa.array(window.observed_at).cast(part.type))
        elif part.name in window.values:
            values = window.values[part.name]
            arrays.append(pa.array(values, mask=np.isnan(values)))
        elif part.name in window.states:
            arrays.append(pa.array(window.states[part.name], pa.string()))
        else:
            arrays.append(pa.nulls(len(window), part.type))
    return pa.table(arrays, schema=schema)


def _told(window: Window) -> Window:
    """A stepped window without the steps in which nothing was reported."""
    rows = (window.quality & np.uint8(Quality.GAP)) == 0
    for values in window.values.values():
        rows |= ~np.isnan(values)
    return replace(
        window,
        observed_at=window.observed_at[rows],
        values={name: values[rows] for name, values in window.values.items()},
        states={name: words[rows] for name, words in window.states.items()},
        quality=window.quality[rows],
    )
