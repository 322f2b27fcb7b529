"""Is this machine as it was when it was normal? Learned without any failure label.

Fitted on normal readings, calibrated on blocks of them that the fit in question did not see: a p-value says how often
normal operation looks at least this unusual. Neighbouring readings err together, so whole blocks are held out, never
single rows. Beyond the calibration readings the tail falls exponentially, with a part that is twice as wide, as one
more block might be.
Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World" (2005); blocks after Chernozhukov,
Wüthrich and Zhu, "Exact and robust conformal inference methods for predictive machine learning with dependent data"
(COLT 2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter

from analytics.lives import Life, data_hash
from analytics.model_settings import ModelSettings
from analytics.normalise import Normaliser, fit_normaliser, normalise
from analytics.normality_alarm import alarm_level, alarms
from analytics.normality_network import TRIMMED_AT, NormalityNetwork
from analytics.normality_settings import NormalitySettings
from plant.clock import instant

TAIL_SHARE: Final = 0.1
"""Calibration readings beyond which the p-value follows the fitted tail [0..1]."""
LEAST_P: Final = 1e-300
"""Smallest p-value that is told apart."""
SILENT_WEIGHT: Final = 0.1
"""Weight of the reported among the last readings below which their mean is missing [0..1]."""
CHUNK_ROWS: Final = 20_000
"""Rows judged at a time; bounds memory [row]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NormalityCalibration:
    """What distance normal operation reaches, and how often."""

    scores: NDArray[np.float64]
    """Logarithms of the distance at rows held out, in order. (quantile,)"""
    tail: float
    """Mean excess beyond the tail's begin [log distance]."""
    blocks: int
    rows: int
    alarm_at: float
    """Summed surprise beyond which an alarm stands [nat]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Normality:
    """What is normal for a machine class, and how it was learned."""

    machine_class: str
    settings: NormalitySettings
    normaliser: Normaliser
    network: NormalityNetwork
    calibration: NormalityCalibration
    own_baseline: bool
    """Whether each life is compared with its own first readings."""
    row_units: float
    cycle_h: float
    data_cut_off: datetime
    data_hash: str
    metrics: dict[str, float]
    version: str = "unsaved"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Unusualness:
    """What the head says about the readings of a life."""

    p: NDArray[np.float64]
    """How often normal operation looks at least this unusual (0..1]. (row,)"""
    parts: NDArray[np.float64]
    """Exact share of each signal in the smoothed distance. (row, signal) They add up to `distance`."""
    distance: NDArray[np.float64]
    """Smoothed squared distance per input; about 1 when normal. (row,)"""
    alarm: NDArray[np.bool_]
    """Whether so much was unusual lately that normal operation shows it only `alarms_per_week` times. (row,)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoNormality:
    """Why there is no normality head."""

    rows: int
    reason: str


def learn_normality(lives: Sequence[Life], *, settings: NormalitySettings, seed: int = 1) -> Normality | NoNormality:
    """Learn from normal readings.

    Args:
        lives: Of one machine class, normal readings only (a few strays do no harm).
        settings: How to look.
        seed: Of the regimes.
    """
    usable = [life for life in lives if len(life) > 0]
    rows = sum(len(life) for life in usable)
    if rows < settings.minimum_rows:
        return NoNormality(rows=rows, reason=f"{rows} normal readings; {settings.minimum_rows} are needed")
    normaliser = fit_normaliser(usable, settings=ModelSettings(), seed=seed)
    if not normaliser.kept:
        return NoNormality(rows=rows, reason=f"no signal varies in {rows} normal readings")
    several = len(usable) >= settings.own_baseline_lives
    own = several and rows >= settings.own_baseline_rows * len(usable)
    inputs = [_inputs(life, normaliser=normaliser, settings=settings, own=own) for life in usable]
    blocks = _blocks([len(life) for life in usable], settings=settings, whole=several)
    held_out = []
    for fold in range(settings.folds):
        train = np.concatenate([part[which != fold] for part, which in zip(inputs, blocks, strict=True)])
        if len(train) < 2:
            continue
        network = _fitted(train)
        for part, which in zip(inputs, blocks, strict=True):
            if (which == fold).any():
                held_out.append(_log_distance(network, part, settings)[which == fold])
    first = usable[0]
    everything = np.concatenate(inputs)
    calibration = _calibration(held_out)
    quiet = [p_value(score, calibration=calibration) for score in held_out]
    row_h = first.row_units * first.cycle_h
    calibration = replace(calibration, alarm_at=alarm_level(quiet, per_week=settings.alarms_per_week, row_h=row_h))
    return Normality(
        machine_class=first.machine_class,
        settings=settings,
        normaliser=normaliser,
        network=_fitted(everything),
        calibration=calibration,
        own_baseline=own,
        row_units=first.row_units,
        cycle_h=first.cycle_h,
        data_cut_off=instant(max(int(life.observed_at_us[-1]) for life in usable)),
        data_hash=data_hash(usable),
        metrics={
            "normal_readings": float(rows),
            "lives": float(len(usable)),
            "calibration_blocks": float(calibration.blocks),
            "unusual_when_normal": float(np.mean([(p <= settings.alarm_p).mean() for p in quiet])),
        },
    )


def judge_normality(life: Life, *, normality: Normality) -> Unusualness:
    """How unusual each reading of a life is; each rests on the readings up to it only."""
    settings = normality.settings
    inputs = _inputs(life, normaliser=normality.normaliser, settings=settings, own=normality.own_baseline)
    parts = _smoothed_parts(normality.network, inputs, settings)  # (row, input)
    distance = parts.sum(axis=1)
    score = np.log(np.maximum(distance, 1e-12))
    by_signal = parts.reshape(len(parts), len(settings.scales_rows), -1).sum(axis=1)
    p = p_value(score, calibration=normality.calibration)
    alarm = alarms(p, level=normality.calibration.alarm_at)
    return Unusualness(p=p, parts=by_signal, distance=distance, alarm=alarm)


def p_value(score: NDArray[np.float64], *, calibration: NormalityCalibration) -> NDArray[np.float64]:
    """How often normal operation scores at least as high; falls strictly with the score in the tail. (row,)"""
    known, last = calibration.scores, calibration.rows
    below = np.interp(score, known, np.linspace(0.0, 1.0, len(known)))
    begin = known[round((len(known) - 1) * (1 - TAIL_SHARE))]
    beyond = np.maximum(score - begin, 0.0)
    narrow, wide = np.exp(-beyond / calibration.tail), np.exp(-beyond / (2 * calibration.tail))
    tail = TAIL_SHARE * (calibration.blocks * narrow + wide) / (calibration.blocks + 1)
    bulk = np.maximum((1.0 + last * (1.0 - below)) / (last + 1.0), TAIL_SHARE)
    return np.asarray(np.clip(np.where(score > begin, tail, bulk), LEAST_P, 1.0))


def episodes(unusual: NDArray[np.bool_], *, quiet_rows: int) -> list[tuple[int, int]]:
    """First and last row of each run of unusual readings; runs nearer than `quiet_rows` are one.

    >>> episodes(np.array([1, 0, 1, 0, 0, 0, 1], dtype=bool), quiet_rows=3)
    [(0, 2), (6, 6)]
    """
    rows = np.flatnonzero(unusual)
    if not len(rows):
        return []
    return [(int(part[0]), int(part[-1])) for part in np.split(rows, np.flatnonzero(np.diff(rows) > quiet_rows) + 1)]


def _inputs(life: Life, *, normaliser: Normaliser, settings: NormalitySettings, own: bool) -> NDArray[np.float64]:
    """Exponentially weighted means on every scale, all signals of a scale side by side. (row, scale x signal)"""
    z = normalise(life, normaliser=normaliser)
    if own:
        z = z - _own_mean(z, settings.baseline_rows)
    return np.concatenate([_weighted_mean(z, rows) for rows in settings.scales_rows], axis=1)


def _own_mean(z: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Mean of a life's first readings as known at each row; missing before the first. (row, signal)"""
    reported = np.isfinite(z[:rows])
    total = np.cumsum(np.where(reported, z[:rows], 0.0), axis=0)
    count = np.cumsum(reported, axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean[np.minimum(np.arange(len(z)), len(mean) - 1)]


def _weighted_mean(z: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Over reported values, NaN where hardly any of the last ones was reported. (row, signal)"""
    if rows == 1:
        return z
    keep = 1.0 - 2.0 / (rows + 1.0)
    reported = np.isfinite(z)
    total = lfilter([1.0], [1.0, -keep], np.where(reported, z, 0.0), axis=0)
    weight = lfilter([1.0], [1.0, -keep], reported.astype(np.float64), axis=0)
    known = weight * (1.0 - keep) > SILENT_WEIGHT
    return np.where(known, total / np.where(known, weight, 1.0), np.nan)


def _blocks(lengths: Sequence[int], *, settings: NormalitySettings, whole: bool) -> list[NDArray[np.intp]]:
    """Fold of every row: whole lives where there are several, else long stretches of time. (row,) per life"""
    if whole:
        return [np.full(length, number % settings.folds) for number, length in enumerate(lengths)]
    return [np.arange(length) * settings.folds // max(length, 1) for length in lengths]


def _fitted(rows: NDArray[np.float64]) -> NormalityNetwork:
    network = NormalityNetwork(inputs=rows.shape[1])
    network.learn(torch.from_numpy(rows))
    return network


def _smoothed_parts(
    network: NormalityNetwork, inputs: NDArray[np.float64], settings: NormalitySettings
) -> NDArray[np.float64]:
    with torch.no_grad():
        pieces = [network(part).numpy() for part in torch.split(torch.from_numpy(inputs), CHUNK_ROWS)]
    return _weighted_mean(np.concatenate(pieces), settings.smoothing_rows)


def _log_distance(
    network: NormalityNetwork, inputs: NDArray[np.float64], settings: NormalitySettings
) -> NDArray[np.float64]:
    distance = _smoothed_parts(network, inputs, settings).sum(axis=1)
    return np.asarray(np.log(np.maximum(distance, 1e-12)))


def _calibration(held_out: Sequence[NDArray[np.float64]]) -> NormalityCalibration:
    scores = np.sort(np.concatenate(held_out))
    begin = scores[round((len(scores) - 1) * (1 - TAIL_SHARE))]
    # what stands out as far as rows that do not shape the fit counts as that far only: strays are not normal
    beyond = np.minimum(scores[scores > begin] - begin, np.log(TRIMMED_AT))
    tail = float(beyond.mean()) if len(beyond) else 0.1
    grid = np.quantile(scores, np.linspace(0, 1, min(len(scores), 1001)))
    return NormalityCalibration(
        scores=grid, tail=max(tail, 1e-3), blocks=len(held_out), rows=len(scores), alarm_at=np.inf
    )
