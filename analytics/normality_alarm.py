"""When readings that are unusual one after the other become an alarm, at a rate of false ones that the user sets.

A single unusual reading says little, and on drifting operation a threshold for single readings either cries often or
misses what is slow. Evidence is summed up instead: each reading adds the surprise of its p-value less a drift, and the
sum never falls below 0. The alarm stands while the sum is above a level that normal operation, on readings held out
from the fit, passes no more often than wanted.
Source: Page, "Continuous inspection schemes" (Biometrika 1954), on -log p; the level beyond what was seen by an
exponential tail of the peaks, as the sum's own theory has it (Lorden, Annals of Mathematical Statistics 1971).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

DRIFT: Final = 3.0
"""Surprise that leaves the sum as it is, a p-value of 0.05 [nat]; of 2 to 5 it found most injected faults in time at
few false alarms (docs/benchmarks/risk.md)."""
MOST_SURPRISE: Final = 8.0
"""Of one reading, so that a single one hardly raises an alarm by itself [nat]."""
LEAST_LEVEL: Final = DRIFT
"""However many false alarms are bearable: one reading below 0.0025 or several [nat]."""
RECOVERY_ROWS: Final = 10
"""Normal readings after which an alarm has gone at the latest, about [row]."""
TAIL_SHARE: Final = 0.1
"""Greatest peaks that shape the tail [0..1]."""
LEAST_TAIL: Final = 1.07
"""Mean excess of the peaks where p-values are uniform and independent [nat]."""
HOURS_A_WEEK: Final = 168.0


def summed_surprise(p: NDArray[np.float64], *, most: float = np.inf) -> NDArray[np.float64]:
    """The running sum at each reading, at most `most` [nat]. (row,)

    >>> summed_surprise(np.array([1.0, 1e-3, 1e-3, 1.0])).round(1).tolist()
    [0.0, 3.9, 7.8, 4.8]
    """
    steps = np.minimum(-np.log(p), MOST_SURPRISE) - DRIFT
    sums, total = np.empty(len(p)), 0.0
    for row, step in enumerate(steps.tolist()):
        total = min(max(total + step, 0.0), most)
        sums[row] = total
    return sums


def alarm_level(held_out: Sequence[NDArray[np.float64]], *, per_week: float, row_h: float) -> float:
    """The level that normal operation passes about `per_week` times a week [nat].

    Args:
        held_out: p-values of normal readings that the fit did not see, by stretch of time. (row,) each
        per_week: False alarms that are bearable, per machine [1/week].
        row_h: Hours from one reading to the next [h].
    """
    peaks = np.sort(np.concatenate([_peaks(summed_surprise(p)) for p in held_out]))[::-1]
    rows = sum(len(p) for p in held_out)
    wanted = per_week * rows * row_h / HOURS_A_WEEK  # so many of the peaks may pass
    if wanted >= len(peaks):
        return LEAST_LEVEL
    shaping = max(1, round(TAIL_SHARE * len(peaks)))
    if wanted >= shaping:
        return max(float(peaks[int(wanted)]), LEAST_LEVEL)
    begin = float(peaks[shaping]) if shaping < len(peaks) else 0.0
    tail = max(float((peaks[:shaping] - begin).mean()), LEAST_TAIL)
    return max(begin + tail * float(np.log((shaping + 1) / wanted)), LEAST_LEVEL)


def alarms(p: NDArray[np.float64], *, level: float) -> NDArray[np.bool_]:
    """Whether the alarm stands at each reading. (row,)"""
    return np.asarray(summed_surprise(p, most=level + RECOVERY_ROWS * DRIFT) > level)


def _peaks(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Greatest sum of each stretch above 0. (stretch,)"""
    above = np.concatenate([[0], (sums > 0).astype(np.int8), [0]])
    begins, ends = np.flatnonzero(np.diff(above) == 1), np.flatnonzero(np.diff(above) == -1)
    return np.array([sums[begin:end].max() for begin, end in zip(begins, ends, strict=True)])
