"""Fix and optimise: all choices of the best plan are kept but those of some shifts, lines or products, again and again.

What the linear relaxation and the best plan agree to leave out stays out, so that a neighbourhood is small enough to be
solved in seconds at any size of plant. In a large plant the hours outside a window of shifts are kept too: its linear
program alone would otherwise take seconds.
Source: Helber and Sahling, A fix-and-optimize approach for the multi-level capacitated lot sizing problem, 2010; Danna,
Rothberg and Le Pape, Exploring relaxation induced neighborhoods to improve MIP solutions, 2005.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

from optimizer.highs import Method, Outcome, Session, Values
from optimizer.problem import PlanningProblem
from optimizer.program import Model

SHARE = 0.06
"""Part of the time limit that one neighbourhood may take [0..1]."""
GAP = 0.001
"""Relative gap at which a neighbourhood counts as solved [0..1]."""
SHIFTS_AT_A_TIME = 2
WINDOW, STEP = 3, 2
"""Shifts of a window in a large plant, and from one window to the next."""
LARGE = 160
"""Neighbourhoods of more choices are split."""
LEANS = 0.01
"""A setup that the relaxation takes for less is no candidate [0..1]."""
DIFFERS = 0.3
"""A choice on which relaxation and plan differ by more is worth another look [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Best:
    """The best values so far."""

    values: Values
    objective: float
    """Without constants [currency]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbourhood:
    """What is set free together."""

    columns: set[int]
    """Of setups and maintenance choices."""
    kept_hours: set[int] = field(default_factory=set)
    """Columns of running hours that stay as they are."""


def improve(
    session: Session,
    model: Model,
    problem: PlanningProblem,
    best: Best,
    *,
    relaxed: Values | None,
    until_share: float,
    accept: Callable[[Best], bool],
) -> None:
    """Every neighbourhood in turn, until none helps, a share of the limit is spent, or the bound is near.

    `relaxed` are the values of the linear relaxation, where they are known. `accept` hears of every better plan and
    says whether it is good enough.
    """
    clock = session.clock
    choices = [session.column[v] for options in model.choice.values() for v in options.values()]
    states = {session.column[state] for state in model.state.values()}
    integers = {*choices, *states, *(session.column[setup] for setup in model.setup.values())}
    helped = True
    while helped:
        helped = False
        for neighbourhood in _neighbourhoods(session, model, problem, best, relaxed):
            left_s = clock.left_s(until_share)
            if left_s <= 0:
                return
            free = _candidates(neighbourhood.columns, {*choices, *states}, best, relaxed)
            kept = {i: float(round(float(best.values[i]))) for i in integers - free}
            session.fix(kept | {i: float(best.values[i]) for i in neighbourhood.kept_hours})
            limit_s = min(left_s, clock.limit_s * SHARE)
            solution = session.run(time_limit_s=limit_s, gap=GAP, start=best.values)
            if solution.outcome is Outcome.FOUND and solution.objective < best.objective * (1 - GAP / 10):
                best = Best(values=session.values, objective=solution.objective)
                helped = True
                if accept(best):
                    return


def _candidates(columns: set[int], choices: set[int], best: Best, relaxed: Values | None) -> set[int]:
    """The columns that are worth setting free: taken by the plan, or leaned to by the relaxation."""
    if relaxed is None:
        return columns
    return {i for i in columns if i in choices or best.values[i] > 0.5 or relaxed[i] > LEANS}


def _neighbourhoods(
    session: Session, model: Model, problem: PlanningProblem, best: Best, relaxed: Values | None
) -> Iterator[Neighbourhood]:
    """Windows of a large plant; where the relaxation differs, some shifts, pairs of lines, pairs of products."""
    if session.method is Method.INTERIOR:
        yield from _windows(session, model, problem)
    column, makings = session.column, problem.makings
    if relaxed is not None:
        differ = {column[v] for v in model.setup.values() if abs(relaxed[column[v]] - best.values[column[v]]) > DIFFERS}
        yield Neighbourhood(columns=differ)
    shifts = _shifts(model, problem)
    for first in range(max(len(shifts) - SHIFTS_AT_A_TIME + 1, 1)):
        window = shifts[first : first + SHIFTS_AT_A_TIME]
        mine = {column[setup] for (_, s), setup in model.setup.items() if s in window}
        mine |= {column[v] for (_, _, t), v in model.state.items() if t < 0 or problem.slots.shift[t] in window}
        yield Neighbourhood(columns=mine)
    at_a_time = 2 if len(model.setup) * 2 <= LARGE * len(problem.lines) else 1
    for lines in combinations(range(len(problem.lines)), min(at_a_time, len(problem.lines))):
        names = {problem.lines[line] for line in lines}
        states = {column[state] for (line, _, _), state in model.state.items() if line in lines}
        mine = states | {column[setup] for (m, _), setup in model.setup.items() if makings[m].line in lines}
        for k, options in model.choice.items():
            if problem.machines[k].line in names:
                mine |= {column[variable] for variable in options.values()}
        yield Neighbourhood(columns=mine)
    products = list(problem.stock)
    for pair in zip(products[::2], products[1::2], strict=False):
        mine = {column[setup] for (m, _), setup in model.setup.items() if makings[m].product in pair}
        yield Neighbourhood(columns=mine)


def _shifts(model: Model, problem: PlanningProblem) -> list[int]:
    """Shifts in which there is something to choose."""
    return sorted({s for _, s in model.setup} | {problem.slots.shift[t] for _, _, t in model.state if t >= 0})


def _windows(session: Session, model: Model, problem: PlanningProblem) -> Iterator[Neighbourhood]:
    """Some shifts in a row, with the hours outside them kept."""
    column, shift_of = session.column, problem.slots.shift
    shifts = _shifts(model, problem)
    for first in range(0, max(len(shifts) - WINDOW + 1, 1), STEP):
        window = set(shifts[first : first + WINDOW])
        yield Neighbourhood(
            columns={column[setup] for (_, s), setup in model.setup.items() if s in window}
            | {column[v] for (_, _, t), v in model.state.items() if t < 0 or shift_of[t] in window},
            kept_hours={column[u] for (_, t), u in model.running.items() if shift_of[t] not in window},
        )
