"""Probabilities and intervals that mean what they say, fitted on lives that a member never trained on.

Risk, a three-parameter correction: log cumulative hazard -> slope * log cumulative hazard + tilt * log horizon +
offset: a Platt scaling on the complementary log-log scale, by the log loss over all horizons. The tilt gives the curve
back the course in time that a slope takes from it: without it, where rows were told apart too surely, near risks came
out up to twice too high (docs/benchmarks/risk-fleets.md). The explanation's parts stay proportional.
Source: Platt 1999, with the link of the proportional hazards model.

Remaining life, conformal levels: a quantile is read off the survival curve at the probability below which that share of
held-out lives really ended. Each life weighs the same however many readings it has, since its readings err together;
lives cut short count as censored there (Kaplan and Meier 1958). Few lives say little of a tenth of them: the curve's
own word weighs like `PRIOR_LIVES` of them, and no level is further from it than `MOST_ODDS`, so that "9 in 10 last
12 h" never stands beside a risk within 12 h that says otherwise.
Source: Chernozhukov, Wüthrich and Zhu, "Distributional conformal prediction" (PNAS 2021).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

FEWEST = 2
"""Held-out failures below which the network's own numbers stand [failure]. Few failures make it far too sure of itself,
and even a handful of held-out ones show it (docs/benchmarks/risk-fleets.md)."""
SLOPE_SPREAD = 0.6
"""Prior standard deviation of log slope: without evidence the network's own numbers stand [ratio]."""
OFFSET_SPREAD = 0.5
"""Prior standard deviation of the offset at the middle edge [log units]."""
TILT_SPREAD = 0.5
"""Prior standard deviation of the tilt [ratio]."""
BITS = 8.0
"""How often the answers of one row at all horizons count: they repeat each other [ratio]."""
LEAST_OBSERVED = 0.1
"""Bounds how many others a row answers for where most were cut short [0..1]."""
TINY = 1e-12
QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)
"""Of the remaining life: shares of machines that fail earlier [0..1]."""
PRIOR_LIVES = 30.0
"""Held-out lives that the calibrated curve's own quantiles are worth [life]."""
MOST_ODDS = 2.0
"""Factor by which the odds of a level may differ from those of its quantile [ratio]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """How the network's cumulative hazard becomes the one that is reported."""

    slope: float = 1.0
    offset: float = 0.0
    tilt: float = 0.0
    """Power of the horizon [life units] that the cumulative hazard is multiplied by."""
    failures: int = 0
    """Held-out lives that ended in a failure."""
    calibrated: bool = False
    """False: too few failures; what little they say is used, and the numbers are called uncalibrated."""
    levels: tuple[float, ...] = QUANTILES
    """Probabilities at which the survival curve is read for each of `QUANTILES` [0..1]."""

    def level(self, share: float) -> float:
        """Where on the survival curve this share of machines has failed: one of `QUANTILES` [0..1]."""
        return self.levels[QUANTILES.index(share)]


def calibrated(
    log_survived: NDArray[np.float64], *, edges: NDArray[np.float64], calibration: Calibration
) -> NDArray[np.float64]:
    """Corrected logarithm of survival, nowhere rising; at the first edge, 0, it stays 0. (..., edge)"""
    told = np.zeros_like(log_survived)
    scale = np.exp(calibration.offset + calibration.tilt * np.log(edges[1:]))
    told[..., 1:] = -scale * np.maximum(-log_survived[..., 1:], 0.0) ** calibration.slope
    return np.asarray(np.minimum.accumulate(told, axis=-1))


def fit_calibration(
    log_survived: NDArray[np.float64],
    *,
    edges: NDArray[np.float64],
    remaining: NDArray[np.float64],
    failed: NDArray[np.bool_],
    life: NDArray[np.intp],
    weight: NDArray[np.float64],
    minimum_failures: int,
) -> Calibration:
    """Fit on held-out rows by the log loss of "fails within" at every edge, as far as each one's end is known.

    The edges are log-spaced, so that near horizons weigh like far ones; the likelihood of the bin in which each life
    ended is ruled by the far ends of most rows and told the risk within a day less well (docs/benchmarks/risk.md).
    Source: weights of censored scores, Graf, Schmoor, Sauerbrei and Schumacher (Statistics in Medicine 1999).

    Args:
        log_survived: Out-of-fold, at the bin edges. (row, edge)
        edges: From 0 [life units]. (edge,)
        remaining: Life units to the end of each row's life. (row,)
        failed: Whether that end was a failure. (row,)
        life: Index of the row's life. (row,)
        weight: Readings that the row stands for. (row,)
        minimum_failures: Failures below which what is fitted is still called uncalibrated.
    """
    failures = len(np.unique(life[failed]))
    if failures < FEWEST:
        return Calibration(failures=failures)
    # neighbouring rows say nearly the same: all rows together weigh as much as there are lives
    share = weight * (len(np.unique(life)) / weight.sum())
    horizons = edges[1:]
    happened = failed[:, None] & (remaining[:, None] <= horizons)  # (row, horizon)
    log_hazard = np.log(np.maximum(-log_survived[:, 1:], TINY))
    answers = answered(remaining, failed=failed, weight=share, horizons=horizons)
    counts = share[:, None] * answers * (BITS / len(horizons))

    course = np.log(horizons / horizons[len(horizons) // 2])

    def loss(parameters: NDArray[np.float64]) -> float:
        log_slope, offset, tilt = parameters
        hazard = np.exp(np.clip(np.exp(log_slope) * log_hazard + tilt * course + offset, -30.0, 6.0))
        log_died = np.log(np.maximum(-np.expm1(-hazard), TINY))
        data = (counts * np.where(happened, -log_died, hazard)).sum()
        prior = (log_slope / SLOPE_SPREAD) ** 2 + (offset / OFFSET_SPREAD) ** 2 + (tilt / TILT_SPREAD) ** 2
        return float(data + prior / 2)

    best = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6})
    slope, tilt = float(np.exp(best.x[0])), float(best.x[2])
    offset = float(best.x[1]) - tilt * float(np.log(horizons[len(horizons) // 2]))
    found = Calibration(slope=slope, offset=offset, tilt=tilt, failures=failures)
    told = calibrated(log_survived, edges=edges, calibration=found)
    ahead = remaining > 0  # at the failure itself there is nothing left to foresee
    reached = -np.expm1(-outlived_at(told, edges, remaining))
    levels = conformal_levels(reached[ahead], failed=failed[ahead], life=life[ahead], weight=weight[ahead])
    return replace(found, calibrated=failures >= minimum_failures, levels=levels)


def answered(
    remaining: NDArray[np.float64],
    *,
    failed: NDArray[np.bool_],
    weight: NDArray[np.float64],
    horizons: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How many rows each one answers for at each horizon: 0 where it was cut short before. (row, horizon)

    A row cut short before a horizon is answered for by those that were watched for longer; left out without that, the
    many that are cut short while nothing happened would make failures look frequent.
    """
    observed = _observed(remaining, failed=failed, share=weight, at=np.append(horizons, remaining))
    happened = failed[:, None] & (remaining[:, None] <= horizons)
    still = (remaining[:, None] > horizons) / observed[: len(horizons)]
    return np.asarray(happened / observed[len(horizons) :, None] + still)


def _observed(
    remaining: NDArray[np.float64], *, failed: NDArray[np.bool_], share: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of rows that were not cut short before each instant, by Kaplan and Meier. (instant,)"""
    order = np.argsort(remaining)
    at_risk = np.cumsum(share[order][::-1])[::-1]
    kept = np.cumprod(1.0 - np.where(failed[order], 0.0, share[order] / at_risk))
    before = np.searchsorted(remaining[order], at, side="left")  # rows that ended sooner
    return np.asarray(np.maximum(np.append(1.0, kept)[before], LEAST_OBSERVED))


def outlived_at(
    log_survived: NDArray[np.float64], edges: NDArray[np.float64], remaining: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Cumulative hazard that each row has lived through by the end of its own life. (row,)"""
    row = np.arange(len(remaining))
    upper = np.clip(np.searchsorted(edges, remaining, side="left"), 1, len(edges) - 1)
    part = np.clip((remaining - edges[upper - 1]) / (edges[upper] - edges[upper - 1]), 0.0, 1.0)
    before, after = -log_survived[row, upper - 1], -log_survived[row, upper]
    return np.asarray(before + part * (after - before))


def conformal_levels(
    reached: NDArray[np.float64],
    *,
    failed: NDArray[np.bool_],
    life: NDArray[np.intp],
    weight: NDArray[np.float64],
) -> tuple[float, ...]:
    """The level for each of `QUANTILES`, a step outwards for the finite number of lives; QUANTILES themselves if right.

    Args:
        reached: Predicted probability of failing before the life's true end, at each held-out row [0..1]. (row,)
        failed: Whether that end was a failure; else it is only known to lie later. (row,)
        life: Index of the row's life. (row,)
        weight: Readings that the row stands for. (row,)
    """
    ended = len(np.unique(life[failed]))
    if ended == 0:
        return QUANTILES
    share = weight / np.bincount(life, weights=weight)[life]
    order = np.lexsort((~failed, reached))  # of equal ones the failures first
    at_risk = np.cumsum(share[order][::-1])[::-1]
    lost = np.where(failed[order], share[order] / at_risk, 0.0)
    found = 1.0 - np.cumprod(np.clip(1.0 - lost, 0.0, 1.0))  # share of lives ended by each level
    at = np.clip(reached[order], 0.0, 1.0)
    known = ended + PRIOR_LIVES
    # steps of the lives found, on the straight line of those that end as predicted
    level = np.concatenate([[0.0], np.repeat(at, 2), [1.0]])
    steps = np.concatenate([[0.0], np.stack([np.append(0.0, found[:-1]), found], axis=1).ravel(), [1.0]])
    below = np.maximum.accumulate((ended * steps + PRIOR_LIVES * level) / known)
    wanted = 0.5 + np.clip((np.array(QUANTILES) - 0.5) * (1.0 + 1.0 / known), -0.5, 0.5)
    return tuple(
        float(np.clip(np.interp(share_below, below, level), *_level_bounds(quantile)))
        for share_below, quantile in zip(wanted, QUANTILES, strict=True)
    )


def _level_bounds(quantile: float) -> tuple[float, float]:
    """Least and greatest level that a quantile may be read at [0..1]."""
    odds = quantile / (1.0 - quantile)
    low, high = odds / MOST_ODDS, odds * MOST_ODDS
    return low / (1.0 + low), high / (1.0 + high)
