"""A choice of maintenance before anything else is planned: one option per machine that keeps crews and limits."""

from optimizer.chance_limits import within_groups
from optimizer.problem import PlanningProblem

Leaning = dict[int, dict[int, float]]
"""How far the linear relaxation chooses an option [0..1], by machine, then option; empty: not known."""


def choose_maintenance(problem: PlanningProblem, leaning: Leaning) -> tuple[int, ...] | None:
    """The likeliest option of each machine that limits and free crews allow; None: for one there is none.

    Machines that the relaxation is surest of come first. Without a leaning the cheapest option counts: its price and
    its expected failures.
    """
    free = list(problem.crews_free)
    limit = problem.facts.policy.max_failure_probability
    chosen = [0] * len(problem.machines)
    may_have: list[list[int]] = [[] for _ in problem.machines]
    order = sorted(range(len(problem.machines)), key=lambda k: _surety(problem, leaning, k))
    for k in order:
        options = problem.machines[k]
        cost = options.maintenance_cost + options.failure_cost
        likely = leaning.get(k, {})
        allowed = [
            option
            for option, (first, last) in enumerate(options.windows)
            if (limit is None or options.failure_probability[option] <= limit)
            and (options.starts[option] is None or all(free[t] > 0 for t in range(first, last)))
            and (not likely or option in likely)
        ]
        if not allowed:
            return None
        chosen[k] = min(allowed, key=lambda option: (-likely.get(option, 0.0), float(cost[option]), option))
        may_have[k] = [o for o, p in enumerate(options.failure_probability) if limit is None or p <= limit]
        if options.starts[chosen[k]] is not None:
            for t in range(*options.windows[chosen[k]]):
                free[t] -= 1
    return tuple(chosen) if within_groups(problem, chosen, may_have, free) else None


def _surety(problem: PlanningProblem, leaning: Leaning, k: int) -> tuple[int, float]:
    """Smallest first: forced machines, then by how sure or how dear the best option is."""
    options = problem.machines[k]
    if options.forced:
        return (0, 0.0)
    if likely := leaning.get(k):
        return (1, -max(likely.values()))
    cost = options.maintenance_cost + options.failure_cost
    return (1, float(cost.min() - cost[0]))
