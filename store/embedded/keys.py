"""Which samples have just been stored, so that a second delivery is recognised at once."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.embedded.rows import Rows, hashed, joined, picked, sample, timeless

Key = tuple[str, int]
Values = dict[str, float | str]
Places = dict[int, tuple[Rows, int]]
"""Hashed key to some rows and the index of the newest one that has it."""

LOOSE_ROWS: Final = 4_000
LOOSE_PARTS: Final = 64
"""So many rows, or parts, are looked up by a dictionary until they become one part."""
NEVER: Final = -(2**63)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What in some new rows had been there before."""

    duplicates: dict[int, list[str]] = field(default_factory=dict)
    """Row to the signals whose values were there already."""
    merged: dict[Key, Values] = field(default_factory=dict)
    """Newest values of each key that more than one row speaks of."""


Fetch = Callable[[Sequence[int]], Rows | None]
"""Gives the rows of some batches of the hot part, one after the other; None where one is gone."""


class _Index(NamedTuple):
    """Hashed keys of a part, sorted, and the row of each."""

    hashes: NDArray[np.int64]
    rows: NDArray[np.int32]


@dataclass(kw_only=True, slots=True)
class _Part:
    """Rows that were added together, and an index once somebody asks."""

    rows: Rows | None
    """None: they are not held here and fetched when needed."""
    row_count: int
    start_us: int
    end_us: int
    """The newest instant, included."""
    batches: tuple[int, ...]
    """Numbers of its batches in the hot part; none: it cannot be fetched from there."""
    index: _Index | None = None

    def found(self, fetch: Fetch) -> Rows | None:
        """The rows; None where they are gone."""
        if self.rows is not None:
            return self.rows
        rows = fetch(self.batches)
        return None if rows is None else _timed(rows)

    def find(self, hashes: NDArray[np.int64], fetch: Fetch) -> Places:
        """Of some hashed keys those that are here, with their newest row."""
        rows: Rows | None = None
        if self.index is None:
            if (rows := self.found(fetch)) is None:
                return {}
            own = hashed(rows.machine.words, rows.machine.codes, rows.observed)
            order = np.argsort(own, kind="stable")
            self.index = _Index(own[order], order.astype(np.int32))
        places = np.searchsorted(self.index.hashes, hashes, side="right") - 1
        hits = np.flatnonzero((places >= 0) & (self.index.hashes[places] == hashes))
        if len(hits) == 0 or (rows := rows or self.found(fetch)) is None:
            return {}
        newest = self.index.rows[places[hits]].tolist()
        return {key: (rows, row) for key, row in zip(hashes[hits].tolist(), newest, strict=True)}


class RecentKeys:
    """Keys and rows of one machine class: its whole hot part and the newest sealed rows.

    Nearly all rows are newer than what their machine reported before, and are known to be new without a look. For a
    late one the parts that cover its time are searched by hashed key. A hit is looked up in its part before it counts,
    so that two keys of one hash are never confused; the second of such a pair is recognised at sealing only. Only the
    newest `window_rows` rows, to the whole parts in which they are, are held in memory; what is older and not sealed
    is fetched where a late row asks for it.
    """

    def __init__(self, *, window_rows: int, fetch: Fetch = lambda _: None) -> None:
        self._window_rows = window_rows
        self._fetch = fetch
        self._number: dict[str, int] = {}
        self._newest = np.empty(0, dtype=np.int64)
        self._merged: dict[Key, Values] = {}
        self._parts: deque[_Part] = deque()
        self._sealed_parts = 0
        self._loose: list[_Part] = []
        self._loose_places: Places = {}
        self._unplaced: list[tuple[Rows, NDArray[np.int64]]] = []
        self._loose_rows = 0

    def compare(self, rows: Rows) -> Comparison:
        """Find the samples of new rows that are known, from before or from an earlier one of the same rows."""
        observed, codes = rows.observed, rows.machine.codes
        hashes = hashed(rows.machine.words, codes, observed)
        usable = ~timeless(rows)
        numbers = self._numbers(rows.machine.words)
        late = usable & (observed <= self._newest[numbers][codes])
        single = np.sort(hashes)
        doubled = bool((single[1:] == single[:-1]).any())
        if not doubled and not late.any():
            return Comparison()
        found = self._found(observed[late], hashes[late])
        times = Counter(hashes[usable].tolist()) if doubled else Counter[int]()
        numbered = zip(np.flatnonzero(usable).tolist(), hashes[usable].tolist(), strict=True)
        suspects = [row for row, key in numbered if key in found or times[key] > 1]
        return self._judged(rows, suspects, {_key(*place): sample(*place) for place in found.values()})

    def add(self, rows: Rows, merged: dict[Key, Values], *, batch: int | None = None) -> None:
        """Remember rows that have been committed.

        Args:
            rows: All of the batch.
            merged: From the comparison they passed.
            batch: Its number in the hot part; None: it cannot be fetched from there.
        """
        rows = _timed(rows)
        if len(rows) == 0:
            return
        observed, codes = rows.observed, rows.machine.codes
        numbers = self._numbers(rows.machine.words)
        np.maximum.at(self._newest, numbers[codes], observed)
        hashes = hashed(rows.machine.words, codes, observed)
        self._unplaced.append((rows, hashes))
        self._loose_rows += len(rows)
        self._loose.append(
            _Part(
                rows=rows,
                row_count=len(rows),
                start_us=int(observed.min()),
                end_us=int(observed.max()),
                batches=() if batch is None else (batch,),
            )
        )
        self._merged.update(merged)
        if self._loose_rows >= LOOSE_ROWS or len(self._loose) == LOOSE_PARTS:
            self._join_loose()

    def seal(self) -> None:
        """All rows known so far are sealed now; forget the oldest as long as the window stays full."""
        self._join_loose()
        self._sealed_parts = len(self._parts)
        held, before = sum(part.row_count for part in self._parts), len(self._parts)
        while self._sealed_parts and (
            self._parts[0].rows is None or held - self._parts[0].row_count >= self._window_rows
        ):
            held -= self._parts.popleft().row_count
            self._sealed_parts -= 1
        for part in self._parts:
            part.batches = ()
        if len(self._parts) < before:
            self._forget_merged()

    def _numbers(self, machines: Sequence[str]) -> NDArray[np.int64]:
        """Where each machine's newest instant is."""
        known = self._number
        if unknown := [machine for machine in machines if machine not in known]:
            known.update({machine: len(known) + index for index, machine in enumerate(dict.fromkeys(unknown))})
            self._newest = np.append(self._newest, np.full(len(known) - len(self._newest), NEVER, dtype=np.int64))
        return np.array([known[machine] for machine in machines], dtype=np.int64)

    def _found(self, observed: NDArray[np.int64], hashes: NDArray[np.int64]) -> Places:
        """Where the newest row of each hashed key is, of those that are known."""
        found: Places = {}
        if len(observed):
            start_us, end_us = int(observed.min()), int(observed.max())
            for part in self._parts:  # a newer part overrules an older one
                if part.start_us <= end_us and start_us <= part.end_us:
                    found |= part.find(hashes, self._fetch)
            loose = self._placed()
            found |= {key: loose[key] for key in hashes.tolist() if key in loose}
        return found

    def _placed(self) -> Places:
        """Where the rows added last are, by hashed key; made when somebody asks, which most rows never cause."""
        for rows, hashes in self._unplaced:
            places = zip(repeat(rows), range(len(rows)), strict=False)
            self._loose_places.update(zip(hashes.tolist(), places, strict=True))
        self._unplaced.clear()
        return self._loose_places

    def _judged(self, rows: Rows, suspects: list[int], known_rows: dict[Key, Values]) -> Comparison:
        result = Comparison()
        for row in suspects:
            key, new = _key(rows, row), sample(rows, row)
            known = result.merged.get(key)
            if known is None:
                known = self._merged.get(key, known_rows.get(key, {}))
            if same := [signal for signal, value in new.items() if known.get(signal) == value]:
                result.duplicates[row] = same
            result.merged[key] = known | new
        return result

    def _join_loose(self) -> None:
        """Make one part of those added last, and let go of the rows that are older than the window."""
        if self._loose:
            whole = joined([part.rows for part in self._loose if part.rows is not None])
            fetchable = all(part.batches for part in self._loose)
            self._parts.append(
                _Part(
                    rows=whole,
                    row_count=len(whole),
                    start_us=min(part.start_us for part in self._loose),
                    end_us=max(part.end_us for part in self._loose),
                    batches=tuple(number for part in self._loose for number in part.batches) if fetchable else (),
                )
            )
        self._loose, self._loose_places, self._unplaced, self._loose_rows = [], {}, [], 0
        held = 0
        for part in reversed(self._parts):
            if held >= self._window_rows and part.batches:
                part.rows = None
            held += part.row_count

    def _forget_merged(self) -> None:
        """Merged values only of keys that are still remembered."""
        keys = list(self._merged)
        at = np.array([at_us for _, at_us in keys], dtype=np.int64)
        hashes = hashed([machine for machine, _ in keys], np.arange(len(keys)), at)
        held = self._found(at, hashes)
        self._merged = {
            key: self._merged[key] for key, number in zip(keys, hashes.tolist(), strict=True) if number in held
        }


def _timed(rows: Rows) -> Rows:
    """What is remembered: rows with a device time."""
    without_time = timeless(rows)
    return picked(rows, ~without_time) if without_time.any() else rows


def _key(rows: Rows, row: int) -> Key:
    """The real key of a row."""
    return rows.machine.words[rows.machine.codes[row]], int(rows.observed[row])
