"""`linewright plan whatif | replay` as a person runs them, on a file of facts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_plants import tiny_facts

from optimizer.problem import facts_to_json


@pytest.fixture
def facts_file(tmp_path: Path) -> str:
    path = tmp_path / "facts.json"
    path.write_bytes(facts_to_json(tiny_facts(3, horizon_h=8, machines=1)))
    return str(path)


def linewright(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linewright", "plan", *arguments], capture_output=True, text=True, timeout=90
    )


def test_plan_whatif_compares_scenarios_in_a_table_and_a_picture(facts_file: str, tmp_path: Path) -> None:
    scenarios, picture = tmp_path / "whatif.toml", tmp_path / "whatif.svg"
    scenarios.write_text('[[scenario]]\nname = "dear"\ntariff = { factor = 3 }\nextra_cost = 10\n', encoding="utf-8")
    arguments = ("whatif", str(scenarios), "--rush", "nut:40:3", "--plan", facts_file, "--picture", str(picture))
    done = linewright(*arguments, "--time-limit", "2", "--json")
    assert done.returncode == 0, done.stderr
    base, dear, rush = json.loads(done.stdout)
    assert (base["name"], dear["name"], rush["name"]) == ("as it is", "dear", "by the options")
    assert dear["cost"] > base["cost"] + 10
    assert dear["least"] <= dear["more"] <= dear["most"]
    assert "Order rush-1 is new" in rush["changes"][0]
    assert picture.read_text(encoding="utf-8").lstrip().startswith("<?xml")
    wrong = linewright("whatif", "--breakdown", "A9:3", "--plan", facts_file)
    assert wrong.returncode == 2
    assert "it must name a machine" in wrong.stderr


def test_plan_replay_tells_what_chance_makes_of_a_plan(facts_file: str) -> None:
    done = linewright("replay", facts_file, "--paths", "100", "--time-limit", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["replay"]["paths"] == 100
    assert set(told["replay"]["in_time"]) <= {"o0", "o1", "o2"}
    assert {other["practice"] for other in told["others"]} >= {"as_today", "risk_blind"}
    text = linewright("replay", facts_file, "--paths", "50", "--time-limit", "0").stdout
    assert "chance of being in time" in text
