"""Step 3 of the way of a reading as it goes on: the running life of every machine, at the cost of its new readings.

After a restart, with a new model, at a renewal or a corrected event, a machine's life is read whole; from then on only
the newest steps are. The last hour is read again each time, so that what comes late changes the risk at once; what
comes later than that is found when the whole life is read again, a few machines at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

from analytics.lives import RENEWING, Life, Renewal
from analytics.streaming import Memory, Stream, start
from linewright.pipeline import look_back
from plant.assets import MachineClass, SignalRole
from plant.clock import instant, microseconds
from store.contract import ReadingStore

UNSETTLED: Final = timedelta(hours=1)
"""Readings may come so late and still change the risk at the next look."""
REREAD: Final = timedelta(hours=6)
"""Each machine's whole life is read again after so long: what came later than `UNSETTLED` is then seen."""
FARTHEST: Final = timedelta(days=2)
"""After a longer pause all is read whole."""


@dataclass(slots=True)
class _Tracked:
    stream: Stream
    events: tuple[Renewal, ...]
    model: str
    read_whole_at: datetime


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
            self.tracked[machine] = _Tracked(stream, mine[machine], model, now - spread if first else now)
        going_on = [machine for machine in machines if machine not in windows]
        if going_on:
            since = min(self._since(machine) for machine in going_on)
            step = machine_class.assess_step if machine_class.signal(SignalRole.STATE) else None
            windows |= store.read(going_on, start=since, end=now, step=step)
        until = microseconds(now - UNSETTLED - machine_class.assess_step)
        lives = []
        for machine in machines:
            stream = self.tracked[machine].stream
            stream.take(windows[machine], until_us=until)
            lives.append(stream.peek(windows[machine]))
        return tuple(lives)

    def _is_stale(self, machine: str, *, events: tuple[Renewal, ...], model: str, now: datetime) -> bool:
        known = self.tracked.get(machine)
        return (
            known is None
            or known.events != events
            or known.model != model
            or not now - REREAD < known.read_whole_at <= now
            or now - self._since(machine) > FARTHEST
        )

    def _since(self, machine: str) -> datetime:
        """The first instant that this machine's stream has not taken."""
        return instant(self.tracked[machine].stream.read_to_us)


def _share_of(name: str) -> float:
    """A number in [0, 1) that is always the same for a name.

    >>> 0.0 <= _share_of("L1-press") < 1.0
    True
    """
    return crc32(name.encode()) / 2**32
