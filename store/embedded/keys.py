"""Which samples have just been stored, so that a second delivery is recognised at once."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store.embedded.columns import machine_codes, signals_in, timeless, together

Key = tuple[str, int]
Values = dict[str, Any]

LOOSE_TABLES: Final = 16
"""So many tables become one: a small Arrow table costs kilobytes beside its values."""
SPREAD: Final = np.int64(0x9E3779B97F4A7C1)
"""An odd factor that spreads instants over 64 bits."""
NEVER: Final = -(2**63)
FEW_ROWS: Final = 8
"""So few rows of a table are looked up cell by cell, which is cheaper than to take them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What in some new rows had been there before."""

    duplicates: dict[int, list[str]] = field(default_factory=dict)
    """Row to the signals whose values were there already."""
    merged: dict[Key, Values] = field(default_factory=dict)
    """Newest values of each key that more than one row speaks of."""


Fetch = Callable[[Sequence[int]], Any]
"""Gives the rows of some batches of the hot part, one after the other; None where one is gone."""


class _Index(NamedTuple):
    """Hashed keys of a table, sorted, and the row of each."""

    hashes: NDArray[np.int64]
    rows: NDArray[np.int32]


@dataclass(kw_only=True, slots=True)
class _Part:
    """Rows that were added together: instants and values, and an index once somebody asks."""

    table: Any | None
    """None: it is not held here and fetched when needed."""
    row_count: int
    start_us: int
    end_us: int
    """The newest instant, included."""
    batches: tuple[int, ...]
    """Numbers of its batches in the hot part; none: it cannot be fetched from there."""
    index: _Index | None = None
    newest_row: dict[int, int] = field(default_factory=dict)
    """Hashed key to its newest row, until the part is joined with others: for few rows that is quickest."""

    def rows(self, fetch: Fetch) -> Any | None:
        """The table; None where it is gone."""
        if self.table is not None:
            return self.table
        found = fetch(self.batches)
        return None if found is None else _kept(found)

    def find(self, hashes: NDArray[np.int64], fetch: Fetch) -> dict[int, int]:
        """Of some hashed keys those that are here, with their newest row."""
        if self.newest_row:
            return {key: row for key in hashes.tolist() if (row := self.newest_row.get(key)) is not None}
        if self.index is None:
            if (table := self.rows(fetch)) is None:
                return {}
            own = _hashes(table)
            rows = np.argsort(own, kind="stable")
            self.index = _Index(own[rows], rows.astype(np.int32))
        places = np.searchsorted(self.index.hashes, hashes, side="right") - 1
        hits = np.flatnonzero((places >= 0) & (self.index.hashes[places] == hashes))
        return dict(zip(hashes[hits].tolist(), self.index.rows[places[hits]].tolist(), strict=True))


class RecentKeys:
    """Keys and rows of one machine class: its whole hot part and the newest sealed rows.

    Nearly all rows are newer than what their machine reported before, and are known to be new without a look. For a
    late one the parts that cover its time are searched by hashed key. A hit is looked up in its table before it counts,
    so that two keys of one hash are never confused; the second of such a pair is recognised at sealing only. Only the
    newest `window_rows` rows, to the whole tables in which they are, are held in memory; what is older and not sealed
    is fetched where a late row asks for it.
    """

    def __init__(self, *, window_rows: int, fetch: Fetch = lambda _: None) -> None:
        self._window_rows = window_rows
        self._fetch = fetch
        self._newest: dict[str, int] = {}
        self._merged: dict[Key, Values] = {}
        self._parts: deque[_Part] = deque()
        self._sealed_parts = 0
        self._loose_parts = 0

    def compare(self, table: Any) -> Comparison:
        """Find the samples of new rows that are known, from before or from an earlier row of the same table."""
        codes, names = machine_codes(table)
        observed = table["observed_at"].to_numpy()
        hashes = _hashed(codes, names, observed)
        usable = ~timeless(table)
        newest = np.array([self._newest.get(name, NEVER) for name in names], dtype=np.int64)
        late = usable & (observed <= newest[codes]) if len(names) else usable
        single = np.sort(hashes)
        doubled = bool((single[1:] == single[:-1]).any())
        if not doubled and not late.any():
            return Comparison()
        found = self._found(observed[late], hashes[late])
        times = Counter(hashes[usable].tolist()) if doubled else Counter[int]()
        rows = zip(np.flatnonzero(usable).tolist(), hashes[usable].tolist(), strict=True)
        suspects = [row for row, key in rows if key in found or times[key] > 1]
        return self._judged(table, suspects, self._values(found))

    def add(self, table: Any, merged: dict[Key, Values], *, batch: int | None = None) -> None:
        """Remember rows that have been committed.

        Args:
            table: All rows of the batch.
            merged: From the comparison they passed.
            batch: Its number in the hot part; None: it cannot be fetched from there.
        """
        table = _kept(table)
        if len(table) == 0:
            return
        codes, names = machine_codes(table)
        observed = table["observed_at"].to_numpy()
        newest = np.full(len(names), NEVER, dtype=np.int64)
        np.maximum.at(newest, codes, observed)
        for name, at_us in zip(names, newest.tolist(), strict=True):
            if at_us > self._newest.get(name, NEVER):
                self._newest[name] = at_us
        self._parts.append(
            _Part(
                table=table,
                row_count=len(table),
                start_us=int(observed.min()),
                end_us=int(observed.max()),
                batches=() if batch is None else (batch,),
                newest_row=dict(zip(_hashed(codes, names, observed).tolist(), range(len(table)), strict=True)),
            )
        )
        self._merged.update(merged)
        self._loose_parts += 1
        if self._loose_parts == LOOSE_TABLES:
            self._join_loose()

    def seal(self) -> None:
        """All rows known so far are sealed now; forget the oldest as long as the window stays full."""
        self._join_loose()
        self._sealed_parts = len(self._parts)
        held, before = sum(part.row_count for part in self._parts), len(self._parts)
        while self._sealed_parts and (
            self._parts[0].table is None or held - self._parts[0].row_count >= self._window_rows
        ):
            held -= self._parts.popleft().row_count
            self._sealed_parts -= 1
        for part in self._parts:
            part.batches = ()
        if len(self._parts) < before:
            self._forget_merged()

    def _found(self, observed: NDArray[np.int64], hashes: NDArray[np.int64]) -> dict[int, tuple[_Part, int]]:
        """Where the newest row of each hashed key is, of those that are known."""
        found: dict[int, tuple[_Part, int]] = {}
        if len(observed):
            start_us, end_us = int(observed.min()), int(observed.max())
            for part in self._parts:  # a newer part overrules an older one
                if part.start_us <= end_us and start_us <= part.end_us:
                    found |= {key: (part, row) for key, row in part.find(hashes, self._fetch).items()}
        return found

    def _judged(self, table: Any, suspects: list[int], known_rows: dict[Key, Values]) -> Comparison:
        signals = signals_in(table)
        reports = _rows_of(table.select(["machine", "observed_at", *signals]), suspects)
        result = Comparison()
        for row, reported in zip(suspects, reports, strict=True):
            key = (reported["machine"], reported["observed_at"])
            known = result.merged.get(key)
            if known is None:
                known = self._merged.get(key, known_rows.get(key, {}))
            new = {signal: reported[signal] for signal in signals if reported[signal] is not None}
            if same := [signal for signal, value in new.items() if known.get(signal) == value]:
                result.duplicates[row] = same
            result.merged[key] = known | new
        return result

    def _values(self, found: dict[int, tuple[_Part, int]]) -> dict[Key, Values]:
        """What some rows hold, by the key they really have."""
        return {
            key: values
            for part, rows in _by_part(found)
            if (table := part.rows(self._fetch)) is not None
            for key, values in _held(table, rows)
        }

    def _join_loose(self) -> None:
        """Make one part of those added last, and let go of the tables that are older than the window."""
        if self._loose_parts > 1:
            loose = [self._parts.pop() for _ in range(self._loose_parts)][::-1]
            whole = together([part.table for part in loose])
            self._parts.append(
                _Part(
                    table=whole,
                    row_count=len(whole),
                    start_us=min(part.start_us for part in loose),
                    end_us=max(part.end_us for part in loose),
                    batches=tuple(number for part in loose for number in part.batches)
                    if all(part.batches for part in loose)
                    else (),
                )
            )
        self._loose_parts = 0
        held = 0
        for part in reversed(self._parts):
            if held >= self._window_rows and part.batches:
                part.table = None
            held += part.row_count

    def _forget_merged(self) -> None:
        """Merged values only of keys that are still remembered."""
        keys = list(self._merged)
        hashes = np.array([_hash_of(*key) for key in keys], dtype=np.int64)
        held = self._found(np.array([at_us for _, at_us in keys], dtype=np.int64), hashes)
        self._merged = {
            key: self._merged[key] for key, number in zip(keys, hashes.tolist(), strict=True) if number in held
        }


def _kept(table: Any) -> Any:
    """What is remembered of a table: rows with a device time, their keys and values."""
    without_time = timeless(table)
    if without_time.any():
        table = table.filter(pa.array(~without_time)).combine_chunks()
    return table.select(["machine", "observed_at", *signals_in(table)])


def _by_part(found: dict[int, tuple[_Part, int]]) -> list[tuple[_Part, list[int]]]:
    grouped: dict[int, tuple[_Part, list[int]]] = {}
    for part, row in found.values():
        grouped.setdefault(id(part), (part, []))[1].append(row)
    return list(grouped.values())


def _held(table: Any, rows: list[int]) -> Iterator[tuple[Key, Values]]:
    names = signals_in(table)
    for row in _rows_of(table, rows):
        yield (row["machine"], row["observed_at"]), {name: row[name] for name in names if row[name] is not None}


def _rows_of(table: Any, rows: list[int]) -> list[Values]:
    if len(rows) > FEW_ROWS:
        found: list[Values] = table.take(pa.array(rows, pa.int64())).to_pylist()
        return found
    columns = list(zip(table.column_names, table.itercolumns(), strict=True))
    return [{name: column[row].as_py() for name, column in columns} for row in rows]


def _hashes(table: Any) -> NDArray[np.int64]:
    """One number per row that is equal for equal keys, seldom for others. (row,)"""
    return _hashed(*machine_codes(table), table["observed_at"].to_numpy())


def _hashed(codes: NDArray[np.int64], names: list[str], observed: NDArray[np.int64]) -> NDArray[np.int64]:
    salts = np.array([hash(name) for name in names], dtype=np.int64)
    with np.errstate(over="ignore"):
        hashes: NDArray[np.int64] = (observed * SPREAD) ^ salts[codes]
    return hashes


def _hash_of(machine: str, observed_us: int) -> int:
    """The same for one key."""
    with np.errstate(over="ignore"):
        return int((np.int64(observed_us) * SPREAD) ^ np.int64(hash(machine)))
