"""Step 3 of the way of a reading as it goes on: the running life of every machine, at the cost of its new readings.

After a restart, with a new model, at a renewal or a corrected event, a machine's life is read whole; from then on only
the newest steps are. The last hour is read again each time, and a silent machine from its last reading on, so that what
comes late or after an outage changes the risk at once; what comes later than that, behind readings that were taken, is
found when the whole life is read again, a few machines at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

import numpy as np

from analytics.lives import RENEWING, Life, Renewal
from analytics.streaming import Memory, Stream, start
from linewright.pipeline import look_back
from plant.assets import MachineClass, SignalRole
from plant.clock import instant, microseconds
from plant.signals import Window
from store.contract import ReadingStore

UNSETTLED: Final = timedelta(hours=1)
"""Readings may come so late and still change the risk at the next look."""
REREAD: Final = timedelta(hours=6)
"""Each machine's whole life is read again after so long: what came later than `UNSETTLED` is then seen."""
FARTHEST: Final = timedelta(days=2)
"""After a longer pause between looks all is read whole."""
SILENT: Final = timedelta(hours=3)
"""Machines that were last heard before are read apart, so that they make the others' reading no longer."""


@dataclass(slots=True)
class _Tracked:
    stream: Stream
    events: tuple[Renewal, ...]
    model: str
    read_whole_at: datetime
    looked_at: datetime


@dataclass(slots=True)
class LiveLives:
    """The running lives of one machine class, from one look to the next."""

    tracked: dict[str, _Tracked] = field(default_factory=dict)

    def look(
        self,
        store: ReadingStore,
        *,
        machine_class: MachineClass,
        machines: Sequence[str],
        renewals: Sequence[Renewal],
        model: str,
        memory: Memory,
        now: datetime,
    ) -> tuple[Life, ...]:
        """The running life of each machine, as far as its newest reading rests on it.

        Args:
            store: Of readings.
            machine_class: Of all these machines.
            machines: Their names.
            renewals: Noted events, of any machine.
            model: What looks at them; another one begins anew.
            memory: How much of a life it looks at.
            now: Plant time.
        """
        events: dict[str, list[Renewal]] = {machine: [] for machine in machines}
        for event in renewals:
            if event.machine in events:
                events[event.machine].append(event)
        mine = {machine: tuple(found) for machine, found in events.items()}
        anew = [m for m in machines if self._is_stale(m, events=mine[m], model=model, now=now)]
        windows = {}
        if anew:
            renewed_at = {each.machine: each.at for each in renewals if each.kind in RENEWING}
            windows = look_back(store, machine_class=machine_class, machines=anew, renewed_at=renewed_at, now=now)
        for machine in anew:
            stream = start(machine, machine_class=machine_class, renewals=mine[machine], memory=memory)
            spread = timedelta(seconds=_share_of(machine) * REREAD.total_seconds())
            first = machine not in self.tracked  # so that not all are read again at once
            self.tracked[machine] = _Tracked(stream, mine[machine], model, now - spread if first else now, now)
        going_on = [machine for machine in machines if machine not in windows]
        step = machine_class.assess_step if machine_class.signal(SignalRole.STATE) else None
        silent = [machine for machine in going_on if self._since(machine) < now - SILENT]
        for group in (silent, [machine for machine in going_on if machine not in set(silent)]):
            if group:
                windows |= store.read(group, start=min(map(self._since, group)), end=now, step=step)
        settled = microseconds(now - UNSETTLED - machine_class.assess_step)
        lives = []
        for machine in machines:
            known, window = self.tracked[machine], windows[machine]
            known.looked_at = now
            heard = _heard_until_us(window, step=step)
            if heard is not None:
                known.stream.take(window, until_us=min(settled, heard))
            lives.append(known.stream.peek(window))
        return tuple(lives)

    def _is_stale(self, machine: str, *, events: tuple[Renewal, ...], model: str, now: datetime) -> bool:
        known = self.tracked.get(machine)
        return (
            known is None
            or known.events != events
            or known.model != model
            or not now - REREAD < known.read_whole_at <= now
            or known.stream.read_to_us < 0  # nothing was heard of it yet
            or now - known.looked_at > FARTHEST
        )

    def _since(self, machine: str) -> datetime:
        """The first instant that this machine's stream has not taken."""
        return instant(self.tracked[machine].stream.read_to_us)


def _heard_until_us(window: Window, *, step: timedelta | None) -> int | None:
    """The end of the last step with a reading [µs UTC]; None where there is none."""
    told = np.zeros(len(window), dtype=np.bool_)
    for values in window.values.values():
        told |= np.isfinite(values)
    for words in window.states.values():
        told |= words != np.array(None)
    rows = np.flatnonzero(told)
    if not len(rows):
        return None
    return int(window.observed_at[rows[-1]]) + (1 if step is None else step // timedelta(microseconds=1))


def _share_of(name: str) -> float:
    """A number in [0, 1) that is always the same for a name.

    >>> 0.0 <= _share_of("L1-press") < 1.0
    True
    """
    return crc32(name.encode()) / 2**32
