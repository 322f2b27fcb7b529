"""What the label head can look at: the candidates among which training chooses.

Readings in time are seen as the failure risk sees them, without age, over trailing windows, as such and above
what the life began with: habits differ from machine to machine. Rows that stand alone are
seen as they are, with product, difference and ratio of each pair of signals: power is torque times speed, heat flow a
difference of temperatures, slip a ratio of speeds.
"""

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.features import extract, features_of
from analytics.lives import Life
from analytics.model_settings import AgeInput, ModelSettings
from analytics.normalise import Normaliser

LOOK: Final = ModelSettings(age=AgeInput.WITHOUT, scales_rows=(4, 16, 64))
"""Readings in time are seen over up to 128 rows; a label speaks of a state, not of an age or of most of a life."""
PIECE_ROWS: Final = 5000
"""Rows whose windows are looked at together; bounds memory [row]."""
OWN_ROWS: Final = 200
"""First readings of a life with which its later ones are compared [row]."""
PAIRED: Final = 40
"""Signals beyond which no pairs are looked at: too many of them would foretell labels by chance, and cost minutes."""
SIGNS: Final = {"product": "x", "difference": "-", "ratio": "/"}


def inputs_of(signals: Sequence[str], normaliser: Normaliser | None) -> tuple[tuple[str, str], ...]:
    """Signal (or pair of signals) and statistic of each candidate, in the order of the columns."""
    if normaliser is not None:
        names = [(f.signal, f"{f.scale} {f.statistic}") for f in features_of(normaliser, settings=LOOK)]
        return tuple(names + [(signal, f"{statistic} above the life's own") for signal, statistic in names])
    pairs = list(itertools.combinations(signals, 2)) if len(signals) <= PAIRED else []
    values = [(name, "value") for name in signals]
    return tuple(values + [(f"{a} {sign} {b}", kind) for kind, sign in SIGNS.items() for a, b in pairs])


def label_inputs(
    life: Life, normaliser: Normaliser | None, rows: NDArray[np.intp], *, chosen: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Candidates of some rows, all of them or those chosen by their column. (row, input), NaN where missing"""
    if normaliser is None:
        return pair_inputs(life.values[rows], chosen)
    pieces = np.array_split(rows, max(1, -(-len(rows) // PIECE_ROWS)))
    first = extract(life, normaliser=normaliser, settings=LOOK, rows=np.arange(min(OWN_ROWS, len(life))))
    own = _running_mean(first)  # (first, input)
    found = []
    for piece in pieces:
        seen = extract(life, normaliser=normaliser, settings=LOOK, rows=piece)
        both = np.concatenate([seen, seen - own[np.minimum(piece, len(own) - 1)]], axis=1)
        found.append(both if chosen is None else both[:, chosen])
    return np.concatenate(found)


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of what was reported up to each row, NaN before the first. (row, input)"""
    known = np.cumsum(np.isfinite(values), axis=0)
    return np.where(known > 0, np.nancumsum(values, axis=0) / np.maximum(known, 1), np.nan)


def pair_inputs(values: NDArray[np.float64], chosen: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
    """Signals and their pairs, all or some; a division by nothing is missing. (row, input)"""
    count = values.shape[1]
    first, second = np.triu_indices(count, k=1)
    whole = count + len(SIGNS) * len(first) if count <= PAIRED else count
    wanted = np.arange(whole) if chosen is None else chosen
    found = np.empty((len(values), len(wanted)))
    for column, which in enumerate(wanted):
        if which < count:
            found[:, column] = values[:, which]
            continue
        kind, pair = divmod(int(which) - count, len(first))
        a, b = values[:, first[pair]], values[:, second[pair]]
        with np.errstate(over="ignore"):
            if kind == 0:
                found[:, column] = a * b
            elif kind == 1:
                found[:, column] = a - b
            else:
                found[:, column] = np.divide(a, b, out=np.full(len(a), np.nan), where=b != 0)
    return found
