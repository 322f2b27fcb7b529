"""What is doubtful about a window's values. Flags only: no value is ever changed, filled or dropped.

How the checks look at data follows pvanalytics (`quality.gaps`, `quality.outliers`); thresholds are reasoned below.
"""

from datetime import timedelta
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.counters import IMPOSSIBLE_FACTOR, US_PER_H, usual_maximum_per_h
from plant.assets import MachineClass, MachineState, Signal, SignalKind, SignalRole
from plant.clock import microseconds
from plant.signals import Quality, Window

GAP_PERIODS: Final = 3
"""Missing readings that make a gap; the definition of `plant.assets.Signal.period`."""
STUCK_READINGS: Final = 12
"""Equal readings in a row of a running machine that make a sensor stuck.

A sensor whose noise is only one quantisation step repeats its commonest value with chance P(|N(0,1)| < 0.5) = 0.38;
eleven repetitions then happen by chance once in 40,000 readings (0.38^11 = 2.4e-5), and rarer with any more noise.
"""
JUMP_SIGMA: Final = 10.0
"""Robust standard deviations of the usual change between readings that make a jump.

Vibration and current have heavier tails than a normal distribution; with Laplace noise a change of 10 robust sigma
still happens by chance only once in 10,000 readings.
"""
LEAST_CHANGES: Final = 20
"""Below this many changes their usual size is not known well enough to call one a jump."""
SIGMA_PER_MAD: Final = 1.4826
"""Standard deviation of a normal distribution per median absolute deviation."""


def flag(window: Window, machine_class: MachineClass) -> dict[str, NDArray[np.uint8]]:
    """`Quality` flags of every signal of the class at every instant of the window. signal -> (time,)

    - GAP: nothing was reported for three periods of the signal (or one step of the window, where that is longer); in a
      window of raw readings a silence has no instant of its own, so the reading that ends it carries the flag.
    - OUT_OF_RANGE: outside the signal's valid range.
    - STUCK: twelve equal readings of a condition or power signal in a row while the machine was running.
    - JUMP: a change ten robust sigma beyond the usual one without a change of state or product that explains it; for
      counters a growth ten times faster than the usual fast one.
    - COUNTER_RESET: a counter fell.

    Signals that the window does not hold are one gap. What ingest flagged for whole messages stays in `window.quality`.
    """
    regime = _regime(window, machine_class)
    flags: dict[str, NDArray[np.uint8]] = {}
    for signal in machine_class.signals:
        found = np.zeros(len(window), dtype=np.uint8)
        if signal.kind in (SignalKind.STATE, SignalKind.EVENT):
            texts = window.states.get(signal.name)
            reported = np.array([text is not None for text in texts] if texts is not None else [False] * len(window))
            if signal.kind is SignalKind.STATE:
                found[_gaps(window, signal, reported)] |= np.uint8(Quality.GAP)
            flags[signal.name] = found
            continue
        values = window.values.get(signal.name, np.full(len(window), np.nan))
        found[_gaps(window, signal, np.isfinite(values))] |= np.uint8(Quality.GAP)
        found[_out_of_range(signal, values)] |= np.uint8(Quality.OUT_OF_RANGE)
        if signal.kind is SignalKind.COUNTER:
            found[_resets(values)] |= np.uint8(Quality.COUNTER_RESET)
            found[_impossible_growth(values, window.observed_at)] |= np.uint8(Quality.JUMP)
        else:
            found[_stuck(signal, values, regime)] |= np.uint8(Quality.STUCK)
            found[_jumps(window, signal, values, regime)] |= np.uint8(Quality.JUMP)
        flags[signal.name] = found
    return flags


def _gaps(window: Window, signal: Signal, reported: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the last report is three periods old. (time,)"""
    allowed = max(GAP_PERIODS * signal.period, window.step or signal.period) / timedelta(microseconds=1)
    start = microseconds(window.start)
    if window.step is not None:
        start -= window.step // timedelta(microseconds=1)
    reports = np.where(reported, window.observed_at, start)
    last = np.maximum.accumulate(np.concatenate(([start], reports)))[:-1]  # report before each instant
    silence = window.observed_at - last
    return np.asarray(silence > allowed if window.step is None else ~reported & (silence >= allowed))


def _out_of_range(signal: Signal, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    low = -np.inf if signal.valid_min is None else signal.valid_min
    high = np.inf if signal.valid_max is None else signal.valid_max
    return np.asarray((values < low) | (values > high))  # NaN is neither


def _resets(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Instants at which a counter was below its last report. (reset,)"""
    seen = np.flatnonzero(np.isfinite(values))
    return seen[1:][np.diff(values[seen]) < 0]


def _impossible_growth(values: NDArray[np.float64], observed_at: NDArray[np.int64]) -> NDArray[np.int64]:
    maximum = usual_maximum_per_h(values, observed_at=observed_at)
    seen = np.flatnonzero(np.isfinite(values))
    if maximum is None:
        return seen[:0]
    steps = np.diff(values[seen])
    allowed = maximum * np.diff(observed_at[seen]) / US_PER_H
    usual = np.median(steps[steps > 0])
    return seen[1:][steps > np.maximum(allowed, IMPOSSIBLE_FACTOR * usual)]


def _stuck(signal: Signal, values: NDArray[np.float64], regime: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Runs of equal readings in one running regime. (time,)"""
    stuck = np.zeros(len(values), dtype=np.bool_)
    if signal.role not in (SignalRole.CONDITION, SignalRole.POWER):
        return stuck  # a setting or a life counter may well stand still
    seen = np.flatnonzero(np.isfinite(values))
    if len(seen) < STUCK_READINGS:
        return stuck
    changed = (np.diff(values[seen]) != 0) | (np.diff(regime[seen]) != 0)
    bounds = np.concatenate(([0], np.flatnonzero(changed) + 1, [len(seen)]))
    for first, last in pairwise(bounds.tolist()):
        if last - first >= STUCK_READINGS and regime[seen[first]] >= 0:
            stuck[seen[first:last]] = True
    return stuck


def _jumps(window: Window, signal: Signal, values: NDArray[np.float64], regime: NDArray[np.int64]) -> NDArray[np.int64]:
    """Instants that a value jumped to; the way back from a single outlier is not a jump. (jump,)"""
    seen = np.flatnonzero(np.isfinite(values))
    if signal.role is SignalRole.SETTING or len(seen) <= LEAST_CHANGES:
        return seen[:0]
    level = values[seen]
    changes = np.diff(level)
    allowed = max(GAP_PERIODS * signal.period, window.step or signal.period) / timedelta(microseconds=1)
    comparable = (np.diff(regime[seen]) == 0) & (np.diff(window.observed_at[seen]) <= allowed)
    if comparable.sum() < LEAST_CHANGES:
        return seen[:0]
    usual = changes[comparable]
    sigma = SIGMA_PER_MAD * float(np.median(np.abs(usual - np.median(usual))))
    if sigma == 0.0:  # mostly constant: measure by the changes that there are
        moved = np.abs(usual[usual != 0])
        sigma = float(np.median(moved)) if len(moved) else np.inf
    limit = JUMP_SIGMA * sigma
    found: list[int] = []
    for index in np.flatnonzero(comparable & (np.abs(changes) > limit)):
        came_back = bool(found) and found[-1] == index and abs(level[index + 1] - level[index - 1]) <= limit
        if not came_back:
            found.append(int(index) + 1)
    return seen[np.array(found, dtype=np.int64)]


def _regime(window: Window, machine_class: MachineClass) -> NDArray[np.int64]:
    """A number per instant that changes with state and product; -1 while the machine is known not to run. (time,)"""
    regime = np.zeros(len(window), dtype=np.int64)
    state_signal = machine_class.signal(SignalRole.STATE)
    texts: dict[tuple[object, object], int] = {}
    product_signal = machine_class.signal(SignalRole.PRODUCT)
    states = window.states.get(state_signal.name) if state_signal else None
    products = window.states.get(product_signal.name) if product_signal else None
    state = product = None
    for index in range(len(window)):
        state = states[index] if states is not None and states[index] is not None else state
        product = products[index] if products is not None and products[index] is not None else product
        running = state is None or state == MachineState.EXECUTE
        regime[index] = texts.setdefault((state, product), len(texts)) if running else -1
    return regime
