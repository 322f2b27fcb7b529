"""Families of products: a line changes to a family once per shift, on top of its products' own setups."""

from dataclasses import replace

import pytest
from optimizer_enumeration import least_cost
from optimizer_plants import tiny_facts
from optimizer_rules import family_facts, planned

from optimizer.certify import check_rules
from optimizer.costing import account
from optimizer.formulation import formulate
from optimizer.ledger import itemise
from optimizer.problem import build_problem
from optimizer.rounding import Schedule
from optimizer.sequence import runs_of
from optimizer.validate import find_faults


@pytest.mark.parametrize("seed", range(6))
def test_plan_with_families_equals_enumeration(seed: int) -> None:
    facts = family_facts(seed)
    plan = planned(facts)
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked
    assert plan.certificate.solver_objective == pytest.approx(least_cost(facts), rel=1e-9)
    worked_out = account(facts, plan)
    assert {name for name, _ in worked_out.terms} >= {"families", "setups"}
    assert sum(itemise(facts, worked_out).values()) == worked_out.objective


def test_two_products_of_a_family_take_its_setup_once() -> None:
    facts = family_facts(1)
    orders = (
        replace(facts.orders[0], number="n", product="nut", quantity=20.0),
        replace(facts.orders[0], number="w", product="washer", quantity=20.0),
    )
    plan = planned(replace(facts, orders=orders, stock=()))
    costs = {term.name: term.amount for term in plan.costs}
    assert costs["families"] == 22.0
    assert costs["setups"] == 15.0 + 4.0


def test_check_counts_the_hours_of_a_family() -> None:
    facts = family_facts(1)
    plan = planned(facts)
    longer = replace(facts, capabilities=tuple(replace(c, family_setup_h=9.0) for c in facts.capabilities))
    broken = {check.rule for check in check_rules(longer, plan, account(longer, plan)) if not check.holds}
    assert broken == {"shift_hours"}


def test_products_of_a_family_follow_each_other_within_an_hour() -> None:
    problem = build_problem(family_facts(1))
    grains = {(0, 0): 1, (1, 0): 1, (2, 0): 1, (1, 1): 1, (2, 1): 1}
    order = [run[0][0] for run in runs_of(problem, Schedule(grains=grains, chosen=()), 0)]
    assert order[:3] in ([0, 2, 1], [1, 0, 2], [2, 0, 1], [1, 2, 0])


def test_programs_without_families_have_no_row_of_them() -> None:
    rules = formulate(build_problem(tiny_facts(0))).rules
    assert not any(name.startswith("family|") for name in rules)


def test_facts_name_families_that_do_not_fit() -> None:
    facts = family_facts(0)
    one, two, three = facts.capabilities
    odd = replace(facts, capabilities=(one, two, replace(three, family_setup_h=1.0)))
    assert [fault.where for fault in find_faults(odd)] == ["capabilities[2].family_setup_h"]
    none = replace(facts, products=tuple(replace(p, family="") for p in facts.products))
    assert len(list(find_faults(none))) == 3
