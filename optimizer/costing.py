"""What a plan costs, hour by hour and term by term, in exact arithmetic; also whom it makes wait.

Any plan is priced here, the solver's and a person's alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from optimizer import exact, exact_changeovers, exact_delays
from optimizer.exact import ONE, ZERO, Calendar, Fate
from optimizer.exact_stock import Units, missing_units, on_hand, orders_of, supplies
from optimizer.facts import PlanningFacts
from plant.plans import Goal, LateOrder, Plan
from plant.production import Capability, Order

NEGLIGIBLE = Fraction(1, 10**6)
"""Shortages below this are not reported as late [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Everything that follows from the facts and a plan."""

    calendar: Calendar
    units: Units
    fates: dict[str, Fate]
    without: dict[str, Fraction]
    """Expected failure cost of each machine without maintenance [currency]."""
    available: dict[str, tuple[Fraction, ...]]
    """[h] by line and hour"""
    setups: dict[tuple[str, str, str], Capability]
    """By line, product and shift."""
    families: dict[tuple[str, str, str], Capability]
    """Setups of families, by line, family and shift."""
    changes: tuple[exact_changeovers.Change, ...]
    """From family to family, one by one."""
    overtime: dict[tuple[str, str], Fraction]
    """Hours worked outside the shifts, by line and day's overtime [h]."""
    draws: dict[tuple[str, str, int], Fraction]
    """Energy by line, product and hour; idle power without a product [kWh]."""
    energy: tuple[Fraction, ...]
    """[kWh] (hour,)"""
    waiting: dict[tuple[str, str, int], Fraction]
    """Holding, backlog and stock levels by term, product and hour [currency]."""
    peak_kw: Fraction
    co2_kg: Fraction
    terms: tuple[tuple[str, Fraction], ...]
    """The objective by named term [currency]."""
    late: tuple[LateOrder, ...]
    weights: dict[str, Fraction]
    """Of terms in the objective; a term without one counts once."""

    @property
    def cost(self) -> Fraction:
        """Sum of all terms [currency]."""
        return sum((amount for _, amount in self.terms), ZERO)

    @property
    def objective(self) -> Fraction:
        """Sum of all terms, weighted [currency]."""
        return sum((self.weights.get(name, ONE) * amount for name, amount in self.terms), ZERO)

    def goal(self, goal: Goal) -> Fraction:
        """What the plan reaches of a goal [unit of the goal]."""
        if goal is Goal.CO2:
            return self.co2_kg
        if goal is Goal.COST:
            return self.objective
        return dict(self.terms)["backlog" if goal is Goal.LATENESS else "failures"]


def account(facts: PlanningFacts, plan: Plan) -> Account:
    """Prices a plan: only its runs, changeovers and maintenance windows are read."""
    calendar = exact.read_calendar(facts)
    units = exact.units_by_hour(facts, plan)
    fates, without = {}, {}
    for machine in facts.plant.machines:
        start = exact.maintenance_start(facts, plan, machine.name)
        fates[machine.name] = exact.fate(facts, calendar, machine, start=start)
        none = exact.fate(facts, calendar, machine, start=None) if start is not None else fates[machine.name]
        without[machine.name] = none.failure_cost
    taken = exact.setups(facts, calendar, units)
    families = exact.family_setups(facts, calendar, taken)
    changes = exact_changeovers.changes(facts, calendar, plan)
    overtime = exact.overtime_hours(facts, calendar, units, taken, families)
    draws = _draws(facts, calendar, units)
    energy = tuple(_by_hour(draws, len(calendar.shifts)))
    tariff = facts.tariff
    peak = max([Fraction(tariff.peak_so_far_kw), *energy])
    emitted = sum((kwh * factor for kwh, factor in zip(energy, calendar.co2, strict=True)), ZERO)
    waiting, late = _stock_and_shortage(facts, units)
    if facts.policy.price_delays:
        backlog = {(p, t): amount for (term, p, t), amount in waiting.items() if term == "backlog"}
        more = exact_delays.delays(facts, calendar, units, backlog)
        waiting |= {("delays", p, t): amount for (p, t), amount in more.items()}
    maintained = [m for m in facts.plant.machines if exact.maintenance_start(facts, plan, m.name) is not None]
    terms = (
        ("setups", sum((Fraction(c.setup_cost) for c in taken.values()), ZERO)),
        *_families(facts, families),
        *((("changeovers", sum((change.cost for change in changes), ZERO)),) if facts.changeovers else ()),
        *_overtime(facts, overtime),
        *_scrap(facts, units),
        ("holding", sum((amount for (term, _, _), amount in waiting.items() if term == "holding"), ZERO)),
        ("backlog", sum((amount for (term, _, _), amount in waiting.items() if term == "backlog"), ZERO)),
        *_levels(facts, waiting),
        ("energy", sum((kwh * price for kwh, price in zip(energy, calendar.prices, strict=True)), ZERO)),
        ("co2", Fraction(tariff.co2_price_per_kg) * emitted),
        ("peak", Fraction(tariff.demand_charge_per_kw) * (peak - Fraction(tariff.peak_so_far_kw))),
        ("maintenance", sum((Fraction(facts.class_of(m).maintenance_cost) for m in maintained), ZERO)),
        ("failures", sum((fate.failure_cost for fate in fates.values()), ZERO)),
    )
    return Account(
        calendar=calendar,
        units=units,
        fates=fates,
        without=without,
        available=exact.available(facts, calendar, fates),
        setups=taken,
        families=families,
        changes=changes,
        overtime=overtime,
        draws=draws,
        energy=energy,
        waiting=waiting,
        peak_kw=peak,
        co2_kg=emitted,
        terms=terms,
        late=late,
        weights={name: Fraction(w) for name, w in facts.objective.weights.items()} if facts.objective else {},
    )


def _families(facts: PlanningFacts, taken: dict[tuple[str, str, str], Capability]) -> tuple[tuple[str, Fraction], ...]:
    """Cost of setting up families, where there are any to set up."""
    if not any(exact.family_setup(facts, capability) for capability in facts.capabilities):
        return ()
    return (("families", sum((Fraction(c.family_setup_cost) for c in taken.values()), ZERO)),)


def _overtime(facts: PlanningFacts, worked: dict[tuple[str, str], Fraction]) -> tuple[tuple[str, Fraction], ...]:
    """Cost of overtime, where any is allowed."""
    per_h = {each.line: Fraction(each.cost_per_h) for each in facts.calendar.overtime}
    return (("overtime", sum((per_h[line] * h for (line, _), h in worked.items()), ZERO)),) if per_h else ()


def _levels(facts: PlanningFacts, waiting: Units) -> tuple[tuple[str, Fraction], ...]:
    """Cost of expected delays, of stock below its safety level and beyond its room, each where it is priced."""
    used = {
        "delays": facts.policy.price_delays,
        "safety": any(product.safety_cost_per_unit_h > 0 for product in facts.products),
        "overflow": any(p.max_stock is not None and p.overflow_cost_per_unit_h > 0 for p in facts.products),
    }
    return tuple(
        (name, sum((amount for (term, _, _), amount in waiting.items() if term == name), ZERO))
        for name, is_used in used.items()
        if is_used
    )


def _draws(facts: PlanningFacts, calendar: Calendar, units: Units) -> Units:
    """Energy [kWh] by line, product and hour: a line draws its idle power in shifts, and more where its product does.

    Idle power has no product.
    """
    known = {(c.line, c.product): c for c in facts.capabilities}
    idle = {
        line.name: sum((Fraction(facts.class_of(machine).idle_power_kw) for machine in line.machines), ZERO)
        for line in facts.plant.lines
    }
    drawn: Units = {}
    for name, shares in calendar.manned_share.items():
        for t, share in enumerate(shares):
            drawn[name, "", t] = idle[name] * share
    for (line, product, t), made in units.items():
        c = known.get((line, product))
        if c is not None and 0 <= t < len(calendar.shifts):
            least = idle[line] * made / Fraction(c.rate_per_h)
            is_off = calendar.open_share[line][t] > calendar.manned_share[line][t]
            drawn[line, product, t] = max(made * Fraction(c.energy_kwh_per_unit), least) - (ZERO if is_off else least)
    return drawn


def _by_hour(drawn: Units, hours: int) -> list[Fraction]:
    total = [ZERO] * hours
    for (_, _, t), kwh in drawn.items():
        total[t] += kwh
    return total


def scrapped(facts: PlanningFacts, units: Units) -> Units:
    """Scrapped units by line, product and hour, of the product they were when scrapped [unit].

    A unit sent to rework is one scrapped unit less of what it was; where that fails it is scrapped as what it is then.
    """
    becomes = {product.name: product.reworks for product in facts.products}
    ratio = {(c.line, c.product): Fraction(c.scrap_ratio) for c in facts.capabilities}
    lost: Units = {}
    for (line, product, t), made in units.items():
        if product in becomes:
            lost[line, product, t] = lost.get((line, product, t), ZERO) + made * ratio.get((line, product), ZERO)
            if before := becomes[product]:
                lost[line, before, t] = lost.get((line, before, t), ZERO) - made
    return lost


def _scrap(facts: PlanningFacts, units: Units) -> Iterator[tuple[str, Fraction]]:
    """Material lost, and what scrap is sold for where any is."""
    lost = scrapped(facts, units).items()
    cost = {product.name: Fraction(product.scrap_cost) for product in facts.products}
    value = {product.name: Fraction(product.scrap_value) for product in facts.products}
    yield "scrap", sum((number * cost[product] for (_, product, _), number in lost), ZERO)
    if any(value.values()):
        yield "recovery", -sum((number * value[product] for (_, product, _), number in lost), ZERO)


def _stock_and_shortage(facts: PlanningFacts, units: Units) -> tuple[Units, tuple[LateOrder, ...]]:
    """Cost of holding and backlog by term, product and hour, and the orders that wait."""
    late: list[LateOrder] = []
    waiting: Units = {}
    there = supplies(facts, units)
    horizon = facts.policy.horizon_h
    for product in facts.products:
        orders = orders_of(facts, product.name)
        initial = on_hand(facts, product.name)
        price = Fraction(product.backlog_cost_per_unit_h or 0)
        missing, rest = missing_units(facts, product, there[product.name])
        for t, left in enumerate(rest):
            factor = Fraction(facts.policy.final_backlog_factor) if t == horizon - 1 else ONE
            backlog = sum((missing[o.number][t] * price * Fraction(o.priority) * factor for _, o in orders), ZERO)
            waiting["backlog", product.name, t] = backlog
            on_the_shelf = left + sum((missing[order.number][t] for _, order in orders), ZERO)
            waiting["holding", product.name, t] = on_the_shelf * Fraction(product.holding_cost_per_unit_h)
            if product.safety_cost_per_unit_h > 0:
                below = max(Fraction(product.safety_stock) - left, ZERO)
                waiting["safety", product.name, t] = below * Fraction(product.safety_cost_per_unit_h)
            if product.max_stock is not None and product.overflow_cost_per_unit_h > 0:
                beyond = max(left - Fraction(product.max_stock), ZERO)
                waiting["overflow", product.name, t] = beyond * Fraction(product.overflow_cost_per_unit_h)
        late.extend(_late(facts, initial, orders, missing))
    return waiting, tuple(sorted(late, key=lambda order: (order.due_at, order.order)))


def _late(
    facts: PlanningFacts, initial: Fraction, orders: list[tuple[int, Order]], missing: dict[str, list[Fraction]]
) -> list[LateOrder]:
    late, on_hand = [], initial
    for due, order in orders:
        quantity = Fraction(order.quantity)
        when_due = missing[order.number][due]
        if order.due_at <= facts.start:
            when_due = quantity - min(max(on_hand, ZERO), quantity)
            on_hand -= quantity
        if when_due <= NEGLIGIBLE:
            continue
        waits = [t for t, short in enumerate(missing[order.number]) if t >= due and short > NEGLIGIBLE]
        done = waits[-1] + 1 if waits else due
        late.append(
            LateOrder(
                order=order.number,
                product=order.product,
                due_at=order.due_at,
                units_late=float(when_due),
                expected_at=exact.hour_start(facts, done + 1) if done < facts.policy.horizon_h else None,
            )
        )
    return late
