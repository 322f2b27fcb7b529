"""What comes into stock, goes out of it and is missing, hour by hour, in exact arithmetic.

Shares no code with the formulation. What is short of a product at the end of an hour is borne by its least urgent due
orders, but never by one whose deadline has come.
"""

from fractions import Fraction
from itertools import accumulate
from math import ceil, floor

from optimizer.exact import HOUR, ONE, ZERO
from optimizer.facts import PlanningFacts
from plant.production import Order, Product

Units = dict[tuple[str, str, int], Fraction]


def good_units(facts: PlanningFacts, units: Units) -> dict[str, list[Fraction]]:
    """Good units of each product made in each hour, whether or not they are ready for use; reworked ones too [unit]."""
    good = {(c.line, c.product): ONE - Fraction(c.scrap_ratio) for c in facts.capabilities}
    becomes = {product.name: product.reworks or product.name for product in facts.products}
    gained = {product.name: [ZERO] * facts.policy.horizon_h for product in facts.products}
    for (line, product, t), made in units.items():
        if product in gained and 0 <= t < facts.policy.horizon_h:
            gained[becomes[product]][t] += made * good.get((line, product), ZERO)
    return gained


def supplies(facts: PlanningFacts, units: Units) -> dict[str, list[Fraction]]:
    """What there is of each product by the end of each hour, made and not used up, before any order [unit]. (hour,)"""
    horizon = facts.policy.horizon_h
    products = {product.name: product for product in facts.products}
    waiting = {product.reworks: product.name for product in facts.products if product.reworks}
    scrap = {(c.line, c.product): Fraction(c.scrap_ratio) for c in facts.capabilities}
    change = {name: [ZERO] * horizon for name in products}
    for name, made in good_units(facts, units).items():
        delay = products[name].lead_time_h
        for t in range(delay, horizon):
            change[name][t] += made[t - delay]
    for (line, name, t), gross in units.items():
        if name not in products or not 0 <= t < horizon:
            continue
        if products[name].reworks:
            change[name][t] -= gross
        elif name in waiting:
            change[waiting[name]][t] += gross * scrap.get((line, name), ZERO)
        for component in products[name].components:
            change[component.product][t] -= gross * Fraction(component.quantity)
    return {name: list(accumulate(change[name], initial=on_hand(facts, name)))[1:] for name in products}


def on_hand(facts: PlanningFacts, product: str) -> Fraction:
    """Of a product at the start [unit]."""
    return sum((Fraction(s.quantity) for s in facts.stock if s.product == product), ZERO)


def due_hour(facts: PlanningFacts, order: Order) -> int:
    """The hour at whose end an order is due: the one its due date lies in, but no later than its deadline allows."""
    due = max(ceil((order.due_at - facts.start) / HOUR) - 1, 0)
    return due if order.deadline_at is None else min(due, _whole_hours(facts, order))


def must_hour(facts: PlanningFacts, product: Product, order: Order) -> int | None:
    """The hour from whose end on nothing of an order may be missing; None: it may wait throughout."""
    if product.backlog_cost_per_unit_h is None:
        return due_hour(facts, order)
    return None if order.deadline_at is None else _whole_hours(facts, order)


def _whole_hours(facts: PlanningFacts, order: Order) -> int:
    """The last hour that is over by an order's deadline; the first where none is."""
    assert order.deadline_at is not None
    return max(floor((order.deadline_at - facts.start) / HOUR) - 1, 0)


def orders_of(facts: PlanningFacts, product: str) -> list[tuple[int, Order]]:
    """Orders of a product due within the horizon with the hour they are due in, the most urgent first."""
    due = [(due_hour(facts, order), order) for order in facts.orders if order.product == product]
    inside = [(hour, order) for hour, order in due if hour < facts.policy.horizon_h]
    return sorted(inside, key=lambda item: (-item[1].priority, item[1].due_at, item[1].number))


def missing_units(
    facts: PlanningFacts, product: Product, supply: list[Fraction]
) -> tuple[dict[str, list[Fraction]], list[Fraction]]:
    """What each order misses at the end of each hour, and what is there less all that is due [unit].

    What is used up later is not given to customers before: they would have to give it back.

    Args:
        facts: With the orders.
        product: Whose orders.
        supply: What there is before any order by the end of each hour [unit]. (hour,)
    """
    orders = orders_of(facts, product.name)
    must = {order.number: must_hour(facts, product, order) for _, order in orders}
    missing = {order.number: [ZERO] * len(supply) for _, order in orders}
    rest = []
    lasting = list(accumulate(reversed(supply), min))[::-1]
    for t, there in enumerate(supply):
        left, all_due = lasting[t], ZERO
        due = [order for hour, order in orders if hour <= t]
        for order in sorted(due, key=lambda order: (limit := must[order.number]) is None or limit > t):
            served = min(max(left, ZERO), Fraction(order.quantity))
            left -= Fraction(order.quantity)
            all_due += Fraction(order.quantity)
            missing[order.number][t] = Fraction(order.quantity) - served
        rest.append(there - all_due)
    return missing, rest
