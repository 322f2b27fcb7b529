"""What a model carries of the rows that its members held out: the reliability diagram, and what alerts were worth."""

import numpy as np
from numpy.typing import NDArray

from analytics.alert_costs import AlertCosts, Judged, cost_curve
from analytics.evaluate import banded_reliability
from analytics.versions import HeldOutAlerts, HeldOutBin


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


def held_out_alerts(
    probability: NDArray[np.float64],
    hours_left: NDArray[np.float64],
    *,
    failed: NDArray[np.bool_],
    life: NDArray[np.intp],
    horizon_h: float,
    costs: AlertCosts,
) -> tuple[HeldOutAlerts, ...]:
    """Cost and lead time by threshold; none where no failure was held out.

    Args:
        probability: Of failing within the horizon, each life's rows in order of time [0..1]. (row,)
        hours_left: To the end of each row's life [h]. (row,)
        failed: Whether that end was a failure. (row,)
        life: To which each row belongs. (row,)
        horizon_h: Of the probabilities [h].
        costs: Of each outcome.
    """
    if not failed.any():
        return ()
    rows = [life == each for each in np.unique(life)]
    judged = [
        Judged(hours_left=hours_left[mine], probability=probability[mine], failed=bool(failed[mine][0]))
        for mine in rows
    ]
    return tuple(
        HeldOutAlerts(
            threshold=each.threshold,
            caught=each.caught,
            missed=each.missed,
            false=each.false,
            median_lead_h=float(np.median(each.leads_h)) if each.leads_h else float("nan"),
            least_lead_h=float(np.percentile(each.leads_h, 10)) if each.leads_h else float("nan"),
            cost=each.cost,
            never=costs.failure * each.failures,
        )
        for each in cost_curve(judged, horizon_h=horizon_h, costs=costs)
    )
