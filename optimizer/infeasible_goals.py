"""Limits on goals that no plan keeps: the least that each can be, and what allowing it would cost."""

from dataclasses import replace

from optimizer.goals import limits_of
from optimizer.highs import Outcome
from optimizer.infeasible import explain_infeasible
from optimizer.problem import PlanningProblem
from optimizer.search import Found, search
from plant.plans import Conflict, Goal, Plan, Repair, SolveStatus

TIME_LIMIT_S = 3.0
"""For each goal, and for each repair [s]."""


def explain_limits(problem: PlanningProblem, empty: Plan) -> Plan:
    """The plan of status infeasible of a problem with limits on goals: those limits, or the plant's own rules."""
    units = {Goal.CO2: "kg"}
    currency, facts = problem.facts.plant.currency, problem.facts
    conflicts, repairs = [], []
    for goal, limit in limits_of(facts):
        found = search(replace(problem, goal=goal, goal_limits=()), time_limit_s=TIME_LIMIT_S)
        if found is Outcome.INFEASIBLE:
            return explain_infeasible(problem, empty)
        if not isinstance(found, Found) or found.bound is None or found.bound <= limit:
            continue
        least, unit = found.solution.objective + found.constant, units.get(goal, currency)
        sentence = f"{goal.value} may be at most {limit:,.6g} {unit}; no plan has less than {found.bound:,.6g} {unit}."
        conflicts.append(Conflict(rule=f"goal|{goal.value}|horizon", sentence=f"The plan's {sentence}"))
        needed = least + 1e-3 * max(abs(least), 1.0)
        others = tuple((other, at_most) for other, at_most in limits_of(facts) if other is not goal)
        priced = search(replace(problem, goal_limits=(*others, (goal, needed))), time_limit_s=TIME_LIMIT_S)
        cost = priced.solution.objective + priced.constant if isinstance(priced, Found) else None
        repairs.append(
            Repair(sentence=f"Allow {goal.value} of {needed:,.6g} {unit}.", amount=needed - limit, cost=cost)
        )
    if not conflicts:
        names = " and ".join(goal.value for goal, _ in limits_of(facts))
        conflicts = [
            Conflict(rule=f"goal|{goal.value}|horizon", sentence=f"The limits on {names} cannot be kept together.")
            for goal, _ in limits_of(facts)
        ]
    told = " ".join(dict.fromkeys(conflict.sentence for conflict in conflicts))
    return replace(
        empty,
        status=SolveStatus.INFEASIBLE,
        conflicts=tuple(conflicts),
        repairs=tuple(repairs),
        headline=f"No plan keeps all rules. {told}",
    )
