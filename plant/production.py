"""What the plant makes, for whom, with what energy and under which calendar: the facts that a plan rests on."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """What a product is made of."""

    product: str
    """The product that is used up."""
    quantity: float
    """For each gross unit made [unit/unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """A thing that is sold, or that others are made of."""

    name: str
    label: str
    price: float
    """Sales price [currency/unit]."""
    holding_cost_per_unit_h: float
    """[currency/(unit h)]"""
    backlog_cost_per_unit_h: float | None
    """Soft penalty for a unit past its due date [currency/(unit h)]; None: nothing of it may be late."""
    scrap_cost: float
    """Material lost with a scrapped unit [currency/unit]."""
    safety_stock: float = 0.0
    """Stock, less what is overdue, should not fall below this [unit]."""
    safety_cost_per_unit_h: float = 0.0
    """Of a unit missing from it [currency/(unit h)]."""
    max_stock: float | None = None
    """What the store has room for [unit]; None: enough."""
    overflow_cost_per_unit_h: float = 0.0
    """Of a unit kept beyond it, elsewhere [currency/(unit h)]."""
    hard_min_stock: float | None = None
    """Hard: stock, less what is overdue, never falls below this [unit]; None: no such limit."""
    hard_max_stock: float | None = None
    """Hard: stock, less what is overdue, never rises beyond this [unit]; None: no such limit."""
    family: str = ""
    """Products that share tools or material: between them a line changes over with less; empty: of no family."""
    components: tuple[Component, ...] = ()
    """What it is made of, as far as that can run short."""
    lead_time_h: int = 0
    """From the hour in which it is made to the one in which it can be used or delivered, e.g. to cure [h]."""
    scrap_value: float = 0.0
    """What a scrapped unit is sold for, unless it is reworked [currency/unit]."""
    reworks: str = ""
    """A unit of this is a scrapped unit of that product, worked again: its good units are units of that product."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Capability:
    """That a line can make a product, and how."""

    line: str
    product: str
    rate_per_h: float
    """Gross units per running hour [unit/h]; 1 / planned run time per item (PRI)."""
    scrap_ratio: float
    """Of gross units [0..1)."""
    energy_kwh_per_unit: float
    """Of gross units [kWh/unit]."""
    setup_h: float
    """[h], once per shift in which the line makes the product."""
    setup_cost: float
    """[currency]"""
    family_setup_h: float = 0.0
    """[h], on top, once per shift in which the line makes any product of the family; the same for all of them."""
    family_setup_cost: float = 0.0
    """[currency], like `family_setup_h`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changeover:
    """What it takes a line to change from one family of products to another.

    A line with any of these changes over in the order in which it makes its families: from hour to hour, at most once
    an hour, in its shifts. A pair that is not told takes what `family_setup_h` and `family_setup_cost` of the family to
    come say; those of such a line are not counted by the shift.
    """

    line: str
    before: str
    """The family that the line is set up for."""
    after: str
    """The family to come."""
    hours: float
    """Of open time in shifts [h]."""
    cost: float
    """[currency]"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SetUpFor:
    """The family that a line with changeovers is set up for when the plan starts."""

    line: str
    family: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A promise to a customer."""

    number: str
    product: str
    quantity: float
    """Good units still to deliver [unit]."""
    due_at: datetime
    """Soft: later delivery costs backlog."""
    priority: int = 1
    """Multiplies the backlog cost."""
    deadline_at: datetime | None = None
    """Hard: no plan delivers later; None: late delivery only costs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stock:
    """Good units of a product on hand."""

    product: str
    quantity: float
    """[unit]"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """A daily shift in local time; from >= to passes midnight."""

    name: str
    start_hour: int
    """Local hour of day, 0..23."""
    hours: int
    """Length, 1..24 [h]."""
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """Monday = 0; the day on which the shift starts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Closure:
    """A time in which a line (or, with an empty name, the whole plant) does not run."""

    line: str
    start: datetime
    end: datetime
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Overtime:
    """That a line may run outside the shifts, and what that costs."""

    line: str
    cost_per_h: float
    """For each hour in which it runs or is set up then [currency/h]."""
    most_h_per_day: float
    """On a local day; a day's overtime counts as a shift of its own (0..24] [h]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """When lines may run."""

    shifts: tuple[Shift, ...]
    closures: tuple[Closure, ...] = ()
    overtime: tuple[Overtime, ...] = ()
    """At most one per line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TariffBand:
    """A price that holds for hours of the day, in local time."""

    name: str
    start_hour: int
    """Local hour of day, 0..23."""
    end_hour: int
    """Local hour of day, 1..24; half open; may pass midnight."""
    price_per_kwh: float
    """[currency/kWh]"""
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tariff:
    """What electricity costs and emits."""

    base_price_per_kwh: float
    """Where no band holds [currency/kWh]."""
    bands: tuple[TariffBand, ...]
    """The first that holds wins."""
    demand_charge_per_kw: float
    """For the highest hourly mean of the billing period [currency/kW]."""
    peak_so_far_kw: float
    """Already incurred this billing period [kW]."""
    co2_kg_per_kwh: tuple[float, ...]
    """Grid intensity by local hour of day [kg/kWh]. (24,)"""
    co2_price_per_kg: float
    """[currency/kg]"""
    co2_cap_kg: float | None = None
    """Over the plan's horizon [kg]; None: no cap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanningPolicy:
    """How far and how finely to plan, and the limits of people."""

    horizon_h: int = 48
    """[h]"""
    option_step_h: int = 2
    """Grain of possible maintenance starts [h]."""
    crews: int = 1
    """Maintenance jobs at a time."""
    time_limit_s: float = 20.0
    """Of the solver [s]."""
    gap: float = 0.005
    """Relative gap at which a plan counts as good enough [0..1]."""
    max_failure_probability: float | None = None
    """Chance limit per machine over the horizon [0..1]; None: failures only cost."""
    max_line_failure_probability: float | None = None
    """That any machine of a line fails within the horizon [0..1]; None: no such limit."""
    max_plant_failure_probability: float | None = None
    """That any machine of the plant fails within the horizon [0..1]; None: no such limit."""
    frozen_h: int = 0
    """First hours in which an accepted plan is kept [h]."""
    final_backlog_factor: float = 24.0
    """Backlog at the end of the horizon costs this many hours of backlog."""
    price_delays: bool = False
    """Whether the objective holds what failures are expected to add to the backlog."""
    risk_aversion: float = 0.0
    """Weight of the worst courses in the hours that failures take; 0: the mean alone [0..1]."""
    tail_share: float = 0.1
    """Which part of all courses counts as the worst (0..1]."""
