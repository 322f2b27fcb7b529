"""Deadlines, products that may not be late, hard limits of stock: in the plan, in its check, and where they clash."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from optimizer_enumeration import least_cost
from optimizer_plants import START, demo_facts, tiny_facts
from optimizer_rules import hard_facts, planned

from optimizer.capacity import missing_by_hours
from optimizer.certify import check_rules
from optimizer.conflict import find_conflict
from optimizer.costing import account
from optimizer.infeasible import ways_out
from optimizer.problem import build_problem
from optimizer.validate import find_faults
from plant.plans import SolveStatus

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("seed", range(12))
def test_plan_with_hard_rules_equals_enumeration(seed: int) -> None:
    facts = hard_facts(seed)
    expected, plan = least_cost(facts), planned(facts)
    if expected == float("inf"):
        assert plan.status is SolveStatus.INFEASIBLE
        assert plan.conflicts
        return
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked, plan.headline
    assert plan.certificate.solver_objective == pytest.approx(expected, rel=1e-9)
    assert {"deadlines", "hard_stock"} & {check.rule for check in plan.certificate.checks}


def test_seeds_hold_both_plans_and_weeks_without_one() -> None:
    found = [least_cost(hard_facts(seed)) for seed in range(12)]
    assert 2 <= sum(1 for cost in found if cost == float("inf")) <= 10


def test_check_finds_a_late_order_and_a_stock_beyond_its_limits() -> None:
    facts = tiny_facts(2, machines=1)
    idle = replace(planned(facts), runs=())
    hard = replace(
        facts,
        orders=tuple(replace(order, deadline_at=START + 6 * HOUR) for order in facts.orders),
        products=tuple(replace(p, hard_min_stock=50.0) for p in facts.products),
    )
    broken = {check.rule for check in check_rules(hard, idle, account(hard, idle)) if not check.holds}
    assert {"deadlines", "hard_stock"} <= broken
    never = replace(facts, products=tuple(replace(p, backlog_cost_per_unit_h=None) for p in facts.products))
    broken = {check.rule for check in check_rules(never, idle, account(never, idle)) if not check.holds}
    assert "never_late" in broken


def test_impossible_deadline_is_told_with_what_is_missing_and_a_priced_repair() -> None:
    facts = tiny_facts(0, machines=1)
    rate = max(c.rate_per_h for c in facts.capabilities if c.product == "bolt")
    order = replace(
        facts.orders[0], number="big", product="bolt", quantity=10 * rate, due_at=START + 2 * HOUR,
        deadline_at=START + 3 * HOUR,
    )  # fmt: skip
    plan = planned(replace(facts, orders=(*facts.orders, order)))
    assert plan.status is SolveStatus.INFEASIBLE
    assert [conflict.rule for conflict in plan.conflicts] == ["deadline|big|horizon"]
    assert "at the latest" in plan.headline
    repair = plan.repairs[0]
    assert "big" in repair.sentence
    assert repair.amount > 6 * rate
    assert repair.cost is not None


def test_stock_limit_that_clashes_with_a_deadline_gives_a_repair_for_each() -> None:
    facts = tiny_facts(0, machines=1)
    rate = max(c.rate_per_h for c in facts.capabilities if c.product == "nut")
    order = replace(facts.orders[0], number="late", product="nut", quantity=2 * rate, due_at=START + 6 * HOUR)
    order = replace(order, deadline_at=order.due_at)
    products = tuple(replace(p, hard_max_stock=20.0) if p.name == "nut" else p for p in facts.products)
    plan = planned(replace(facts, orders=(order,), products=products))
    assert plan.status is SolveStatus.INFEASIBLE
    assert {conflict.rule.split("|")[0] for conflict in plan.conflicts} == {"deadline", "hard_max_stock"}
    assert len(plan.repairs) == 2
    assert all(repair.cost is not None and repair.amount > 0 for repair in plan.repairs)


def test_promise_that_may_not_be_late_is_cut_to_what_can_be_made() -> None:
    facts = tiny_facts(0, machines=1)
    order = replace(facts.orders[0], product="nut", quantity=5000.0, due_at=START + 6 * HOUR)
    products = tuple(replace(p, backlog_cost_per_unit_h=None) for p in facts.products)
    plan = planned(replace(facts, orders=(order,), products=products))
    assert [conflict.rule for conflict in plan.conflicts] == ["never_late|nut|horizon"]
    assert plan.repairs[0].sentence.startswith("Promise less")
    assert plan.repairs[0].cost is not None


def test_facts_name_a_deadline_before_the_due_date_and_limits_the_wrong_way_round() -> None:
    facts = tiny_facts(0)
    orders = (replace(facts.orders[0], deadline_at=facts.orders[0].due_at - HOUR), *facts.orders[1:])
    products = (replace(facts.products[0], hard_min_stock=9.0, hard_max_stock=3.0), *facts.products[1:])
    where = [fault.where for fault in find_faults(replace(facts, orders=orders, products=products))]
    assert where == ["products[0].hard_max_stock", f"order {facts.orders[0].number}: deadline_at"]


def test_deadlines_beyond_the_hours_of_a_large_plant_are_told_at_once() -> None:
    facts = demo_facts(1, horizon_h=120)
    first, *rest = facts.orders
    lines = {c.line for c in facts.capabilities if c.product == first.product}
    rate = max(c.rate_per_h for c in facts.capabilities if c.product == first.product)
    huge = replace(first, quantity=200.0 * rate * len(lines), deadline_at=START + 120 * HOUR)
    soft = [replace(order, deadline_at=START + 120 * HOUR) for order in rest]
    problem = build_problem(replace(facts, orders=(huge, *soft)))
    began = time.process_time()
    conflict = tuple(find_conflict(problem))
    way = next(ways_out(problem, conflict))
    assert time.process_time() - began < 4.0
    assert conflict == (f"deadline|{first.number}",)
    assert first.number in way.sentence
    assert way.amount > 50.0 * rate


def test_hours_alone_never_rule_out_what_enumeration_finds_possible() -> None:
    for seed in range(12):
        facts = hard_facts(seed)
        if least_cost(facts) < float("inf"):
            assert not missing_by_hours(build_problem(facts))
