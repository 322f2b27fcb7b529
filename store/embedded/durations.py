"""How long each word of a state held, step by step. Pure functions on arrays.

A word holds until the next one, but no longer than three periods of its signal, so that silence is no state.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plant.signals import Aggregation
from store.contract import Aggregations
from store.embedded.columns import ClassColumns

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]
Texts = NDArray[np.object_]
Durations = Mapping[str, Floats]
"""Word to seconds in each step, 0 where another word held, NaN where none did. (step,) each"""


def timed_states(columns: ClassColumns, aggregation: Aggregations) -> tuple[str, ...]:
    """The wanted states whose durations are asked for.

    Raises:
        ValueError: One that is asked for by name is no state.
    """
    if isinstance(aggregation, Aggregation):
        return tuple(n for n in columns.texts if n in columns.states) if aggregation is Aggregation.DURATION else ()
    asked = tuple(name for name, how in aggregation.items() if how is Aggregation.DURATION and name in columns.signals)
    if wrong := [name for name in asked if name not in columns.states]:
        there = ", ".join(sorted(columns.states)) or "none"
        raise ValueError(f"Durations are of states; {', '.join(wrong)} is none. States of this class: {there}.")
    return asked


def durations(observed: Instants, words: Texts, edges: Instants, *, hold_us: int) -> Durations:
    """Seconds that each word held between edges.

    Args:
        observed: Increasing. [µs UTC] (row,)
        words: None where nothing was reported. (row,)
        edges: Of the steps, increasing. [µs UTC] (step + 1,)
        hold_us: How long a word holds unless a newer one comes [µs].

    >>> held = durations(
    ...     np.array([0, 8_000_000]), np.array(["Idle", "Held"], dtype=object), np.array([0, 10_000_000, 20_000_000]),
    ...     hold_us=10_000_000,
    ... )
    >>> {word: seconds.tolist() for word, seconds in held.items()}
    {'Held': [2.0, 8.0], 'Idle': [8.0, 0.0]}
    """
    there: NDArray[np.bool_] = np.not_equal(words, np.array(None)).astype(bool)
    at, count = observed[there], len(edges) - 1
    if len(at) == 0 or count <= 0:
        return {}
    told = words[there].tolist()
    names = sorted(set(told))
    place = {name: index for index, name in enumerate(names)}
    codes = np.fromiter(map(place.__getitem__, told), dtype=np.int64, count=len(told))
    # a word that is told again while it still holds changes nothing: one row a run, not one a reading
    begins = np.concatenate(([True], (codes[1:] != codes[:-1]) | (np.diff(at) > hold_us)))
    ends = np.append(at[1:][begins[1:]], at[-1] + hold_us)
    last = at[np.append(np.flatnonzero(begins)[1:] - 1, len(at) - 1)]
    at, codes = at[begins], codes[begins]
    until = np.minimum(ends, last + hold_us)
    points = np.union1d(at, edges[:-1])
    points = points[(points >= edges[0]) & (points < edges[-1])]
    owner = np.searchsorted(at, points, side="right") - 1
    held_us = np.minimum(np.append(points[1:], edges[-1]), until[owner]) - points
    known = (owner >= 0) & (held_us > 0)
    step_of = np.searchsorted(edges, points[known], side="right") - 1
    cells = codes[owner[known]] * count + step_of
    total = np.bincount(cells, weights=held_us[known] / 1e6, minlength=len(names) * count).reshape(len(names), count)
    some = total.sum(axis=0) > 0  # (step,)
    return {str(name): np.where(some, total[i], np.nan) for i, name in enumerate(names) if total[i].any()}


def joined_durations(pieces: Sequence[tuple[Durations, int]]) -> dict[str, Floats]:
    """Pieces, each with its count of steps, one after the other."""
    words = dict.fromkeys(word for piece, _ in pieces for word in piece)
    nothing = {id(piece): _otherwise(piece, count) for piece, count in pieces}
    return {word: np.concatenate([piece.get(word, nothing[id(piece)]) for piece, _ in pieces]) for word in words}


def summed(parts: Durations, step_of: Instants, count: int) -> dict[str, Floats]:
    """Seconds per step from the seconds in its grains."""
    found = {}
    for word, values in parts.items():
        there = ~np.isnan(values)
        some = np.bincount(step_of[there], minlength=count) > 0
        total = np.bincount(step_of[there], weights=values[there], minlength=count)
        if total.any():
            found[word] = np.where(some, total, np.nan)
    return found


def _otherwise(piece: Durations, count: int) -> Floats:
    """What holds for a word that a piece does not know."""
    one = next(iter(piece.values()), None)
    return np.full(count, np.nan) if one is None else np.where(np.isnan(one), np.nan, 0.0)
