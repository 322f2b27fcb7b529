"""Questions to a plan: statements read safely, intervals that hold the truth, and what stands in an order's way."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_plants import START, demo_facts, tiny_facts

from optimizer.facts import PlanningFacts
from optimizer.highs import Outcome
from optimizer.problem import PlanningProblem, build_problem
from optimizer.questions import why_not
from optimizer.search import search
from optimizer.solve import solve
from optimizer.statements import FORMS, Demand, limited, read_statement
from optimizer.why_late import why_late
from plant.errors import ConfigError
from plant.plans import Plan, SolveStatus

TINY = tiny_facts(4, horizon_h=10, lines=2, machines=1)
PROBLEM = build_problem(TINY)
STATEMENTS = (
    "no maintenance",
    "no maintenance on A0",
    "no maintenance on Drill A1 0 before 11:00",
    "maintain A0-0",
    "maintain A1-0 on Sunday after 8:00",
    "no nut on A0",
    "nothing on A1 before 09:00",
    "deliver o1 in time",
)


def planned(facts: PlanningFacts) -> tuple[PlanningProblem, Plan]:
    problem = build_problem(facts)
    return problem, solve(problem, number="P", created_at=START, reason="test")


@pytest.mark.parametrize("text", STATEMENTS)
def test_interval_holds_the_true_difference_of_two_proved_optima(text: str) -> None:
    problem, plan = planned(TINY)
    answer = why_not(problem, plan, text=text, time_limit_s=5.0)
    assert answer.possible, answer.sentence
    assert answer.most is not None
    assert 0 <= answer.least <= answer.most
    statement = read_statement(text, problem)
    if statement.demand is Demand.DELIVER:
        return
    changed = limited(problem, statement)
    assert not isinstance(changed, str)
    best, forced = (search(each, time_limit_s=20.0, gap=0.0) for each in (problem, changed))
    assert not isinstance(best, Outcome)
    assert not isinstance(forced, Outcome)
    truth = forced.solution.objective + forced.constant - best.solution.objective - best.constant
    assert answer.least - 1e-6 <= truth <= answer.most + 1e-6


def test_hours_of_a_statement_are_those_of_the_plants_clock() -> None:
    statement = read_statement("nothing on A1 on Sunday before 9:00", PROBLEM)  # START is Sunday 06:00 in Vienna
    assert statement.hours == (0, 1, 2)
    assert statement.products == ("nut", "bolt")
    assert read_statement("maintain A0-0 at 12", PROBLEM).hours == (6,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello", FORMS[0]),
        ("maintain Z9", "A0-0, A1-0"),
        ("maintain A0-0 on Blursday", "a weekday"),
        ("maintain A0-0 on Monday", "a time within the plan"),
        ("no gold on A0", "nut, bolt"),
        ("nothing on B1", "A0, A1"),
        ("deliver o9 in time", "o0, o1, o2"),
        ("x" * 300, "at most 200"),
        ("__import__('os').system('true')", FORMS[0]),
    ],
)
def test_statement_that_fits_no_form_is_answered_with_what_would(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match="statement: found") as raised:
        read_statement(text, PROBLEM)
    assert told in str(raised.value)


WORDS = ("no", "maintain", "maintenance", "nothing", "deliver", "on", "at", "A0", "nut", "in", "time", "25:99")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigError):
        assert read_statement(text, PROBLEM).text


def test_maintenance_that_cannot_start_then_names_the_nearest_starts() -> None:
    problem, plan = planned(TINY)
    answer = why_not(problem, plan, text="maintain A0-0 at 08:00", time_limit_s=5.0)
    assert not answer.possible
    assert "the nearest starts are" in answer.sentence


def test_plan_that_does_so_already_costs_nothing_more() -> None:
    problem, plan = planned(TINY)
    done = next(w.machine for w in plan.maintenance)
    answer = why_not(problem, plan, text=f"maintain {done}", time_limit_s=5.0)
    assert (answer.possible, answer.least, answer.most) == (True, 0.0, 0.0)


def test_late_order_is_told_with_its_chain_and_the_price_of_being_in_time() -> None:
    facts = tiny_facts(3, horizon_h=10, lines=1, machines=1)
    first, *others = facts.orders
    crowded = replace(
        facts,
        orders=(
            replace(first, number="big", quantity=600.0, due_at=START + timedelta(hours=9), priority=3),
            *(replace(o, product=first.product, quantity=300.0, due_at=START + timedelta(hours=5)) for o in others[:1]),
        ),
    )
    problem, plan = planned(crowded)
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    late = plan.late[0]
    told = why_late(problem, plan, order=late.order, time_limit_s=5.0)
    assert told.late == late
    assert "are missing then" in told.chain[0].sentence
    hours = [link.hours for link in told.chain if link.sentence.startswith("  ")]
    due_h = (late.due_at - START) / timedelta(hours=1)
    assert sum(hours) == pytest.approx(due_h, abs=0.3)  # the line's clock hours, all accounted for
    assert told.in_time is not None
    assert told.in_time.sentence


def test_order_in_time_has_no_chain_and_an_unknown_one_is_named() -> None:
    problem, plan = planned(demo_facts(1, lines=2, horizon_h=24, time_limit_s=2.0))
    waiting = {late.order for late in plan.late}
    calm = next(o.number for o in problem.facts.orders if o.number not in waiting and o.due_at < plan.end)
    assert why_late(problem, plan, order=calm, time_limit_s=1.0).late is None
    with pytest.raises(ConfigError, match="an order that is due within the plan"):
        why_late(problem, plan, order="nobody", time_limit_s=1.0)
