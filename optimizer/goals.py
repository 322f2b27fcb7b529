"""What a program aims at: a goal of its own, and what it may not give up of others.

Goals are sums that the objective's terms and the plant's emissions make up; the independent account has its own.
"""

from collections.abc import Mapping
from dataclasses import replace

import pulp

from optimizer.problem import PlanningFacts, PlanningProblem
from optimizer.program import Model, Terms
from plant.errors import Fault, QuestionError
from plant.plans import Goal, GoalStep, Plan

TERM_OF = {Goal.LATENESS: "backlog", Goal.RISK: "failures"}
"""Term of the objective that a goal is."""


def aim(model: Model, problem: PlanningProblem) -> None:
    """Every goal with a limit keeps it, and the program minimises the one that is aimed at."""
    for n, (goal, limit) in enumerate(problem.goal_limits):
        terms, constant = goal_terms(model, problem, goal)
        model.constrain(f"goal|{goal.value}|{n}", terms, pulp.LpConstraintLE, limit - constant)
    terms, _ = goal_terms(model, problem, problem.goal)
    model.program.setObjective(pulp.LpAffineExpression(terms or {model.peak: 0.0}))


def goal_terms(model: Model, problem: PlanningProblem, goal: Goal) -> tuple[Terms, float]:
    """A goal as a sum over the program's variables, and what no choice changes of it."""
    if goal is Goal.CO2:
        kg = problem.slots.co2_kg_per_kwh
        return {energy: float(kg[t]) for t, energy in model.energy.items() if kg[t]}, 0.0
    if goal in TERM_OF:
        name = TERM_OF[goal]
        return dict(model.terms.get(name, {})), model.constants.get(name, 0.0)
    weights = weights_of(problem.facts)
    total: Terms = {}
    for name, terms in model.terms.items():
        weight = weights.get(name, 1.0)
        for variable, cost in terms.items():
            total[variable] = total.get(variable, 0.0) + weight * cost
    return total, sum(weights.get(name, 1.0) * amount for name, amount in model.constants.items())


def weights_of(facts: PlanningFacts) -> Mapping[str, float]:
    """Weight of each named term; what has none counts once."""
    return facts.objective.weights if facts.objective is not None else {}


def steps_of(facts: PlanningFacts) -> tuple[GoalStep, ...]:
    """The goals in their order; cost comes last where it has no place."""
    order = facts.objective.order if facts.objective is not None else ()
    if any(step.goal is Goal.COST for step in order):
        return order
    return (*order, GoalStep(goal=Goal.COST))


def limits_of(facts: PlanningFacts) -> tuple[tuple[Goal, float], ...]:
    """What each goal may be at most."""
    return tuple((each.goal, each.at_most) for each in facts.objective.limits) if facts.objective is not None else ()


def as_planned(problem: PlanningProblem, plan: Plan) -> PlanningProblem:
    """The problem in which a plan's cost was the last goal: earlier ones keep what was reached for them."""
    stages = plan.certificate.stages if plan.certificate is not None else ()
    kept = tuple((stage.goal, stage.limit) for stage in stages[:-1])
    last = stages[-1].goal if stages else Goal.COST
    return replace(problem, goal=last, goal_limits=(*limits_of(problem.facts), *kept))


def demand_money(facts: PlanningFacts, *, question: str) -> None:
    """Raises QuestionError where the objective is no money, so that a question about money has no answer."""
    odd = [name for name, weight in weights_of(facts).items() if weight != 1.0]
    if odd:
        found = f"weights on {', '.join(sorted(odd))}"
        expected = (
            f"all weights 1: {question} tells money, which a weighted objective is not. Plan without them and ask."
        )
        raise QuestionError((Fault(where="objective.weights", found=found, expected=expected),))
    if (steps := steps_of(facts)) and steps[-1].goal is not Goal.COST:
        found = f"{steps[-1].goal.value} is the last goal"
        expected = f"cost as the last goal: {question} tells money. Let `objective.order` end in cost and plan anew."
        raise QuestionError((Fault(where="objective.order", found=found, expected=expected),))
