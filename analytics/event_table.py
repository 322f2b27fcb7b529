"""`events.csv` of a data folder: what happened to machines and when, as a column of counts for each kind of event."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

EVENTS: Final = "events.csv"
EVENT: Final = "event"
PREFIX: Final = "events:"
"""Begins the name of each column of counts, and is in no file."""
KINDS_MOST: Final = 50
"""Kinds of events that become inputs, the most frequent first."""


def count_events(
    kinds: NDArray[np.object_],
    event_machines: NDArray[np.object_],
    event_at: NDArray[np.float64],
    *,
    machines: NDArray[np.object_],
    at: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """How often each kind happened from a machine's reading before (not included) to each reading (included).

    Args:
        kinds: Of each event. (event,)
        event_machines: (event,)
        event_at: In the unit of the readings. (event,)
        machines: Of each reading. (row,)
        at: Of each reading. (row,)

    Returns:
        Counts by `events:<kind>`, in order of the names, 0 at each machine's first reading. (row,) each
    """
    counts: dict[str, NDArray[np.float64]] = {}
    frequent = pd.Series(kinds).value_counts().index[:KINDS_MOST]
    for kind in sorted(map(str, frequent)):
        column = np.zeros(len(at))
        mine = kinds == kind
        for machine in np.unique(event_machines[mine].astype(str)):
            rows = np.flatnonzero(machines == machine)
            rows = rows[np.argsort(at[rows], kind="stable")]
            until = np.searchsorted(np.sort(event_at[mine & (event_machines == machine)]), at[rows], side="right")
            column[rows] = np.diff(until, prepend=until[:1])
        counts[PREFIX + kind] = column
    return counts
