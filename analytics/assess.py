"""From the readings since a machine's renewal to its failure risk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from analytics.calibrate import calibrated
from analytics.cases import Moment, nearest_case
from analytics.drift import diagnose, in_new_regime, not_wear, settled
from analytics.explain import contributions, evidence_of
from analytics.features import extract
from analytics.hazard import ensemble_log_survival, interpolation, remaining_quantile
from analytics.lives import Life, with_signals
from analytics.normality import Normality
from analytics.normality_live import with_normality
from analytics.training import Model
from plant.assets import MachineClass
from plant.clock import instant
from plant.risks import Diagnosis, Risk

TOLD: Final = (0.1, 0.5, 0.9)
"""Quantiles of the remaining life that a risk tells [0..1]."""
HORIZONS_H: Final = (
    *(float(hour) for hour in range(1, 73)),
    *(80.0, 88.0, 96.0, 108.0, 120.0, 144.0, 168.0, 192.0, 216.0, 240.0, 288.0, 336.0, 420.0, 504.0, 672.0, 840.0),
    *(1008.0, 1344.0, 1680.0, 2016.0, 3024.0, 4032.0, 6048.0, 8760.0),
)
"""Every survival curve is read off here: each of the next 72 hours, then wider, up to a year [h]."""
ANY_MODE: Final = "any"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scores:
    """What a model says about some readings of a life."""

    log_survived: NDArray[np.float64]
    """Calibrated logarithm of survival at the model's bin edges. (row, edge)"""
    mode: NDArray[np.float64]
    """Probability of each failure mode, given a failure. (row, mode)"""


def score_life(life: Life, *, model: Model, rows: Sequence[int] | NDArray[np.intp] | None = None) -> Scores:
    """Score some readings of a life, all by default; each rests on the readings up to it only."""
    features = extract(life, normaliser=model.normaliser, settings=model.settings, rows=rows)
    return score_features(features, model=model)


def score_features(features: NDArray[np.float64], *, model: Model) -> Scores:
    """Score extracted features. (row, feature)"""
    with torch.no_grad():
        hazard, modes = model.network(torch.tensor(features))
        raw = ensemble_log_survival(hazard).numpy()
        mode = torch.softmax(modes, dim=-1).mean(dim=0).numpy()
    told = calibrated(raw, edges=model.edges, calibration=model.calibration)
    return Scores(log_survived=told, mode=mode)


def failure_probability(scores: Scores, *, model: Model, horizon_units: float) -> NDArray[np.float64]:
    """Probability of failing within a horizon [life units]. (row,)"""
    return np.asarray(-np.expm1(scores.log_survived @ interpolation([horizon_units], model.edges)[:, 0]))


def assess_live(
    lives: Sequence[Life],
    model: Model | None,
    *,
    machine_class: MachineClass,
    horizon_h: float,
    now: datetime,
    zone: tzinfo = UTC,
    normality: Normality | None = None,
    moments: Sequence[Moment] = (),
) -> tuple[Risk, ...]:
    """Assess running lives as `assess` does, with what is behind their signals and what the normality head says.

    A signal that the class was given after the training waits for the next one; one that it lost counts as not
    reported. A signal whose sensor is at fault, or that drifts, does not raise a risk; in a regime that is new the
    class's mean life speaks instead of the model.
    """
    known = (model.normaliser, model.settings.baseline_rows) if model else None
    if known is None and normality is not None:
        known = (normality.normaliser, normality.settings.baseline_rows)
    diagnoses: Sequence[tuple[Diagnosis, ...]] = [()] * len(lives)
    seen = lives
    if known is not None:
        seen = [with_signals(life, signals=known[0].signals) for life in lives]
        diagnoses = diagnose(seen, normaliser=known[0], baseline_rows=known[1], machine_class=machine_class, zone=zone)
    risks = assess(
        seen,
        model,
        machine_class=machine_class,
        horizon_h=horizon_h,
        now=now,
        zone=zone,
        diagnoses=diagnoses,
        moments=moments,
    )
    if normality is None:
        return risks
    return tuple(
        with_normality(risk, life, normality=normality, machine_class=machine_class, zone=zone)
        for risk, life in zip(risks, lives, strict=True)
    )


def assess(
    lives: Sequence[Life],
    model: Model | None,
    *,
    machine_class: MachineClass,
    horizon_h: float,
    now: datetime,
    zone: tzinfo = UTC,
    diagnoses: Sequence[tuple[Diagnosis, ...]] | None = None,
    moments: Sequence[Moment] = (),
) -> tuple[Risk, ...]:
    """The risk of each life at its newest reading, in the order of the lives.

    Args:
        lives: One running life per machine of the class.
        model: None: the class has none yet, its MTBF speaks.
        machine_class: Of all these machines.
        horizon_h: The policy's horizon [h].
        now: Plant time, for machines without any reading.
        zone: The plant's, in which the evidence tells since when.
        diagnoses: Of each life; None: nothing is known of its signals.
        moments: Before past failures, as this model sees them, to compare with.
    """
    told = [()] * len(lives) if diagnoses is None else diagnoses
    lacks = ["" if model is None else _lack(life, model, mine) for life, mine in zip(lives, told, strict=True)]
    judged = [] if model is None else [index for index, lack in enumerate(lacks) if lack == ""]
    risks: dict[int, Risk] = {}
    if model is not None and judged:
        chosen = [lives[index] for index in judged]
        quiet = [not_wear(told[index]) for index in judged]
        for index, risk in zip(
            judged, _judge(chosen, model, machine_class, horizon_h, zone, quiet, moments), strict=True
        ):
            raising = frozenset(each.signal for each in risk.evidence if each.contribution > 0)
            risks[index] = replace(risk, diagnoses=settled(told[index], raising=raising))
    for index, life in enumerate(lives):
        if index not in risks:
            base = _base_risk(life, model, machine_class, horizon_h, now, lacks[index])
            risks[index] = replace(base, diagnoses=told[index])
    return tuple(risks[index] for index in range(len(lives)))


def _lack(life: Life, model: Model, diagnoses: Sequence[Diagnosis]) -> str:
    """What is missing before the model can speak; empty: nothing."""
    if (regime := in_new_regime(diagnoses)) is not None:
        return regime.sentence
    least = model.settings.minimum_rows
    if len(life) < least:
        return f"{len(life)} operating readings since the last renewal; {least} are needed"
    kept = [life.signals.index(name) for name in model.normaliser.kept]
    if not np.isfinite(life.values[-least:, kept]).any():
        return f"none of the signals that the model knows was reported in the last {least} readings"
    return ""


def _judge(
    lives: Sequence[Life],
    model: Model,
    machine_class: MachineClass,
    horizon_h: float,
    zone: tzinfo,
    quiet: Sequence[frozenset[str]],
    moments: Sequence[Moment],
) -> list[Risk]:
    """The model's word on lives; their `quiet` signals count as healthy."""
    newest = [
        extract(life, normaliser=model.normaliser, settings=model.settings, rows=[len(life) - 1]) for life in lives
    ]
    features = np.concatenate(newest)  # (life, feature)
    healthy = model.network.healthy.numpy()
    for row, names in enumerate(quiet):
        silent = np.array([feature.signal in names for feature in model.features])
        features[row, silent] = healthy[silent]
    scores = score_features(features, model=model)
    units = np.array(HORIZONS_H) / model.cycle_h
    survival = np.exp(scores.log_survived @ interpolation(units, model.edges))  # (life, horizon)
    survival = np.minimum.accumulate(np.clip(survival, 0.0, 1.0), axis=1)
    probability = failure_probability(scores, model=model, horizon_units=horizon_h / model.cycle_h)
    longest = HORIZONS_H[-1] / model.cycle_h
    quantiles = [
        model.cycle_h * remaining_quantile(scores.log_survived, model.edges, probability=level, longest=longest)
        for level in map(model.calibration.level, TOLD)
    ]
    split = contributions(features, model=model, horizon_units=horizon_h / model.cycle_h)
    reason = "" if model.calibration.calibrated else _uncalibrated(model)
    risks = []
    for row, life in enumerate(lives):
        risks.append(
            Risk(
                machine=life.machine,
                mode=model.modes[int(scores.mode[row].argmax())] if model.modes else ANY_MODE,
                assessed_at=instant(int(life.observed_at_us[-1])),
                horizons_h=HORIZONS_H,
                survival=tuple(survival[row].tolist()),
                probability=float(probability[row]),
                horizon_h=horizon_h,
                remaining_life_p10_h=float(quantiles[0][row]),
                remaining_life_p50_h=float(quantiles[1][row]),
                remaining_life_p90_h=float(quantiles[2][row]),
                evidence=tuple(
                    each
                    for each in evidence_of(life, split, row=row, model=model, machine_class=machine_class, zone=zone)
                    if each.signal not in quiet[row]
                ),
                model_version=model.version,
                enough_data=True,
                reason=reason,
                age_h=float(life.age_units[-1]) * life.cycle_h,
                nearest=nearest_case(split.parts[row], moments, model=model, machine=life.machine, zone=zone),
            )
        )
    return risks


def _uncalibrated(model: Model) -> str:
    needed = model.settings.calibration_failures
    return f"uncalibrated: {model.calibration.failures} held-out failures so far, {needed} are needed"


def _base_risk(
    life: Life, model: Model | None, machine_class: MachineClass, horizon_h: float, now: datetime, lack: str
) -> Risk:
    """The class's base rate, an exponential life, where the readings cannot speak."""
    if model is None:
        rate_h = 1.0 / machine_class.mtbf_h
        reason = f"no model of class {machine_class.name} yet; the MTBF of {machine_class.mtbf_h:g} h speaks"
    else:
        rate_h = model.base_rate / model.cycle_h
        reason = f"{lack}; the class's mean life of {1 / rate_h:.0f} h speaks"
    p10, p50, p90 = (float(min(-np.log1p(-q) / rate_h, HORIZONS_H[-1])) for q in TOLD)
    return Risk(
        machine=life.machine,
        mode=ANY_MODE,
        assessed_at=instant(int(life.observed_at_us[-1])) if len(life) else now,
        horizons_h=HORIZONS_H,
        survival=tuple(float(np.exp(-rate_h * hour)) for hour in HORIZONS_H),
        probability=float(-np.expm1(-rate_h * horizon_h)),
        horizon_h=horizon_h,
        remaining_life_p10_h=p10,
        remaining_life_p50_h=p50,
        remaining_life_p90_h=p90,
        evidence=(),
        model_version=model.version if model else "",
        enough_data=False,
        reason=reason,
        age_h=float(life.age_units[-1]) * life.cycle_h if len(life) else 0.0,
    )
