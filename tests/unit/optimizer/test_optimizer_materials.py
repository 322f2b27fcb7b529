"""Components, lead times, rework, scrap that is sold: balanced in the plan and its account, and against enumeration."""

from dataclasses import replace
from datetime import timedelta

import pytest
from optimizer_enumeration import least_cost
from optimizer_plants import START, tiny_facts
from optimizer_rules import assembly_facts, planned

from optimizer.certify import check_rules, recompute
from optimizer.costing import account
from optimizer.exact_stock import supplies
from optimizer.formulation import formulate
from optimizer.inputs import changed_inputs
from optimizer.ledger import itemise
from optimizer.problem import build_problem
from optimizer.simulate import replay
from optimizer.validate import find_faults
from plant.plans import SolveStatus
from plant.production import Component, Stock

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("seed", range(8))
def test_plan_with_components_and_rework_equals_enumeration(seed: int) -> None:
    facts = assembly_facts(seed)
    plan = planned(facts)
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked, plan.headline
    assert plan.certificate.solver_objective == pytest.approx(least_cost(facts), rel=1e-9)
    assert recompute(facts, plan) == plan.certificate
    worked_out = account(facts, plan)
    assert sum(itemise(facts, worked_out).values()) == worked_out.objective
    assert min(left for name in ("blank", "bolt-again") for left in supplies(facts, worked_out.units)[name]) > -1e-4


def test_some_plan_reworks_and_some_makes_what_it_uses() -> None:
    made = [{run.product for run in planned(assembly_facts(seed)).runs} for seed in range(8)]
    assert any("bolt-again" in products for products in made)
    assert any({"bolt", "blank"} <= products for products in made)


def test_no_more_is_made_than_there_are_components() -> None:
    facts = assembly_facts(0)
    bolts = replace(facts.orders[0], product="bolt", quantity=60.0, due_at=START + 5 * HOUR)
    without = tuple(c for c in facts.capabilities if c.product != "blank")
    plan = planned(
        replace(facts, orders=(bolts,), capabilities=without, stock=(Stock(product="blank", quantity=41.0),))
    )
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert sum(run.gross_units for run in plan.runs if run.product == "bolt") == 20
    assert plan.late


def test_deadline_that_components_do_not_allow_is_told() -> None:
    facts = assembly_facts(0)
    bolts = replace(facts.orders[0], product="bolt", quantity=40.0, due_at=START + 5 * HOUR)
    without = tuple(c for c in facts.capabilities if c.product != "blank")
    hard = replace(bolts, deadline_at=bolts.due_at)
    plan = planned(replace(facts, orders=(hard,), capabilities=without, stock=()))
    assert plan.status is SolveStatus.INFEASIBLE
    assert plan.repairs[0].amount == pytest.approx(40.0)


def test_check_finds_components_that_are_not_there() -> None:
    facts = assembly_facts(3)
    plan = planned(facts)
    assert any(run.product == "bolt" for run in plan.runs)
    bare = replace(facts, stock=(), capabilities=tuple(c for c in facts.capabilities if c.product != "blank"))
    kept = replace(plan, runs=tuple(run for run in plan.runs if run.product == "bolt"))
    broken = {check.rule for check in check_rules(bare, kept, account(bare, kept)) if not check.holds}
    assert "components" in broken


def test_scrap_that_is_sold_earns_in_a_term_of_its_own() -> None:
    facts = tiny_facts(3, machines=1)
    sold = replace(facts, products=tuple(replace(p, scrap_value=0.08) for p in facts.products))
    plan = planned(sold)
    costs = {term.name: term.amount for term in plan.costs}
    assert costs["recovery"] == pytest.approx(-0.8 * costs["scrap"])
    assert "recovery" not in {term.name for term in planned(facts).costs}
    course = replay(sold, plan, paths=40)
    assert course.replay.terms["recovery"] == pytest.approx(costs["recovery"], rel=0.5)


def test_programs_without_components_have_no_row_of_them() -> None:
    rules = formulate(build_problem(tiny_facts(0))).rules
    assert not any(name.startswith("delivered|") for name in rules)


def test_facts_name_materials_that_do_not_fit() -> None:
    facts = assembly_facts(0)
    blank, bolt, again = facts.products
    circle = replace(blank, components=(Component(product="bolt", quantity=1.0),))
    wrong = replace(again, reworks="blank again", components=(Component(product="screw", quantity=0.0),))
    where = [fault.where for fault in find_faults(replace(facts, products=(circle, bolt, wrong)))]
    assert where == [
        "products[0].components",
        "products[1].components",
        "products[2].components[0].quantity",
        "products[2].components[0].product",
        "products[2].reworks",
        "products[2].components",
    ]
    order = replace(facts.orders[0], product="bolt-again")
    assert [fault.where for fault in find_faults(replace(facts, orders=(order,)))] == ["products[2].reworks"]


def test_a_changed_bill_of_materials_is_told_as_a_reason() -> None:
    facts = assembly_facts(0)
    blank, bolt, again = facts.products
    dearer = replace(bolt, components=(Component(product="blank", quantity=3.0),), hard_min_stock=5.0)
    (change,) = changed_inputs(facts, replace(facts, products=(blank, dearer, again)))
    assert (change.kind, change.product) == ("product", "bolt")
    assert change.sentence == f"{bolt.label}: hard min stock 5 instead of None; components changed."
