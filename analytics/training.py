"""Learn the hazard of a machine class from its lives: failed ones and those that still run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import torch
from numpy.typing import NDArray

from analytics.alert_costs import costs_of
from analytics.calibrate import Calibration, answered, calibrated, fit_calibration
from analytics.evaluate import average_precision, brier, expected_calibration_error
from analytics.features import Feature, features_of
from analytics.fitting import Progress, TrainingRows, fit_network, gather_rows, out_of_fold
from analytics.hazard import bin_edges
from analytics.held_out import held_out_alerts, held_out_bins
from analytics.lives import Life, data_hash
from analytics.model_settings import AgeInput, ModelSettings
from analytics.network import HazardNetwork
from analytics.normalise import Normaliser, fit_normaliser
from analytics.versions import HeldOutAlerts, HeldOutBin
from plant.assets import MachineClass
from plant.clock import instant

MODE_FAILURES = 3
"""Failures of a mode below which it is not told apart."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Model:
    """A trained failure-risk model of one machine class."""

    machine_class: str
    settings: ModelSettings
    normaliser: Normaliser
    features: tuple[Feature, ...]
    edges: NDArray[np.float64]
    """Of the hazard bins, from 0 [life units]. (bin + 1,)"""
    network: HazardNetwork
    """In double precision, ready to be asked."""
    calibration: Calibration
    modes: tuple[str, ...]
    """Failure modes that are told apart; empty: they are not."""
    base_rate: float
    """Failures per life unit of the class [1/unit]."""
    row_units: float
    """Life units of one row."""
    cycle_h: float
    """Hours of one life unit [h]."""
    seed: int
    data_cut_off: datetime
    """Newest reading that entered the training."""
    data_hash: str
    """SHA-256 of all training lives."""
    metrics: dict[str, float]
    """On lives that the members in question did not train on."""
    version: str = "unsaved"
    horizons: tuple[float, ...] = ()
    """Spans within which a data folder asks for failures [life units]."""
    reliability: tuple[HeldOutBin, ...] = ()
    """On the rows of `metrics`, within their horizon."""
    alerts: tuple[HeldOutAlerts, ...] = ()
    """The same, by threshold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotTrained:
    """Why a class has no model; its risk stays the base rate of its MTBF."""

    machine_class: str
    failures: int
    reason: str


def train(
    lives: Sequence[Life],
    *,
    machine_class: MachineClass,
    settings: ModelSettings,
    seed: int,
    progress: Progress = lambda _share, _text: None,
) -> Model | NotTrained:
    """Train an ensemble, calibrate it on held-out lives and measure it there.

    Args:
        lives: Of one machine class; running ones count as censored.
        machine_class: Of all these lives.
        settings: How to look and how to learn.
        seed: Of everything random; the same seed and lives give the same model.
        progress: Called with the share done [0..1] and a sentence.
    """
    torch.set_num_threads(settings.threads)
    usable = [life for life in lives if len(life) >= settings.minimum_rows]
    failures = sum(life.failed for life in usable)
    if failures < settings.training_failures:
        reason = (
            f"{machine_class.name}: {failures} failures with readings before them; "
            f"{settings.training_failures} are needed; till then the MTBF of {machine_class.mtbf_h:g} h counts."
        )
        return NotTrained(machine_class=machine_class.name, failures=failures, reason=reason)
    progress(0.0, f"{machine_class.name}: looking at {len(usable)} lives, {failures} of them failed")
    parts = settings.age_parts if settings.age is AgeInput.WITH else settings.age_parts[:1]
    tries = len(settings.dropout) + len(parts) - 1
    models: list[Model] = []
    for part in parts:
        seen = settings.model_copy(update={"age_parts": (part,)})
        normaliser = fit_normaliser(usable, settings=seen, seed=seed)
        if not features_of(normaliser, settings=seen):
            reason = f"{machine_class.name}: none of {len(usable[0].signals)} signals varies, and the age is left out."
            return NotTrained(machine_class=machine_class.name, failures=failures, reason=reason)
        rows = gather_rows(usable, normaliser=normaliser, settings=seen)
        shares = min(models, key=_held_out_loss).settings.dropout if models else settings.dropout
        for dropout in shares:

            def shared(share: float, text: str, done: int = len(models)) -> None:
                progress((done + share) / tries, f"{machine_class.name}: {text}")

            one = seen.model_copy(update={"dropout": (dropout,)})
            models.append(
                _learn(
                    usable,
                    rows,
                    machine_class=machine_class,
                    normaliser=normaliser,
                    settings=one,
                    seed=seed,
                    progress=shared,
                )
            )
    progress(1.0, f"{machine_class.name}: trained")
    return min(models, key=_held_out_loss)


def _held_out_loss(model: Model) -> float:
    return model.metrics["log_loss"]


def _learn(
    usable: Sequence[Life],
    rows: TrainingRows,
    *,
    machine_class: MachineClass,
    normaliser: Normaliser,
    settings: ModelSettings,
    seed: int,
    progress: Progress,
) -> Model:
    """One ensemble on rows of these lives, with one dropout and number of age parts."""
    failures = sum(life.failed for life in usable)
    progress(0.2, f"{len(rows.weight)} rows, {rows.features.shape[1]} inputs")
    edges = bin_edges(1.1 * float(rows.remaining.max()), row=usable[0].row_units, bins=settings.bins)
    modes = _modes(usable)
    network, held_out = fit_network(
        rows, lives=usable, edges=edges, modes=modes, settings=settings, seed=seed, progress=progress
    )
    out = out_of_fold(network, rows, held_out)
    known = np.asarray(np.isfinite(out).all(axis=1), dtype=np.bool_)
    calibration = fit_calibration(
        out[known],
        edges=edges,
        remaining=rows.remaining[known],
        failed=rows.failed[known],
        life=rows.life[known],
        weight=rows.weight[known],
        minimum_failures=settings.calibration_failures,
    )
    metrics, bins = _measured(out[known], rows, known, edges, calibration)
    metrics |= {"lives": float(len(usable)), "failures": float(failures)}
    column = len(edges) // 2
    asked = known & rows.spoken
    alerts = held_out_alerts(
        -np.expm1(calibrated(out[asked], edges=edges, calibration=calibration)[:, column]),
        rows.remaining[asked] * machine_class.cycle_h,
        failed=rows.failed[asked],
        life=rows.life[asked],
        horizon_h=float(edges[column]) * machine_class.cycle_h,
        costs=costs_of(machine_class),
    )
    exposure = sum(float(life.age_units[-1]) for life in usable)
    prior_units = machine_class.mtbf_h / machine_class.cycle_h
    return Model(
        machine_class=machine_class.name,
        settings=settings,
        normaliser=normaliser,
        features=features_of(normaliser, settings=settings),
        edges=edges,
        network=network.double().eval(),
        calibration=calibration,
        modes=modes,
        base_rate=(1.0 + failures) / (prior_units + exposure),  # Gamma-Poisson: the MTBF weighs as one failure
        row_units=usable[0].row_units,
        cycle_h=usable[0].cycle_h,
        seed=seed,
        data_cut_off=instant(max(int(life.observed_at_us[-1]) for life in usable)),
        data_hash=data_hash(usable),
        metrics=metrics,
        reliability=bins,
        alerts=alerts,
    )


def _modes(lives: Sequence[Life]) -> tuple[str, ...]:
    labels = [life.mode for life in lives if life.failed and life.mode]
    return tuple(sorted(mode for mode in set(labels) if labels.count(mode) >= MODE_FAILURES))


def _measured(
    out: NDArray[np.float64],
    rows: TrainingRows,
    known: NDArray[np.bool_],
    edges: NDArray[np.float64],
    calibration: Calibration,
) -> tuple[dict[str, float], tuple[HeldOutBin, ...]]:
    """Risk within the middle bin edge on held-out rows, before and after calibration; its log loss up to there."""
    column = len(edges) // 2
    horizon = float(edges[column])
    remaining, failed = rows.remaining[known], rows.failed[known]
    decided = failed | (remaining > horizon)
    happened = (remaining <= horizon)[decided]
    raw = out[decided, column]
    probability = -np.expm1(calibrated(out[decided], edges=edges, calibration=calibration)[:, column])
    metrics = {
        "log_loss": _log_loss(out, remaining, failed, rows.weight[known], edges, calibration),
        "horizon_units": horizon,
        "prevalence": float(happened.mean()) if len(happened) else float("nan"),
        "average_precision": average_precision(probability, happened),
        "brier": brier(probability, happened),
        "ece": expected_calibration_error(probability, happened),
        "ece_uncalibrated": expected_calibration_error(-np.expm1(raw), happened),
    }
    return metrics, held_out_bins(probability, happened, life=rows.life[known][decided])


def _log_loss(
    out: NDArray[np.float64],
    remaining: NDArray[np.float64],
    failed: NDArray[np.bool_],
    weight: NDArray[np.float64],
    edges: NDArray[np.float64],
    calibration: Calibration,
) -> float:
    """Of "fails within", mean over the edges and the readings; rows cut short are answered for by others."""
    near = calibrated(out, edges=edges, calibration=calibration)[:, 1:]  # (row, edge)
    happened = failed[:, None] & (remaining[:, None] <= edges[1:])
    died = np.log(np.clip(-np.expm1(near), 1e-12, 1.0))
    counts = weight[:, None] * answered(remaining, failed=failed, weight=weight, horizons=edges[1:])
    if not counts.any():
        return float("inf")
    return float(-(counts * np.where(happened, died, np.maximum(near, -27.0))).sum() / counts.sum())
