"""The `[plant]` section: lines, machines, classes and signals."""

from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from linewright.settings.words import closest
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind, SignalRole
from plant.quantities import UNITS, Quantity

RESERVED: Final = frozenset({"machine", "observed_at", "received_at", "message", "quality"})
"""Columns of every table of readings; no signal may have their names."""
QUANTITIES: Final = {quantity.name.lower(): quantity for quantity in Quantity}


class Part(BaseModel):
    """A piece of the configuration: nothing unknown in it, nothing changed later."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _quantity(value: Any) -> Any:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, str) and value in QUANTITIES:
        return QUANTITIES[value]
    raise ValueError(f"must be one of {', '.join(QUANTITIES)}{closest(value, QUANTITIES)}")


def _timezone(value: str) -> str:
    import zoneinfo

    if value not in zoneinfo.available_timezones():
        raise ValueError(
            f"must be an IANA time zone such as 'Europe/Vienna'{closest(value, zoneinfo.available_timezones())}"
        )
    return value


Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=80,
        description="letters, digits, `_`, `-` and `.`, since it is a level of MQTT topics",
    ),
]
SignalName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        max_length=60,
        description="lower-case letters, digits and `_`, beginning with a letter",
    ),
]


class SignalPart(Part):
    """One measured column, of one or several machine classes."""

    name: SignalName
    classes: tuple[str, ...] = Field(default=(), description="Machine classes that have it; empty: every class.")
    quantity: Annotated[Quantity, BeforeValidator(_quantity)]
    unit: str = Field(default="", description="Unit in the messages, where it is not the quantity's canonical unit.")
    kind: SignalKind = Field(default=SignalKind.GAUGE, description="How it behaves in time.")
    role: SignalRole = Field(default=SignalRole.CONDITION, description="What it means to the product.")
    valid_min: float | None = Field(default=None, description="Least plausible value [canonical unit].")
    valid_max: float | None = Field(default=None, description="Greatest plausible value [canonical unit].")
    max_per_h: float | None = Field(
        default=None,
        gt=0,
        description="Of a counter: the greatest growth the machine is capable of [canonical unit per h]; more is "
        "flagged and counts as none. Energy counters are bounded by valid_max of the power signal.",
    )
    period_s: float = Field(default=60.0, gt=0, le=31_536_000, description="Expected time between readings [s].")
    field: str = Field(default="", description="Path in the message, where it is not the signal's name.")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f"name {self.name!r} is a column of every table; call the signal otherwise")
        if self.unit and self.unit not in UNITS:
            raise ValueError(f"unit {self.unit!r} is not known; known are {', '.join(UNITS)}")
        if self.unit and UNITS[self.unit][0] is not self.quantity:
            fitting = ", ".join(unit for unit, (quantity, _, _) in UNITS.items() if quantity is self.quantity)
            raise ValueError(f"unit {self.unit!r} does not measure {self.quantity.name.lower()}; use one of {fitting}")
        if self.valid_min is not None and self.valid_max is not None and self.valid_min >= self.valid_max:
            raise ValueError(f"valid_min ({self.valid_min:g}) must be below valid_max ({self.valid_max:g})")
        if self.max_per_h is not None and self.kind is not SignalKind.COUNTER:
            raise ValueError("max_per_h is the growth of a counter; remove it, or set kind = 'counter'")
        if (self.quantity is Quantity.STATE) != (self.kind in (SignalKind.STATE, SignalKind.EVENT)):
            raise ValueError("quantity 'state' goes with kind 'state' or 'event', and only with them")
        return self

    def word(self) -> Signal:
        """The signal as the rooms know it."""
        return Signal(
            name=self.name,
            quantity=self.quantity,
            kind=self.kind,
            role=self.role,
            valid_min=self.valid_min,
            valid_max=self.valid_max,
            max_per_h=self.max_per_h,
            period=timedelta(seconds=self.period_s),
        )


class ClassPart(Part):
    """Machines of one build."""

    name: Name
    failure_modes: tuple[str, ...] = Field(
        default=("wear",), min_length=1, description="What may fail, e.g. `bearing`."
    )
    cycle_h: float = Field(default=1.0, gt=0, description="Hours of one life unit [h]; turns cycles into hours.")
    assess_step_min: float = Field(
        default=10.0, gt=0, description="Grain at which the risk model looks at a machine [min]."
    )
    mtbf_h: float = Field(
        default=1000.0, gt=0, description="Mean operating time between failures as the plant knows it [h]."
    )
    maintenance_h: float = Field(default=4.0, gt=0, le=720, description="Duration of planned maintenance [h].")
    maintenance_cost: float = Field(
        default=500.0, ge=0, description="Parts and labour of planned maintenance [currency]."
    )
    repair_h: float = Field(default=12.0, gt=0, description="Mean time to repair after a failure [h].")
    failure_cost: float = Field(default=5000.0, ge=0, description="Parts, labour and damage of a failure [currency].")
    idle_power_kw: float = Field(default=1.0, ge=0, description="Power while on without a product [kW].")

    def word(self, signals: tuple[Signal, ...]) -> MachineClass:
        """The class as the rooms know it."""
        values = self.model_dump(exclude={"assess_step_min"})
        return MachineClass(**values, signals=signals, assess_step=timedelta(minutes=self.assess_step_min))


class MachinePart(Part):
    """A work unit."""

    name: Name
    label: str = Field(default="", max_length=80, description="What people call it; empty: its name.")
    machine_class: str = Field(alias="class", description="Name of its machine class.")


class LinePart(Part):
    """A work centre: machines in series, in the order of the flow."""

    name: Name
    label: str = Field(default="", max_length=80, description="What people call it; empty: its name.")
    area: Name
    machines: tuple[MachinePart, ...] = Field(min_length=1, description="In the order that parts pass them.")

    def word(self) -> Line:
        """The line as the rooms know it."""
        return Line(
            name=self.name,
            label=self.label or self.name,
            area=self.area,
            machines=tuple(
                Machine(name=m.name, label=m.label or m.name, line=self.name, machine_class=m.machine_class)
                for m in self.machines
            ),
        )


class PlantPart(Part):
    """The site. Source: ISA-95, enterprise / site / area / line / machine."""

    enterprise: Name
    site: Name
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(description="IANA name of the local time.")
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="ISO 4217 code of all money.")
    signals: tuple[SignalPart, ...] = Field(default=(), description="What machines measure and report.")
    classes: tuple[ClassPart, ...] = Field(min_length=1, description="Builds of machines.")
    lines: tuple[LinePart, ...] = Field(min_length=1, description="Lines with their machines.")

    def word(self) -> Plant:
        """The plant as the rooms know it."""
        return Plant(
            enterprise=self.enterprise,
            site=self.site,
            timezone=self.timezone,
            currency=self.currency,
            lines=tuple(line.word() for line in self.lines),
            classes=tuple(
                part.word(tuple(s.word() for s in self.signals if not s.classes or part.name in s.classes))
                for part in self.classes
            ),
        )
