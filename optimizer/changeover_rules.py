"""Changing over from family to family as rows of the program: one function per rule, one sentence each.

Proportional lot sizing (PLSP) at the hour: at the end of each hour in which it can change over, a line stands in one
family; an hour makes the family that it began in and the one that it ends in. Changes are a flow from state to state,
so that only the states need to be whole.
Source: Drexl and Haase, Proportional lotsizing and scheduling, 1995.
"""

from collections.abc import Iterator

import pulp

from optimizer.changeovers import LineChanges
from optimizer.problem import PlanningProblem
from optimizer.program import Model, Terms

START = -1
"""The hour at whose end the plan starts."""
Taken = dict[int, Terms]
"""What changes take of each hour [h]."""


def lines_change_from_family_to_family(model: Model, problem: PlanningProblem) -> None:
    """All rules of lines that change over from family to family; no row of other lines."""
    for line, changes in problem.changes.items():
        taken = _add_states(model, line, changes)
        line_stands_in_one_family(model, problem, line, changes)
        state_follows_from_changes(model, problem, line, changes)
        family_runs_where_the_line_stands_in_it(model, problem, line, changes)
        hour_holds_runs_and_changes(model, problem, line, taken)
        shift_holds_runs_setups_and_changes(model, problem, line, taken)
        no_change_during_maintenance(model, problem, line, taken)


def charge_changeovers(model: Model, problem: PlanningProblem) -> None:
    """What changes cost, as a term of its own where any line has them."""
    if problem.changes:
        cost = {line: changes.cost for line, changes in problem.changes.items()}
        model.charge(
            "changeovers",
            ((variable, float(cost[line][i, j])) for (line, i, j, _), variable in model.change.items()),
        )


def _add_states(model: Model, line: int, changes: LineChanges) -> Taken:
    """The states and changes of a line; gives what changes take of each hour."""
    taken: Taken = {}
    families = range(len(changes.families))
    for f in families:
        low = int(changes.first == f)
        high = int(changes.first is None or changes.first == f)
        model.state[line, f, START] = model.program.add_variable(f"fs{line}_{f}_s", low, high, cat="Integer")
    for t in changes.open_hours:
        for f in families:
            model.state[line, f, t] = model.program.add_variable(f"fs{line}_{f}_{t}", 0, 1, cat="Integer")
        for i in families:
            for j in families:
                if i == j or (takes := changes.takes(i, j, t)) is None:
                    continue
                variable = model.change[line, i, j, t] = model.program.add_variable(f"fc{line}_{i}_{j}_{t}", 0, 1)
                for hour, part in takes:
                    taken.setdefault(hour, {})[variable] = part
    return taken


def line_stands_in_one_family(model: Model, problem: PlanningProblem, line: int, changes: LineChanges) -> None:
    """At every time a line is set up for one family."""
    for t in (START, *changes.open_hours):
        states = {model.state[line, f, t]: 1.0 for f in range(len(changes.families))}
        model.constrain(f"one_family|{problem.lines[line]}|{t}", states, pulp.LpConstraintEQ, 1)


def state_follows_from_changes(model: Model, problem: PlanningProblem, line: int, changes: LineChanges) -> None:
    """A line keeps its family until it changes over to another, which it can only from that family."""
    count = len(changes.families)
    for before, t in _steps(changes):
        for f, family in enumerate(changes.families):
            out, into = _out_of(model, line, f, t, count), _into(model, line, f, t, count)
            entity = f"{problem.lines[line]}:{family}"
            was, now = model.state[line, f, before], model.state[line, f, t]
            terms: Terms = {now: 1.0, was: -1.0, **dict.fromkeys(out, 1.0), **dict.fromkeys(into, -1.0)}
            model.constrain(f"changeover|{entity}|{t}", terms, pulp.LpConstraintEQ, 0)
            if out:
                model.constrain(
                    f"changeover_from|{entity}|{t}", {**dict.fromkeys(out, 1.0), was: -1.0}, pulp.LpConstraintLE, 0
                )


def family_runs_where_the_line_stands_in_it(
    model: Model, problem: PlanningProblem, line: int, changes: LineChanges
) -> None:
    """A product runs in an hour only if the line stands in its family when the hour begins or ends."""
    before = START
    for t in range(problem.hours):
        share = float(problem.slots.open_share[line, t])
        for f, family in enumerate(changes.families):
            runs: Terms = {
                model.running[m, t]: 1.0
                for m, making in enumerate(problem.makings)
                if making.line == line and making.state == family and (m, t) in model.running
            }
            if runs:
                into = _into(model, line, f, t, len(changes.families))
                terms = {**runs, model.state[line, f, before]: -share, **dict.fromkeys(into, -share)}
                name = f"family_runs|{problem.lines[line]}:{family}|{t}"
                model.constrain(name, terms, pulp.LpConstraintLE, 0)
        before = t if changes.open_h[t] > 0 else before


def hour_holds_runs_and_changes(model: Model, problem: PlanningProblem, line: int, changing: Taken) -> None:
    """What a line makes in an hour and what changing over takes of it fit into the hour's open time."""
    opened = problem.changes[line].open_h
    for t, taken in changing.items():
        runs: Terms = {
            model.running[m, t]: 1.0
            for m, making in enumerate(problem.makings)
            if making.line == line and (m, t) in model.running
        }
        name = f"changeover_hour|{problem.lines[line]}|{t}"
        model.constrain(name, {**runs, **taken}, pulp.LpConstraintLE, float(opened[t]))


def shift_holds_runs_setups_and_changes(model: Model, problem: PlanningProblem, line: int, taken: Taken) -> None:
    """In a shift, running, setting up products and changing over take no longer than the line is open."""
    changes = problem.changes[line]
    for s, shift in enumerate(problem.slots.shift_names):
        hours = [t for t in problem.slots.hours_of_shift(s) if changes.open_h[t] > 0]
        mine = [m for m, making in enumerate(problem.makings) if making.line == line]
        terms: Terms = {model.setup[m, s]: problem.makings[m].setup_h for m in mine if (m, s) in model.setup}
        if not hours or not any(terms.values()):
            continue
        terms.update({model.running[m, t]: 1.0 for m in mine for t in hours if (m, t) in model.running})
        for t in hours:
            for variable, part in taken.get(t, {}).items():
                terms[variable] = terms.get(variable, 0.0) + part
        name = f"changeover_shift|{problem.lines[line]}|{shift}"
        model.constrain(name, terms, pulp.LpConstraintLE, float(changes.open_h[hours].sum()))


def no_change_during_maintenance(model: Model, problem: PlanningProblem, line: int, taken: Taken) -> None:
    """A line does not change over while one of its machines is maintained."""
    for k, options in enumerate(problem.machines):
        if options.line != problem.lines[line]:
            continue
        chosen = model.choice[k]
        for t, parts in taken.items():
            away = [o for o, (first, last) in enumerate(options.windows) if first <= t < last]
            share = float(problem.changes[line].open_h[t])
            name = f"changeover_maintenance|{options.machine}|{t}"
            if chosen and (terms := {chosen[o]: share for o in away if o in chosen}):
                model.constrain(name, {**parts, **terms}, pulp.LpConstraintLE, share)
            elif not chosen and 0 in away:
                model.constrain(name, dict(parts), pulp.LpConstraintLE, 0)


def _steps(changes: LineChanges) -> Iterator[tuple[int, int]]:
    """Each hour in which a line can change over, after the one before it."""
    yield from zip((START, *changes.open_hours), changes.open_hours, strict=False)


def _out_of(model: Model, line: int, family: int, t: int, count: int) -> list[pulp.LpVariable]:
    return [each for j in range(count) if (each := model.change.get((line, family, j, t))) is not None]


def _into(model: Model, line: int, family: int, t: int, count: int) -> list[pulp.LpVariable]:
    return [each for i in range(count) if (each := model.change.get((line, i, family, t))) is not None]
