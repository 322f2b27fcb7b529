"""Which samples have just been stored, so that a second delivery is recognised at once."""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from store.embedded.columns import machine_codes, signals_in, timeless, together

Key = tuple[str, int]
Values = dict[str, Any]

LOOSE_TABLES: Final = 16
"""So many tables become one: a small Arrow table costs kilobytes beside its values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What in some new rows had been there before."""

    duplicates: dict[int, list[str]] = field(default_factory=dict)
    """Row to the signals whose values were there already."""
    merged: dict[Key, Values] = field(default_factory=dict)
    """Newest values of each key that more than one row speaks of."""


class RecentKeys:
    """Keys and rows of one machine class: its whole hot part and the newest sealed rows.

    Per machine a dictionary of `observed_at` to row number, beside the Arrow tables with the values: about 100 bytes a
    row and the values once. Bounded by the hot part (`seal_rows`, `seal_span_s`, `seal_bytes`) plus `window_rows`, to
    the whole of the sealing in which the window begins.
    """

    def __init__(self, *, window_rows: int) -> None:
        self._window_rows = window_rows
        self._rows: dict[str, dict[int, int]] = {}
        self._merged: dict[Key, Values] = {}
        self._bases: deque[int] = deque()
        self._tables: deque[Any] = deque()
        self._sealed_tables = 0
        self._loose_tables = 0
        self._next = 0

    def compare(self, table: Any) -> Comparison:
        """Find the samples of new rows that are known, from before or from an earlier row of the same table."""
        suspects = self._suspects(table)
        if not suspects:
            return Comparison()
        rows = list(suspects)
        signals = signals_in(table)
        values = table.select(["observed_at", *signals]).take(pa.array(rows)).to_pylist()
        result = Comparison()
        for row, reported in zip(rows, values, strict=True):
            key = suspects[row]
            known = result.merged.get(key)
            if known is None:
                known = self._values(key)
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
        for machine, instants, rows in _by_machine(table):
            numbers = (rows + self._next).tolist()
            self._rows.setdefault(machine, {}).update(zip(instants, numbers, strict=True))
        self._merged.update(merged)
        self._next += len(table)
        self._loose_tables += 1
        if self._loose_tables == LOOSE_TABLES:
            self._join_loose()

    def seal(self) -> None:
        """All rows known so far are sealed now; forget the oldest as long as the window stays full."""
        self._join_loose()
        self._sealed_tables = len(self._tables)
        held = sum(len(table) for table in self._tables)
        while self._sealed_tables and held - len(self._tables[0]) >= self._window_rows:
            held -= len(self._tables[0])
            self._forget_oldest()

    def _suspects(self, table: Any) -> dict[int, Key]:
        """Rows whose key is known or occurs twice, in the order of the table."""
        found: dict[int, Key] = {}
        for machine, instants, rows in _by_machine(table):
            known = self._rows.get(machine, {})
            if len(set(instants)) == len(instants) and known.keys().isdisjoint(instants):
                continue
            seen: set[int] = set()
            repeated: set[int] = set()
            for at in instants:
                (repeated if at in seen else seen).add(at)
            for row, at in zip(rows.tolist(), instants, strict=True):
                if at in known or at in repeated:
                    found[row] = (machine, at)
        return dict(sorted(found.items()))

    def _values(self, key: Key) -> Values:
        if (merged := self._merged.get(key)) is not None:
            return merged
        number = self._rows.get(key[0], {}).get(key[1])
        if number is None:
            return {}
        position = bisect_right(self._bases, number) - 1
        table = self._tables[position]
        (row,) = table.select(signals_in(table)).slice(number - self._bases[position], 1).to_pylist()
        return {signal: value for signal, value in row.items() if value is not None}

    def _join_loose(self) -> None:
        """Make one table of those added last; their row numbers follow each other, so all stay right."""
        if self._loose_tables > 1:
            loose = [self._tables.pop() for _ in range(self._loose_tables)]
            bases = [self._bases.pop() for _ in range(self._loose_tables)]
            self._tables.append(together(loose[::-1]))
            self._bases.append(bases[-1])
        self._loose_tables = 0

    def _forget_oldest(self) -> None:
        base, table = self._bases.popleft(), self._tables.popleft()
        self._sealed_tables -= 1
        if not self._tables:
            self._rows.clear()
            self._merged.clear()
            return
        for machine, instants, _ in _by_machine(table):
            known = self._rows[machine]
            for at in instants:
                if base <= known.get(at, -1) < base + len(table):
                    del known[at]
                    self._merged.pop((machine, at), None)


def _by_machine(table: Any) -> list[tuple[str, list[int], Any]]:
    """Machine, instants and row indices of the rows that can be told apart."""
    codes, names = machine_codes(table)
    observed = table["observed_at"].to_numpy()
    order = np.argsort(codes, kind="stable")
    if (skipped := timeless(table)).any():
        order = order[~skipped[order]]
    if len(order) == 0:
        return []
    bounds = [0, *(np.flatnonzero(np.diff(codes[order])) + 1).tolist(), len(order)]
    groups = (order[low:high] for low, high in pairwise(bounds))
    return [(names[codes[rows[0]]], observed[rows].tolist(), rows) for rows in groups]
