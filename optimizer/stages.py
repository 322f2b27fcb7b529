"""The search goal by goal: each is brought as low as can be without giving up more of the earlier ones than allowed.

What was reached for a goal, and at most how far a later one may move it, are numbers of a finished plan in exact
arithmetic, so that the check can follow them; each stage's bound says how much lower its goal could be at best.
Source: Ehrgott, Multicriteria Optimization, 2nd ed. 2005, ch. 5 (lexicographic optimality) and 4 (limits on goals).
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from optimizer.assemble import assemble
from optimizer.control import Control
from optimizer.costing import Account
from optimizer.goals import goal_terms, limits_of, steps_of
from optimizer.highs import Outcome
from optimizer.problem import PlanningProblem
from optimizer.search import Found, search
from plant.plans import Goal, GoalStage, Plan

SLACK = 2e-5
"""Goals keep what was reached to this part of it, for the solver's and the units' sake."""

TIGHTER = (1.5, 4.0)
"""Whole units that break a goal's limit are searched again under one that is so many times as far tighter."""
AGAIN_LEAST_S = 1.0
"""Time there is at least to search again [s]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """Where a search goal by goal ended."""

    found: Found
    """The plan, with the bound of the last goal."""
    problem: PlanningProblem
    """Of the last goal, with the limits that the earlier ones leave."""
    stages: tuple[GoalStage, ...]


def search_in_order(problem: PlanningProblem, *, empty: Plan, control: Control) -> Reached | Outcome:
    """The best schedule for the goals in their order, within the policy's time limit."""
    facts = problem.facts
    steps, limits = steps_of(facts), limits_of(facts)
    if facts.objective is None:
        found = search(problem, time_limit_s=facts.policy.time_limit_s, control=control)
        return found if isinstance(found, Outcome) else Reached(found=found, problem=problem, stages=())
    best: tuple[Found, Account] | None = None
    stages: list[GoalStage] = []
    how, seconds, aimed, bound = "", 0.0, problem, None
    for step in steps:
        aimed = replace(problem, goal=step.goal, goal_limits=limits)
        start = None if best is None else best[0].model
        limit_s = facts.policy.time_limit_s / len(steps)
        found = search(aimed, time_limit_s=limit_s, control=control, start=start)
        if isinstance(found, Outcome) and best is None:
            return found
        bound = None
        if not isinstance(found, Outcome):
            how, seconds, bound = found.how, seconds + found.solution.seconds, found.bound
            found, worked_out = _in_whole_units(aimed, found, empty=empty, limit_s=limit_s, control=control)
            if best is None or (_keeps(worked_out, limits) and _is_lower(step.goal, worked_out, best[1])):
                best = found, worked_out
        assert best is not None
        reached = float(best[1].goal(step.goal))
        limit = reached + (step.tolerance + SLACK) * max(abs(reached), 1.0)
        stages.append(GoalStage(goal=step.goal, tolerance=step.tolerance, reached=reached, bound=bound, limit=limit))
        limits = (*limits, (step.goal, limit))
    assert best is not None
    told = _told(best, aimed, how=how, seconds=seconds, bound=bound, is_earlier=best[0] is not found)
    return Reached(found=told, problem=aimed, stages=tuple(stages))


def _in_whole_units(
    aimed: PlanningProblem, found: Found, *, empty: Plan, limit_s: float, control: Control
) -> tuple[Found, Account]:
    """A found schedule and its account; where its whole units break a limit on a goal, one found under a tighter one.

    The bound of what was found first stays that of the goal: a tighter limit proves nothing about the goal's own.
    """
    _, worked_out = assemble(
        aimed, found.schedule, number=empty.number, created_at=empty.created_at, reason=empty.reason
    )
    kept, again, limits = worked_out, found, aimed.goal_limits
    for times in TIGHTER:
        if _keeps(kept, aimed.goal_limits):
            return replace(again, solution=replace(again.solution, bound=found.solution.bound)), kept
        beyond = [max(float(kept.goal(goal) - Fraction(limit)), 0.0) for goal, limit in aimed.goal_limits]
        limits = tuple((goal, limit - times * far) for (goal, limit), far in zip(limits, beyond, strict=True))
        left_s = max(limit_s - found.solution.seconds, AGAIN_LEAST_S)
        tried = search(
            replace(aimed, goal_limits=limits), time_limit_s=left_s / len(TIGHTER), control=control, start=found.model
        )
        if isinstance(tried, Outcome):
            break
        again = tried
        _, kept = assemble(aimed, again.schedule, number=empty.number, created_at=empty.created_at, reason=empty.reason)
    if _keeps(kept, aimed.goal_limits):
        return replace(again, solution=replace(again.solution, bound=found.solution.bound)), kept
    return found, worked_out


def _keeps(worked_out: Account, limits: tuple[tuple[Goal, float], ...]) -> bool:
    return all(worked_out.goal(goal) <= Fraction(limit) for goal, limit in limits)


def _is_lower(goal: Goal, worked_out: Account, than: Account) -> bool:
    return worked_out.goal(goal) <= than.goal(goal)


def _told(
    best: tuple[Found, Account],
    aimed: PlanningProblem,
    *,
    how: str,
    seconds: float,
    bound: float | None,
    is_earlier: bool,
) -> Found:
    """The best plan as a result of the last stage, whichever stage it comes from."""
    found, worked_out = best
    _, constant = goal_terms(found.model, aimed, aimed.goal)
    objective = float(worked_out.goal(aimed.goal)) - constant if is_earlier else found.solution.objective
    least = None if bound is None else bound - constant
    solution = replace(found.solution, objective=objective, bound=least, seconds=seconds)
    names = ", ".join(step.goal.value for step in steps_of(aimed.facts))
    return replace(found, solution=solution, constant=constant, how=f"{how}; goals in order: {names}")
