"""A first plan at any size: some shifts at a time, each with what the earlier ones left, glued together.

Each slice looks further ahead than the part of it that is kept. Maintenance is chosen beforehand.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optimizer.problem import PlanningProblem
from optimizer.risk_tables import MachineOptions

KEPT_SHIFTS, SEEN_SHIFTS = 1, 3
"""Of each slice: shifts that are kept, and shifts that are looked at."""
Running = dict[tuple[int, int], float]
"""Running hours by (making, hour) [h]."""


def parts(problem: PlanningProblem) -> Iterator[tuple[int, int, int]]:
    """Hours of each slice: its begin, where the kept part ends, where its sight ends."""
    shifts = problem.slots.shift
    begins = [t for t in range(problem.hours) if t == 0 or (shifts[t] != shifts[t - 1])]
    for first in range(0, len(begins), KEPT_SHIFTS):
        after = [*begins[first + 1 :], problem.hours]
        yield begins[first], after[min(KEPT_SHIFTS, len(after)) - 1], after[min(SEEN_SHIFTS, len(after)) - 1]


def cut_out(
    problem: PlanningProblem, *, begin: int, end: int, chosen: tuple[int, ...], running: Running
) -> PlanningProblem:
    """The problem of some hours, given the maintenance chosen and what was made before."""
    slots, tariff = problem.slots, problem.facts.tariff
    inside = slice(begin, end)
    net = _net_stock(problem, begin, running)
    left = {product: max(amount, 0.0) for product, amount in net.items()}
    demands = []
    for product in problem.stock:
        mine = [demand for demand in problem.demands if demand.product == product]
        short = max(-net[product], 0.0)
        for demand in sorted(mine, key=lambda demand: demand.backlog_cost_per_unit_h):
            units = demand.units[inside].copy()
            overdue = min(short, float(demand.units[:begin].sum()))
            short -= overdue
            units[0] += overdue
            demands.append(replace(demand, units=units))
    draw = problem.idle_kw @ slots.open_share
    for (m, t), hours in running.items():
        making = problem.makings[m]
        draw[t] += hours * (making.energy_kwh_per_h - float(problem.idle_kw[making.line]))
    peak = max([tariff.peak_so_far_kw, *draw[:begin]])
    return replace(
        problem,
        facts=replace(problem.facts, tariff=replace(tariff, peak_so_far_kw=float(peak), co2_cap_kg=None)),
        slots=replace(
            slots,
            starts=slots.starts[inside],
            shift=slots.shift[inside],
            open_share=slots.open_share[:, inside],
            price_per_kwh=slots.price_per_kwh[inside],
            co2_kg_per_kwh=slots.co2_kg_per_kwh[inside],
        ),
        makings=tuple(replace(making, ready=making.ready and begin == 0) for making in problem.makings),
        demands=tuple(demands),
        stock=left,
        machines=tuple(_settled(o, k, begin, end) for o, k in zip(problem.machines, chosen, strict=True)),
        crews_free=problem.crews_free[inside],
        frozen={(m, t - begin): span for (m, t), span in problem.frozen.items() if begin <= t < end},
        unmakeable=(),
    )


def _net_stock(problem: PlanningProblem, begin: int, running: Running) -> dict[str, float]:
    """Stock less shortage before an hour, by product [unit]."""
    net = dict(problem.stock)
    for (m, t), hours in running.items():
        if t < begin:
            net[problem.makings[m].product] += hours * problem.makings[m].good_per_h
    for demand in problem.demands:
        net[demand.product] -= float(demand.units[:begin].sum())
    return net


def _settled(options: MachineOptions, chosen: int, begin: int, end: int) -> MachineOptions:
    """A machine with nothing left to choose, as some hours see it."""
    first, last = options.windows[chosen]
    first, last = max(first, begin) - begin, min(last, end) - begin
    return replace(
        options,
        starts=(None,),
        windows=((first, last) if last > first else (0, 0),),
        maintenance_cost=np.zeros(1),
        failure_cost=np.zeros(1),
        failure_probability=np.zeros(1),
        loss=options.loss[chosen : chosen + 1, begin:end],
        forced=True,
    )
