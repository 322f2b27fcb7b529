"""What the accepted plan speaks for: the search begins from it, and keeps to it where that costs nothing."""

from optimizer.maintenance import Leaning
from optimizer.problem import PlanningProblem
from optimizer.slots import CLOSED, slot_of


def favoured_lots(problem: PlanningProblem) -> dict[tuple[int, int], float]:
    """What the accepted plan makes in the shifts ahead, by (making, shift)."""
    previous = problem.facts.previous
    place = {(problem.lines[making.line], making.product): m for m, making in enumerate(problem.makings)}
    favour: dict[tuple[int, int], float] = {}
    for run in previous.runs if previous is not None else ():
        m = place.get((run.line, run.product))
        first = slot_of(problem.facts.start, run.start)
        for hour, units in enumerate(run.hourly_units, start=first):
            if m is not None and units > 0 and 0 <= hour < problem.hours and problem.slots.shift[hour] != CLOSED:
                favour[m, problem.slots.shift[hour]] = 1.0
    return favour


def favoured_maintenance(problem: PlanningProblem) -> Leaning:
    """When the accepted plan maintains each machine, as the option of this plan."""
    previous = problem.facts.previous
    starts = {
        window.machine: slot_of(problem.facts.start, window.start)
        for window in (previous.maintenance if previous is not None else ())
    }
    return {
        k: {options.starts.index(starts.get(options.machine)): 1.0}
        for k, options in enumerate(problem.machines)
        if starts.get(options.machine) in options.starts
    }
