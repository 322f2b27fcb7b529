"""What comes into stock, goes out of it and is missing, hour by hour, in exact arithmetic.

Shares no code with the formulation. What is short of a product at the end of an hour is borne by its least urgent due
orders, but never by one whose deadline has come.
"""

from fractions import Fraction
from math import ceil, floor

from optimizer.exact import HOUR, ONE, ZERO
from optimizer.facts import PlanningFacts
from plant.production import Order, Product

Units = dict[tuple[str, str, int], Fraction]


def good_units(facts: PlanningFacts, units: Units) -> dict[str, list[Fraction]]:
    """Good units that each product gains in each hour [unit]."""
    good = {(c.line, c.product): ONE - Fraction(c.scrap_ratio) for c in facts.capabilities}
    gained = {product.name: [ZERO] * facts.policy.horizon_h for product in facts.products}
    for (line, product, t), made in units.items():
        if product in gained and 0 <= t < facts.policy.horizon_h:
            gained[product][t] += made * good.get((line, product), ZERO)
    return gained


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
    """What each order misses at the end of each hour, and what is left once all that is due is served [unit].

    Args:
        facts: With the orders.
        product: Whose orders.
        supply: What there is for orders by the end of each hour [unit]. (hour,)
    """
    orders = orders_of(facts, product.name)
    must = {order.number: must_hour(facts, product, order) for _, order in orders}
    missing = {order.number: [ZERO] * len(supply) for _, order in orders}
    rest = []
    for t, there in enumerate(supply):
        left = there
        due = [order for hour, order in orders if hour <= t]
        for order in sorted(due, key=lambda order: (limit := must[order.number]) is None or limit > t):
            served = min(max(left, ZERO), Fraction(order.quantity))
            left -= Fraction(order.quantity)
            missing[order.number][t] = Fraction(order.quantity) - served
        rest.append(left)
    return missing, rest
