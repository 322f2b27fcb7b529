"""The files of docs/examples are planned as they stand, and problem files say what is wrong with them."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from optimizer_plants import START
from scipy.optimize import Bounds, LinearConstraint, milp

from optimizer.export import write_program
from optimizer.facts import PlanningFacts, facts_from_json, facts_from_toml, facts_to_json
from optimizer.problem import build_problem
from optimizer.solve import solve
from plant.plans import SolveStatus

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"


def textbook_optimum(facts: PlanningFacts) -> float:
    """Capacitated lot sizing as in the books: a lot and a setup per item and period, nothing late."""
    n, items = facts.policy.horizon_h, len(facts.products)
    demand = np.zeros((items, n))
    index = {product.name: i for i, product in enumerate(facts.products)}
    for order in facts.orders:
        demand[index[order.product], int((order.due_at - facts.start).total_seconds() // 3600) - 1] += order.quantity
    size = items * n
    cost, rows, least = np.zeros(2 * size), [], []
    for capability in facts.capabilities:
        i = index[capability.product]
        for t in range(n):
            lot, setup = i * n + t, size + i * n + t
            cost[setup] = capability.setup_cost
            cost[lot] = facts.products[i].holding_cost_per_unit_h * (n - t)
            row = np.zeros(2 * size)
            row[i * n : lot + 1] = 1.0
            rows.append(row)
            least.append(demand[i, : t + 1].sum())
            row = np.zeros(2 * size)
            row[setup], row[lot] = capability.rate_per_h, -1.0
            rows.append(row)
            least.append(0.0)
    for t in range(n):
        row = np.zeros(2 * size)
        for capability in facts.capabilities:
            i = index[capability.product]
            row[i * n + t], row[size + i * n + t] = -1.0 / capability.rate_per_h, -capability.setup_h
        rows.append(row)
        least.append(-1.0)
    constant = sum(
        product.holding_cost_per_unit_h * demand[i, : t + 1].sum()
        for i, product in enumerate(facts.products)
        for t in range(n)
    )
    whole = np.concatenate([np.zeros(size), np.ones(size)])
    bounds = Bounds(0, np.concatenate([np.full(size, np.inf), np.ones(size)]))
    kept = LinearConstraint(np.array(rows), least, np.inf)
    found = milp(cost, constraints=kept, integrality=whole, bounds=bounds)
    return float(found.fun - constant)


def test_lot_sizing_of_the_books_is_planned_as_it_stands() -> None:
    facts = facts_from_json((EXAMPLES / "lot-sizing.json").read_bytes())
    plan = solve(build_problem(facts), number="P", created_at=START, reason="test")
    assert plan.status is SolveStatus.OPTIMAL, plan.headline
    assert plan.cost == pytest.approx(textbook_optimum(facts), rel=1e-6)
    assert plan.headline == "Every order is in time."


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PuLP 4 will give a program's rows in another way
def test_assembly_in_toml_is_planned_with_everything_it_says(tmp_path: Path) -> None:
    facts = facts_from_toml((EXAMPLES / "assembly.toml").read_text(encoding="utf-8"))
    plan = solve(build_problem(facts), number="P", created_at=START, reason="test")
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked, plan.headline
    checks = {check.rule for check in plan.certificate.checks}
    assert {"deadlines", "never_late", "hard_stock", "components", "overtime"} <= checks
    assert {"families", "overtime", "recovery"} <= {term.name for term in plan.costs}
    assert {"blank", "bolt", "stud", "bolt-again"} == {run.product for run in plan.runs}
    assert facts_from_json(facts_to_json(facts)) == facts
    assert len(write_program(build_problem(facts), plan, tmp_path)) == 3, "the plan is a solution of its program"


def test_changeovers_in_toml_are_planned_in_the_cheap_order() -> None:
    facts = facts_from_toml((EXAMPLES / "changeovers.toml").read_text(encoding="utf-8"))
    plan = solve(build_problem(facts), number="P", created_at=START, reason="test")
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked, plan.headline
    assert {"changeovers", "family_runs", "changeover_hours"} <= {check.rule for check in plan.certificate.checks}
    assert [(each.before, each.after) for each in plan.changeovers] == [("black", "grey"), ("grey", "white")]
    assert {term.name: term.amount for term in plan.costs}["changeovers"] == 90.0 + 150.0
    assert facts_from_json(facts_to_json(facts)) == facts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("start = ", "It is no TOML"),
        ("start = 5", "$.start"),
        ("[[products]]\nname = 5", "$.products[0].name"),
        ("products = 3", "$.products"),
    ],
)
def test_toml_that_is_no_problem_names_what_does_not_fit(text: str, says: str) -> None:
    with pytest.raises(msgspec.DecodeError) as raised:
        facts_from_toml(text)
    assert says in str(raised.value)
