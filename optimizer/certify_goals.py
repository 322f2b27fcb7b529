"""Whether a plan kept to its goals: their order, what each may give up, and their limits, in exact arithmetic."""

from collections.abc import Iterator
from fractions import Fraction

from optimizer.costing import Account
from optimizer.exact import ONE, ZERO
from optimizer.facts import PlanningFacts
from plant.plans import Goal, GoalStage

ROUNDING = Fraction(3, 10**5)
"""A limit may be looser than its tolerance by this part, for whole units' sake."""


def goal_findings(
    facts: PlanningFacts, worked_out: Account, stages: tuple[GoalStage, ...]
) -> Iterator[tuple[str, str, list[Fraction]]]:
    """Rule, sentence and residuals, where something besides cost is aimed at."""
    if (objective := facts.objective) is None:
        return
    asked = [(step.goal, step.tolerance) for step in objective.order]
    asked += [] if Goal.COST in dict(asked) else [(Goal.COST, 0.0)]
    found = [ZERO if asked == [(stage.goal, stage.tolerance) for stage in stages] else ONE]
    for stage in stages:
        reached, size = Fraction(stage.reached), max(abs(Fraction(stage.reached)), ONE)
        found.append(_beyond(worked_out, stage.goal, stage.limit))
        found.append((Fraction(stage.limit) - reached) / size - Fraction(stage.tolerance) - ROUNDING)
        if stage.bound is not None:
            found.append((Fraction(stage.bound) - reached) / size)
    yield "goals", "Goals come in their order, and each keeps within its tolerance of what was reached for it.", found
    if objective.limits:
        over = [_beyond(worked_out, limit.goal, limit.at_most) for limit in objective.limits]
        yield "goal_limits", "No goal exceeds its limit.", over


def _beyond(worked_out: Account, goal: Goal, limit: float) -> Fraction:
    """How far a goal is beyond a limit, in parts of it where it is greater than 1."""
    return (worked_out.goal(goal) - Fraction(limit)) / max(ONE, abs(Fraction(limit)))
