"""What a person wants to see of a model on lives it did not learn from: numbers for pictures, not drawn here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.alert_costs import AlertOutcomes, Judged, cost_curve, costs_of
from analytics.assess import failure_probability, score_features
from analytics.evaluate import Reliability, banded_reliability
from analytics.explain import contributions
from analytics.features import extract
from analytics.lives import Life
from analytics.training import Model
from plant.assets import MachineClass

COURSE_ROWS: Final = 400
"""Points of one machine's course [row]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Course:
    """How the risk of one life went."""

    machine: str
    age: NDArray[np.float64]
    """Since the renewal [life units]. (row,)"""
    probability: NDArray[np.float64]
    """(row,)"""
    end: float
    """Age at which it failed or observation ended [life units]."""
    failed: bool
    mode: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModelReport:
    """Everything that the pictures show."""

    horizon: float
    """[life units]"""
    courses: tuple[Course, ...]
    """Those that failed first."""
    bins: tuple[Reliability, ...]
    band: NDArray[np.float64]
    """Low and high of what each bin may well show by chance. (bin, 2)"""
    outcomes: tuple[AlertOutcomes, ...]
    """At each of `alert_costs.THRESHOLDS`."""
    never: float
    """Cost without any alert."""
    signals: tuple[tuple[str, str, float], ...]
    """(signal, scale, mean part of the log hazard above healthy just before failures or now), greatest first."""


def report_model(
    lives: Sequence[Life], *, model: Model, machine_class: MachineClass, horizon: float, seed: int = 0
) -> ModelReport:
    """Judge every life at every row.

    Args:
        lives: At least one with readings enough for the model.
        model: With a hazard head.
        machine_class: For what failures and maintenance cost.
        horizon: Of the risk [life units].
        seed: Of the bootstrap.

    Raises:
        ValueError: no life is long enough.
    """
    courses, judged, last = [], [], []
    for life in lives:
        rows = np.arange(model.settings.minimum_rows - 1, len(life))
        if not len(rows):
            continue
        features = extract(life, normaliser=model.normaliser, settings=model.settings, rows=rows)
        probability = failure_probability(score_features(features, model=model), model=model, horizon_units=horizon)
        left = life.remaining_units[rows]
        judged.append(Judged(hours_left=left * life.cycle_h, probability=probability, failed=life.failed))
        last.append(features[-1])
        shown = np.unique(np.linspace(0, len(rows) - 1, COURSE_ROWS).round().astype(np.intp))
        courses.append(
            Course(
                machine=life.machine,
                age=life.age_units[rows][shown],
                probability=probability[shown],
                end=float(life.age_units[-1]) + life.unread_units,
                failed=life.failed,
                mode=life.mode,
            )
        )
    if not judged:
        raise ValueError(f"no life has the {model.settings.minimum_rows} readings that the model needs")
    horizon_h = horizon * model.cycle_h
    bins, band = _reliability(judged, horizon_h=horizon_h, seed=seed)
    costs = costs_of(machine_class)
    outcomes = cost_curve(judged, horizon_h=horizon_h, costs=costs)
    return ModelReport(
        horizon=horizon,
        courses=tuple(sorted(courses, key=lambda course: not course.failed)),
        bins=bins,
        band=band,
        outcomes=outcomes,
        never=costs.failure * sum(each.failed for each in judged),
        signals=_signals(np.stack(last), lives=courses, model=model, horizon=horizon),
    )


def _signals(
    features: NDArray[np.float64], *, lives: Sequence[Course], model: Model, horizon: float
) -> tuple[tuple[str, str, float], ...]:
    """Mean parts at the end of the lives that failed; where none did, of all."""
    failed = np.array([course.failed for course in lives])
    split = contributions(features[failed] if failed.any() else features, model=model, horizon_units=horizon)
    mean = split.parts.mean(axis=0)
    order = np.argsort(-np.abs(mean))
    return tuple((*split.groups[index], float(mean[index])) for index in order)


def _reliability(
    judged: Sequence[Judged], *, horizon_h: float, seed: int
) -> tuple[tuple[Reliability, ...], NDArray[np.float64]]:
    """Bins over all decided rows, and the band in which resampled lives put them."""
    parts = []
    for each in judged:
        decided = each.failed | (each.hours_left > horizon_h)
        parts.append((each.probability[decided], (each.hours_left <= horizon_h)[decided]))
    return banded_reliability(parts, seed=seed)
