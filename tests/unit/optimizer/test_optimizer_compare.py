"""The bridge between two plans: exact whatever the plans, and every change with the facts it may come from."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_plants import START, demo_facts, risk, tiny_facts

from optimizer.assemble import empty_plan
from optimizer.compare import compare
from optimizer.costing import account
from optimizer.facts import PlanningFacts
from optimizer.ledger import By, itemise, totals
from optimizer.problem import build_problem
from optimizer.solve import solve
from plant.plans import MaintenanceWindow, Plan, PlannedRun
from plant.production import Closure, Order

HOUR = timedelta(hours=1)


@st.composite
def plants_with_plans(draw: st.DrawFn) -> tuple[PlanningFacts, Plan]:
    """A random plant with any plan for it, sensible or not."""
    facts = demo_facts(draw(st.integers(0, 40)), horizon_h=draw(st.sampled_from((12, 30))))
    plan = empty_plan(build_problem(facts), number="P", created_at=START, reason="test")
    runs = draw(
        st.lists(
            st.tuples(
                st.sampled_from(facts.capabilities),
                st.integers(0, facts.policy.horizon_h - 3),
                st.lists(st.floats(0.0, 150.0), min_size=1, max_size=3),
            ),
            max_size=8,
        )
    )
    made = tuple(
        PlannedRun(
            line=c.line,
            product=c.product,
            start=facts.start + HOUR * first,
            end=facts.start + HOUR * (first + len(units)),
            gross_units=0,
            good_units=0.0,
            energy_kwh=0.0,
            setup=False,
            hourly_units=tuple(units),
        )
        for c, first, units in runs
    )
    machines = draw(st.lists(st.sampled_from(facts.plant.machines), max_size=3, unique=True))
    windows = tuple(
        MaintenanceWindow(
            machine=m.name,
            line=m.line,
            start=facts.start + HOUR * draw(st.integers(0, 6)),
            end=facts.start + HOUR * 10,
            expected_failure_cost=0.0,
            expected_failure_cost_without=0.0,
        )
        for m in machines
    )
    return facts, replace(plan, runs=made, maintenance=windows)


@settings(max_examples=25, deadline=None)
@given(plants_with_plans(), plants_with_plans())
def test_bridge_adds_up_to_the_difference_exactly_whatever_the_plans(
    one: tuple[PlanningFacts, Plan], other: tuple[PlanningFacts, Plan]
) -> None:
    comparison = compare(other[1], one[1], facts=other[0], previous_facts=one[0])
    difference = account(*other).objective - account(*one).objective
    assert comparison.difference == difference
    for side in By:
        assert sum(comparison.by(side).values()) == difference


@settings(max_examples=25, deadline=None)
@given(plants_with_plans())
def test_every_cost_has_its_line_product_and_day_where_it_has_one(case: tuple[PlanningFacts, Plan]) -> None:
    facts, plan = case
    worked_out = account(facts, plan)
    ledger = itemise(facts, worked_out)
    for name, amount in worked_out.terms:
        assert totals(ledger, By.TERM).get(name, 0) == amount
    assert all(item.day for item in ledger)
    assert all(item.product or item.line for item in ledger)


def test_changes_name_the_facts_that_they_come_from() -> None:
    facts = tiny_facts(2, lines=2, machines=1, horizon_h=8)
    first = solve(build_problem(facts), number="P1", created_at=START, reason="test")
    rush = Order(number="R1", product="nut", quantity=60.0, due_at=START + 3 * HOUR, priority=5)
    worn = risk("A1-0", scale_h=6.0, shape=3.0, age_h=5.5)
    closed = Closure(line="A0", start=START, end=START + HOUR, reason="audit")
    changed = replace(
        facts,
        orders=(*facts.orders, rush),
        risks=(*(r for r in facts.risks if r.machine != "A1-0"), worn),
        calendar=replace(facts.calendar, closures=(closed,)),
        tariff=replace(facts.tariff, base_price_per_kwh=0.5),
    )
    second = solve(build_problem(changed), number="P2", created_at=START, reason="test")
    comparison = compare(second, first, facts=changed, previous_facts=facts)
    told = {change.kind: change.sentence for change in comparison.inputs}
    assert told.keys() == {"risk", "order", "closure", "tariff"}
    assert "0.5 instead of 0.12" in told["tariff"]
    assert "R1 is new: 60 nut" in told["order"]
    nuts = next(change for change in comparison.changes if "of nut" in change.sentence)
    assert any("R1" in reason for reason in nuts.reasons)
    assert comparison.by_inputs is not None
    assert comparison.by_inputs > 0
    assert comparison.by_inputs + (account(changed, second).objective - account(changed, first).objective) == (
        comparison.difference
    )


def test_same_plan_has_nothing_to_tell() -> None:
    facts = tiny_facts(2)
    plan = solve(build_problem(facts), number="P1", created_at=START, reason="test")
    comparison = compare(plan, plan, facts=facts, previous_facts=facts)
    assert (comparison.changes, comparison.inputs, comparison.bridge, comparison.by_inputs) == ((), (), {}, 0)
