"""A folder of recorded readings, failures and maintenance: what the model trains on and scores outside the live store.

| file | columns | needed |
|---|---|---|
| `readings.csv`, `.csv.gz` or `.parquet` | `machine`, `cycle` or `observed_at`, a column of numbers per signal | yes |
| `failures.csv` | `machine`, `failed_at`, optionally `mode` | to train the failure risk |
| `labels.csv` | `machine`, the time or `row`, `label` | for point anomalies and rows without time |
| `maintenance.csv` | `machine`, `maintained_at` | no |
| `events.csv` | `machine`, the time as in the readings, `event` | no |
| `dataset.toml` | the fields of `DatasetSettings` | no |

All times of a folder are written alike: as cycles, as numbers in the time unit, or as ISO 8601 (without offset: UTC).
An empty cell is a missing reading. A reading at the moment of a failure belongs to the life that ended with it, one at
the moment of a maintenance to the next life. Readings without a time, or with `row` for one, are rows of their own:
nothing is learned from their order.
"""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics.event_table import EVENT, EVENTS, count_events
from analytics.folder_lives import cut_lives, read_events, unused_events
from analytics.folder_tables import (
    MACHINE,
    TIMES,
    count,
    instants,
    machines_of,
    names,
    numbers,
    read_table,
    refused,
    text_columns,
)
from analytics.labels import LABELS, ROW, read_labels
from analytics.lives import Life
from plant.assets import MachineClass, Signal, SignalRole
from plant.errors import DataError, Fault
from plant.quantities import Quantity

READINGS: Final = ("readings.parquet", "readings.csv.gz", "readings.csv")
MOSTLY: Final = 0.5
"""Share of text among a column's cells beyond which it is no signal [0..1]."""
NUMBER_LIKE: Final = re.compile(r"[-+0-9.,' ]*[0-9][-+0-9.,' ]*")


class TimeUnit(StrEnum):
    """What one life unit is."""

    CYCLE = "cycle"
    SECOND = "s"
    MINUTE = "min"
    HOUR = "h"
    DAY = "d"


UNIT_H: Final = {TimeUnit.SECOND: 1 / 3600, TimeUnit.MINUTE: 1 / 60, TimeUnit.HOUR: 1.0, TimeUnit.DAY: 24.0}


class DatasetSettings(BaseModel):
    """`dataset.toml`; each field may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(default="", pattern=r"^[A-Za-z0-9_-]*$")
    """Name of the machine class; empty: the folder's name."""
    signals: tuple[str, ...] = ()
    """Columns that the model looks at; empty: all but machine and time."""
    settings: tuple[str, ...] = ()
    """Those of them that are operating settings: what they explain is taken out of the others."""
    time_unit: TimeUnit | None = None
    """Unit of ages, horizons and numeric times; left out: `cycle` with a column `cycle`, else `h`."""
    cycle_h: float = Field(default=1.0, gt=0)
    """Hours of one cycle [h]."""
    horizons: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Spans within which a failure is asked for [time unit]; left out: chosen from the lengths of the failed lives."""
    mtbf_h: float | None = Field(default=None, gt=0)
    """Mean time between failures as known beforehand [h]; left out: a running total over the folder itself."""
    normal_rows: int | None = Field(default=None, gt=0)
    """First readings of each machine that are known to be normal [row]; left out: as failures and labels tell."""
    alarms_per_week: float = Field(default=1.0, gt=0, le=1000)
    """False alarms of unusual readings that are bearable in a week of a machine's normal operation [1/week]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """A data folder as lives."""

    machine_class: MachineClass
    unit: TimeUnit
    time: str
    """Name of the time column."""
    horizons: tuple[float, ...]
    """As `dataset.toml` names them, possibly none [unit]."""
    lives: tuple[Life, ...]
    """By machine and time; together they hold every reading."""
    written: tuple[NDArray[np.object_], ...]
    """The time of each reading as the file has it, life by life. (time,)"""
    labels: tuple[NDArray[np.float64], ...]
    """0 normal, 1 anomalous, NaN unlabelled, life by life. (time,)"""
    labelled: bool
    """Whether there is a labels.csv."""
    normal_rows: int | None
    """As `dataset.toml` says [row]."""
    alarms_per_week: float
    """As `dataset.toml` says [1/week]."""
    notes: tuple[str, ...] = ()
    """What was not used as it is written, and why."""

    @property
    def in_time(self) -> bool:
        """Whether readings follow one another; else each row stands alone."""
        return self.time != ROW


def read_dataset(folder: Path) -> Dataset:
    """Read a data folder.

    Raises:
        ConfigError: With all faults of the first file that cannot be used.
    """
    known = _settings(folder)
    paths = [folder / name for name in READINGS if (folder / name).is_file()]
    if len(paths) != 1:
        found = "no readings" if not paths else names(path.name for path in paths)
        raise refused(folder, found, f"one file of readings: {', '.join(READINGS[:-1])} or {READINGS[-1]}")
    (path,) = paths
    table = read_table(path)
    if not len(table):
        raise refused(path, "no row", "a row per reading")
    time = next((name for name in TIMES if name in table.columns), "")
    rows_alone = not time and ((folder / LABELS).is_file() or ROW in table.columns)
    if rows_alone:
        time = ROW
        table = table if ROW in table.columns else table.assign(**{ROW: np.arange(1, len(table) + 1)})
        table = table if MACHINE in table.columns else table.assign(**{MACHINE: known.name or "rows"})
    faults = []
    if MACHINE not in table.columns:
        faults.append(Fault(where=str(path), found=names(table.columns), expected=f"a column `{MACHINE}`"))
    if not time:
        faults.append(Fault(where=str(path), found=names(table.columns), expected="a column `cycle` or `observed_at`"))
    if faults:
        raise DataError(tuple(faults))
    notes = [f"{path.name}: of `cycle` and `observed_at` the first is the time"] * set(TIMES).issubset(table.columns)
    timing = (MACHINE, *TIMES, *([ROW] if rows_alone else []))
    signals, left_out = _signals(table, known, timing=timing, path=path)
    notes += left_out
    unit = known.time_unit or (TimeUnit.CYCLE if time == "cycle" else TimeUnit.HOUR)
    unit_h = known.cycle_h if unit is TimeUnit.CYCLE else UNIT_H[unit]
    table, repeated = _without_repeats(table, time=time, path=path, folder=folder)
    notes += repeated
    machines = machines_of(table, path=path)
    at = instants(table[time], unit_h=unit_h, path=path)
    _check_keys(machines, at, path=path, rows=table.index.to_numpy())
    if rows_alone:
        for name in ("failures.csv", EVENTS):
            if (folder / name).is_file():
                expected = f"a column `cycle` or `observed_at`, as there is a file {name}"
                raise refused(path, "rows without a time", expected)
    spans = pd.Series(at).groupby(machines.astype(str)).agg(["min", "max"])
    events = read_events(folder, machines=set(spans.index), written=table[time], unit_h=unit_h)
    notes += unused_events(events, begins=dict(zip(spans.index, spans["min"], strict=True)))
    labels, labelled = _labels(folder, machines=machines, at=at, written=table[time], unit_h=unit_h)
    counts = _counts(folder, machines=machines, at=at, written=table[time], unit_h=unit_h)
    total = float((spans["max"] - spans["min"]).sum())
    failures = sum(event.failed for mine in events.values() for event in mine)
    machine_class = MachineClass(
        name=known.name or folder.resolve().name,
        signals=tuple(
            Signal(
                name=name,
                quantity=Quantity.DIMENSIONLESS,
                role=SignalRole.SETTING if name in known.settings else SignalRole.CONDITION,
            )
            for name in (*signals, *counts)
        ),
        failure_modes=tuple(sorted({e.mode for mine in events.values() for e in mine if e.mode})) or ("failure",),
        cycle_h=unit_h,
        mtbf_h=known.mtbf_h or max(total, 1.0) * unit_h / max(failures, 1),
    )
    written = table[time].to_numpy(dtype=object)
    values, beyond = numbers(table, signals)
    notes += beyond
    if not np.isfinite(values).any():
        raise refused(path, f"{count(len(values), 'row')} without a number in {names(signals)}", "some readings")
    values = np.column_stack([values, *counts.values()])
    lives, chosen = cut_lives(machines, at, values, events=events, machine_class=machine_class, settings=known.settings)
    return Dataset(
        machine_class=machine_class,
        unit=unit,
        time=time,
        horizons=known.horizons,
        lives=lives,
        written=tuple(written[rows] for rows in chosen),
        labels=tuple(labels[rows] for rows in chosen),
        labelled=labelled,
        normal_rows=known.normal_rows,
        alarms_per_week=known.alarms_per_week,
        notes=tuple(notes),
    )


def _settings(folder: Path) -> DatasetSettings:
    path = folder / "dataset.toml"
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise refused(folder, found, "a folder with readings, see `linewright model train --help`")
    if not path.is_file():
        return DatasetSettings()
    try:
        return DatasetSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as broken:
        raise refused(path, str(broken), "TOML in UTF-8") from broken
    except ValidationError as broken:
        faults = [
            Fault(
                where=f"{path}: {'.'.join(str(part) for part in each['loc'])}",
                found=repr(each["input"])[:60],
                expected=f"{each['msg']}; the fields are {', '.join(DatasetSettings.model_fields)}",
            )
            for each in broken.errors()
        ]
        raise DataError(tuple(faults)) from broken


def _signals(
    table: pd.DataFrame, known: DatasetSettings, *, timing: tuple[str, ...], path: Path
) -> tuple[tuple[str, ...], list[str]]:
    """The columns to look at, and a note on those of text that nobody asked for."""
    signals = known.signals or tuple(str(name) for name in table.columns if name not in timing)
    texts = text_columns(table, signals)
    wordy = []
    if not known.signals:
        wordy = [name for name in texts if _wordy(table[name], *texts[name]) and name not in known.settings]
        signals = tuple(name for name in signals if name not in wordy)
    faults = []
    missing = [name for name in signals if name not in table.columns]
    if missing:
        faults.append(Fault(where=str(path), found=f"no column {names(missing)}", expected="every signal as a column"))
    for name, (cells_, row) in texts.items():
        if cells_ and name in signals:
            found = f"text in {name}: {count(cells_, 'cell')}, the first {table[name].iloc[row]!r} in row {row + 1}"
            expected = "numbers with a decimal point, and nothing where a reading is missing"
            expected += "; or name the signals to be used in dataset.toml: signals"
            faults.append(Fault(where=str(path), found=found, expected=expected))
    strange = [name for name in known.settings if name not in signals]
    if strange:
        faults.append(Fault(where="dataset.toml: settings", found=names(strange), expected="some of the signals"))
    if not signals:
        found = f"no signal{f', but text in {names(wordy)}' if wordy else ''}"
        faults.append(Fault(where=str(path), found=found, expected="at least one column beside machine and time"))
    if faults:
        raise DataError(tuple(faults))
    return signals, [f"{path.name}: {names(wordy)} left out: text, no numbers"] * bool(wordy)


def _wordy(column: pd.Series, cells: int, first: int) -> bool:
    """Whether most of a column are words; numbers written in another way are none."""
    said = str(column.iloc[first]).strip()
    return cells > MOSTLY * int(column.notna().sum()) and not NUMBER_LIKE.fullmatch(said)


def _without_repeats(table: pd.DataFrame, *, time: str, path: Path, folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Without rows that repeat an earlier one in every cell; rows that labels point at by number all stay."""
    again = table.duplicated().to_numpy()
    if time == ROW or not again.any():
        return table, []
    labels = folder / LABELS
    if labels.is_file() and time not in read_table(labels).columns:
        return table, []
    note = f"{path.name}: {count(int(again.sum()), 'row')} left out that repeat an earlier one, the first row "
    return table[~again], [f"{note}{int(again.argmax()) + 1}"]


def _check_keys(machines: NDArray[np.object_], at: NDArray[np.float64], *, path: Path, rows: NDArray[np.intp]) -> None:
    twice = pd.DataFrame({"machine": machines, "at": at}).duplicated().to_numpy()
    if twice.any():
        row = int(twice.argmax())
        found = f"{count(int(twice.sum()), 'reading')} twice, the first of {machines[row]} in row {int(rows[row]) + 1}"
        raise refused(path, found, "one row per machine and time")


def _counts(
    folder: Path, *, machines: NDArray[np.object_], at: NDArray[np.float64], written: pd.Series, unit_h: float
) -> dict[str, NDArray[np.float64]]:
    """Counts of each kind of event by the name of their column, none without `events.csv`. (row,) each"""
    path = folder / EVENTS
    if not path.is_file():
        return {}
    table, time = read_table(path), str(written.name)
    if any(column not in table.columns for column in (MACHINE, time, EVENT)):
        raise refused(path, names(table.columns), f"columns `{MACHINE}`, `{time}` and `{EVENT}`")
    whose = machines_of(table, path=path)
    strangers = sorted(set(whose.tolist()) - set(machines.tolist()))
    if strangers:
        raise refused(path, f"machines {names(strangers)}", "machines that have readings")
    happened = instants(table[time], unit_h=unit_h, path=path, like=written)
    kinds = table[EVENT].to_numpy(dtype=object)
    return count_events(kinds, whose, happened, machines=machines, at=at)


def _labels(
    folder: Path, *, machines: NDArray[np.object_], at: NDArray[np.float64], written: pd.Series, unit_h: float
) -> tuple[NDArray[np.float64], bool]:
    """Label of each reading, NaN without; and whether there is a file of them."""
    path = folder / LABELS
    if not path.is_file():
        return np.full(len(at), np.nan), False
    table, time = read_table(path), str(written.name)
    times = instants(table[time], unit_h=unit_h, path=path, like=written) if time in table.columns else None
    return read_labels(path, table, machines=machines, at=at, time=time, label_times=times), True
