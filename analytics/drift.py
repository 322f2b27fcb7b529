"""Why a signal is not as it was: its sensor, a new regime, drift, or wear. Only wear may raise a risk.

Each machine is compared with its own first readings, in healthy standard deviations after what the settings explain.
A sensor is at fault where its value stands still while others move, lies outside what is possible, or jumped to what
the same level would be in another unit. A regime is new where settings leave what was learned, or half of the signals
jumped at once and stayed. What moved gradually is drift where nearly the whole class moved so at the same time, else
wear; the model then says whether that way leads to failures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.explain import plain_name
from analytics.features import baseline_at
from analytics.lives import Life
from analytics.normalise import Normaliser, normalise
from plant.assets import MachineClass, Signal, SignalKind, SignalRole
from plant.clock import instant
from plant.quantities import UNITS, Quantity
from plant.risks import Cause, Diagnosis

RECENT: Final = 12
"""Readings that say how a signal is now [row]."""
HELD: Final = 3
"""Readings that a jump must last [row]."""
LIVELY: Final = 0.5
"""Share of the first readings that differ from the one before, below which standing still says nothing [0..1]."""
FAR_SIGMA: Final = 3.0
"""Beyond it a signal is not as it was."""
JUMP_SIGMA: Final = 8.0
"""A change within one reading beyond it is a jump."""
ABRUPT: Final = 0.8
"""Part of the whole change that came within one reading [0..1]."""
WORN: Final = ": as wear shows"
UNIT_TOLERANCE: Final = 0.03
"""How well a level must fit its old one in another unit [ratio]."""
REGIME_SCALES: Final = 4.0
"""Standard deviations of a setting, over all training rows, from the nearest regime that make a new one."""
FLEET_SHARE: Final = 0.8
FLEET_LEAST: Final = 4
FLEET_SPAN_H: Final = 12.0
"""So large a share of so many machines or more moving the same way within so many hours is drift."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Moves:
    """How the signals of one life moved."""

    deviation: NDArray[np.float64]
    """From the own baseline [own sigma]. (time, kept)"""
    now: NDArray[np.float64]
    """Median of the newest readings [own sigma]. (kept,)"""
    jumped_at: NDArray[np.intp]
    """Row of the jump that explains where the signal is; -1: none does. (kept,)"""


def diagnose(
    lives: Sequence[Life],
    *,
    normaliser: Normaliser,
    baseline_rows: int,
    machine_class: MachineClass,
    zone: tzinfo = UTC,
) -> tuple[tuple[Diagnosis, ...], ...]:
    """What is behind the signals of each machine that are not as they were; wear is said of what may be wear.

    Args:
        lives: The running lives of a class; together they tell what moved everywhere.
        normaliser: What settings explain, and how much healthy machines scatter.
        baseline_rows: First readings that are a machine's own baseline [row].
        machine_class: For ranges, units and roles.
        zone: In which the sentences tell since when.
    """
    moves = [_moves(life, normaliser, baseline_rows) for life in lives]
    fleet = _fleet_drift(lives, moves)
    return tuple(
        () if move is None else _of_life(life, move, normaliser, baseline_rows, machine_class, fleet, zone)
        for life, move in zip(lives, moves, strict=True)
    )


def not_wear(diagnoses: Sequence[Diagnosis]) -> frozenset[str]:
    """Signals that must not raise a risk."""
    return frozenset(each.signal for each in diagnoses if each.cause in (Cause.SENSOR_FAULT, Cause.DRIFT))


def in_new_regime(diagnoses: Sequence[Diagnosis]) -> Diagnosis | None:
    """That the machine works as the model has never seen it; None: it does not."""
    return next((each for each in diagnoses if each.cause is Cause.NEW_REGIME), None)


def settled(diagnoses: Sequence[Diagnosis], *, raising: frozenset[str]) -> tuple[Diagnosis, ...]:
    """What looked like wear and does not lead to failures, by the model's word, is drift.

    Args:
        diagnoses: Of one machine.
        raising: Signals that raise its risk.
    """
    return tuple(
        replace(each, cause=Cause.DRIFT, sentence=f"{each.sentence.removesuffix(WORN)}: it leads to no known failure")
        if each.cause is Cause.DEGRADATION and each.signal not in raising
        else each
        for each in diagnoses
    )


def _moves(life: Life, normaliser: Normaliser, baseline_rows: int) -> _Moves | None:
    if len(life) < baseline_rows + RECENT or life.signals != normaliser.signals:
        return None
    z = normalise(life, normaliser=normaliser)
    baseline = baseline_at(z, rows=np.array([len(z) - 1]), baseline_rows=baseline_rows)
    deviation = (z - baseline.centre) / baseline.spread
    now = np.array([_median(column[-RECENT:]) for column in deviation.T])
    jumped = np.array([_jump(column, level) for column, level in zip(deviation.T, now, strict=True)], dtype=np.intp)
    return _Moves(deviation=deviation, now=now, jumped_at=jumped)


def _of_life(
    life: Life,
    move: _Moves,
    normaliser: Normaliser,
    baseline_rows: int,
    machine_class: MachineClass,
    fleet: Mapping[tuple[int, int], int],
    zone: tzinfo,
) -> tuple[Diagnosis, ...]:
    signals = {signal.name: signal for signal in machine_class.signals}
    found: list[Diagnosis] = []
    regime = _new_regime(life, move, normaliser, machine_class, zone)
    if regime is not None:
        found.append(regime)
    for column, name in enumerate(normaliser.kept):
        if name in normaliser.settings or name not in signals or signals[name].kind is not SignalKind.GAUGE:
            continue  # what is counted has no sensor that could stand still
        fault = _sensor_fault(life, move, column, signals[name], baseline_rows, machine_class, zone)
        if fault is not None:
            found.append(fault)
        elif regime is None and abs(move.now[column]) > FAR_SIGMA:
            found.append(_slow_or_worn(life, move, column, name, machine_class, fleet, zone))
    return tuple(found)


def _sensor_fault(
    life: Life,
    move: _Moves,
    column: int,
    signal: Signal,
    baseline_rows: int,
    machine_class: MachineClass,
    zone: tzinfo,
) -> Diagnosis | None:
    values = life.values[:, life.signals.index(signal.name)]
    name, unit = plain_name(signal.name, machine_class=machine_class)
    run = _still(values)
    lively = _changing(values[:baseline_rows]) >= LIVELY
    others = np.delete(move.deviation[-RECENT:], column, axis=1)
    moving = bool((np.nan_to_num(np.ptp(others, axis=0)) > 0).any())
    if signal.role in (SignalRole.CONDITION, SignalRole.POWER) and moving and lively and run >= RECENT:
        since = instant(int(life.observed_at_us[len(life) - run]))
        text = (
            f"{name} has stood still at {values[-1]:.4g}{unit} for {run} readings while others move: look at its sensor"
        )
        return Diagnosis(signal=signal.name, cause=Cause.SENSOR_FAULT, since=since, sentence=text)
    low = -np.inf if signal.valid_min is None else signal.valid_min
    high = np.inf if signal.valid_max is None else signal.valid_max
    outside = (values < low) | (values > high)
    if outside[-RECENT:].mean() > 0.5:
        began = _run_begin(outside)
        bound = (
            f"at least {low:g}" if np.isinf(high) else f"at most {high:g}" if np.isinf(low) else f"{low:g} to {high:g}"
        )
        text = f"{name} at {_median(values[-RECENT:]):.4g}{unit} is outside what is possible ({bound}{unit})"
        since = instant(int(life.observed_at_us[began]))
        return Diagnosis(
            signal=signal.name, cause=Cause.SENSOR_FAULT, since=since, sentence=f"{text}: look at its sensor"
        )
    row = int(move.jumped_at[column])
    if row < 0:
        return None
    before, after = _median(values[max(row - RECENT, 0) : row]), _median(values[row : row + RECENT])
    other = _unit_mixed_up(before, after, signal.quantity)
    if not other:
        return None
    since = instant(int(life.observed_at_us[row]))
    text = (
        f"{name} jumped from {before:.4g} to {after:.4g}{unit}{_when(since, zone)}: the same level in {other}; "
        "look at the unit its source sends"
    )
    return Diagnosis(signal=signal.name, cause=Cause.SENSOR_FAULT, since=since, sentence=text)


def _new_regime(
    life: Life, move: _Moves, normaliser: Normaliser, machine_class: MachineClass, zone: tzinfo
) -> Diagnosis | None:
    columns = [life.signals.index(name) for name in normaliser.settings]
    if columns:
        standard = (life.values[-RECENT:, columns] - normaliser.setting_mean) / normaliser.setting_scale
        here = np.array([_median(each) for each in standard.T])
        nearest = normaliser.regimes[int(((np.nan_to_num(here) - normaliser.regimes) ** 2).sum(axis=1).argmin())]
        away = np.nan_to_num(np.abs(here - nearest))
        limit = REGIME_SCALES if len(normaliser.regimes) == 1 else 1.0
        if away.max() > limit:
            index = int(away.argmax())
            signal = normaliser.settings[index]
            name, unit = plain_name(signal, machine_class=machine_class)
            value = _median(life.values[-RECENT:, columns[index]])
            text = f"{name} is set to {value:.4g}{unit}, which the model has never seen: a new regime"
            return Diagnosis(signal=signal, cause=Cause.NEW_REGIME, since=None, sentence=text)
    for index, name in enumerate(normaliser.kept):
        row = int(move.jumped_at[index])
        if name not in normaliser.settings or row < 0:
            continue
        together = np.flatnonzero((move.jumped_at >= 0) & (np.abs(move.jumped_at - row) <= 1))
        if len(together) >= max(2, (len(normaliser.kept) + 1) // 2):
            since = instant(int(life.observed_at_us[row]))
            names = ", ".join(plain_name(normaliser.kept[i], machine_class=machine_class)[0] for i in together[:4])
            text = f"{names} jumped together{_when(since, zone)} and stayed: another product or setting, a new regime"
            return Diagnosis(signal=name, cause=Cause.NEW_REGIME, since=since, sentence=text)
    return None


def _slow_or_worn(
    life: Life,
    move: _Moves,
    column: int,
    signal: str,
    machine_class: MachineClass,
    fleet: Mapping[tuple[int, int], int],
    zone: tzinfo,
) -> Diagnosis:
    name, _ = plain_name(signal, machine_class=machine_class)
    sigma = float(move.now[column])
    side = 1 if sigma >= 0 else -1
    since = instant(int(life.observed_at_us[_began(move.deviation[:, column], side)]))
    where = f"{name} {abs(sigma):.1f} sigma {'above' if side > 0 else 'below'} its own baseline{_when(since, zone)}"
    if (column, side) in fleet:
        text = f"{where}, as on {fleet[column, side]} machines of the class at once: drift, not wear of this one"
        return Diagnosis(signal=signal, cause=Cause.DRIFT, since=since, sentence=text)
    return Diagnosis(signal=signal, cause=Cause.DEGRADATION, since=since, sentence=f"{where}{WORN}")


def _fleet_drift(lives: Sequence[Life], moves: Sequence[_Moves | None]) -> dict[tuple[int, int], int]:
    """Signals (by column) and sides to which nearly all machines moved at the same time, and how many did."""
    known = [(life, move) for life, move in zip(lives, moves, strict=True) if move is not None]
    found = {}
    columns = len(known[0][1].now) if known else 0
    for column in range(columns):
        for side in (1, -1):
            begun = sorted(
                int(life.observed_at_us[_began(move.deviation[:, column], side)])
                for life, move in known
                if side * move.now[column] > FAR_SIGMA
            )
            need = max(FLEET_LEAST, int(np.ceil(FLEET_SHARE * len(known))))
            spans = [begun[i + need - 1] - begun[i] for i in range(len(begun) - need + 1)]
            if spans and min(spans) <= FLEET_SPAN_H * 3.6e9:
                found[column, side] = len(begun)
    return found


def _jump(deviation: NDArray[np.float64], now: float) -> int:
    """Row at which the signal jumped to where it is now; -1: it did not, or not for long enough."""
    seen = np.flatnonzero(np.isfinite(deviation))
    if len(seen) <= RECENT:
        return -1
    steps = np.diff(deviation[seen])
    at = int(np.abs(steps).argmax()) + 1
    if len(seen) - at < HELD:
        return -1
    before = float(np.median(deviation[seen[max(at - RECENT, 0) : at]]))
    after = float(np.median(deviation[seen[at : at + RECENT]]))
    size = abs(after - before)
    held = abs(now - after) < 0.5 * size
    return int(seen[at]) if size > JUMP_SIGMA and abs(steps[at - 1]) > ABRUPT * size and held else -1


def _unit_mixed_up(before: float, after: float, quantity: Quantity) -> str:
    """The unit in which the level before reads as the level after; empty: none."""
    for unit, (of, factor, offset) in UNITS.items():
        if of is not quantity or (factor, offset) == (1.0, 0.0):
            continue
        told = (before - offset) / factor  # a canonical level as that unit would number it
        taken = before * factor + offset  # and a level in that unit that was converted twice
        for expected in (told, taken):
            if abs(after - expected) <= UNIT_TOLERANCE * max(abs(expected), 1e-9):
                return unit
    return ""


def _still(values: NDArray[np.float64]) -> int:
    """How many readings at the end say the same."""
    seen = values[np.isfinite(values)]
    if not len(seen):
        return 0
    changed = np.flatnonzero(seen != seen[-1])
    return len(seen) - (int(changed[-1]) + 1 if len(changed) else 0)


def _changing(values: NDArray[np.float64]) -> float:
    """Share of readings that differ from the one before [0..1]."""
    seen = values[np.isfinite(values)]
    return float((np.diff(seen) != 0).mean()) if len(seen) > 1 else 0.0


def _run_begin(flags: NDArray[np.bool_]) -> int:
    clear = np.flatnonzero(~flags[: -RECENT // 2])
    return int(clear[-1]) + 1 if len(clear) else 0


def _began(deviation: NDArray[np.float64], side: int) -> int:
    """First row of the stretch, up to now, in which smoothed readings were beyond the limit on that side."""
    padded = np.concatenate([np.full(RECENT - 1, np.nan), deviation])
    windows = np.lib.stride_tricks.sliding_window_view(padded, RECENT)
    present = np.isfinite(windows)
    mean = np.where(present, windows, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    inside = np.flatnonzero(side * mean <= FAR_SIGMA)
    return min(int(inside[-1]) + 1 if len(inside) else 0, len(deviation) - 1)


def _median(values: NDArray[np.float64]) -> float:
    seen = values[np.isfinite(values)]
    return float(np.median(seen)) if len(seen) else float("nan")


def _when(since: datetime, zone: tzinfo) -> str:
    return f" since {since.astimezone(zone):%d %b %H:%M}"
