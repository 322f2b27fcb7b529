"""A plan for other solvers' eyes: its program as MPS, its choices as a solution of it, and what each row stands for."""

import csv
from pathlib import Path

from optimizer.costing import account
from optimizer.exact import HOUR
from optimizer.family_sequence import state_values
from optimizer.formulation import formulate
from optimizer.highs import Outcome, Session
from optimizer.problem import PlanningProblem
from optimizer.program import Model
from optimizer.standing import planned_standing
from plant.errors import Fault, QuestionError
from plant.plans import Plan

BAND_H = 1e-6
"""A rounded plan's hours fit the program to this; the check's own tolerance [h]."""
TIME_LIMIT_S = 60.0


def write_program(problem: PlanningProblem, plan: Plan, folder: Path) -> tuple[Path, Path, Path]:
    """Writes `program.mps`, `solution.txt` (a variable and its value in a line) and `rules.csv` (a row and its rule).

    Raises ConfigError where the plan is no solution of its program.
    """
    model = formulate(problem)
    _solve_as_planned(problem, model, plan)
    program, solution, rules = folder / "program.mps", folder / "solution.txt", folder / "rules.csv"
    model.program.writeMPS(str(program))
    lines = (f"{variable.name} {variable.varValue!r}\n" for variable in model.program.variables())
    solution.write_text("".join(lines), encoding="utf-8")
    with rules.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("row", "rule"))
        writer.writerows(zip(model.program.constraints, model.rules, strict=True))
    return program, solution, rules


def _solve_as_planned(problem: PlanningProblem, model: Model, plan: Plan) -> None:
    """Leaves in the model's variables what the plan chose, and what follows from it."""
    worked_out = account(problem.facts, plan)
    starts = {window.machine: (window.start - problem.facts.start) // HOUR for window in plan.maintenance}
    names = problem.slots.shift_names
    fixed: dict[int, float] = {}
    session = Session(model.program)
    for (m, s), variable in model.setup.items():
        making = problem.makings[m]
        fixed[session.column[variable]] = float(
            (problem.lines[making.line], making.product, names[s]) in worked_out.setups
        )
    for k, options in model.choice.items():
        wanted = starts.get(problem.machines[k].machine)
        for option, variable in options.items():
            fixed[session.column[variable]] = float(problem.machines[k].starts[option] == wanted)
    states = state_values(model, planned_standing(problem, plan))
    fixed |= {session.column[state]: value for state, value in states.items()}
    session.fix(fixed)
    for (m, t), variable in model.running.items():
        making = problem.makings[m]
        hours = float(worked_out.units.get((problem.lines[making.line], making.product, t), 0)) / making.rate_per_h
        session.set_bounds(session.column[variable], max(hours - BAND_H, 0.0), hours + BAND_H if hours else 0.0)
    if session.run(time_limit_s=TIME_LIMIT_S, gap=0.0).outcome is not Outcome.FOUND:
        expected = "a plan made from these very facts; make it anew with `linewright plan solve`."
        raise QuestionError(
            (Fault(where=f"plan {plan.number}", found="no solution of its program", expected=expected),)
        )
    session.tell(session.values)
