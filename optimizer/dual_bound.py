"""A bound that holds whatever the solver's tolerances were: any prices of the rows prove one.

For a linear program min c x with row limits and column bounds, every vector of row prices y gives a valid bound: the
rows at the limit their price's sign asks for, and the columns at the bound their reduced cost c - A'y asks for. An
interior point method without crossover therefore proves as much as its prices are worth, and no more.
Source: Neumaier and Shcherbina, Safe bounds in linear and mixed-integer linear programming, Mathematical Programming
99, 2004.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-11
"""Taken off as a part of the sum of all terms' sizes: many times what summing them in floats can lose."""


def safe_bound(lp: Any, row_prices: NDArray[np.float64]) -> float:
    """The bound that row prices prove for HiGHS' linear program, without its constant; -inf where they prove none."""
    lower, upper = np.array(lp.row_lower_), np.array(lp.row_upper_)
    prices = np.where(np.isinf(np.where(row_prices > 0, lower, upper)), 0.0, row_prices)
    matrix = lp.a_matrix_
    starts, index = np.array(matrix.start_, dtype=np.int64), np.array(matrix.index_, dtype=np.int64)
    value = np.array(matrix.value_, dtype=np.float64)
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    is_columnwise = len(starts) - 1 == lp.num_col_ and "kColwise" in str(matrix.format_)
    columns, rows = (owner, index) if is_columnwise else (index, owner)
    reduced = np.array(lp.col_cost_) - np.bincount(columns, weights=value * prices[rows], minlength=lp.num_col_)
    least, most = np.array(lp.col_lower_), np.array(lp.col_upper_)
    with np.errstate(invalid="ignore"):
        by_rows = np.where(prices == 0, 0.0, prices * np.where(prices > 0, lower, upper))
        by_columns = np.where(reduced == 0, 0.0, reduced * np.where(reduced > 0, least, most))
    terms = np.concatenate([by_rows, by_columns])
    if not np.isfinite(terms).all():
        return float("-inf")
    return float(terms.sum() - ROUNDING * np.abs(terms).sum())
