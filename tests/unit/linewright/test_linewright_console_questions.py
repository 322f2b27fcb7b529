"""What the Questions page asks and shows: statements of the picker, prices and bridges in rows."""

from datetime import UTC, datetime, timedelta
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.simulator.canonical import demo_facts
from linewright.console.charts import LIGHT
from linewright.console.question_charts import bridge_chart
from linewright.console.views.question_view import (
    Choice,
    Form,
    Kind,
    bridge_rows,
    condensed,
    price_rows,
    statement,
)
from optimizer.facts import PlanningFacts
from optimizer.problem import PlanningProblem, build_problem
from optimizer.statements import Demand, read_statement
from plant.production import PlanningPolicy

START = datetime(2026, 11, 23, 6, tzinfo=UTC)
DEMANDS = {
    Form.SPARE: Demand.SPARE,
    Form.MAINTAIN: Demand.MAINTAIN,
    Form.STOP: Demand.STOP,
    Form.IDLE: Demand.STOP,
    Form.DELIVER: Demand.DELIVER,
}


@pytest.fixture(scope="module")
def problem() -> PlanningProblem:
    demo = demo_facts(START)
    return build_problem(
        PlanningFacts(
            plant=demo.plant,
            products=demo.products,
            capabilities=demo.capabilities,
            orders=demo.orders,
            stock=demo.stock,
            calendar=demo.calendar,
            tariff=demo.tariff,
            policy=PlanningPolicy(),
            risks=(),
            start=START,
        )
    )


@pytest.mark.parametrize("form", list(Form))
def test_every_form_of_the_picker_is_a_statement_that_the_planner_reads(form: Form, problem: PlanningProblem) -> None:
    facts = problem.facts
    made = next(c for c in facts.capabilities if c.line == "L2")
    place = "L2-press" if form is Form.MAINTAIN else "L2"
    for day, after, before in product(("", "2026-11-24"), (None, 6), (None, 9)):
        choice = Choice(
            form=form,
            place=place,
            product=made.product,
            order=facts.orders[0].number,
            day=day,
            after=after,
            before=before,
        )
        text, missing = statement(choice)
        assert not missing
        assert read_statement(text, problem).demand is DEMANDS[form]


@given(st.sampled_from(Form), st.integers(0, 23), st.integers(1, 23))
def test_picker_names_the_field_when_the_hours_are_turned_around(form: Form, after: int, before: int) -> None:
    choice = Choice(form=form, place="L2", product="gear", order="O-1", after=after, before=before)
    text, missing = statement(choice)
    assert bool(text) is not bool(missing)
    assert ("before" in missing) is (after >= before)


def test_prices_of_hours_that_follow_each_other_share_a_row(problem: PlanningProblem) -> None:
    def price(hour: int, saves: float) -> dict[str, object]:
        start = START + timedelta(hours=hour)
        return {
            "scarce": "capacity",
            "entity": "L2",
            "start": start.isoformat(),
            "end": (start + timedelta(hours=1)).isoformat(),
            "saves": saves,
            "holds_up_to": 0.5,
        }

    stock = {"scarce": "stock", "entity": "gear", "start": "", "end": "", "saves": 3.0, "holds_up_to": 12.0}
    rows = price_rows(
        [price(1, 101.0), price(0, 100.0), price(5, 20.0), stock], plant=problem.facts.plant, products={"gear": "Gear"}
    )
    assert rows == [
        ("1 hour more of Line 2", "Mon 23 Nov 07:00 to 09:00", "100.0 to 101.0 EUR", "the first 30 min"),
        ("1 hour more of Line 2", "Mon 23 Nov 12:00 to 13:00", "20.00 EUR", "the first 30 min"),
        ("1 unit more of Gear on hand", "at the start", "3.00 EUR", "the first 12 units"),
    ]


def test_bridge_adds_up_by_every_side_when_condensed(problem: PlanningProblem) -> None:
    bridge = [
        {"term": "energy", "line": "L1", "product": "", "day": "2026-11-23", "amount": 40.0},
        {"term": "backlog", "line": "", "product": "gear", "day": "2026-11-24", "amount": -15.0},
        {"term": "energy", "line": "L2", "product": "", "day": "2026-11-24", "amount": 5.0},
    ]
    kept = condensed(Kind.COMPARE, {"before": 100.0, "now": 130.0, "bridge": bridge})
    assert "bridge" not in kept
    assert msgspec.json.decode(msgspec.json.encode(kept))["by"]["term"] == [["energy", 45.0], ["backlog", -15.0]]
    for side in ("term", "line", "product", "day"):
        rows = bridge_rows(kept, side=side, plant=problem.facts.plant, products={"gear": "Gear"})
        assert sum(amount for _, amount in rows) == pytest.approx(30.0)
    assert bridge_rows(kept, side="line", plant=problem.facts.plant, products={})[0][0] == "Line 1"
    assert bridge_rows(kept, side="day", plant=problem.facts.plant, products={})[0][0] == "Mon 23 Nov"


@given(st.floats(-1e5, 1e5), st.lists(st.floats(-1e4, 1e4), max_size=6))
def test_bridge_chart_begins_and_ends_at_the_costs(before: float, moves: list[float]) -> None:
    rows = [(f"t{n}", amount) for n, amount in enumerate(moves)]
    now = before + sum(moves)
    chart = bridge_chart(rows, before=before, now=now, names=("earlier", "this"), palette=LIGHT)
    hidden, bars = chart["series"][0]["data"], chart["series"][1]["data"]
    assert len(hidden) == len(bars) == len(moves) + 2 == len(chart["xAxis"]["data"])
    assert hidden[0] + bars[0]["value"] == pytest.approx(before)
    assert hidden[-1] + bars[-1]["value"] == pytest.approx(now)
