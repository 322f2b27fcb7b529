"""What alerts were worth: failures caught and missed, false alerts, lead times, and what all of it cost.

An alert at a is valid for a failure at F if F - longest lead <= a <= F - reaction time; an earlier one is false, and so
is one whose horizon a life without failure outlived. One in a life that was ended sooner is neither: nobody knows.
After an alert has closed, the next opening is another one.
Cost = C_fail x missed + C_check x false + C_plan x caught.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plant.assets import MachineClass

LONGEST_LEADS: Final = 2.0
"""Horizons before the failure from which on an alert counts for it: earlier ones would waste life [ratio]."""
REACTION_SHARE: Final = 0.05
"""Of the horizon that people need at least between alert and failure [0..1]."""
CHECK_SHARE: Final = 0.2
"""Of planned maintenance that looking at a sound machine costs [0..1]."""
THRESHOLDS: Final = tuple(float(each) for each in np.linspace(0.05, 0.95, 19))
"""At which curves of cost and lead time are drawn [0..1]."""
CLOSE_RATIO: Final = 0.5
"""Alerts close at half of the probability that opens them, as by default in the product [ratio]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertCosts:
    """What each outcome costs [currency]."""

    failure: float
    check: float
    planned: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertOutcomes:
    """The outcomes of one way of alerting."""

    threshold: float
    """At which probability alerts opened [0..1]."""
    caught: int
    missed: int
    false: int
    leads_h: tuple[float, ...]
    """From the first valid alert to each failure that was caught [h]."""
    cost: float

    @property
    def failures(self) -> int:
        """That there were."""
        return self.caught + self.missed

    @property
    def sentence(self) -> str:
        """Caught, missed, false and cost in words."""
        lead = f", median lead {np.median(self.leads_h):.0f} h" if self.leads_h else ""
        return (
            f"{self.caught} of {self.failures} failures caught{lead}, {self.false} false alerts, cost {self.cost:,.0f}"
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """The rows of a life with their probabilities."""

    hours_left: NDArray[np.float64]
    """To the end of the life [h]. (row,)"""
    probability: NDArray[np.float64]
    """Of failing within the horizon [0..1]. (row,)"""
    failed: bool


def costs_of(machine_class: MachineClass) -> AlertCosts:
    """From what the plant says of repairs and maintenance."""
    planned = machine_class.maintenance_cost
    return AlertCosts(failure=machine_class.failure_cost, check=CHECK_SHARE * planned, planned=planned)


def alert_outcomes(
    judged: Sequence[Judged], *, opens: float, closes: float, horizon_h: float, costs: AlertCosts
) -> AlertOutcomes:
    """What comes of alerting at a threshold.

    Args:
        judged: Of lives on which the model was not trained.
        opens: An alert opens at this probability [0..1].
        closes: It closes below this one [0..1].
        horizon_h: Of the probabilities [h].
        costs: Of each outcome.
    """
    caught = missed = false = 0
    leads = []
    for each in judged:
        opened = each.hours_left[_openings(each.probability, opens=opens, closes=closes)]
        early = opened > LONGEST_LEADS * horizon_h if each.failed else opened >= horizon_h
        valid = opened[~early & (opened >= REACTION_SHARE * horizon_h)]
        held = each.failed and _held_into(each, opens=opens, closes=closes, horizon_h=horizon_h)
        if each.failed and (len(valid) or held):
            caught += 1
            leads.append(float(valid[0]) if len(valid) else LONGEST_LEADS * horizon_h)
        elif each.failed:
            missed += 1
        false += int(early.sum())
    cost = costs.failure * missed + costs.check * false + costs.planned * caught
    return AlertOutcomes(
        threshold=opens, caught=caught, missed=missed, false=false, leads_h=tuple(leads), cost=float(cost)
    )


def cost_curve(judged: Sequence[Judged], *, horizon_h: float, costs: AlertCosts) -> tuple[AlertOutcomes, ...]:
    """The outcomes at each of `THRESHOLDS`; alerts close below `CLOSE_RATIO` of the one that opens them."""
    return tuple(
        alert_outcomes(judged, opens=each, closes=CLOSE_RATIO * each, horizon_h=horizon_h, costs=costs)
        for each in THRESHOLDS
    )


def _openings(probability: NDArray[np.float64], *, opens: float, closes: float) -> NDArray[np.intp]:
    """Rows at which an alert opens. (alert,)"""
    return np.flatnonzero(np.diff(_open(probability, opens=opens, closes=closes).astype(int), prepend=0) == 1)


def _open(probability: NDArray[np.float64], *, opens: float, closes: float) -> NDArray[np.bool_]:
    """Whether an alert is open after each row. (row,)"""
    said = np.where(probability >= opens, 1, np.where(probability < closes, 0, -1))
    last = np.maximum.accumulate(np.where(said >= 0, np.arange(len(said)), -1))
    return np.asarray((last >= 0) & (said[np.maximum(last, 0)] == 1))


def _held_into(each: Judged, *, opens: float, closes: float, horizon_h: float) -> bool:
    """Whether an alert that opened too early was still open when it became valid."""
    is_open = _open(each.probability, opens=opens, closes=closes)
    begins = np.flatnonzero(each.hours_left <= LONGEST_LEADS * horizon_h)
    return bool(len(begins) and begins[0] > 0 and is_open[begins[0]] and is_open[begins[0] - 1])
