"""The planner at the sizes it is used at: the demo's plant, and a fleet of a hundred single machines."""

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_plants import START, demo_facts, fleet_facts

from optimizer.certify import recompute
from optimizer.problem import build_problem, facts_from_json, facts_to_json
from optimizer.solve import solve
from plant.plans import SolveStatus


@pytest.mark.parametrize("seed", [1, 4])
def test_demo_plant_gets_a_checked_plan_within_two_per_cent(seed: int) -> None:
    facts = demo_facts(seed, time_limit_s=10.0)
    began = time.process_time()
    plan = solve(build_problem(facts), number="P-1", created_at=START, reason="test")
    took_s = time.process_time() - began
    certificate = plan.certificate
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert certificate is not None
    assert certificate.checked
    assert certificate.gap is not None
    assert certificate.gap <= 0.02, "of the rounded, checked plan; below 0.01 on an idle core"
    assert took_s <= 16.0, "10 s of search, whole units and the comparison without maintenance come on top"
    assert plan.maintenance[0].machine == "L2-press"
    assert plan.saving is not None
    assert plan.saving > 1000
    assert recompute(facts_from_json(facts_to_json(facts)), plan) == certificate


def test_fleet_of_a_hundred_machines_gets_a_checked_plan_with_two_crews() -> None:
    facts = fleet_facts(100, horizon_h=72)
    began = time.process_time()
    plan = solve(build_problem(facts), number="P-2", created_at=START, reason="test")
    took_s = time.process_time() - began
    certificate = plan.certificate
    assert certificate is not None
    assert certificate.checked
    assert certificate.gap is not None
    assert certificate.gap <= 0.02
    assert took_s <= 30.0, "20 s on an idle core"
    assert len(plan.maintenance) >= 10
    for hour in range(72):
        at = plan.hours[hour].start
        assert sum(1 for window in plan.maintenance if window.start <= at < window.end) <= 2
