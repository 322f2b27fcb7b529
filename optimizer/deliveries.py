"""What stock and deliveries cost once a plan was lived, course by course: as the plan's own account, on many courses.

What is short of a product is borne by its least urgent orders, but never by one whose deadline has come; what lines use
up later is not given to customers before.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.problem import PlanningProblem, deadline_slot
from optimizer.work_list import Numbers, due_in
from plant.production import Order, Product

IN_TIME_UNITS = 0.5
"""An order short of less than this when due is in time [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """What customers got."""

    terms: dict[str, Numbers]
    """Holding, backlog and stock levels [currency]. (path,)"""
    in_time: dict[str, float]
    """Chance of each order due in the horizon to be complete when due [0..1]."""
    late: Numbers
    """Good units missing when their orders are due [unit]. (path,)"""


def deliver(problem: PlanningProblem, change: dict[str, Numbers]) -> Delivered:
    """Serves the orders from what comes into stock less what lines use up. (path, hour) by product"""
    facts = problem.facts
    paths = next(iter(change.values())).shape[0]
    terms = {name: np.zeros(paths) for name in ("holding", "backlog", "safety", "overflow")}
    late, in_time = np.zeros(paths), dict[str, float]()
    factor = np.ones(problem.hours)
    factor[-1] = facts.policy.final_backlog_factor
    for product in facts.products:
        supply = problem.stock[product.name] + np.cumsum(change[product.name], axis=1)
        left, on_shelf = supply.copy(), np.zeros(paths)
        for due, order, missing in _missing(problem, product, supply):
            left[:, due:] -= order.quantity
            price = (product.backlog_cost_per_unit_h or 0.0) * order.priority
            terms["backlog"] += missing[:, due:] @ factor[due:] * price
            late += missing[:, due]
            in_time[order.number] = float((missing[:, due] < IN_TIME_UNITS).mean())
            on_shelf += missing[:, due:].sum(axis=1)
        terms["holding"] += (left.sum(axis=1) + on_shelf) * product.holding_cost_per_unit_h
        below = np.maximum(product.safety_stock - left, 0.0).sum(axis=1)
        terms["safety"] += below * product.safety_cost_per_unit_h
        room = np.inf if product.max_stock is None else product.max_stock
        terms["overflow"] += np.maximum(left - room, 0.0).sum(axis=1) * product.overflow_cost_per_unit_h
    return Delivered(terms=terms, in_time=in_time, late=late)


def _missing(problem: PlanningProblem, product: Product, supply: Numbers) -> list[tuple[int, Order, Numbers]]:
    """Each order of a product with the hour it is due in and what it misses at the end of each hour. (path, hour)"""
    mine = [(due_in(problem, order), order) for order in problem.facts.orders if order.product == product.name]
    mine = [(due, order) for due, order in mine if due < problem.hours]
    mine.sort(key=lambda each: (-each[1].priority, each[1].due_at, each[1].number))
    left = np.minimum.accumulate(supply[:, ::-1], axis=1)[:, ::-1].copy()
    missing = {order.number: np.zeros_like(supply) for _, order in mine}
    must = {order.number: _must(problem, product, due, order) for due, order in mine}
    for has_come in (True, False):
        for due, order in mine:
            first, last = (must[order.number], problem.hours) if has_come else (due, must[order.number])
            if first < last:
                served = np.clip(left[:, first:last], 0.0, order.quantity)
                missing[order.number][:, first:last] = order.quantity - served
                left[:, first:last] -= order.quantity
    return [(due, order, missing[order.number]) for due, order in mine]


def _must(problem: PlanningProblem, product: Product, due: int, order: Order) -> int:
    """The hour from whose end on nothing of an order may be missing; the number of hours: it may wait throughout."""
    if product.backlog_cost_per_unit_h is None:
        return due
    if order.deadline_at is None:
        return problem.hours
    return min(deadline_slot(problem.facts.start, order.deadline_at), problem.hours)
