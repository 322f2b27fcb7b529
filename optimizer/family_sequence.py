"""The order in which lines change from family to family: read off a solution, or made from the hours it gives them.

A relaxed program says how many hours of a shift each family should have, not in which order. Here a line goes through
the families of a shift in the order that changes cheapest, each for its part of the shift's hours; what finds no room
is left out. A line that changes nothing always keeps the rules, so that there is always an order.
"""

from collections.abc import Mapping
from itertools import permutations

import pulp

from optimizer.changeover_rules import START
from optimizer.changeovers import LineChanges
from optimizer.highs import Integers, Outcome, Session
from optimizer.problem import PlanningProblem
from optimizer.program import Model
from optimizer.standing import Standing, carried_on

WORTH_H = 0.25
"""Families that a shift would have for less are left out of it, unless there is no other [h]."""
MOST_FAMILIES = 5
"""Of a shift, the longest; all their orders are tried."""
ROUNDS_OFF = 1e-6
WANTED_H = 1e-6
Running = Mapping[tuple[int, int], float]
"""Running hours by (making, hour) [h]."""


def read_standing(problem: PlanningProblem, model: Model) -> Standing:
    """The family that each line stands in, hour by hour, as the model's variables have it."""
    found = {}
    for line, changes in problem.changes.items():
        families = range(len(changes.families))
        stands = []
        for t in (START, *range(problem.hours)):
            if (line, 0, t) in model.state:
                values = [model.state[line, f, t].varValue or 0.0 for f in families]
                stands.append(max(families, key=lambda f: values[f]))
            else:
                stands.append(stands[-1])
        found[line] = tuple(stands)
    return found


def state_values(model: Model, standing: Standing) -> dict[pulp.LpVariable, float]:
    """What the program's states are where lines stand as given."""
    return {state: float(standing[line][t + 1] == family) for (line, family, t), state in model.state.items()}


def settled_states(
    session: Session,
    model: Model,
    problem: PlanningProblem,
    fixed: dict[int, float],
    chosen: tuple[int, ...],
    *,
    time_limit_s: float,
) -> dict[int, float]:
    """A whole order of families near what the relaxed program wishes for, by the column of its states.

    Args:
        session: Of the program.
        model: The program.
        problem: What it plans.
        fixed: What is settled already, by column.
        chosen: Option of each machine.
        time_limit_s: For the relaxed program [s].
    """
    session.fix(fixed)
    wish = session.run(time_limit_s=time_limit_s, gap=1.0, integers=Integers.RELAXED, method=session.method)
    if wish.outcome is not Outcome.FOUND:
        return {}
    running = {key: float(session.values[session.column[u]]) for key, u in model.running.items()}
    standing = order_families(problem, running, chosen)
    return {session.column[state]: value for state, value in state_values(model, standing).items()}


def order_families(problem: PlanningProblem, running: Running, chosen: tuple[int, ...]) -> Standing:
    """An order of families for every line that changes over, near the running hours wished for."""
    return {line: _order_of_line(problem, line, running, chosen) for line in problem.changes}


def _order_of_line(problem: PlanningProblem, line: int, running: Running, chosen: tuple[int, ...]) -> tuple[int, ...]:
    changes = problem.changes[line]
    free = _free_hours(problem, line, changes, chosen)
    wanted = _wanted(problem, line, changes, running)
    shifts = [s for s in range(len(problem.slots.shift_names)) if any(f[s] > WANTED_H for f in wanted)]
    now = changes.first
    if now is None:
        now = max(range(len(wanted)), key=lambda f: wanted[f][shifts[0]]) if shifts else 0
    begins: dict[int, int] = {}
    first = now
    for place, s in enumerate(shifts):
        asked = {f: hours[s] for f, hours in enumerate(wanted) if hours[s] > WORTH_H}
        asked = asked or {max(range(len(wanted)), key=lambda f: wanted[f][s]): 1.0}
        kept = sorted(asked, key=lambda f: -asked[f])[:MOST_FAMILIES]
        after = (
            {f for f, hours in enumerate(wanted) if hours[shifts[place + 1]] > WORTH_H}
            if shifts[place + 1 :]
            else set()
        )
        order = _cheapest(changes, now, kept, after)
        hours = [t for t in problem.slots.hours_of_shift(s) if changes.open_h[t] > 0]
        now = _place(changes, free, hours, now, order, asked, begins)
    return carried_on(first, begins, problem.hours)


def _free_hours(problem: PlanningProblem, line: int, changes: LineChanges, chosen: tuple[int, ...]) -> list[float]:
    """What changes may take of each hour: nothing while a machine is maintained, or something is fixed [h]. (hour,)"""
    free = [float(hours) for hours in changes.open_h]
    for options, option in zip(problem.machines, chosen, strict=True):
        if options.line == problem.lines[line]:
            for t in range(*options.windows[option]):
                free[t] = 0.0
    for (m, t), (low, _) in problem.frozen.items():
        if problem.makings[m].line == line:
            free[t] -= low
    return free


def _wanted(problem: PlanningProblem, line: int, changes: LineChanges, running: Running) -> list[list[float]]:
    """Hours that each family has in each shift. (family, shift)"""
    wanted = [[0.0] * len(problem.slots.shift_names) for _ in changes.families]
    for (m, t), hours in running.items():
        making = problem.makings[m]
        if making.line == line and changes.open_h[t] > 0:
            wanted[changes.families.index(making.state)][problem.slots.shift[t]] += hours
    return wanted


def _cheapest(changes: LineChanges, now: int, families: list[int], after: set[int]) -> tuple[int, ...]:
    """The order of some families that takes least time and money; the last one best goes on in the next shift."""

    def worth(order: tuple[int, ...]) -> tuple[float, float, bool]:
        path = (now, *order)
        hours = sum(changes.hours[a, b] for a, b in zip(path, order, strict=False) if a != b)
        cost = sum(changes.cost[a, b] for a, b in zip(path, order, strict=False) if a != b)
        return (float(cost), float(hours), order[-1] not in after)

    return min(permutations(families), key=worth)


def _place(
    changes: LineChanges,
    free: list[float],
    hours: list[int],
    now: int,
    order: tuple[int, ...],
    asked: dict[int, float],
    begins: dict[int, int],
) -> int:
    """Books a shift's changes where each family has had its part of the hours; gives the family at its end."""
    whole = sum(asked[f] for f in order)
    spare = len(hours) / max(whole, ROUNDS_OFF)
    reached = 0.0
    for place, family in enumerate(order):
        if family == now:
            reached += asked[family] * spare
            continue
        latest = int(reached + ROUNDS_OFF)
        for t in (*hours[latest:], *reversed(hours[:latest])):
            takes = changes.takes(now, family, t)
            later = max((hour for hour in begins if hour in hours), default=-1)
            if takes is not None and t > later and all(free[hour] >= part - ROUNDS_OFF for hour, part in takes):
                for hour, part in takes:
                    free[hour] -= part
                begins[t], now = family, family
                break
        reached += asked[family] * spare if place + 1 < len(order) else 0.0
    return now
