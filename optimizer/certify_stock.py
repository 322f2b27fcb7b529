"""The independent check of hard rules on orders and stock: deadlines, and the limits that stock keeps."""

from collections.abc import Iterator
from fractions import Fraction

from optimizer.costing import Account
from optimizer.exact import ZERO
from optimizer.exact_stock import missing_units, must_hour, orders_of, supplies
from optimizer.facts import PlanningFacts

UNIT_TOLERANCE = Fraction(1, 10**4)
"""Of units on hand or missing at a clock hour: a lot is whole units, its parts by the hour are not [unit]."""
Finding = tuple[str, str, list[Fraction]]
"""A rule, its sentence and its residuals."""


def stock_findings(facts: PlanningFacts, worked_out: Account) -> Iterator[Finding]:
    """Every hard rule on orders and stock that the facts ask for."""
    supply = supplies(facts, worked_out.units)
    used_up = {component.product for product in facts.products for component in product.components}
    used_up |= {product.name for product in facts.products if product.reworks}
    deadlines: list[Fraction] = []
    never_late: list[Fraction] = []
    limits: list[Fraction] = []
    for product in facts.products:
        there = supply[product.name]
        missing, rest = missing_units(facts, product, there)
        for _, order in orders_of(facts, product.name):
            limit = must_hour(facts, product, order)
            if limit is not None and limit < len(there):
                found = never_late if product.backlog_cost_per_unit_h is None else deadlines
                found += missing[order.number][limit:]
        for left in rest:
            if product.hard_min_stock is not None:
                limits.append(max(Fraction(product.hard_min_stock) - left, ZERO))
            if product.hard_max_stock is not None:
                limits.append(max(left - Fraction(product.hard_max_stock), ZERO))
    if used_up:
        overdrawn = [-left for name in sorted(used_up) for left in supply[name]]
        yield "components", "No line uses more of a component, or reworks more, than there is.", overdrawn
    if any(order.deadline_at is not None for order in facts.orders):
        yield "deadlines", "Every order is complete by its deadline.", deadlines
    if any(product.backlog_cost_per_unit_h is None for product in facts.products):
        yield "never_late", "Nothing is late of a product that may not be.", never_late
    if any((p.hard_min_stock, p.hard_max_stock) != (None, None) for p in facts.products):
        yield "hard_stock", "Stock stays within its hard limits.", limits
