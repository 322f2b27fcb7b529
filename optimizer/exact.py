"""What a plan means, worked out from the facts in exact arithmetic. Shares no code with the formulation or its tables.

Floats of the facts enter as the fractions they are; the only irrational function, the exponential of the base rate, is
rounded to twelve decimals. The same facts and plan therefore give the same bits wherever they are worked out.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from optimizer.facts import GRAINS_PER_UNIT, PlanningFacts
from plant.assets import Line, Machine
from plant.plans import Plan
from plant.production import Capability

HOUR = timedelta(hours=1)
ZERO, ONE = Fraction(0), Fraction(1)
SLOW_BELOW = 20
"""Lines that make fewer units an hour are planned in thousandths [unit/h]."""
_DECIMALS = 10**12


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """The plan's hours as the local clock sees them."""

    shifts: tuple[str, ...]
    """Shift of each hour; empty: closed. (hour,)"""
    prices: tuple[Fraction, ...]
    """[currency/kWh] (hour,)"""
    co2: tuple[Fraction, ...]
    """[kg/kWh] (hour,)"""
    open_share: dict[str, tuple[Fraction, ...]]
    """By line, in overtime too [0..1]. (hour,)"""
    manned_share: dict[str, tuple[Fraction, ...]]
    """By line, without overtime [0..1]. (hour,)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """What the chosen option of one machine brings."""

    window: tuple[int, int]
    """Hours away, half open."""
    loss: tuple[Fraction, ...]
    """Expected share of each hour lost to repair. (hour,)"""
    failures: tuple[Fraction, ...]
    """Expected in each hour. (hour,)"""
    failure_cost: Fraction
    """Expected over the horizon [currency]."""
    failure_probability: Fraction


def read_calendar(facts: PlanningFacts) -> Calendar:
    """The hours of the horizon with their shifts, prices, emissions and closures."""
    zone = ZoneInfo(facts.plant.timezone)
    hours = range(facts.policy.horizon_h)
    local = [(facts.start.astimezone(UTC) + HOUR * t).astimezone(zone).replace(tzinfo=None) for t in hours]
    shifts = tuple(_shift(facts, at) for at in local)
    extra = {overtime.line for overtime in facts.calendar.overtime}
    opened = {line.name: tuple(_open(facts, line, t) for t in hours) for line in facts.plant.lines}
    return Calendar(
        shifts=tuple(
            shift or (f"overtime {at:%Y-%m-%d}" if extra else "") for shift, at in zip(shifts, local, strict=True)
        ),
        prices=tuple(_price(facts, at) for at in local),
        co2=tuple(Fraction(facts.tariff.co2_kg_per_kwh[at.hour]) for at in local),
        open_share={
            line: tuple(share if shifts[t] or line in extra else ZERO for t, share in enumerate(shares))
            for line, shares in opened.items()
        },
        manned_share={
            line: tuple(share if shifts[t] else ZERO for t, share in enumerate(shares))
            for line, shares in opened.items()
        },
    )


def _shift(facts: PlanningFacts, at: datetime) -> str:
    """The shift that a local hour lies in and the day on which that shift began; without shifts, the day."""
    if not (known := facts.calendar.shifts):
        return f"day {at:%Y-%m-%d}"
    for shift in known:
        began = at - timedelta(hours=(at.hour - shift.start_hour) % 24)
        if (at - began) // HOUR < shift.hours and began.weekday() in shift.weekdays:
            return f"{shift.name} {began:%Y-%m-%d}"
    return ""


def _price(facts: PlanningFacts, at: datetime) -> Fraction:
    """Energy price of a local hour [currency/kWh]: of the first band around it, which may span midnight."""
    for band in facts.tariff.bands:
        lasts_h = (band.end_hour - band.start_hour) % 24 or 24
        if (at.hour - band.start_hour) % 24 < lasts_h and at.weekday() in band.weekdays:
            return Fraction(band.price_per_kwh)
    return Fraction(facts.tariff.base_price_per_kwh)


def _open(facts: PlanningFacts, line: Line, hour: int) -> Fraction:
    """Part of an hour outside all closures of a line, to the microsecond."""
    begin = facts.start + HOUR * hour
    cuts = {begin, begin + HOUR}
    closures = [c for c in facts.calendar.closures if c.line in ("", line.name)]
    cuts.update(at for c in closures for at in (c.start, c.end) if begin < at < begin + HOUR)
    ordered = sorted(cuts)
    total = ZERO
    for left, right in pairwise(ordered):
        if not any(c.start <= left and right <= c.end for c in closures):
            span = right - left
            total += Fraction(span.seconds * 10**6 + span.microseconds, 3600 * 10**6)
    return total


def units_by_hour(facts: PlanningFacts, plan: Plan) -> dict[tuple[str, str, int], Fraction]:
    """Gross units of each line, product and hour, as the plan's runs state them."""
    units: dict[tuple[str, str, int], Fraction] = {}
    for run in plan.runs:
        first = (run.start - facts.start) // HOUR
        for hour, made in enumerate(run.hourly_units, start=first):
            key = (run.line, run.product, hour)
            units[key] = units.get(key, ZERO) + Fraction(round(made * GRAINS_PER_UNIT), GRAINS_PER_UNIT)
    return {key: made for key, made in units.items() if made}


def maintenance_start(facts: PlanningFacts, plan: Plan, machine: str) -> int | None:
    """Hour in which the plan starts to maintain a machine."""
    starts = [(window.start - facts.start) // HOUR for window in plan.maintenance if window.machine == machine]
    return starts[0] if starts else None


def fate(facts: PlanningFacts, calendar: Calendar, machine: Machine, *, start: int | None) -> Fate:
    """What becomes of a machine that is maintained from hour `start`, or not at all; a job under way comes first."""
    machine_class = facts.class_of(machine)
    horizon = facts.policy.horizon_h
    first, last = (0, 0)
    if start is not None:
        first = min(max(start, 0), horizon)
        last = min(first + math.ceil(machine_class.maintenance_h), horizon)
    if (back_at := under_way(facts).get(machine.name)) is not None:
        first, last = 0, min(math.ceil((back_at - facts.start) / HOUR), horizon)
    opened = calendar.manned_share[machine.line]
    rate = ONE / Fraction(machine_class.mtbf_h)
    ages = [ZERO]
    for share in opened:
        ages.append(ages[-1] + share)
    worn = _worn(facts, machine, ages if last == 0 else ages[: first + 1])
    renewed = [_fresh(facts, machine, age - ages[last]) for age in ages[last:]] if last else []
    segments = [(0, worn), (last, renewed)] if last else [(0, worn)]
    failures, loss = [ZERO] * horizon, [ZERO] * horizon
    for begin, survival in segments:
        for t in range(len(survival) - 1):
            repaired = (ONE - survival[t]) * opened[begin + t] * rate
            failures[begin + t] = survival[t] - survival[t + 1] + repaired
        segment = failures[begin : begin + max(len(survival) - 1, 0)]
        loss[begin : begin + len(segment)] = _lost(segment, Fraction(machine_class.repair_h), facts)
    survives = worn[-1] * (renewed[-1] if renewed else ONE)
    return Fate(
        window=(first, last),
        loss=tuple(loss),
        failures=tuple(failures),
        failure_cost=Fraction(machine_class.failure_cost) * sum(failures, ZERO),
        failure_probability=ONE - survives,
    )


def under_way(facts: PlanningFacts) -> dict[str, datetime]:
    """When each machine that is away at the start is expected back: as reported, else as the accepted plan says."""
    back: dict[str, datetime] = {}
    for window in facts.previous.maintenance if facts.previous is not None else ():
        if window.start < facts.start < window.end and window.machine not in back:
            back[window.machine] = window.end
    reported = [job for job in facts.ongoing if job.end > facts.start]
    return back | {job.machine: max(j.end for j in reported if j.machine == job.machine) for job in reported}


def whole_step(rate_per_h: float) -> Fraction:
    """What a line makes of a product in a shift is a multiple of this [unit]: a thousandth where a unit takes 3 min."""
    return ONE if Fraction(rate_per_h) >= SLOW_BELOW else Fraction(1, 1000)


def takes_setup(facts: PlanningFacts, capability: Capability) -> bool:
    """Whether a product must be set up: its line makes others too, and changing over costs time or money."""
    others = [c for c in facts.capabilities if c.line == capability.line and c.product != capability.product]
    own = max(capability.setup_h, capability.setup_cost) > 0
    return bool(others) and (own or bool(family_setup(facts, capability)))


def family_setup(facts: PlanningFacts, capability: Capability) -> str:
    """The family that a line changes to for a product by the shift.

    None where it makes no other family, or changing is free, or its changes are told one by one.
    """
    if capability.line in {each.line for each in facts.changeovers}:
        return ""
    families = {product.name: product.family for product in facts.products}
    mine = families.get(capability.product, "")
    strange = any(c.line == capability.line and families.get(c.product) != mine for c in facts.capabilities)
    costs = max(capability.family_setup_h, capability.family_setup_cost) > 0
    return mine if strange and costs else ""


def _lost(failures: list[Fraction], repair_h: Fraction, facts: PlanningFacts) -> list[Fraction]:
    """Expected failures of the last `repair_h` hours, at most 1, hour by hour; of the worst courses as weighed."""
    whole, rest = int(repair_h), repair_h - int(repair_h)
    weight, tail = Fraction(facts.policy.risk_aversion), Fraction(facts.policy.tail_share)
    lost, window = [], ZERO
    for t, count in enumerate(failures):
        window += count
        if t >= whole:
            window -= failures[t - whole]
        mean = min(window + (rest * failures[t - whole] if t >= whole else ZERO), ONE)
        lost.append((ONE - weight) * mean + weight * min(mean / tail, ONE) if weight else mean)
    return lost


def _worn(facts: PlanningFacts, machine: Machine, ages: list[Fraction]) -> list[Fraction]:
    """Survival of a machine as it stands, at operating ages from the plan's start [h]."""
    mtbf_h = facts.class_of(machine).mtbf_h
    risk = facts.newest_risk(machine.name)
    if risk is None:
        return [_exponential(age, mtbf_h) for age in ages]
    gone = facts.start - risk.assessed_at
    seen = max(Fraction((gone.days * 86400 + gone.seconds) * 10**6 + gone.microseconds, 3600 * 10**6), ZERO)
    reached = _curve(risk.horizons_h, risk.survival, seen, mtbf_h)
    if reached <= 0:
        seen, reached = ZERO, ONE
    return [min(_curve(risk.horizons_h, risk.survival, age + seen, mtbf_h) / reached, ONE) for age in ages]


def _fresh(facts: PlanningFacts, machine: Machine, age: Fraction) -> Fraction:
    """Survival of a renewed machine to an operating age [h]."""
    mtbf_h = facts.class_of(machine).mtbf_h
    fresh = facts.fresh_survival(machine.machine_class)
    if fresh is None:
        return _exponential(age, mtbf_h)
    return _curve(fresh.horizons_h, fresh.survival, age, mtbf_h)


@cache
def _exponential(age: Fraction, mtbf_h: float) -> Fraction:
    return Fraction(round(math.exp(-float(age) / mtbf_h) * _DECIMALS), _DECIMALS)


def _curve(horizons_h: tuple[float, ...], survival: tuple[float, ...], age: Fraction, mtbf_h: float) -> Fraction:
    """A survival curve at an age: linear between its points, then falling by 1 / mtbf of its last value per hour."""
    before, value = ZERO, ONE
    for horizon, survived in zip(horizons_h, survival, strict=True):
        point, level = Fraction(horizon), min(max(Fraction(survived), ZERO), ONE)
        if age <= point:
            return value + (level - value) * (age - before) / (point - before)
        before, value = point, level
    return value * max(ONE - (age - before) / Fraction(mtbf_h), ZERO)


def available(facts: PlanningFacts, calendar: Calendar, fates: dict[str, Fate]) -> dict[str, tuple[Fraction, ...]]:
    """Hours in which each line can run, by line and hour [h]."""
    hours = {}
    for line in facts.plant.lines:
        mine = [fates[machine.name] for machine in line.machines]
        row = []
        for t, share in enumerate(calendar.open_share[line.name]):
            stands = any(f.window[0] <= t < f.window[1] for f in mine)
            lost = sum((f.loss[t] for f in mine), ZERO)
            row.append(ZERO if stands else share * max(ONE - lost, ZERO))
        hours[line.name] = tuple(row)
    return hours


def setups(
    facts: PlanningFacts, calendar: Calendar, units: dict[tuple[str, str, int], Fraction]
) -> dict[tuple[str, str, str], Capability]:
    """The setups that a plan takes, by line, product and shift."""
    known = {(c.line, c.product): c for c in facts.capabilities}
    running = {
        (run.line, run.product)
        for run in (facts.previous.runs if facts.previous else ())
        if run.start < facts.start < run.end
    }
    taken: dict[tuple[str, str, str], Capability] = {}
    for line, product, t in sorted(units):
        capability = known.get((line, product))
        if capability is None or not 0 <= t < len(calendar.shifts) or not takes_setup(facts, capability):
            continue
        if (line, product) in running and calendar.shifts[t] == calendar.shifts[0]:
            continue
        taken[line, product, calendar.shifts[t]] = capability
    return taken


def family_setups(
    facts: PlanningFacts, calendar: Calendar, taken: dict[tuple[str, str, str], Capability]
) -> dict[tuple[str, str, str], Capability]:
    """The setups of families that a plan takes, by line, family and shift, given those of its products.

    A family under way when the plan starts is set up for the rest of that shift.
    """
    known = {(c.line, c.product): c for c in facts.capabilities}
    ready = {
        (run.line, family_setup(facts, known[run.line, run.product]), calendar.shifts[0])
        for run in (facts.previous.runs if facts.previous else ())
        if run.start < facts.start < run.end and (run.line, run.product) in known
    }
    found = {
        (line, family, shift): capability
        for (line, _, shift), capability in taken.items()
        if (family := family_setup(facts, capability))
    }
    return {key: capability for key, capability in found.items() if key not in ready}


def overtime_hours(
    facts: PlanningFacts,
    calendar: Calendar,
    units: dict[tuple[str, str, int], Fraction],
    setups: dict[tuple[str, str, str], Capability],
    families: dict[tuple[str, str, str], Capability],
) -> dict[tuple[str, str], Fraction]:
    """Hours in which a line runs or is set up outside the shifts, by line and day's overtime [h]."""
    extra = {overtime.line for overtime in facts.calendar.overtime}
    outside = {
        (line, calendar.shifts[t])
        for line in extra
        for t in range(len(calendar.shifts))
        if calendar.open_share[line][t] > calendar.manned_share[line][t]
    }
    rate = {(c.line, c.product): Fraction(c.rate_per_h) for c in facts.capabilities}
    worked = dict.fromkeys(sorted(outside), ZERO)
    for (line, product, t), made in units.items():
        if 0 <= t < len(calendar.shifts) and (line, calendar.shifts[t]) in outside and (line, product) in rate:
            worked[line, calendar.shifts[t]] += made / rate[line, product]
    for (line, _, shift), capability in setups.items():
        if (line, shift) in outside:
            worked[line, shift] += Fraction(capability.setup_h)
    for (line, _, shift), capability in families.items():
        if (line, shift) in outside:
            worked[line, shift] += Fraction(capability.family_setup_h)
    return worked


def hour_start(facts: PlanningFacts, hour: int) -> datetime:
    """When an hour of the plan begins, UTC."""
    return facts.start.astimezone(UTC) + HOUR * hour
