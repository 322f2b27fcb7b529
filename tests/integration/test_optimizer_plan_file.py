"""`linewright plan solve FILE`: a plan from a file of facts, and clear words where the file does not fit."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_plants import tiny_facts

from optimizer.problem import facts_to_json


def linewright(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it."""
    return subprocess.run([sys.executable, "-m", "linewright", *arguments], capture_output=True, text=True, timeout=60)


def test_plan_solve_gives_a_checked_plan_as_json(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    document = json.loads(facts_to_json(tiny_facts(3)))
    del document["plant"]["machine_index"], document["plant"]["class_index"]
    file.write_text(json.dumps(document))
    done = linewright("plan", "solve", str(file), "--json", "--time-limit", "5", "--gap", "0")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["status"] in ("optimal", "feasible")
    assert plan["certificate"]["checked"] is True
    assert "time limit 5 s" in plan["certificate"]["solver"]


def test_plan_solve_names_the_field_that_does_not_fit(tmp_path: Path) -> None:
    document = json.loads(facts_to_json(tiny_facts(3)))
    document["capabilities"][0]["rate_per_h"] = "fast"
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(document))
    done = linewright("plan", "solve", str(wrong))
    assert done.returncode == 2
    assert "capabilities[0].rate_per_h" in done.stderr
    document["capabilities"][0]["rate_per_h"] = -1.0
    wrong.write_text(json.dumps(document))
    done = linewright("plan", "solve", str(wrong))
    assert done.returncode == 2
    assert "rate_per_h" in done.stderr
    assert "Traceback" not in done.stderr


def test_plan_solve_prints_the_schema_of_its_file() -> None:
    schema = json.loads(linewright("plan", "solve", "--schema").stdout)
    assert "PlanningFacts" in schema["$defs"]
