"""Which family lines stand in, hour by hour, as a plan tells it, and what changing over takes of their hours."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from optimizer.problem import PlanningProblem
from optimizer.slots import HOUR
from plant.plans import Plan

Standing = Mapping[int, tuple[int, ...]]
"""The family that a line stands in when each hour begins, and at the end of the last, by line. (hour + 1,)"""


def planned_standing(problem: PlanningProblem, plan: Plan) -> Standing:
    """The family that each line stands in, hour by hour, as a plan tells it."""
    found = {}
    for line, changes in problem.changes.items():
        name, state = problem.lines[line], {making.product: making.state for making in problem.makings}
        told = sorted((each for each in plan.changeovers if each.line == name), key=lambda each: each.start)
        runs = sorted((run for run in plan.runs if run.line == name), key=lambda run: run.start)
        first = changes.families[changes.first] if changes.first is not None else None
        first = first or (told[0].before if told else state[runs[0].product] if runs else changes.families[0])
        begins = {(each.start - problem.facts.start) // HOUR: changes.families.index(each.after) for each in told}
        found[line] = carried_on(changes.families.index(first), begins, problem.hours)
    return found


def carried_on(first: int, begins: Mapping[int, int], hours: int) -> tuple[int, ...]:
    """The family at the start and at the end of each hour, from the hours in which another begins."""
    stands = [first]
    for t in range(hours):
        stands.append(begins.get(t, stands[-1]))
    return tuple(stands)


def stands_in(problem: PlanningProblem, standing: Standing, m: int, t: int) -> bool:
    """Whether the line stands in a product's family when an hour begins or ends, if it has to."""
    making = problem.makings[m]
    if making.line not in standing:
        return True
    families = problem.changes[making.line].families
    return making.state in {families[f] for f in standing[making.line][t : t + 2]}


def taken_by_changes(problem: PlanningProblem, standing: Standing) -> NDArray[np.float64]:
    """What changing over from family to family takes of each hour [h]. (line, hour)"""
    taken = np.zeros((len(problem.lines), problem.hours))
    for line, families in standing.items():
        for t, (before, after) in enumerate(pairwise(families)):
            if before != after:
                for hour, part in problem.changes[line].takes(before, after, t) or ():
                    taken[line, hour] += part
    return taken
