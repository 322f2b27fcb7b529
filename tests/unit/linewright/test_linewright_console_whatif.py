"""Scenarios as the What-if page composes them: read by the planner, faults beside their fields, how real they are."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.simulator.canonical import demo_facts
from linewright.console.views.whatif_view import (
    BLANKS,
    SCENARIO_NAME,
    TITLES,
    Change,
    Draft,
    objections,
    outcome_rows,
    reality,
    scenario_document,
)
from linewright.settings.loading import load
from linewright.settings.site import Site
from linewright.settings.template import write_template
from optimizer.facts import PlanningFacts
from optimizer.scenarios import Scenario, patched, read_scenarios
from plant.production import PlanningPolicy

START = datetime(2026, 11, 23, 6, tzinfo=UTC)
CHOSEN = {"machine": "L2-press", "line": "L1", "any line": "", "product": "gear", "hour": "2026-11-23T12:00:00+01:00"}


@pytest.fixture(scope="module")
def facts() -> PlanningFacts:
    demo = demo_facts(START)
    return PlanningFacts(
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return load(write_template(tmp_path_factory.mktemp("site")), {})


def draft(change: Change, **values: str) -> Draft:
    usual = {blank.name: blank.default or CHOSEN.get(blank.choices, "") for blank in BLANKS[change]}
    return Draft(change=change, name=TITLES[change], values={**usual, **values})


@pytest.mark.parametrize("change", [each for each in Change if each is not Change.OVERTIME])
def test_every_form_as_it_opens_is_a_scenario_that_can_be_planned(change: Change, facts: PlanningFacts) -> None:
    document = scenario_document([draft(change)])
    assert objections(document, facts) == ()
    (scenario,) = read_scenarios(document, where="form")
    assert patched(facts, scenario) != facts


@pytest.mark.parametrize(
    ("change", "field", "text", "words"),
    [
        (Change.BREAKDOWN, "hours", "ten", "Please give a number such as 8; found 'ten'."),
        (Change.BREAKDOWN, "machine", "L9-press", "L9-press"),
        (Change.RUSH_ORDER, "quantity", "-5", "This should be greater than 0. Found -5."),
        (Change.RUSH_ORDER, "quantity", " ", "Please fill this in."),
        (Change.RUSH_ORDER, "priority", "1.5", "whole number"),
        (Change.OVERTIME, "start", CHOSEN["hour"], "hours in which the plant is closed"),
        (Change.NEW_LINE, "like", "L9", "a line: L1"),
    ],
)
def test_fault_is_told_beside_its_field(
    change: Change, field: str, text: str, words: str, facts: PlanningFacts
) -> None:
    drafts = [draft(Change.TARIFF), draft(change, **{field: text})]
    (found, *_) = objections(scenario_document(drafts), facts)
    assert (found.scenario, found.field) == (1, field)
    assert words in found.sentence


def test_missing_name_is_told_beside_the_scenarios_own_name(facts: PlanningFacts) -> None:
    nameless = replace(draft(Change.NEW_LINE), name=" ")
    (found,) = objections(scenario_document([nameless]), facts)
    assert (found.scenario, found.field) == (0, SCENARIO_NAME)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_pasted_text_is_refused_with_a_sentence_or_planned(text: str) -> None:
    demo = demo_facts(START)
    facts = PlanningFacts(
        plant=demo.plant, products=demo.products, capabilities=demo.capabilities, orders=demo.orders, stock=demo.stock,
        calendar=demo.calendar, tariff=demo.tariff, policy=PlanningPolicy(), risks=(), start=START,
    )  # fmt: skip
    for each in objections(text, facts):
        assert each.sentence


def test_rush_order_is_real_once_it_stands_in_the_order_book(facts: PlanningFacts, site: Site) -> None:
    (scenario,) = read_scenarios(scenario_document([draft(Change.RUSH_ORDER)]), where="form")
    (step,) = reality(scenario, facts, site=site, orders=facts.orders, down=())
    assert not step.is_real
    assert step.order is not None
    entered = (*facts.orders, replace(step.order, number="C-77"))
    (step,) = reality(scenario, facts, site=site, orders=entered, down=())
    assert step.is_real


def test_other_changes_are_real_only_where_the_plant_has_them(facts: PlanningFacts, site: Site) -> None:
    drafts = [draft(Change.BREAKDOWN), draft(Change.TARIFF), draft(Change.NEW_LINE), draft(Change.CLOSING)]
    scenarios = read_scenarios(scenario_document(drafts), where="form")
    for scenario in (*scenarios, Scenario(name="crews", set={"policy.crews": 2})):
        assert [step.is_real for step in reality(scenario, facts, site=site, orders=(), down=())] == [False]
    assert reality(scenarios[0], facts, site=site, orders=(), down={"L2-press"})[0].is_real
    same = replace(site, tariff=patched(facts, scenarios[1]).tariff)
    assert reality(scenarios[1], facts, site=same, orders=(), down=())[0].is_real


def test_scenario_without_a_plan_says_why_in_its_row() -> None:
    common = {
        "late": [],
        "late_units": 0.0,
        "energy_kwh": 1.0,
        "peak_kw": 1.0,
        "co2_kg": 1.0,
        "maintenance": ["L1-press"],
    }
    known = {"name": "as it is", "cost": 10.0, "more": 0.0, "least": 0.0, "most": 0.0, "headline": "", **common}
    without = {**known, "name": "closed", "cost": None, "headline": "No plan keeps all the rules."}
    rows = outcome_rows([known, without], machines={"L1-press": "Press 1"})
    assert rows[0][-1] == "Press 1"
    assert rows[1][1] == "no plan"
    assert rows[1][-1] == "No plan keeps all the rules."
    assert len(rows[0]) == len(rows[1])
