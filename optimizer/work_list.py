"""What each line has to work through when a plan is lived: setups and lots in pieces, with the hour that needs them.

A lot is what a line makes of a product in a shift; its pieces are the parts that different orders, or lines that use
it, wait for. Pieces are measured in hours of work at the planned speed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.costing import Account
from optimizer.problem import PlanningProblem, deadline_slot, due_slot
from optimizer.slots import HOUR
from optimizer.standing import planned_standing, taken_by_changes
from plant.plans import Plan
from plant.production import Order

Numbers = NDArray[np.float64]
SMALL_H = 1e-9
LEAST_UNITS = 1e-6
"""Less is not waited for [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of a lot, or the setup before it."""

    making: int
    shift: int
    is_setup: bool
    needed: int
    """The hour that first wants its units; the number of hours: none does."""
    hours: tuple[tuple[int, float], ...]
    """Clock hour and work that may be begun in it, per hour the line is up [h]; in order."""
    work_h: float
    """In all, at the planned speed [h]."""


def work_lists(problem: PlanningProblem, plan: Plan, worked_out: Account) -> tuple[tuple[Piece, ...], ...]:
    """The pieces of each line by the hour that needs them, then by the hour that the plan gives them. (line,)

    The plan counts setups by the shift; each takes the free hours of its shift, the latest before its run first.
    """
    running = planned_hours(problem, plan)
    needed = _needed(problem, running)
    taken = taken_by_changes(problem, planned_standing(problem, plan))
    return tuple(
        _of_line(problem, worked_out, line, running, needed, taken[line]) for line in range(len(problem.lines))
    )


def planned_hours(problem: PlanningProblem, plan: Plan) -> dict[tuple[int, int], float]:
    """Running hours of a plan by making and clock hour [h]."""
    place = {(making.line, making.product): m for m, making in enumerate(problem.makings)}
    index = {name: line for line, name in enumerate(problem.lines)}
    running: dict[tuple[int, int], float] = {}
    for run in plan.runs:
        m = place.get((index.get(run.line, -1), run.product))
        for t, units in enumerate(run.hourly_units, start=(run.start - problem.facts.start) // HOUR):
            if m is not None and units > 0 and 0 <= t < problem.hours:
                running[m, t] = running.get((m, t), 0.0) + units / problem.makings[m].rate_per_h
    return running


def set_up_in(problem: PlanningProblem, worked_out: Account) -> frozenset[tuple[int, int]]:
    """Makings and shifts for which the plan's account counts a setup."""
    place = {(problem.lines[making.line], making.product): m for m, making in enumerate(problem.makings)}
    shifts = {name: s for s, name in enumerate(problem.slots.shift_names)}
    return frozenset((place[line, product], shifts[shift]) for line, product, shift in worked_out.setups)


def due_in(problem: PlanningProblem, order: Order) -> int:
    """The hour at whose end an order is due, no later than its deadline allows."""
    due = due_slot(problem.facts.start, order.due_at)
    return due if order.deadline_at is None else min(due, deadline_slot(problem.facts.start, order.deadline_at))


def _needed(
    problem: PlanningProblem, running: dict[tuple[int, int], float]
) -> dict[tuple[int, int], list[tuple[int, float]]]:
    """Which hour needs the units that a making has in a clock hour: hours of work by the hour that needs them [h].

    What comes first serves what is due first, from stock on hand on.
    """
    wanted = {product: np.zeros(problem.hours) for product in problem.stock}
    for order in problem.facts.orders:
        if (due := due_in(problem, order)) < problem.hours:
            wanted[order.product][due] += order.quantity
    for (m, t), hours in running.items():
        for flow in problem.makings[m].flows:
            if flow.per_h < 0:
                wanted[flow.product][t] -= flow.per_h * hours
    found: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for product, initial in problem.stock.items():
        all_due, reached = np.cumsum(wanted[product]), initial
        for m, t in sorted(
            (key for key in running if problem.makings[key[0]].feeds == product), key=lambda key: key[1]
        ):
            per_h, left = problem.makings[m].good_per_h, running[m, t]
            while left > SMALL_H:
                hour = int(np.searchsorted(all_due, reached + LEAST_UNITS, side="right"))
                part = left if hour >= problem.hours else min(left, (float(all_due[hour]) - reached) / per_h)
                found.setdefault((m, t), []).append((hour, part))
                reached += part * per_h
                left -= part
    return found


def _of_line(
    problem: PlanningProblem,
    worked_out: Account,
    line: int,
    running: dict[tuple[int, int], float],
    needed: dict[tuple[int, int], list[tuple[int, float]]],
    taken: Numbers,
) -> tuple[Piece, ...]:
    available = np.array([float(hours) for hours in worked_out.available[problem.lines[line]]])
    open_share = problem.slots.open_share[line]
    expected = np.divide(available, open_share, out=np.ones_like(available), where=open_share > 0)
    expected = np.where(expected > SMALL_H, expected, 1.0)
    parts: dict[tuple[int, int, int], list[tuple[int, float]]] = {}
    free = np.minimum(available, open_share - taken)
    for (m, t), pieces in sorted(needed.items()):
        if problem.makings[m].line == line:
            free[t] -= running[m, t]
            for hour, part in pieces:
                parts.setdefault((m, problem.slots.shift[t], hour), []).append((t, part))
    found = [_piece(m, s, hour, hours, expected) for (m, s, hour), hours in parts.items()]
    for m, s, length in _setups(problem, worked_out, parts):
        lots = [piece for piece in found if (piece.making, piece.shift) == (m, s)]
        first, hour = min(piece.hours[0][0] for piece in lots), min(piece.needed for piece in lots)
        hours = list(_placed(problem, free, first, length))
        found.append(_piece(m, s, hour, hours, expected, is_setup=True))
    begins = {
        lot: min(piece.hours[0][0] for piece in found if (piece.making, piece.shift) == lot and not piece.is_setup)
        for lot in {(piece.making, piece.shift) for piece in found}
    }
    order = {lot: (begin, *lot) for lot, begin in begins.items()}
    return tuple(sorted(found, key=lambda p: (p.needed, order[p.making, p.shift], not p.is_setup)))


def _piece(
    m: int, shift: int, needed: int, hours: list[tuple[int, float]], expected: Numbers, *, is_setup: bool = False
) -> Piece:
    released = tuple((t, part / float(expected[t])) for t, part in sorted(hours))
    return Piece(
        making=m,
        shift=shift,
        is_setup=is_setup,
        needed=needed,
        hours=released,
        work_h=sum(part for _, part in hours),
    )


def _setups(
    problem: PlanningProblem,
    worked_out: Account,
    parts: dict[tuple[int, int, int], list[tuple[int, float]]],
) -> Iterator[tuple[int, int, float]]:
    """Making, shift and length of each setup of a line that takes time, in the order of their first runs."""
    taken = set_up_in(problem, worked_out)
    done: set[tuple[int, int]] = set()
    first: dict[tuple[int, int], int] = {}
    for (m, s, _), hours in parts.items():
        first[m, s] = min([hours[0][0], *([first[m, s]] if (m, s) in first else [])])
    for m, s in sorted(first, key=lambda lot: (first[lot], lot)):
        if (m, s) in taken:
            family = problem.family_still_to_set_up(m, s, done)
            done.add((m, s))
            length = problem.makings[m].setup_h + (family.family_setup_h if family else 0.0)
            if length > 0:
                yield m, s, length


def _placed(problem: PlanningProblem, free: Numbers, first: int, length: float) -> Iterator[tuple[int, float]]:
    """Hours of setting up for a run from hour `first` on, in the free hours of its shift, which it takes."""
    mine = problem.slots.hours_of_shift(problem.slots.shift[first])
    left = length
    for t in [*(t for t in reversed(mine) if t <= first), *(t for t in mine if t > first)]:
        booked = min(left, max(float(free[t]), 0.0))
        if booked > 0:
            free[t] -= booked
            left -= booked
            yield t, booked
    if left > SMALL_H:
        yield first, left


def levels(problem: PlanningProblem) -> int:
    """How often an hour is gone through so that what is made in it can be used in it."""
    if not problem.used_up:
        return 1
    depth = dict.fromkeys(problem.stock, 1)
    for _ in depth:
        for making in problem.makings:
            used = [depth[flow.product] for flow in making.flows if flow.per_h < 0]
            for flow in making.flows:
                if flow.per_h > 0 and used:
                    depth[flow.product] = min(max(depth[flow.product], max(used) + 1), len(depth))
    return max(depth.values())
