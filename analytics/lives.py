"""Lives of machines: what was read between one renewal and the next, or the failure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.event_counts import Tally, count, counted_signals
from plant.assets import MachineClass, MachineState, Signal, SignalKind, SignalRole
from plant.clock import instant, microseconds
from plant.signals import Window

WATCHED_ROLES: Final = (SignalRole.CONDITION, SignalRole.SETTING, SignalRole.POWER)
FAILED: Final = "failed"
RENEWING: Final = ("repaired", "maintained")


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewal:
    """Something that ended a life or began one."""

    machine: str
    kind: str
    """`failed`, `repaired` or `maintained`."""
    at: datetime
    mode: str = ""
    """Failure mode where it is known."""
    cleared_h: float = 0.0
    """Of a renewal: hours that the machine would have run on without it, by the word of who looked [h]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Life:
    """The operating readings of one machine since its renewal."""

    machine: str
    machine_class: str
    signals: tuple[str, ...]
    settings: tuple[str, ...]
    """Those of the signals that are operating settings."""
    observed_at_us: NDArray[np.int64]
    """Strictly increasing [µs UTC]. (time,)"""
    age_units: NDArray[np.float64]
    """Operating age since the renewal [life units]. (time,)"""
    values: NDArray[np.float64]
    """NaN where nothing was reported [canonical units]. (time, signal)"""
    failed: bool
    """Whether the life ended in a failure; else it was cut short or still runs (censored)."""
    mode: str = ""
    """Failure mode where it is known."""
    row_units: float = 1.0
    """Life units that one row adds."""
    cycle_h: float = 1.0
    """Hours of one life unit [h]."""
    unread_units: float = 0.0
    """Life units between the last reading and the end of the life."""

    def __len__(self) -> int:
        return len(self.observed_at_us)

    @property
    def remaining_units(self) -> NDArray[np.float64]:
        """Life units from each row to the failure or the end of observation. (time,)"""
        last = self.age_units[-1] if len(self) else 0.0
        return np.asarray(last + self.unread_units - self.age_units)


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """What a stretch of readings leaves behind for the rows that come after it."""

    state: str | None
    """The machine's last reported state."""
    executed: bool | None
    """Whether the last step ended in Execute; None: there was none."""
    operated: int
    """Operating rows so far."""
    tally: Tally
    """Of events and counters."""


def truncated(life: Life, *, rows: int) -> Life:
    """The first rows of a life, as if it were still running after them."""
    return replace(
        life,
        observed_at_us=life.observed_at_us[:rows],
        age_units=life.age_units[:rows],
        values=life.values[:rows],
        failed=life.failed and rows >= len(life),
        unread_units=life.unread_units if rows >= len(life) else 0.0,
    )


def data_hash(lives: Sequence[Life]) -> str:
    """SHA-256 over everything that training sees of the lives."""
    digest = hashlib.sha256()
    for life in lives:
        digest.update(f"{life.machine}|{life.machine_class}|{life.signals}|{life.failed}|{life.mode}".encode())
        digest.update(f"|{life.unread_units}".encode() if life.unread_units else b"")
        for column in (life.observed_at_us, life.age_units, life.values):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def chosen_rows(length: int, *, most: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows of a life to train on, denser towards its end, and how many readings each stands for.

    >>> rows, weight = chosen_rows(5, most=10)
    >>> rows.tolist(), weight.tolist()
    ([0, 1, 2, 3, 4], [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    if length <= most:
        return np.arange(length), np.ones(length)
    even = np.linspace(0, length - 1, most - most // 3)
    late = length - np.geomspace(1, length, most // 3)
    rows = np.unique(np.concatenate([even, late]).round().astype(np.intp))
    middle = (rows[1:] + rows[:-1]) / 2
    bounds = np.concatenate([[-0.5], middle, [length - 0.5]])
    return rows, np.diff(bounds)


def watched_signals(machine_class: MachineClass) -> tuple[Signal, ...]:
    """What the risk model looks at: gauges of condition, setting and power, then what is counted."""
    gauges = tuple(s for s in machine_class.signals if s.kind is SignalKind.GAUGE and s.role in WATCHED_ROLES)
    return gauges + counted_signals(machine_class)


def with_signals(life: Life, *, signals: tuple[str, ...]) -> Life:
    """The life with these signals in this order: others are left out, those it lacks were never reported."""
    if life.signals == signals:
        return life
    values = np.full((len(life), len(signals)), np.nan)
    for column, name in enumerate(signals):
        if name in life.signals:
            values[:, column] = life.values[:, life.signals.index(name)]
    return replace(
        life, signals=signals, settings=tuple(name for name in life.settings if name in signals), values=values
    )


def from_nothing(values: NDArray[np.float64], *, counted: int) -> NDArray[np.float64]:
    """The readings of a life from its first on, at which the last columns have counted nothing yet. (time, signal)"""
    if not counted or not len(values):
        return values
    values = values.copy()
    values[0, -counted:] = 0.0
    return values


def renewals_in(window: Window, *, machine_class: MachineClass) -> tuple[Renewal, ...]:
    """The failures, repairs and maintenance that the machine itself reported in a window."""
    signal = machine_class.signal(SignalRole.MAINTENANCE)
    events = window.states.get(signal.name) if signal else None
    if events is None:
        return ()
    known = (FAILED, *RENEWING)
    return tuple(
        Renewal(machine=window.machine, kind=str(kind), at=instant(int(at)))
        for at, kind in zip(window.observed_at, events, strict=True)
        if kind in known
    )


def lives_from_windows(
    windows: Mapping[str, Window], *, machine_class: MachineClass, renewals: Sequence[Renewal] | None = None
) -> tuple[Life, ...]:
    """All lives of machines of one class, in order of machine and time; the last of each machine still runs.

    Args:
        windows: By machine, stepped at the class's `assess_step`; raw where readings are per cycle.
        machine_class: Of all these machines.
        renewals: As recorded; None: those that the windows themselves report.
    """
    lives: list[Life] = []
    for window in windows.values():
        events = renewals_in(window, machine_class=machine_class) if renewals is None else renewals
        mine = sorted((e for e in events if e.machine == window.machine), key=lambda event: event.at)
        lives.extend(_lives_of(window, mine, machine_class))
    return tuple(lives)


def current_lives(
    windows: Mapping[str, Window], *, machine_class: MachineClass, renewals: Sequence[Renewal] | None = None
) -> tuple[Life, ...]:
    """The running life of each machine: its operating readings since the last renewal, possibly none."""
    newest: dict[str, Life] = {}
    for life in lives_from_windows(windows, machine_class=machine_class, renewals=renewals):
        newest[life.machine] = life
    return tuple(newest[window.machine] for window in windows.values())


def _lives_of(window: Window, events: Sequence[Renewal], machine_class: MachineClass) -> list[Life]:
    readings, _ = operating_readings(window, machine_class)
    at = readings.observed_at_us
    spans: list[tuple[int, int, Renewal | None]] = []  # first row, end row, the event that ended it
    begin = 0
    ended: Renewal | None = None
    for event in events:
        row = int(np.searchsorted(at, begins_at_us(event, window.step)))
        if event.kind == FAILED or ended is None or ended.kind != FAILED:
            spans.append((begin, row, event))
        begin, ended = row, event
    spans.append((begin, len(at), None))
    lives = []
    counted = len(counted_signals(machine_class))
    for number, (first, end, ending) in enumerate(spans):
        if end > first or number == len(spans) - 1:
            lives.append(_cut(readings, first, end, ending, counted))
    return lives


def begins_at_us(event: Renewal, step: timedelta | None) -> int:
    """Rows from here on belong to the next life: the first step that begins at or after the event."""
    at = microseconds(event.at)
    if step is not None and event.kind == FAILED:
        return at + 1  # the step in which it failed began before
    return at


def _cut(readings: Life, first: int, end: int, ending: Renewal | None, counted: int) -> Life:
    failed = ending is not None and ending.kind == FAILED
    age = readings.age_units[first:end]
    return replace(
        readings,
        observed_at_us=readings.observed_at_us[first:end],
        age_units=age - age[0] if len(age) else age,
        values=from_nothing(readings.values[first:end], counted=counted),
        failed=failed,
        mode=ending.mode if ending and failed else "",
        unread_units=ending.cleared_h / readings.cycle_h if ending and not failed else 0.0,
    )


def operating_readings(
    window: Window, machine_class: MachineClass, *, carried: Carried | None = None
) -> tuple[Life, Carried]:
    """All rows of a window in which the machine operated throughout, as one running life, and what comes after needs.

    A step that the machine ended in Execute adds to its age. Its readings count only where the step before ended in
    Execute as well: otherwise they mix work with a setup or a stop, and would look like a machine that got better.

    Args:
        window: Stepped at the class's `assess_step`; raw where readings are per cycle.
        machine_class: Of the machine.
        carried: From the window just before; None: this is the first one.
    """
    watched, counted = watched_signals(machine_class), counted_signals(machine_class)
    empty = np.full(len(window), np.nan)
    gauges = watched[: len(watched) - len(counted)]
    columns = [np.asarray(window.values.get(signal.name, empty), dtype=np.float64) for signal in gauges]
    values = np.column_stack(columns) if columns else np.empty((len(window), 0))
    state = machine_class.signal(SignalRole.STATE)
    reported = ~np.isnan(values).all(axis=1)
    operates, purely = reported, reported
    row_units = 1.0
    last, executed = (carried.state, carried.executed) if carried else (None, None)
    if state is not None and (state.name in window.states or carried is not None):
        if window.step is None:
            raise ValueError(f"{window.machine}: read it at a step of {machine_class.assess_step}, not raw")
        held = _held(window.states.get(state.name, np.full(len(window), None)), before=last)
        executes = np.asarray(held == MachineState.EXECUTE.value, dtype=np.bool_)
        operates = reported & executes
        before = executes[:1] if executed is None else np.array([executed])
        purely = operates & np.concatenate([before, executes[:-1]])[: len(executes)]
        row_units = window.step.total_seconds() / 3600 / machine_class.cycle_h
        if len(window):
            last, executed = held[-1], bool(executes[-1])
    rows = np.flatnonzero(purely)
    counts, tally = count(window, counted, rows=rows, carried=carried.tally if carried else None)
    already = carried.operated if carried else 0
    age_rows = already + np.cumsum(operates)[rows].astype(np.float64)
    life = Life(
        machine=window.machine,
        machine_class=machine_class.name,
        signals=tuple(signal.name for signal in watched),
        settings=tuple(signal.name for signal in watched if signal.role is SignalRole.SETTING),
        observed_at_us=window.observed_at[rows],
        age_units=age_rows * row_units,
        values=np.concatenate([values[rows], counts], axis=1),
        failed=False,
        row_units=row_units,
        cycle_h=machine_class.cycle_h,
    )
    return life, Carried(state=last, executed=executed, operated=already + int(operates.sum()), tally=tally)


def _held(states: NDArray[np.object_], *, before: str | None = None) -> NDArray[np.object_]:
    """States carried forward over rows without a report. (time,)"""
    reported = np.array([state is not None for state in states], dtype=bool)
    rows = np.maximum.accumulate(np.where(reported, np.arange(len(states)), -1))
    held = np.array([before], dtype=object)[np.zeros(len(states), dtype=np.intp)]
    held[rows >= 0] = states[rows[rows >= 0]]
    return np.asarray(held, dtype=object)
