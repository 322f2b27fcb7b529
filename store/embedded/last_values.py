"""The newest value of every signal: kept in memory, persisted every few batches, never a query."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from plant.signals import LastValue, Quality
from store.embedded.columns import ClassColumns
from store.embedded.newest import Newest, grown, nothing, places_of, take, values_of
from store.embedded.rows import Rows, joined
from store.embedded.stored_values import chosen, persist, persisted_values

WAITING_ROWS: Final = 5_000
"""So many rows wait at most to be looked at; bounds memory."""
ROWS_SINCE: Final = 2_000
BATCHES_SINCE: Final = 32
"""So many rows, or batches, of a class are about newer than what is persisted; bounds the work of who reads."""


class LastValues:
    """Newest values by class, machine and signal, and which classes changed since they were persisted."""

    def __init__(self, classes: Mapping[str, ClassColumns]) -> None:
        self._newest = {name: nothing(columns) for name, columns in classes.items()}
        self._changed: set[str] = set()
        self._waiting: dict[str, list[Rows]] = {}
        self._waiting_rows = 0
        self._batches_since, self._rows_since = Counter[str](), Counter[str]()

    def load(self, connection: sqlite3.Connection, class_of: Mapping[str, str]) -> None:
        """Take what is persisted, by the class that each machine has today; hot batches are up to the caller."""
        for value in persisted_values(connection):
            if (name := class_of.get(value.machine)) is not None:
                self._put(self._newest[name], value)

    def note(self, name: str, rows: Rows) -> None:
        """Take committed rows of a class; looked at when somebody asks or persists, many batches at once."""
        self._batches_since[name] += 1
        self._rows_since[name] += len(rows)
        if (rows.quality & np.uint8(Quality.STALE)).any():  # what came before such a row matters
            self.update(name, rows)
            return
        self._waiting.setdefault(name, []).append(rows)
        self._waiting_rows += len(rows)
        if self._waiting_rows > WAITING_ROWS:
            self._settle()

    def update(self, name: str, rows: Rows) -> Newest:
        """Take the newest values of new rows of a class, late ones aside; returns what `restore` takes."""
        self._settle()
        newest = self._newest[name]
        before = newest.copy()
        take(newest, rows)
        self._changed.add(name)
        return before

    def restore(self, name: str, before: Newest) -> None:
        """Undo an update whose rows were not committed."""
        missing = len(self._newest[name].observed) - len(before.observed)
        self._newest[name] = grown(before, missing) if missing else before

    def persist(self, connection: sqlite3.Connection) -> None:
        """Write the classes that changed, before batches of the same transaction; then call `persisted`."""
        self._settle()
        persist(connection, [(name, self._newest[name]) for name in sorted(self._changed)])

    def persisted(self) -> None:
        """What was written is committed."""
        self._changed.clear()
        self._batches_since.clear()
        self._rows_since.clear()

    @property
    def is_due(self) -> bool:
        """Whether so much came since that readers would have much to add."""
        batches, rows = self._batches_since.values(), self._rows_since.values()
        return max(batches, default=0) >= BATCHES_SINCE or max(rows, default=0) >= ROWS_SINCE

    @property
    def changed(self) -> bool:
        """Whether something is not persisted yet."""
        return bool(self._changed or self._waiting)

    def listed(self, machines: Sequence[str] | None) -> list[LastValue]:
        """The newest values, by machine and signal."""
        self._settle()
        return chosen([value for newest in self._newest.values() for value in values_of(newest)], machines)

    def _settle(self) -> None:
        waiting, self._waiting, self._waiting_rows = self._waiting, {}, 0
        for name, parts in waiting.items():
            take(self._newest[name], joined(parts))
            self._changed.add(name)

    def _put(self, newest: Newest, value: LastValue) -> None:
        is_text = isinstance(value.value, str)
        names = newest.columns.texts if is_text else newest.columns.numbers
        if value.signal not in names:  # the plant no longer has it, or it changed its kind
            return
        (place,) = places_of(newest, [value.machine])
        index = newest.columns.signals.index(value.signal)
        if is_text:
            newest.texts[place, index - len(newest.columns.numbers)] = value.value
        else:
            newest.numbers[place, index] = value.value
        newest.observed[place, index], newest.received[place, index] = value.observed_at_us, value.received_at_us
        if value.stale:
            newest.stale[place] = max(newest.stale[place], value.received_at_us)
