"""How often something happened between two operating readings: event signals and counters of condition.

An error code, a jam or a restart tells of wear by how often it comes. Each becomes an input like any other: what it
grew by since the reading before, so that its mean over a window is its rate. What happened while the machine stood is
counted at the next reading; a counter that was set back counts from zero; what happened before a life's first reading
belongs to the life before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.assets import MachineClass, Signal, SignalKind, SignalRole
from plant.signals import Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """What a stretch of readings leaves to be counted."""

    last: tuple[float, ...]
    """Each counter's newest total, NaN where it was never reported."""
    open: tuple[float, ...]
    """What happened since the last operating reading."""


def counted_signals(machine_class: MachineClass) -> tuple[Signal, ...]:
    """Events and counters that tell of the machine's condition.

    The good parts, the energy and the like are counters too, with roles of their own.
    """
    kinds = (SignalKind.COUNTER, SignalKind.EVENT)
    return tuple(s for s in machine_class.signals if s.kind in kinds and s.role is SignalRole.CONDITION)


def count(
    window: Window, signals: Sequence[Signal], *, rows: NDArray[np.intp], carried: Tally | None
) -> tuple[NDArray[np.float64], Tally]:
    """What each signal grew by at some rows of a window since the row before them, and what the next window needs.

    Args:
        window: Stepped or raw; of the events of one step the last is kept, so that a step counts once.
        signals: As `counted_signals` names them.
        rows: Operating rows, increasing. (row,)
        carried: From the window just before; None: this is the first one.

    Returns:
        (row, signal)
    """
    carried = carried or Tally(last=(np.nan,) * len(signals), open=(0.0,) * len(signals))
    counts = np.empty((len(rows), len(signals)))
    last, left = [], []
    for column, signal in enumerate(signals):
        before, waiting = carried.last[column], carried.open[column]
        if signal.kind is SignalKind.EVENT:
            told = window.states.get(signal.name, np.full(len(window), None, dtype=object))
            growth = (told != np.array(None)).astype(np.float64)
        else:
            growth, before = _growth(window.values.get(signal.name, np.full(len(window), np.nan)), before=before)
        total = waiting + np.cumsum(growth)
        at_rows = total[rows]
        counts[:, column] = np.diff(at_rows, prepend=0.0)
        last.append(before)
        end = total[-1] if len(total) else waiting
        left.append(float(end - (at_rows[-1] if len(rows) else 0.0)))
    return counts, Tally(last=tuple(last), open=tuple(left))


def _growth(totals: NDArray[np.float64], *, before: float) -> tuple[NDArray[np.float64], float]:
    """Growth of a counter at each row, 0 where it was not reported, and its newest total. (time,)"""
    growth = np.zeros(len(totals))
    reported = np.flatnonzero(np.isfinite(totals))
    if not len(reported):
        return growth, before
    values = totals[reported]
    step = np.diff(values, prepend=values[0] if np.isnan(before) else before)
    growth[reported] = np.where(step >= 0, step, values)
    return growth, float(values[-1])
