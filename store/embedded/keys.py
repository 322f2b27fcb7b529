"""Which samples have just been stored, so that a second delivery is recognised at once."""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from store.embedded.columns import machine_codes, signals_in, timeless, together

Key = tuple[str, int]
Values = dict[str, Any]

LOOSE_TABLES: Final = 16
"""So many tables become one: a small Arrow table costs kilobytes beside its values."""


SPREAD: Final = np.int64(0x9E3779B97F4A7C1)
"""An odd factor that spreads instants over 64 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What in some new rows had been there before."""

    duplicates: dict[int, list[str]] = field(default_factory=dict)
    """Row to the signals whose values were there already."""
    merged: dict[Key, Values] = field(default_factory=dict)
    """Newest values of each key that more than one row speaks of."""


class RecentKeys:
    """Keys and rows of one machine class: its whole hot part and the newest sealed rows.

    A dictionary of hashed key to row number, beside the Arrow tables with the values: about 100 bytes a row and the
    values once. A hit is looked up in its table before it counts, so that two keys of one hash are never confused; the
    second of such a pair is recognised at sealing only. Bounded by the hot part (`seal_rows`, `seal_span_s`,
    `seal_bytes`) plus `window_rows`, to the whole of the sealing in which the window begins.
    """

    def __init__(self, *, window_rows: int) -> None:
        self._window_rows = window_rows
        self._rows: dict[int, int] = {}
        self._merged: dict[Key, Values] = {}
        self._bases: deque[int] = deque()
        self._tables: deque[Any] = deque()
        self._sealed_tables = 0
        self._loose_tables = 0
        self._next = 0

    def compare(self, table: Any) -> Comparison:
        """Find the samples of new rows that are known, from before or from an earlier row of the same table."""
        rows, hashes = _hashed(table)
        if len(set(hashes)) == len(hashes) and self._rows.keys().isdisjoint(hashes):
            return Comparison()
        times = Counter(hashes)
        suspects = [(row, key) for row, key in zip(rows, hashes, strict=True) if key in self._rows or times[key] > 1]
        signals = signals_in(table)
        found = table.select(["machine", "observed_at", *signals]).take(pa.array([row for row, _ in suspects]))
        known_rows = self._values(dict.fromkeys(key for _, key in suspects if key in self._rows))
        result = Comparison()
        for (row, _), reported in zip(suspects, found.to_pylist(), strict=True):
            key = (reported["machine"], reported["observed_at"])
            known = result.merged.get(key)
            if known is None:
                known = self._merged.get(key, known_rows.get(key, {}))
            new = {signal: reported[signal] for signal in signals if reported[signal] is not None}
            if same := [signal for signal, value in new.items() if known.get(signal) == value]:
                result.duplicates[row] = same
            result.merged[key] = known | new
        return result

    def add(self, table: Any, merged: dict[Key, Values]) -> None:
        """Remember rows that have been committed, with the merged values of the comparison they passed."""
        if len(table) == 0:
            return
        self._bases.append(self._next)
        self._tables.append(table)
        rows, hashes = _hashed(table)
        self._rows.update(zip(hashes, (row + self._next for row in rows), strict=True))
        self._merged.update(merged)
        self._next += len(table)
        self._loose_tables += 1
        if self._loose_tables == LOOSE_TABLES:
            self._join_loose()

    def seal(self) -> None:
        """All rows known so far are sealed now; forget the oldest as long as the window stays full."""
        self._join_loose()
        self._sealed_tables = len(self._tables)
        held, before = sum(len(table) for table in self._tables), len(self._tables)
        while self._sealed_tables and held - len(self._tables[0]) >= self._window_rows:
            held -= len(self._tables[0])
            self._bases.popleft()
            self._tables.popleft()
            self._sealed_tables -= 1
        if len(self._tables) < before:
            self._index_again()

    def _values(self, hashes: Iterable[int]) -> dict[Key, Values]:
        """What the newest row of each key holds, by the key it really has."""
        rows_of: dict[int, list[int]] = {}
        for key in hashes:
            number = self._rows[key]
            position = bisect_right(self._bases, number) - 1
            rows_of.setdefault(position, []).append(number - self._bases[position])
        found: dict[Key, Values] = {}
        for position, rows in rows_of.items():
            table = self._tables[position]
            names = signals_in(table)
            for row in table.select(["machine", "observed_at", *names]).take(pa.array(rows)).to_pylist():
                values = {name: row[name] for name in names if row[name] is not None}
                found[(row["machine"], row["observed_at"])] = values
        return found

    def _join_loose(self) -> None:
        """Make one table of those added last; their row numbers follow each other, so all stay right."""
        if self._loose_tables > 1:
            loose = [self._tables.pop() for _ in range(self._loose_tables)]
            bases = [self._bases.pop() for _ in range(self._loose_tables)]
            self._tables.append(together(loose[::-1]))
            self._bases.append(bases[-1])
        self._loose_tables = 0

    def _index_again(self) -> None:
        """After most was forgotten: what is left is little."""
        self._rows.clear()
        for base, table in zip(self._bases, self._tables, strict=True):
            rows, hashes = _hashed(table)
            self._rows.update(zip(hashes, (row + base for row in rows), strict=True))
        self._merged = {key: values for key, values in self._merged.items() if _hash_of(*key) in self._rows}


def _hashed(table: Any) -> tuple[Iterable[int], list[int]]:
    """Rows that can be told apart, and one number per row that is equal for equal keys, seldom for others."""
    codes, names = machine_codes(table)
    salts = np.array([hash(name) for name in names], dtype=np.int64)
    with np.errstate(over="ignore"):
        hashes = (table["observed_at"].to_numpy() * SPREAD) ^ salts[codes]
    if (skipped := timeless(table)).any():
        return np.flatnonzero(~skipped).tolist(), hashes[~skipped].tolist()
    return range(len(table)), hashes.tolist()


def _hash_of(machine: str, observed_us: int) -> int:
    """The same for one key."""
    with np.errstate(over="ignore"):
        return int((np.int64(observed_us) * SPREAD) ^ np.int64(hash(machine)))
