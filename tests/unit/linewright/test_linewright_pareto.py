"""The front between cost and another goal: checked points, dominated ones told apart, table, picture and command."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "optimizer"))

from optimizer_plants import tiny_facts
from typer.testing import CliRunner

from linewright.cli.plans import app
from linewright.pareto import Point, _is_dominated, as_table, draw, pareto
from optimizer.facts import facts_to_json
from plant.errors import QuestionError
from plant.plans import Goal, SolveStatus


def point(cost: float, goal: float) -> Point:
    return Point(
        at_most=None,
        status=SolveStatus.OPTIMAL,
        cost=cost,
        goal=goal,
        bound=cost,
        is_dominated=False,
        late_units=0.0,
        maintenance=(),
        headline="",
    )


def test_front_falls_from_end_to_end_and_its_table_prices_each_step() -> None:
    front = pareto(tiny_facts(3, horizon_h=4), over=Goal.CO2, points=4, time_limit_s=2.0, cores=1)
    assert len(front) == 4
    kept = [each for each in front if not each.is_dominated]
    assert [each.cost for each in kept] == sorted(each.cost for each in kept)
    assert [each.goal for each in kept] == sorted((each.goal for each in kept), reverse=True)
    for each in kept:
        assert each.bound is not None
        assert each.bound <= each.cost + 1e-6
        assert each.at_most is None or each.goal <= each.at_most + 1e-5
    table = as_table(front, over=Goal.CO2, currency="EUR")
    assert "co2 kg" in table
    assert len(table.splitlines()) >= 1 + len(kept)


def test_points_that_others_beat_are_dominated_and_equals_stay_once() -> None:
    points = [point(100, 9), point(120, 9), point(120, 5), point(150, 5), point(120, 5)]
    assert [_is_dominated(each, n, points) for n, each in enumerate(points)] == [False, True, False, True, True]


@pytest.mark.parametrize(("over", "points"), [(Goal.COST, 5), (Goal.CO2, 1), (Goal.CO2, 51)])
def test_front_without_a_second_goal_or_points_is_refused(over: Goal, points: int) -> None:
    with pytest.raises(QuestionError, match="2 to 50 points"):
        pareto(tiny_facts(3), over=over, points=points, time_limit_s=1.0)


def test_command_prints_the_front_and_draws_it(tmp_path: Path) -> None:
    file, picture = tmp_path / "facts.json", tmp_path / "front.png"
    file.write_bytes(facts_to_json(tiny_facts(3, horizon_h=4)))
    options = ["--over", "co2", "--points", "3", "--time-limit", "2", "--cores", "1"]
    done = CliRunner().invoke(app, ["pareto", str(file), *options, "--json", "-o", str(picture)])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.output)) == 3
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_pictures_of_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match=r"\.png or \.svg"):
        draw([point(1, 1)], over=Goal.CO2, currency="EUR", path=tmp_path / "front.txt")
