"""The order in which a line makes what an hour asks of it, and the runs that follow from it."""

from optimizer.problem import PlanningProblem

Piece = tuple[int, int, int]
"""What a line makes of one product in one hour: making, hour, grains."""


def runs_of(problem: PlanningProblem, grains: dict[tuple[int, int], int], line: int) -> list[list[Piece]]:
    """A line's runs in sequence: pieces of one product that follow each other hour by hour within a shift."""
    runs: list[list[Piece]] = []
    for piece in _in_order(problem, grains, line):
        if runs and _goes_on(problem, runs[-1][-1], piece):
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return runs


def _in_order(problem: PlanningProblem, grains: dict[tuple[int, int], int], line: int) -> list[Piece]:
    """Within an hour a product that goes on comes first, one that stays comes last."""
    by_hour: dict[int, dict[int, int]] = {}
    for (m, t), count in grains.items():
        if problem.makings[m].line == line and count:
            by_hour.setdefault(t, {})[m] = count
    ordered: list[Piece] = []
    for t in sorted(by_hour):
        before = ordered[-1][0] if ordered and ordered[-1][1] == t - 1 else None
        following = by_hour.get(t + 1, {})
        for m in sorted(by_hour[t], key=lambda m: (m != before, m in following, m)):
            ordered.append((m, t, by_hour[t][m]))
    return ordered


def _goes_on(problem: PlanningProblem, last: Piece, piece: Piece) -> bool:
    shifts = problem.slots.shift
    return last[0] == piece[0] and piece[1] == last[1] + 1 and shifts[piece[1]] == shifts[last[1]]
