"""Champion and challenger: a newly trained model comes into use where it would have cost no more than the one in use.

Both are judged on the last labelled period: the newer half of the failures that came after the data of the champion.
For that a trial of the challenger is trained without this period, so that neither has seen it; what comes into use is
the challenger trained on everything. With fewer than two new failures there is nothing to judge by, and it waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analytics.alert_costs import AlertOutcomes, Judged, alert_outcomes, costs_of
from analytics.assess import failure_probability, score_life
from analytics.lives import Life, truncated
from analytics.settings import AlarmPolicy
from analytics.training import Model, train
from plant.assets import MachineClass
from plant.clock import microseconds

LEAST_FAILURES: Final = 2
"""New failures below which a comparison says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a challenger comes into use, and why."""

    promoted: bool
    reason: str


def decide_promotion(
    champion: Model | None,
    challenger: Model,
    lives: Sequence[Life],
    *,
    machine_class: MachineClass,
    policy: AlarmPolicy,
) -> Verdict:
    """Compare by cost on the last labelled period.

    Args:
        champion: In use; None: there is none that loads.
        challenger: Trained on all of the lives.
        lives: With their newest labels.
        machine_class: For what failures and maintenance cost.
        policy: When risks become alerts.
    """
    if champion is None:
        return Verdict(promoted=True, reason="there was no model in use")
    if champion.normaliser.signals != challenger.normaliser.signals:
        return Verdict(promoted=True, reason="the signals of the class have changed")
    ends = sorted(int(life.observed_at_us[-1]) for life in lives if life.failed and len(life))
    new = [end for end in ends if end > microseconds(champion.data_cut_off)]
    if len(new) < LEAST_FAILURES:
        why = f"{len(new)} new failures since the data of {champion.version}; {LEAST_FAILURES} are needed to compare"
        return Verdict(promoted=False, reason=why)
    judged_from = new[(len(new) - 1) // 2] + 1  # what ended up to here the trial may learn from
    known = [_before(life, judged_from) for life in lives]
    trial = train(
        [life for life in known if len(life)],
        machine_class=machine_class,
        settings=challenger.settings,
        seed=challenger.seed,
    )
    if not isinstance(trial, Model):
        why = f"a trial without the last labelled period cannot be trained: {trial.reason}"
        return Verdict(promoted=False, reason=why)
    theirs, ours = (
        _outcomes(model, lives, since_us=judged_from, machine_class=machine_class, policy=policy)
        for model in (champion, trial)
    )
    better = ours.cost <= theirs.cost
    words = f"on the last labelled period {ours.sentence}; {champion.version}: {theirs.sentence}"
    return Verdict(promoted=better, reason=words)


def _before(life: Life, until_us: int) -> Life:
    return truncated(life, rows=int((life.observed_at_us < until_us).sum()))


def _outcomes(
    model: Model, lives: Sequence[Life], *, since_us: int, machine_class: MachineClass, policy: AlarmPolicy
) -> AlertOutcomes:
    judged = [_judged(life, model=model, horizon_h=policy.horizon_h, since_us=since_us) for life in lives]
    return alert_outcomes(
        [each for each in judged if each is not None],
        opens=policy.open_probability,
        closes=policy.close_probability,
        horizon_h=policy.horizon_h,
        costs=costs_of(machine_class),
    )


def _judged(life: Life, *, model: Model, horizon_h: float, since_us: int) -> Judged | None:
    """The risk at each row from an instant on [µs UTC]; None where none is left."""
    rows = np.flatnonzero(life.observed_at_us >= since_us)
    rows = rows[rows >= model.settings.minimum_rows - 1]
    if not len(rows):
        return None
    scores = score_life(life, model=model, rows=rows)
    probability = failure_probability(scores, model=model, horizon_units=horizon_h / model.cycle_h)
    return Judged(hours_left=life.remaining_units[rows] * life.cycle_h, probability=probability, failed=life.failed)
