"""The section `objective`: what it becomes, how it reaches a plan, and what wrong ones get."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from linewright.planning import make_plan
from linewright.production import seed_records
from linewright.settings.loading import load
from linewright.settings.site import Site
from linewright.settings.template import template_text, write_template
from linewright.wiring import open_keeper, open_records, open_site, open_store
from plant.errors import ConfigError
from plant.plans import Goal, GoalLimit, GoalStep, Objective, SolveStatus

NOW = datetime(2026, 3, 2, 6, 20, tzinfo=UTC)
SECTION = """
[objective]
order = [{ goal = "lateness", tolerance = 0.05 }, { goal = "cost" }]
limits = [{ goal = "co2", at_most = 9000.0 }]
"""


def site_with(folder: Path, section: str) -> Site:
    path = folder / "linewright.toml"
    path.write_text(template_text() + section)
    return load(path, {}, now=NOW)


def test_without_the_section_plans_have_the_least_cost(tmp_path: Path) -> None:
    assert site_with(tmp_path, "").objective is None
    assert site_with(tmp_path, "[objective]\n").objective is None


def test_order_limits_and_weights_become_the_word(tmp_path: Path) -> None:
    assert site_with(tmp_path, SECTION + "weights = { peak = 2.0 }\n").objective == Objective(
        weights={"peak": 2.0},
        order=(GoalStep(goal=Goal.LATENESS, tolerance=0.05), GoalStep(goal=Goal.COST)),
        limits=(GoalLimit(goal=Goal.CO2, at_most=9000.0),),
    )


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("weights = { beer = 1.0 }", "the terms of the cost are setups"),
        ("weights = { delays = 2.0 }", "that of delays must not exceed that of backlog"),
        ('order = [{ goal = "co2" }, { goal = "co2" }]', "order names co2 more than once"),
        ('order = [{ goal = "fame" }]', "must be one of lateness, risk, cost, co2"),
        ('order = [{ goal = "co2", tolerance = -1.0 }]', "0"),
        ('limits = [{ goal = "co2" }]', "at_most"),
    ],
)
def test_a_wrong_objective_is_refused_with_its_field(tmp_path: Path, section: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        site_with(tmp_path, f"[objective]\n{section}\n")
    assert told in str(refused.value)
    assert "objective" in str(refused.value)


def test_a_plan_of_the_site_states_its_goals(tmp_path: Path) -> None:
    write_template(tmp_path)
    with (tmp_path / "linewright.toml").open("a") as file:
        file.write(SECTION)
    site = open_site(tmp_path, environ={})
    site = replace(site, planning=replace(site.planning, time_limit_s=2.0, horizon_h=16))
    open_keeper(site).close()
    with closing(open_records(site)) as records, closing(open_store(site)) as store:
        now = site.clock.now()
        seed_records(site, records, now=now)
        plan = make_plan(site, store=store, records=records, now=now, reason="scheduled")
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert plan.certificate is not None
    assert [stage.goal for stage in plan.certificate.stages] == [Goal.LATENESS, Goal.COST]
    assert {"goals", "goal_limits"} <= {check.rule for check in plan.certificate.checks}
