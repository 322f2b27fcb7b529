"""`linewright plan solve` while it searches: progress by lines of JSON, Ctrl-C, equal plans from equal runs."""

import json
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_plants import demo_facts

from linewright.plan_progress import as_line
from optimizer.control import Progress
from optimizer.problem import facts_to_json


def start(file: Path, *options: str) -> subprocess.Popen[str]:
    """The command as a person runs it."""
    command = [sys.executable, "-m", "linewright", "plan", "solve", str(file), "--json", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_interrupted_search_ends_with_its_best_plan_checked(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_bytes(facts_to_json(demo_facts(1)))
    with start(file, "--time-limit", "300", "--gap", "0", "--follow", "json") as running:
        assert running.stderr is not None
        told = json.loads(running.stderr.readline())
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    plan = json.loads(output)
    assert running.returncode == 0
    assert told["incumbent"] > 0
    assert plan["certificate"]["checked"] is True
    assert plan["certificate"]["solver"].endswith("stopped by hand")
    assert plan["certificate"]["recomputed_objective"] <= told["incumbent"] * 1.02


def test_repeatable_runs_give_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_bytes(facts_to_json(demo_facts(2, horizon_h=24)))
    options = ("--time-limit", "0.2", "--repeatable")
    outputs = [run.communicate(timeout=60)[0] for run in [start(file, *options), start(file, *options)]]
    assert outputs[0] == outputs[1]
    assert "repeatable" in json.loads(outputs[0])["certificate"]["solver"]


def test_progress_without_a_plan_or_bound_is_told() -> None:
    assert "no plan yet" in as_line(Progress(spent_s=0.1, incumbent=None, bound=5.0))
    assert "gap" not in as_line(Progress(spent_s=0.1, incumbent=7.0, bound=None))
