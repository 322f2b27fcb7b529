"""Rows that follow from rules and costs: no plan worth having breaks them, and the solver proves more with them."""

import math

import pulp

from optimizer.goals import weights_of
from optimizer.problem import PlanningProblem
from optimizer.program import Model, Terms, open_hours


def setup_leaves_the_rest_of_its_shift(model: Model, problem: PlanningProblem) -> None:
    """A product set up in a shift runs for its open hours less the setup at most, and makes no more than is due.

    Implied by the other rules and by the costs; with it the solver proves a plan with a fifth less work.
    """
    open_h = open_hours(problem)
    for (m, s), setup in model.setup.items():
        making = problem.makings[m]
        family_h = making.family_setup_h if (making.line, making.family, s) in model.family else 0.0
        left_h = max(float(open_h[making.line, s]) - making.setup_h - family_h, 0.0)
        left_h = min(left_h, _hours_worth_making(problem, m, s))
        name = f"set_up_rest|{problem.lines[making.line]}:{making.product}|{problem.slots.shift_names[s]}"
        model.constrain(name, {model.lot[m, s]: 1.0, setup: -left_h}, pulp.LpConstraintLE, 0)


def _hours_worth_making(problem: PlanningProblem, m: int, s: int) -> float:
    """Hours in which a lot makes all that is still due, and a unit for rounding [h]: more would only be held.

    Without scrap, whole units cover whole orders exactly. Without limit where making more may pay or is kept: at
    negative prices of energy, where scrap earns, of what others are made of, and in frozen hours.
    """
    making, slots = problem.makings[m], problem.slots
    price = slots.price_per_kwh + problem.facts.tariff.co2_price_per_kg * slots.co2_kg_per_kwh
    hours = slots.hours_of_shift(s)
    earns = making.scrap_cost_per_h + making.recovery_per_h < 0
    if (
        price.min() < 0
        or weights_of(problem.facts)
        or earns
        or making.feeds != making.product
        or making.product in problem.used_up
    ):
        return math.inf
    if any((m, t) in problem.frozen for t in hours):
        return math.inf
    due = 0.0
    for demand in problem.demands:
        if demand.product == making.product:
            waits = math.isfinite(demand.backlog_cost_per_unit_h)
            due += float(demand.units.sum() if waits else demand.units[hours[0] :].sum())
    level = next(product for product in problem.facts.products if product.name == making.product)
    kept = level.safety_stock if level.safety_cost_per_unit_h > 0 else 0.0
    due += max(kept, level.hard_min_stock or 0.0)
    if problem.facts.policy.price_delays:  # what is missing while a line is behind is worth having, no more
        most = max(other.good_per_h for other in problem.makings if other.product == making.product)
        due += most * max((each.repair_h for each in problem.facts.plant.classes), default=0.0)
    is_whole = making.good_per_h == making.rate_per_h and (due / making.step).is_integer()
    return due / making.good_per_h + (0.0 if is_whole else making.step / making.rate_per_h)


def lots_cover_what_is_due(model: Model, problem: PlanningProblem) -> None:
    """What a product's lots make by the end of a shift and what is short then cover what stock does not.

    Implied by the balance of stock; lot by lot the solver derives from it how many setups an order takes, which more
    than halves the gap of a two-day plan. Where a shift is an hour, the balance says it already.
    """
    if len(problem.slots.shift_names) >= problem.hours:
        return
    shifts = [s for s in range(len(problem.slots.shift_names)) if problem.slots.hours_of_shift(s)]
    for product, initial in problem.stock.items():
        makes = [m for m, making in enumerate(problem.makings) if making.feeds == product]
        wanted = [d for d, demand in enumerate(problem.demands) if demand.product == product]
        if not any((m, s) in model.lot for m in makes for s in shifts):
            continue
        made: Terms = {}
        for s in shifts:
            hours = problem.slots.hours_of_shift(s)
            for m in makes:
                good = problem.makings[m].good_per_h
                if (m, s) in model.lot:
                    made[model.lot[m, s]] = good
                else:
                    made.update({model.running[m, t]: good for t in hours if (m, t) in model.running})
            due = sum(float(problem.demands[d].units[: hours[-1] + 1].sum()) for d in wanted) - initial
            if due > 0:
                short: Terms = {model.shortage[d, hours[-1]]: 1.0 for d in wanted if (d, hours[-1]) in model.shortage}
                name = f"lots_due|{product}|{problem.slots.shift_names[s]}"
                model.constrain(name, {**made, **short}, pulp.LpConstraintGE, due)
