"""The newest value of every signal: kept in memory, persisted at most once a second, never a query."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from plant.signals import LastValue
from store.embedded.columns import as_text, machine_codes, signals_in

Entry = tuple[float | str, int, int]
"""Value, `observed_at`, `received_at` [µs UTC]."""


class LastValues:
    """Newest values by machine and signal, and which machines changed since they were persisted."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {}
        self._changed: set[str] = set()

    def load(self, connection: sqlite3.Connection) -> None:
        """Take what is persisted."""
        self._entries = stored(connection)

    def update(self, table: Any) -> dict[str, dict[str, Entry]]:
        """Take the newest values of new rows; late ones leave what is newer. Returns what `restore` undoes it with."""
        if len(table) == 0:
            return {}
        codes, names = machine_codes(table)
        observed, received = table["observed_at"].to_numpy(), table["received_at"].to_numpy()
        order = np.lexsort((received, observed, codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        machines = [names[code] for code in codes[order][starts]]
        before = {machine: self._entries.get(machine, {}) for machine in machines}
        entries = [dict(before[machine]) for machine in machines]
        place = np.arange(len(order))
        for signal in signals_in(table):
            column = table[signal].combine_chunks()
            valid = column.is_valid().to_numpy(zero_copy_only=False)[order] if column.null_count else True
            newest = np.maximum.reduceat(np.where(valid, place, -1), starts)
            rows = order[newest]
            values = _at(column, rows)
            times = zip(newest.tolist(), observed[rows].tolist(), received[rows].tolist(), strict=True)
            for entry, value, (found, observed_us, received_us) in zip(entries, values, times, strict=True):
                if found >= 0 and ((known := entry.get(signal)) is None or known[1] <= observed_us):
                    entry[signal] = (value, observed_us, received_us)
        self._entries.update(zip(machines, entries, strict=True))
        self._changed.update(machines)
        return before

    def restore(self, before: dict[str, dict[str, Entry]]) -> None:
        """Undo an update whose rows were not committed."""
        self._entries.update(before)

    def persist(self, connection: sqlite3.Connection) -> None:
        """Write the machines that changed; call `persisted` once that is committed."""
        connection.executemany(
            "INSERT OR REPLACE INTO last_values (machine, body) VALUES (?, ?)",
            [(machine, msgspec.json.encode(self._entries[machine])) for machine in sorted(self._changed)],
        )

    def persisted(self) -> None:
        """What was written is committed."""
        self._changed.clear()

    @property
    def changed(self) -> bool:
        """Whether something is not persisted yet."""
        return bool(self._changed)

    def listed(self, machines: Sequence[str] | None) -> list[LastValue]:
        """The newest values, by machine and signal."""
        return listed(self._entries, machines)


def stored(connection: sqlite3.Connection) -> dict[str, dict[str, Entry]]:
    """The persisted values by machine and signal."""
    rows = connection.execute("SELECT machine, body FROM last_values ORDER BY machine")
    return {machine: msgspec.json.decode(body, type=dict[str, Entry]) for machine, body in rows}


def listed(entries: dict[str, dict[str, Entry]], machines: Sequence[str] | None) -> list[LastValue]:
    """Entries as last values, of some machines or of all."""
    chosen = entries if machines is None else [machine for machine in machines if machine in entries]
    return [
        LastValue(machine=machine, signal=signal, value=value, observed_at_us=observed_us, received_at_us=received_us)
        for machine in chosen
        for signal, (value, observed_us, received_us) in sorted(entries[machine].items())
    ]


def _at(column: Any, rows: Any) -> list[Any]:
    if str(column.type).startswith("dictionary"):
        array = as_text(column)
        words = [*array.dictionary.to_pylist(), None]
        return [words[code] for code in array.indices.fill_null(-1).to_numpy(zero_copy_only=False)[rows]]
    values: list[Any] = column.to_numpy(zero_copy_only=False)[rows].tolist()
    return values
