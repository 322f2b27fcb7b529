"""Changing over from family to family in order: time and cost of each pair, from the state at the start on."""

from dataclasses import replace
from datetime import timedelta

import pytest
from optimizer_enumeration import least_cost
from optimizer_plants import START, tiny_facts
from optimizer_rules import all_rules_facts, changing_facts, planned, with_changeovers

from optimizer.certify import check_rules, recompute
from optimizer.chance import Uncertainty
from optimizer.costing import account
from optimizer.facts import FixedMaintenance, PlanningFacts, facts_from_json, facts_to_json, inputs_hash
from optimizer.formulation import formulate
from optimizer.ledger import itemise
from optimizer.prices import Scarce, fixed_program, shadow_prices
from optimizer.problem import build_problem
from optimizer.simulate import replay
from optimizer.validate import find_faults
from optimizer.why_late import why_late
from plant.plans import Plan, PlannedChangeover, SolveStatus
from plant.production import Changeover, SetUpFor


@pytest.mark.parametrize("seed", range(2))
def test_plan_with_changeovers_equals_enumeration(seed: int) -> None:
    facts = changing_facts(seed)
    plan = planned(facts)
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked
    assert plan.certificate.solver_objective == pytest.approx(least_cost(facts), rel=1e-9)
    worked_out = account(facts, plan)
    assert "changeovers" in {name for name, _ in worked_out.terms}
    assert sum(itemise(facts, worked_out).values()) == worked_out.objective
    assert recompute(facts, plan) == plan.certificate


@pytest.mark.parametrize("seed", [1])
def test_plan_with_changeovers_and_every_rule_equals_enumeration(seed: int) -> None:
    facts = with_changeovers(all_rules_facts(seed), seed)
    expected = least_cost(facts)
    plan = planned(facts)
    if expected == float("inf"):
        assert plan.status is SolveStatus.INFEASIBLE
        return
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked
    assert plan.certificate.solver_objective == pytest.approx(expected, rel=1e-9)


def two_orders(**changes: object) -> PlanningFacts:
    """A line set up for `thread` that owes bolts of `smooth` first, then nuts of `thread`."""
    facts = changing_facts(0)
    nut = next(order for order in facts.orders)
    orders = (
        replace(nut, number="b", product="bolt", quantity=30.0, due_at=START + timedelta(hours=2)),
        replace(nut, number="n", product="nut", quantity=30.0, due_at=START + timedelta(hours=5)),
    )
    pairs = (("thread", "smooth", 0.25, 11.0), ("smooth", "thread", 1.5, 5.0))
    return replace(
        facts,
        orders=orders,
        stock=(),
        changeovers=tuple(Changeover(line="A0", before=a, after=b, hours=h, cost=c) for a, b, h, c in pairs),
        set_up_for=(SetUpFor(line="A0", family="thread"),),
        **changes,
    )


def broken(facts: PlanningFacts, plan: Plan) -> set[str]:
    return {check.rule for check in check_rules(facts, plan, account(facts, plan)) if not check.holds}


def moved(plan: Plan, **changes: object) -> Plan:
    """The plan with another first changeover."""
    first, *rest = plan.changeovers
    return replace(plan, changeovers=(replace(first, **changes), *rest))


def test_changes_are_told_in_order_from_the_state_at_the_start() -> None:
    plan = planned(two_orders())
    assert [(each.before, each.after) for each in plan.changeovers][:1] == [("thread", "smooth")]
    costs = {term.name: term.amount for term in plan.costs}
    ways = {("thread", "smooth"): 11.0, ("smooth", "thread"): 5.0}
    told = [ways.get((each.before, each.after), 22.0) for each in plan.changeovers]
    assert costs["changeovers"] == sum(told) > 0
    assert "families" not in costs


def test_a_change_longer_than_an_hour_takes_the_following_hours() -> None:
    facts = two_orders()
    worked_out = account(facts, planned(facts))
    long = [change for change in worked_out.changes if (change.before, change.after) == ("smooth", "thread")]
    assert long
    for change in long:
        assert [float(part) for part in change.takes.values()] == [1.0, 0.5]
        made = {t for _, _, t in worked_out.units}
        assert change.hour not in made
    assert broken(facts, planned(facts)) == set()


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"before": "smooth"}, {"changeovers"}),
        ({"after": "thread"}, {"changeovers", "family_runs", "costs"}),
        ({"after": "nothing"}, {"changeovers", "family_runs", "costs"}),
        ({"start": START + timedelta(hours=9)}, {"changeovers", "family_runs"}),
        ({"line": "B9"}, {"changeovers", "family_runs", "costs"}),
    ],
)
def test_check_finds_changes_that_cannot_be(changes: dict[str, object], rules: set[str]) -> None:
    facts = two_orders()
    plan = planned(facts)
    assert broken(facts, plan) == set()
    assert broken(facts, moved(plan, **changes)) & rules


def test_check_finds_a_change_left_out_and_hours_too_long() -> None:
    facts = two_orders()
    plan = planned(facts)
    assert "family_runs" in broken(facts, replace(plan, changeovers=()))
    longer = replace(facts, changeovers=tuple(replace(each, hours=1.0) for each in facts.changeovers))
    assert "changeover_hours" in broken(longer, plan)
    told = PlannedChangeover(line="A0", before="thread", after="smooth", start=START, end=START)
    assert "changeovers" in broken(facts, replace(plan, changeovers=(told, *plan.changeovers)))


def test_no_line_changes_over_during_maintenance() -> None:
    facts = two_orders()
    plan = planned(facts)
    window = plan.changeovers[0].start.replace(minute=0, second=0, microsecond=0)
    away = replace(facts.plant.classes[0], maintenance_h=1.0)
    maintained = replace(facts, plant=replace(facts.plant, classes=(away, *facts.plant.classes[1:])))
    machine = facts.plant.lines[0].machines[0].name
    fixed = replace(maintained, fixed_maintenance=(FixedMaintenance(machine=machine, starts=(window,)),))
    found = planned(fixed)
    assert found.certificate is not None
    assert found.certificate.checked
    assert all(not window <= each.start < window + timedelta(hours=1) for each in found.changeovers)


def test_accepted_plan_tells_what_a_line_is_set_up_for() -> None:
    facts = two_orders()
    earlier = planned(facts)
    later = replace(facts, start=START + timedelta(hours=4), previous=earlier, policy=replace(facts.policy, frozen_h=1))
    last = max((each.start, each.after) for each in earlier.changeovers)[1]
    runs = [run for run in earlier.runs if run.start < later.start]
    assert last == {"nut": "thread", "bolt": "smooth", "washer": "stud"}[max(runs, key=lambda run: run.start).product]
    plan = planned(later)
    assert plan.certificate is not None
    assert plan.certificate.checked
    told = [each for each in plan.changeovers if each.line == "A0"]
    assert not told or told[0].before == last
    assert later == facts_from_json(facts_to_json(later))


def test_frozen_hours_keep_their_changes() -> None:
    facts = two_orders()
    earlier = planned(facts)
    again = planned(replace(facts, previous=earlier, policy=replace(facts.policy, frozen_h=4)))
    assert again.certificate is not None
    assert again.certificate.checked
    early = START + timedelta(hours=4)
    assert [e.after for e in again.changeovers if e.start < early] == [
        e.after for e in earlier.changeovers if e.start < early
    ]


def test_replay_without_failures_costs_what_the_plan_says() -> None:
    facts = two_orders()
    plant = replace(facts.plant, classes=tuple(replace(each, mtbf_h=1e12) for each in facts.plant.classes))
    facts = replace(facts, plant=plant, risks=())
    plan = planned(facts)
    sure = Uncertainty(rate_sd=0.0, scrap_sd=0.0)
    assert replay(facts, plan, paths=4, uncertainty=sure).replay.cost.mean == pytest.approx(plan.cost, rel=1e-7)
    told = replay(facts, plan, paths=50).replay
    assert told.terms["changeovers"] == pytest.approx(account(facts, plan).terms[1][1])


def test_plan_is_a_solution_of_its_program() -> None:
    facts = two_orders()
    problem = build_problem(facts)
    assert fixed_program(problem, formulate(problem), planned(facts)) is not None


def test_facts_without_changeovers_keep_hash_and_program() -> None:
    facts = tiny_facts(0)
    assert b"changeovers" not in facts_to_json(facts)
    later = replace(facts, previous=planned(facts))
    assert b"changeovers" not in facts_to_json(later)
    assert inputs_hash(facts_from_json(facts_to_json(later))) == inputs_hash(later)
    model = formulate(build_problem(facts))
    assert not model.state
    assert not any("changeover" in name or "family" in name for name in (*model.rules, *model.terms))


def test_facts_name_changeovers_that_do_not_fit() -> None:
    facts = two_orders()
    one = facts.changeovers[0]

    def where(**changes: object) -> list[str]:
        return [each.where for each in find_faults(replace(facts, changeovers=(replace(one, **changes),)))]

    assert where(line="B9") == ["changeovers[0].line", "set_up_for[0].line"]
    assert where(before="rough") == ["changeovers[0].before"]
    assert where(after="rough") == ["changeovers[0].after"]
    assert where(after="thread") == ["changeovers[0].after"]
    assert where(hours=-0.5) == ["changeovers[0].hours"]
    assert where(hours=5.5) == ["changeovers[0].hours"]
    assert where(cost=float("nan")) == ["changeovers[0].cost"]
    twice = replace(facts, changeovers=(one, one), set_up_for=(SetUpFor(line="A0", family="rough"),))
    assert [each.where for each in find_faults(twice)] == ["changeovers", "set_up_for[0].family"]
    bare = replace(
        facts, products=tuple(replace(p, family="" if p.name == "washer" else p.family) for p in facts.products)
    )
    assert "capabilities[2].product" in [each.where for each in find_faults(bare)]


def test_infeasible_plan_names_the_changeovers_that_leave_no_time() -> None:
    facts = two_orders()
    hard = tuple(
        replace(order, quantity=20.0, due_at=START + timedelta(hours=2), deadline_at=START + timedelta(hours=2))
        for order in facts.orders
    )
    slow = tuple(replace(each, hours=1.7) for each in facts.changeovers)
    plan = planned(replace(facts, orders=hard, changeovers=slow))
    assert plan.status is SolveStatus.INFEASIBLE
    told = {conflict.rule: conflict.sentence for conflict in plan.conflicts}
    assert "changeovers|A0|horizon" in told
    assert "changes over at most once an hour, which takes up to 1.7 h" in told["changeovers|A0|horizon"]
    quick = tuple(replace(each, hours=0.0) for each in facts.changeovers)
    assert planned(replace(facts, orders=hard, changeovers=quick)).status is not SolveStatus.INFEASIBLE


def test_questions_about_a_plan_count_its_changeovers() -> None:
    facts = two_orders()
    late = replace(facts, orders=tuple(replace(order, quantity=4.0 * order.quantity) for order in facts.orders))
    plan = planned(late)
    assert plan.late
    problem = build_problem(late)
    told = why_late(problem, plan, order=plan.late[0].order, time_limit_s=1.0)
    assert "changing over from family to family" in str(told)
    prices = [price for price in shadow_prices(problem, plan) if price.scarce is Scarce.CAPACITY]
    assert prices, "an hour more of a line that is late saves something"
