"""The rules of stock: it balances, and keeps to its levels; one function per rule, one sentence each.

That an order with a deadline is complete by then, and that what has no backlog price is never late, is no rule of its
own: what may not be missing has no variable for it.
"""

import pulp

from optimizer.problem import PlanningProblem
from optimizer.program import Model, Terms


def stock_balances(model: Model, problem: PlanningProblem) -> None:
    """Stock less shortage grows by the good units made and falls by what is used up and what is due."""
    for product, initial in problem.stock.items():
        wanted = [d for d, demand in enumerate(problem.demands) if demand.product == product]
        flows = [
            (m, flow) for m, making in enumerate(problem.makings) for flow in making.flows if flow.product == product
        ]
        for t in range(problem.hours):
            terms: Terms = {model.stock[product, t]: 1.0}
            terms.update({model.shortage[d, t]: -1.0 for d in wanted if (d, t) in model.shortage})
            terms.update(
                {model.running[m, t - f.delay_h]: -f.per_h for m, f in flows if (m, t - f.delay_h) in model.running}
            )
            due = -sum(float(problem.demands[d].units[t]) for d in wanted)
            if t == 0:
                due += initial
            else:
                terms[model.stock[product, t - 1]] = -1.0
                terms.update({model.shortage[d, t - 1]: 1.0 for d in wanted if (d, t - 1) in model.shortage})
            model.constrain(f"stock|{product}|{t}", terms, pulp.LpConstraintEQ, due)


def what_is_delivered_stays_delivered(model: Model, problem: PlanningProblem) -> None:
    """Of a product that lines use up, no more is missing than before and falls due now: no customer gives it back."""
    for product in problem.stock:
        wanted = [d for d, demand in enumerate(problem.demands) if demand.product == product]
        if product not in problem.used_up:
            continue
        for t in range(problem.hours):
            terms: Terms = {model.shortage[d, t]: 1.0 for d in wanted if (d, t) in model.shortage}
            terms.update({model.shortage[d, t - 1]: -1.0 for d in wanted if (d, t - 1) in model.shortage})
            due = sum(float(problem.demands[d].units[t]) for d in wanted)
            if terms:
                model.constrain(f"delivered|{product}|{t}", terms, pulp.LpConstraintLE, due)


def stock_keeps_its_level(model: Model, problem: PlanningProblem) -> None:
    """Stock, less what is overdue, reaches its safety level, or every unit missing from it costs by the hour."""
    for index, product in enumerate(problem.facts.products):
        if product.safety_cost_per_unit_h <= 0 or product.name not in problem.stock:
            continue
        for t in range(problem.hours):
            missing = model.program.add_variable(f"l{index}_{t}", 0)
            terms = net_stock(model, problem, product.name, t)
            terms[missing] = 1.0
            model.constrain(f"safety|{product.name}|{t}", terms, pulp.LpConstraintGE, product.safety_stock)
            model.charge("safety", [(missing, product.safety_cost_per_unit_h)])


def stock_keeps_its_room(model: Model, problem: PlanningProblem) -> None:
    """Stock, less what is overdue, fits its room, or every unit beyond it costs by the hour."""
    for index, product in enumerate(problem.facts.products):
        if product.max_stock is None or product.overflow_cost_per_unit_h <= 0 or product.name not in problem.stock:
            continue
        for t in range(problem.hours):
            beyond = model.program.add_variable(f"o{index}_{t}", 0)
            terms = net_stock(model, problem, product.name, t)
            terms[beyond] = -1.0
            model.constrain(f"room|{product.name}|{t}", terms, pulp.LpConstraintLE, product.max_stock)
            model.charge("overflow", [(beyond, product.overflow_cost_per_unit_h)])


def stock_keeps_its_limits(model: Model, problem: PlanningProblem) -> None:
    """Stock, less what is overdue, stays within its hard limits at the end of every hour."""
    for product in problem.facts.products:
        for t in range(problem.hours):
            if product.hard_min_stock is not None:
                terms = net_stock(model, problem, product.name, t)
                name = f"hard_min_stock|{product.name}|{t}"
                model.constrain(name, terms, pulp.LpConstraintGE, product.hard_min_stock)
            if product.hard_max_stock is not None:
                terms = net_stock(model, problem, product.name, t)
                name = f"hard_max_stock|{product.name}|{t}"
                model.constrain(name, terms, pulp.LpConstraintLE, product.hard_max_stock)


def net_stock(model: Model, problem: PlanningProblem, product: str, t: int) -> Terms:
    """Stock less shortage at the end of an hour."""
    terms: Terms = {model.stock[product, t]: 1.0}
    for d, demand in enumerate(problem.demands):
        if demand.product == product and (d, t) in model.shortage:
            terms[model.shortage[d, t]] = -1.0
    return terms
