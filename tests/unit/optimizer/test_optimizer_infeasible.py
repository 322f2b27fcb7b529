"""An infeasible week: few named rules that conflict irreducibly, and its first repair within seconds."""

import time
from dataclasses import replace

import pytest
from optimizer_plants import demo_facts, risk

from optimizer.conflict import FEW_RULES, find_conflict
from optimizer.facts import PlanningFacts
from optimizer.infeasible import ways_out
from optimizer.problem import PlanningProblem, build_problem


def infeasible_week(lines: int, *, limit: float, length_h: float) -> PlanningFacts:
    """Ageing machines that one crew cannot all maintain within the week."""
    facts = demo_facts(1, lines=lines, horizon_h=168)
    classes = tuple(replace(each, maintenance_h=length_h) for each in facts.plant.classes)
    risks = tuple(risk(r.machine, scale_h=300.0, age_h=100.0 + 10 * (i % 4)) for i, r in enumerate(facts.risks))
    policy = replace(facts.policy, crews=1, max_failure_probability=limit)
    return replace(facts, plant=replace(facts.plant, classes=classes), risks=risks, policy=policy)


def without(problem: PlanningProblem, rule: str) -> PlanningProblem:
    """The problem without one rule of a conflict."""
    name, entity = rule.split("|", 1)
    if name == "crews":
        return replace(problem, crews_free=(99,) * problem.hours)
    machines = tuple(
        replace(o, failure_probability=o.failure_probability * 0) if entity in (o.line, o.machine) else o
        for o in problem.machines
    )
    return replace(problem, machines=machines)


@pytest.mark.parametrize(("lines", "length_h"), [(2, 40.0), (4, 12.0)])
def test_conflict_of_an_infeasible_week_is_small_and_irreducible(lines: int, length_h: float) -> None:
    problem = build_problem(infeasible_week(lines, limit=0.4, length_h=length_h))
    conflict = find_conflict(problem)
    assert 2 <= len(conflict) <= FEW_RULES
    assert "crews|plant" in conflict
    for rule in conflict:
        assert rule not in find_conflict(without(problem, rule))


def test_first_repair_of_an_infeasible_week_is_told_within_two_seconds() -> None:
    problem = build_problem(infeasible_week(10, limit=0.4, length_h=12.0))
    began = time.thread_time()
    conflict = tuple(find_conflict(problem))
    first = next(ways_out(problem, conflict))
    took_s = time.thread_time() - began
    assert "maintenance crews instead of 1" in first.sentence
    assert took_s < 2.0, f"{took_s:.1f} s"
