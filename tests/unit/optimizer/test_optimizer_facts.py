"""Bad facts: every fault is named, and nothing else is ever raised."""

import math
import subprocess
import sys
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_plants import START, tiny_facts

from optimizer.problem import PlanningFacts, build_problem
from optimizer.solve import solve
from optimizer.validate import find_faults
from plant.errors import ConfigError
from plant.plans import SolveStatus
from plant.production import Closure, Shift, TariffBand

BAD = [math.nan, math.inf, -math.inf, -1.0]


def changed(facts: PlanningFacts, section: str, field: str, value: Any) -> PlanningFacts:
    part = getattr(facts, section)
    if isinstance(part, tuple):
        return replace(facts, **{section: (replace(part[0], **{field: value}), *part[1:])})
    return replace(facts, **{section: replace(part, **{field: value})})


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    ("section", "field"),
    [
        ("capabilities", "rate_per_h"),
        ("capabilities", "scrap_ratio"),
        ("capabilities", "energy_kwh_per_unit"),
        ("capabilities", "setup_h"),
        ("capabilities", "setup_cost"),
        ("products", "holding_cost_per_unit_h"),
        ("products", "backlog_cost_per_unit_h"),
        ("products", "scrap_cost"),
        ("orders", "quantity"),
        ("stock", "quantity"),
        ("tariff", "demand_charge_per_kw"),
        ("tariff", "peak_so_far_kw"),
        ("tariff", "co2_cap_kg"),
        ("policy", "final_backlog_factor"),
        ("policy", "time_limit_s"),
        ("policy", "gap"),
        ("policy", "max_failure_probability"),
    ],
)
def test_build_problem_names_a_number_that_cannot_be(section: str, field: str, value: float) -> None:
    with pytest.raises(ConfigError) as raised:
        build_problem(changed(tiny_facts(0), section, field, value))
    assert any(field in fault.where or "order" in fault.where for fault in raised.value.faults)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("capabilities", "line", "L9"),
        ("capabilities", "product", "ghost"),
        ("capabilities", "scrap_ratio", 1.0),
        ("orders", "product", "ghost"),
        ("orders", "number", "o1"),
        ("orders", "due_at", datetime(2026, 1, 1)),  # noqa: DTZ001 - what is refused
        ("stock", "product", "ghost"),
        ("calendar", "shifts", (Shift(name="x", start_hour=24, hours=25, weekdays=(7,)),)),
        ("calendar", "closures", (Closure(line="ghost", start=START, end=START, reason=""),)),
        ("tariff", "co2_kg_per_kwh", (0.1,)),
        ("tariff", "bands", (TariffBand(name="x", start_hour=-1, end_hour=25, price_per_kwh=math.nan),)),
        ("policy", "horizon_h", 0),
        ("policy", "horizon_h", 10**6),
        ("policy", "crews", -1),
        ("plant", "timezone", "Mars/Base"),
        ("risks", "machine", "ghost"),
        ("risks", "survival", (0.5,)),
        ("risks", "horizons_h", (4.0, 3.0, 16.0, 24.0, 36.0, 48.0, 72.0, 96.0, 168.0)),
        ("risks", "survival", (0.5, 0.9, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, math.nan)),
    ],
)
def test_build_problem_names_what_does_not_fit(section: str, field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        build_problem(changed(tiny_facts(0), section, field, value))
    assert raised.value.faults


@pytest.mark.parametrize("start", [datetime(2026, 1, 1), START + timedelta(minutes=7)])  # noqa: DTZ001 - what is refused
def test_build_problem_refuses_a_start_that_is_no_full_hour(start: datetime) -> None:
    with pytest.raises(ConfigError, match="start"):
        build_problem(replace(tiny_facts(0), start=start))


def test_build_problem_names_all_faults_at_once() -> None:
    facts = changed(tiny_facts(0), "capabilities", "rate_per_h", math.nan)
    facts = changed(changed(facts, "orders", "quantity", -5.0), "policy", "crews", -1)
    with pytest.raises(ConfigError) as raised:
        build_problem(facts)
    assert len(raised.value.faults) == 3


NUMBERS = st.one_of(st.sampled_from([*BAD, 0.0, 1e-12, 1e9]), st.floats(-10, 1000))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_facts_give_faults_or_a_checked_plan(data: st.DataObject) -> None:
    """Numbers of any size in any field: a ConfigError that names them, or a plan with an honest status."""
    facts = tiny_facts(data.draw(st.integers(0, 3)), machines=1, horizon_h=4, time_limit_s=2.0)
    for _ in range(data.draw(st.integers(1, 3))):
        section = data.draw(st.sampled_from(["capabilities", "products", "orders", "stock", "tariff", "policy"]))
        part = getattr(facts, section)
        one = part[0] if isinstance(part, tuple) else part
        numeric = [f.name for f in fields(one) if f.type in ("float", float)]
        if numeric:
            facts = changed(facts, section, data.draw(st.sampled_from(numeric)), data.draw(NUMBERS))
    facts = replace(facts, policy=replace(facts.policy, time_limit_s=min(facts.policy.time_limit_s, 2.0)))
    if any(find_faults(facts)):
        with pytest.raises(ConfigError):
            build_problem(facts)
        return
    problem = build_problem(facts)
    plan = solve(problem, number="P", created_at=START, reason="fuzz")
    if plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        assert plan.certificate is not None
        assert plan.certificate.checked
    else:
        assert plan.headline


def test_importing_the_room_loads_no_solver() -> None:
    modules = "optimizer.problem, optimizer.solve, optimizer.certify, optimizer.explain, optimizer.rounding"
    code = f"import sys, {modules}; print([m for m in ('pulp', 'highspy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
