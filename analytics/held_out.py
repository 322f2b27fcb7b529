"""The reliability diagram that a model carries: small, from the rows that its members held out."""

import numpy as np
from numpy.typing import NDArray

from analytics.evaluate import banded_reliability
from analytics.versions import HeldOutBin


def held_out_bins(
    probability: NDArray[np.float64], happened: NDArray[np.bool_], *, life: NDArray[np.intp]
) -> tuple[HeldOutBin, ...]:
    """Bins with the band of resampled lives; none where nothing was held out.

    Args:
        probability: Of failing within the horizon [0..1]. (row,)
        happened: Whether it did. (row,)
        life: To which each row belongs. (row,)
    """
    parts = [(probability[life == each], happened[life == each]) for each in np.unique(life)]
    if not parts:
        return ()
    bins, band = banded_reliability(parts, seed=0)
    return tuple(
        HeldOutBin(predicted=each.predicted, observed=each.observed, rows=each.rows, low=float(low), high=float(high))
        for each, (low, high) in zip(bins, band, strict=True)
    )
