"""What the hours of the lines alone allow: a linear program in milliseconds at any size of plant.

It leaves out setups, failures, maintenance, energy and components, so that it allows more than any plan; what it finds
impossible is impossible. Deadlines, orders that may not be late and least stocks are its rules.
"""

from collections.abc import Iterator
from math import isfinite

import numpy as np
import pulp

from optimizer.highs import Integers, Outcome, Session
from optimizer.problem import PlanningProblem
from optimizer.program import Terms, open_hours

NOTABLE = 1e-6
"""Less is not missing [unit]."""
TIME_LIMIT_S = 2.0
Need = tuple[str, str, int, float]
"""A rule, its product, the hour at whose end it must hold, and the good units that it adds."""


def missing_by_hours(problem: PlanningProblem, rules: frozenset[str] | None = None) -> dict[str, float]:
    """Units that each rule misses where they miss least in all, of some rules or of all; empty: hours are enough."""
    needs = [need for need in _needs(problem) if rules is None or need[0] in rules]
    if not needs:
        return {}
    program = pulp.LpProblem("capacity", pulp.LpMinimize)
    slack = {rule: program.add_variable(f"k{n}", 0) for n, rule in enumerate(dict.fromkeys(need[0] for need in needs))}
    open_h = open_hours(problem)
    hours = {
        (m, s): program.add_variable(f"x{m}_{s}", 0, float(open_h[making.line, s]))
        for m, making in enumerate(problem.makings)
        for s in range(open_h.shape[1])
        if open_h[making.line, s] > 0
    }
    for line in range(len(problem.lines)):
        for s in range(open_h.shape[1]):
            used = {x: 1.0 for (m, at), x in hours.items() if at == s and problem.makings[m].line == line}
            if used:
                program += pulp.LpAffineExpression(used) <= float(open_h[line, s])
    first = [problem.slots.hours_of_shift(s)[0] for s in range(open_h.shape[1])]
    for product, end in sorted({(product, end) for _, product, end, _ in needs}):
        made: Terms = {
            x: problem.makings[m].good_per_h
            for (m, s), x in hours.items()
            if problem.makings[m].feeds == product and first[s] <= end
        }
        wanted = -problem.stock[product]
        for rule, of, until, units in needs:
            if of == product and until <= end:
                made[slack[rule]] = 1.0
                wanted += units
        if wanted > 0:
            program += pulp.LpAffineExpression(made) >= wanted
    program.setObjective(pulp.LpAffineExpression(dict.fromkeys(slack.values(), 1.0)))
    session = Session(program)
    found = session.run(time_limit_s=TIME_LIMIT_S, gap=0.0, integers=Integers.RELAXED)
    if found.outcome is not Outcome.FOUND or not found.proved:
        return {}
    missing = {rule: float(session.values[session.column[variable]]) for rule, variable in slack.items()}
    return {rule: units for rule, units in missing.items() if units > NOTABLE}


def conflict_by_hours(problem: PlanningProblem) -> list[str]:
    """Rules that the hours of the lines do not allow together, none of them to spare by hours; empty: they do."""
    if not missing_by_hours(problem):
        return []
    kept = list(dict.fromkeys(rule for rule, *_ in _needs(problem)))
    step = max(len(kept) // 2, 1)
    while step:  # leave out parts, ever smaller ones, as long as what is left cannot be kept
        at = 0
        while at < len(kept):
            rest = kept[:at] + kept[at + step :]
            if rest and missing_by_hours(problem, frozenset(rest)):
                kept = rest
            else:
                at += step
        step //= 2
    return kept


def _needs(problem: PlanningProblem) -> Iterator[Need]:
    for demand in problem.demands:
        if demand.order:
            yield f"deadline|{demand.order}", demand.product, demand.waits_until, float(demand.units.sum())
        elif not isfinite(demand.backlog_cost_per_unit_h):
            for t in np.flatnonzero(demand.units):
                yield f"never_late|{demand.product}", demand.product, int(t), float(demand.units[t])
    for product in problem.facts.products:
        if product.hard_min_stock:
            yield f"hard_min_stock|{product.name}", product.name, 0, product.hard_min_stock
