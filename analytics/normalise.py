"""What the operating regime and the settings explain, taken out of the signals before the model looks at them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from analytics.lives import Life
from analytics.model_settings import ModelSettings

HEALTHY_SHARE = 0.3
"""First part of a life that counts as healthy when the class's spread is measured [0..1]."""
REGIME_RESIDUAL = 0.01
"""Share of the settings' variance that separate regimes may leave; a continuous spread leaves more [0..1]."""
RIDGE = 1e-4
"""Steadies the settings' effects where settings hardly vary [ratio of rows]."""
CONSTANT = 1e-6
"""Relative spread below which a signal carries nothing [ratio]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Normaliser:
    """Fitted on training lives only."""

    signals: tuple[str, ...]
    """As in the lives it was fitted on."""
    kept: tuple[str, ...]
    """Those that vary, in that order."""
    settings: tuple[str, ...]
    regimes: NDArray[np.float64]
    """Centres in standardised settings. (regime, setting)"""
    setting_mean: NDArray[np.float64]
    """(setting,)"""
    setting_scale: NDArray[np.float64]
    """(setting,)"""
    effect: NDArray[np.float64]
    """Linear effect of the standardised settings within a regime [canonical unit]. (setting, kept)"""
    centre: NDArray[np.float64]
    """Healthy median in each regime [canonical unit]. (regime, kept)"""
    sigma: NDArray[np.float64]
    """Healthy standard deviation in each regime [canonical unit]. (regime, kept)"""
    age_knots: NDArray[np.float64]
    """Quantiles of the operating age over all rows, increasing [life units]. (knot + 1,)"""


def fit_normaliser(lives: Sequence[Life], *, settings: ModelSettings, seed: int) -> Normaliser:
    """Regimes by k-means on the settings, healthy centre and spread in each, and the settings' linear effect."""
    first = lives[0]
    values = np.concatenate([life.values for life in lives])  # (row, signal)
    healthy = np.concatenate([_is_healthy(life) for life in lives])
    varies = _varies(values)
    columns = [index for index, name in enumerate(first.signals) if name in first.settings and varies[index]]
    chosen = values[:, columns]
    mean, scale = np.nanmean(chosen, axis=0), np.nanstd(chosen, axis=0)
    standard = np.nan_to_num((chosen - mean) / scale)
    regimes = _regimes(standard, settings.regimes_max, seed)
    regime = _nearest(standard, regimes)
    kept = np.flatnonzero(varies)
    y = values[:, kept]
    # the settings themselves keep their own level: nothing is taken out of them
    is_setting = np.isin(kept, columns)
    offset = standard - regimes[regime]
    centre, effect = _settings_effects(y, lives, healthy, regime=np.eye(len(regimes))[regime], offset=offset)
    centre[:, is_setting] = medians(y[:, is_setting])
    effect[:, is_setting] = 0.0
    residual = y - centre[regime] - offset @ effect
    sigma = np.stack(
        [_spread_within_lives(residual, lives, healthy & (regime == r), healthy) for r in range(len(regimes))]
    )
    sigma[:, is_setting] = np.nanstd(y[:, is_setting], axis=0)
    return Normaliser(
        signals=first.signals,
        kept=tuple(first.signals[index] for index in kept),
        settings=tuple(first.signals[index] for index in columns),
        regimes=regimes,
        setting_mean=mean,
        setting_scale=scale,
        effect=effect,
        centre=centre,
        sigma=sigma,
        age_knots=_age_knots(np.concatenate([life.age_units for life in lives]), settings.age_parts[-1]),
    )


def normalise(life: Life, *, normaliser: Normaliser) -> NDArray[np.float64]:
    """Kept signals in healthy standard deviations of their regime. (time, signal), NaN where nothing was reported."""
    if life.signals != normaliser.signals:
        raise ValueError(f"{life.machine} has the signals {life.signals}; the model learned {normaliser.signals}")
    usual, sigma = usual_values(life.values, normaliser=normaliser)
    kept = [normaliser.signals.index(name) for name in normaliser.kept]
    return np.asarray((life.values[:, kept] - usual) / sigma)


def usual_values(
    values: NDArray[np.float64], *, normaliser: Normaliser
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a healthy machine shows under these settings, and its spread [canonical unit]. (time, kept) each"""
    standard = _standard_settings(values, normaliser)
    regime = _nearest(standard, normaliser.regimes)
    usual = normaliser.centre[regime] + (standard - normaliser.regimes[regime]) @ normaliser.effect
    return usual, normaliser.sigma[regime]


def _age_knots(age: NDArray[np.float64], knots: int) -> NDArray[np.float64]:
    """Even quantiles, each a little beyond the one before even where ages tie. (knot + 1,)"""
    quantiles = np.quantile(age, np.linspace(0.0, 1.0, knots + 1))
    return np.asarray(quantiles + max(float(np.ptp(quantiles)), 1.0) * np.linspace(0.0, 1e-3, knots + 1))


def _standard_settings(values: NDArray[np.float64], normaliser: Normaliser) -> NDArray[np.float64]:
    columns = [normaliser.signals.index(name) for name in normaliser.settings]
    standard = (values[:, columns] - normaliser.setting_mean) / normaliser.setting_scale
    return np.nan_to_num(standard)


def _varies(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a signal is reported and changes. (signal,)"""
    varies = np.zeros(values.shape[1], dtype=bool)
    for column, signal in enumerate(values.T):
        reported = signal[np.isfinite(signal)]
        if len(reported) >= 3:
            varies[column] = reported.std() > CONSTANT * max(abs(float(reported.mean())), 1e-3)
    return varies


def _is_healthy(life: Life) -> NDArray[np.bool_]:
    return np.arange(len(life)) < max(5, round(HEALTHY_SHARE * len(life)))


def _regimes(standard: NDArray[np.float64], most: int, seed: int) -> NDArray[np.float64]:
    """Centres of the fewest clusters that explain nearly all variance; one if none do. (regime, setting)"""
    sample = standard[:: max(1, len(standard) // 5000)]
    total = float(((sample - sample.mean(axis=0)) ** 2).sum())
    for count in range(2, most + 1 if total > 0 else 2):
        if len(np.unique(sample, axis=0)) < count:
            break
        centres, label = kmeans2(sample, count, minit="++", seed=seed, iter=20)
        if float(((sample - centres[label]) ** 2).sum()) <= REGIME_RESIDUAL * total:
            return np.asarray(centres)
    return np.zeros((1, standard.shape[1]))


def _nearest(standard: NDArray[np.float64], regimes: NDArray[np.float64]) -> NDArray[np.intp]:
    if len(regimes) == 1:
        return np.zeros(len(standard), dtype=np.intp)
    distance = ((standard[:, None, :] - regimes[None]) ** 2).sum(axis=2)  # (row, regime)
    return np.asarray(distance.argmin(axis=1))


def _settings_effects(
    y: NDArray[np.float64],
    lives: Sequence[Life],
    healthy: NDArray[np.bool_],
    *,
    regime: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of each regime (regime, kept) and effect of the settings within it (setting, kept).

    A ridge regression within lives, so that differences between machines are not taken for effects of the settings.
    """
    causes = np.concatenate([regime, offset], axis=1)  # (row, regime + setting)
    x, target = np.zeros_like(causes), np.zeros_like(y)
    begin = 0
    for life in lives:
        rows = begin + np.flatnonzero(healthy[begin : begin + len(life)])
        begin += len(life)
        x[rows] = causes[rows] - causes[rows].mean(axis=0)
        target[rows] = np.nan_to_num(y[rows] - _mean(y[rows]))
    ridge = RIDGE * max(int(healthy.sum()), 1) * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + ridge, x.T @ target)
    centre, effect = weights[: regime.shape[1]], weights[regime.shape[1] :]
    rest = y - causes @ weights
    return centre + medians(rest[healthy]), effect


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the reported values of each column, NaN where there are none. (kept,)"""
    count = np.isfinite(values).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the reported values of each column, 0 where there are none. (column,)"""
    middle = np.zeros(values.shape[1])
    for column, signal in enumerate(values.T):
        reported = signal[np.isfinite(signal)]
        middle[column] = np.median(reported) if len(reported) else 0.0
    return middle


def _spread_within_lives(
    residual: NDArray[np.float64], lives: Sequence[Life], rows: NDArray[np.bool_], fallback: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Standard deviation of healthy readings about their own life's mean, so that machines may differ. (kept,)"""
    use = rows if rows.sum() >= 10 else fallback
    squares, count = np.zeros(residual.shape[1]), np.zeros(residual.shape[1])
    begin = 0
    for life in lives:
        part = residual[begin : begin + len(life)][use[begin : begin + len(life)]]
        begin += len(life)
        if len(part) < 3:
            continue
        present = np.isfinite(part)
        n = present.sum(axis=0)
        middle = np.where(present, part, 0.0).sum(axis=0) / np.maximum(n, 1)
        squares += np.where(present, (part - middle) ** 2, 0.0).sum(axis=0)
        count += np.maximum(n - 1, 0)
    whole = np.nanstd(residual, axis=0)
    sigma = np.sqrt(squares / np.maximum(count, 1))
    return np.where(sigma > 1e-3 * whole, sigma, np.maximum(whole, 1e-12))
