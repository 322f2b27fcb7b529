"""Changing over from family to family, laid out by the calendar: hours, costs, and which hours each change takes.

A change begins in an open hour of a shift and takes that hour's open time first; what does not fit goes on in the next
open hours of shifts. Closed hours and overtime keep the family that a line is set up for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.facts import PlanningFacts
from optimizer.slots import Slots
from plant.plans import PlannedRun

SMALL_H = 1e-9
"""Less than this is nothing left to do [h]."""
Takes = tuple[tuple[int, float], ...]
"""Hours of the plan with what a change takes of each [h]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LineChanges:
    """How a line changes from family to family."""

    families: tuple[str, ...]
    """All that it makes, and the one that it is set up for at first."""
    first: int | None
    """The family that it is set up for when the plan starts; None: whichever the plan begins with."""
    hours: NDArray[np.float64]
    """Of each change; infinite to a family that the line does not make [h]. (before, after)"""
    cost: NDArray[np.float64]
    """[currency] (before, after)"""
    open_h: NDArray[np.float64]
    """What each hour has for it: open time in shifts [h]. (hour,)"""

    @property
    def open_hours(self) -> tuple[int, ...]:
        """The hours in which it can change over."""
        return tuple(int(t) for t in np.flatnonzero(self.open_h > 0))

    def takes(self, before: int, after: int, hour: int) -> Takes | None:
        """What a change that begins in an hour takes of which hours; None: it would not be over by the plan's end."""
        left, taken = float(self.hours[before, after]), []
        for t in range(hour, len(self.open_h)):
            if left <= SMALL_H:
                break
            if (part := min(left, float(self.open_h[t]))) > 0:
                taken.append((t, part))
                left -= part
        return tuple(taken) if left <= SMALL_H else None


def lay_out_changes(facts: PlanningFacts, slots: Slots) -> dict[int, LineChanges]:
    """The changes of every line that has any, by the line's index."""
    return {
        line: _of_line(facts, slots, line, known.name)
        for line, known in enumerate(facts.plant.lines)
        if any(each.line == known.name for each in facts.changeovers)
    }


def _of_line(facts: PlanningFacts, slots: Slots, line: int, name: str) -> LineChanges:
    family_of = {product.name: product.family for product in facts.products}
    own = {family_of[c.product]: c for c in facts.capabilities if c.line == name}
    first = _set_up_at_start(facts, name, family_of)
    families = tuple(sorted(own.keys() | ({first} if first is not None else set())))
    pairs = {(each.before, each.after): each for each in facts.changeovers if each.line == name}
    hours, cost = np.full((len(families), len(families)), np.inf), np.zeros((len(families), len(families)))
    for i, before in enumerate(families):
        for j, after in enumerate(families):
            if (pair := pairs.get((before, after))) is not None:
                hours[i, j], cost[i, j] = pair.hours, pair.cost
            elif after in own:
                hours[i, j], cost[i, j] = own[after].family_setup_h, own[after].family_setup_cost
    return LineChanges(
        families=families,
        first=None if first is None else families.index(first),
        hours=hours,
        cost=cost,
        open_h=slots.manned_share[line],
    )


def _set_up_at_start(facts: PlanningFacts, line: str, family_of: dict[str, str]) -> str | None:
    """What the accepted plan made last on a line before the start, else what the facts say."""
    known = [(each.start, 0, family_of.get(each.product, "")) for each in _runs_before(facts, line)]
    previous = facts.previous.changeovers if facts.previous is not None else ()
    known += [(each.start, 1, each.after) for each in previous if each.line == line and each.start < facts.start]
    if known := [each for each in known if each[2]]:
        return max(known)[2]
    return next((each.family for each in facts.set_up_for if each.line == line), None)


def _runs_before(facts: PlanningFacts, line: str) -> list[PlannedRun]:
    runs = facts.previous.runs if facts.previous is not None else ()
    return [run for run in runs if run.line == line and run.start < facts.start]
