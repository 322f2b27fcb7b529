"""Discrete-time hazards: bins of remaining life, the censored likelihood, and the survival curve.

Within a bin the hazard rate is constant, so survival falls log-linearly and any horizon can be read off.
Source: Gensheimer and Narasimhan, PeerJ 2019 (likelihood); Kalbfleisch and Prentice, "The Statistical Analysis of
Failure Time Data", ch. 2.4 (grouped lifetimes).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

MEAN_GRID = 26
"""Points of the survival curve that make an expected life in training."""


def bin_edges(longest: float, *, row: float, bins: int) -> NDArray[np.float64]:
    """Log-spaced edges from 0 to the longest remaining life, none narrower than a row [life units]. (bin + 1,)

    >>> bin_edges(8.0, row=1.0, bins=4).tolist()
    [0.0, 1.0, 2.0, 4.0, 8.0]
    """
    edges = np.geomspace(row, max(longest, 2 * row), bins)
    even = row * np.arange(1, bins + 1)
    # narrow first bins are widened to a row each, the rest stays log-spaced
    for first in range(bins):
        rest = np.geomspace(even[first], edges[-1], bins - first) if edges[-1] > even[first] else even[first:]
        if len(rest) < 2 or rest[1] - rest[0] >= row * 0.999:
            return np.concatenate([[0.0], even[:first], rest])
    return np.concatenate([[0.0], even])


def exposure(remaining: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part of each bin lived through before `remaining` [0..1]. (row, bin)

    >>> exposure(np.array([3.0]), np.array([0.0, 2.0, 4.0, 8.0])).tolist()
    [[1.0, 0.5, 0.0]]
    """
    return np.asarray(np.clip((remaining[:, None] - edges[:-1]) / np.diff(edges), 0.0, 1.0))


def targets(
    remaining: NDArray[np.float64], failed: NDArray[np.bool_], edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bins survived [0..1] and the bin of failure [0 or 1] of each row; beyond the last edge is survival. (row, bin)"""
    survived = exposure(remaining, edges)
    which = np.searchsorted(edges[1:], remaining, side="left")  # a failure at an edge belongs to the bin that it ends
    ends = failed & (which < len(edges) - 1)
    died = np.zeros_like(survived)
    rows = np.flatnonzero(ends)
    died[rows, which[rows]] = 1.0
    survived[died > 0] = 0.0
    return survived, died


def negative_log_likelihood(logits: Tensor, survived: Tensor, died: Tensor) -> Tensor:
    """Censored discrete-time likelihood of each row: sum over bins of survived and died. (..., row)"""
    return (died * functional.softplus(-logits) + survived * functional.softplus(logits)).sum(dim=-1)


def log_survival(logits: Tensor) -> Tensor:
    """Logarithm of the probability of outliving each edge, the first (0) included. (..., bin + 1)"""
    total = torch.cumsum(-functional.softplus(logits), dim=-1)
    return functional.pad(total, (1, 0))


def ensemble_log_survival(logits: Tensor) -> Tensor:
    """Logarithm of survival by the members' mean cumulative hazard. (member, row, bin) -> (row, bin + 1)

    Each member was calibrated to be as sharp as it is right. The mean of their survivals would be wider than any of
    them; pooled hazards stay as sharp, and err less on held-out engines (docs/benchmarks/risk-cmapss.md).
    """
    return log_survival(logits).mean(dim=0)


def interpolation(horizons: Sequence[float] | NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix from log-survival at the edges to log-survival at the horizons. (edge, horizon)

    Beyond the last edge the hazard rate of the last bin goes on.
    """
    weights = np.zeros((len(edges), len(horizons)))
    for column, horizon in enumerate(horizons):
        upper = int(np.clip(np.searchsorted(edges, horizon, side="left"), 1, len(edges) - 1))
        part = (horizon - edges[upper - 1]) / (edges[upper] - edges[upper - 1])
        weights[upper, column] += part
        weights[upper - 1, column] += 1.0 - part
    return weights


def remaining_quantile(
    log_survived: NDArray[np.float64], edges: NDArray[np.float64], *, probability: float, longest: float
) -> NDArray[np.float64]:
    """Remaining life that is not reached with this probability, capped at `longest` [life units]. (row,)

    Args:
        log_survived: At the edges. (row, edge)
        edges: [life units]. (edge,)
        probability: Of failing earlier [0..1].
        longest: Cap [life units].
    """
    goal = np.log1p(-probability)
    slope = (log_survived[:, -1] - log_survived[:, -2]) / (edges[-1] - edges[-2])
    result = np.empty(len(log_survived))
    for row, curve in enumerate(log_survived):
        if curve[-1] <= goal:
            result[row] = np.interp(-goal, -curve, edges)
        elif slope[row] < 0:
            result[row] = edges[-1] + (goal - curve[-1]) / slope[row]
        else:
            result[row] = np.inf
    return np.minimum(result, longest)


def mean_weights(longest: float, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix from log-survival at the edges to an even grid up to `longest`, for `expected_life`. (edge, grid)"""
    return interpolation(np.linspace(0.0, longest, MEAN_GRID), edges)


def expected_life(logits: Tensor, weights: Tensor) -> Tensor:
    """Mean remaining life as a share of the longest one that counts, differentiable. (..., row)"""
    survival = torch.exp(log_survival(logits) @ weights)  # (..., row, grid)
    return torch.trapezoid(survival, dx=1.0 / (survival.shape[-1] - 1), dim=-1)


def restricted_mean(
    log_survived: NDArray[np.float64], edges: NDArray[np.float64], *, cap: float
) -> NDArray[np.float64]:
    """Expected remaining life, lives beyond `cap` counted as `cap` [life units]. (row,)"""
    grid = np.linspace(0.0, cap, 501)
    survival = np.exp(log_survived @ interpolation(grid, edges))  # (row, grid)
    return np.asarray(np.trapezoid(survival, grid, axis=1))
