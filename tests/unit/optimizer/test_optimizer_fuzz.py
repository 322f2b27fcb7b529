"""The bounded form of the fuzz benchmark: nothing crashes, runs, or is published unchecked."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from plan_fuzz import fuzz


def test_damaged_facts_models_and_expressions_are_refused_by_name_or_checked() -> None:
    counts, breaches = fuzz(160, seed=3)
    assert not breaches
    outcomes = {outcome for _, outcome in counts}
    assert {"refused", "plan, checked"} <= outcomes
    assert any(outcome.startswith("answer") for outcome in outcomes)
