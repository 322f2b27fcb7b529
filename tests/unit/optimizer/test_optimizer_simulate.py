"""Replay: exact where nothing is uncertain, true to the model's chances where it is, and fair between plans."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from optimizer_plants import START, demo_facts, tiny_facts

from optimizer.chance import Uncertainty
from optimizer.costing import account
from optimizer.facts import PlanningFacts
from optimizer.practices import Practice, plan_by
from optimizer.problem import build_problem
from optimizer.simulate import difference, replay
from optimizer.solve import solve
from plant.plans import Plan, SolveStatus

CALM = Uncertainty(rate_sd=0.0, scrap_sd=0.0)


def planned(facts: PlanningFacts) -> Plan:
    plan = solve(build_problem(facts), number="P", created_at=START, reason="test")
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    return plan


def unfailing(facts: PlanningFacts) -> PlanningFacts:
    classes = tuple(replace(each, mtbf_h=1e12) for each in facts.plant.classes)
    return replace(facts, plant=replace(facts.plant, classes=classes), risks=())


@pytest.mark.parametrize("seed", range(4))
def test_replay_costs_what_was_planned_where_nothing_is_uncertain(seed: int) -> None:
    facts = unfailing(tiny_facts(seed, horizon_h=10, lines=2, machines=1))
    plan = planned(facts)
    course = replay(facts, plan, paths=3, uncertainty=CALM)
    assert course.costs == pytest.approx(np.full(3, float(account(facts, plan).objective)), rel=1e-6)
    late = {order.order for order in plan.late if order.units_late >= 0.5}
    assert {order for order, chance in course.replay.in_time.items() if chance == 0.0} == late
    assert course.replay.peak_kw.mean == pytest.approx(plan.peak_kw, rel=1e-6)


def test_failures_of_the_replay_are_those_that_the_model_expects() -> None:
    facts = demo_facts(1, lines=2, horizon_h=24, time_limit_s=1.0)
    plan = planned(facts)
    expected = sum(float(sum(fate.failures)) for fate in account(facts, plan).fates.values())
    course = replay(facts, plan, paths=4000, uncertainty=CALM)
    assert course.replay.failures == pytest.approx(expected, rel=0.06)
    assert course.replay.terms["failures"] == pytest.approx(dict(account(facts, plan).terms)["failures"], rel=0.06)


def test_terms_that_are_linear_in_availability_are_near_the_replayed_means() -> None:
    """Backlog and peak are convex: the plan, which sees expected hours only, counts them too low."""
    facts = demo_facts(1, horizon_h=24, time_limit_s=1.0)
    plan = planned(facts)
    course = replay(facts, plan, paths=2000, uncertainty=CALM)
    amounts = {term.name: term.amount for term in plan.costs}
    for name in ("setups", "scrap", "holding", "energy", "co2", "maintenance"):
        assert amounts[name] == pytest.approx(course.replay.terms[name], rel=0.05), name
    assert amounts["backlog"] <= course.replay.terms["backlog"] + 1e-6


def test_same_seed_gives_the_same_luck_whatever_the_plan() -> None:
    facts = demo_facts(2, lines=2, horizon_h=24, time_limit_s=1.0)
    plan = planned(facts)
    one, again = (replay(facts, plan, paths=50, seed=7) for _ in range(2))
    assert np.array_equal(one.costs, again.costs)
    assert difference(one, again).mean == 0.0
    assert not np.array_equal(one.costs, replay(facts, plan, paths=50, seed=8).costs)
    later = replace(plan, maintenance=tuple(replace(w, start=w.start, end=w.end) for w in plan.maintenance[:0]))
    other = replay(facts, later, paths=50, seed=7)
    assert np.corrcoef(one.costs, other.costs)[0, 1] > 0.2  # the same machines break on the same paths


def test_worse_hazards_cost_more_and_make_orders_later() -> None:
    facts = demo_facts(3, lines=2, horizon_h=24, time_limit_s=1.0)
    plan = planned(facts)
    costs = []
    for scale in (1.0, 0.2, 0.05):
        classes = tuple(replace(each, mtbf_h=each.mtbf_h * scale) for each in facts.plant.classes)
        worse = replace(facts, plant=replace(facts.plant, classes=classes), risks=())
        costs.append(replay(worse, plan, paths=400, uncertainty=CALM).replay)
    assert all(b.cost.mean > a.cost.mean for a, b in pairwise(costs))
    assert all(sum(b.in_time.values()) <= sum(a.in_time.values()) for a, b in pairwise(costs))


def test_every_practice_gets_a_checked_plan_with_its_own_way_of_maintenance() -> None:
    facts = demo_facts(1, lines=2, horizon_h=24, time_limit_s=0.5)
    old = replace(facts, risks=tuple(replace(risk, age_h=195.0) for risk in facts.risks))
    plan = planned(old)
    others = {practice: plan_by(practice, old, like=plan, time_limit_s=1.0) for practice in Practice}
    assert all(other is not None for other in others.values())
    windows = {practice: {w.machine for w in other.maintenance} for practice, other in others.items() if other}
    assert windows[Practice.AS_TODAY] == windows[Practice.RISK_BLIND] == set()
    assert windows[Practice.CALENDAR] == {"L1-press", "L2-press"}  # those of 400 h between failures
    assert "L2-press" in {w.machine for w in plan.maintenance}
