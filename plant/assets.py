"""The plant as it stands: sites, lines, machines, their classes and their signals.

Hierarchy after ISA-95: enterprise / site / area / line (work centre) / machine (work unit).
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from plant.quantities import Quantity


class SignalKind(StrEnum):
    """How a signal behaves in time."""

    GAUGE = "gauge"
    """A level that can be averaged."""
    COUNTER = "counter"
    """A total that only grows, but for resets and rollovers."""
    STATE = "state"
    """Text that holds until the next report."""
    EVENT = "event"
    """Text that is true only at its instant."""


class MachineState(StrEnum):
    """PackML states as stored. Source: OPC UA 30060, the names of its state machine."""

    STOPPED = "Stopped"
    RESETTING = "Resetting"
    IDLE = "Idle"
    STARTING = "Starting"
    EXECUTE = "Execute"
    COMPLETING = "Completing"
    COMPLETE = "Complete"
    ABORTING = "Aborting"
    ABORTED = "Aborted"
    STOPPING = "Stopping"
    CLEARING = "Clearing"
    SUSPENDING = "Suspending"
    SUSPENDED = "Suspended"
    UNSUSPENDING = "Unsuspending"
    HOLDING = "Holding"
    HELD = "Held"
    UNHOLDING = "Unholding"


class SignalRole(StrEnum):
    """What a signal means to the product, beyond being a number."""

    CONDITION = "condition"
    """Feeds the risk model."""
    SETTING = "setting"
    """An operating setting: defines the regime, also feeds the risk model."""
    STATE = "state"
    """The PackML state."""
    GOOD_PARTS = "good_parts"
    """Counter of good parts."""
    SCRAP_PARTS = "scrap_parts"
    """Counter of scrapped parts."""
    ENERGY = "energy"
    """Counter of electrical energy [kWh]."""
    POWER = "power"
    """Electrical power [kW]; also feeds the risk model."""
    PRODUCT = "product"
    """Name of the product being made."""
    LIFE = "life"
    """Operating time or cycles; informative, renewed by maintenance events."""
    MAINTENANCE = "maintenance"
    """Event text: `maintained`, `repaired` or `failed`; the first two renew the machine."""
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One measured column of a machine class."""

    name: str
    """Column name, unique in its class: `[a-z][a-z0-9_]*`."""
    quantity: Quantity
    kind: SignalKind = SignalKind.GAUGE
    role: SignalRole = SignalRole.CONDITION
    valid_min: float | None = None
    """Least plausible value [canonical unit]; values below are flagged, never changed."""
    valid_max: float | None = None
    """Greatest plausible value [canonical unit]."""
    max_per_h: float | None = None
    """Of a counter: the greatest growth the machine is capable of [canonical unit per h]; more is flagged as a jump."""
    period: timedelta = timedelta(seconds=60)
    """Expected time between readings; three missing ones are a gap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineClass:
    """Machines of one build: same signals, same life, same maintenance."""

    name: str
    signals: tuple[Signal, ...]
    failure_modes: tuple[str, ...] = ("wear",)
    cycle_h: float = 1.0
    """Hours of one life unit [h]; turns cycles into hours."""
    assess_step: timedelta = timedelta(minutes=10)
    """Grain at which the risk model looks at a machine; one life unit where readings are per cycle."""
    mtbf_h: float = 1000.0
    """Mean operating time between failures as the plant knows it [h]; the cold start of the risk."""
    maintenance_h: float = 4.0
    """Duration of planned maintenance [h]."""
    maintenance_cost: float = 500.0
    """Parts and labour of planned maintenance [currency]."""
    repair_h: float = 12.0
    """Mean time to repair after a failure [h] (MTTR)."""
    failure_cost: float = 5000.0
    """Parts, labour and damage of a failure, without the lost production [currency]."""
    idle_power_kw: float = 1.0
    """Electrical power while the line runs no product but is on [kW]."""

    def signal(self, role: SignalRole) -> Signal | None:
        """The first signal with this role, or None."""
        return next((signal for signal in self.signals if signal.role is role), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A work unit. Its name is unique in the plant."""

    name: str
    """Unique identifier, e.g. `L2-press`."""
    label: str
    """What people call it, e.g. `Press 2`."""
    line: str
    machine_class: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A work centre: machines in series, so it runs only as long as each of them does."""

    name: str
    label: str
    area: str
    machines: tuple[Machine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plant:
    """One site with its lines and machine classes."""

    enterprise: str
    site: str
    timezone: str
    """IANA name, e.g. `Europe/Vienna`; used only in views, shifts and tariffs."""
    currency: str
    lines: tuple[Line, ...]
    classes: tuple[MachineClass, ...]
    machine_index: dict[str, Machine] = field(init=False, repr=False, compare=False)
    class_index: dict[str, MachineClass] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "machine_index", {m.name: m for line in self.lines for m in line.machines})
        object.__setattr__(self, "class_index", {c.name: c for c in self.classes})

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines, line by line."""
        return tuple(machine for line in self.lines for machine in line.machines)

    def class_of(self, machine: str) -> MachineClass:
        """The class of a machine, by the machine's name. Raises KeyError for an unknown machine."""
        return self.class_index[self.machine_index[machine].machine_class]
