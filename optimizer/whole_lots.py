"""Whole units as part of the optimum: with maintenance and setups settled, every lot is a whole number of units.

Rounding afterwards would leave a fraction of a unit short in every run of a full line; here the hours that one lot
gives up go to another.
"""

from collections.abc import Iterator
from math import floor

import pulp

from optimizer.control import Clock
from optimizer.highs import LEAST_S, Integers, Outcome, Session, Values
from optimizer.problem import PlanningProblem
from optimizer.program import Model, Terms

GAP = 2e-4
"""Relative gap at which the units are placed well enough [0..1]."""
HARD_LEAST_S = 5.0
"""Time there is at least where orders or stock keep hard rules [s]."""
LEAST_H = 1e-6
"""Lots shorter than this are none [h]."""
NEARLY = 1e-6
"""A lot this little short of whole units counts as whole [unit]."""


def place_whole_units(
    model: Model, problem: PlanningProblem, *, session: Session, values: Values, time_limit_s: float
) -> None:
    """Leaves in the model's variables the values, or near them a solution in whole units where one is found in time.

    It begins from the lots cut to whole units, their hours placed anew. Where hard rules are kept it takes its time, as
    rounding by itself may break them; and where the choices that are settled leave no whole units that keep them, these
    are made anew.
    """
    time_limit_s = max(time_limit_s, HARD_LEAST_S) if problem.is_hard else time_limit_s
    session.tell(values)
    lots = {key: terms for key, terms in _lots(model, problem) if problem.is_hard or _value(terms) > LEAST_H}
    if not lots:
        return
    counts: dict[pulp.LpVariable, float] = {}
    for (m, s), terms in lots.items():
        making = problem.makings[m]
        steps = model.program.add_variable(f"n{m}_{s}", 0, cat="Integer")
        name = f"whole_units|{problem.lines[making.line]}:{making.product}|{problem.slots.shift_names[s]}"
        per_step = dict.fromkeys(terms, making.rate_per_h / making.step)
        model.constrain(name, {**per_step, steps: -1.0}, pulp.LpConstraintEQ, 0)
        counts[steps] = floor(making.rate_per_h / making.step * _value(terms) + NEARLY)
    settled = [v for options in model.choice.values() for v in options.values()] + [
        *model.setup.values(),
        *model.state.values(),
    ]
    again = Session(model.program, Clock(time_limit_s, session.clock.control))
    again.may_be_cancelled = False
    kept = {again.column[v]: float(round(v.varValue or 0.0)) for v in settled}
    again.fix(kept | {again.column[v]: count for v, count in counts.items()})
    shorter = again.run(time_limit_s=time_limit_s, gap=GAP, integers=Integers.RELAXED)
    again.fix(kept)
    start = again.values if shorter.outcome is Outcome.FOUND else None
    placed = again.run(time_limit_s=max(time_limit_s - again.clock.spent_s, LEAST_S), gap=GAP, start=start)
    if placed.outcome is not Outcome.FOUND and problem.is_hard:
        again.fix({})
        placed = again.run(time_limit_s=max(time_limit_s - again.clock.spent_s, HARD_LEAST_S), gap=GAP)
    if placed.outcome is Outcome.FOUND:
        again.tell(again.values)


def _lots(model: Model, problem: PlanningProblem) -> Iterator[tuple[tuple[int, int], Terms]]:
    """What a lot's running hours are the sum of, by (making, shift).

    Lots with frozen hours, and those that count in thousandths or take no setup, only where what they lose by rounding
    may break a rule.
    """
    for m, making in enumerate(problem.makings):
        for s in range(len(problem.slots.shift_names)):
            hours = problem.slots.hours_of_shift(s)
            kept = [(m, t) in problem.frozen for t in hours]
            if all(kept) or (any(kept) and not problem.is_hard):
                continue
            if (m, s) in model.lot and (making.step == 1.0 or problem.is_hard):
                yield (m, s), {model.lot[m, s]: 1.0}
            elif problem.is_hard and (running := [model.running[m, t] for t in hours if (m, t) in model.running]):
                yield (m, s), dict.fromkeys(running, 1.0)


def _value(terms: Terms) -> float:
    return sum(variable.varValue or 0.0 for variable in terms)
