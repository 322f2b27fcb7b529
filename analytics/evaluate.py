"""What the risk is worth: the protocols' metrics, and the check that nothing looks into the future.

Source: protocol and score of the C-MAPSS data set, Saxena et al., "Damage propagation modeling for aircraft engine
run-to-failure simulation" (PHM 2008); average precision without interpolation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from analytics.lives import Life, truncated

RELIABILITY_BINS = 10
BOOTSTRAPS = 200
BAND = (2.5, 97.5)
"""Of the bootstrap by life [%]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """One bin of a reliability diagram."""

    predicted: float
    """Mean probability [0..1]."""
    observed: float
    """Share that failed [0..1]."""
    rows: int


def rmse(predicted: NDArray[np.float64], truth: NDArray[np.float64], *, cap: float = np.inf) -> float:
    """Root mean square error of the remaining life, the truth capped [life units].

    >>> rmse(np.array([10.0, 125.0]), np.array([10.0, 145.0]), cap=125.0)
    0.0
    """
    return float(np.sqrt(np.mean((predicted - np.minimum(truth, cap)) ** 2)))


def asymmetric_score(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """The PHM 2008 score S: late predictions cost more than early ones."""
    late = predicted - truth
    return float(np.where(late < 0, np.expm1(-late / 13.0), np.expm1(late / 10.0)).sum())


def average_precision(probability: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Area under the precision-recall steps; equal probabilities count together. NaN when nothing happened.

    >>> average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True])).__round__(3)
    0.833
    """
    positives = int(happened.sum())
    if positives == 0:
        return float("nan")
    order = np.argsort(-probability, kind="stable")
    caught = np.cumsum(happened[order])
    last_of_tie = np.append(np.diff(probability[order]) != 0, True)
    caught, shown = caught[last_of_tie], (np.arange(len(order)) + 1)[last_of_tie]
    gained = np.diff(np.concatenate([[0], caught]))
    return float((gained * caught / shown).sum() / positives)


def roc_auc(score: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Chance that a row where it happened scores above one where it did not; ties count half. NaN without both kinds.

    >>> roc_auc(np.array([0.9, 0.8, 0.1, 0.1]), np.array([True, False, True, False]))
    0.625
    """
    positives, negatives = int(happened.sum()), int((~happened).sum())
    if not positives or not negatives:
        return float("nan")
    rank = rankdata(score)
    return float((rank[happened].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def brier(probability: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Mean squared error of the probability [0..1]."""
    return float(np.mean((probability - happened) ** 2))


def reliability(
    probability: NDArray[np.float64], happened: NDArray[np.bool_], *, least: float = 0.0
) -> tuple[Reliability, ...]:
    """Ten bins of equal width over the rows with at least a probability of `least`; empty bins are left out."""
    use = probability >= least
    which = np.minimum((probability[use] * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    bins = []
    for number in np.unique(which):
        rows = which == number
        bins.append(
            Reliability(
                predicted=float(probability[use][rows].mean()),
                observed=float(happened[use][rows].mean()),
                rows=int(rows.sum()),
            )
        )
    return tuple(bins)


def banded_reliability(
    parts: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]], *, seed: int
) -> tuple[tuple[Reliability, ...], NDArray[np.float64]]:
    """Bins over the rows of several lives, and what each bin may well show by chance.

    Args:
        parts: Of each life its probabilities and whether it failed within the horizon; undecided rows left out.
        seed: Of the bootstrap by life.

    Returns:
        The bins; low and high of each where resampled lives put it, NaN where they never do. (bin, 2)
    """
    bins = reliability(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    rng = np.random.default_rng(seed)
    seen: list[list[float]] = [[] for _ in bins]
    for _ in range(BOOTSTRAPS if bins else 0):
        drawn = [parts[index] for index in rng.integers(len(parts), size=len(parts))]
        again = reliability(*(np.concatenate(column) for column in zip(*drawn, strict=True)))
        for each_bin in again:
            place = int(np.argmin([abs(each_bin.predicted - known.predicted) for known in bins]))
            seen[place].append(each_bin.observed)
    band = np.array([np.percentile(values, BAND) if values else (np.nan, np.nan) for values in seen])
    return bins, band.reshape(len(bins), 2)


def expected_calibration_error(probability: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Mean distance between predicted and observed over the bins, weighted by rows [0..1]."""
    bins = reliability(probability, happened)
    return sum(part.rows * abs(part.predicted - part.observed) for part in bins) / max(len(probability), 1)


def future_leak(score: Callable[[Life], NDArray[np.float64]], life: Life, *, cuts: Sequence[int]) -> float:
    """Greatest change of any row's score when the readings after it are taken away; 0 for a causal score.

    Args:
        score: Scores every row of a life. (row, ...)
        life: To score whole and truncated.
        cuts: Row counts at which to truncate.
    """
    whole = score(life)
    worst = 0.0
    for cut in cuts:
        part = score(truncated(life, rows=cut))
        worst = max(worst, float(np.nanmax(np.abs(part - whole[:cut]), initial=0.0)))
    return worst
