"""How much a counter grew, in spite of resets, rollovers and glitches.

Totals of parts and energy restart at zero, roll over at the end of their register, and glitch: one real energy meter
counted 15.5 MWh in a cycle of 10 s. Every growth is therefore checked against what is physically possible.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

US_PER_H: Final = 3_600_000_000
IMPOSSIBLE_FACTOR: Final = 10.0
"""Growth this many times faster than the usual fast growth is not the machine's."""
HEALING_READINGS: Final = 3
"""A glitch of a meter or its driver lasts a reading or two; a counter that was reset does not catch up that soon."""
LEAST_GROWTHS: Final = 20
"""Below this many growths the usual rate is not known well enough to call another one impossible."""


def counter_increase(
    values: NDArray[np.float64],
    *,
    observed_at: NDArray[np.int64],
    maximum_per_h: float | None = None,
    rollover: float | None = None,
    quantum: float = 1.0,
) -> NDArray[np.float64]:
    """Growth of a counter at each reading since the last one that counted. [counter's unit] (time,)

    A fall is a rollover where `rollover` and a greatest growth are known and growth through it is possible, otherwise
    a reset to zero whose new value is the growth. A growth beyond `maximum_per_h` for the time it took is impossible
    and counts as none. Where a counter is back at its old total within `HEALING_READINGS` readings, the break was a
    glitch, and the growth is that since before it. The first reading, and readings that are NaN, have no growth.

    Args:
        values: readings, NaN where nothing was reported. (time,)
        observed_at: increasing instants [µs]. (time,)
        maximum_per_h: greatest possible growth [unit/h]; None: `usual_maximum_per_h` of these readings.
        rollover: value at which the register wraps to zero [unit]; None: it does not.
        quantum: least step of the counter [unit]; one such step is always possible, however short the time.

    >>> at = np.arange(5, dtype=np.int64) * US_PER_H
    >>> counter_increase(np.array([10.0, 12.0, np.nan, 1.0, 9e9]), observed_at=at, maximum_per_h=5.0).tolist()
    [0.0, 2.0, 0.0, 1.0, 0.0]
    """
    growth = np.zeros(len(values), dtype=np.float64)
    seen = np.flatnonzero(np.isfinite(values))
    if len(seen) < 2:
        return growth
    maximum = maximum_per_h if maximum_per_h is not None else usual_maximum_per_h(values, observed_at=observed_at)
    level = values[seen]
    hours = observed_at[seen] / US_PER_H
    steps = np.diff(level)
    possible = np.full(len(steps), np.inf) if maximum is None else maximum * np.diff(hours) + quantum
    if bool(np.all((steps >= 0) & (steps <= possible))):
        growth[seen[1:]] = steps
        return growth
    growth[seen[1:]] = _growth_over_breaks(level, hours=hours, maximum=maximum, rollover=rollover, quantum=quantum)
    return growth


def usual_maximum_per_h(values: NDArray[np.float64], *, observed_at: NDArray[np.int64]) -> float | None:
    """The fastest growth that these readings make believable [unit/h]; None: too few of them to say.

    Ten times the 95th percentile of the growths' rates: a machine may well run twice as fast as it mostly does, and a
    factor of ten is beyond any machine while glitches are off by hundreds.
    """
    seen = np.flatnonzero(np.isfinite(values))
    steps = np.diff(values[seen])
    hours = np.diff(observed_at[seen]) / US_PER_H
    rates = steps[steps > 0] / hours[steps > 0]
    if len(rates) < LEAST_GROWTHS:
        return None
    return float(np.percentile(rates, 95)) * IMPOSSIBLE_FACTOR


def _growth_over_breaks(
    level: NDArray[np.float64],
    *,
    hours: NDArray[np.float64],
    maximum: float | None,
    rollover: float | None,
    quantum: float,
) -> list[float]:
    """Growth at each reading but the first, reading by reading. (reading - 1,)"""
    found: list[float] = []
    anchor = 0  # the last reading before a break
    since_break = HEALING_READINGS + 1
    counted = 0.0  # since the anchor

    def limit(start: int, end: int) -> float:
        return math.inf if maximum is None else maximum * float(hours[end] - hours[start]) + quantum

    for now in range(1, len(level)):
        since_break += 1
        if since_break <= HEALING_READINGS and 0 <= level[now] - level[anchor] <= limit(anchor, now):
            found.append(max(0.0, float(level[now] - level[anchor]) - counted))
            since_break = HEALING_READINGS + 1
            continue
        amount, broken = _growth(float(level[now - 1]), float(level[now]), limit=limit(now - 1, now), rollover=rollover)
        if broken and since_break > HEALING_READINGS:
            anchor, since_break, counted = now - 1, 0, 0.0
        counted += amount
        found.append(amount)
    return found


def _growth(before: float, after: float, *, limit: float, rollover: float | None) -> tuple[float, bool]:
    """Growth from one reading to the next, and whether the counting was broken between them."""
    if 0 <= after - before <= limit:
        return after - before, False
    if after < before and rollover is not None and limit < math.inf and 0 <= rollover - before + after <= limit:
        return rollover - before + after, False
    return (after if after < before and 0 <= after <= limit else 0.0), True
