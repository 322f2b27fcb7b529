"""What if? Scenarios are patches on the facts, in a TOML or JSON file, each planned beside the facts as they are.

Whoever writes one states only what is otherwise: a tariff, a breakdown, a rush order, overtime, another line, or any
field of the facts by its path. What does not fit is named with the scenario and the field.
"""

import json
import re
import tomllib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from optimizer.facts import OngoingMaintenance, PlanningFacts, facts_from_json
from optimizer.slots import HOUR, shift_at
from optimizer.validate import find_faults
from plant.assets import Line
from plant.errors import Fault, QuestionError
from plant.production import Closure, Order, Shift

MOST_SCENARIOS = 20
_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\[\]]+)\])?")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TariffPatch(_Strict):
    """Other prices; what is left out stays."""

    factor: float = Field(default=1.0, ge=0)
    """On every energy price."""
    base_price_per_kwh: float | None = None
    demand_charge_per_kw: float | None = Field(default=None, ge=0)
    co2_price_per_kg: float | None = Field(default=None, ge=0)
    co2_cap_kg: float | None = Field(default=None, ge=0)


class Breakdown(_Strict):
    """A machine that is down when the plan begins."""

    machine: str
    hours: float = Field(gt=0)
    """Until it is back, as good as new [h]."""


class RushOrder(_Strict):
    """An order on top."""

    product: str
    quantity: float = Field(gt=0)
    due_in_h: float = Field(ge=0)
    """After the plan begins [h]."""
    priority: int = Field(default=3, ge=0)
    number: str = ""


class Overtime(_Strict):
    """Hours in which a plant that would be closed is open."""

    start: datetime
    """Full hour; the plant's local time where it has no zone."""
    hours: int = Field(ge=1, le=24)
    line: str = ""
    """Empty: all lines."""


class Closing(_Strict):
    """Hours in which a line, or with an empty name the plant, is closed."""

    start: datetime
    hours: float = Field(gt=0)
    line: str = ""


class NewLine(_Strict):
    """Another line of the same machines and products as one there is."""

    name: str = Field(min_length=1)
    like: str
    speed: float = Field(default=1.0, gt=0)
    """Its rates over those of the other."""


class Scenario(_Strict):
    """What is otherwise."""

    name: str = Field(min_length=1, max_length=60)
    tariff: TariffPatch | None = None
    breakdown: tuple[Breakdown, ...] = ()
    rush_order: tuple[RushOrder, ...] = ()
    overtime: tuple[Overtime, ...] = ()
    closing: tuple[Closing, ...] = ()
    new_line: tuple[NewLine, ...] = ()
    set: dict[str, Any] = Field(default_factory=dict)
    """Any field of the facts by its path, e.g. `policy.crews` or `orders[O-7].quantity`."""
    extra_cost: float = 0.0
    """What it costs besides the plan, e.g. the overtime's wages [currency]."""


class _File(_Strict):
    scenario: tuple[Scenario, ...] = Field(min_length=1, max_length=MOST_SCENARIOS)


def read_scenarios(document: str, *, where: str) -> tuple[Scenario, ...]:
    """The scenarios of a TOML or JSON text. Raises ConfigError with every field that does not fit."""
    try:
        raw = json.loads(document) if document.lstrip().startswith("{") else tomllib.loads(document)
        scenarios = _File.model_validate(raw).scenario
    except ValidationError as error:
        raise QuestionError(tuple(_fault(where, found) for found in error.errors())) from error
    except (ValueError, RecursionError) as error:
        expected = "TOML with [[scenario]] tables, or the same as JSON."
        raise QuestionError((Fault(where=where, found=str(error), expected=expected),)) from error
    names = [scenario.name for scenario in scenarios]
    if twice := [name for name in names if names.count(name) > 1]:
        raise QuestionError((Fault(where=f"{where}: name", found=repr(twice[0]), expected="a name of its own."),))
    return scenarios


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file."""
    return _File.model_json_schema()


def patched(facts: PlanningFacts, scenario: Scenario) -> PlanningFacts:
    """The facts as a scenario has them. Raises ConfigError naming the scenario and the field that does not fit."""
    where = f"scenario {scenario.name}"
    if scenario.tariff is not None:
        facts = _tariff(facts, scenario.tariff)
    for down in scenario.breakdown:
        job = OngoingMaintenance(machine=down.machine, end=facts.start + timedelta(hours=down.hours))
        facts = replace(facts, ongoing=(*facts.ongoing, job))
    for index, rush in enumerate(scenario.rush_order):
        order = Order(
            number=rush.number or f"rush-{index + 1}",
            product=rush.product,
            quantity=rush.quantity,
            due_at=facts.start + timedelta(hours=rush.due_in_h),
            priority=rush.priority,
        )
        facts = replace(facts, orders=(*facts.orders, order))
    for index, new in enumerate(scenario.new_line):
        facts = _new_line(facts, new, where=f"{where}: new_line[{index}]")
    for index, overtime in enumerate(scenario.overtime):
        facts = _overtime(facts, overtime, where=f"{where}: overtime[{index}]")
    for closing in scenario.closing:
        start = _aware(facts, closing.start)
        closure = Closure(
            line=closing.line, start=start, end=start + timedelta(hours=closing.hours), reason=scenario.name
        )
        facts = _closed(facts, closure)
    for path, value in scenario.set.items():
        facts = _set(facts, path, value, where=f"{where}: set.{path}")
    if faults := tuple(replace(fault, where=f"{where}: {fault.where}") for fault in find_faults(facts)):
        raise QuestionError(faults)
    return facts


def _tariff(facts: PlanningFacts, patch: TariffPatch) -> PlanningFacts:
    tariff = facts.tariff
    bands = tuple(replace(band, price_per_kwh=band.price_per_kwh * patch.factor) for band in tariff.bands)
    given = patch.model_dump(exclude={"factor"}, exclude_none=True)
    fields = {"base_price_per_kwh": tariff.base_price_per_kwh * patch.factor, **given}
    return replace(facts, tariff=replace(tariff, bands=bands, **fields))


def _new_line(facts: PlanningFacts, new: NewLine, *, where: str) -> PlanningFacts:
    model = next((line for line in facts.plant.lines if line.name == new.like), None)
    if model is None:
        known = ", ".join(line.name for line in facts.plant.lines)
        raise QuestionError((Fault(where=f"{where}.like", found=repr(new.like), expected=f"a line: {known}."),))
    machines = tuple(
        replace(each, name=f"{new.name}-{n}", label=f"{each.label} of {new.name}", line=new.name)
        for n, each in enumerate(model.machines, start=1)
    )
    line = Line(name=new.name, label=new.name, area=model.area, machines=machines)
    more = tuple(
        replace(c, line=new.name, rate_per_h=c.rate_per_h * new.speed) for c in facts.capabilities if c.line == new.like
    )
    plant = replace(facts.plant, lines=(*facts.plant.lines, line))
    return replace(facts, plant=plant, capabilities=(*facts.capabilities, *more))


def _overtime(facts: PlanningFacts, overtime: Overtime, *, where: str) -> PlanningFacts:
    """A shift at those hours; lines and weeks that are not meant stay closed in them."""
    start, zone = _aware(facts, overtime.start), ZoneInfo(facts.plant.timezone)
    local = start.astimezone(zone)
    lines = {line.name for line in facts.plant.lines}
    if overtime.line and overtime.line not in lines:
        expected = f"a line: {', '.join(sorted(lines))}."
        raise QuestionError((Fault(where=f"{where}.line", found=repr(overtime.line), expected=expected),))
    if local.minute or local.second:
        raise QuestionError((Fault(where=f"{where}.start", found=f"{local:%H:%M:%S}", expected="a full hour."),))
    shut = [t for t in range(overtime.hours) if not shift_at(facts.calendar, _wall(start + HOUR * t, zone))]
    if not shut:
        expected = "hours in which the plant is closed."
        raise QuestionError((Fault(where=f"{where}.start", found=f"{local:%a %d %b %H:%M}", expected=expected),))
    shift = Shift(name="overtime", start_hour=local.hour, hours=overtime.hours, weekdays=(local.weekday(),))
    others = lines - {overtime.line} if overtime.line else set()
    known = facts.calendar
    facts = replace(facts, calendar=replace(known, shifts=(*known.shifts, shift)))
    for hour in range(facts.policy.horizon_h):
        at = facts.start + HOUR * hour
        if shift_at(known, _wall(at, zone)) or not shift_at(facts.calendar, _wall(at, zone)):
            continue
        for line in others if start <= at < start + HOUR * overtime.hours else ("",):
            facts = _closed(facts, Closure(line=line, start=at, end=at + HOUR, reason="no overtime"))
    return facts


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _closed(facts: PlanningFacts, closure: Closure) -> PlanningFacts:
    return replace(facts, calendar=replace(facts.calendar, closures=(*facts.calendar.closures, closure)))


def _aware(facts: PlanningFacts, at: datetime) -> datetime:
    return at if at.utcoffset() is not None else at.replace(tzinfo=ZoneInfo(facts.plant.timezone))


def _set(facts: PlanningFacts, path: str, value: Any, *, where: str) -> PlanningFacts:
    """The facts with the field at a path set; lists are entered by place, name, number, or `line:product`."""
    document = json.loads(msgspec.json.encode(facts))  # fields that say nothing may be set too
    steps = path.split(".")
    place: Any = document
    for depth, step in enumerate(steps):
        found = _STEP.fullmatch(step)
        if found is None or not isinstance(place, dict) or found[1] not in place:
            known = ", ".join(place) if isinstance(place, dict) else "nothing below"
            raise QuestionError((Fault(where=where, found=repr(step), expected=f"one of: {known}."),))
        last = depth == len(steps) - 1
        if found[2] is None:
            if last:
                place[found[1]] = value
            else:
                place = place[found[1]]
            continue
        index = _index(place[found[1]], found[2], where=where)
        if last:
            place[found[1]][index] = value
        else:
            place = place[found[1]][index]
    try:
        return facts_from_json(msgspec.json.encode(document))
    except (msgspec.ValidationError, msgspec.EncodeError) as error:
        expected = "what `linewright plan solve --schema` describes."
        raise QuestionError((Fault(where=where, found=f"{value!r} ({error})"[:160], expected=expected),)) from error


def _index(entries: Any, key: str, *, where: str) -> int:
    names = [_name(entry, n) for n, entry in enumerate(entries)] if isinstance(entries, list) else []
    if key in names:
        return names.index(key)
    if key.isdigit() and int(key) < len(names):
        return int(key)
    raise QuestionError((Fault(where=where, found=repr(key), expected=f"one of: {', '.join(names[:20])}."),))


def _name(entry: Any, place: int) -> str:
    if not isinstance(entry, dict):
        return str(place)
    if "line" in entry and "product" in entry:
        return f"{entry['line']}:{entry['product']}"
    return str(entry.get("name", entry.get("number", entry.get("machine", entry.get("product", place)))))


def _fault(where: str, found: Any) -> Fault:
    """A fault of the file with its field, as `scenario[0].breakdown[1].hours`."""
    field = ""
    for step in found["loc"]:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else str(step)
    return Fault(where=f"{where}: {field}", found=repr(found["input"])[:80], expected=f"{found['msg']}.")
