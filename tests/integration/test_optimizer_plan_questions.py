"""`linewright plan compare | prices | why-late | why-not` as a person runs them, on files of facts."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_plants import tiny_facts

from optimizer.problem import facts_to_json


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Facts, and the same with dearer energy and one order less."""
    facts = tiny_facts(3, horizon_h=8, machines=1)
    dearer = replace(facts, orders=facts.orders[1:], tariff=replace(facts.tariff, base_price_per_kwh=0.6))
    paths = (tmp_path / "before.json", tmp_path / "now.json")
    for path, each in zip(paths, (facts, dearer), strict=True):
        path.write_bytes(facts_to_json(each))
    return str(paths[0]), str(paths[1])


def linewright(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linewright", "plan", *arguments], capture_output=True, text=True, timeout=60
    )


def test_plan_compare_bridges_the_cost_and_names_the_facts(files: tuple[str, str]) -> None:
    done = linewright("compare", *files, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sum(item["amount"] for item in told["bridge"]) == pytest.approx(told["now"] - told["before"], abs=1e-6)
    assert {change["kind"] for change in told["inputs"]} == {"order", "tariff"}
    text = linewright("compare", *files).stdout
    assert "of which the changed facts" in text
    assert "is gone" in text


def test_plan_prices_are_told_in_the_plants_words(files: tuple[str, str]) -> None:
    done = linewright("prices", "--plan", files[0])
    assert done.returncode == 0, done.stderr
    assert "more good unit" in done.stdout
    assert all(price["saves"] > 0 for price in json.loads(linewright("prices", "--plan", files[0], "--json").stdout))


def test_plan_questions_are_answered_or_refused_by_name(files: tuple[str, str]) -> None:
    answer = json.loads(linewright("why-not", "no nut on A0", "--plan", files[0], "--json").stdout)
    assert 0 < answer["least"] <= answer["most"]
    refused = linewright("why-not", "paint it black", "--plan", files[0])
    assert refused.returncode == 2
    assert "maintain MACHINE" in refused.stderr
    unknown = linewright("why-late", "o99", "--plan", files[0])
    assert unknown.returncode == 2
    assert "o0, o1, o2" in unknown.stderr
    assert "Traceback" not in refused.stderr + unknown.stderr
