"""What failures add to the backlog, and how the worst courses weigh in the hours they take."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimizer_plants import START, demo_facts, risk, tiny_facts
from optimizer_rules import assembly_facts, short_facts

from optimizer import exact, exact_delays
from optimizer.costing import account
from optimizer.delays import lines_behind, windows_in_turn
from optimizer.facts import OngoingMaintenance, facts_from_json, facts_to_json, inputs_hash
from optimizer.ledger import By, itemise, totals
from optimizer.problem import PlanningFacts, build_problem
from optimizer.search import Found, search
from optimizer.simulate import replay
from optimizer.solve import solve
from plant.errors import ConfigError
from plant.plans import Plan


def planned(facts: PlanningFacts) -> Plan:
    """The best plan of some facts, checked."""
    plan = solve(build_problem(facts), number="P", created_at=START, reason="test")
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked
    return plan


def with_policy(facts: PlanningFacts, **changes: object) -> PlanningFacts:
    """The facts with another policy."""
    return replace(facts, policy=replace(facts.policy, **changes))  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize("seed", range(6))
def test_lines_behind_equal_the_exact_ones(seed: int) -> None:
    facts = tiny_facts(seed, lines=2, machines=2, horizon_h=8) if seed else demo_facts(2)
    if seed == 4:
        job = OngoingMaintenance(machine="A0-1", end=START + timedelta(hours=2.5))
        facts = replace(facts, ongoing=(job,))
    if seed == 5:
        facts = short_facts(5)
    behind = lines_behind(build_problem(facts))
    calendar = exact.read_calendar(facts)
    spare, fates = 1 - exact_delays._load(facts, calendar), exact_delays._fates_in_turn(facts, calendar)
    assert (behind.share > 0).any()
    for line, known in enumerate(facts.plant.lines):
        hours, share = exact_delays._line(facts, known, spare, fates)
        assert behind.hours[line] == pytest.approx(float(hours), abs=1e-9)
        assert behind.share[line] == pytest.approx([float(each) for each in share], abs=1e-9)


def test_machines_count_as_maintained_in_turn_where_that_saves_more_than_it_costs() -> None:
    facts = demo_facts(1, lines=2, crews=1)
    worn = {"L1-press": 40.0, "L2-press": 60.0, "L2-mill": 80.0}
    risks = tuple(risk(each.machine, scale_h=worn.get(each.machine, 2000.0), age_h=40.0) for each in facts.risks)
    facts = replace(facts, risks=risks)
    windows = windows_in_turn(build_problem(facts))
    assert {name for name, window in windows.items() if window != (0, 0)} == worn.keys()
    assert sorted(windows[name] for name in worn) == [(0, 3), (3, 6), (6, 10)]
    assert windows["L1-press"] == (0, 3)  # its failures cost most
    two = windows_in_turn(build_problem(with_policy(facts, crews=2)))
    assert [two[name][0] for name in ("L1-press", "L2-press")] == [0, 0]
    free = replace(facts, policy=replace(facts.policy, crews=0))
    assert set(windows_in_turn(build_problem(free)).values()) == {(0, 0)}


def test_delays_are_a_term_that_adds_up_by_product() -> None:
    facts = tiny_facts(4, machines=2, price_delays=True)
    plan = planned(facts)
    worked_out = account(facts, plan)
    term = dict(worked_out.terms)["delays"]
    assert term > 0
    ledger = itemise(facts, worked_out)
    assert totals(ledger, By.TERM)["delays"] == term
    assert {item.product for item in ledger if item.term == "delays"} <= {"nut", "bolt"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_components_that_are_late_delay_what_uses_them_alike_in_both_accounts(seed: int) -> None:
    facts = with_policy(assembly_facts(seed), price_delays=True, gap=0.0)
    problem = build_problem(facts)
    found = search(problem, time_limit_s=5.0)
    assert isinstance(found, Found)
    terms = found.model.terms["delays"]
    told = sum(cost * (variable.varValue or 0.0) for variable, cost in terms.items())
    worked_out = dict(account(facts, planned(facts)).terms)
    assert told == pytest.approx(float(worked_out["delays"]), rel=0.01)


def test_delays_vanish_when_machines_never_fail() -> None:
    facts = with_policy(tiny_facts(4, machines=2), price_delays=True)
    classes = tuple(replace(each, mtbf_h=1e12) for each in facts.plant.classes)
    facts = replace(facts, plant=replace(facts.plant, classes=classes), risks=())
    assert dict(account(facts, planned(facts)).terms)["delays"] == pytest.approx(0.0, abs=1e-6)


def test_planned_cost_comes_nearer_to_the_replayed_one() -> None:
    facts = demo_facts(1, lines=1, horizon_h=24, time_limit_s=1.0, gap=0.02)
    off = []
    for delays in (False, True):
        case = with_policy(facts, price_delays=delays)
        course = replay(case, planned(case), paths=300).replay
        off.append(abs(course.planned_cost / course.cost.mean - 1))
    assert off[1] < off[0]


def test_defaults_leave_facts_as_they_were_written() -> None:
    facts = tiny_facts(0)
    assert b"price_delays" not in facts_to_json(facts)
    asked = with_policy(facts, price_delays=True, risk_aversion=0.3)
    assert facts_from_json(facts_to_json(asked)) == asked
    assert inputs_hash(asked) != inputs_hash(facts)


@given(weight=st.floats(0, 1), tail=st.floats(0.01, 1))
def test_worst_courses_take_more_hours_alike_in_both_accounts(weight: float, tail: float) -> None:
    facts = with_policy(tiny_facts(4, machines=1), risk_aversion=weight, tail_share=tail)
    mean = build_problem(tiny_facts(4, machines=1)).machines[0].loss
    options = build_problem(facts).machines[0]
    assert (options.loss >= mean - 1e-12).all()
    assert (options.loss <= np.minimum(mean / tail, 1.0) + 1e-12).all()
    fate = exact.fate(facts, exact.read_calendar(facts), facts.plant.machines[0], start=options.starts[1])
    assert options.loss[1] == pytest.approx([float(each) for each in fate.loss], abs=1e-9)


def test_worst_tenth_of_a_chance_is_its_conditional_mean() -> None:
    """Down with chance p: the worst tenth of all courses are down in min(p / 0.1, 1) of them."""
    facts = with_policy(tiny_facts(4, machines=1), risk_aversion=1.0, tail_share=0.1)
    mean = build_problem(tiny_facts(4, machines=1)).machines[0].loss
    assert build_problem(facts).machines[0].loss == pytest.approx(np.minimum(mean * 10, 1.0))


def test_fear_of_the_worst_books_fewer_hours() -> None:
    bold, careful = (account(f, planned(f)) for f in (tiny_facts(4), with_policy(tiny_facts(4), risk_aversion=0.8)))
    assert sum(careful.available["A0"], Fraction(0)) < sum(bold.available["A0"], Fraction(0))


@pytest.mark.parametrize(
    ("field", "value"), [("risk_aversion", -0.1), ("risk_aversion", 1.5), ("tail_share", 0.0), ("tail_share", 2.0)]
)
def test_weights_outside_their_range_are_refused_by_their_name(field: str, value: float) -> None:
    with pytest.raises(ConfigError) as refused:
        build_problem(with_policy(tiny_facts(0), **{field: value}))
    assert f"planning.{field}" in str(refused.value)
