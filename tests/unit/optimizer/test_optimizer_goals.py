"""What a plan aims at: weights, goals in their order, limits on goals; each against enumeration, each checked."""

import itertools
from dataclasses import replace

import msgspec
import pytest
from optimizer_enumeration import least_cost
from optimizer_plants import START, tiny_facts

from optimizer import exact
from optimizer.certify import recompute
from optimizer.costing import account
from optimizer.facts import PlanningFacts, facts_from_json, facts_to_json
from optimizer.prices import shadow_prices
from optimizer.problem import build_problem
from optimizer.questions import why_not
from optimizer.solve import solve
from plant.errors import ConfigError, QuestionError
from plant.plans import Goal, GoalLimit, GoalStage, GoalStep, Objective, Plan, SolveStatus


def plan_for(facts: PlanningFacts) -> Plan:
    return solve(build_problem(facts), number="P", created_at=START, reason="test")


def aiming(facts: PlanningFacts, **fields: object) -> PlanningFacts:
    return replace(facts, objective=Objective(**fields))  # type: ignore[arg-type]  # fields by name


def in_order(*goals: Goal, tolerance: float = 0.0) -> tuple[GoalStep, ...]:
    return tuple(GoalStep(goal=goal, tolerance=tolerance) for goal in goals)


def stages_of(plan: Plan) -> tuple[GoalStage, ...]:
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked
    return plan.certificate.stages


@pytest.mark.parametrize("seed", [0, 4, 7])
def test_weights_equal_enumeration_with_prices_as_many_times_as_high(seed: int) -> None:
    facts = tiny_facts(seed)
    dearer = tuple(replace(p, backlog_cost_per_unit_h=3 * p.backlog_cost_per_unit_h) for p in facts.products)
    plan = plan_for(aiming(facts, weights={"backlog": 3.0}))
    assert plan.certificate is not None
    assert plan.certificate.checked
    expected = least_cost(replace(facts, products=dearer))
    assert plan.certificate.solver_objective == pytest.approx(expected, rel=1e-7)
    assert plan.certificate.bound == pytest.approx(expected, rel=1e-7)
    assert plan.certificate.recomputed_objective > plan.cost


@pytest.mark.parametrize("cap", [9.0, 12.0])
def test_limit_on_emissions_equals_enumeration_under_a_cap(cap: float) -> None:
    facts = tiny_facts(3)
    expected = least_cost(replace(facts, tariff=replace(facts.tariff, co2_cap_kg=cap)))
    plan = plan_for(aiming(facts, limits=(GoalLimit(goal=Goal.CO2, at_most=cap),)))
    assert plan.certificate is not None
    assert plan.certificate.solver_objective == pytest.approx(expected, rel=1e-6)
    assert plan.co2_kg <= cap + 1e-6
    assert {check.rule for check in plan.certificate.checks} >= {"goals", "goal_limits"}


@pytest.mark.parametrize("seed", [4, 5])
def test_risk_before_cost_equals_enumeration(seed: int) -> None:
    facts = tiny_facts(seed, machines=2, crews=2)
    calendar, machines = exact.read_calendar(facts), facts.plant.machines
    starts = [options.starts for options in build_problem(facts).machines]
    risks = [
        sum(float(exact.fate(facts, calendar, m, start=s).failure_cost) for m, s in zip(machines, chosen, strict=True))
        for chosen in itertools.product(*starts)
    ]
    plan = plan_for(aiming(facts, order=in_order(Goal.RISK)))
    first, last = stages_of(plan)
    assert (first.goal, last.goal) == (Goal.RISK, Goal.COST)
    assert first.reached == pytest.approx(min(risks), rel=1e-7)
    assert first.bound == pytest.approx(min(risks), rel=1e-6)
    assert float(account(facts, plan).goal(Goal.RISK)) <= first.limit
    assert last.reached == pytest.approx(plan.cost)
    assert plan.cost >= plan_for(facts).cost - 1e-6


def test_tolerance_buys_back_cost() -> None:
    facts = tiny_facts(5, machines=2, crews=2)
    strict, loose = (
        plan_for(aiming(facts, order=in_order(Goal.RISK, tolerance=tolerance))) for tolerance in (0.0, 0.5)
    )
    assert loose.cost <= strict.cost + 1e-6
    first = stages_of(loose)[0]
    assert first.limit == pytest.approx(1.5 * first.reached, rel=1e-4)


def test_all_four_goals_are_told_with_their_bounds_and_recomputed_bit_for_bit() -> None:
    facts = aiming(tiny_facts(3), order=in_order(Goal.LATENESS, Goal.RISK, Goal.COST, Goal.CO2, tolerance=0.05))
    plan = plan_for(facts)
    stages = stages_of(plan)
    assert [stage.goal for stage in stages] == [Goal.LATENESS, Goal.RISK, Goal.COST, Goal.CO2]
    for stage in stages:
        assert stage.bound is not None
        assert stage.bound <= stage.reached + 1e-6 * max(1.0, abs(stage.reached))
    assert plan.certificate is not None
    assert plan.certificate.recomputed_objective == pytest.approx(plan.co2_kg)
    again = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert recompute(facts_from_json(facts_to_json(facts)), again) == again.certificate


def test_check_finds_goals_that_were_not_kept() -> None:
    facts = aiming(tiny_facts(5, machines=2, crews=2), order=in_order(Goal.RISK))
    plan = plan_for(facts)
    assert plan.certificate is not None
    stages = plan.certificate.stages
    forged = (
        (replace(stages[0], limit=stages[0].limit * 2), stages[1]),  # looser than it may be
        (replace(stages[0], limit=stages[0].limit * 0.5, reached=stages[0].reached * 0.5), stages[1]),  # not kept
        (replace(stages[0], bound=stages[0].reached * 1.1), stages[1]),  # bound above what was reached
        stages[1:],  # a goal left out
    )
    for each in forged:
        certificate = recompute(facts, replace(plan, certificate=replace(plan.certificate, stages=each)))
        assert certificate is not None
        assert not certificate.checked


def test_limit_that_no_plan_keeps_is_told_with_the_least() -> None:
    facts = aiming(tiny_facts(3), limits=(GoalLimit(goal=Goal.CO2, at_most=0.5),))
    plan = plan_for(facts)
    assert plan.status is SolveStatus.INFEASIBLE
    assert [conflict.rule for conflict in plan.conflicts] == ["goal|co2|horizon"]
    assert "co2 may be at most 0.5 kg" in plan.headline
    needed = 0.5 + plan.repairs[0].amount
    assert plan.repairs[0].cost is not None
    kept = plan_for(aiming(tiny_facts(3), limits=(GoalLimit(goal=Goal.CO2, at_most=needed),)))
    assert kept.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)


def test_questions_hold_under_earlier_goals_and_refuse_what_is_no_money() -> None:
    facts = aiming(tiny_facts(5, machines=2, crews=2), order=in_order(Goal.RISK, tolerance=0.3))
    plan = plan_for(facts)
    machine = plan.maintenance[0].machine
    answer = why_not(build_problem(facts), plan, text=f"no maintenance on {machine}", time_limit_s=3.0)
    free = tiny_facts(5, machines=2, crews=2)
    unbound = why_not(build_problem(free), plan_for(free), text=f"no maintenance on {machine}", time_limit_s=3.0)
    assert unbound.possible
    assert not answer.possible or (answer.plan is not None and answer.plan.certificate is not None)
    assert all(price.saves >= 0 for price in shadow_prices(build_problem(facts), plan))
    weighted = aiming(tiny_facts(0), weights={"backlog": 2.0})
    with pytest.raises(QuestionError, match="weights on backlog"):
        shadow_prices(build_problem(weighted), plan_for(weighted))
    last_co2 = aiming(tiny_facts(0), order=in_order(Goal.COST, Goal.CO2, tolerance=0.1))
    with pytest.raises(QuestionError, match="co2 is the last goal"):
        why_not(build_problem(last_co2), plan_for(last_co2), text="no nut on A0", time_limit_s=1.0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"weights": {"fun": 1.0}}, "objective.weights.fun"),
        ({"weights": {"energy": -1.0}}, "objective.weights.energy"),
        ({"order": in_order(Goal.CO2, Goal.CO2)}, "objective.order"),
        ({"order": in_order(Goal.CO2, tolerance=-0.1)}, "objective.order[0].tolerance"),
        ({"limits": (GoalLimit(goal=Goal.COST, at_most=float("nan")),)}, "objective.limits[0].at_most"),
    ],
)
def test_objectives_that_do_not_fit_are_refused_by_their_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        build_problem(aiming(tiny_facts(0), **fields))
    assert field in str(refused.value)


def test_facts_without_an_objective_are_written_as_before() -> None:
    assert b"objective" not in facts_to_json(tiny_facts(0))


@pytest.mark.parametrize("seed", [0, 7, 25])
def test_later_goal_is_searched_again_where_its_whole_units_break_what_was_reached(seed: int) -> None:
    facts = aiming(tiny_facts(seed, machines=1, lines=1 + seed % 2), order=in_order(Goal.LATENESS, Goal.COST))
    lateness, cost = stages_of(plan_for(facts))
    assert cost.bound is not None
    assert cost.reached - cost.bound <= 0.005 * cost.reached
    assert lateness.reached <= lateness.limit


def test_first_goal_is_searched_again_under_a_tighter_limit_where_its_whole_units_break_a_given_one() -> None:
    facts = tiny_facts(3, machines=1)
    free = plan_for(facts)
    tight = aiming(facts, limits=(GoalLimit(goal=Goal.CO2, at_most=free.co2_kg - 0.37),))
    plan = plan_for(tight)
    assert plan.certificate is not None
    assert plan.certificate.checked
    assert plan.co2_kg <= free.co2_kg - 0.37 + 1e-9
