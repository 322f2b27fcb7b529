"""Overtime: hours outside the shifts are worked where they are worth their price, and no more of them than allowed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from optimizer_enumeration import least_cost
from optimizer_plants import START
from optimizer_rules import planned, short_facts

from optimizer.certify import check_rules, recompute
from optimizer.costing import account
from optimizer.formulation import formulate
from optimizer.ledger import itemise
from optimizer.problem import build_problem
from optimizer.simulate import replay
from optimizer.validate import find_faults
from plant.plans import SolveStatus
from plant.production import Overtime

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("seed", range(6))
def test_plan_with_overtime_equals_enumeration(seed: int) -> None:
    facts = short_facts(seed)
    plan = planned(facts)
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked, plan.headline
    assert plan.certificate.solver_objective == pytest.approx(least_cost(facts), rel=1e-9)
    assert recompute(facts, plan) == plan.certificate
    worked_out = account(facts, plan)
    assert sum(itemise(facts, worked_out).values()) == worked_out.objective


def test_overtime_is_worked_up_to_its_limit_and_paid() -> None:
    facts = short_facts(0, cost_per_h=1.0)
    facts = replace(facts, orders=tuple(replace(order, quantity=10 * order.quantity) for order in facts.orders))
    plan = planned(facts)
    (hours,) = account(facts, plan).overtime.values()
    assert float(hours) == pytest.approx(1.5, abs=0.05)
    costs = {term.name: term.amount for term in plan.costs}
    assert costs["overtime"] == pytest.approx(float(hours))
    assert replay(facts, plan, paths=20).replay.terms["overtime"] == pytest.approx(costs["overtime"], rel=0.05)


def test_dear_overtime_is_not_worked() -> None:
    facts = short_facts(0, cost_per_h=1e5)
    (hours,) = account(facts, planned(facts)).overtime.values()
    assert hours == 0


def test_check_finds_more_overtime_than_allowed() -> None:
    plan = planned(short_facts(0, cost_per_h=1.0))
    tight = short_facts(0, cost_per_h=1.0, most_h=0.5)
    broken = {check.rule for check in check_rules(tight, plan, account(tight, plan)) if not check.holds}
    assert broken == {"overtime"}


def test_deadline_that_takes_more_overtime_is_repaired_by_it() -> None:
    facts = short_facts(0, most_h=0.5)
    rate = max(c.rate_per_h for c in facts.capabilities if c.product == "nut")
    order = replace(facts.orders[0], product="nut", quantity=float(int(4 * rate)), due_at=START + 6 * HOUR)
    plan = planned(replace(facts, orders=(replace(order, deadline_at=order.due_at),)))
    assert plan.status is SolveStatus.INFEASIBLE
    repair = next(each for each in plan.repairs if "overtime" in each.sentence)
    assert repair.amount == 23.5
    assert repair.cost is not None


def test_programs_without_overtime_have_no_row_of_it() -> None:
    closed = replace(short_facts(0), calendar=replace(short_facts(0).calendar, overtime=()))
    model = formulate(build_problem(closed))
    assert not any(name.startswith("overtime|") for name in model.rules)
    assert "overtime" not in model.terms


def test_facts_name_overtime_that_does_not_fit() -> None:
    facts = short_facts(0)
    overtime = (Overtime(line="X", cost_per_h=-1.0, most_h_per_day=25.0),) * 2
    where = [fault.where for fault in find_faults(replace(facts, calendar=replace(facts.calendar, overtime=overtime)))]
    assert where[0] == "calendar.overtime"
    assert where[1:4] == [f"calendar.overtime[0].{name}" for name in ("line", "cost_per_h", "most_h_per_day")]
