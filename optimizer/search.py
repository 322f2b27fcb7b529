"""The search for the best schedule: a first plan at once, better ones by windows and lines, then the proof.

1. The linear relaxation, tightened by rows on the setups that orders take.
2. A first plan: maintenance where the relaxation leans to it, production shift by shift.
3. Fix and optimise: all choices are kept but those of some shifts or lines, again and again.
4. Branch and bound over everything from the best plan on, for the bound that is proved.
Source: Helber and Sahling, A fix-and-optimize approach for the multi-level capacitated lot sizing problem, 2010.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from optimizer import highs
from optimizer.formulation import Model, formulate
from optimizer.highs import Outcome, Session, Solution, Values
from optimizer.maintenance import Leaning, choose_maintenance
from optimizer.problem import PlanningProblem
from optimizer.rounding import Schedule, round_to_units
from optimizer.setup_cuts import strengthen
from optimizer.slices import Running, cut_out, parts
from optimizer.whole_lots import place_whole_units

SMALL = 150
"""Programs with fewer yes-or-no choices are solved without a first plan."""
RELAXED_SHARE, FIRST_SHARE, BETTER_SHARE = 0.25, 0.15, 0.4
"""Parts of the time limit for the relaxation, the first plan, and better ones [0..1]."""
WHOLE_SHARE, WHOLE_LEAST_S = 0.1, 0.5
"""Time to place whole units: a part of the limit, but this much at least [s]; it comes on top of the limit."""
SLICE_GAP = 0.02
"""Relative gap at which a slice of the first plan is good enough [0..1]."""
NEIGHBOURHOOD_GAP = 0.001
NEIGHBOURHOOD_SHARE = 0.06
"""Part of the time limit that one neighbourhood may take [0..1]."""
SHIFTS_AT_A_TIME = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A schedule with what the solver proved about it."""

    schedule: Schedule
    solution: Solution
    constant: float
    """Cost that no choice changes [currency]."""
    how: str
    """How it came about, as the certificate states it."""

    @property
    def bound(self) -> float | None:
        """No plan can cost less [currency]."""
        return None if self.solution.bound is None else self.solution.bound + self.constant


@dataclass(frozen=True, kw_only=True, slots=True)
class Best:
    """The best values so far."""

    values: Values
    objective: float
    """Without constants [currency]."""


class Clock:
    """CPU time of this thread against a limit."""

    def __init__(self, limit_s: float) -> None:
        self._began = time.thread_time()
        self.limit_s = limit_s

    @property
    def spent_s(self) -> float:
        """CPU since the clock was made [s]."""
        return time.thread_time() - self._began

    def left_s(self, share: float = 1.0) -> float:
        """Until a share of the limit is spent [s]."""
        return max(self.limit_s * share - self.spent_s, 0.0)


def search(
    problem: PlanningProblem, *, time_limit_s: float, gap: float | None = None, without: frozenset[str] = frozenset()
) -> Found | Outcome:
    """The best schedule the solver finds, with `without` naming machines that may not be maintained.

    Stops at a relative `gap`; None: the policy's. The time limit is CPU time.
    """
    gap = problem.facts.policy.gap if gap is None else gap
    clock = Clock(time_limit_s)
    model = formulate(problem, without=without)
    session = Session(model.program)
    constant = sum(model.constants.values())
    how = highs.description(time_limit_s=time_limit_s, gap=gap)
    if len(model.setup) + sum(len(options) for options in model.choice.values()) < SMALL:
        solution, values = session.run(time_limit_s=time_limit_s, gap=gap), None
    else:
        solution, values = _search_large(session, model, problem, clock, gap)
    solution = replace(solution, seconds=clock.spent_s)
    if solution.outcome is Outcome.UNFINISHED and (first := first_plan(session, model, problem, clock, {})) is not None:
        solution = replace(solution, outcome=Outcome.FOUND, objective=first.objective)
        values, how = first.values, f"{how}; the first plan, as time was up"
    if solution.outcome is not Outcome.FOUND:
        return solution.outcome
    values = session.values if values is None else values
    limit_s = max(time_limit_s * WHOLE_SHARE, WHOLE_LEAST_S)
    place_whole_units(model, problem, session=session, values=values, time_limit_s=limit_s)
    return Found(schedule=read_schedule(problem, model), solution=solution, constant=constant, how=how)


def read_schedule(problem: PlanningProblem, model: Model) -> Schedule:
    """The solver's values, rounded to units that can be made."""
    chosen = tuple(
        max(variables, key=lambda o: variables[o].varValue or 0.0) if (variables := model.choice[k]) else 0
        for k in range(len(problem.machines))
    )
    running = {key: max(variable.varValue or 0.0, 0.0) for key, variable in model.running.items()}
    return round_to_units(problem, running=running, chosen=chosen)


def _search_large(
    session: Session, model: Model, problem: PlanningProblem, clock: Clock, gap: float
) -> tuple[Solution, Values | None]:
    relaxed = strengthen(session, model, problem, time_limit_s=clock.limit_s * RELAXED_SHARE)
    if relaxed.outcome is Outcome.INFEASIBLE:
        return relaxed, None
    leaning: Leaning = {}
    if relaxed.outcome is Outcome.FOUND:
        leaning = {
            k: {o: float(session.values[session.column[variable]]) for o, variable in options.items()}
            for k, options in model.choice.items()
        }
    best = first_plan(session, model, problem, clock, leaning)
    if best is not None:
        best = _better(session, model, problem, best, relaxed.bound, clock, gap)
    session.fix({})
    last = session.run(time_limit_s=clock.left_s(), gap=gap, start=None if best is None else best.values)
    if last.outcome is Outcome.INFEASIBLE:
        return last, None
    bounds = [bound for bound in (relaxed.bound, last.bound) if bound is not None]
    last = replace(last, bound=max(bounds, default=None))
    if best is not None and (last.outcome is not Outcome.FOUND or best.objective < last.objective):
        return replace(last, outcome=Outcome.FOUND, objective=best.objective), best.values
    return last, session.values


def first_plan(session: Session, model: Model, problem: PlanningProblem, clock: Clock, leaning: Leaning) -> Best | None:
    """A plan in little time: maintenance where `leaning` is greatest, setups slice by slice, the rest by an LP.

    None where no maintenance keeps the limits, or where a cap on emissions is broken.
    """
    chosen = choose_maintenance(problem, leaning)
    if chosen is None:
        return None
    slices = list(parts(problem))
    limit_s = max(clock.limit_s * FIRST_SHARE, 1.0) / len(slices)
    running: Running = {}
    for begin, kept, end in slices:
        part = cut_out(problem, begin=begin, end=end, chosen=chosen, running=running)
        small = formulate(part)
        inner = Session(small.program)
        solution = inner.run(time_limit_s=limit_s, gap=SLICE_GAP)
        if solution.outcome is Outcome.FOUND:
            for (m, t), variable in small.running.items():
                hours = float(inner.values[inner.column[variable]])
                if begin + t < kept and hours > highs.INTEGRALITY:
                    running[m, begin + t] = hours
    fixed = {
        session.column[variable]: float(option == chosen[k])
        for k, options in model.choice.items()
        for option, variable in options.items()
    }
    made = {(m, problem.slots.shift[t]) for m, t in running}
    fixed |= {session.column[setup]: float(key in made) for key, setup in model.setup.items()}
    session.fix(fixed)
    solution = session.run(time_limit_s=max(clock.limit_s * FIRST_SHARE, 1.0), gap=0.0)
    session.fix({})
    if solution.outcome is not Outcome.FOUND:
        return None
    return Best(values=session.values, objective=solution.objective)


def _better(
    session: Session, model: Model, problem: PlanningProblem, best: Best, bound: float | None, clock: Clock, gap: float
) -> Best:
    """Fix and optimise: every neighbourhood in turn, until none helps, time is up or the bound is near."""
    choices = [session.column[v] for options in model.choice.values() for v in options.values()]
    integers = {*choices, *(session.column[setup] for setup in model.setup.values())}
    end = clock.spent_s + clock.limit_s * BETTER_SHARE
    helped = True
    while helped:
        helped = False
        for free in _neighbourhoods(session, model, problem):
            left_s = end - clock.spent_s
            if left_s <= 0 or (bound is not None and best.objective - bound <= gap * abs(best.objective)):
                return best
            session.fix({i: round(float(best.values[i])) for i in integers - free})
            limit_s = min(left_s, clock.limit_s * NEIGHBOURHOOD_SHARE)
            solution = session.run(time_limit_s=limit_s, gap=NEIGHBOURHOOD_GAP, start=best.values)
            if solution.outcome is Outcome.FOUND and solution.objective < best.objective * (1 - NEIGHBOURHOOD_GAP / 10):
                best = Best(values=session.values, objective=solution.objective)
                helped = True
    return best


def _neighbourhoods(session: Session, model: Model, problem: PlanningProblem) -> Iterator[set[int]]:
    """Columns to set free together: some shifts of all lines; all shifts of two lines with their maintenance."""
    shifts = sorted({s for _, s in model.setup})
    for first in range(max(len(shifts) - SHIFTS_AT_A_TIME + 1, 1)):
        window = shifts[first : first + SHIFTS_AT_A_TIME]
        yield {session.column[setup] for (_, s), setup in model.setup.items() if s in window}
    for pair in combinations(range(len(problem.lines)), min(2, len(problem.lines))):
        names = {problem.lines[line] for line in pair}
        mine = {session.column[setup] for (m, _), setup in model.setup.items() if problem.makings[m].line in pair}
        for k, options in model.choice.items():
            if problem.machines[k].line in names:
                mine |= {session.column[variable] for variable in options.values()}
        yield mine
