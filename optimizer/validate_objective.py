"""Whether what a plan aims at is sound: weights of known terms, goals once each, limits that are numbers."""

from collections.abc import Iterator

from optimizer.facts import PlanningFacts
from optimizer.soundness import MOST, fault, unique
from plant.errors import Fault
from plant.plans import TERMS


def objective_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """Every fault of the objective; none where the facts have none of their own."""
    objective = facts.objective
    if objective is None:
        return
    for name, weight in objective.weights.items():
        where = f"objective.weights.{name}"
        if name not in TERMS:
            yield fault(where, name, f"it must be a term of the objective: {', '.join(TERMS)}.")
        if not 0 <= weight <= MOST:
            yield fault(where, weight, "it must be a finite number of at least 0.")
    delays, backlog = (objective.weights.get(name, 1.0) for name in ("delays", "backlog"))
    if facts.policy.price_delays and delays > backlog:
        yield fault("objective.weights.delays", delays, f"it must not exceed that of backlog ({backlog:g}).")
    yield from unique("objective.order", (step.goal.value for step in objective.order))
    for index, step in enumerate(objective.order):
        if not 0 <= step.tolerance <= MOST:
            yield fault(f"objective.order[{index}].tolerance", step.tolerance, "it must be a number of at least 0.")
    yield from unique("objective.limits", (limit.goal.value for limit in objective.limits))
    for index, limit in enumerate(objective.limits):
        if not abs(limit.at_most) <= MOST:
            yield fault(f"objective.limits[{index}].at_most", limit.at_most, "it must be a finite number.")
