"""How a plan is lived: as planned where nothing goes wrong, caught up as a shift leader would where it does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from optimizer_plants import START, tiny_facts
from optimizer_rules import all_rules_facts, assembly_facts, family_facts, hard_facts, planned, short_facts

from optimizer.chance import Luck, Uncertainty, draw_luck
from optimizer.costing import account
from optimizer.deliveries import deliver
from optimizer.problem import PlanningFacts, build_problem
from optimizer.shop_floor import SLACK_UNITS, Lived, live
from optimizer.simulate import replay
from optimizer.work_list import planned_hours, set_up_in, work_lists
from plant.plans import Plan
from plant.production import Order, Overtime, Shift

CALM = Uncertainty(rate_sd=0.0, scrap_sd=0.0)
HOUR = timedelta(hours=1)


def unfailing(facts: PlanningFacts) -> PlanningFacts:
    """The same plant with machines that never fail."""
    classes = tuple(replace(each, mtbf_h=1e12) for each in facts.plant.classes)
    return replace(facts, plant=replace(facts.plant, classes=classes), risks=())


def levels_facts(seed: int) -> PlanningFacts:
    """Stock with a priced safety level and little room."""
    facts = tiny_facts(seed, horizon_h=8, lines=2, machines=1)
    levels = {"safety_stock": 12.0, "safety_cost_per_unit_h": 0.05, "max_stock": 20.0, "overflow_cost_per_unit_h": 0.1}
    return replace(facts, products=tuple(replace(each, **levels) for each in facts.products))


def lived(facts: PlanningFacts, plan: Plan, *, down: dict[str, range], luck: Luck | None = None) -> Lived:
    """A plan on one course, or those of some luck, in which lines are down for some hours."""
    problem, worked_out = build_problem(facts), account(facts, plan)
    luck = luck or draw_luck(problem, paths=1, seed=0, uncertainty=CALM)
    up = np.repeat(problem.slots.open_share[np.newaxis], len(luck.worn), axis=0)
    for options in problem.machines:
        first, last = worked_out.fates[options.machine].window
        up[:, problem.lines.index(options.line), first:last] = 0.0
    for line, hours in down.items():
        up[:, problem.lines.index(line), list(hours)] = 0.0
    lists = work_lists(problem, plan, worked_out)
    return live(problem, lists, planned_setups=set_up_in(problem, worked_out), up=up, luck=luck, standing={})


RULES = (levels_facts, assembly_facts, short_facts, family_facts, hard_facts, all_rules_facts)


@pytest.mark.parametrize("plant", RULES)
def test_replay_costs_the_certificates_objective_where_nothing_fails_or_strays(
    plant: Callable[[int], PlanningFacts],
) -> None:
    compared = 0
    for seed in range(5):
        facts = unfailing(plant(seed))
        plan = planned(facts)
        if plan.certificate is None or not plan.certificate.checked:
            continue
        course = replay(facts, plan, paths=2, uncertainty=CALM)
        objective = plan.certificate.recomputed_objective
        assert course.costs == pytest.approx(np.full(2, objective), rel=1e-6, abs=1e-6), seed
        amounts = {term.name: term.amount for term in plan.costs}
        assert course.replay.terms == pytest.approx(amounts, rel=1e-6, abs=1e-5), seed
        compared += 1
    assert compared >= 2


@pytest.mark.parametrize("seed", range(6))
def test_work_lists_hold_all_hours_and_setups_of_the_plan(seed: int) -> None:
    facts = all_rules_facts(seed)
    plan = planned(facts)
    problem, worked_out = build_problem(facts), account(facts, plan)
    pieces = [piece for mine in work_lists(problem, plan, worked_out) for piece in mine]
    runs = sum(piece.work_h for piece in pieces if not piece.is_setup)
    assert runs == pytest.approx(sum(planned_hours(problem, plan).values()))
    setups = sum(c.setup_h for c in worked_out.setups.values())
    setups += sum(c.family_setup_h for c in worked_out.families.values())
    assert sum(piece.work_h for piece in pieces if piece.is_setup) == pytest.approx(setups)


def test_line_without_components_stands_still_and_delivers_once_they_are_there() -> None:
    facts = assembly_facts(0)
    blank, bolt, _ = facts.products
    products = (replace(blank, lead_time_h=1), bolt)
    wanted = Order(number="bolts", product="bolt", quantity=15.0, due_at=START + 5 * HOUR)
    facts = replace(
        unfailing(facts), products=products, capabilities=facts.capabilities[:2], orders=(wanted,), stock=()
    )
    facts = replace(facts, policy=replace(facts.policy, horizon_h=12))
    plan = planned(facts)
    problem = build_problem(facts)
    blanks, bolts = (next(r.line for r in plan.runs if r.product == name) for name in ("blank", "bolt"))
    assert blanks != bolts
    first = min((r.start - START) // HOUR for r in plan.runs if r.product == "blank")
    calm, late = (lived(facts, plan, down=down) for down in ({}, {blanks: range(first, first + 5)}))
    made = {"calm": np.cumsum(calm.change["bolt"][0]), "late": np.cumsum(late.change["bolt"][0])}
    assert made["calm"][-1] == pytest.approx(made["late"][-1], abs=2 * SLACK_UNITS)  # caught up in the end
    assert made["late"][: first + 6].max() == pytest.approx(0.0, abs=2 * SLACK_UNITS)  # none came before
    assert deliver(problem, late.change).late[0] > deliver(problem, calm.change).late[0] + 1


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_used_that_is_not_there_whatever_chance_brings(seed: int) -> None:
    facts = assembly_facts(seed)
    facts = replace(facts, policy=replace(facts.policy, horizon_h=8))
    plan, problem = planned(facts), build_problem(facts)
    luck = draw_luck(problem, paths=60, seed=seed, uncertainty=Uncertainty(rate_sd=0.1, scrap_sd=0.8))
    for down in ({}, {"A0": range(3)}, {"A1": range(1, 4)}):
        change = lived(facts, plan, down=down, luck=luck).change
        for product in problem.used_up:
            level = problem.stock[product] + np.cumsum(change[product], axis=1)
            assert level.min() > -20 * SLACK_UNITS, product


def two_lines(*, setup_cost: float) -> tuple[PlanningFacts, Plan]:
    """Two lines that can make nuts; the plan makes them on one, the other stands idle."""
    facts = unfailing(tiny_facts(1, horizon_h=8, lines=2, machines=1))
    nuts = tuple(replace(c, setup_cost=setup_cost, rate_per_h=50.0) for c in facts.capabilities)
    order = Order(number="nuts", product="nut", quantity=100.0, due_at=START + 4 * HOUR)
    products = tuple(replace(each, backlog_cost_per_unit_h=1.0) for each in facts.products)
    facts = replace(facts, orders=(order,), stock=(), capabilities=nuts, products=products)
    plan = planned(facts)
    assert len({run.line for run in plan.runs}) == 1
    return facts, plan


@pytest.mark.parametrize(("setup_cost", "helps"), [(5.0, True), (500.0, False)])
def test_idle_line_takes_over_what_a_broken_one_is_behind_with_where_that_pays(setup_cost: float, helps: bool) -> None:
    facts, plan = two_lines(setup_cost=setup_cost)
    broken = plan.runs[0].line
    course = lived(facts, plan, down={broken: range(8)})
    assert bool(course.change["nut"].sum() > 50) is helps
    assert course.terms["setups"][0] == pytest.approx(setup_cost if helps else 0.0)


def test_line_catches_up_after_a_repair_and_makes_no_more_than_planned() -> None:
    facts, plan = two_lines(setup_cost=500.0)
    run = plan.runs[0]
    first = (run.start - START) // HOUR
    course = lived(facts, plan, down={run.line: range(first, first + 2)})
    assert course.change["nut"].sum() == pytest.approx(sum(each.good_units for each in plan.runs))
    assert course.terms["setups"][0] == pytest.approx(500.0)  # what was begun late is set up for once


@pytest.mark.parametrize(("cost_per_h", "works_h"), [(1.0, 1.5), (1e6, 0.0)])
def test_what_is_behind_is_caught_up_in_overtime_up_to_its_limit_where_waiting_costs_more(
    cost_per_h: float, works_h: float
) -> None:
    facts = unfailing(tiny_facts(1, horizon_h=8, lines=1, machines=1))
    order = Order(number="nuts", product="nut", quantity=100.0, due_at=START + 3 * HOUR)
    shift = Shift(name="short", start_hour=6, hours=4)
    overtime = Overtime(line="A0", cost_per_h=cost_per_h, most_h_per_day=1.5)
    capabilities = tuple(replace(c, rate_per_h=60.0, setup_h=0.0) for c in facts.capabilities)
    calendar = replace(facts.calendar, shifts=(shift,), overtime=(overtime,))
    facts = replace(facts, orders=(order,), stock=(), capabilities=capabilities, calendar=calendar)
    plan = planned(facts)
    course = lived(facts, plan, down={"A0": range(4)})
    assert course.terms["overtime"][0] == pytest.approx(works_h * cost_per_h)
    assert course.change["nut"].sum() == pytest.approx(works_h * 60.0 * 0.98, abs=0.01)
