"""Readings out of a store into one file that any tool reads: CSV, Parquet or Arrow, in the memory of six hours."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from plant.assets import Plant
from plant.signals import Window
from store.contract import ReadingStore
from store.embedded.columns import columns_of

CHUNK: Final = timedelta(hours=6)


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
    progress: Callable[[float], None] | None = None,
) -> int:
    """Write the raw readings of some machines in [start, end), in six-hour pieces, each by machine and time.

    Args:
        store: To read from.
        path: Of the file; it appears only once it is whole.
        plant: For the classes of the machines.
        machines: Names that the plant knows.
        signals: Columns; None: all that these machines have.
        start: First instant.
        end: Last instant, excluded.
        kind: Format of the file.
        progress: Called with the share done [0..1].

    Returns:
        Rows written; columns are `machine`, `observed_at` (UTC), then the signals.
    """
    schema = _schema(plant, machines, signals)
    draft = path.with_name(path.name + ".unfinished")
    rows = 0
    try:
        with draft.open("wb") as sink, _writer(kind, sink, schema) as writer:
            for low, high in _chunks(start, end):
                windows = store.read(machines, signals=signals, start=low, end=high)
                for machine in machines:
                    if len(window := windows[machine]):
                        writer.write_table(_table(window, schema))
                        rows += len(window)
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


def _chunks(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + CHUNK, end)
        start += CHUNK


def _schema(plant: Plant, machines: Sequence[str], signals: Sequence[str] | None) -> Any:
    types: dict[str, Any] = {"machine": pa.string(), "observed_at": pa.timestamp("us", tz="UTC")}
    for machine_class in dict.fromkeys(plant.machine_index[machine].machine_class for machine in machines):
        columns = columns_of(plant.class_index[machine_class])
        types |= {name: pa.float64() for name in columns.numbers if signals is None or name in signals}
        types |= {name: pa.string() for name in columns.texts if signals is None or name in signals}
    return pa.schema(list(types.items()))


def _table(window: Window, schema: Any) -> Any:
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
