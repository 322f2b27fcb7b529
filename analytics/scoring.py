"""A model's word on every reading of a data folder, and what that word is worth."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.assess import HORIZONS_H, failure_probability, score_features
from analytics.calibrate import QUANTILES
from analytics.datafolder import Dataset
from analytics.evaluate import average_precision, brier, expected_calibration_error, reliability, rmse, roc_auc
from analytics.event_table import PREFIX
from analytics.explain import contributions
from analytics.features import extract
from analytics.hazard import remaining_quantile, restricted_mean
from analytics.heads import Heads
from analytics.labels_head import judge_labels
from analytics.lives import Life, with_signals
from analytics.model_settings import ModelSettings
from analytics.normality import episodes, judge_normality
from analytics.normality_settings import NormalitySettings
from analytics.training import Model
from plant.errors import DataError, Fault

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


def score_dataset(dataset: Dataset, *, heads: Heads, horizons: Sequence[float], split: bool = False) -> pd.DataFrame:
    """A row per reading: what each head says, and whether there was enough to speak.

    Columns: `machine`, the time as it was written; of the hazard `failure_within_<horizon>` [0..1], `remaining_p5`,
    `_p10`, `_p50`, `_p90`, `_p95` [life units]; of the normality `anomaly_p` (0..1], how often normal operation looks
    at least this unusual, and `anomaly_alarm` (0 or 1: lately more of it than false alarms are bearable); of the labels
    `label_probability` [0..1]; `enough_data` (0 or 1: fewer readings since the renewal than needed). When split,
    `contribution:<signal>:<scale>` [log units of the hazard within the middle horizon] and `anomaly:<signal>` [share of
    the distance from normal], which add up.

    Raises:
        ConfigError: The folder lacks signals that the model learned, or has no times where it needs them.
    """
    _check_time(dataset, heads)
    tables = []
    for life, written in zip(dataset.lives, dataset.written, strict=True):
        mine = as_learned(life, signals=heads.signals)
        found = pd.DataFrame({"machine": life.machine, dataset.time: written})
        if heads.hazard is not None:
            model = heads.hazard
            features = extract(mine, normaliser=model.normaliser, settings=model.settings)
            pieces = np.array_split(features, max(1, len(mine) // CHUNK_ROWS))
            said = [_scored(piece, model=model, horizons=horizons, split=split) for piece in pieces]
            found = pd.concat([found, pd.concat(said, ignore_index=True)], axis=1)
        if heads.normality is not None:
            unusual = judge_normality(mine, normality=heads.normality)
            found["anomaly_p"] = unusual.p
            found["anomaly_alarm"] = unusual.alarm.astype(int)
            if split:
                for column, name in enumerate(heads.normality.normaliser.kept):
                    found[f"anomaly:{name}"] = unusual.parts[:, column]
        if heads.labels is not None:
            found["label_probability"] = judge_labels(mine, head=heads.labels)
        found["enough_data"] = (np.arange(1, len(mine) + 1) >= least_rows(heads, in_time=dataset.in_time)).astype(int)
        tables.append(found)
    return pd.concat(tables, ignore_index=True)


def least_rows(heads: Heads, *, in_time: bool) -> int:
    """Readings since the renewal from which on the heads speak [row]."""
    if not in_time:
        return 1
    return heads.hazard.settings.minimum_rows if heads.hazard is not None else ModelSettings().minimum_rows


def evaluate_dataset(dataset: Dataset, *, heads: Heads, horizons: Sequence[float], cap: float) -> dict[str, Any]:
    """What the model is worth on a folder: against its failures, and against its labels.

    Args:
        dataset: With failures or labels.
        heads: To be judged.
        horizons: [life units]
        cap: Remaining life beyond which a longer one counts as equally long [life units].

    Raises:
        ConfigError: The folder lacks signals that the model learned, or has no times where it needs them.
    """
    _check_time(dataset, heads)
    lives = [as_learned(life, signals=heads.signals) for life in dataset.lives]
    metrics: dict[str, Any] = {
        "readings": sum(len(life) for life in lives),
        "lives": len(lives),
        "failures": sum(life.failed for life in lives),
    }
    if heads.hazard is not None and metrics["failures"]:
        metrics |= _against_failures(lives, model=heads.hazard, horizons=horizons, cap=cap)
    if not dataset.labelled:
        return metrics
    if heads.normality is not None:
        said = [judge_normality(life, normality=heads.normality) for life in lives]
        metrics |= against_labels([each.p for each in said], dataset.labels, settings=heads.normality.settings)
        metrics |= alarms_against_labels(
            [each.alarm for each in said], dataset.labels, quiet_rows=heads.normality.settings.quiet_rows
        )
    if heads.labels is not None:
        chance = np.concatenate([judge_labels(life, head=heads.labels) for life in lives])
        label = np.concatenate(dataset.labels)
        metrics |= _of_classifier(chance[np.isfinite(label)], label[np.isfinite(label)] == 1)
    return metrics


def against_labels(
    p: Sequence[NDArray[np.float64]], labels: Sequence[NDArray[np.float64]], *, settings: NormalitySettings
) -> dict[str, float]:
    """Worth of p-values against labelled readings, row by row and by episodes; never point-adjusted.

    An anomaly counts as caught when any of its readings is unusual; an episode is false when none of its readings is
    labelled anomalous.
    """
    hit = missed = false_rows = quiet = caught = anomalies = false_episodes = 0
    for value, label in zip(p, labels, strict=True):
        unusual = (value <= settings.alarm_p) & np.isfinite(label)
        truth = label == 1
        hit += int((unusual & truth).sum())
        missed += int((~unusual & truth).sum())
        false_rows += int((unusual & (label == 0)).sum())
        quiet += int((~unusual & (label == 0)).sum())
        for first, last in episodes(truth, quiet_rows=1):
            anomalies += 1
            caught += bool(unusual[first : last + 1].any())
        alarms = episodes(unusual, quiet_rows=settings.quiet_rows)
        false_episodes += sum(not truth[first : last + 1].any() for first, last in alarms)
    known = [np.isfinite(label) for label in labels]
    everyone = np.concatenate([value[which] for value, which in zip(p, known, strict=True)])
    truth = np.concatenate([label[which] == 1 for label, which in zip(labels, known, strict=True)])
    precision = average_precision(-everyone, truth)
    prevalence = float(truth.mean()) if len(truth) else float("nan")
    return {
        "anomaly_prevalence": prevalence,
        "anomaly_average_precision": precision,
        "anomaly_lift": precision / prevalence if prevalence else float("nan"),
        "anomaly_auc": roc_auc(-everyone, truth),
        "anomaly_alarm_p": settings.alarm_p,
        "anomaly_f1": 2 * hit / max(2 * hit + false_rows + missed, 1),
        "anomaly_false_alarm_rate": false_rows / max(false_rows + quiet, 1),
        "anomaly_missed_alarm_rate": missed / max(hit + missed, 1),
        "anomalies": float(anomalies),
        "anomalies_caught": float(caught),
        "false_episodes": float(false_episodes),
    }


def alarms_against_labels(
    alarm: Sequence[NDArray[np.bool_]], labels: Sequence[NDArray[np.float64]], *, quiet_rows: int
) -> dict[str, float]:
    """Anomalies during which an alarm stood, and alarms that touched none; alarms nearer than `quiet_rows` are one."""
    anomalies = caught = false = 0
    for stands, label in zip(alarm, labels, strict=True):
        truth = label == 1
        for first, last in episodes(truth, quiet_rows=1):
            anomalies += 1
            caught += bool(stands[first : last + 1].any())
        found = episodes(stands, quiet_rows=quiet_rows)
        false += sum(not truth[first : last + 1].any() for first, last in found)
    return {"alarm_anomalies_caught": float(caught), "alarm_false": float(false)}


def _of_classifier(chance: NDArray[np.float64], happened: NDArray[np.bool_]) -> dict[str, Any]:
    said = chance >= 0.5
    return {
        "label_prevalence": float(happened.mean()) if len(happened) else float("nan"),
        "label_average_precision": average_precision(chance, happened),
        "label_auc": roc_auc(chance, happened),
        "label_f1": 2 * int((said & happened).sum()) / max(int(said.sum() + happened.sum()), 1),
        "label_brier": brier(chance, happened),
        "label_ece": expected_calibration_error(chance, happened),
        "label_reliability": [asdict(part) for part in reliability(chance, happened)],
    }


def _against_failures(lives: Sequence[Life], *, model: Model, horizons: Sequence[float], cap: float) -> dict[str, Any]:
    """Of each horizon the rows whose end is known, of failed lives the error of the remaining life."""
    scores = [
        score_features(extract(life, normaliser=model.normaliser, settings=model.settings), model=model)
        for life in lives
    ]
    remaining = np.concatenate([life.remaining_units for life in lives])
    failed = np.concatenate([np.full(len(life), life.failed) for life in lives])
    metrics: dict[str, Any] = {}
    for horizon in horizons:
        probability = np.concatenate(
            [failure_probability(score, model=model, horizon_units=horizon) for score in scores]
        )
        decided = failed | (remaining > horizon)
        happened = (failed & (remaining <= horizon))[decided]
        name = f"within_{horizon:g}"
        metrics[f"{name}_prevalence"] = float(happened.mean()) if len(happened) else float("nan")
        metrics[f"{name}_average_precision"] = average_precision(probability[decided], happened)
        metrics[f"{name}_auc"] = roc_auc(probability[decided], happened)
        metrics[f"{name}_brier"] = brier(probability[decided], happened)
        metrics[f"{name}_ece"] = expected_calibration_error(probability[decided], happened)
        metrics[f"{name}_reliability"] = [asdict(part) for part in reliability(probability[decided], happened)]
    if failed.any():
        expected = np.concatenate([restricted_mean(score.log_survived, model.edges, cap=cap) for score in scores])
        metrics["remaining_rmse"] = rmse(expected[failed], remaining[failed], cap=cap)
    return metrics


def _check_time(dataset: Dataset, heads: Heads) -> None:
    """A model of readings in time cannot judge rows that stand alone, nor the other way round."""
    learned_in_time = heads.labels is None or heads.labels.normaliser is not None
    if learned_in_time != dataset.in_time:
        had = "readings in time" if learned_in_time else "rows without a time"
        has = "readings in time" if dataset.in_time else "rows without a time"
        raise DataError((Fault(where="the data folder", found=has, expected=f"{had}, as the model learned"),))


def as_learned(life: Life, *, signals: tuple[str, ...]) -> Life:
    """The life with its signals in the model's order, others left out; events that did not happen are counted as none.

    Raises:
        ConfigError: A signal that the model learned is not there.
    """
    missing = [name for name in signals if name not in life.signals and not name.startswith(PREFIX)]
    if missing:
        raise DataError(
            (
                Fault(
                    where=f"readings of {life.machine}",
                    found=f"no signal {', '.join(missing)}",
                    expected=f"the signals that the model learned: {', '.join(signals)}",
                ),
            )
        )
    seen = with_signals(life, signals=signals)
    never = [column for column, name in enumerate(signals) if name not in life.signals]
    if never:
        seen.values[:, never] = 0.0
    return seen


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
