"""Limits on the chance that a machine, a line or the whole plant fails: exactly linear in the one-hot choices.

Machines fail independently, so a line survives with the product of its machines' survival: its logarithm is a sum over
the chosen options, and the limit on it a row.
"""

import math
from collections.abc import Iterator, Sequence

import pulp

from optimizer.problem import PlanningProblem
from optimizer.program import Model, Terms
from optimizer.risk_tables import MachineOptions

SURE_DEATH = 50.0
"""Minus the logarithm of survival is counted up to this: below it survives one in 1e21."""


def chance_stays_below_the_limit(model: Model, problem: PlanningProblem, left_out: frozenset[str]) -> None:
    """Each machine's probability of failing in the horizon stays below the limit."""
    limit = problem.facts.policy.max_failure_probability
    if limit is None:
        return
    for k, options in enumerate(problem.machines):
        if f"chance|{options.machine}" in left_out:
            continue
        chosen = model.choice[k]
        terms = {variable: float(options.failure_probability[o]) for o, variable in chosen.items()}
        fixed = 0.0 if chosen else float(options.failure_probability[0])
        if terms or fixed > limit:
            model.constrain(f"chance|{options.machine}|horizon", terms, pulp.LpConstraintLE, limit - fixed)


def groups_keep_their_chance(model: Model, problem: PlanningProblem, left_out: frozenset[str]) -> None:
    """The probability that any machine of a line, or of the plant, fails in the horizon stays below the limit."""
    for name, members, limit in limited_groups(problem):
        if name in left_out:
            continue
        terms: Terms = {}
        fixed = 0.0
        for k in members:
            options, chosen = problem.machines[k], model.choice[k]
            terms.update({variable: hazard(options, o) for o, variable in chosen.items()})
            fixed += 0.0 if chosen else hazard(options, 0)
        allowed = hazard_of(limit) - fixed
        if terms or allowed < 0:
            model.constrain(f"{name}|horizon", terms, pulp.LpConstraintLE, allowed)


def limited_groups(problem: PlanningProblem) -> Iterator[tuple[str, tuple[int, ...], float]]:
    """Rule, machines and limit of every group whose chance of failing is limited."""
    policy = problem.facts.policy
    if (limit := policy.max_line_failure_probability) is not None:
        for line in problem.lines:
            members = tuple(k for k, options in enumerate(problem.machines) if options.line == line)
            if members:
                yield f"line_chance|{line}", members, limit
    if (limit := policy.max_plant_failure_probability) is not None and problem.machines:
        yield "plant_chance|plant", tuple(range(len(problem.machines))), limit


def hazard(options: MachineOptions, option: int) -> float:
    """Minus the logarithm of a machine's survival under an option."""
    return hazard_of(float(options.failure_probability[option]))


def hazard_of(probability: float) -> float:
    """Minus the logarithm of surviving a chance of failing."""
    return -math.log1p(-probability) if probability < 1.0 - math.exp(-SURE_DEATH) else SURE_DEATH


def within_groups(
    problem: PlanningProblem, chosen: list[int], allowed: Sequence[Sequence[int]], free: list[int]
) -> bool:
    """Changes chosen options until every group keeps its limit, the cheapest relief first; false where it cannot.

    Args:
        problem: With its groups.
        chosen: Option of each machine; changed in place.
        allowed: Options that each machine may have.
        free: Crews that are free in each hour; changed in place.
    """
    for _, members, limit in limited_groups(problem):
        while sum(hazard(problem.machines[k], chosen[k]) for k in members) > hazard_of(limit):
            best: tuple[float, int, int] | None = None
            for k in members:
                options = problem.machines[k]
                for option in allowed[k]:
                    relief = hazard(options, chosen[k]) - hazard(options, option)
                    if relief <= 0 or not _fits(options, option, chosen[k], free):
                        continue
                    price = options.maintenance_cost + options.failure_cost
                    worth = (float(price[option] - price[chosen[k]]) / relief, k, option)
                    best = worth if best is None or worth < best else best
            if best is None:
                return False
            _, k, option = best
            _book(problem.machines[k], chosen[k], free, +1)
            _book(problem.machines[k], option, free, -1)
            chosen[k] = option
    return all(
        sum(hazard(problem.machines[k], chosen[k]) for k in members) <= hazard_of(limit)
        for _, members, limit in limited_groups(problem)
    )


def _fits(options: MachineOptions, option: int, instead: int, free: list[int]) -> bool:
    """Whether the crews can do an option in place of another."""
    if options.starts[option] is None:
        return True
    own = set(range(*options.windows[instead])) if options.starts[instead] is not None else set()
    return all(free[t] + (t in own) > 0 for t in range(*options.windows[option]))


def _book(options: MachineOptions, option: int, free: list[int], crews: int) -> None:
    if options.starts[option] is not None:
        for t in range(*options.windows[option]):
            free[t] += crews
