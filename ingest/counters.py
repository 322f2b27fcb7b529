"""Breaks of counters, marked as readings come: a fall (reset or rollover) and a growth no machine is capable of.

A value is never changed; the reading gets `Quality.COUNTER_RESET` or `Quality.JUMP`. Growth is judged against the
signal's greatest rate, for energy against the greatest power of the machine. A late reading is not judged: what came
after it was. After a start the first reading of each counter has nothing to be compared with.
"""

from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from plant.assets import MachineClass, Plant, SignalKind, SignalRole
from plant.signals import Batch, Quality

US_PER_H: Final = 3_600_000_000
QUANTUM: Final = 1.0
"""One step of a counter is always possible, however short the time."""


class _Counter(NamedTuple):
    signal: str
    maximum_per_h: float
    """Infinite where the configuration does not say."""


class CounterWatch:
    """Remembers the newest value of each counter; one per ingestor, since order holds only within one."""

    def __init__(self, plant: Plant) -> None:
        self._counters = {each.name: _counters(each) for each in plant.classes}
        self._newest: dict[tuple[str, str], tuple[int, float]] = {}

    def mark(self, batch: Batch) -> Batch:
        """The batch with its readings' quality completed; the same where no class of it has counters."""
        marked = {
            name: self._table(table, self._counters[name])
            for name, table in batch.tables.items()
            if len(table) and self._counters[name]
        }
        return replace(batch, tables={**batch.tables, **marked}) if marked else batch

    def _table(self, table: Any, counters: tuple[_Counter, ...]) -> Any:
        encoded = table["machine"].combine_chunks().dictionary_encode()
        names: list[str] = encoded.dictionary.to_pylist()
        machine = encoded.indices.to_numpy()
        observed = table["observed_at"].to_numpy()
        order = np.lexsort((observed, machine))
        flags = np.zeros(len(table), dtype=np.uint8)
        for counter in counters:
            values = table[counter.signal].to_numpy()
            rows = order[np.isfinite(values[order])]
            if len(rows):
                flags[rows] |= self._breaks(counter, names, machine[rows], observed[rows], values[rows])
        if not flags.any():
            return table
        at = table.schema.get_field_index("quality")
        quality = table["quality"].to_numpy() | flags
        return table.set_column(at, table.schema.field(at), pa.array(quality, pa.uint8()))

    def _breaks(
        self,
        counter: _Counter,
        names: list[str],
        machine: NDArray[np.int32],
        observed: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> NDArray[np.uint8]:
        """Flags of readings in the order of machine and time. (row,)"""
        first = np.concatenate(([True], machine[1:] != machine[:-1]))
        before_at, before = np.roll(observed, 1), np.roll(values, 1)
        begins = np.flatnonzero(first)
        ends = np.concatenate((begins[1:], [len(machine)])) - 1
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            key = (names[machine[begin]], counter.signal)
            known = self._newest.get(key, (int(observed[begin]), float(values[begin])))
            before_at[begin], before[begin] = known
            if observed[end] >= known[0]:
                self._newest[key] = int(observed[end]), float(values[end])
            late = observed[begin : end + 1] < known[0]
            if late.any():  # judged by nothing: compare each with itself
                some = np.arange(begin, end + 1)[late]
                before_at[some], before[some] = observed[some], values[some]
                if not late.all():
                    turn = begin + int(late.sum())
                    before_at[turn], before[turn] = known
        growth = values - before
        flags = np.zeros(len(values), dtype=np.uint8)
        flags[growth < 0] = Quality.COUNTER_RESET
        if np.isfinite(counter.maximum_per_h):  # infinity times no time at all is no number
            most = counter.maximum_per_h * (observed - before_at) / US_PER_H + QUANTUM
            flags[growth > most] = Quality.JUMP
        return flags


def _counters(machine_class: MachineClass) -> tuple[_Counter, ...]:
    power = machine_class.signal(SignalRole.POWER)
    greatest_kw = power.valid_max if power is not None else None
    found = []
    for signal in machine_class.signals:
        if signal.kind is not SignalKind.COUNTER:
            continue
        maximum = signal.max_per_h
        if maximum is None and signal.role is SignalRole.ENERGY:
            maximum = greatest_kw
        found.append(_Counter(signal.name, np.inf if maximum is None else maximum))
    return tuple(found)
