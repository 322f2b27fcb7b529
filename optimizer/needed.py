"""What hard rules ask for, and nothing else: orders may wait and be made never, so most of a plant says nothing about
whether any plan keeps the rules.
"""

from dataclasses import replace
from math import isfinite

from optimizer.problem import Demand, PlanningProblem


def only_needed(problem: PlanningProblem) -> PlanningProblem:
    """The problem without what no hard rule asks for; it has a plan that keeps the rules just where the whole has one.

    Left out are orders that may wait throughout, and what no hard rule, frozen hour or kept product needs made.
    """
    limited = {p.name for p in problem.facts.products if (p.hard_min_stock, p.hard_max_stock) != (None, None)}
    wanted = {demand.product for demand in problem.demands if _is_hard(demand, problem.hours)}
    wanted |= {p.name for p in problem.facts.products if p.hard_min_stock}
    kept = {m for (m, _), (low, _) in problem.frozen.items() if low > 0}
    kept |= {
        m for m, making in enumerate(problem.makings) if any(f.per_h < 0 and f.product in limited for f in making.flows)
    }
    while True:
        wanted |= {flow.product for m in kept for flow in problem.makings[m].flows if flow.per_h < 0}
        more = {
            m
            for m, making in enumerate(problem.makings)
            if m not in kept and any(flow.per_h > 0 and flow.product in wanted for flow in making.flows)
        }
        if not more:
            break
        kept |= more
    index = {m: n for n, m in enumerate(sorted(kept))}
    products = limited | wanted | {flow.product for m in kept for flow in problem.makings[m].flows}
    return replace(
        problem,
        facts=replace(problem.facts, policy=replace(problem.facts.policy, price_delays=False)),
        makings=tuple(problem.makings[m] for m in index),
        demands=tuple(d for d in problem.demands if _is_hard(d, problem.hours) or d.product in limited),
        stock={product: units for product, units in problem.stock.items() if product in products},
        frozen={(index[m], t): span for (m, t), span in problem.frozen.items() if m in index},
    )


def _is_hard(demand: Demand, hours: int) -> bool:
    return demand.waits_until < hours or not isfinite(demand.backlog_cost_per_unit_h)
