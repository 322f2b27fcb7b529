"""The facts that a plan rests on: what they are, whether they are sound, and their one canonical text."""

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import msgspec

from plant.assets import Machine, MachineClass, Plant
from plant.plans import Objective, Plan
from plant.production import (
    Calendar,
    Capability,
    Changeover,
    Order,
    PlanningPolicy,
    Product,
    SetUpFor,
    Stock,
    Tariff,
)
from plant.risks import Risk

GRAINS_PER_UNIT = 10**7
"""What a line makes in an hour is stated in these parts of a unit, as a unit may be under way when the hour strikes."""
DERIVED = ("machine_index", "class_index")
"""Fields of the plant that follow from its lines and classes."""
LATER: Final[dict[str, dict[str, Any]]] = {
    "": {"objective": None, "fixed_maintenance": (), "fixed_lots": (), "changeovers": (), "set_up_for": ()},
    "previous": {"changeovers": ()},
    "products": {
        "safety_stock": 0.0,
        "safety_cost_per_unit_h": 0.0,
        "max_stock": None,
        "overflow_cost_per_unit_h": 0.0,
        "hard_min_stock": None,
        "hard_max_stock": None,
        "family": "",
        "components": (),
        "lead_time_h": 0,
        "scrap_value": 0.0,
        "reworks": "",
    },
    "capabilities": {"family_setup_h": 0.0, "family_setup_cost": 0.0},
    "orders": {"deadline_at": None},
    "calendar": {"overtime": ()},
    "risks": {"nearest": None, "unusual_since": None},
    "policy": {
        "price_delays": False,
        "risk_aversion": 0.0,
        "tail_share": 0.1,
        "max_line_failure_probability": None,
        "max_plant_failure_probability": None,
    },
}
"""Fields that came after the first plans, by section of the document, with the value that says nothing."""
WHOLE_UNITS_FROM_RATE = 20.0
"""Lines that make fewer units an hour are planned in thousandths, as a unit takes a fair part of the hour [unit/h]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OngoingMaintenance:
    """A machine that is being maintained or repaired while the plan is made."""

    machine: str
    end: datetime
    """When it is expected back, as good as new."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshSurvival:
    """How machines of a class survive after a renewal; without it, exponentially with the class's `mtbf_h`."""

    machine_class: str
    horizons_h: tuple[float, ...]
    """Increasing; operating hours since the renewal [h]. (horizon,)"""
    survival: tuple[float, ...]
    """Non-increasing [0..1]. (horizon,)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedMaintenance:
    """What a person decided about a machine's maintenance."""

    machine: str
    starts: tuple[datetime, ...]
    """It starts at one of these, on the plan's hours; none: the machine is not maintained in this plan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedLot:
    """What a person decided about a line: how much of a product it makes in a time."""

    line: str
    product: str
    start: datetime
    end: datetime
    """Half open, on the plan's hours."""
    gross_units: float
    """Exactly so many; 0: none. Over whole shifts it is whole units [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanningFacts:
    """Everything that enters a plan; the same facts give the same problem."""

    plant: Plant
    products: tuple[Product, ...]
    capabilities: tuple[Capability, ...]
    orders: tuple[Order, ...]
    stock: tuple[Stock, ...]
    calendar: Calendar
    tariff: Tariff
    policy: PlanningPolicy
    risks: tuple[Risk, ...]
    """The newest per machine counts; a machine without one fails at its class's base rate."""
    start: datetime
    """First hour of the plan; aware, on the hour."""
    previous: Plan | None = None
    """The accepted plan, kept in its first `policy.frozen_h` hours."""
    ongoing: tuple[OngoingMaintenance, ...] = ()
    fresh: tuple[FreshSurvival, ...] = ()
    fixed_maintenance: tuple[FixedMaintenance, ...] = ()
    """At most one per machine."""
    fixed_lots: tuple[FixedLot, ...] = ()
    """None speaks of hours of a line and product that another speaks of."""
    objective: Objective | None = None
    """What is aimed at; None: the least cost."""
    changeovers: tuple[Changeover, ...] = ()
    """From family to family, at most one per line and pair."""
    set_up_for: tuple[SetUpFor, ...] = ()
    """At most one per line; where the accepted plan tells what a line made last, that counts."""

    def class_of(self, machine: Machine) -> MachineClass:
        """The class of a machine."""
        return self.plant.class_index[machine.machine_class]

    def newest_risk(self, machine: str) -> Risk | None:
        """The risk of a machine that was assessed last."""
        return max((r for r in self.risks if r.machine == machine), key=lambda r: r.assessed_at, default=None)

    def fresh_survival(self, machine_class: str) -> FreshSurvival | None:
        """The survival curve of a renewed machine, where the plant knows one."""
        return next((curve for curve in self.fresh if curve.machine_class == machine_class), None)


def facts_to_json(facts: PlanningFacts) -> bytes:
    """Canonical JSON of the facts: the same facts always give the same bytes.

    A field that came after the first plans is left out where it says nothing, so that their facts keep their hash.
    """
    document: dict[str, Any] = msgspec.to_builtins(facts, order="deterministic")
    for section, names in LATER.items():
        found = (document[section] or ()) if section else document
        for item in [found] if isinstance(found, dict) else found:
            for name, nothing in names.items():
                if name in item and item[name] == nothing:
                    del item[name]
    return msgspec.json.encode(document)


def facts_from_json(document: bytes) -> PlanningFacts:
    """The facts of their JSON; what follows from other fields may be left out.

    Raises msgspec.DecodeError naming the field that does not fit.
    """
    try:
        raw = msgspec.json.decode(document)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"It is no text in UTF-8 ({error.reason} at byte {error.start}).") from None
    if isinstance(raw, dict) and isinstance(plant := raw.get("plant"), dict):
        for name in DERIVED:
            plant[name] = {}  # worked out anew from the lines and classes
    return msgspec.convert(raw, type=PlanningFacts)


def facts_from_toml(document: str) -> PlanningFacts:
    """The facts of their TOML: the fields of the JSON; `"never"` as a backlog cost, as TOML has no word for none.

    Raises msgspec.DecodeError naming the field that does not fit, or the line that is no TOML.
    """
    try:
        raw = tomllib.loads(document)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"It is no TOML ({error}).") from None
    products = raw.get("products")
    for product in products if isinstance(products, list) else ():
        if isinstance(product, dict) and product.get("backlog_cost_per_unit_h") == "never":
            product["backlog_cost_per_unit_h"] = None
    try:
        return facts_from_json(msgspec.json.encode(raw))
    except OverflowError as error:
        raise msgspec.DecodeError(f"A number is beyond what is calculated with ({error}).") from None


def inputs_hash(facts: PlanningFacts) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(facts_to_json(facts)).hexdigest()


def units_step(rate_per_h: float) -> Fraction:
    """What a line makes of a product in a shift is a multiple of this [unit].

    >>> units_step(90.0), units_step(0.5)
    (Fraction(1, 1), Fraction(1, 1000))
    """
    return Fraction(1) if rate_per_h >= WHOLE_UNITS_FROM_RATE else Fraction(1, 1000)


def needs_setup(capability: Capability, facts: PlanningFacts) -> bool:
    """Whether making this product on this line takes a setup: not on a line with one product, nor where it is free."""
    alternatives = sum(1 for other in facts.capabilities if other.line == capability.line)
    own = capability.setup_h > 0 or capability.setup_cost > 0
    return alternatives > 1 and (own or family_to_set_up(capability, facts) != "")


def family_to_set_up(capability: Capability, facts: PlanningFacts) -> str:
    """The family that making this product sets up by the shift.

    Empty: none, or nothing else is made on the line, or it is free, or the line changes over from family to family.
    """
    if any(each.line == capability.line for each in facts.changeovers):
        return ""
    family_of = {product.name: product.family for product in facts.products}
    family = family_of[capability.product]
    others = {family_of[other.product] for other in facts.capabilities if other.line == capability.line} - {family}
    takes = capability.family_setup_h > 0 or capability.family_setup_cost > 0
    return family if family and others and takes else ""


def maintenance_in_progress(facts: PlanningFacts) -> tuple[OngoingMaintenance, ...]:
    """Jobs under way at the start, one per machine: the reported ones, else those of the accepted plan."""
    ends: dict[str, datetime] = {}
    for job in facts.ongoing:
        if job.end > facts.start:
            ends[job.machine] = max(job.end, ends.get(job.machine, job.end))
    for window in facts.previous.maintenance if facts.previous else ():
        if window.start < facts.start < window.end:
            ends.setdefault(window.machine, window.end)
    return tuple(OngoingMaintenance(machine=machine, end=end) for machine, end in ends.items())


def facts_schema() -> dict[str, Any]:
    """The JSON Schema of the facts' document: every field with its type, for those who write one themselves."""
    schema = msgspec.json.schema(PlanningFacts)
    plant = schema["$defs"]["Plant"]
    for name in DERIVED:
        plant["properties"].pop(name)
    plant["required"] = [name for name in plant["required"] if name not in DERIVED]
    return schema
