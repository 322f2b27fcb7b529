"""Scenarios as the What-if page composes them, and how far one of them is real."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from linewright.console.words import moment, number
from linewright.settings.site import Site
from plant.errors import ConfigError, Fault
from plant.production import Order

if TYPE_CHECKING:
    from optimizer.facts import PlanningFacts
    from optimizer.scenarios import Scenario

WORDS: Final = ("name", "start", "machine", "line", "like", "product")
"""Fields that are never numbers."""
SCENARIO_NAME: Final = "scenario name"
"""The field of a scenario's own name; its new line has one too."""
NEAR: Final = timedelta(hours=1)
"""An order due within this of a scenario's is the same one."""


class Change(StrEnum):
    """What can be otherwise, by the name of its part in a scenario file."""

    TARIFF = "tariff"
    BREAKDOWN = "breakdown"
    RUSH_ORDER = "rush_order"
    OVERTIME = "overtime"
    CLOSING = "closing"
    NEW_LINE = "new_line"


TITLES: Final = {
    Change.TARIFF: "Other energy prices",
    Change.BREAKDOWN: "Breakdown",
    Change.RUSH_ORDER: "Rush order",
    Change.OVERTIME: "Overtime",
    Change.CLOSING: "Closed hours",
    Change.NEW_LINE: "New line",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Blank:
    """A field of the form."""

    name: str
    label: str
    choices: str = ""
    """`machine`, `line`, `any line`, `product` or `hour`; empty: it is typed."""
    default: str = ""
    hint: str = ""
    """Stands in the field while it is empty."""


BLANKS: Final[dict[Change, tuple[Blank, ...]]] = {
    Change.TARIFF: (
        Blank(name="factor", label="All energy prices times", default="1.5"),
        Blank(name="demand_charge_per_kw", label="Demand charge per kW", hint="as it is"),
        Blank(name="co2_price_per_kg", label="CO₂ price per kg", hint="as it is"),
    ),
    Change.BREAKDOWN: (
        Blank(name="machine", label="Machine", choices="machine"),
        Blank(name="hours", label="Down for [h]", default="10"),
    ),
    Change.RUSH_ORDER: (
        Blank(name="product", label="Product", choices="product"),
        Blank(name="quantity", label="Good units", default="100"),
        Blank(name="due_in_h", label="Due, hours after the plan begins", default="12"),
        Blank(name="priority", label="Priority (1 is usual)", default="3"),
    ),
    Change.OVERTIME: (
        Blank(name="start", label="Begins", choices="hour"),
        Blank(name="hours", label="Hours", default="8"),
        Blank(name="line", label="Line", choices="any line"),
    ),
    Change.CLOSING: (
        Blank(name="start", label="Begins", choices="hour"),
        Blank(name="hours", label="Hours", default="4"),
        Blank(name="line", label="Line", choices="any line"),
    ),
    Change.NEW_LINE: (
        Blank(name="name", label="Name of the new line", default="L4"),
        Blank(name="like", label="Like line", choices="line"),
        Blank(name="speed", label="Its rates times", default="1.0"),
    ),
}


@dataclass(slots=True)
class Draft:
    """A scenario being composed."""

    change: Change
    name: str
    values: dict[str, str] = field(default_factory=dict)
    extra_cost: str = ""
    """What it costs besides the plan, as typed [currency]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection:
    """Why a scenario cannot be planned."""

    scenario: int | None
    """Its place; None: the whole document."""
    field: str
    """Empty: no single one."""
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing that a scenario says, and whether the plant has it so."""

    sentence: str
    is_real: bool
    order: Order | None = None
    """To be entered into the order book."""


def scenario_document(drafts: Sequence[Draft]) -> str:
    """What was composed, as a scenario file."""
    scenarios = []
    for draft in drafts:
        part = {name: _typed(raw.strip(), name) for name, raw in draft.values.items() if raw.strip()}
        scenario: dict[str, Any] = {"name": draft.name.strip()}
        scenario[draft.change.value] = part if draft.change is Change.TARIFF else [part]
        if draft.extra_cost.strip():
            scenario["extra_cost"] = _typed(draft.extra_cost.strip(), "extra_cost")
        scenarios.append(scenario)
    return json.dumps({"scenario": scenarios}, indent=1)


def objections(document: str, facts: "PlanningFacts") -> tuple[Objection, ...]:
    """Everything in a scenario file that cannot be planned from these facts; empty: all of it can."""
    from optimizer.scenarios import patched, read_scenarios

    try:
        scenarios = read_scenarios(document, where="scenarios")
    except ConfigError as error:
        told = [each for each in error.faults if "[" in each.where] or error.faults  # those of fields say it all
        return tuple(_objection(each.where, _said(each)) for each in told)
    found = []
    for place, scenario in enumerate(scenarios):
        try:
            patched(facts, scenario)
        except ConfigError as error:
            for each in error.faults:
                name = re.search(r"\.(\w+)$", each.where)
                missed = "machine" if "ongoing" in each.where else ""  # a breakdown is ongoing work on its machine
                sentence = f"Found {each.found}; expected {each.expected}"
                found.append(Objection(scenario=place, field=name[1] if name else missed, sentence=sentence))
    return tuple(found)


def reality(
    scenario: "Scenario", facts: "PlanningFacts", *, site: Site, orders: Sequence[Order], down: Collection[str]
) -> tuple[Step, ...]:
    """What a scenario says, one by one, and whether the plant has it so by now.

    Args:
        scenario: As it was planned.
        facts: That it was planned from.
        site: Configuration as it is.
        orders: The order book as it is.
        down: Machines that are down now.
    """
    from optimizer.scenarios import patched
    from optimizer.slots import shift_at

    changed = patched(facts, scenario)
    zone, zone_name = ZoneInfo(facts.plant.timezone), facts.plant.timezone
    planned_then = {order.number for order in facts.orders}
    steps = []
    if scenario.tariff is not None:
        steps.append(
            Step(sentence="The tariff in linewright.toml has these prices.", is_real=site.tariff == changed.tariff)
        )
    for broken in scenario.breakdown:
        label = facts.plant.machine_index[broken.machine].label
        steps.append(Step(sentence=f"{label} is down.", is_real=broken.machine in down))
    for order in changed.orders[len(facts.orders) :]:
        due = moment(order.due_at, timezone=zone_name)
        said = f"{number(order.quantity, digits=0)} {order.product} due {due} plant time stand in the order book."
        known = any(
            each.number not in planned_then
            and each.product == order.product
            and each.quantity >= order.quantity
            and abs(each.due_at - order.due_at) <= NEAR
            for each in orders
        )
        steps.append(Step(sentence=said, is_real=known, order=order))
    for extra in scenario.overtime:
        start = extra.start if extra.start.utcoffset() is not None else extra.start.replace(tzinfo=zone)
        hours = [start.astimezone(zone).replace(tzinfo=None) + timedelta(hours=h) for h in range(extra.hours)]
        open_then = all(shift_at(site.calendar, hour) for hour in hours)
        said = (
            f"The calendar in linewright.toml has a shift from {moment(start, timezone=zone_name)} for {extra.hours} h."
        )
        steps.append(Step(sentence=said, is_real=open_then))
    for closing in scenario.closing:
        said = f"{closing.line or 'The plant'} has a closure of {closing.hours:g} h in linewright.toml."
        start = closing.start if closing.start.utcoffset() is not None else closing.start.replace(tzinfo=zone)
        until = start + timedelta(hours=closing.hours)
        closed = any(c.line == closing.line and c.start <= start and c.end >= until for c in site.calendar.closures)
        steps.append(Step(sentence=said, is_real=closed))
    lines = {line.name for line in site.plant.lines}
    steps += [
        Step(sentence=f"Line {new.name} stands in linewright.toml.", is_real=new.name in lines)
        for new in scenario.new_line
    ]
    steps += [
        Step(sentence=f"{path} is {value} for the plant; this has to be seen to by hand.", is_real=False)
        for path, value in scenario.set.items()
    ]
    return tuple(steps)


def outcome_rows(outcomes: Sequence[Mapping[str, Any]], *, machines: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Scenario, cost, more, proved interval, late orders, energy, peak, CO₂ and maintenance."""
    rows = []
    for place, each in enumerate(outcomes):
        if each["cost"] is None:
            rows.append((each["name"], "no plan", *[""] * 6, each["headline"]))
            continue
        more = "" if place == 0 or each["more"] is None else _signed(each["more"])
        known = place > 0 and each["least"] is not None and each["most"] is not None
        proved = f"{_signed(each['least'])} to {_signed(each['most'])}" if known else ""
        late = f"{len(each['late'])} ({number(each['late_units'], digits=0)})" if each["late"] else "none"
        rows.append(
            (
                each["name"],
                number(each["cost"], digits=0),
                more,
                proved,
                late,
                number(each["energy_kwh"], digits=0),
                number(each["peak_kw"], digits=0),
                number(each["co2_kg"], digits=0),
                ", ".join(machines.get(name, name) for name in each["maintenance"]) or "none",
            )
        )
    return rows


def _signed(amount: float) -> str:
    text = number(amount, digits=0)
    return text if amount < 0.5 else f"+{text}"


def _typed(text: str, name: str) -> str | int | float:
    """A typed number as a number; what is none stays as it was typed, and is named by who reads it.

    >>> _typed("1,5", "factor"), _typed("8", "hours"), _typed("ten", "hours"), _typed("4", "name")
    (1.5, 8, 'ten', '4')
    """
    if name in WORDS:
        return text
    if re.fullmatch(r"[+-]?[0-9]{1,15}", text):
        return int(text)
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text


def _said(fault: Fault) -> str:
    """A fault of a field in the words of the form."""
    if "valid number" in fault.expected or "valid integer" in fault.expected:
        return f"Please give a {'whole ' if 'integer' in fault.expected else ''}number such as 8; found {fault.found}."
    if fault.expected.startswith(("Field required", "String should have at least 1")):
        return "Please fill this in."
    if fault.expected.startswith("Extra inputs"):
        return f"There is no such field; found {fault.found}."
    return f"{fault.expected.replace('Input should', 'This should')} Found {fault.found}."


def _objection(where: str, sentence: str) -> Objection:
    """Scenario and field of a fault.

    >>> told = _objection("scenarios: scenario[1].breakdown[0].hours", "Input should be a number.")
    >>> told.scenario, told.field
    (1, 'hours')
    """
    found = re.search(r"scenario\[(\d+)\](.*)$", where)
    if found is None and where.endswith(": scenario"):
        return Objection(scenario=None, field="", sentence="Please write at least one [[scenario]] table.")
    if found is None:
        return Objection(scenario=None, field="name" if where.endswith(": name") else "", sentence=sentence)
    if found[2] == ".name":
        return Objection(scenario=int(found[1]), field=SCENARIO_NAME, sentence=sentence)
    named = re.search(r"\.(\w+)(?:\[\d+\])?$", found[2])
    return Objection(scenario=int(found[1]), field=named[1] if named else "", sentence=sentence)
