"""Hard rules on orders and stock that cannot be kept: which they are, how many units are missing, and ways to give in.

Every rule is given a slack in units; the least slack that leaves a plan says what is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isfinite

import pulp

from optimizer.facts import PlanningFacts
from optimizer.formulation import formulate
from optimizer.highs import Integers, Outcome, Session
from optimizer.problem import Demand, PlanningProblem
from optimizer.program import Model
from optimizer.stock_rules import net_stock
from plant.production import Order, Product

DEADLINE, NEVER_LATE, HARD_MIN, HARD_MAX = "deadline", "never_late", "hard_min_stock", "hard_max_stock"
KINDS = (DEADLINE, NEVER_LATE, HARD_MIN, HARD_MAX)
NOTABLE = 1e-6
"""Less is not missing [unit]."""
MARGIN = 1e-3
"""What a repair gives more than the least slack, for whole units [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """What is missing to keep a hard rule."""

    rule: str
    """`kind|entity`"""
    units: float
    """[unit]"""


def stock_limits(problem: PlanningProblem) -> Iterator[str]:
    """Every hard rule on orders and stock, as `kind|entity`."""
    for demand in problem.demands:
        if demand.order:
            yield f"{DEADLINE}|{demand.order}"
        elif not isfinite(demand.backlog_cost_per_unit_h):
            yield f"{NEVER_LATE}|{demand.product}"
    for product in problem.facts.products:
        if product.hard_min_stock is not None:
            yield f"{HARD_MIN}|{product.name}"
        if product.hard_max_stock is not None:
            yield f"{HARD_MAX}|{product.name}"


def without_limits(problem: PlanningProblem, left_out: frozenset[str]) -> PlanningProblem:
    """The problem in which some of those rules need not be kept."""
    if not any(rule.split("|", 1)[0] in KINDS for rule in left_out):
        return problem
    return replace(
        problem,
        demands=tuple(_soft(demand, problem.hours, left_out) for demand in problem.demands),
        facts=replace(problem.facts, products=tuple(_free(p, left_out) for p in problem.facts.products)),
    )


def _soft(demand: Demand, hours: int, left_out: frozenset[str]) -> Demand:
    if demand.order and f"{DEADLINE}|{demand.order}" in left_out:
        return replace(demand, waits_until=hours)
    if not isfinite(demand.backlog_cost_per_unit_h) and f"{NEVER_LATE}|{demand.product}" in left_out:
        return replace(demand, backlog_cost_per_unit_h=0.0)
    return demand


def _free(product: Product, left_out: frozenset[str]) -> Product:
    return replace(
        product,
        hard_min_stock=None if f"{HARD_MIN}|{product.name}" in left_out else product.hard_min_stock,
        hard_max_stock=None if f"{HARD_MAX}|{product.name}" in left_out else product.hard_max_stock,
    )


def suspects(problem: PlanningProblem, *, time_limit_s: float) -> list[str]:
    """The rules that the linear relaxation already finds in conflict; all of them where it finds none."""
    every = list(stock_limits(problem))
    model, slack = _elastic(problem, every)
    session = Session(model.program)
    solution = session.run(time_limit_s=time_limit_s, gap=0.0, integers=Integers.RELAXED)
    if solution.outcome is not Outcome.FOUND or not solution.proved or solution.objective <= NOTABLE:
        return every
    costs = session.reduced_costs
    return [rule for rule, variable in slack.items() if costs[session.column[variable]] < 1.0 - NOTABLE]


def lacks(problem: PlanningProblem, kind: str, *, time_limit_s: float) -> list[Lack] | None:
    """What is missing where only rules of one kind give, all others kept; None: no plan even then."""
    mine = [rule for rule in stock_limits(problem) if rule.split("|", 1)[0] == kind]
    model, slack = _elastic(problem, mine)
    session = Session(model.program)
    solution = session.run(time_limit_s=time_limit_s, gap=NOTABLE)
    if solution.outcome is not Outcome.FOUND:
        return None
    found = {rule: float(session.values[session.column[variable]]) for rule, variable in slack.items()}
    return [Lack(rule=rule, units=units) for rule, units in found.items() if units > NOTABLE]


def _elastic(problem: PlanningProblem, rules: list[str]) -> tuple[Model, dict[str, pulp.LpVariable]]:
    """The program in which these rules give by a slack each, and all that it costs is the slack."""
    model = formulate(without_limits(problem, frozenset(rules)))
    slack = {rule: model.program.add_variable(f"slack{n}", 0) for n, rule in enumerate(rules)}
    limits = {product.name: product for product in problem.facts.products}
    for rule, variable in slack.items():
        kind, entity = rule.split("|", 1)
        if kind in (DEADLINE, NEVER_LATE):
            for d, demand in enumerate(problem.demands):
                if entity != (demand.order if kind == DEADLINE else demand.product):
                    continue
                for t in range(problem.hours):
                    if (d, t) in model.shortage and not demand.may_wait(t):
                        terms = {model.shortage[d, t]: 1.0, variable: -1.0}
                        model.constrain(f"slack_{rule}:{d}|{t}", terms, pulp.LpConstraintLE, 0)
            continue
        least, most = limits[entity].hard_min_stock, limits[entity].hard_max_stock
        for t in range(problem.hours):
            terms = net_stock(model, problem, entity, t)
            if kind == HARD_MIN and least is not None:
                model.constrain(f"slack_{rule}|{t}", {**terms, variable: 1.0}, pulp.LpConstraintGE, least)
            if kind == HARD_MAX and most is not None:
                model.constrain(f"slack_{rule}|{t}", {**terms, variable: -1.0}, pulp.LpConstraintLE, most)
    model.program.setObjective(pulp.LpAffineExpression(dict.fromkeys(slack.values(), 1.0)))
    return model, slack


def limit_sentence(facts: PlanningFacts, rule: str) -> str:
    """What a hard rule on orders or stock demands, in the plant's words."""
    kind, entity = rule.split("|", 1)
    if kind == DEADLINE:
        order = next(order for order in facts.orders if order.number == entity)
        assert order.deadline_at is not None
        wants = f"Order {entity} wants {order.quantity:g} {order.product}"
        return f"{wants} by {order.deadline_at:%Y-%m-%d %H:%M} UTC at the latest."
    product = next(product for product in facts.products if product.name == entity)
    if kind == NEVER_LATE:
        return f"No order of {product.label} may be late, as it has no backlog price."
    if kind == HARD_MIN:
        return f"Stock of {product.label}, less what is overdue, may not fall below {product.hard_min_stock:g}."
    return f"Stock of {product.label}, less what is overdue, may not rise beyond {product.hard_max_stock:g}."


def give_in(facts: PlanningFacts, kind: str, found: list[Lack]) -> tuple[str, float, PlanningFacts]:
    """A repair by one kind of rule: its sentence, the units that it is about, and the facts with it."""
    by_name = {lack.rule.split("|", 1)[1]: lack.units for lack in found}
    total = sum(by_name.values())
    if kind == DEADLINE:
        told = ", ".join(f"{name} ({units:.4g} units)" for name, units in by_name.items())
        orders = tuple(replace(o, deadline_at=None) if o.number in by_name else o for o in facts.orders)
        return f"Deliver after the deadline: {told}.", total, replace(facts, orders=orders)
    if kind == NEVER_LATE:
        orders, cut = _cut(facts, by_name)
        told = ", ".join(f"{units:.4g} units of {number}" for number, units in cut.items())
        return f"Promise less: {told} cannot be made in time.", total, replace(facts, orders=orders)
    products, allowed = [], list[str]()
    for product in facts.products:
        units, changed = by_name.get(product.name, 0.0), product
        if units and kind == HARD_MIN and product.hard_min_stock is not None:
            changed = replace(product, hard_min_stock=max(product.hard_min_stock - units - MARGIN, 0.0))
            allowed.append(f"a stock of {product.label} down to {changed.hard_min_stock:.6g}")
        if units and kind == HARD_MAX and product.hard_max_stock is not None:
            changed = replace(product, hard_max_stock=product.hard_max_stock + units + MARGIN)
            allowed.append(f"a stock of {product.label} up to {changed.hard_max_stock:.6g}")
        products.append(changed)
    return f"Allow {', '.join(allowed)}.", total, replace(facts, products=tuple(products))


def _cut(facts: PlanningFacts, missing: dict[str, float]) -> tuple[tuple[Order, ...], dict[str, float]]:
    """The orders less what is missing of their product, the first due first: all later ones then keep their time."""
    left = {product: units + MARGIN for product, units in missing.items()}
    cut: dict[str, float] = {}
    orders = {order.number: order for order in facts.orders}
    for order in sorted(facts.orders, key=lambda order: (order.due_at, order.number)):
        units = min(left.get(order.product, 0.0), order.quantity)
        if 0 < units < inf:
            left[order.product] -= units
            cut[order.number] = units
            orders[order.number] = replace(order, quantity=order.quantity - units)
    return tuple(orders.values()), cut
