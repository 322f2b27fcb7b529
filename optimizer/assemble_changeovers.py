"""When within its hours a line changes over, and when what it makes before and after starts and ends."""

from datetime import timedelta
from itertools import pairwise

from optimizer.facts import GRAINS_PER_UNIT
from optimizer.problem import PlanningProblem
from optimizer.rounding import Schedule, hours_of
from optimizer.sequence import Piece
from optimizer.slots import HOUR
from plant.plans import PlannedChangeover

LAST = 1.0 - 1e-6
"""The latest part of an hour at which something that counts in it begins."""


def planned_changeovers(problem: PlanningProblem, schedule: Schedule) -> tuple[PlannedChangeover, ...]:
    """The changes of all lines by time: each after what the old family makes in its hour."""
    found = []
    for line, stands in schedule.standing.items():
        changes = problem.changes[line]
        for t, (before, after) in enumerate(pairwise(stands)):
            if before != after:
                takes = changes.takes(before, after, t) or ()
                done = _carried(problem, schedule, line, t) + _made_h(
                    problem, schedule, line, t, changes.families[before]
                )
                start = problem.slots.starts[t] + HOUR * min(done, LAST)
                last, part = takes[-1] if takes else (t, 0.0)
                end = start + HOUR * part if last == t else problem.slots.starts[last] + HOUR * part
                name = changes.families
                found.append(
                    PlannedChangeover(
                        line=problem.lines[line], before=name[before], after=name[after], start=start, end=end
                    )
                )
    return tuple(sorted(found, key=lambda each: (each.start, each.line)))


def into_hour(
    problem: PlanningProblem, schedule: Schedule, pieces: list[Piece], piece: Piece, is_end: bool
) -> timedelta:
    """How far into its hour a piece of a line that changes over starts or ends.

    In an hour: the rest of an earlier change, the old family's products, the change, the new family's products.
    """
    m, t, _ = piece
    making = problem.makings[m]
    stands, changes = schedule.standing[making.line], problem.changes[making.line]
    same = [other for other in pieces if other[1] == t]
    before = same[: same.index(piece) + int(is_end)]
    reached = _carried(problem, schedule, making.line, t) + sum(hours_of(problem, o, count) for o, _, count in before)
    if stands[t] != stands[t + 1] and making.state == changes.families[stands[t + 1]]:
        takes = changes.takes(stands[t], stands[t + 1], t) or ()
        reached += sum(part for hour, part in takes if hour == t)
    elif is_end and len(before) == len(same) and stands[t] == stands[t + 1]:
        return HOUR
    return HOUR * min(reached, 1.0 if is_end else LAST)


def _made_h(problem: PlanningProblem, schedule: Schedule, line: int, t: int, family: str) -> float:
    """What a line makes of a family in an hour takes [h]."""
    return sum(
        count / GRAINS_PER_UNIT / problem.makings[m].rate_per_h
        for (m, hour), count in schedule.grains.items()
        if hour == t and problem.makings[m].line == line and problem.makings[m].state == family
    )


def _carried(problem: PlanningProblem, schedule: Schedule, line: int, t: int) -> float:
    """What changes that began earlier take of an hour [h]."""
    changes, stands = problem.changes[line], schedule.standing[line]
    return sum(
        part
        for begun, (before, after) in enumerate(pairwise(stands[: t + 1]))
        if before != after
        for hour, part in changes.takes(before, after, begun) or ()
        if hour == t
    )
