"""Replay of a plan: what it costs and delivers when machines fail, lines stray from their rates and scrap varies.

How a plant works a plan, and how it catches up when it fell behind, is told in `optimizer.shop_floor`; it is the same
for every plan. Where nothing fails or strays, a plan costs what its own account says.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.chance import Fortunes, Numbers, Uncertainty, draw_luck, live_through
from optimizer.costing import account
from optimizer.deliveries import deliver
from optimizer.facts import PlanningFacts
from optimizer.problem import PlanningProblem, build_problem
from optimizer.shop_floor import live
from optimizer.standing import planned_standing, taken_by_changes
from optimizer.work_list import set_up_in, work_lists
from plant.plans import Plan

PATHS = 500
LIVED = frozenset(
    {
        "setups",
        "families",
        "overtime",
        "scrap",
        "recovery",
        "holding",
        "backlog",
        "delays",
        "safety",
        "overflow",
        "energy",
        "co2",
        "peak",
        "failures",
    }
)
"""Terms that chance changes; delays are backlog then. All others are as planned."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A quantity over all paths."""

    mean: float
    error: float
    """Standard error of the mean."""
    p10: float
    p90: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """What a plan does on many paths."""

    paths: int
    seed: int
    planned_cost: float
    """As the plan's own account has it [currency]."""
    cost: Spread
    """[currency]"""
    terms: dict[str, float]
    """Mean of each term [currency]."""
    failures: float
    """Mean number of failures."""
    energy_kwh: Spread
    peak_kw: Spread
    co2_kg: Spread
    late_units: Spread
    """Good units missing when their orders are due [unit]."""
    in_time: dict[str, float]
    """Chance of each order to be complete when due [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """The costs of every path, to compare plans by."""

    replay: Replay
    costs: Numbers
    """[currency] (path,)"""


def replay(
    facts: PlanningFacts,
    plan: Plan,
    *,
    paths: int = PATHS,
    seed: int = 0,
    uncertainty: Uncertainty | None = None,
) -> Course:
    """The plan on many paths of the plant; the same seed gives other plans for the same facts the same luck."""
    problem = build_problem(facts)
    worked_out = account(facts, plan)
    luck = draw_luck(problem, paths=paths, seed=seed, uncertainty=uncertainty or Uncertainty())
    windows = [worked_out.fates[options.machine].window for options in problem.machines]
    fortunes = live_through(facts, problem, windows, luck)
    standing = planned_standing(problem, plan)
    up = np.minimum(
        _up_share(problem, windows, fortunes), problem.slots.open_share - taken_by_changes(problem, standing)
    )
    lived = live(
        problem,
        work_lists(problem, plan, worked_out),
        planned_setups=set_up_in(problem, worked_out),
        up=up,
        luck=luck,
        standing=standing,
    )
    delivered = deliver(problem, lived.change)
    planned = {name: float(amount) for name, amount in worked_out.terms}
    terms = {name: np.full(paths, amount) for name, amount in planned.items() if name not in LIVED}
    terms |= lived.terms | delivered.terms | _energy_terms(problem, lived.energy_kwh)
    price = np.array([facts.class_of(facts.plant.machine_index[o.machine]).failure_cost for o in problem.machines])
    terms["failures"] = fortunes.failures @ price
    costs = np.sum(list(terms.values()), axis=0)
    energy = lived.energy_kwh
    return Course(
        replay=Replay(
            paths=paths,
            seed=seed,
            planned_cost=float(worked_out.cost),
            cost=spread(costs),
            terms={name: float(terms[name].mean()) for name in planned if name in terms},
            failures=float(fortunes.failures.sum(axis=1).mean()),
            energy_kwh=spread(energy.sum(axis=1)),
            peak_kw=spread(np.maximum(energy.max(axis=1), facts.tariff.peak_so_far_kw)),
            co2_kg=spread(energy @ problem.slots.co2_kg_per_kwh),
            late_units=spread(delivered.late),
            in_time=delivered.in_time,
        ),
        costs=costs,
    )


def spread(values: Numbers) -> Spread:
    """Mean with its standard error, and tenths."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    p10, p90 = (float(value) for value in np.quantile(values, (0.1, 0.9)))
    return Spread(mean=float(values.mean()), error=error, p10=p10, p90=p90)


def difference(course: Course, other: Course) -> Spread:
    """What the other plan costs more on the same paths [currency]."""
    return spread(other.costs - course.costs)


def _up_share(problem: PlanningProblem, windows: list[tuple[int, int]], fortunes: Fortunes) -> Numbers:
    """Part of each hour in which a line can run; its machines are in series. (path, line, hour)"""
    up = np.ones((fortunes.down.shape[0], len(problem.lines), problem.hours))
    for k, options in enumerate(problem.machines):
        line = problem.lines.index(options.line)
        up[:, line] -= fortunes.down[:, k]
        first, last = windows[k]
        up[:, line, first:last] = -np.inf
    share: Numbers = np.clip(up, 0.0, 1.0) * problem.slots.open_share
    return share


def _energy_terms(problem: PlanningProblem, energy: Numbers) -> dict[str, Numbers]:
    tariff = problem.facts.tariff
    above = np.maximum(energy.max(axis=1) - tariff.peak_so_far_kw, 0.0)
    return {
        "energy": energy @ problem.slots.price_per_kwh,
        "co2": energy @ problem.slots.co2_kg_per_kwh * tariff.co2_price_per_kg,
        "peak": above * tariff.demand_charge_per_kw,
    }
