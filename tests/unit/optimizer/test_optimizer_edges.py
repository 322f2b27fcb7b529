"""What a plant may throw at the planner: late orders, changing clocks, jobs under way, limits that cannot hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from optimizer_plants import START, demo_facts, tariff, tiny_facts

from optimizer import solve as solving
from optimizer.compare import compare
from optimizer.problem import OngoingMaintenance, PlanningFacts, build_problem
from optimizer.search import Found, search
from optimizer.slots import lay_out
from optimizer.solve import solve
from optimizer.validate import find_faults
from plant.plans import Decision, Plan, SolveStatus
from plant.production import Calendar, Closure, Order, Shift

HOUR = timedelta(hours=1)


def plan_for(facts: PlanningFacts) -> Plan:
    plan = solve(build_problem(facts), number="P-1", created_at=facts.start, reason="test")
    if plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        assert plan.certificate is not None
        assert plan.certificate.checked
    return plan


def single_order(facts: PlanningFacts, *, quantity: float, due_at: datetime, product: str = "bolt") -> PlanningFacts:
    return replace(facts, orders=(Order(number="only", product=product, quantity=quantity, due_at=due_at),), stock=())


def test_plan_makes_a_past_due_order_at_once_and_reports_it_late() -> None:
    plan = plan_for(single_order(tiny_facts(0), quantity=20.0, due_at=START - 30 * HOUR))
    (late,) = plan.late
    assert late.units_late == 20.0
    assert late.expected_at is not None
    assert late.expected_at <= START + 2 * HOUR
    assert plan.runs[0].start < START + HOUR


def test_plan_reports_an_order_it_cannot_finish_without_a_date() -> None:
    plan = plan_for(single_order(tiny_facts(0), quantity=5000.0, due_at=START + 2 * HOUR))
    (late,) = plan.late
    assert late.expected_at is None
    assert late.units_late > 4000


def test_plan_is_empty_when_nothing_is_ordered() -> None:
    plan = plan_for(replace(tiny_facts(0), orders=()))
    assert plan.runs == ()
    assert plan.late == ()
    assert plan.status is SolveStatus.OPTIMAL


def test_plan_ignores_orders_beyond_the_horizon() -> None:
    plan = plan_for(single_order(tiny_facts(0), quantity=20.0, due_at=START + 100 * HOUR))
    assert plan.runs == ()


def test_plan_holds_whole_units_and_counts_slow_lines_in_thousandths() -> None:
    facts = tiny_facts(3, machines=1, horizon_h=8)
    slow = tuple(replace(c, rate_per_h=0.5) for c in facts.capabilities)
    order = Order(number="slow", product="bolt", quantity=2.0, due_at=START + 8 * HOUR, priority=100)
    plan = plan_for(replace(facts, capabilities=slow, orders=(order,), risks=()))
    assert sum(run.good_units for run in plan.runs) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    ("day", "hours"), [(datetime(2026, 3, 29, tzinfo=UTC), 23), (datetime(2026, 10, 25, tzinfo=UTC), 25)]
)
def test_lay_out_counts_the_hours_of_a_day_when_clocks_change(day: datetime, hours: int) -> None:
    start = day - timedelta(hours=1 if hours == 23 else 2)  # local midnight in Vienna
    whole_day = (Shift(name="day", start_hour=0, hours=24),)
    facts = replace(tiny_facts(0, horizon_h=30), calendar=Calendar(shifts=whole_day), start=start)
    slots = lay_out(facts)
    assert slots.shift.count(0) == hours
    assert slots.shift.count(1) == 30 - hours


@pytest.mark.parametrize("month_day", [(3, 29), (10, 25)])
def test_plan_across_a_clock_change_passes_its_check(month_day: tuple[int, int]) -> None:
    start = datetime(2026, *month_day, 0, 0, tzinfo=UTC) - 4 * HOUR
    night = (Shift(name="night", start_hour=22, hours=8), Shift(name="early", start_hour=6, hours=8))
    facts = replace(tiny_facts(2, horizon_h=12), start=start, calendar=Calendar(shifts=night))
    orders = tuple(replace(o, due_at=start + (k + 3) * 2 * HOUR) for k, o in enumerate(facts.orders))
    plan = plan_for(replace(facts, orders=orders, risks=()))
    assert plan.runs
    assert lay_out(facts).shift.count(0) == (7 if month_day[0] == 3 else 9)


def test_line_stands_still_outside_shifts_and_in_closures() -> None:
    early = (Shift(name="early", start_hour=6, hours=3),)
    closure = Closure(line="A0", start=START, end=START + 1.5 * HOUR, reason="inventory")
    facts = replace(tiny_facts(1), calendar=Calendar(shifts=early, closures=(closure,)), risks=())
    plan = plan_for(facts)
    assert plan.runs
    assert all(run.start >= START + HOUR and run.end <= START + 3 * HOUR for run in plan.runs)
    assert plan.hours[0].energy_kwh == 0.0
    assert plan.hours[5].energy_kwh == 0.0


def test_machine_under_maintenance_holds_its_line_and_a_crew() -> None:
    facts = tiny_facts(2, lines=2, machines=1)
    away = replace(facts, ongoing=(OngoingMaintenance(machine="A1-0", end=START + 2.5 * HOUR),))
    plan = plan_for(away)
    assert all(run.start >= START + 3 * HOUR for run in plan.runs if run.line == "A1")
    assert all(window.machine == "A0-0" and window.start >= START + 3 * HOUR for window in plan.maintenance)


def test_machine_reported_twice_is_back_at_the_later_end() -> None:
    facts = tiny_facts(2, lines=2, machines=1, crews=2)
    twice = tuple(OngoingMaintenance(machine="A1-0", end=START + h * HOUR) for h in (4, 2))
    plan = plan_for(replace(facts, ongoing=twice))
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert all(run.start >= START + 4 * HOUR for run in plan.runs if run.line == "A1")


def test_frozen_hours_keep_to_the_accepted_plan() -> None:
    facts = tiny_facts(2, lines=2, machines=1, horizon_h=8)
    first = replace(plan_for(facts), decision=Decision.ACCEPTED)
    changed = replace(
        facts, previous=first, orders=facts.orders[:1], policy=replace(facts.policy, frozen_h=3), start=START + HOUR
    )
    second = plan_for(changed)
    comparison = compare(second, first, facts=changed, previous_facts=facts)
    limit = changed.start + 3 * HOUR
    then = {(w.machine, w.start) for w in first.maintenance if changed.start <= w.start < limit}
    assert then == {(w.machine, w.start) for w in second.maintenance if w.start < limit}
    assert comparison.runs_changed <= comparison.runs
    assert float(comparison.difference) == pytest.approx(second.cost - first.cost)


def test_accepted_maintenance_in_progress_is_not_planned_again() -> None:
    facts = tiny_facts(2, lines=2, machines=1)
    first = plan_for(facts)
    window = first.maintenance[0]
    later = replace(facts, previous=first, start=window.start + HOUR)
    second = plan_for(later)
    assert window.machine not in {w.machine for w in second.maintenance}
    assert all(run.start >= window.start + 2 * HOUR for run in second.runs if run.line == window.line)


def test_order_that_no_line_can_make_is_named_with_its_repair() -> None:
    facts = tiny_facts(0)
    nuts_only = tuple(c for c in facts.capabilities if c.product == "nut")
    orders = (*facts.orders[:1], Order(number="B7", product="bolt", quantity=9.0, due_at=START + 3 * HOUR))
    plan = plan_for(replace(facts, capabilities=nuts_only, orders=tuple(replace(o, number=o.number) for o in orders)))
    assert plan.status is SolveStatus.INFEASIBLE
    assert "capability|B7|horizon" in {conflict.rule for conflict in plan.conflicts}
    assert "B7" in plan.headline
    assert plan.repairs[0].cost is not None


def test_stock_may_cover_an_order_that_no_line_can_make() -> None:
    facts = tiny_facts(0)
    bolts_only = tuple(c for c in facts.capabilities if c.product == "bolt")
    order = Order(number="N1", product="nut", quantity=5.0, due_at=START + 3 * HOUR)
    plan = plan_for(replace(facts, capabilities=bolts_only, orders=(order,)))
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert plan.late == ()


def test_cap_below_idle_emissions_is_named_with_the_cap_that_works() -> None:
    plan = plan_for(replace(tiny_facts(0), tariff=tariff(co2_cap_kg=0.5)))
    assert plan.status is SolveStatus.INFEASIBLE
    assert [conflict.rule for conflict in plan.conflicts] == ["co2_cap|plant|horizon"]
    assert plan.repairs[0].cost is not None
    assert "kg" in plan.repairs[0].sentence


def test_chance_limit_beyond_the_crews_names_both_and_the_repairs() -> None:
    facts = tiny_facts(6, lines=3, machines=1, horizon_h=4, crews=1)
    problem = build_problem(facts)
    none = min(float(options.failure_probability[0]) for options in problem.machines)
    best = max(float(options.failure_probability.min()) for options in problem.machines)
    limit = 0.5 * (none + best)
    assert best < limit < none, "each machine must need its maintenance"
    plan = plan_for(replace(facts, policy=replace(facts.policy, max_failure_probability=limit)))
    assert plan.status is SolveStatus.INFEASIBLE
    rules = {conflict.rule.split("|")[0] for conflict in plan.conflicts}
    assert rules == {"chance", "crews"}
    assert 2 <= len(plan.conflicts) <= 6
    assert any("crews instead of" in repair.sentence and repair.cost is not None for repair in plan.repairs)
    assert any("failure probability" in repair.sentence and repair.cost is not None for repair in plan.repairs)


def test_search_gives_a_checked_plan_when_time_is_up_at_once() -> None:
    problem = build_problem(demo_facts(1, lines=2, horizon_h=24))
    found = search(problem, time_limit_s=0.01)
    assert isinstance(found, Found)
    empty = solving.empty_plan(problem, number="P", created_at=START, reason="x")
    plan = solving.publish(problem, found, empty)
    assert plan.status is SolveStatus.FEASIBLE
    assert plan.certificate is not None
    assert plan.certificate.checked
    assert plan.runs


def test_headline_names_the_machine_its_wear_the_time_and_the_saving() -> None:
    facts = demo_facts(1, lines=2, horizon_h=24, time_limit_s=8.0, gap=0.02)
    plan = plan_for(facts)
    assert plan.saving is not None
    assert plan.saving > 100
    assert plan.headline.startswith("Press 2: bearing wearing; the plan sets its maintenance for ")
    assert "EUR" in plan.headline


def test_headline_says_when_no_maintenance_is_worth_its_cost() -> None:
    plan = plan_for(replace(tiny_facts(0), risks=()))
    assert plan.headline == "No maintenance is worth its cost in the next 6 h."
    assert plan.saving is None


def test_machine_without_enough_data_is_priced_and_said_so() -> None:
    facts = tiny_facts(2, lines=2, machines=1)
    unsure = tuple(replace(r, enough_data=False, reason="3 h seen") for r in facts.risks)
    plan = plan_for(replace(facts, risks=unsure))
    assert plan.maintenance
    assert "too few data" in plan.headline


def test_rates_and_amounts_at_which_whole_units_are_lost_are_refused_by_their_field() -> None:
    facts = tiny_facts(0)
    fast = replace(facts, capabilities=(replace(facts.capabilities[0], rate_per_h=45e6), *facts.capabilities[1:]))
    (fault,) = find_faults(fast)
    assert fault.where == "capabilities[0].rate_per_h"
    assert "at most 500000 units per hour" in fault.expected
    many = replace(facts, orders=(replace(facts.orders[0], quantity=2e9), *facts.orders[1:]))
    (fault,) = find_faults(many)
    assert "quantity" in fault.where
    assert "at most 1e+09" in fault.expected


def test_fastest_line_that_is_allowed_has_a_checked_plan_in_whole_units() -> None:
    facts = tiny_facts(0)
    fast = tuple(replace(c, rate_per_h=500_000.0, energy_kwh_per_unit=1e-4) for c in facts.capabilities)
    orders = tuple(replace(order, quantity=order.quantity * 10_000 + 1) for order in facts.orders)
    plan = plan_for(replace(facts, capabilities=fast, orders=orders))
    assert plan.certificate is not None
    assert plan.certificate.checked
    assert sum(run.gross_units for run in plan.runs) > 100_000
