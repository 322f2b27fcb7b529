"""Every rule of a plan, broken once: the independent check must see it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from optimizer_plants import START, tariff, tiny_facts

from optimizer.certify import certify, recompute
from optimizer.problem import PlanningFacts, build_problem, facts_from_json, facts_to_json, inputs_hash
from optimizer.solve import solve
from plant.plans import CostTerm, Plan
from plant.production import Closure, Order

HOUR = timedelta(hours=1)
FACTS = tiny_facts(2, lines=2, machines=1)


def plan_for(facts: PlanningFacts) -> Plan:
    return solve(build_problem(facts), number="P-1", created_at=START, reason="test")


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A plan with runs and maintenance."""
    made = plan_for(FACTS)
    assert made.runs
    assert made.maintenance
    return made


def broken_rules(facts: PlanningFacts, plan: Plan) -> set[str]:
    certificate = certify(facts, plan, solver="none", solve_s=0.0, solver_objective=0.0, bound=None)
    assert certificate.checked == all(check.holds for check in certificate.checks)
    return {check.rule for check in certificate.checks if not check.holds}


def with_units(plan: Plan, change: Callable[[float], float]) -> Plan:
    """The plan with the first hour of its first run changed."""
    run = plan.runs[0]
    hourly = (change(run.hourly_units[0]), *run.hourly_units[1:])
    return replace(plan, runs=(replace(run, hourly_units=hourly, gross_units=round(sum(hourly))), *plan.runs[1:]))


def test_certify_accepts_the_plan_as_made(plan: Plan) -> None:
    assert broken_rules(FACTS, plan) == set()


def test_certify_sees_half_units(plan: Plan) -> None:
    assert "whole_units" in broken_rules(FACTS, with_units(plan, lambda units: units - 0.5))


def test_certify_sees_negative_units(plan: Plan) -> None:
    assert "whole_units" in broken_rules(FACTS, with_units(plan, lambda units: -units))


def test_certify_sees_an_overfull_hour(plan: Plan) -> None:
    assert {"line_hours", "shift_hours"} <= broken_rules(FACTS, with_units(plan, lambda units: units + 500))


def test_certify_sees_a_shift_overfull_with_setups(plan: Plan) -> None:
    slow = tuple(replace(capability, setup_h=5.9) for capability in FACTS.capabilities)
    assert "shift_hours" in broken_rules(replace(FACTS, capabilities=slow), plan)


def test_certify_sees_a_product_the_line_cannot_make(plan: Plan) -> None:
    run = plan.runs[0]
    left = tuple(c for c in FACTS.capabilities if (c.line, c.product) != (run.line, run.product))
    assert "capability" in broken_rules(replace(FACTS, capabilities=left), plan)


def test_certify_sees_a_run_outside_the_horizon(plan: Plan) -> None:
    run = replace(plan.runs[0], start=plan.runs[0].start + 6 * HOUR)
    assert "capability" in broken_rules(FACTS, replace(plan, runs=(run, *plan.runs[1:])))


def test_certify_sees_a_run_in_a_closure(plan: Plan) -> None:
    closure = Closure(line="", start=START, end=START + 6 * HOUR, reason="holiday")
    closed = replace(FACTS, calendar=replace(FACTS.calendar, closures=(closure,)))
    assert "line_hours" in broken_rules(closed, plan)


def test_certify_sees_a_missing_setup(plan: Plan) -> None:
    runs = tuple(replace(run, setup=False) for run in plan.runs)
    assert "setups" in broken_rules(FACTS, replace(plan, runs=runs))


def test_certify_sees_good_units_that_ignore_scrap(plan: Plan) -> None:
    runs = tuple(replace(run, good_units=float(run.gross_units)) for run in plan.runs)
    assert "stock" in broken_rules(FACTS, replace(plan, runs=runs))


def test_certify_sees_two_windows_on_one_machine(plan: Plan) -> None:
    window = plan.maintenance[0]
    again = replace(window, start=START + 4 * HOUR, end=START + 5.5 * HOUR)
    assert "one_option" in broken_rules(FACTS, replace(plan, maintenance=(window, again)))


@pytest.mark.parametrize("shift", [-HOUR, HOUR * 0.5, HOUR * 5])
def test_certify_sees_a_window_out_of_place(plan: Plan, shift: timedelta) -> None:
    window = plan.maintenance[0]
    first = replace(window, start=START + shift, end=START + shift + (window.end - window.start))
    assert "one_option" in broken_rules(FACTS, replace(plan, maintenance=(first,)))


def test_certify_sees_a_window_cut_short(plan: Plan) -> None:
    window = replace(plan.maintenance[0], end=plan.maintenance[0].start + HOUR)
    assert "one_option" in broken_rules(FACTS, replace(plan, maintenance=(window,)))


def test_certify_sees_too_few_crews(plan: Plan) -> None:
    none = replace(FACTS, policy=replace(FACTS.policy, crews=0))
    assert "crews" in broken_rules(none, plan)


def test_certify_sees_a_machine_too_likely_to_fail(plan: Plan) -> None:
    strict = replace(FACTS, policy=replace(FACTS.policy, max_failure_probability=0.001))
    assert "chance" in broken_rules(strict, plan)


def test_certify_sees_emissions_above_the_cap(plan: Plan) -> None:
    capped = replace(FACTS, tariff=replace(FACTS.tariff, co2_cap_kg=plan.co2_kg - 0.1))
    assert "co2_cap" in broken_rules(capped, plan)


def test_certify_sees_wrong_energy_and_peak(plan: Plan) -> None:
    less = replace(plan, hours=(replace(plan.hours[0], energy_kwh=0.0), *plan.hours[1:]), peak_kw=1.0)
    assert {"energy", "peak"} <= broken_rules(FACTS, less)


def test_certify_sees_a_changed_frozen_zone(plan: Plan) -> None:
    frozen = replace(FACTS, policy=replace(FACTS.policy, frozen_h=6), previous=plan)
    assert broken_rules(frozen, plan) == set()
    assert "frozen" in broken_rules(frozen, with_units(plan, lambda units: units + 1))
    assert "frozen" in broken_rules(frozen, replace(plan, maintenance=()))


def test_certify_sees_an_order_without_a_line(plan: Plan) -> None:
    order = Order(number="x", product="bolt", quantity=1e6, due_at=START + HOUR)
    facts = replace(
        FACTS,
        orders=(*FACTS.orders, order),
        capabilities=tuple(c for c in FACTS.capabilities if c.product != "bolt"),
    )
    assert "orders" in broken_rules(facts, plan)


def test_certify_sees_flattered_costs(plan: Plan) -> None:
    costs = tuple(CostTerm(name=c.name, amount=c.amount - 1 * (c.name == "energy")) for c in plan.costs)
    assert broken_rules(FACTS, replace(plan, costs=costs)) == {"costs"}
    assert broken_rules(FACTS, replace(plan, costs=plan.costs[1:])) >= {"costs"}


def test_certify_sees_maintenance_on_a_machine_that_is_away_already(plan: Plan) -> None:
    from optimizer.problem import OngoingMaintenance

    away = OngoingMaintenance(machine=plan.maintenance[0].machine, end=START + 2 * HOUR)
    assert "one_option" in broken_rules(replace(FACTS, ongoing=(away,)), plan)


@pytest.mark.parametrize("seed", range(6))
def test_recompute_gives_the_same_certificate_from_stored_facts(seed: int) -> None:
    facts = tiny_facts(seed)
    plan = plan_for(facts)
    stored = facts_from_json(facts_to_json(facts))
    assert stored == facts
    assert facts_to_json(stored) == facts_to_json(facts)
    assert inputs_hash(stored) == inputs_hash(facts)
    again = recompute(stored, plan)
    assert again == plan.certificate
    assert again is not None
    assert again.recomputed_objective == pytest.approx(plan.cost)


def test_recompute_differs_when_the_facts_were_altered(plan: Plan) -> None:
    dearer = replace(FACTS, tariff=tariff(base_price_per_kwh=9.0))
    assert recompute(dearer, plan) != plan.certificate
