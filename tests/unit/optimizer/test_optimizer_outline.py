"""The outline of a plan rules out nothing that has a plan; conflicts are irreducible and told within seconds."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from optimizer_plants import START, demo_facts
from optimizer_rules import all_rules_facts

from optimizer.conflict import (
    find_conflict,
    has_plan,
    is_impossible_at_once,
    may_have_plan,
    must_run,
)
from optimizer.facts import FixedLot, PlanningFacts
from optimizer.infeasible import ways_out
from optimizer.needed import only_needed
from optimizer.outline import Outline
from optimizer.problem import build_problem
from optimizer.shortfall import stock_limits
from optimizer.solve import solve
from plant.production import Closure, Component, Product

HOUR = timedelta(hours=1)


def with_deadlines(facts: PlanningFacts, *, hours: int) -> PlanningFacts:
    """Every order due within some hours has its deadline then."""
    orders = tuple(
        replace(order, deadline_at=order.due_at) if order.due_at <= START + hours * HOUR else order
        for order in facts.orders
    )
    return replace(facts, orders=orders)


def long_setups() -> PlanningFacts:
    facts = demo_facts(1, lines=2)
    orders = tuple(
        replace(order, product=name, quantity=5.0, due_at=START + 8 * HOUR, deadline_at=START + 8 * HOUR)
        for order, name in zip(facts.orders, [product.name for product in facts.products], strict=False)
    )
    slow = tuple(replace(each, setup_h=3.0) for each in facts.capabilities)
    return replace(facts, orders=orders, capabilities=slow, stock=())


def capped() -> PlanningFacts:
    facts = with_deadlines(demo_facts(1), hours=24)
    return replace(facts, tariff=replace(facts.tariff, co2_cap_kg=300.0))


def no_blanks() -> PlanningFacts:
    facts = with_deadlines(demo_facts(1), hours=24)
    wanted = next(order.product for order in facts.orders if order.deadline_at is not None)
    blank = replace(facts.products[0], name="blank", label="Blank", components=())
    products: tuple[Product, ...] = tuple(
        replace(product, components=(Component(product="blank", quantity=1.0),)) if product.name == wanted else product
        for product in facts.products
    )
    made = replace(facts.capabilities[0], product="blank", rate_per_h=0.5)
    stock = tuple(each for each in facts.stock if each.product != wanted)
    return replace(facts, products=(*products, blank), capabilities=(*facts.capabilities, made), stock=stock)


def full_store() -> PlanningFacts:
    facts = with_deadlines(demo_facts(1), hours=4)
    made = facts.capabilities[0]
    lot = FixedLot(line=made.line, product=made.product, start=START, end=START + 6 * HOUR, gross_units=200.0)
    products = tuple(replace(p, hard_max_stock=60.0) if p.name == made.product else p for p in facts.products)
    kept = tuple(order for order in facts.orders if order.product != made.product)
    return replace(facts, products=products, orders=kept, fixed_lots=(lot,))


def shut() -> PlanningFacts:
    facts = with_deadlines(demo_facts(1), hours=30)
    closed = Closure(line="", start=START, end=START + 28 * HOUR, reason="flood")
    return replace(facts, calendar=replace(facts.calendar, closures=(closed,)), stock=())


def frail() -> PlanningFacts:
    facts = with_deadlines(demo_facts(1), hours=12)
    return replace(facts, policy=replace(facts.policy, max_plant_failure_probability=0.01))


KINDS = (long_setups, capped, no_blanks, full_store, shut, frail)


@pytest.mark.parametrize("kind", KINDS)
def test_conflict_is_irreducible_whatever_makes_a_plan_impossible(kind: Callable[[], PlanningFacts]) -> None:
    problem = build_problem(kind())
    outline = Outline(problem)
    conflict = find_conflict(problem)
    assert conflict
    every = frozenset([*stock_limits(problem), *outline.rules])
    assert not has_plan(problem, every - set(conflict))
    for rule in conflict:
        assert has_plan(problem, every - set(conflict) | {rule})


@pytest.mark.parametrize("kind", KINDS)
def test_first_repair_leads_to_a_plan(kind: Callable[[], PlanningFacts]) -> None:
    problem = build_problem(kind())
    first = next(ways_out(problem, tuple(find_conflict(problem))))
    assert has_plan(build_problem(first.facts), frozenset())


@pytest.mark.parametrize("seed", range(12))
def test_outline_rules_out_no_plant_that_has_a_plan(seed: int) -> None:
    facts = all_rules_facts(seed)
    problem = build_problem(facts)
    plan = solve(problem, number="P", created_at=START, reason="test")
    outline = Outline(problem)
    if plan.certificate is not None:
        assert not outline.is_ruled_out(outline.rules)
        assert may_have_plan(problem)
    if must_run(problem):
        assert has_plan(problem, frozenset()) == (plan.certificate is not None)


def test_what_no_hard_rule_asks_for_is_left_out() -> None:
    facts = demo_facts(1)
    hard = replace(facts.orders[0], deadline_at=START + 40 * HOUR)
    needed = only_needed(build_problem(replace(facts, orders=(hard, *facts.orders[1:]))))
    assert {making.product for making in needed.makings} == {hard.product}
    assert [demand.order for demand in needed.demands] == [hard.number]


def test_a_week_ruled_out_by_setups_is_explained_before_any_search() -> None:
    facts = demo_facts(1, lines=10, horizon_h=168, option_step_h=8)
    orders = tuple(
        replace(order, quantity=5.0, due_at=START + 8 * HOUR, deadline_at=START + 8 * HOUR) for order in facts.orders
    )
    slow = tuple(replace(each, setup_h=5.0) for each in facts.capabilities if each.line in ("L1", "L2", "L3"))
    problem = build_problem(replace(facts, orders=orders, capabilities=slow, stock=()))
    assert is_impossible_at_once(problem)
    began = time.thread_time()
    conflict = tuple(find_conflict(problem))
    next(ways_out(problem, conflict))
    took_s = time.thread_time() - began
    assert took_s < 2.0, f"{took_s:.1f} s"
