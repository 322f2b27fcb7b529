"""Which inputs the label head looks at: those that foretell labels of rows that were held out.

An additive model of histograms grows one input at a time; each input is judged by what its steps, fitted without a part
of the rows, save in log loss on that part. A useless input saves nothing there, however many are tried.

From few lives that is not to be told: any input that drifts tells one end from another. There an input counts that
stands higher (or lower, or further out) in the labelled rows of every life, by the life in which it does so least.

Source: cross-fitted gain after gradient boosting with Newton steps, Friedman (Annals of Statistics 28, 2000); pairs of
inputs chosen after single ones as by Lou et al., "Accurate intelligible models with pairwise interactions" (KDD 2013).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

PASSES: Final = 3
"""Over all inputs taken so far, after each that is added."""
STEP: Final = 0.5
"""Share of a Newton step that is taken."""
ALIKE: Final = 0.9
"""Correlation of ranks from which on two inputs say the same."""
MOST_LOGIT: Final = 2.0
"""Greatest single step [logit]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Histograms:
    """Rows as bins of every candidate."""

    bin: NDArray[np.intp]
    """Bin of each row; the last one is for missing values. (input, row)"""
    fold: NDArray[np.intp]
    """Part of each row. (row,)"""
    bins: int
    folds: int
    ridge: float
    """Pseudo-rows that draw a step to 0 [row x variance]."""


def choose_inputs(
    rows: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    fold: NDArray[np.intp],
    *,
    always: int,
    least: int,
    most: int,
    bins: int,
    least_gain: float,
    ridge: float = 5.0,
) -> NDArray[np.intp]:
    """Columns worth looking at, increasing.

    Args:
        rows: Candidates of each row, NaN where missing. (row, input)
        y: 0 or 1. (row,)
        weight: How many rows each stands for. (row,)
        fold: Part to which each row belongs; an input is judged on each part by the others. (row,)
        always: The first so many columns are taken in any case.
        least: Columns taken in all even where they save nothing; the calibration then says little.
        most: Columns taken beside them.
        bins: Quantile bins of each input.
        least_gain: What an input must save on held-out rows [nats].
        ridge: Pseudo-rows that draw a step to 0.
    """
    share = float((weight * y).sum() / weight.sum())
    balance = weight * np.where(y > 0.5, 0.5 / share, 0.5 / (1 - share))
    binned = np.stack([_binned(column, balance, bins) for column in rows.T])
    made = _Histograms(bin=binned, fold=fold, bins=bins + 1, folds=int(fold.max()) + 1, ridge=ridge)
    margin = np.full((made.folds, len(y)), np.log(share / (1 - share)))  # of the model without each part
    taken = list(range(always))
    for _ in range(PASSES if taken else 0):
        for column in taken:
            _improve(margin, column, y, weight, made)
    for _ in range(most):
        gain = _gains(margin, y, weight, made)
        gain[taken] = -np.inf
        best = int(gain.argmax())
        if not np.isfinite(gain[best]) or (gain[best] < least_gain and len(taken) >= least):
            break
        taken.append(best)
        for _ in range(PASSES):
            for column in (best, *taken):
                _improve(margin, column, y, weight, made)
    return np.sort(np.array(taken, dtype=np.intp))


def choose_alike(
    rows: NDArray[np.float64],
    y: NDArray[np.float64],
    life: NDArray[np.intp],
    *,
    least: int,
    most: int,
    least_auc: float,
) -> NDArray[np.intp]:
    """Columns that tell labelled rows apart in every life alike, increasing.

    Args:
        rows: Candidates of each row, NaN where missing. (row, input)
        y: 0 or 1. (row,)
        life: To which each row belongs. (row,)
        least: Columns taken even where none does.
        most: Columns taken.
        least_auc: Area under the curve that an input must reach in each life [0.5..1].
    """
    told = [which for which in np.unique(life) if 0 < y[life == which].sum() < (life == which).sum()]
    filled = np.where(np.isfinite(rows), rows, np.nan)
    middle = np.nan_to_num(np.array([np.median(_reported(column[y < 0.5])) for column in filled.T]))
    filled = np.where(np.isnan(filled), middle, filled)
    score = np.zeros(rows.shape[1])
    for seen in (filled, np.abs(filled - middle)):
        area = np.stack([_areas(seen[life == which], y[life == which] > 0.5) for which in told])  # (life, input)
        score = np.maximum(score, np.maximum(area.min(axis=0), 1.0 - area.max(axis=0)))
    ranks = np.argsort(np.argsort(filled, axis=0), axis=0).astype(np.float64)
    ranks = (ranks - ranks.mean(axis=0)) / np.maximum(ranks.std(axis=0), 1e-9)
    taken: list[int] = []
    for which in np.argsort(-score, kind="stable"):
        if len(taken) == most or (score[which] < least_auc and len(taken) >= least):
            break
        if all(abs(float((ranks[:, which] * ranks[:, other]).mean())) < ALIKE for other in taken):
            taken.append(int(which))
    return np.sort(np.array(taken, dtype=np.intp))


def _reported(column: NDArray[np.float64]) -> NDArray[np.float64]:
    present = column[np.isfinite(column)]
    return present if len(present) else np.zeros(1)


def _areas(rows: NDArray[np.float64], labelled: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Area under the ROC curve of each column. (input,)"""
    ranks = rankdata(rows, axis=0)
    ones = int(labelled.sum())
    above = ranks[labelled].sum(axis=0) - ones * (ones + 1) / 2
    return np.asarray(above / (ones * (len(rows) - ones)))


def _binned(column: NDArray[np.float64], balance: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Quantile bin of each value, the last for missing ones; rare labels weigh as much as the rest. (row,)"""
    present = np.flatnonzero(np.isfinite(column))
    found = np.full(len(column), bins, dtype=np.intp)
    if len(present):
        order = present[np.argsort(column[present], kind="stable")]
        mass = np.cumsum(balance[order])
        at = np.searchsorted(mass, np.linspace(0, 1, bins + 1)[1:-1] * mass[-1])
        edges = np.unique(column[order[np.minimum(at, len(order) - 1)]])
        found[present] = np.searchsorted(edges, column[present], side="right")
    return found


def _derivatives(
    margin: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and second derivative of the log loss. (fold, row) each"""
    chance = 1.0 / (1.0 + np.exp(-margin))
    return weight * (chance - y), weight * np.maximum(chance * (1.0 - chance), 1e-6)


def _improve(
    margin: NDArray[np.float64], column: int, y: NDArray[np.float64], weight: NDArray[np.float64], made: _Histograms
) -> None:
    """A step of every part's model along one input."""
    first, second = _derivatives(margin, y, weight)
    where = made.bin[column]
    for part in range(made.folds):
        known = made.fold != part
        down = np.bincount(where[known], weights=first[part, known], minlength=made.bins)
        curved = np.bincount(where[known], weights=second[part, known], minlength=made.bins)
        margin[part] += STEP * np.clip(-down / (curved + made.ridge / 4), -MOST_LOGIT, MOST_LOGIT)[where]


def _gains(
    margin: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    made: _Histograms,
) -> NDArray[np.float64]:
    """What a step along each input saves on the rows held out [nats]. (input,)"""
    first, second = _derivatives(margin, y, weight)
    saved = np.zeros((len(made.bin), made.folds))
    for part in range(made.folds):
        out = made.fold == part
        key = out * made.bins
        for column, where in enumerate(made.bin):
            at = where + key
            down = np.bincount(at, weights=first[part], minlength=2 * made.bins)
            curved = np.bincount(at, weights=second[part], minlength=2 * made.bins)
            step = np.clip(-down[: made.bins] / (curved[: made.bins] + made.ridge / 4), -MOST_LOGIT, MOST_LOGIT)
            saved[column, part] = -(down[made.bins :] @ step + 0.5 * curved[made.bins :] @ step**2)
    return np.asarray(saved.sum(axis=1))
