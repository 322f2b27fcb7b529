"""Shadow prices are what a little more really saves: finite differences of the plan's program, built anew."""

from dataclasses import replace

import pytest
from optimizer_plants import START, demo_facts, tariff, tiny_facts

from optimizer.facts import PlanningFacts
from optimizer.formulation import formulate
from optimizer.highs import Integers, Session
from optimizer.prices import Price, Scarce, fixed_program, shadow_prices
from optimizer.problem import PlanningProblem, build_problem
from optimizer.solve import solve
from plant.plans import Plan
from plant.production import Stock


def planned(facts: PlanningFacts) -> tuple[PlanningProblem, Plan]:
    problem = build_problem(facts)
    return problem, solve(problem, number="P", created_at=START, reason="test")


def least_cost(problem: PlanningProblem, plan: Plan) -> float:
    """Of the plan's program with its choices kept."""
    model = formulate(problem)
    session = fixed_program(problem, model, plan)
    assert session is not None
    return session.run(time_limit_s=30.0, gap=0.0, integers=Integers.RELAXED).objective + sum(model.constants.values())


def steps(price: Price) -> list[float]:
    """Changes within the price's range, one up and, where it holds there, one down."""
    up = min(price.holds_up_to, 1.0) / 2
    down = min(price.holds_down_to, 1.0) / 2
    return [step for step in (up, -down) if abs(step) > 1e-4]


@pytest.mark.parametrize("seed", range(6))
def test_price_of_stock_and_peak_equals_the_finite_difference_of_the_facts(seed: int) -> None:
    facts = tiny_facts(seed, horizon_h=8, lines=2, machines=1)
    facts = replace(facts, stock=tuple(Stock(product=p.name, quantity=5.0) for p in facts.products))
    problem, plan = planned(facts)
    base = least_cost(problem, plan)
    tried = 0
    for price in shadow_prices(problem, plan):
        for step in steps(price):
            if price.scarce is Scarce.STOCK:
                stock = tuple(
                    replace(s, quantity=s.quantity + (step if s.product == price.entity else 0.0)) for s in facts.stock
                )
                changed = replace(facts, stock=stock)
            elif price.scarce is Scarce.PEAK:
                peak = facts.tariff.peak_so_far_kw + step
                changed = replace(facts, tariff=replace(facts.tariff, peak_so_far_kw=peak))
            else:
                continue
            tried += 1
            difference = base - least_cost(build_problem(changed), plan)
            assert difference / step == pytest.approx(price.saves, rel=1e-5, abs=1e-6)
    assert tried > 0


@pytest.mark.parametrize("seed", range(4))
def test_price_of_an_hour_and_of_an_order_equals_the_finite_difference_of_the_program(seed: int) -> None:
    problem, plan = planned(tiny_facts(seed, horizon_h=8, lines=1, machines=1))
    base = least_cost(problem, plan)
    tried = 0
    for price in shadow_prices(problem, plan):
        if price.scarce is Scarce.DEMAND:
            order = next(o for o in problem.facts.orders if o.number == price.entity)
            for step in steps(price):
                fewer = tuple(
                    replace(o, quantity=o.quantity - step) if o.number == order.number else o
                    for o in problem.facts.orders
                )
                difference = base - least_cost(build_problem(replace(problem.facts, orders=fewer)), plan)
                assert difference / step == pytest.approx(price.saves, rel=1e-5, abs=1e-6)
                tried += 1
        if price.scarce is Scarce.CAPACITY:
            first = round((price.start - problem.facts.start).total_seconds() / 3600)
            for step in (s for s in steps(price) if s > 0):
                assert (base - _with_more_time(problem, plan, price.entity, first, step)) / step == pytest.approx(
                    price.saves, rel=1e-5, abs=1e-6
                )
                tried += 1
    assert tried > 0


def _with_more_time(problem: PlanningProblem, plan: Plan, line: str, hour: int, more_h: float) -> float:
    """The least cost when the line's rules of one hour and its shift are loosened, row by row."""
    model = formulate(problem)
    shift = problem.slots.shift_names[problem.slots.shift[hour]]
    loose = [f"hour|{line}|{hour}", f"shift|{line}|{shift}"]
    loose += [name for name in model.rules if name.startswith(f"set_up|{line}:") and name.endswith(f"|{hour}")]
    loose += [name for name in model.rules if name.startswith(f"set_up_rest|{line}:") and name.endswith(f"|{shift}")]
    settled = fixed_program(problem, model, plan)
    assert settled is not None
    for name in loose:
        if name in model.rules:
            model.rules[name].changeRHS(-model.rules[name].constant + more_h)
    session = Session(model.program)
    whole = [v for v in model.program.variables() if v.cat != "Continuous"]
    fixed = {session.column[v]: float(settled.values[settled.column[v]]) for v in whole}
    session.fix(fixed)
    for (m, t), variable in model.running.items():
        if (m, t) not in problem.frozen:
            session.set_bounds(session.column[variable], 0.0, float("inf"))
    return session.run(time_limit_s=30.0, gap=0.0, integers=Integers.RELAXED).objective + sum(model.constants.values())


def test_kilogram_under_the_cap_has_its_price_in_the_plants_words() -> None:
    free = tiny_facts(1, horizon_h=8, machines=1)
    _, plan = planned(free)
    capped = replace(free, tariff=tariff(peak_so_far_kw=10.0, co2_cap_kg=plan.co2_kg * 0.8))
    problem, under = planned(capped)
    price = next(p for p in shadow_prices(problem, under) if p.scarce is Scarce.CO2_CAP)
    assert "1 kg more under the cap on emissions saves" in price.sentence
    step = min(price.holds_up_to, 1.0) / 2
    raised = replace(capped, tariff=replace(capped.tariff, co2_cap_kg=capped.tariff.co2_cap_kg + step))  # type: ignore[operator]  # it has a cap
    assert least_cost(problem, under) - least_cost(build_problem(raised), under) == pytest.approx(
        step * price.saves, rel=1e-5
    )


def test_prices_of_a_days_plan_are_grouped_by_hours_that_follow_each_other() -> None:
    problem, plan = planned(demo_facts(1, lines=2, horizon_h=24, time_limit_s=2.0))
    prices = shadow_prices(problem, plan)
    hours = [p for p in prices if p.scarce is Scarce.CAPACITY]
    assert hours
    assert all(p.saves > 0 and p.end > p.start for p in prices)
    assert all("more hour of Line" in p.sentence for p in hours)
