"""Lines and plants that cannot keep their chance of failing: what is asked, and the least limit that can be kept."""

import math
from collections.abc import Iterator
from dataclasses import replace

import pulp

from optimizer import highs
from optimizer.chance_limits import hazard, limited_groups
from optimizer.formulation import formulate
from optimizer.problem import PlanningFacts, PlanningProblem
from plant.production import PlanningPolicy

RULES = {
    "line_chance": ("max_line_failure_probability", "of a line"),
    "plant_chance": ("max_plant_failure_probability", "of the plant"),
}
"""Field of the policy and words by rule."""
TIME_LIMIT_S = 3.0


def group_rules(problem: PlanningProblem) -> Iterator[str]:
    """Names of the limits on lines and plant."""
    yield from (name for name, _, _ in limited_groups(problem))


def group_sentence(problem: PlanningProblem, rule: str) -> str:
    """What a limit on a line or the plant demands, in the plant's words."""
    members, limit = next((members, limit) for name, members, limit in limited_groups(problem) if name == rule)
    best = sum(min(hazard(problem.machines[k], o) for o in range(len(problem.machines[k].starts))) for k in members)
    entity = rule.split("|")[1]
    label = next((line.label for line in problem.facts.plant.lines if line.name == entity), "The plant")
    return (
        f"{label} as a whole may fail with at most {limit:.1%} in the horizon; with the best option of each of its "
        f"{len(members)} machines it fails with {-math.expm1(-best):.1%}."
    )


def group_ways_out(problem: PlanningProblem, conflict: tuple[str, ...]) -> Iterator[tuple[str, float, PlanningFacts]]:
    """The least limit that the crews can keep: in words, how much it gives, and the facts with it."""
    facts = problem.facts
    for kind, (field, words) in RULES.items():
        limit = getattr(facts.policy, field)
        if limit is None or not any(rule.startswith(f"{kind}|") for rule in conflict):
            continue
        least = _least(problem, kind)
        if math.isfinite(least):
            needed = min(-math.expm1(-least * (1 + 1e-6) - 1e-9), 1.0)
            sentence = f"Accept a failure probability {words} of {needed:.2%} instead of {limit:.2%}."
            yield sentence, needed - limit, replace(facts, policy=_with(facts.policy, field, needed))


def _with(policy: PlanningPolicy, field: str, limit: float) -> PlanningPolicy:
    if field == "max_line_failure_probability":
        return replace(policy, max_line_failure_probability=limit)
    return replace(policy, max_plant_failure_probability=limit)


def _least(problem: PlanningProblem, kind: str) -> float:
    """Least that the greatest of the groups' hazards can be under all other limits; NaN where nothing keeps those."""
    groups = [(name, members) for name, members, _ in limited_groups(problem) if name.startswith(f"{kind}|")]
    model = formulate(problem, left_out=frozenset(name for name, _ in groups))
    greatest = model.program.add_variable("greatest", 0)
    for name, members in groups:
        terms = {greatest: -1.0}
        fixed = 0.0
        for k in members:
            options, chosen = problem.machines[k], model.choice[k]
            terms.update({variable: hazard(options, o) for o, variable in chosen.items()})
            fixed += 0.0 if chosen else hazard(options, 0)
        model.constrain(f"least_{name}", terms, pulp.LpConstraintLE, -fixed)
    model.program.setObjective(pulp.LpAffineExpression({greatest: 1.0}))
    return highs.run(model.program, time_limit_s=TIME_LIMIT_S, gap=1e-4).objective
