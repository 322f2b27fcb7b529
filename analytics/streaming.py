"""The running life of a machine as a stream: what its next reading needs, and nothing that grows with its age.

Every feature rests on the first readings after the renewal (the machine's own baseline) and on the last ones: windows
of so many rows, and exponentially weighted means that forget. Kept are those first rows and `FORGOTTEN` lengths of the
longest mean; what is older weighs less than 1e-9 in any number. So a step costs the same after a day and after a year,
and says what the whole life would say.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.event_counts import counted_signals
from analytics.lives import Carried, Life, Renewal, begins_at_us, from_nothing, operating_readings
from analytics.model_settings import ModelSettings
from analytics.normality_settings import NormalitySettings
from plant.assets import MachineClass, SignalRole
from plant.signals import Window

FORGOTTEN: Final = 10.5
"""Lengths of an exponentially weighted mean after which the rest weighs exp(-2 x 10.5) = 8e-10."""
SLACK: Final = 64
"""Rows by which the memory may outgrow its size before it is cut [row]: moving it at each row would cost more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """How much of a life is kept."""

    first: int
    """Rows after the renewal [row]."""
    last: int
    """Newest rows [row]."""


def memory_for(settings: ModelSettings, *, normality: NormalitySettings | None = None) -> Memory:
    """As much as the heads look at.

    >>> memory_for(ModelSettings()).last
    672
    """
    longest, first = settings.windows_rows[-1], settings.baseline_rows
    if normality is not None:
        longest = max(longest, *normality.scales_rows, normality.smoothing_rows)
        first = max(first, normality.baseline_rows)
    return Memory(first=max(first, settings.minimum_rows), last=math.ceil(FORGOTTEN * longest))


def compact(life: Life, *, memory: Memory) -> Life:
    """A life without the rows that no number at its newest reading rests on."""
    if len(life) <= memory.first + memory.last:
        return life
    rows = np.concatenate([np.arange(memory.first), np.arange(len(life) - memory.last, len(life))])
    return _rows_of(life, rows)


@dataclass(slots=True)
class Stream:
    """The running life of one machine."""

    machine_class: MachineClass
    memory: Memory
    begins_at_us: int
    """Rows before it belong to an earlier life [µs UTC]."""
    life: Life | None = None
    """Kept rows; None: nothing was read yet."""
    carried: Carried | None = None
    read_to_us: int = field(default=-(2**62))
    """Rows from here on were not taken yet [µs UTC]."""
    age_before: float | None = None
    """Operating age at the life's first row [life units]; None: it has none yet."""
    rows: int = 0
    """Operating readings since the renewal."""

    def take(self, window: Window, *, until_us: int) -> None:
        """Add what has settled by an instant [µs UTC]; rows that were taken before are passed over."""
        window = _before(window, until_us)
        life, self.carried, self.age_before, added = self._with(window)
        self.rows += added
        self.life = (
            life if len(life) <= self.memory.first + self.memory.last + SLACK else compact(life, memory=self.memory)
        )
        self.read_to_us = max(self.read_to_us, until_us)

    def peek(self, window: Window) -> Life:
        """The life as if what is not settled yet had been added."""
        return compact(self._with(window)[0], memory=self.memory)

    def _with(self, window: Window) -> tuple[Life, Carried, float | None, int]:
        fresh = _after(window, self.read_to_us)
        readings, carried = operating_readings(fresh, self.machine_class, carried=self.carried)
        mine = _rows_of(readings, np.flatnonzero(readings.observed_at_us >= self.begins_at_us))
        before = self.age_before if self.age_before is not None or not len(mine) else float(mine.age_units[0])
        mine = replace(mine, age_units=mine.age_units - (before or 0.0))
        known = self.life
        if known is None or not len(known):
            mine = replace(mine, values=from_nothing(mine.values, counted=len(counted_signals(self.machine_class))))
            return mine, carried, before, len(mine)
        joined = replace(
            known,
            observed_at_us=np.concatenate([known.observed_at_us, mine.observed_at_us]),
            age_units=np.concatenate([known.age_units, mine.age_units]),
            values=np.concatenate([known.values, mine.values]),
        )
        return joined, carried, before, len(mine)


def start(machine: str, *, machine_class: MachineClass, renewals: Sequence[Renewal], memory: Memory) -> Stream:
    """A stream that has read nothing yet, of the life since the machine's newest event."""
    step = machine_class.assess_step if _stepped(machine_class) else None
    mine = sorted((event for event in renewals if event.machine == machine), key=lambda event: event.at)
    begins = begins_at_us(mine[-1], step) if mine else -(2**62)
    return Stream(machine_class=machine_class, memory=memory, begins_at_us=begins)


def _before(window: Window, until_us: int) -> Window:
    return _part(window, slice(0, int(np.searchsorted(window.observed_at, until_us))))


def _after(window: Window, since_us: int) -> Window:
    first = int(np.searchsorted(window.observed_at, since_us))
    return window if first == 0 else _part(window, slice(first, len(window)))


def _part(window: Window, rows: slice) -> Window:
    return replace(
        window,
        observed_at=window.observed_at[rows],
        values={name: column[rows] for name, column in window.values.items()},
        states={name: column[rows] for name, column in window.states.items()},
        quality=window.quality[rows],
        durations={},
    )


def _rows_of(life: Life, rows: NDArray[np.intp]) -> Life:
    return replace(
        life, observed_at_us=life.observed_at_us[rows], age_units=life.age_units[rows], values=life.values[rows]
    )


def _stepped(machine_class: MachineClass) -> bool:
    return machine_class.signal(SignalRole.STATE) is not None
