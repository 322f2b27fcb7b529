"""What the console knows of the plant at one moment; every page shows a part of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from linewright.account import LedgerDocument
from plant.alerts import Alert
from plant.assets import Plant, SignalRole
from plant.clock import instant
from plant.kpis import Kpi
from plant.plans import Plan
from plant.risks import Risk
from plant.signals import LastValue
from plant.work_orders import WorkOrder

STALE_PERIODS = 3
"""Missing readings after which a machine is silent; the same number as for a gap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Banner:
    """The one sentence that matters now, and where its evidence is."""

    sentence: str
    href: str
    kind: str
    """`risk`, `plan`, `avoided` or `info`; decides the sign beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """Everything that changes, read together."""

    last: Mapping[str, Mapping[str, LastValue]] = field(default_factory=dict)
    """Newest values by machine and signal."""
    state_since_us: Mapping[str, int] = field(default_factory=dict)
    """Since when each machine is in its state, where that was seen [µs UTC]."""
    kpis: Mapping[str, Kpi] = field(default_factory=dict)
    risks: Mapping[str, Risk] = field(default_factory=dict)
    work_orders: tuple[WorkOrder, ...] = ()
    """The newest first."""
    alerts: tuple[Alert, ...] = ()
    """Open ones and the newest past ones."""
    plan: Plan | None = None
    """The newest."""
    accepted: Plan | None = None
    banner: Banner | None = None
    under_way: timedelta = timedelta(0)
    """How long a reading takes to get here, in plant time; not silence yet."""
    ledger: LedgerDocument | None = None
    """What became of every message; None: nothing was ever stored."""
    links: tuple[Mapping[str, Any], ...] = ()
    """What ingest last said of each of its links; empty where it does not answer."""
    trouble: str = ""
    """Why the store could not be read, and what to do; the rest is then the last that was read."""

    @property
    def newest_us(self) -> int | None:
        """When the newest reading of any machine was received [µs UTC, plant clock]."""
        received = [value.received_at_us for values in self.last.values() for value in values.values()]
        return max(received, default=None)

    def value(self, machine: str, signal: str) -> float | str | None:
        """The newest value of a signal, or None."""
        found = self.last.get(machine, {}).get(signal)
        return None if found is None else found.value

    def stale(self, machine: str) -> tuple[LastValue, ...]:
        """Newest values whose source was declared dead since, such as by a Sparkplug edge node's death."""
        return tuple(value for value in self.last.get(machine, {}).values() if value.stale)

    def role_value(self, plant: Plant, machine: str, role: SignalRole) -> float | str | None:
        """The newest value of the signal that plays a role on this machine, or None."""
        signal = plant.class_of(machine).signal(role)
        return None if signal is None else self.value(machine, signal.name)

    def open_alerts(self, machine: str | None = None) -> tuple[Alert, ...]:
        """Alerts with which a person still has something to do."""
        return tuple(a for a in self.alerts if a.state.is_open and machine in (None, a.machine))

    def heard_at(self, machine: str) -> datetime | None:
        """When the newest reading of a machine was received, plant time."""
        received = [value.received_at_us for value in self.last.get(machine, {}).values()]
        return instant(max(received)) if received else None

    def silent_for(self, plant: Plant, machine: str, *, now: datetime) -> timedelta | None:
        """How long a machine has been silent, where that is too long; None where it is heard or never was."""
        heard = self.heard_at(machine)
        if heard is None:
            return None
        period = max((signal.period for signal in plant.class_of(machine).signals), default=timedelta(minutes=1))
        return now - heard if now - heard > STALE_PERIODS * period + self.under_way else None
