"""What failures are expected to add to the backlog, in exact arithmetic and from the facts and the plan alone.

Shares no code with the formulation's rule. Numbers that come from survival curves are rounded to twelve decimals, so
that they stay small; the same facts give the same bits.
"""

from fractions import Fraction
from math import ceil, floor

from optimizer.exact import ONE, ZERO, Calendar, Fate, fate, under_way
from optimizer.exact_stock import Units, on_hand, orders_of, supplies
from optimizer.facts import PlanningFacts
from plant.assets import Line
from plant.production import Capability, Product

_DECIMALS = 10**12
_Behind = tuple[Fraction, list[Fraction]]
"""Hours behind, and in which part of all courses hour by hour."""


def delays(
    facts: PlanningFacts, calendar: Calendar, units: Units, backlog: dict[tuple[str, int], Fraction]
) -> dict[tuple[str, int], Fraction]:
    """Cost that failures are expected to add to the backlog, by product and hour [currency].

    Args:
        facts: Of the plan.
        calendar: Its hours.
        units: Gross production by line, product and hour [unit].
        backlog: Cost of the plan's own backlog by product and hour [currency].
    """
    spare, fates = ONE - _load(facts, calendar), _fates_in_turn(facts, calendar)
    lines = {line.name: _line(facts, line, spare, fates) for line in facts.plant.lines}
    supply = supplies(facts, units)
    found: dict[tuple[str, int], Fraction] = {}
    for product in facts.products:
        if product.backlog_cost_per_unit_h is None:
            continue
        makes = [c for c in facts.capabilities if c.product == product.name]
        for t in range(facts.policy.horizon_h):
            shares = {c.line: lines[c.line][1][t] for c in makes}
            scale = max(sum(shares.values(), ZERO), ONE)
            more = ZERO
            for c in makes:
                if shares[c.line] > 0:
                    lost = _made_lately(units, c, t - product.lead_time_h, lines[c.line][0])
                    cost = _backlog_at(facts, product, supply[product.name][t] - lost, t)
                    more += shares[c.line] / scale * (cost - backlog.get((product.name, t), ZERO))
            if more:
                found[product.name, t] = more
    return found


def _line(facts: PlanningFacts, line: Line, spare: Fraction, fates_in_turn: dict[str, Fate]) -> _Behind:
    horizon = facts.policy.horizon_h
    fates = [(facts.class_of(machine).repair_h, fates_in_turn[machine.name]) for machine in line.machines]
    total = sum((sum(each.failures, ZERO) for _, each in fates), ZERO)
    repairs = sum((Fraction(repair_h) * sum(each.failures, ZERO) for repair_h, each in fates), ZERO)
    if total <= 0 or repairs <= 0:
        return ZERO, [ZERO] * horizon
    hours = _rounded(repairs / total)
    lost = sum((sum(each.loss, ZERO) for _, each in fates), ZERO) / horizon
    spare = _rounded(max(spare, lost))
    failures = [_rounded(sum((each.failures[t] for _, each in fates), ZERO)) for t in range(horizon)]
    after = [min(max(min(Fraction(j), hours - spare * (j - hours)), ZERO), hours) for j in range(1, horizon + 1)]
    share = []
    for t in range(horizon):
        behind = sum((failures[h] * after[t - h] for h in range(t + 1) if after[t - h]), ZERO)
        share.append(min(_rounded(behind / hours), ONE))
    return hours, share


def _fates_in_turn(facts: PlanningFacts, calendar: Calendar) -> dict[str, Fate]:
    """Machines maintained as crews get free, the dearest failures first, each where that saves more than it costs."""
    fates = {machine.name: fate(facts, calendar, machine, start=None) for machine in facts.plant.machines}
    away = under_way(facts)
    crews = facts.policy.crews
    free_at = sorted((fates[name].window[1] for name in away if name in fates), reverse=True)[:crews]
    free_at += [0] * (crews - len(free_at))
    stays = [machine for machine in facts.plant.machines if machine.name not in away]
    worth = {m.name: fates[m.name].failure_cost - Fraction(facts.class_of(m).maintenance_cost) for m in stays}
    for machine in sorted(stays, key=lambda m: -worth[m.name]):
        length = ceil(facts.class_of(machine).maintenance_h)
        start = min(free_at, default=facts.policy.horizon_h)
        if worth[machine.name] <= 0 or start + length > facts.policy.horizon_h:
            continue
        renewed = fate(facts, calendar, machine, start=start)
        if renewed.failure_cost < worth[machine.name]:
            fates[machine.name] = renewed
            free_at[free_at.index(start)] += length
    return fates


def _load(facts: PlanningFacts, calendar: Calendar) -> Fraction:
    """Hours that all orders take on a mean line, as a part of the open ones."""
    needed = ZERO
    for product in facts.products:
        due = sum((Fraction(order.quantity) for _, order in orders_of(facts, product.name)), ZERO)
        rates = [
            Fraction(c.rate_per_h) * (ONE - Fraction(c.scrap_ratio))
            for c in facts.capabilities
            if c.product == product.name
        ]
        per_unit = sum((ONE / rate for rate in rates), ZERO) / max(len(rates), 1)
        needed += max(due - on_hand(facts, product.name), ZERO) * per_unit
    opened = sum((sum(shares, ZERO) for shares in calendar.open_share.values()), ZERO)
    return min(needed / opened, ONE) if opened else ONE


def _made_lately(units: Units, capability: Capability, t: int, hours: Fraction) -> Fraction:
    """Good units that a line made of a product in its last hours; of the earliest of them a part."""
    whole = floor(hours)
    gross = sum((units.get((capability.line, capability.product, t - back), ZERO) for back in range(whole)), ZERO)
    gross += (hours - whole) * units.get((capability.line, capability.product, t - whole), ZERO)
    return gross * (ONE - Fraction(capability.scrap_ratio))


def _backlog_at(facts: PlanningFacts, product: Product, supply: Fraction, t: int) -> Fraction:
    """What orders due by an hour cost in it with so much for them, the most urgent served first [currency]."""
    left, cost, most = supply, ZERO, ZERO
    for due, order in orders_of(facts, product.name):
        if due <= t:
            served = min(max(left, ZERO), Fraction(order.quantity))
            left -= served
            most = max(most, Fraction(order.priority))
            cost += (Fraction(order.quantity) - served) * Fraction(order.priority)
    cost += max(-supply, ZERO) * most  # lines that use it wait too, as the most urgent order does
    factor = Fraction(facts.policy.final_backlog_factor) if t == facts.policy.horizon_h - 1 else ONE
    return cost * Fraction(product.backlog_cost_per_unit_h or 0) * factor


def _rounded(value: Fraction) -> Fraction:
    return Fraction(round(value * _DECIMALS), _DECIMALS)
