"""Limits on the chance that a line or the plant fails: kept, checked, and told where nothing keeps them."""

from dataclasses import replace
from math import prod

import pytest
from optimizer_plants import START, tiny_facts

from optimizer.certify import check_rules
from optimizer.chance_limits import hazard
from optimizer.costing import account
from optimizer.facts import facts_to_json
from optimizer.infeasible_groups import chance_ways_out
from optimizer.maintenance import choose_maintenance
from optimizer.problem import PlanningFacts, build_problem
from optimizer.solve import solve
from plant.errors import ConfigError
from plant.plans import Plan, SolveStatus


def plan_for(facts: PlanningFacts) -> Plan:
    return solve(build_problem(facts), number="P", created_at=START, reason="test")


def chance_of_line(facts: PlanningFacts, plan: Plan, *machines: str) -> float:
    fates = account(facts, plan).fates
    return float(1 - prod(1 - fates[name].failure_probability for name in machines))


def test_line_keeps_a_limit_that_it_would_break() -> None:
    free = tiny_facts(5, crews=2)
    reached = chance_of_line(free, plan_for(free), "A0-0", "A0-1")
    facts = tiny_facts(5, crews=2, max_line_failure_probability=round(reached - 0.05, 2))
    plan = plan_for(facts)
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE), plan.headline
    assert chance_of_line(facts, plan, "A0-0", "A0-1") <= reached - 0.04
    assert plan.certificate is not None
    rules = {check.rule: check for check in plan.certificate.checks}
    assert rules["line_chance"].instances == 1
    assert rules["line_chance"].holds
    assert "plant_chance" not in rules


def test_plant_limit_binds_across_lines() -> None:
    facts = tiny_facts(2, lines=2, machines=1, crews=2)
    reached = chance_of_line(facts, plan_for(facts), "A0-0", "A1-0")
    limit = round(reached - 0.03, 3)
    tight = tiny_facts(2, lines=2, machines=1, crews=2, max_plant_failure_probability=limit)
    plan = plan_for(tight)
    assert chance_of_line(tight, plan, "A0-0", "A1-0") <= limit + 1e-6
    assert plan.cost >= plan_for(facts).cost - 1e-6


def test_check_finds_a_plan_that_breaks_the_limit() -> None:
    free = tiny_facts(5, crews=2)
    plan = plan_for(free)
    strict = tiny_facts(5, crews=2, max_line_failure_probability=0.001, max_plant_failure_probability=0.001)
    broken = {check.rule for check in check_rules(strict, plan, account(strict, plan)) if not check.holds}
    assert {"line_chance", "plant_chance"} <= broken


@pytest.mark.parametrize(
    ("field", "rule", "words"),
    [
        ("max_line_failure_probability", "line_chance|A0|horizon", "of a line"),
        ("max_plant_failure_probability", "plant_chance|plant|horizon", "of the plant"),
    ],
)
def test_limit_that_nothing_keeps_is_told_with_the_least_that_can_be_kept(field: str, rule: str, words: str) -> None:
    facts = tiny_facts(5, **{field: 0.01})
    plan = plan_for(facts)
    assert plan.status is SolveStatus.INFEASIBLE
    assert rule in {conflict.rule for conflict in plan.conflicts}
    assert "as a whole may fail with at most 1.0%" in plan.headline
    repair = next(repair for repair in plan.repairs if words in repair.sentence)
    assert repair.cost is not None
    needed = 0.01 + repair.amount
    kept = plan_for(replace(facts, policy=replace(facts.policy, **{field: needed})))
    assert kept.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    beyond = plan_for(replace(facts, policy=replace(facts.policy, **{field: needed - 0.005})))
    assert beyond.status is SolveStatus.INFEASIBLE


def test_first_choice_of_maintenance_keeps_the_limits_of_lines() -> None:
    facts = tiny_facts(5, crews=2, max_line_failure_probability=0.7)
    problem = build_problem(facts)
    chosen = choose_maintenance(problem, {})
    assert chosen is not None
    total = sum(hazard(options, option) for options, option in zip(problem.machines, chosen, strict=True))
    assert 1 - 2.718281828459045 ** (-total) <= 0.7 + 1e-9


def test_limits_outside_their_range_are_refused_and_unset_ones_not_written() -> None:
    with pytest.raises(ConfigError) as refused:
        build_problem(tiny_facts(0, max_line_failure_probability=1.5, max_plant_failure_probability=-1.0))
    assert "planning.max_line_failure_probability" in str(refused.value)
    assert "planning.max_plant_failure_probability" in str(refused.value)
    assert b"max_line" not in facts_to_json(tiny_facts(0))


def test_repair_of_machines_names_those_that_cannot_keep_their_limit() -> None:
    facts = tiny_facts(5, max_failure_probability=0.02)
    plan = plan_for(facts)
    repair = next(repair for repair in plan.repairs if "per machine" in repair.sentence)
    best = {options.machine: options.failure_probability.min() for options in build_problem(facts).machines}
    worst = max(best, key=lambda name: best[name])
    assert f"(at best {facts.plant.machine_index[worst].label} {best[worst]:.1%}" in repair.sentence
    assert 0.02 + repair.amount >= best[worst]
    assert repair.cost is not None


def test_limits_that_only_all_give_way_are_given_together_each_no_more_than_it_must() -> None:
    policy = {"max_failure_probability": 0.01, "max_line_failure_probability": 0.02}
    facts = tiny_facts(2, lines=2, machines=2, crews=2, max_plant_failure_probability=0.03, **policy)
    plan = plan_for(facts)
    assert plan.status is SolveStatus.INFEASIBLE
    repair = next(repair for repair in plan.repairs if "per machine" in repair.sentence)
    assert "of a line" in repair.sentence
    assert "of the plant" in repair.sentence
    assert repair.cost is not None
    problem = build_problem(facts)
    ways = list(chance_ways_out(problem, ("chance|A0-0",)))
    (given,) = [relaxed.policy for _, _, relaxed in ways]
    assert plan_for(replace(facts, policy=given)).status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    for field in ("max_failure_probability", "max_line_failure_probability", "max_plant_failure_probability"):
        tighter = replace(given, **{field: getattr(given, field) - 0.002})
        assert plan_for(replace(facts, policy=tighter)).status is SolveStatus.INFEASIBLE, field
