"""The search: a first plan at once, progress, cancelling, repeatable runs, the accepted plan to begin from."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pulp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_plants import START, demo_facts

from optimizer.control import Clock, Control, Measure, Progress
from optimizer.dual_bound import safe_bound
from optimizer.facts import GRAINS_PER_UNIT
from optimizer.formulation import formulate
from optimizer.greedy import Wanted, _Floor, greedy_lots
from optimizer.highs import Integers, Method, Session
from optimizer.maintenance import choose_maintenance
from optimizer.previous import favoured_lots, favoured_maintenance
from optimizer.problem import PlanningFacts, build_problem
from optimizer.search import Found, search
from optimizer.solve import solve
from plant.production import Component, Order, Stock


def test_first_plan_is_found_however_short_the_limit_is() -> None:
    problem = build_problem(demo_facts(1))
    found = search(problem, time_limit_s=0.01)
    assert isinstance(found, Found)
    assert found.solution.objective > 0


def test_equal_runs_give_equal_plans_by_work() -> None:
    problem = build_problem(demo_facts(2, horizon_h=24))
    control = Control(measure=Measure.WORK)
    first, second = (search(problem, time_limit_s=0.2, control=control) for _ in range(2))
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert first.schedule == second.schedule
    assert (first.solution, first.bound) == (second.solution, second.bound)
    assert "repeatable" in first.how


def test_progress_never_worsens() -> None:
    heard: list[Progress] = []
    found = search(build_problem(demo_facts(3)), time_limit_s=0.7, control=Control(report=heard.append))
    assert isinstance(found, Found)
    incumbents = [progress.incumbent for progress in heard if progress.incumbent is not None]
    bounds = [progress.bound for progress in heard if progress.bound is not None]
    assert incumbents == sorted(incumbents, reverse=True)
    assert bounds == sorted(bounds)
    assert incumbents[-1] == pytest.approx(found.solution.objective + found.constant)
    assert heard[-1].gap is not None


def test_cancelled_search_keeps_its_first_plan() -> None:
    found = search(build_problem(demo_facts(1)), time_limit_s=60, control=Control(is_cancelled=lambda: True))
    assert isinstance(found, Found)
    assert found.how.endswith("stopped by hand")
    assert found.solution.seconds < 10


def test_accepted_plan_speaks_for_its_own_lots() -> None:
    facts = demo_facts(1, horizon_h=24)
    facts = replace(facts, policy=replace(facts.policy, time_limit_s=0.3))
    before = solve(build_problem(facts), number="P-1", created_at=START, reason="test")
    again = build_problem(replace(facts, previous=before))
    favour = favoured_lots(again)
    made = {
        (again.lines[again.makings[m].line], again.makings[m].product, again.slots.shift_names[s]) for m, s in favour
    }
    names = {(run.line, run.product) for run in before.runs}
    assert {(line, product) for line, product, _ in made} == names
    chosen = choose_maintenance(again, favoured_maintenance(again))
    assert chosen is not None
    assert set(favour) & greedy_lots(again, chosen, favour)


def rework_facts(*, stock: float, quantity: float, steel: float | None = None) -> PlanningFacts:
    """Gears that must be there in two days; a fifth of them is scrap, and one line reworks it after a setup."""
    facts = demo_facts(1)
    gear = next(product for product in facts.products if product.name == "gear")
    again = replace(gear, name="gear-again", label="Gear, reworked", reworks="gear", scrap_cost=0.1)
    bar = replace(gear, name="steel", label="Steel bar", holding_cost_per_unit_h=0.0)
    made = [c for c in facts.capabilities if c.product == "gear"]
    rework = replace(made[0], product="gear-again", rate_per_h=50.0, scrap_ratio=0.1, setup_h=0.5, setup_cost=40.0)
    kept = tuple(c for c in facts.capabilities if c.product != "gear")
    capabilities = kept if steel is None else (*kept, *(replace(c, scrap_ratio=0.2) for c in made))
    components = (Component(product="steel", quantity=1.0),)
    deadline = START + timedelta(hours=48)
    orders = tuple(order for order in facts.orders if order.product != "gear")
    return replace(
        facts,
        products=(*(replace(p, components=components) if p is gear else p for p in facts.products), again, bar),
        capabilities=(*capabilities, rework),
        orders=(*orders, Order(number="G", product="gear", quantity=quantity, due_at=deadline, deadline_at=deadline)),
        stock=(Stock(product="gear-again", quantity=stock), Stock(product="steel", quantity=steel or 0.0)),
    )


@pytest.mark.parametrize(
    "facts",
    [
        rework_facts(stock=120.0, quantity=100.0),  # nothing but scrap that waits already
        rework_facts(stock=0.0, quantity=420.0, steel=500.0),  # 400 good ones, and 90 of the 100 scrapped ones
    ],
    ids=["what waits", "what the plan scraps"],
)
def test_first_plan_reworks_what_a_deadline_takes(facts: PlanningFacts) -> None:
    problem = build_problem(facts)
    chosen = choose_maintenance(problem, {})
    assert chosen is not None
    lots = greedy_lots(problem, chosen, {})
    assert any(problem.makings[m].product == "gear-again" for m, _ in lots)
    found = search(problem, time_limit_s=0.01)
    assert isinstance(found, Found)
    reworked = sum(n for (m, _), n in found.schedule.grains.items() if problem.makings[m].product == "gear-again")
    assert reworked >= (20 / 0.9) * GRAINS_PER_UNIT


def test_first_plan_reworks_no_more_than_there_is() -> None:
    problem = build_problem(rework_facts(stock=30.0, quantity=420.0, steel=500.0))
    chosen = choose_maintenance(problem, {})
    assert chosen is not None
    floor = _Floor(problem, chosen, {})
    wanted = Wanted(product="gear", due=47, units=1000.0, backlog_cost_per_unit_h=1.0, latest=47)
    made, left = 0.0, 1000.0
    while (place := floor.cheapest(wanted, left)) is not None and left > 0:
        units = floor.take(place, wanted, left)
        made, left = made + units, left - units
    assert made == pytest.approx(400 + 0.9 * 130, abs=1.0)


@given(prices=st.lists(st.floats(-50, 50), min_size=3, max_size=3))
@settings(deadline=None, max_examples=25)
def test_safe_bound_never_exceeds_the_optimum_whatever_the_prices(prices: list[float]) -> None:
    program = pulp.LpProblem("p", pulp.LpMinimize)
    x = [program.add_variable(f"x{i}", 0, 10) for i in range(3)]
    program.setObjective(pulp.LpAffineExpression({x[0]: 2.0, x[1]: 3.0, x[2]: -1.0}))
    program.addConstraint(pulp.LpAffineExpression({x[0]: 1, x[1]: 1}) >= 4)
    program.addConstraint(pulp.LpAffineExpression({x[1]: 1, x[2]: 2}) <= 9)
    program.addConstraint(pulp.LpAffineExpression({x[0]: 1, x[2]: 1}) == 5)
    session = Session(program)
    best = session.run(time_limit_s=5, gap=0, integers=Integers.RELAXED)
    assert safe_bound(session._highs.getLp(), np.array(prices)) <= best.objective + 1e-9
    assert best.bound == pytest.approx(best.objective)


def test_interior_point_proves_what_the_simplex_proves() -> None:
    problem = build_problem(demo_facts(1, horizon_h=24))
    bounds = []
    for method in Method:
        session = Session(formulate(problem).program, Clock(60.0))
        solution = session.run(time_limit_s=60, gap=0, integers=Integers.RELAXED, method=method)
        assert solution.bound is not None
        assert solution.bound <= solution.objective + 1e-6
        bounds.append(solution.bound)
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-5)
