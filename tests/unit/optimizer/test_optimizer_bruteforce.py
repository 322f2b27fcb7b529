"""The planner against plain enumeration."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from optimizer_enumeration import least_cost
from optimizer_plants import START, every_rule_facts, tariff, tiny_facts
from optimizer_rules import all_rules_facts

from optimizer.problem import PlanningFacts, build_problem
from optimizer.solve import solve
from plant.plans import SolveStatus
from plant.production import Closure, Shift


def _cases() -> list[tuple[str, PlanningFacts]]:
    wearing = tiny_facts(4, machines=2)
    halves = (Shift(name="a", start_hour=6, hours=3), Shift(name="b", start_hour=9, hours=2))
    closure = Closure(line="A0", start=START + timedelta(minutes=90), end=START + timedelta(hours=3), reason="audit")
    return [
        ("plain", tiny_facts(0)),
        ("two machines wearing", wearing),
        ("delays priced", tiny_facts(4, machines=2, price_delays=True)),
        ("delays of two lines", tiny_facts(2, lines=2, machines=1, horizon_h=5, price_delays=True)),
        ("an eye on the worst", tiny_facts(4, machines=2, price_delays=True, risk_aversion=0.5, tail_share=0.25)),
        ("another", tiny_facts(7)),
        ("two lines, one crew", tiny_facts(2, lines=2, machines=1, horizon_h=5)),
        ("chance limit", tiny_facts(5, max_failure_probability=0.6)),
        ("chance limit of a line", tiny_facts(5, crews=2, max_line_failure_probability=0.7)),
        (
            "chance limits of lines and plant",
            tiny_facts(
                2,
                lines=2,
                machines=1,
                horizon_h=5,
                max_line_failure_probability=0.6,
                max_plant_failure_probability=0.75,
            ),
        ),
        ("cap on emissions", replace(tiny_facts(3), tariff=tariff(co2_cap_kg=9.0, peak_so_far_kw=10.0))),
        (
            "two shifts and a closure",
            replace(wearing, calendar=replace(wearing.calendar, shifts=halves, closures=(closure,))),
        ),
        ("a high peak price", replace(tiny_facts(8), tariff=tariff(demand_charge_per_kw=20.0, peak_so_far_kw=0.0))),
    ]


@pytest.mark.parametrize(("name", "facts"), _cases(), ids=[name for name, _ in _cases()])
def test_solve_equals_enumeration(name: str, facts: PlanningFacts) -> None:
    expected = least_cost(facts)
    plan = solve(build_problem(facts), number="P-1", created_at=START, reason="test")
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert plan.certificate.solver_objective == pytest.approx(expected, rel=1e-7, abs=1e-6)
    assert plan.certificate.bound is not None
    assert plan.certificate.bound <= expected + 1e-5
    assert plan.cost == pytest.approx(expected, rel=0.05)


def test_some_case_maintains_a_machine() -> None:
    """The enumeration would prove little if no case had maintenance worth its cost."""
    plans = [solve(build_problem(facts), number="P", created_at=START, reason="test") for _, facts in _cases()]
    assert sum(1 for plan in plans if plan.maintenance) >= 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [every_rule_facts, all_rules_facts])
def test_solve_equals_enumeration_with_every_rule_switched_on(make: Callable[[int], PlanningFacts], seed: int) -> None:
    """Fifty of these: `python tests/benchmarks/plan_bruteforce.py`."""
    facts = make(seed)
    expected = least_cost(facts)
    plan = solve(build_problem(facts), number="P-1", created_at=START, reason="test")
    if expected == float("inf"):
        assert plan.status is SolveStatus.INFEASIBLE
        return
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked
    assert plan.certificate.solver_objective == pytest.approx(expected, rel=1e-9)
