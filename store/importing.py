"""History from CSV and Parquet files into a store, by a mapping; importing the same file again doubles nothing."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plant.assets import Plant
from plant.clock import PlantClock
from plant.errors import ConfigError, DataError, Fault
from plant.signals import Batch
from store.contract import TimeSeriesStore
from store.embedded.columns import columns_of

FILTER: Final = "import"
"""The line of the ledger under which imported rows are counted, one message each."""
NULLS: Final = pc.ConvertOptions(strings_can_be_null=True)
BATCH_ROWS: Final = 20_000
PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class ImportMapping(BaseModel):
    """Which column of a file is what; without a mapping, the columns are those that `linewright export` writes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str = "machine"
    """Column with the machine's name."""
    machine_name: str | None = None
    """One machine for the whole file, where it has no such column."""
    machines: dict[str, str] = Field(default_factory=dict)
    """Names in the file to names in the plant, where they differ."""
    time: str = "observed_at"
    """Column with the time of the reading."""
    time_unit: Literal["iso", "s", "ms", "us", "ns"] = "iso"
    """How the time is written; `iso` without an offset is taken as UTC."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Signal to column, where they differ."""


def load_mapping(path: Path) -> ImportMapping:
    """A mapping file (TOML). ConfigError with every fault."""
    try:
        return ImportMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError((Fault(where=str(path), found=str(error), expected="a TOML file that can be read"),)) from error
    except tomllib.TOMLDecodeError as error:
        raise DataError((Fault(where=str(path), found=str(error), expected="TOML"),)) from error
    except ValidationError as error:
        faults = tuple(
            Fault(where=f"{path}: {'.'.join(map(str, each['loc']))}", found=repr(each["input"]), expected=each["msg"])
            for each in error.errors()
        )
        raise DataError(faults) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """How far an import is."""

    new: int = 0
    """Samples that were not there."""
    known: int = 0
    """Samples that were there; repeats of what was sealed long ago are found at the next sealing."""
    share: float = 0.0
    """Of the file [0..1]."""


def importing(
    store: TimeSeriesStore,
    path: Path,
    *,
    run: str,
    mapping: ImportMapping,
    plant: Plant,
    clock: PlantClock,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Imported]:
    """Write every row of a file; each batch is durable before the next.

    Args:
        store: To write to.
        path: `.csv`, `.csv.gz` or `.parquet`.
        run: Of the ledger.
        mapping: Which column is what.
        plant: For classes and signals.
        clock: For `received_at`.
        batch_rows: Rows of a Parquet file in a batch; of CSV a hundred bytes count as one.

    Yields:
        How far it is, after each batch.

    Raises:
        ConfigError: a column, machine or value is not as the mapping says; rows before it are kept.
        Unavailable: the store cannot be written.
    """
    new = known = rows = 0
    for part, share in _parts(path, batch_rows):
        batch = _batch(part, path, first_row=rows, run=run, mapping=mapping, plant=plant, clock=clock)
        receipt = store.write(batch)
        new, known, rows = new + receipt.samples_stored, known + receipt.samples_duplicate, rows + len(part)
        yield Imported(new=new, known=known, share=share)


def _parts(path: Path, batch_rows: int) -> Iterator[tuple[Any, float]]:
    """Pieces of a file as tables, with the share of it that was read."""
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                read = 0
                for batch in file.iter_batches(batch_size=batch_rows):
                    read += len(batch)
                    yield pa.table(batch), read / max(file.metadata.num_rows, 1)
            return
        size, read = path.stat().st_size, 0
        options = pc.ReadOptions(block_size=100 * batch_rows)
        with pc.open_csv(path, read_options=options, convert_options=NULLS) as reader:
            for batch in reader:
                read += options.block_size
                yield pa.table(batch), min(read / max(size, 1), 1.0)
    except (OSError, pa.ArrowException) as error:
        raise DataError((Fault(where=str(path), found=str(error), expected="a CSV or Parquet file"),)) from error


def _batch(
    part: Any, path: Path, *, first_row: int, run: str, mapping: ImportMapping, plant: Plant, clock: PlantClock
) -> Batch:
    machines = _machines(part, path, mapping)
    unknown = sorted(set(machines) - set(plant.machine_index))
    if unknown:
        known = ", ".join(plant.machine_index)
        raise _fault(path, f"machine {', '.join(unknown[:5])}", f"one of {known}, or a line under [machines]")
    observed = _instants(_column(part, mapping.time, path), path, mapping.time_unit)
    class_of = np.array([plant.machine_index[machine].machine_class for machine in machines], dtype=object)
    tables = {}
    for name in dict.fromkeys(class_of):
        rows = np.flatnonzero(class_of == name)
        columns = columns_of(plant.class_index[name])
        arrays: dict[str, Any] = {
            "machine": pa.array(machines[rows], pa.string()),
            "observed_at": pa.array(observed[rows]),
            "received_at": pa.array(np.full(len(rows), clock.now_us(), dtype=np.int64)),
            "message": pa.array(rows.astype(np.int32)),
        }
        for signal in columns.signals:
            source = mapping.columns.get(signal, signal)
            if source in part.column_names:
                kind = pa.float64() if signal in columns.numbers else pa.string()
                try:
                    arrays[signal] = part[source].take(pa.array(rows)).cast(kind)
                except pa.ArrowInvalid as error:
                    raise _fault(path, f"column {source}: {error}", f"{kind} for signal {signal}") from error
            elif signal in mapping.columns:
                raise _fault(path, f"no column {source}", f"one of {', '.join(part.column_names)}")
        tables[name] = pa.table(arrays)
    return Batch(
        run=run,
        tables=tables,
        filters=(FILTER,),
        message_filter=np.zeros(len(part), dtype=np.int16),
        received=np.array([first_row + len(part)], dtype=np.int64),
    )


def _machines(part: Any, path: Path, mapping: ImportMapping) -> Any:
    if mapping.machine_name is not None:
        return np.full(len(part), mapping.machine_name, dtype=object)
    names = _column(part, mapping.machine, path).cast(pa.string()).to_pylist()
    return np.array([mapping.machines.get(name, name) for name in names], dtype=object)


def _instants(column: Any, path: Path, unit: str) -> Any:
    if unit != "iso":
        scaled = np.asarray(column.to_numpy(), dtype=np.float64) if unit == "s" else column.cast(pa.int64()).to_numpy()
        return np.round(scaled * (1_000_000 / PER_SECOND[unit])).astype(np.int64)
    import pandas as pd  # here, where a file is read: the ingest role that may be asked to do it is smaller without

    try:
        instants = pd.to_datetime(column.to_pandas(), utc=True, format=None if _is_time(column) else "ISO8601")
    except (ValueError, TypeError) as error:
        raise _fault(path, str(error), "ISO 8601 times, or another time_unit in the mapping") from error
    if instants.isna().any():
        raise _fault(path, "a row without a time", "a time in every row")
    return instants.astype("datetime64[us, UTC]").astype("int64").to_numpy()


def _is_time(column: Any) -> bool:
    return bool(pa.types.is_timestamp(column.type) or pa.types.is_date(column.type))


def _column(part: Any, name: str, path: Path) -> Any:
    if name not in part.column_names:
        raise _fault(path, f"no column {name}", f"one of {', '.join(part.column_names)}; name it in the mapping")
    return part[name]


def _fault(path: Path, found: str, expected: str) -> ConfigError:
    return DataError((Fault(where=str(path), found=found, expected=expected),))
