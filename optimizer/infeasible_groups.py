"""Who cannot keep the chance of failing asked of machines, lines or the plant, and the least that can be kept."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pulp

from optimizer import highs
from optimizer.chance_limits import hazard, hazard_of, limited_groups
from optimizer.formulation import formulate
from optimizer.problem import PlanningFacts, PlanningProblem
from plant.production import PlanningPolicy

RULES = {
    "line_chance": ("max_line_failure_probability", "of a line"),
    "plant_chance": ("max_plant_failure_probability", "of the plant"),
}
"""Field of the policy and words by rule, of several machines."""
CHANCES = {"chance": ("max_failure_probability", "per machine"), **RULES}
"""The same, of single machines too."""
TIME_LIMIT_S = 3.0
MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Group:
    """Machines whose chance to fail, any of them, is limited."""

    rule: str
    label: str
    members: tuple[int, ...]
    limit: float


def group_rules(problem: PlanningProblem) -> Iterator[str]:
    """Names of the limits on lines and plant."""
    yield from (name for name, _, _ in limited_groups(problem))


def group_sentence(problem: PlanningProblem, rule: str) -> str:
    """What a limit on a line or the plant demands, in the plant's words."""
    group = next(each for kind in RULES for each in _groups(problem, kind) if each.rule == rule)
    return (
        f"{group.label} as a whole may fail with at most {group.limit:.1%} in the horizon; with the best option of "
        f"each of its {len(group.members)} machines it fails with {_best(problem, group):.1%}."
    )


def chance_ways_out(problem: PlanningProblem, conflict: tuple[str, ...]) -> Iterator[tuple[str, float, PlanningFacts]]:
    """The least limits that the crews can keep: in words, how much they give, and the facts with them.

    One limit gives alone where that is enough; where none of them is, all of them do.
    """
    policy = problem.facts.policy
    asked = [kind for kind, (field, _) in CHANCES.items() if getattr(policy, field) is not None]
    alone = [_giving(problem, [kind]) for kind in asked if any(rule.startswith(f"{kind}|") for rule in conflict)]
    if any(way is not None for way in alone):
        yield from (way for way in alone if way is not None)
    elif alone and (together := _giving(problem, asked)) is not None:
        yield together


def _giving(problem: PlanningProblem, kinds: list[str]) -> tuple[str, float, PlanningFacts] | None:
    """Gives way in some limits, each no more than it must once the ones before have; None where that is not enough."""
    told, most, relaxed = list[str](), 0.0, problem
    for number, kind in enumerate(kinds):
        least = _least(relaxed, kind, [each.rule for later in kinds[number:] for each in _groups(problem, later)])
        if not math.isfinite(least):
            return None
        field, words = CHANCES[kind]
        limit = float(getattr(problem.facts.policy, field))
        needed = min(-math.expm1(-least * (1 + 1e-6) - 1e-9), 1.0)
        if needed <= limit:
            continue
        relaxed = replace(relaxed, facts=replace(relaxed.facts, policy=_with(relaxed.facts.policy, kind, needed)))
        told.append(f"{words} of {needed:.2%} instead of {limit:.2%}{_who(problem, kind)}")
        most = max(most, needed - limit)
    return (f"Accept a failure probability {', '.join(told)}.", most, relaxed.facts) if told else None


def _with(policy: PlanningPolicy, kind: str, limit: float) -> PlanningPolicy:
    if kind == "chance":
        return replace(policy, max_failure_probability=limit)
    if kind == "line_chance":
        return replace(policy, max_line_failure_probability=limit)
    return replace(policy, max_plant_failure_probability=limit)


def _who(problem: PlanningProblem, kind: str) -> str:
    """Which machines or lines cannot keep a limit whatever is done, the worst first; empty: the crews are too few."""
    if kind == "plant_chance":
        return ""
    best = sorted(((_best(problem, each), each) for each in _groups(problem, kind)), key=lambda each: -each[0])
    names = [f"{each.label} {chance:.1%}" for chance, each in best if chance > each.limit]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f" (at best {', '.join(names[:MOST_NAMED])}{more})" if names else ""


def _groups(problem: PlanningProblem, kind: str) -> list[_Group]:
    facts = problem.facts
    if kind == "chance":
        limit = facts.policy.max_failure_probability
        names = [options.machine for options in problem.machines]
        return [
            _Group(rule=f"chance|{name}", label=facts.plant.machine_index[name].label, members=(k,), limit=limit)
            for k, name in enumerate(names)
            if limit is not None
        ]
    labels = {line.name: line.label for line in facts.plant.lines}
    return [
        _Group(rule=rule, label=labels.get(rule.split("|")[1], "The plant"), members=members, limit=limit)
        for rule, members, limit in limited_groups(problem)
        if rule.startswith(f"{kind}|")
    ]


def _best(problem: PlanningProblem, group: _Group) -> float:
    """Chance of failing with the best option of every machine, as if there were crews for all."""
    least = sum(hazard_of(float(problem.machines[k].failure_probability.min())) for k in group.members)
    return -math.expm1(-least)


def _least(problem: PlanningProblem, kind: str, left_out: list[str]) -> float:
    """Least that the greatest of the groups' hazards can be without some limits; NaN where nothing keeps the others."""
    model = formulate(problem, left_out=frozenset(left_out))
    greatest = model.program.add_variable("greatest", 0)
    for group in _groups(problem, kind):
        terms = {greatest: -1.0}
        fixed = 0.0
        for k in group.members:
            options, chosen = problem.machines[k], model.choice[k]
            terms.update({variable: hazard(options, o) for o, variable in chosen.items()})
            fixed += 0.0 if chosen else hazard(options, 0)
        model.constrain(f"least_{group.rule}", terms, pulp.LpConstraintLE, -fixed)
    model.program.setObjective(pulp.LpAffineExpression({greatest: 1.0}))
    return highs.run(model.program, time_limit_s=TIME_LIMIT_S, gap=1e-4).objective
