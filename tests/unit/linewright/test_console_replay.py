"""The plan page's replay: figures of this plan only, orders at risk first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "optimizer"))

from optimizer_plants import START, tiny_facts

from linewright.console.views.replay_view import replay_view
from linewright.pipeline import propose
from linewright.plan_cases import Case
from linewright.plan_replay import replay_case, replay_text


def test_replay_is_shown_for_its_own_plan_with_the_orders_at_risk() -> None:
    facts = tiny_facts(3, horizon_h=8, machines=1)
    case = Case(plan=propose(facts, number="P1", created_at=START, reason="test"), facts=facts)
    document = replay_case(case, paths=60, seed=1, time_limit_s=0.0)
    assert replay_view(document, plan="P2", currency="EUR") is None
    assert replay_view(None, plan="P1", currency="EUR") is None
    view = replay_view(document, plan="P1", currency="EUR")
    assert view is not None
    assert [title for title, _, _ in view.figures] == ["Mean cost", "Failures", "Units late", "Energy"]
    assert "60 paths" in view.note
    assert {order for order, _ in view.orders} <= set(document["replay"]["in_time"])
    assert "planned" in replay_text(document, currency="EUR")
