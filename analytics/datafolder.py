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

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics.event_table import EVENT, EVENTS, PREFIX, count_events
from analytics.labels import LABELS, ROW, read_labels
from analytics.lives import Life, from_nothing
from plant.assets import MachineClass, Signal, SignalRole
from plant.errors import ConfigError, DataError, Fault
from plant.quantities import Quantity

READINGS: Final = ("readings.parquet", "readings.csv.gz", "readings.csv")
MACHINE: Final = "machine"
TIMES: Final = ("cycle", "observed_at")
HOUR_US: Final = 3_600_000_000
SHOWN: Final = 5
"""Names listed in a fault; the others are counted."""


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

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    horizons: tuple[float, ...] = ()
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

    @property
    def in_time(self) -> bool:
        """Whether readings follow one another; else each row stands alone."""
        return self.time != ROW


@dataclass(frozen=True, kw_only=True, slots=True)
class _Event:
    at: float
    failed: bool
    mode: str


def read_dataset(folder: Path) -> Dataset:
    """Read a data folder.

    Raises:
        ConfigError: With all faults of the first file that cannot be used.
    """
    known = _settings(folder)
    path = next((folder / name for name in READINGS if (folder / name).is_file()), None)
    if path is None:
        raise _refused(folder, "no readings", f"one of {', '.join(READINGS)}")
    table = _table(path)
    time = next((name for name in TIMES if name in table.columns), "")
    rows_alone = not time and ((folder / LABELS).is_file() or ROW in table.columns)
    if rows_alone:
        time = ROW
        table = table if ROW in table.columns else table.assign(**{ROW: np.arange(1, len(table) + 1)})
        table = table if MACHINE in table.columns else table.assign(**{MACHINE: known.name or "rows"})
    faults = []
    if MACHINE not in table.columns:
        faults.append(Fault(where=str(path), found=_names(table.columns), expected=f"a column `{MACHINE}`"))
    if not time:
        faults.append(Fault(where=str(path), found=_names(table.columns), expected="a column `cycle` or `observed_at`"))
    if faults:
        raise DataError(tuple(faults))
    timing = (MACHINE, *TIMES, *([ROW] if rows_alone else []))
    signals = known.signals or tuple(str(name) for name in table.columns if name not in timing)
    unit = known.time_unit or (TimeUnit.CYCLE if time == "cycle" else TimeUnit.HOUR)
    unit_h = known.cycle_h if unit is TimeUnit.CYCLE else UNIT_H[unit]
    _check_signals(table, signals, known.settings, path=path)
    machines = table[MACHINE].astype(str).to_numpy(dtype=object)
    at = _times(table[time], unit_h=unit_h, path=path)
    _check_keys(machines, at, path=path)
    if rows_alone:
        for name in ("failures.csv", EVENTS):
            if (folder / name).is_file():
                expected = f"a column `cycle` or `observed_at`, as there is a file {name}"
                raise _refused(path, "rows without a time", expected)
    events = _events(folder, machines=set(machines.tolist()), time=time, unit_h=unit_h)
    labels, labelled = _labels(folder, machines=machines, at=at, time=time, unit_h=unit_h)
    counts = _counts(folder, machines=machines, at=at, time=time, unit_h=unit_h)
    total = sum(float(np.ptp(at[machines == name])) for name in set(machines.tolist()))
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
    values = table[list(signals)].to_numpy(dtype=np.float64)
    values = np.where(np.isfinite(values), values, np.nan)  # an infinite reading is none
    if not np.isfinite(values).any():
        raise _refused(path, f"{len(values)} rows without a number in {_names(signals)}", "readings")
    values = np.column_stack([values, *counts.values()])
    lives, chosen = _lives(machines, at, values, events=events, machine_class=machine_class, known=known)
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
    )


def _settings(folder: Path) -> DatasetSettings:
    path = folder / "dataset.toml"
    if not folder.is_dir():
        raise _refused(folder, "no such folder", "a folder with readings, see `linewright model train --help`")
    if not path.is_file():
        return DatasetSettings()
    try:
        return DatasetSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as broken:
        raise _refused(path, str(broken), "TOML") from broken
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


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, UnicodeDecodeError) as broken:
        raise _refused(path, str(broken).splitlines()[0], "a table that can be read") from broken


def _check_signals(table: pd.DataFrame, signals: tuple[str, ...], settings: tuple[str, ...], *, path: Path) -> None:
    faults = []
    missing = [name for name in signals if name not in table.columns]
    if missing:
        faults.append(Fault(where=str(path), found=f"no column {_names(missing)}", expected="every signal as a column"))
    text = [name for name in signals if name in table.columns and not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        expected = "numbers; or name the signals to be used in dataset.toml: signals"
        faults.append(Fault(where=str(path), found=f"text in {_names(text)}", expected=expected))
    strange = [name for name in settings if name not in signals]
    if strange:
        faults.append(Fault(where="dataset.toml: settings", found=_names(strange), expected="some of the signals"))
    if not signals:
        faults.append(Fault(where=str(path), found="no signal", expected="at least one column beside machine and time"))
    if faults:
        raise DataError(tuple(faults))


def _times(column: pd.Series, *, unit_h: float, path: Path) -> NDArray[np.float64]:
    """Instants in life units: numbers as they are, ISO 8601 since 1970. (row,)"""
    if pd.api.types.is_numeric_dtype(column):
        times = column.to_numpy(dtype=np.float64)
    else:
        instants = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
        us = instants.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
        times = np.where(np.isnat(us), np.nan, us.astype(np.int64) / (HOUR_US * unit_h))
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        found = f"{len(bad)} times that are none, the first {column.iloc[int(bad[0])]!r} in row {int(bad[0]) + 1}"
        raise _refused(path, found, f"`{column.name}` as numbers or ISO 8601")
    return np.asarray(times, dtype=np.float64)


def _check_keys(machines: NDArray[np.object_], at: NDArray[np.float64], *, path: Path) -> None:
    if not len(at):
        raise _refused(path, "no row", "a row per reading")
    twice = pd.DataFrame({"machine": machines, "at": at}).duplicated().to_numpy()
    if twice.any():
        row = int(twice.argmax())
        found = f"{int(twice.sum())} readings twice, the first of {machines[row]} in row {row + 1}"
        raise _refused(path, found, "one row per machine and time")


def _events(folder: Path, *, machines: set[str], time: str, unit_h: float) -> dict[str, list[_Event]]:
    """Failures and maintenance of each machine, in order."""
    events: dict[str, list[_Event]] = {}
    for name, moment in (("failures.csv", "failed_at"), ("maintenance.csv", "maintained_at")):
        path = folder / name
        if not path.is_file():
            continue
        table = _table(path)
        column = moment if moment in table.columns else time
        if MACHINE not in table.columns or column not in table.columns:
            raise _refused(path, _names(table.columns), f"columns `{MACHINE}` and `{moment}`")
        at = _times(table[column], unit_h=unit_h, path=path)
        modes = table["mode"].fillna("").astype(str) if "mode" in table.columns else [""] * len(table)
        for machine, instant, mode in zip(table[MACHINE].astype(str), at, modes, strict=True):
            if machine not in machines:
                raise _refused(path, f"machine {machine!r}", "a machine that has readings")
            events.setdefault(machine, []).append(_Event(at=float(instant), failed=moment == "failed_at", mode=mode))
    return {machine: sorted(mine, key=lambda event: event.at) for machine, mine in events.items()}


def _counts(
    folder: Path, *, machines: NDArray[np.object_], at: NDArray[np.float64], time: str, unit_h: float
) -> dict[str, NDArray[np.float64]]:
    """Counts of each kind of event by the name of their column, none without `events.csv`. (row,) each"""
    path = folder / EVENTS
    if not path.is_file():
        return {}
    table = _table(path)
    if any(column not in table.columns for column in (MACHINE, time, EVENT)):
        raise _refused(path, _names(table.columns), f"columns `{MACHINE}`, `{time}` and `{EVENT}`")
    whose = table[MACHINE].astype(str).to_numpy(dtype=object)
    strangers = sorted(set(whose.tolist()) - set(machines.tolist()))
    if strangers:
        raise _refused(path, f"machines {_names(strangers)}", "machines that have readings")
    happened = _times(table[time], unit_h=unit_h, path=path)
    kinds = table[EVENT].fillna("").astype(str).to_numpy(dtype=object)
    return count_events(kinds, whose, happened, machines=machines, at=at)


def _labels(
    folder: Path, *, machines: NDArray[np.object_], at: NDArray[np.float64], time: str, unit_h: float
) -> tuple[NDArray[np.float64], bool]:
    """Label of each reading, NaN without; and whether there is a file of them."""
    path = folder / LABELS
    if not path.is_file():
        return np.full(len(at), np.nan), False
    table = _table(path)
    times = _times(table[time], unit_h=unit_h, path=path) if time in table.columns else None
    return read_labels(path, table, machines=machines, at=at, time=time, label_times=times), True


def _lives(
    machines: NDArray[np.object_],
    at: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    events: dict[str, list[_Event]],
    machine_class: MachineClass,
    known: DatasetSettings,
) -> tuple[tuple[Life, ...], list[NDArray[np.intp]]]:
    """Cut each machine's readings where it failed or was maintained; also the file's rows of each life."""
    lives, chosen = [], []
    names, which = np.unique(machines.astype(str), return_inverse=True)
    order = np.lexsort((at, which))
    bounds = np.searchsorted(which[order], np.arange(len(names) + 1))
    steps = np.diff(at[order])[np.diff(which[order]) == 0]
    row_units = float(np.median(steps)) if len(steps) else 1.0
    signals = tuple(signal.name for signal in machine_class.signals)
    counted = sum(name.startswith(PREFIX) for name in signals)
    for number, name in enumerate(names):
        rows = order[bounds[number] : bounds[number + 1]]
        begin = 0
        for event in (*events.get(str(name), ()), None):
            end = len(rows) if event is None else _end_of(event, at[rows])
            if end <= begin:
                continue
            mine, begin = rows[begin:end], end
            lives.append(
                Life(
                    machine=str(name),
                    machine_class=machine_class.name,
                    signals=signals,
                    settings=known.settings,
                    observed_at_us=np.round(at[mine] * machine_class.cycle_h * HOUR_US).astype(np.int64),
                    age_units=at[mine] - at[mine[0]],
                    values=from_nothing(values[mine], counted=counted),
                    failed=event is not None and event.failed,
                    mode=event.mode if event is not None else "",
                    row_units=row_units,
                    cycle_h=machine_class.cycle_h,
                    unread_units=max(event.at - float(at[mine[-1]]), 0.0) if event is not None else 0.0,
                )
            )
            chosen.append(mine)
    return tuple(lives), chosen


def _end_of(event: _Event, at: NDArray[np.float64]) -> int:
    """Number of a machine's readings that lie before the event; one at a failure belongs to the life it ended."""
    return int(np.searchsorted(at, event.at, side="right" if event.failed else "left"))


def _names(names: Iterable[object]) -> str:
    """Some names of many, for a message."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def _refused(path: Path, found: str, expected: str) -> ConfigError:
    return DataError((Fault(where=str(path), found=found, expected=expected),))
