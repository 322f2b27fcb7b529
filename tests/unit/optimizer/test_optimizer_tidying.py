"""Slivers of lots: where they go, what they may cost, and what stays as it was."""

from collections import Counter
from dataclasses import replace

import pytest
from optimizer_plants import START, demo_facts

from optimizer.assemble import assemble
from optimizer.certify import check_rules
from optimizer.facts import GRAINS_PER_UNIT
from optimizer.problem import PlanningProblem, build_problem
from optimizer.rounding import Schedule
from optimizer.search import Found, search
from optimizer.tidying import DEARER, slivers_of, tidied

BRACKET, FLANGE = 0, 1
"""Two products of the first line, which is open from hour 0 to 7 in one shift."""


def by_hand(problem: PlanningProblem, units: dict[tuple[int, int], float]) -> Schedule:
    """A schedule without maintenance of units by (making, hour)."""
    grains = {key: round(made * GRAINS_PER_UNIT) for key, made in units.items()}
    return Schedule(grains=grains, chosen=(0,) * len(problem.machines))


@pytest.fixture
def problem() -> PlanningProblem:
    return build_problem(demo_facts(1))


HALF_AWAY = {(BRACKET, 1): 40.0, (BRACKET, 2): 19.5, (FLANGE, 2): 60.0, (FLANGE, 3): 80.0, (BRACKET, 5): 0.5}


def test_a_sliver_goes_where_the_rest_of_its_lot_is_made(problem: PlanningProblem) -> None:
    schedule = by_hand(problem, HALF_AWAY)
    before, priced = assemble(problem, schedule, number="P", created_at=START, reason="test")
    plan, worked_out = tidied(problem, schedule, before, priced)
    assert [(run.product, run.gross_units) for run in before.runs] == [("bracket", 60), ("flange", 140), ("bracket", 0)]
    assert [(run.product, run.gross_units) for run in plan.runs] == [("bracket", 60), ("flange", 140)]
    assert all(check.holds for check in check_rules(problem.facts, plan, worked_out))
    assert float(worked_out.objective) <= float(priced.objective) * (1 + DEARER)


def test_in_a_full_hour_it_changes_places_with_what_runs_there(problem: PlanningProblem) -> None:
    full = {**HALF_AWAY, (BRACKET, 2): 32.5, (FLANGE, 2): 51.0, (FLANGE, 3): 95.0}
    schedule = by_hand(problem, full)
    plan, worked_out = tidied(
        problem, schedule, *assemble(problem, schedule, number="P", created_at=START, reason="test")
    )
    runs = {run.product: run for run in plan.runs}
    assert len(plan.runs) == len(runs) == 2
    assert all(check.holds for check in check_rules(problem.facts, plan, worked_out))


def test_a_longer_part_and_fixed_hours_stay(problem: PlanningProblem) -> None:
    long = by_hand(problem, {**HALF_AWAY, (BRACKET, 5): 20.5})
    assert not list(slivers_of(problem, long))
    fixed = replace(problem, frozen={(BRACKET, 5): (0.0, 1.0)})
    schedule = by_hand(problem, HALF_AWAY)
    drafted = assemble(fixed, schedule, number="P", created_at=START, reason="test")
    assert tidied(fixed, schedule, *drafted)[0] is drafted[0]


def test_a_sliver_that_is_needed_when_it_is_made_stays(problem: PlanningProblem) -> None:
    dear = tuple(replace(product, holding_cost_per_unit_h=1e4) for product in problem.facts.products)
    problem = build_problem(replace(problem.facts, products=dear))
    schedule = by_hand(problem, HALF_AWAY)
    drafted = assemble(problem, schedule, number="P", created_at=START, reason="test")
    assert tidied(problem, schedule, *drafted)[0] is drafted[0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_searched_plan_keeps_its_lots_and_its_rules(seed: int) -> None:
    facts = demo_facts(seed, horizon_h=24)
    problem = build_problem(facts)
    found = search(problem, time_limit_s=1.0, gap=0.05)
    assert isinstance(found, Found)
    before, priced = assemble(problem, found.schedule, number="P", created_at=START, reason="test")
    plan, worked_out = tidied(problem, found.schedule, before, priced)
    lots = [Counter[tuple[str, str]](), Counter[tuple[str, str]]()]
    for made, each in zip(lots, (before, plan), strict=True):
        for run in each.runs:
            made[run.line, run.product] += round(sum(run.hourly_units) * GRAINS_PER_UNIT)
    assert lots[0] == lots[1]
    assert all(check.holds for check in check_rules(facts, plan, worked_out))
    assert float(worked_out.objective) <= float(priced.objective) * (1 + DEARER)
