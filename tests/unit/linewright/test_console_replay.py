"""The plan page's replay: figures of this plan only, orders at risk first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "optimizer"))

import pytest
from optimizer_plants import START, tiny_facts

from linewright.console.views.replay_view import replay_view
from linewright.pipeline import propose
from linewright.plan_cases import Case
from linewright.plan_replay import expected_of, replay_case, replay_text
from linewright.plan_text import as_text
from optimizer.practices import Practice


def test_replay_is_shown_for_its_own_plan_with_the_orders_at_risk() -> None:
    facts = tiny_facts(3, horizon_h=8, machines=1)
    case = Case(plan=propose(facts, number="P1", created_at=START, reason="test"), facts=facts)
    document = replay_case(case, paths=60, seed=1, time_limit_s=0.0)
    assert replay_view(document, plan="P2", currency="EUR") is None
    assert replay_view(None, plan="P1", currency="EUR") is None
    view = replay_view(document, plan="P1", currency="EUR")
    assert view is not None
    assert [title for title, _, _ in view.figures] == ["Mean cost", "Failures", "Units late", "Energy"]
    assert "60 times" in view.note
    assert len(view.sentences) == 1
    assert "On average" in view.sentences[0]
    assert {order for order, _, _ in view.orders} <= set(document["replay"]["in_time"])
    assert "planned" in replay_text(document, currency="EUR")


def test_planned_cost_is_never_shown_without_the_expected_one_beside_it() -> None:
    facts = tiny_facts(3, horizon_h=8, machines=1)
    case = Case(plan=propose(facts, number="P1", created_at=START, reason="test"), facts=facts)
    document = replay_case(case, paths=60, seed=1, time_limit_s=0.0)
    expected = expected_of(document, case.plan)
    assert expected is not None
    assert expected.mean == document["replay"]["cost"]["mean"]
    amounts = {term.name: term.amount for term in case.plan.costs}
    assert expected.more == pytest.approx(document["replay"]["terms"][expected.term] - amounts[expected.term])
    text = as_text(case.plan, plant=facts.plant, expected=expected)
    assert f"{expected.mean:,.0f} on average" in text
    assert f"{case.plan.cost:12,.2f}" in text
    view = replay_view(document, plan="P1", currency="EUR")
    assert view is not None
    assert view.expected.startswith(f"{expected.mean:,.0f}"[:3])
    assert "planned cost" in view.against_planned
    assert expected_of({**document, "plan": "P2"}, case.plan) is None
    assert expected_of(None, case.plan) is None


@pytest.mark.parametrize(
    ("mean", "error", "words"),
    [
        (100.0, 10.0, "costs 100 EUR more on average (80 to 120"),
        (-100.0, 10.0, "costs 100 EUR less on average (80 to 120"),
        (10.0, 10.0, "may be chance"),
    ],
)
def test_replay_says_what_doing_as_today_costs(mean: float, error: float, words: str) -> None:
    facts = tiny_facts(3, horizon_h=8, machines=1)
    case = Case(plan=propose(facts, number="P1", created_at=START, reason="test"), facts=facts)
    document = replay_case(case, paths=60, seed=1, time_limit_s=0.0)
    other = {"practice": Practice.AS_TODAY.value, "words": "as today", "cost": {"mean": 1.0}}
    document["others"] = [{**other, "more": {"mean": mean, "error": error}}]
    view = replay_view(document, plan="P1", currency="EUR")
    assert view is not None
    assert words in view.sentences[1]
