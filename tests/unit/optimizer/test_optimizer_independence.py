"""The check shares nothing with the formulation: its files read the facts and each other, no more."""

import ast
from pathlib import Path

import pytest

import optimizer.certify

CHECK = {
    "optimizer.certify",
    "optimizer.certify_changeovers",
    "optimizer.certify_goals",
    "optimizer.certify_stock",
    "optimizer.costing",
    "optimizer.exact",
    "optimizer.exact_changeovers",
    "optimizer.exact_delays",
    "optimizer.exact_stock",
}
FORM = {"optimizer.facts": {"PlanningFacts", "GRAINS_PER_UNIT", "inputs_hash"}}
"""Of the facts: what they are and how they are written, none of their readings."""


@pytest.mark.parametrize("name", sorted(CHECK))
def test_check_reads_only_the_facts(name: str) -> None:
    path = Path(optimizer.certify.__file__).with_name(f"{name.rpartition('.')[2]}.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optimizer"):
            names = {alias.name for alias in node.names}
            module = node.module or ""
            whole = {f"{module}.{each}" for each in names} if module == "optimizer" else {module}
            assert whole <= CHECK or names <= FORM.get(module, set()), f"{name} reads {names} of {module}"
