"""Recorded data in files, and the mapping that says what is in them."""

import math
import tomllib
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plant.clock import US_PER_S, microseconds
from plant.errors import ConfigError, Fault, Unavailable

US_PER_H: Final = 3_600 * US_PER_S
_TICK_US: Final = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


class FileFormat(StrEnum):
    CSV = "csv"
    WHITESPACE = "whitespace"
    """Columns parted by blanks."""
    PARQUET = "parquet"


class RecordedTime(StrEnum):
    """How a recording writes its time."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"
    ISO = "iso"
    """ISO 8601 text, or a Parquet timestamp; without a zone it is taken as UTC."""
    CYCLE = "cycle"
    """A count of life units: `cycle_h` hours each."""


class Ending(StrEnum):
    """What is known of each machine after its last row."""

    RUNNING = "running"
    FAILED = "failed"
    """It failed: a maintenance event `failed` follows its last row."""


class Alignment(StrEnum):
    """Which ends of the machines' recordings meet, where time is counted in cycles."""

    START = "start"
    END = "end"


class RecordingSettings(BaseModel):
    """A mapping file: which files, what their columns mean, and the topic they are published on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: str = Field(
        min_length=1, description="Files, by a glob below the folder, e.g. `test_*.txt.gz`; `.gz` is unpacked."
    )
    folder: Path = Field(default=Path(), description="Folder of the files, relative to the mapping file.")
    format: FileFormat = Field(default=FileFormat.CSV, description="csv, whitespace or parquet.")
    columns: tuple[str, ...] = Field(
        default=(), description="Names of the columns where the files have no header; empty: the header's."
    )
    machine_column: str = Field(
        default="", description="Column that tells the machines apart; empty: one machine per file."
    )
    machine_name: str = Field(
        default="{value}",
        description="The machine's name from the column's or the file's {value}, e.g. `engine-{value:03d}`.",
    )
    time_column: str = Field(min_length=1, description="Column of the time or of the cycle.")
    time_unit: RecordedTime = Field(description="s, ms, us, ns, iso or cycle.")
    cycle_h: float = Field(default=1.0, gt=0, description="Hours of one cycle [h], with time_unit `cycle`.")
    first_cycle: int = Field(default=1, description="The cycle that falls on the start, with time_unit `cycle`.")
    start: datetime = Field(
        default=datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
        description="Instant of the first cycle, or with align `end` of the last; only with time_unit `cycle`.",
    )
    align: Alignment = Field(
        default=Alignment.START, description="Whether the machines begin or end together, with time_unit `cycle`."
    )
    signals: dict[str, str] = Field(
        default_factory=dict,
        description="Signal = column; empty: every column but the machine's and the time's, by its own name.",
    )
    topic: str = Field(
        default="{enterprise}/{site}/{area}/{line}/{machine}/telemetry",
        description="Topic; all placeholders but {machine} are filled from the plant.",
    )
    ends_in: Ending = Field(
        default=Ending.RUNNING, description="running, or failed: an event follows each machine's last row."
    )
    ending_signal: str = Field(default="maintenance", description="Signal of that event.")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.start.utcoffset() is None:
            raise ValueError("start has no zone; write it like 2026-01-01T00:00:00Z")
        if "{value" not in self.machine_name and self.machine_column:
            raise ValueError("machine_name does not hold {value}, so all rows would be of one machine")
        if self.columns:
            used = [self.time_column, *filter(None, [self.machine_column]), *self.signals.values()]
            missing = [name for name in used if name not in self.columns]
            if missing:
                raise ValueError(f"{', '.join(missing)} is not among columns")
        return self


class Row(NamedTuple):
    """One recorded reading."""

    machine: str
    at_us: int
    """[µs UTC]"""
    fields: dict[str, Any]
    """Numbers and text as recorded; what is missing in the row is left out."""


def load_recording(path: Path) -> RecordingSettings:
    """Read a mapping file; its folder becomes absolute.

    Raises:
        ConfigError: Every fault of the file.
    """
    try:
        settings = RecordingSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        if isinstance(error, ValidationError):
            faults = [
                Fault(
                    where=f"{path.name}: {'.'.join(str(part) for part in each['loc']) or 'file'}",
                    found=repr(each["input"])[:80],
                    expected=each["msg"].removeprefix("Value error, "),
                )
                for each in error.errors()
            ]
            raise ConfigError(tuple(faults)) from error
        raise ConfigError((Fault(where=str(path), found=str(error), expected="a readable TOML file"),)) from error
    return settings.model_copy(update={"folder": (path.parent / settings.folder).resolve()})


def recorded_files(settings: RecordingSettings, *, folder: Path | None = None) -> tuple[Path, ...]:
    """The files of a recording by name. Raises ConfigError where there are none."""
    place = folder or settings.folder
    found = tuple(sorted(place.glob(settings.files))) if place.is_dir() else ()
    if not found:
        expected = "name files that exist; another folder can be given on the command line"
        raise ConfigError((Fault(where="replay.files", found=str(place / settings.files), expected=expected),))
    return found


def read_rows(path: Path, *, settings: RecordingSettings) -> Iterator[Row]:
    """Rows of one file in the order of time, then of machine; the file is held in memory meanwhile.

    A row without any value is no reading and is left out.

    Raises:
        ConfigError: Columns that are not there, or times that cannot be read.
        Unavailable: The file cannot be read.
    """
    table = _load(path, settings)
    wanted = settings.signals or {
        name: name for name in table.columns if name not in (settings.machine_column, settings.time_column)
    }
    needed = {settings.time_column, *filter(None, [settings.machine_column]), *wanted.values()}
    if absent := sorted(needed - set(table.columns)):
        raise _fault(path, f"columns {', '.join(map(str, table.columns[:8]))}", f"it must have {', '.join(absent)}")
    machines = _machines(table, path, settings)
    times = _times(table[settings.time_column], machines, path, settings)
    columns = {signal: table[column].tolist() for signal, column in wanted.items()}
    for index in np.lexsort((machines.astype(str), times)).tolist():
        fields = {signal: values[index] for signal, values in columns.items() if not _missing(values[index])}
        if fields:
            yield Row(str(machines[index]), int(times[index]), fields)


def _load(path: Path, settings: RecordingSettings) -> pd.DataFrame:
    try:
        if settings.format is FileFormat.PARQUET:
            frame: pd.DataFrame = pq.read_table(path).to_pandas()
            return frame
        return pd.read_csv(
            path,
            sep=r"\s+" if settings.format is FileFormat.WHITESPACE else ",",
            header=None if settings.columns else 0,
            names=list(settings.columns) or None,
            index_col=False,
        )
    except (OSError, EOFError) as error:
        raise Unavailable(f"Cannot read {path} ({error}). Check that it is there and whole.") from error
    except ValueError as error:
        raise _fault(
            path, str(error).splitlines()[0][:120], f"it must be {settings.format} as the mapping says"
        ) from error


def _machines(table: pd.DataFrame, path: Path, settings: RecordingSettings) -> NDArray[np.object_]:
    if not settings.machine_column:
        name = settings.machine_name.format(value=path.name.split(".")[0])
        return np.full(len(table), name, dtype=object)
    values = table[settings.machine_column].tolist()
    try:
        names = {value: settings.machine_name.format(value=value) for value in set(values)}
    except (ValueError, KeyError, IndexError) as error:
        raise _fault(
            path, f"machine_name {settings.machine_name!r}", f"it must fit the column's values ({error})"
        ) from error
    return np.array([names[value] for value in values], dtype=object)


def _times(
    column: "pd.Series[Any]", machines: NDArray[np.object_], path: Path, settings: RecordingSettings
) -> NDArray[np.int64]:
    """Instants of the rows [µs UTC]. (row,)"""
    unit = settings.time_unit
    try:
        if unit is RecordedTime.ISO:
            instants = pd.to_datetime(column, utc=True, format=None if column.dtype.kind == "M" else "ISO8601")
            if instants.isna().any():
                raise ValueError("some are empty")
            whole_us: NDArray[np.int64] = instants.dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64)
            return whole_us
        numbers = column.to_numpy(dtype=np.float64) if unit is RecordedTime.CYCLE else column.to_numpy()
        if not np.isfinite(numbers.astype(np.float64)).all():
            raise ValueError("some are empty")
    except (ValueError, TypeError, OverflowError) as error:
        raise _fault(path, f"column {settings.time_column} ({error})", f"every row needs a time as {unit}") from error
    if unit is not RecordedTime.CYCLE:
        if numbers.dtype.kind in "iu":
            whole: NDArray[np.int64] = numbers.astype(np.int64)
            return whole // 1_000 if unit is RecordedTime.NS else whole * int(_TICK_US[unit])
        ticks: NDArray[np.int64] = np.rint(numbers * _TICK_US[unit]).astype(np.int64)
        return ticks
    origin = np.full(len(numbers), float(settings.first_cycle))
    if settings.align is Alignment.END:
        for machine in np.unique(machines.astype(str)):
            own = machines == machine
            origin[own] = numbers[own].max()
    offset: NDArray[np.int64] = np.rint((numbers - origin) * settings.cycle_h * US_PER_H).astype(np.int64)
    return microseconds(settings.start) + offset


def _missing(value: object) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _fault(path: Path, found: str, expected: str) -> ConfigError:
    return ConfigError((Fault(where=path.name, found=found, expected=expected),))
