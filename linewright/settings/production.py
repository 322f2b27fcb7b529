"""The sections on what is made, for whom, when and with what energy: `production`, `demand`, `calendar`, `tariff`."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from linewright.settings.plant import Name, Part
from plant.production import (
    Calendar,
    Capability,
    Changeover,
    Closure,
    Component,
    Order,
    Overtime,
    PlanningPolicy,
    Product,
    SetUpFor,
    Shift,
    Stock,
    Tariff,
    TariffBand,
)

Hour = Annotated[int, Field(ge=0, le=23)]
Weekday = Annotated[int, Field(ge=0, le=6)]
Weekdays = Annotated[tuple[Weekday, ...], Field(min_length=1, description="Monday = 0 to Sunday = 6.")]
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


def a_time(value: Any) -> Any:
    """Times only as such or as ISO 8601 text, since a bare number such as 20261224 is too easily taken for another."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()):
        return date.fromisoformat(value.strip())
    if isinstance(value, date | None) or (isinstance(value, str) and not re.fullmatch(r"[\d.+-]*", value.strip())):
        return value
    raise ValueError("must be a time such as 2026-12-24T14:00:00, with an offset or in plant-local time")


def end_of_day(value: Any) -> Any:
    """A date without a time means the end of that day."""
    value = a_time(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value + timedelta(days=1), time())
    return value


def price_or_never(value: Any) -> Any:
    """A price; `never` where no price makes up for a delay: TOML has no word for none."""
    if value is None or value == "never":
        return None
    if isinstance(value, str):
        raise ValueError('must be a price such as 0.22, or "never"')
    return value


def in_utc(at: datetime, *, timezone: str) -> datetime:
    """An instant in UTC; without an offset it is in the plant's local time."""
    return (at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)


class ComponentPart(Part):
    """What a product is made of."""

    product: str = Field(description="Name of the product that is used up.")
    quantity: float = Field(gt=0, le=1e6, description="For each gross unit made [unit/unit].")


class ProductPart(Part):
    """A thing that is sold, or that others are made of."""

    name: Name
    label: str = Field(default="", max_length=80, description="What people call it; empty: its name.")
    price: float = Field(ge=0, description="Sales price [currency/unit].")
    holding_cost_per_unit_h: float = Field(default=0.0, ge=0, description="Of a unit in stock [currency/(unit h)].")
    backlog_cost_per_unit_h: Annotated[float | None, BeforeValidator(price_or_never)] = Field(
        default=0.0,
        ge=0,
        description='Of a unit past its due date [currency/(unit h)]; "never": no plan delivers it late.',
    )
    scrap_cost: float = Field(default=0.0, ge=0, description="Material lost with a scrapped unit [currency/unit].")
    safety_stock: float = Field(
        default=0.0, ge=0, description="Stock, less what is overdue, should not fall below this [unit]."
    )
    safety_cost_per_unit_h: float = Field(
        default=0.0, ge=0, description="Of a unit missing from it [currency/(unit h)]."
    )
    max_stock: float | None = Field(default=None, ge=0, description="Room of the store [unit]; none: enough.")
    overflow_cost_per_unit_h: float = Field(
        default=0.0, ge=0, description="Of a unit kept beyond it, elsewhere [currency/(unit h)]."
    )
    hard_min_stock: float | None = Field(
        default=None, ge=0, description="No plan lets stock, less what is overdue, fall below this [unit]; none: may."
    )
    hard_max_stock: float | None = Field(
        default=None, ge=0, description="No plan lets stock, less what is overdue, rise beyond this [unit]; none: may."
    )

    family: str = Field(
        default="", max_length=80, description="Products that share tools or material; empty: of no family."
    )
    components: tuple[ComponentPart, ...] = Field(
        default=(), description="What it is made of, as far as that can run short."
    )
    lead_time_h: int = Field(
        default=0, ge=0, le=336, description="From the hour it is made to the one it can be used or delivered [h]."
    )
    scrap_value: float = Field(
        default=0.0, ge=0, description="What a scrapped unit is sold for, unless it is reworked [currency/unit]."
    )
    reworks: str = Field(
        default="", description="A unit of this is a scrapped unit of that product, worked again; empty: no rework."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.hard_max_stock is not None and self.hard_max_stock < (self.hard_min_stock or 0.0):
            raise ValueError(
                f"hard_max_stock ({self.hard_max_stock:g}) must not be below hard_min_stock ({self.hard_min_stock:g})"
            )
        return self

    def word(self) -> Product:
        """The product as the rooms know it."""
        components = tuple(Component(product=part.product, quantity=part.quantity) for part in self.components)
        return Product(**{**self.model_dump(), "label": self.label or self.name, "components": components})


class CapabilityPart(Part):
    """That a line can make a product, and how."""

    line: str = Field(description="Name of the line.")
    product: str = Field(description="Name of the product.")
    rate_per_h: float = Field(gt=0, description="Gross units per running hour [unit/h].")
    scrap_ratio: float = Field(default=0.0, ge=0, lt=1, description="Of gross units [0..1).")
    energy_kwh_per_unit: float = Field(default=0.0, ge=0, description="Of gross units [kWh/unit].")
    setup_h: float = Field(
        default=0.0, ge=0, le=24, description="Once per shift in which the line makes the product [h]."
    )
    setup_cost: float = Field(default=0.0, ge=0, description="[currency]")
    family_setup_h: float = Field(
        default=0.0, ge=0, le=24, description="On top, once per shift in which the line makes any of the family [h]."
    )
    family_setup_cost: float = Field(default=0.0, ge=0, description="Like family_setup_h [currency].")

    def word(self) -> Capability:
        """The capability as the rooms know it."""
        return Capability(**self.model_dump())


class ChangeoverPart(Part):
    """What it takes a line to change from one family of products to another."""

    line: str = Field(description="Name of the line; all that it makes is of a family then.")
    before: str = Field(min_length=1, max_length=80, description="The family that it is set up for.")
    after: str = Field(min_length=1, max_length=80, description="The family to come.")
    hours: float = Field(default=0.0, ge=0, le=168, description="Of open time in shifts [h].")
    cost: float = Field(default=0.0, ge=0, description="[currency]")


class SetUpForPart(Part):
    """The family that a line with changeovers is set up for before the first accepted plan."""

    line: str = Field(description="Name of the line.")
    family: str = Field(min_length=1, max_length=80, description="Family of products.")


class ProductionPart(Part):
    """What lines can make."""

    products: tuple[ProductPart, ...] = ()
    capabilities: tuple[CapabilityPart, ...] = ()
    changeovers: tuple[ChangeoverPart, ...] = Field(
        default=(), description="From family to family, in the order in which a line makes them."
    )
    set_up_for: tuple[SetUpForPart, ...] = Field(default=(), description="At most one per line with changeovers.")

    def changeover_words(self) -> tuple[Changeover, ...]:
        """The changeovers as the rooms know them."""
        return tuple(Changeover(**each.model_dump()) for each in self.changeovers)

    def set_up_words(self) -> tuple[SetUpFor, ...]:
        """What lines are set up for as the rooms know it."""
        return tuple(SetUpFor(**each.model_dump()) for each in self.set_up_for)


class OrderPart(Part):
    """A promise to a customer."""

    number: Name
    product: str = Field(description="Name of the product.")
    quantity: float = Field(gt=0, le=1e12, allow_inf_nan=False, description="Good units still to deliver [unit].")
    due_at: Annotated[datetime | None, BeforeValidator(end_of_day)] = Field(
        default=None, description="With an offset, or in plant-local time; a date means its end."
    )
    due_in_h: float | None = Field(
        default=None,
        ge=-8760,
        le=87600,
        description="Instead of due_at: hours from the start of this hour, for trials [h].",
    )
    priority: int = Field(default=1, ge=1, le=1000, description="Multiplies the backlog cost.")
    deadline_at: Annotated[datetime | None, BeforeValidator(end_of_day)] = Field(
        default=None,
        description="Hard: no plan delivers later; what is due after it is due then. Written like due_at.",
    )

    @model_validator(mode="after")
    def _one_due_date(self) -> Self:
        if (self.due_at is None) == (self.due_in_h is None):
            raise ValueError("an order needs either due_at (e.g. 2026-12-24T14:00:00) or due_in_h (e.g. 36)")
        return self

    def word(self, *, timezone: str, now: datetime) -> Order:
        """The order as the rooms know it."""
        if self.due_at is not None:
            due_at = in_utc(self.due_at, timezone=timezone)
        else:
            hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            due_at = hour + timedelta(hours=self.due_in_h or 0.0)
        deadline_at = None if self.deadline_at is None else in_utc(self.deadline_at, timezone=timezone)
        return Order(
            number=self.number,
            product=self.product,
            quantity=self.quantity,
            due_at=due_at if deadline_at is None else min(due_at, deadline_at),
            priority=self.priority,
            deadline_at=deadline_at,
        )


class DemandPart(Part):
    """What is promised and what is on hand; seeds of records that live on in the store."""

    orders: tuple[OrderPart, ...] = ()
    stock: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="Good units on hand by product [unit]."
    )

    def stock_words(self) -> tuple[Stock, ...]:
        """The stock as the rooms know it."""
        return tuple(Stock(product=product, quantity=quantity) for product, quantity in self.stock.items())


class ShiftPart(Part):
    """A daily shift in plant-local time."""

    name: str = Field(min_length=1, max_length=80)
    start_hour: Hour = Field(description="Local hour of day.")
    hours: int = Field(ge=1, le=24, description="Length by the local clock [h].")
    weekdays: Weekdays = EVERY_DAY


class ClosurePart(Part):
    """A time in which a line, or the whole plant, does not run."""

    line: str = Field(default="", description="Name of the line; empty: the whole plant.")
    start: Annotated[datetime, BeforeValidator(a_time)] = Field(description="With an offset, or in plant-local time.")
    end: Annotated[datetime, BeforeValidator(end_of_day)]
    reason: str = Field(min_length=1, max_length=200)

    def word(self, *, timezone: str) -> Closure:
        """The closure as the rooms know it."""
        return Closure(
            line=self.line,
            start=in_utc(self.start, timezone=timezone),
            end=in_utc(self.end, timezone=timezone),
            reason=self.reason,
        )


class OvertimePart(Part):
    """That a line may run outside the shifts."""

    line: str = Field(description="Name of the line.")
    cost_per_h: float = Field(ge=0, description="For each hour in which it runs or is set up then [currency/h].")
    most_h_per_day: float = Field(gt=0, le=24, description="On a plant-local day [h].")


class CalendarPart(Part):
    """When lines may run."""

    shifts: tuple[ShiftPart, ...] = Field(min_length=1, description="At least one; without shifts nothing ever runs.")
    closures: tuple[ClosurePart, ...] = ()
    overtime: tuple[OvertimePart, ...] = Field(default=(), description="At most one per line.")

    def word(self, *, timezone: str) -> Calendar:
        """The calendar as the rooms know it."""
        return Calendar(
            shifts=tuple(Shift(**shift.model_dump()) for shift in self.shifts),
            closures=tuple(closure.word(timezone=timezone) for closure in self.closures),
            overtime=tuple(Overtime(**overtime.model_dump()) for overtime in self.overtime),
        )


class BandPart(Part):
    """A price that holds for hours of the day, in plant-local time."""

    name: str = Field(min_length=1, max_length=80)
    start_hour: Hour
    end_hour: int = Field(ge=1, le=24, description="Half open; may pass midnight.")
    price_per_kwh: float = Field(ge=-10, le=100, description="[currency/kWh]")
    weekdays: Weekdays = EVERY_DAY


class TariffPart(Part):
    """What electricity costs and emits."""

    base_price_per_kwh: float = Field(ge=0, le=100, description="Where no band holds [currency/kWh].")
    bands: tuple[BandPart, ...] = Field(default=(), description="The first that holds wins.")
    demand_charge_per_kw: float = Field(
        default=0.0, ge=0, description="For the highest hourly mean of the billing period [currency/kW]."
    )
    peak_so_far_kw: float = Field(default=0.0, ge=0, description="Already incurred this billing period [kW].")
    co2_kg_per_kwh: tuple[Annotated[float, Field(ge=0, le=5)], ...] = Field(
        default=(0.0,) * 24, description="Grid intensity, one number or one for each local hour of day [kg/kWh]."
    )
    co2_price_per_kg: float = Field(default=0.0, ge=0, description="[currency/kg]")
    co2_cap_kg: float | None = Field(default=None, gt=0, description="Over the plan's horizon [kg]; none: no cap.")

    @model_validator(mode="before")
    @classmethod
    def _one_intensity(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("co2_kg_per_kwh"), int | float):
            return {**values, "co2_kg_per_kwh": [values["co2_kg_per_kwh"]] * 24}
        return values

    @model_validator(mode="after")
    def _whole_day(self) -> Self:
        if len(self.co2_kg_per_kwh) != 24:
            raise ValueError(
                f"co2_kg_per_kwh has {len(self.co2_kg_per_kwh)} numbers; give one, or 24 from hour 0 to 23"
            )
        return self

    def word(self) -> Tariff:
        """The tariff as the rooms know it."""
        values = self.model_dump(exclude={"bands"})
        return Tariff(**values, bands=tuple(TariffBand(**band.model_dump()) for band in self.bands))


class PlanningPart(Part):
    """How far and how finely to plan, and the limits of people."""

    horizon_h: int = Field(default=48, ge=1, le=336, description="[h]")
    option_step_h: int = Field(default=2, ge=1, le=48, description="Grain of possible maintenance starts [h].")
    crews: int = Field(default=1, ge=1, le=100, description="Maintenance jobs at a time.")
    time_limit_s: float = Field(default=20.0, gt=0, le=3600, description="Of the solver [s].")
    gap: float = Field(default=0.005, ge=0, lt=1, description="Relative gap at which a plan is good enough [0..1).")
    max_failure_probability: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Chance limit per machine over the horizon [0..1]; none: failures only cost.",
    )
    max_line_failure_probability: float | None = Field(
        default=None, gt=0, le=1, description="That any machine of a line fails in the horizon [0..1]; none: no limit."
    )
    max_plant_failure_probability: float | None = Field(
        default=None, gt=0, le=1, description="That any machine of the plant fails in it [0..1]; none: no limit."
    )
    frozen_h: int = Field(default=0, ge=0, le=336, description="First hours in which an accepted plan is kept [h].")
    final_backlog_factor: float = Field(
        default=24.0, ge=0, description="Backlog at the end of the horizon costs this many hours of backlog."
    )
    price_delays: bool = Field(
        default=False,
        description="Price what failures are expected to add to the backlog; plans are truer and take longer to prove.",
    )
    risk_aversion: float = Field(
        default=0.0, ge=0, le=1, description="Weight of the worst courses in the hours that failures take [0..1]."
    )
    tail_share: float = Field(
        default=0.1, gt=0, le=1, description="Which part of all courses counts as the worst (0..1]."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.frozen_h > self.horizon_h:
            raise ValueError(f"frozen_h ({self.frozen_h}) must not exceed horizon_h ({self.horizon_h})")
        return self

    def word(self) -> PlanningPolicy:
        """The policy as the rooms know it."""
        return PlanningPolicy(**self.model_dump())
