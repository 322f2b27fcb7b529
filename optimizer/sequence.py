"""The order in which a line makes what an hour asks of it, and the runs that follow from it.

Setups are counted by the shift: once for each product of it, once for each family. Within an hour products of a family
follow each other. From hour to hour a plan may come back to a product or a family without a setup, where that serves
the tariff or a due date; the hours say how much is made by when, not that the line changes over each time.

Lines that change over from family to family make the old family first in an hour in which they do, then the new one.
"""

from collections.abc import Collection, Container

from optimizer.problem import PlanningProblem
from optimizer.rounding import Schedule

Piece = tuple[int, int, int]
"""What a line makes of one product in one hour: making, hour, grains."""


def runs_of(problem: PlanningProblem, schedule: Schedule, line: int) -> list[list[Piece]]:
    """A line's runs in sequence: pieces of one product that follow each other hour by hour within a shift."""
    runs: list[list[Piece]] = []
    for piece in _in_order(problem, schedule, line):
        if runs and _goes_on(problem, schedule, runs[-1][-1], piece):
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return runs


def _in_order(problem: PlanningProblem, schedule: Schedule, line: int) -> list[Piece]:
    """Within an hour a product that goes on comes first, one that stays comes last."""
    by_hour: dict[int, dict[int, int]] = {}
    for (m, t), count in schedule.grains.items():
        if problem.makings[m].line == line and count:
            by_hour.setdefault(t, {})[m] = count
    ordered: list[Piece] = []
    for t in sorted(by_hour):
        before = ordered[-1][0] if ordered and ordered[-1][1] == t - 1 else None
        following = by_hour.get(t + 1, {})
        made = _families_together(problem, by_hour[t], before, following)
        if line in schedule.standing:
            now = problem.changes[line].families[schedule.standing[line][t]]
            made.sort(key=lambda m: problem.makings[m].state != now)
        for m in made:
            ordered.append((m, t, by_hour[t][m]))
    return ordered


def _families_together(
    problem: PlanningProblem, made: Collection[int], before: int | None, following: Container[int]
) -> list[int]:
    """What goes on first, then the rest of its family; families of which something stays last."""
    names = {m: problem.makings[m].family for m in made}
    family = {m: min(o for o in made if o == m or (names[m] and names[o] == names[m])) for m in made}
    now = "" if before is None else problem.makings[before].family
    stays = {family[m] for m in made if m in following and m != before}
    return sorted(
        made,
        key=lambda m: (m != before, not now or names[m] != now, family[m] in stays, family[m], m in following, m),
    )


def _goes_on(problem: PlanningProblem, schedule: Schedule, last: Piece, piece: Piece) -> bool:
    shifts, line = problem.slots.shift, problem.makings[piece[0]].line
    if line in schedule.standing:  # it may have changed over and back
        stands = problem.changes[line].families[schedule.standing[line][piece[1]]]
        if stands != problem.makings[piece[0]].state:
            return False
    return last[0] == piece[0] and piece[1] == last[1] + 1 and shifts[piece[1]] == shifts[last[1]]
