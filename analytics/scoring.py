"""A model's word on every reading of a data folder, and what that word is worth."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.assess import HORIZONS_H, failure_probability, score_features
from analytics.calibrate import QUANTILES
from analytics.datafolder import Dataset
from analytics.evaluate import average_precision, brier, expected_calibration_error, rmse
from analytics.explain import contributions
from analytics.features import extract
from analytics.hazard import remaining_quantile, restricted_mean
from analytics.lives import Life
from analytics.training import Model
from plant.errors import ConfigError, Fault

HORIZON_SHARES: Final = (0.05, 0.1, 0.25)
"""Horizons where none are named: these shares of the median length of the failed lives [0..1]."""
CHUNK_ROWS: Final = 2000
"""Rows scored at a time; bounds memory [row]."""


def usual_horizons(lives: Sequence[Life]) -> tuple[float, ...]:
    """Horizons for lives of this length, in two digits [life units]; none without a failed life."""
    lengths = [float(life.remaining_units[0]) for life in lives if life.failed]
    if not lengths:
        return ()
    return tuple(float(f"{share * float(np.median(lengths)):.2g}") for share in HORIZON_SHARES)


def score_dataset(dataset: Dataset, *, model: Model, horizons: Sequence[float], split: bool = False) -> pd.DataFrame:
    """A row per reading: probability per horizon, remaining life, and whether there was enough to speak.

    Columns: `machine`, the time as it was written, `failure_within_<horizon>` [0..1], `remaining_p10`, `_p50`, `_p90`
    [life units], `enough_data` (0 or 1: fewer readings since the renewal than the model needs) and, when split,
    `contribution:<signal>:<scale>` [log units of the hazard within the middle horizon], which add up.

    Raises:
        ConfigError: The folder lacks signals that the model learned.
    """
    tables = []
    for life, written in zip(dataset.lives, dataset.written, strict=True):
        mine = as_learned(life, model=model)
        features = extract(mine, normaliser=model.normaliser, settings=model.settings)
        for rows in np.array_split(np.arange(len(mine)), max(1, len(mine) // CHUNK_ROWS)):
            table = _scored(features[rows], model=model, horizons=horizons, split=split)
            table.insert(0, dataset.time, written[rows])
            table.insert(0, "machine", life.machine)
            table["enough_data"] = (rows + 1 >= model.settings.minimum_rows).astype(int)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def evaluate_dataset(dataset: Dataset, *, model: Model, horizons: Sequence[float], cap: float) -> dict[str, float]:
    """What the model is worth on a folder: of each horizon the rows whose end is known, of failed lives the error.

    Args:
        dataset: With failures.
        model: To be judged.
        horizons: [life units]
        cap: Remaining life beyond which a longer one counts as equally long [life units].

    Raises:
        ConfigError: The folder lacks signals that the model learned.
    """
    lives = [as_learned(life, model=model) for life in dataset.lives]
    scores = [
        score_features(extract(life, normaliser=model.normaliser, settings=model.settings), model=model)
        for life in lives
    ]
    remaining = np.concatenate([life.remaining_units for life in lives])
    failed = np.concatenate([np.full(len(life), life.failed) for life in lives])
    metrics = {
        "readings": float(len(remaining)),
        "lives": float(len(lives)),
        "failures": float(sum(life.failed for life in lives)),
    }
    for horizon in horizons:
        probability = np.concatenate(
            [failure_probability(score, model=model, horizon_units=horizon) for score in scores]
        )
        decided = failed | (remaining > horizon)
        happened = (failed & (remaining <= horizon))[decided]
        name = f"within_{horizon:g}"
        metrics[f"{name}_prevalence"] = float(happened.mean()) if len(happened) else float("nan")
        metrics[f"{name}_average_precision"] = average_precision(probability[decided], happened)
        metrics[f"{name}_brier"] = brier(probability[decided], happened)
        metrics[f"{name}_ece"] = expected_calibration_error(probability[decided], happened)
    if failed.any():
        expected = np.concatenate([restricted_mean(score.log_survived, model.edges, cap=cap) for score in scores])
        metrics["remaining_rmse"] = rmse(expected[failed], remaining[failed], cap=cap)
    return metrics


def as_learned(life: Life, *, model: Model) -> Life:
    """The life with its signals in the model's order, others left out.

    Raises:
        ConfigError: A signal that the model learned is not there.
    """
    missing = [name for name in model.normaliser.signals if name not in life.signals]
    if missing:
        raise ConfigError(
            (
                Fault(
                    where=f"readings of {life.machine}",
                    found=f"no signal {', '.join(missing)}",
                    expected=f"the signals that the model learned: {', '.join(model.normaliser.signals)}",
                ),
            )
        )
    columns = [life.signals.index(name) for name in model.normaliser.signals]
    return replace(life, signals=model.normaliser.signals, values=life.values[:, columns])


def _scored(features: NDArray[np.float64], *, model: Model, horizons: Sequence[float], split: bool) -> pd.DataFrame:
    scores = score_features(features, model=model)
    columns: dict[str, NDArray[np.float64]] = {
        f"failure_within_{horizon:g}": failure_probability(scores, model=model, horizon_units=horizon)
        for horizon in horizons
    }
    longest = max(HORIZONS_H[-1] / model.cycle_h, float(model.edges[-1]))
    for share, level in zip(QUANTILES, model.calibration.levels, strict=True):
        columns[f"remaining_p{100 * share:.0f}"] = remaining_quantile(
            scores.log_survived, model.edges, probability=level, longest=longest
        )
    if split:
        parts = contributions(features, model=model, horizon_units=horizons[len(horizons) // 2])
        for number, (signal, scale) in enumerate(parts.groups):
            columns[f"contribution:{signal}:{scale}"] = parts.parts[:, number]
    return pd.DataFrame(columns)
