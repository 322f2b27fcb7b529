"""The canonical plant of the demo, of `linewright init` and of the tests: three lines, twelve machines, six products.

Figures are those of a mid-sized metal works in Austria, chosen so that the orders of two days take about four fifths
of what the lines can make, and prices of electricity differ by a factor of three over the day.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind, SignalRole
from plant.production import Calendar, Capability, Order, Product, Shift, Stock, Tariff, TariffBand
from plant.quantities import Quantity

PERIOD: Final = timedelta(seconds=30)

SIGNALS: Final = (
    Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION, valid_min=0.0, valid_max=50.0, period=PERIOD),
    Signal(name="temperature_c", quantity=Quantity.TEMPERATURE, valid_min=-20.0, valid_max=400.0, period=PERIOD),
    Signal(name="current_a", quantity=Quantity.CURRENT, valid_min=0.0, valid_max=400.0, period=PERIOD),
    Signal(
        name="power_kw", quantity=Quantity.POWER, role=SignalRole.POWER, valid_min=0.0, valid_max=200.0, period=PERIOD
    ),
    Signal(name="cycle_time_s", quantity=Quantity.DURATION, valid_min=0.0, valid_max=3600.0, period=PERIOD),
    Signal(
        name="speed_ratio",
        quantity=Quantity.RATIO,
        role=SignalRole.SETTING,
        valid_min=0.0,
        valid_max=1.5,
        period=PERIOD,
    ),
    Signal(
        name="scrap_parts",
        quantity=Quantity.COUNT,
        kind=SignalKind.COUNTER,
        role=SignalRole.SCRAP_PARTS,
        valid_min=0.0,
        period=PERIOD,
    ),
    Signal(
        name="good_parts",
        quantity=Quantity.COUNT,
        kind=SignalKind.COUNTER,
        role=SignalRole.GOOD_PARTS,
        valid_min=0.0,
        period=PERIOD,
    ),
    Signal(
        name="energy_kwh",
        quantity=Quantity.ENERGY,
        kind=SignalKind.COUNTER,
        role=SignalRole.ENERGY,
        valid_min=0.0,
        period=PERIOD,
    ),
    Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE, role=SignalRole.STATE, period=PERIOD),
    Signal(name="product", quantity=Quantity.STATE, kind=SignalKind.STATE, role=SignalRole.PRODUCT, period=PERIOD),
    Signal(
        name="maintenance",
        quantity=Quantity.STATE,
        kind=SignalKind.EVENT,
        role=SignalRole.MAINTENANCE,
        period=PERIOD,
    ),
)
"""What every machine reports."""

CLASSES: Final = (
    MachineClass(
        name="press",
        signals=SIGNALS,
        failure_modes=("bearing", "seal", "shock"),
        mtbf_h=320.0,
        maintenance_h=4.0,
        maintenance_cost=620.0,
        repair_h=14.0,
        failure_cost=8200.0,
        idle_power_kw=3.0,
    ),
    MachineClass(
        name="mill",
        signals=SIGNALS,
        failure_modes=("spindle", "tool", "shock"),
        mtbf_h=310.0,
        maintenance_h=3.0,
        maintenance_cost=480.0,
        repair_h=10.0,
        failure_cost=6400.0,
        idle_power_kw=2.0,
    ),
    MachineClass(
        name="oven",
        signals=SIGNALS,
        failure_modes=("fan", "heater", "shock"),
        mtbf_h=330.0,
        maintenance_h=4.0,
        maintenance_cost=540.0,
        repair_h=12.0,
        failure_cost=7000.0,
        idle_power_kw=9.0,
    ),
    MachineClass(
        name="packer",
        signals=SIGNALS,
        failure_modes=("belt", "gripper", "shock"),
        mtbf_h=300.0,
        maintenance_h=2.0,
        maintenance_cost=260.0,
        repair_h=7.0,
        failure_cost=3100.0,
        idle_power_kw=0.8,
    ),
)

PRODUCTS: Final = (
    Product(
        name="bracket",
        label="Bracket",
        price=6.5,
        holding_cost_per_unit_h=0.002,
        backlog_cost_per_unit_h=0.06,
        scrap_cost=2.1,
    ),
    Product(
        name="flange",
        label="Flange",
        price=11.0,
        holding_cost_per_unit_h=0.003,
        backlog_cost_per_unit_h=0.10,
        scrap_cost=3.8,
    ),
    Product(
        name="gear",
        label="Gear",
        price=24.0,
        holding_cost_per_unit_h=0.006,
        backlog_cost_per_unit_h=0.22,
        scrap_cost=8.5,
    ),
    Product(
        name="housing",
        label="Housing",
        price=38.0,
        holding_cost_per_unit_h=0.010,
        backlog_cost_per_unit_h=0.35,
        scrap_cost=14.0,
    ),
    Product(
        name="shaft",
        label="Shaft",
        price=29.0,
        holding_cost_per_unit_h=0.008,
        backlog_cost_per_unit_h=0.27,
        scrap_cost=10.5,
    ),
    Product(
        name="valve",
        label="Valve",
        price=46.0,
        holding_cost_per_unit_h=0.012,
        backlog_cost_per_unit_h=0.42,
        scrap_cost=17.0,
    ),
)

MAKES: Final[dict[str, tuple[tuple[str, float, float, float, float], ...]]] = {
    # line: (product, rate [unit/h], scrap ratio, energy [kWh/unit], setup [h])
    "L1": (
        ("bracket", 110.0, 0.020, 0.62, 0.5),
        ("flange", 84.0, 0.022, 0.83, 0.5),
        ("gear", 46.0, 0.030, 1.55, 0.75),
        ("housing", 30.0, 0.028, 2.40, 0.75),
    ),
    "L2": (
        ("flange", 80.0, 0.024, 0.86, 0.5),
        ("gear", 50.0, 0.026, 1.42, 0.5),
        ("shaft", 40.0, 0.025, 1.80, 0.75),
        ("valve", 24.0, 0.034, 3.05, 1.0),
    ),
    "L3": (
        ("bracket", 120.0, 0.018, 0.58, 0.5),
        ("housing", 32.0, 0.030, 2.28, 0.75),
        ("shaft", 38.0, 0.027, 1.90, 0.5),
        ("valve", 22.0, 0.036, 3.20, 1.0),
    ),
}

ORDERS: Final = (
    # (product, good units, due after the start [h], priority)
    ("bracket", 1010, 10, 1), ("gear", 470, 12, 2), ("valve", 170, 14, 1), ("flange", 720, 18, 1),
    ("housing", 370, 22, 2), ("shaft", 400, 24, 1), ("bracket", 1230, 30, 1), ("valve", 210, 32, 2),
    ("gear", 520, 36, 1), ("housing", 340, 38, 1), ("shaft", 470, 42, 2), ("flange", 850, 46, 1),
    ("bracket", 900, 54, 1), ("valve", 180, 58, 1), ("gear", 340, 62, 1), ("housing", 290, 66, 1),
)  # fmt: skip

TARIFF: Final = Tariff(
    base_price_per_kwh=0.19,
    bands=(
        TariffBand(name="night", start_hour=22, end_hour=6, price_per_kwh=0.098),
        TariffBand(name="morning peak", start_hour=7, end_hour=10, price_per_kwh=0.305, weekdays=(0, 1, 2, 3, 4)),
        TariffBand(name="evening peak", start_hour=17, end_hour=20, price_per_kwh=0.325),
    ),
    demand_charge_per_kw=8.4,
    peak_so_far_kw=190.0,
    co2_kg_per_kwh=(
        0.172, 0.166, 0.163, 0.162, 0.165, 0.176, 0.198, 0.224, 0.231, 0.214, 0.190, 0.171,
        0.160, 0.156, 0.161, 0.178, 0.206, 0.243, 0.261, 0.256, 0.238, 0.216, 0.196, 0.182,
    ),
    co2_price_per_kg=0.07,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class PlantFacts:
    """The canonical plant and what it has to do."""

    plant: Plant
    products: tuple[Product, ...]
    capabilities: tuple[Capability, ...]
    orders: tuple[Order, ...]
    stock: tuple[Stock, ...]
    calendar: Calendar
    tariff: Tariff


def demo_facts(start: datetime) -> PlantFacts:
    """The canonical plant, its orders due after `start` (aware, a full hour)."""
    return PlantFacts(
        plant=canonical_plant(),
        products=PRODUCTS,
        capabilities=canonical_capabilities(),
        orders=tuple(
            Order(
                number=f"O-{1001 + index}",
                product=product,
                quantity=float(quantity),
                due_at=start + timedelta(hours=due_h),
                priority=priority,
            )
            for index, (product, quantity, due_h, priority) in enumerate(ORDERS)
        ),
        stock=tuple(
            Stock(product=product, quantity=float(quantity))
            for product, quantity in (
                ("bracket", 240), ("flange", 160), ("gear", 90), ("housing", 60), ("shaft", 70), ("valve", 40),
            )
        ),
        calendar=Calendar(
            shifts=tuple(
                Shift(name=name, start_hour=hour, hours=8)
                for name, hour in (("early", 6), ("late", 14), ("night", 22))
            )
        ),
        tariff=TARIFF,
    )  # fmt: skip


def canonical_plant() -> Plant:
    """Three lines in hall 1, each with a press, a mill, an oven and a packer in series."""
    return Plant(
        enterprise="acme",
        site="linz",
        timezone="Europe/Vienna",
        currency="EUR",
        lines=tuple(
            Line(
                name=f"L{number}",
                label=f"Line {number}",
                area="hall1",
                machines=tuple(
                    Machine(
                        name=f"L{number}-{machine_class.name}",
                        label=f"{machine_class.name.capitalize()} {number}",
                        line=f"L{number}",
                        machine_class=machine_class.name,
                    )
                    for machine_class in CLASSES
                ),
            )
            for number in (1, 2, 3)
        ),
        classes=CLASSES,
    )


def canonical_capabilities() -> tuple[Capability, ...]:
    """Which line makes which product, and how."""
    return tuple(
        Capability(
            line=line,
            product=product,
            rate_per_h=rate_per_h,
            scrap_ratio=scrap_ratio,
            energy_kwh_per_unit=energy_kwh_per_unit,
            setup_h=setup_h,
            setup_cost=90.0 * setup_h,
        )
        for line, makes in MAKES.items()
        for product, rate_per_h, scrap_ratio, energy_kwh_per_unit, setup_h in makes
    )
