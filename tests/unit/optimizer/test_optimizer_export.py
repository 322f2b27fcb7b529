"""An exported plan: another solver reads the program, finds the same optimum, and the solution keeps every row."""

import csv
from dataclasses import replace
from pathlib import Path

import pulp
import pytest
from optimizer_plants import START, tiny_facts

from optimizer.export import write_program
from optimizer.problem import build_problem
from optimizer.solve import solve


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PuLP 4 will ask for another way to its CBC
@pytest.mark.parametrize("seed", [1, 4])
def test_cbc_agrees_with_highs_on_the_exported_program(tmp_path: Path, seed: int) -> None:
    facts = tiny_facts(seed)
    facts = replace(facts, policy=replace(facts.policy, gap=0.0, time_limit_s=10.0))
    problem = build_problem(facts)
    plan = solve(problem, number="P-1", created_at=START, reason="test")
    assert plan.certificate is not None
    mps, solution, rules = write_program(problem, plan, tmp_path)
    variables, program = pulp.LpProblem.fromMPS(str(mps))
    values = dict(line.split() for line in solution.read_text().splitlines())
    for name, variable in variables.items():
        variable.varValue = float(values[name])
    assert program.valid(eps=1e-4)
    ours = pulp.value(program.objective)
    program.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, timeLimit=20))
    assert program.sol_status == pulp.LpSolutionOptimal
    second = pulp.value(program.objective)
    # The plan is rounded to whole units; the program is not.
    assert second <= ours + 1e-4
    constant = plan.certificate.recomputed_objective - ours
    assert plan.certificate.bound == pytest.approx(second + constant, abs=0.05)
    rows = list(csv.DictReader(rules.read_text(encoding="utf-8").splitlines()))
    assert {row["row"] for row in rows} == set(program.constraints)
    assert any(row["rule"].startswith("hour|") for row in rows)
