"""Whole units as part of the optimum: with maintenance and setups settled, every lot is a whole number of units.

Rounding afterwards would leave a fraction of a unit short in every run of a full line; here the hours that one lot
gives up go to another.
"""

import pulp

from optimizer.control import Clock
from optimizer.highs import Outcome, Session, Values
from optimizer.problem import PlanningProblem
from optimizer.program import Model

GAP = 2e-4
"""Relative gap at which the units are placed well enough [0..1]."""
LEAST_H = 1e-6
"""Lots shorter than this are none [h]."""


def place_whole_units(
    model: Model, problem: PlanningProblem, *, session: Session, values: Values, time_limit_s: float
) -> None:
    """Leaves in the model's variables the values, or near them a solution in whole units where one is found in time."""
    session.tell(values)
    lots = {key: lot for key, lot in model.lot.items() if _is_free(problem, key) and (lot.varValue or 0.0) > LEAST_H}
    if not lots:
        return
    for (m, s), lot in lots.items():
        making = problem.makings[m]
        units = model.program.add_variable(f"n{m}_{s}", 0, cat="Integer")
        name = f"whole_units|{problem.lines[making.line]}:{making.product}|{problem.slots.shift_names[s]}"
        model.constrain(name, {lot: making.rate_per_h, units: -1.0}, pulp.LpConstraintEQ, 0)
    settled = [v for options in model.choice.values() for v in options.values()] + list(model.setup.values())
    again = Session(model.program, Clock(time_limit_s, session.clock.control))
    again.may_be_cancelled = False
    again.fix({again.column[v]: round(v.varValue or 0.0) for v in settled})
    if again.run(time_limit_s=time_limit_s, gap=GAP).outcome is Outcome.FOUND:
        again.tell(again.values)


def _is_free(problem: PlanningProblem, key: tuple[int, int]) -> bool:
    """Whether a lot counts in whole units and keeps no frozen hour."""
    m, s = key
    frozen = any((m, t) in problem.frozen for t in problem.slots.hours_of_shift(s))
    return problem.makings[m].step == 1.0 and not frozen
