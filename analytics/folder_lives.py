"""A data folder's readings become lives: cut where a machine failed or was maintained."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.event_table import PREFIX
from analytics.folder_tables import HOUR_US, MACHINE, instants, machines_of, names, read_table, refused
from analytics.lives import Life, from_nothing
from plant.assets import MachineClass


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What ends a life."""

    at: float
    """[life unit]"""
    failed: bool
    """Else the machine was maintained."""
    mode: str


def read_events(folder: Path, *, machines: set[str], written: pd.Series, unit_h: float) -> dict[str, list[Event]]:
    """Failures and maintenance of each machine, in order."""
    events: dict[str, list[Event]] = {}
    for name, moment in (("failures.csv", "failed_at"), ("maintenance.csv", "maintained_at")):
        path = folder / name
        if not path.is_file():
            continue
        table = read_table(path)
        column = moment if moment in table.columns else str(written.name)
        if MACHINE not in table.columns or column not in table.columns:
            raise refused(path, names(table.columns), f"columns `{MACHINE}` and `{moment}`")
        at = instants(table[column], unit_h=unit_h, path=path, like=written)
        modes = table["mode"] if "mode" in table.columns else [""] * len(table)
        for row, (machine, instant, mode) in enumerate(zip(machines_of(table, path=path), at, modes, strict=True), 1):
            if machine not in machines:
                raise refused(path, f"machine {machine!r} in row {row}", "a machine that has readings")
            events.setdefault(machine, []).append(Event(at=float(instant), failed=moment == "failed_at", mode=mode))
    return {machine: sorted(mine, key=lambda event: event.at) for machine, mine in events.items()}


def unused_events(events: Mapping[str, list[Event]], *, begins: Mapping[str, float]) -> list[str]:
    """A note on what happened before any reading of its machine."""
    early = [machine for machine, mine in events.items() if any(event.at < begins[machine] for event in mine)]
    what = "failures or maintenance before the first reading of the machine are not used"
    return [f"{what}: {names(early)}"] * bool(early)


def cut_lives(
    machines: NDArray[np.object_],
    at: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    events: dict[str, list[Event]],
    machine_class: MachineClass,
    settings: tuple[str, ...],
) -> tuple[tuple[Life, ...], list[NDArray[np.intp]]]:
    """Cut each machine's readings where it failed or was maintained; also the file's rows of each life."""
    lives, chosen = [], []
    each, which = np.unique(machines.astype(str), return_inverse=True)
    order = np.lexsort((at, which))
    bounds = np.searchsorted(which[order], np.arange(len(each) + 1))
    steps = np.diff(at[order])[np.diff(which[order]) == 0]
    row_units = float(np.median(steps)) if len(steps) else 1.0
    signals = tuple(signal.name for signal in machine_class.signals)
    counted = sum(name.startswith(PREFIX) for name in signals)
    for number, name in enumerate(each):
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
                    settings=settings,
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


def _end_of(event: Event, at: NDArray[np.float64]) -> int:
    """Number of a machine's readings that lie before the event; one at a failure belongs to the life it ended."""
    return int(np.searchsorted(at, event.at, side="right" if event.failed else "left"))
