"""Safety stock and room of the store: priced exactly, equal to plain enumeration, and nothing where no one asks."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_plants import START, tiny_facts

from optimizer.certify import recompute
from optimizer.costing import account
from optimizer.facts import PlanningFacts, facts_from_json, facts_to_json
from optimizer.ledger import By, itemise, totals
from optimizer.problem import build_problem
from optimizer.simulate import replay
from optimizer.solve import solve
from optimizer.validate import find_faults
from plant.plans import Plan, PlannedRun
from plant.production import Order, Product

HOUR = timedelta(hours=1)
HOURS, RATE = 4, 4


def nuts(**levels: float | None) -> PlanningFacts:
    """One line that makes up to four nuts an hour in quarters of its hour, without setups or failures that matter."""
    facts = tiny_facts(1, horizon_h=HOURS, machines=1, time_limit_s=10.0)
    nut = replace(facts.products[0], holding_cost_per_unit_h=0.25, backlog_cost_per_unit_h=1.0, **levels)  # type: ignore[arg-type]  # fields by name
    machine_class = replace(facts.plant.classes[0], mtbf_h=1e9, failure_cost=0.0, maintenance_cost=1e4)
    making = replace(facts.capabilities[0], rate_per_h=float(RATE), scrap_ratio=0.0, setup_h=0.0, setup_cost=0.0)
    return replace(
        facts,
        plant=replace(facts.plant, classes=(machine_class,)),
        products=(nut,),
        capabilities=(making,),
        orders=(
            Order(number="o1", product="nut", quantity=3.0, due_at=START + 2 * HOUR),
            Order(number="o2", product="nut", quantity=5.0, due_at=START + 4 * HOUR),
        ),
        stock=(),
        risks=(),
    )


def least_of_all(facts: PlanningFacts) -> float:
    """The cheapest of all plans in whole units an hour, each priced by the exact account [currency]."""
    empty = solve(build_problem(facts), number="P", created_at=START, reason="test")
    best = float("inf")
    for made in itertools.product(range(RATE + 1), repeat=HOURS):
        runs = tuple(
            PlannedRun(
                line="A0",
                product="nut",
                start=START + t * HOUR,
                end=START + (t + 1) * HOUR,
                gross_units=units,
                good_units=float(units),
                energy_kwh=0.0,
                setup=False,
                hourly_units=(float(units),),
            )
            for t, units in enumerate(made)
            if units
        )
        best = min(best, float(account(facts, replace(empty, runs=runs, maintenance=())).objective))
    return best


def planned(facts: PlanningFacts) -> Plan:
    plan = solve(build_problem(facts), number="P", created_at=START, reason="test")
    assert plan.certificate is not None
    assert plan.certificate.checked
    return plan


@pytest.mark.parametrize(
    "levels",
    [
        {"safety_stock": 2.0, "safety_cost_per_unit_h": 0.75},
        {"max_stock": 1.0, "overflow_cost_per_unit_h": 2.0},
        {"safety_stock": 1.0, "safety_cost_per_unit_h": 3.0, "max_stock": 2.0, "overflow_cost_per_unit_h": 0.5},
    ],
)
def test_plan_equals_enumeration_with_stock_levels(levels: dict[str, float]) -> None:
    facts = nuts(**levels)
    plan = planned(facts)
    # Units within an hour may be parts of one: the plan is as cheap as any in whole units an hour, or cheaper.
    best = least_of_all(facts)
    assert plan.certificate is not None
    assert plan.cost <= best + 1e-6
    assert plan.certificate.bound is not None
    assert plan.certificate.bound <= plan.cost + 1e-6
    assert plan.certificate.solver_objective == pytest.approx(plan.cost, abs=1e-4)
    assert recompute(facts_from_json(facts_to_json(facts)), plan) == plan.certificate


def test_levels_are_priced_by_hand() -> None:
    facts = nuts(safety_stock=2.0, safety_cost_per_unit_h=0.5, max_stock=3.0, overflow_cost_per_unit_h=2.0)
    idle = replace(planned(facts), runs=(), maintenance=())
    terms = dict(account(facts, idle).terms)
    # net stock 0, -3, -3, -8 at the ends of the hours: 2 + 5 + 5 + 10 units are missing
    assert float(terms["safety"]) == pytest.approx(22 * 0.5)
    assert terms["overflow"] == 0
    full = replace(
        idle,
        runs=(
            PlannedRun(
                line="A0",
                product="nut",
                start=START,
                end=START + 4 * HOUR,
                gross_units=16,
                good_units=16.0,
                energy_kwh=0.0,
                setup=False,
                hourly_units=(4.0, 4.0, 4.0, 4.0),
            ),
        ),
    )
    priced = account(facts, full)
    # net stock 4, 5, 9, 8: 1 + 2 + 6 + 5 units are beyond the room
    assert float(dict(priced.terms)["overflow"]) == pytest.approx(14 * 2.0)
    assert totals(itemise(facts, priced), By.TERM)["overflow"] == 28


@settings(max_examples=8, deadline=None)
@given(safety=st.integers(0, 4), price=st.sampled_from([0.1, 0.6, 2.0]))
def test_a_dearer_level_never_leaves_more_missing(safety: int, price: float) -> None:
    plans = [planned(nuts(safety_stock=float(safety), safety_cost_per_unit_h=factor * price)) for factor in (1.0, 3.0)]
    amounts = [{term.name: term.amount for term in plan.costs}["safety"] for plan in plans]
    assert amounts[1] / 3 <= amounts[0] + 1e-4


def test_replay_prices_levels_as_the_account_does() -> None:
    facts = nuts(safety_stock=2.0, safety_cost_per_unit_h=0.75)
    idle = replace(planned(facts), runs=(), maintenance=())  # nothing is made, so chance changes nothing
    course = replay(facts, idle, paths=20, seed=0).replay
    assert course.terms["safety"] == pytest.approx(float(dict(account(facts, idle).terms)["safety"]))


def test_without_levels_the_facts_keep_their_bytes_and_the_plan_its_terms() -> None:
    facts = nuts()
    assert b"safety_stock" not in facts_to_json(facts)
    assert {"safety", "overflow"}.isdisjoint(term.name for term in planned(facts).costs)


def test_levels_that_cannot_be_are_named() -> None:
    fields = {fault.where for fault in find_faults(nuts(safety_stock=-1.0, max_stock=-2.0))}
    assert {"products[0].safety_stock", "products[0].max_stock"} <= fields
    assert Product.__dataclass_fields__["max_stock"].default is None
