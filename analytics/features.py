"""Causal features of a life: what the newest readings say at several time scales, against the machine's own baseline.

Row i of the features rests on rows 0..i of the life only, so truncating the future changes nothing.
All values are in healthy standard deviations of the machine class, after removing what the operating regime explains.
Source: multi-scale statistics with per-machine baseline deltas, `docs/benchmarks/risk-cmapss.md`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import lfilter

from analytics.lives import Life
from analytics.model_settings import AgeInput, ModelSettings
from analytics.normalise import Normaliser, normalise

LEVEL: Final = "level"
AGE: Final = "age"
TREND: Final = ("mean", "level", "slope")
"""On every scale: mean above the machine's own baseline, weighted mean as it stands, change over the window."""
SCATTER: Final = ("spread", "min", "max")
PRIOR_ROWS: Final = 2.0
"""Pseudo-readings at the class's own centre and spread that steady estimates from very few readings [row]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One input of the network."""

    signal: str
    """A signal, or `age`."""
    scale: str
    """`level`, `age`, or a window length such as `32 rows`; signal and scale make the group."""
    statistic: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Baseline:
    """What is healthy for the machine itself, as known at each row [class sigma]."""

    centre: NDArray[np.float64]
    """(row, signal)"""
    spread: NDArray[np.float64]
    """(row, signal)"""


def features_of(normaliser: Normaliser, *, settings: ModelSettings) -> tuple[Feature, ...]:
    """Names of the features, in the order of the columns of `extract`."""
    names = [Feature(signal=s, scale=LEVEL, statistic="last") for s in normaliser.kept]
    for rows in settings.windows_rows:
        for statistic in _statistics_at(rows, settings):
            names += [Feature(signal=s, scale=f"{rows} rows", statistic=statistic) for s in normaliser.kept]
    if settings.age is AgeInput.WITH:
        names.append(Feature(signal=AGE, scale=AGE, statistic="age"))
        parts = len(normaliser.age_knots) - 1
        names += [Feature(signal=AGE, scale=AGE, statistic=f"part {part + 1}") for part in range(parts)]
    return tuple(names)


def extract(
    life: Life, *, normaliser: Normaliser, settings: ModelSettings, rows: Sequence[int] | NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Features of some rows of a life (all by default). (row, feature), NaN where nothing was reported."""
    z = normalise(life, normaliser=normaliser)  # (time, signal)
    at = np.arange(len(life)) if rows is None else np.asarray(rows, dtype=np.intp)
    baseline = baseline_at(z, rows=at, baseline_rows=settings.baseline_rows)
    totals = _totals(z)
    columns = [z[at] - baseline.centre]
    for scale in settings.windows_rows:
        wanted = _statistics_at(scale, settings)
        columns += _window_statistics(z, totals, at, scale, baseline, wanted).values()
    if settings.age is AgeInput.WITH:
        columns += [life.age_units[at][:, None], _age_parts(life.age_units[at], normaliser.age_knots)]
    return np.concatenate(columns, axis=1)


def _age_parts(age: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the span between each two knots is behind [0..1]: a piecewise-linear encoding. (row, knot)

    One input among hundreds is drowned by the rest; in parts the network can weigh it as trees do (docs/benchmarks).
    """
    return np.asarray(np.clip((age[:, None] - knots[:-1]) / np.diff(knots), 0.0, 1.0))


def window_mean(z: NDArray[np.float64], *, rows: NDArray[np.intp], scale: int) -> NDArray[np.float64]:
    """Mean of the trailing window at each row, NaN where it is empty. (row, signal)"""
    totals = _totals(z)
    start, end = _start(rows, scale), rows + 1
    count = totals[0][end] - totals[0][start]
    total = totals[1][end] - totals[1][start]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def baseline_at(z: NDArray[np.float64], *, rows: NDArray[np.intp], baseline_rows: int) -> Baseline:
    """Median and scaled MAD of the first readings known at each row, drawn towards the class while they are few."""
    first = z[:baseline_rows]  # (first, signal)
    if not len(first):
        return Baseline(centre=np.zeros((0, z.shape[1])), spread=np.ones((0, z.shape[1])))
    steps = np.unique(np.minimum(rows, len(first) - 1))
    centre, spread = np.empty((len(first), z.shape[1])), np.empty((len(first), z.shape[1]))
    for step in steps:
        known = first[: step + 1]
        count = np.isfinite(known).sum(axis=0)
        middle = _median(known, count)
        mad = 1.4826 * _median(np.abs(known - middle), count)
        centre[step] = middle * count / (count + PRIOR_ROWS)
        spread[step] = np.sqrt((count * mad**2 + PRIOR_ROWS * 5) / (count + PRIOR_ROWS * 5))
    which = np.minimum(rows, len(first) - 1)
    return Baseline(centre=centre[which], spread=spread[which])


def _statistics_at(scale: int, settings: ModelSettings) -> tuple[str, ...]:
    """Scatter and extremes on the middle scale only: on every scale they cost accuracy (docs/benchmarks)."""
    middle = settings.windows_rows[len(settings.windows_rows) // 2]
    return (*TREND, *SCATTER) if scale == middle else TREND


def _median(values: NDArray[np.float64], count: NDArray[np.intp]) -> NDArray[np.float64]:
    """Median of each column over its finite values, 0 where there are none; NaN sorts last. (signal,)"""
    ordered = np.sort(values, axis=0)
    column = np.arange(values.shape[1])
    low, high = ordered[np.maximum(count - 1, 0) // 2, column], ordered[np.maximum(count, 1) // 2, column]
    middle = np.where(count % 2 == 1, low, (low + high) / 2)
    return np.where(count > 0, middle, 0.0)


def _start(rows: NDArray[np.intp], scale: int) -> NDArray[np.intp]:
    return np.maximum(rows + 1 - scale, 0)


def _totals(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Running totals of 1, z, z², t, t², t z over reported values, each led by a row of zeros. (time + 1, signal)"""
    mask = np.isfinite(z)
    filled = np.where(mask, z, 0.0)
    t = np.arange(len(z), dtype=np.float64)[:, None] * mask
    parts = (mask.astype(np.float64), filled, filled**2, t, t**2, t * filled)
    zero = np.zeros((1, z.shape[1]))
    return tuple(np.concatenate([zero, np.cumsum(part, axis=0)]) for part in parts)


def _window_statistics(
    z: NDArray[np.float64],
    totals: tuple[NDArray[np.float64], ...],
    rows: NDArray[np.intp],
    scale: int,
    baseline: Baseline,
    wanted: tuple[str, ...],
) -> dict[str, NDArray[np.float64]]:
    """Each statistic of the trailing window by its name. (row, signal) each"""
    start, end = _start(rows, scale), rows + 1
    count, total, square, time, time_square, cross = (part[end] - part[start] for part in totals)
    empty, safe = count == 0, np.maximum(count, 1)
    mean = total / safe
    scatter = np.maximum(square - count * mean**2, 0.0)
    spread = np.log((scatter + PRIOR_ROWS) / (count + PRIOR_ROWS)) / 2
    time_mean = time / safe
    time_scatter = np.maximum(time_square - count * time_mean**2, 0.0)
    steady = scale**3 / 120  # a tenth of a full window's scatter of time: damps slopes of few readings
    slope = scale * (cross - time_mean * total) / (time_scatter + steady)
    statistics = {"mean": mean - baseline.centre, "level": _weighted_mean(z, scale)[rows], "slope": slope}
    if "spread" in wanted:
        least, greatest = _extremes(z, rows, scale)
        statistics |= {"spread": spread, "min": least - baseline.centre, "max": greatest - baseline.centre}
    return {name: np.where(empty, np.nan, statistics[name]) for name in wanted}


def _weighted_mean(z: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Exponentially weighted mean over reported values, NaN before the first. (time, signal)"""
    keep = 1.0 - 2.0 / (scale + 1.0)
    mask = np.isfinite(z)
    total = lfilter([1.0], [1.0, -keep], np.where(mask, z, 0.0), axis=0)
    weight = lfilter([1.0], [1.0, -keep], mask.astype(np.float64), axis=0)
    return np.where(weight > 1e-9, total / np.maximum(weight, 1e-9), np.nan)


def _extremes(
    z: NDArray[np.float64], rows: NDArray[np.intp], scale: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest reported value of each row's trailing window, infinite where it is empty. (row, signal)"""
    empty = np.full((scale - 1, z.shape[1]), np.nan)
    windows = sliding_window_view(np.concatenate([empty, z]), scale, axis=0)[rows]  # (row, signal, scale)
    present = np.isfinite(windows)
    least = np.where(present, windows, np.inf).min(axis=2)
    greatest = np.where(present, windows, -np.inf).max(axis=2)
    return least, greatest
