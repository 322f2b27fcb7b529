"""Replay of a plan: what it costs and delivers when machines fail, lines stray from their rates and scrap varies.

The plant works a plan as a list: each line makes its lots in the planned order, as fast as it is up, catches up when it
fell behind, and waits only where the plan waits. Lots run until their good units are made, so scrap costs time and
material, not units. What is short is borne by the least urgent orders, as in the plan's own account. A line that lacks
components is not stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from optimizer.chance import Fortunes, Numbers, Uncertainty, draw_luck, live_through
from optimizer.costing import Account, account
from optimizer.facts import PlanningFacts
from optimizer.problem import Making, PlanningProblem, build_problem, due_slot
from optimizer.slots import HOUR
from plant.plans import Plan

PATHS = 500
IN_TIME_UNITS = 0.5
"""An order short of less than this when due is in time [unit]."""
AS_PLANNED = ("setups", "families", "overtime", "maintenance")
"""Terms that no chance changes."""
SETUP = -1
"""In the place of a making: the line is set up."""
_SMALL_H = 1e-9


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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """A line's list, in hours of work at the planned speed."""

    makings: tuple[int, ...]
    ends: Numbers
    """Work until each piece is done [h]. (piece,)"""
    pieces: tuple[int, ...]
    """Making of each piece, or SETUP. (piece,)"""
    released: Numbers
    """Work that may be begun in each hour, per hour the line is up [h/h]. (hour,)"""

    @property
    def total(self) -> float:
        """[h]"""
        return float(self.ends[-1]) if len(self.ends) else 0.0


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
    up = _up_share(problem, windows, fortunes)
    shift = np.maximum(np.array(problem.slots.shift), 0)
    planned = {name: float(amount) for name, amount in worked_out.terms}
    terms = {name: np.full(paths, planned[name]) for name in AS_PLANNED if name in planned}
    terms |= {name: np.zeros(paths) for name in ("scrap", "recovery") if name in planned}
    good = {product: np.zeros((paths, problem.hours)) for product in problem.stock}
    energy = np.broadcast_to(problem.idle_kw @ problem.slots.manned_share, (paths, problem.hours)).copy()
    for line in range(len(problem.lines)):
        work = _work_list(problem, plan, worked_out, line)
        mean_scrap = _mean_scrap(problem, work)
        pace = luck.speed[:, line, shift] * (1 - mean_scrap * luck.scrap[:, line, shift]) / (1 - mean_scrap)
        done = _work_done(work, up[:, line] * pace, pace)
        for m in work.makings:
            making = problem.makings[m]
            planned_h = _hours_of(work, m, done)
            made = planned_h * making.good_per_h
            for flow in making.flows:
                ready_h = planned_h[:, : max(problem.hours - flow.delay_h, 0)]
                good[flow.product][:, flow.delay_h :] += ready_h * flow.per_h
            idle_kw = np.where(problem.slots.in_overtime[line], 0.0, float(problem.idle_kw[making.line]))
            draw_kw = making.energy_kwh_per_h - idle_kw
            energy += planned_h / pace * draw_kw
            ratio = np.clip(_scrap_ratio(making) * luck.scrap[:, line, shift], 0.0, 0.9)
            gross = made / (1 - ratio)
            for (lost, taken_back), term in _scrap_prices(facts, making.product):
                terms[term] = terms[term] + (gross * ratio).sum(axis=1) * lost - gross.sum(axis=1) * taken_back
    terms |= _energy_terms(problem, energy)
    price = np.array([facts.class_of(facts.plant.machine_index[o.machine]).failure_cost for o in problem.machines])
    terms["failures"] = fortunes.failures @ price
    waiting, in_time, late = _orders(facts, problem, good)
    terms |= waiting
    costs = np.sum(list(terms.values()), axis=0)
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
            late_units=spread(late),
            in_time=in_time,
        ),
        costs=costs,
    )


def spread(values: Numbers) -> Spread:
    """Mean with its standard error, and tenths."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    p10, p90 = (float(value) for value in np.quantile(values, (0.1, 0.9)))
    return Spread(mean=float(values.mean()), error=error, p10=p10, p90=p90)


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


def _work_list(problem: PlanningProblem, plan: Plan, worked_out: Account, line: int) -> _Work:
    """The line's pieces hour by hour in the planned order, and what is released in each hour.

    The plan counts setups by the shift; each takes the free hours of its shift, the latest before its run first.
    """
    name = problem.lines[line]
    place = {making.product: m for m, making in enumerate(problem.makings) if making.line == line}
    available = np.array([float(hours) for hours in worked_out.available[name]])
    pieces: list[list[tuple[int, float]]] = [[] for _ in range(problem.hours)]
    setups: list[tuple[int, float]] = []
    set_up: set[tuple[int, int]] = set()
    for run in sorted((r for r in plan.runs if r.line == name and r.product in place), key=lambda run: run.start):
        m, first = place[run.product], (run.start - problem.facts.start) // HOUR
        if run.setup:
            shift = problem.slots.shift[first]
            family = problem.family_still_to_set_up(m, shift, set_up)
            set_up.add((m, shift))
            setups.append((first, problem.makings[m].setup_h + (family.family_setup_h if family else 0.0)))
        for t, units in enumerate(run.hourly_units, start=first):
            pieces[t].append((m, units / problem.makings[m].rate_per_h))
    by_hour = np.array([sum(hours for _, hours in mine) for mine in pieces], dtype=np.float64)
    for t, hours in _placed_setups(problem, available - by_hour, setups):
        pieces[t].append((SETUP, hours))
        by_hour[t] += hours
    open_share = problem.slots.open_share[line]
    expected = np.divide(available, open_share, out=np.ones_like(available), where=open_share > 0)
    released = np.divide(by_hour, expected, out=by_hour.copy(), where=expected > _SMALL_H)
    in_order = [piece for mine in pieces for piece in mine]
    return _Work(
        makings=tuple(sorted({m for m, _ in in_order if m != SETUP})),
        ends=np.cumsum([hours for _, hours in in_order]),
        pieces=tuple(m for m, _ in in_order),
        released=released,
    )


def _placed_setups(
    problem: PlanningProblem, free: Numbers, setups: list[tuple[int, float]]
) -> Iterator[tuple[int, float]]:
    """Hours of setting up in the free hours of each setup's shift."""
    left_free = free.copy()
    for first, length in setups:
        mine = [t for t in range(problem.hours) if problem.slots.shift[t] == problem.slots.shift[first]]
        left = length
        for t in [*(t for t in reversed(mine) if t <= first), *(t for t in mine if t > first)]:
            booked = min(left, max(float(left_free[t]), 0.0))
            if booked > 0:
                left_free[t] -= booked
                left -= booked
                yield t, booked
        if left > _SMALL_H:
            yield first, left


def _work_done(work: _Work, capacity: Numbers, pace: Numbers) -> Numbers:
    """Work done by the end of each hour: what was released and not yet done, as far as the line is up. (path, hour)"""
    done = np.zeros_like(capacity)
    allowed = np.minimum(np.cumsum(work.released * pace, axis=1), work.total)
    so_far = np.zeros(capacity.shape[0])
    for t in range(capacity.shape[1]):
        so_far = np.maximum(np.minimum(so_far + capacity[:, t], allowed[:, t]), so_far)
        done[:, t] = so_far
    return done


def _hours_of(work: _Work, m: int, done: Numbers) -> Numbers:
    """Hours of work on one making in each hour. (path, hour)"""
    lengths = np.diff(work.ends, prepend=0.0)
    own = np.cumsum([length if piece == m else 0.0 for length, piece in zip(lengths, work.pieces, strict=True)])
    until = np.interp(done, np.concatenate([[0.0], work.ends]), np.concatenate([[0.0], own]))
    hours: Numbers = np.diff(until, axis=1, prepend=0.0)
    return hours


def _mean_scrap(problem: PlanningProblem, work: _Work) -> float:
    """Of a line's list, weighted by its hours [0..1)."""
    lengths = np.diff(work.ends, prepend=0.0)
    weights = [
        (length, _scrap_ratio(problem.makings[m])) for length, m in zip(lengths, work.pieces, strict=True) if m >= 0
    ]
    total = sum(length for length, _ in weights)
    return sum(length * ratio for length, ratio in weights) / total if total > 0 else 0.0


def _scrap_ratio(making: Making) -> float:
    return 1.0 - making.good_per_h / making.rate_per_h


def _scrap_prices(facts: PlanningFacts, product: str) -> Iterator[tuple[tuple[float, float], str]]:
    """What a scrapped unit costs, and what a unit sent to rework takes back, by term."""
    known = {each.name: each for each in facts.products}
    mine, before = known[product], known.get(known[product].reworks)
    yield (mine.scrap_cost, before.scrap_cost if before else 0.0), "scrap"
    if any(each.scrap_value for each in facts.products):
        yield (-mine.scrap_value, -before.scrap_value if before else 0.0), "recovery"


def _energy_terms(problem: PlanningProblem, energy: Numbers) -> dict[str, Numbers]:
    tariff = problem.facts.tariff
    above = np.maximum(energy.max(axis=1) - tariff.peak_so_far_kw, 0.0)
    return {
        "energy": energy @ problem.slots.price_per_kwh,
        "co2": energy @ problem.slots.co2_kg_per_kwh * tariff.co2_price_per_kg,
        "peak": above * tariff.demand_charge_per_kw,
    }


def _orders(
    facts: PlanningFacts, problem: PlanningProblem, good: dict[str, Numbers]
) -> tuple[dict[str, Numbers], dict[str, float], Numbers]:
    """Holding and backlog by path, each order's chance to be in time, and the units late by path."""
    paths = next(iter(good.values())).shape[0]
    holding, backlog, late = np.zeros(paths), np.zeros(paths), np.zeros(paths)
    levels = {"safety": np.zeros(paths), "overflow": np.zeros(paths)}
    factor = np.ones(problem.hours)
    factor[-1] = facts.policy.final_backlog_factor
    in_time: dict[str, float] = {}
    for product in facts.products:
        left = problem.stock[product.name] + np.cumsum(good[product.name], axis=1)
        mine = [(due_slot(facts.start, o.due_at), o) for o in facts.orders if o.product == product.name]
        mine = [(due, order) for due, order in mine if due < problem.hours]
        for due, order in sorted(mine, key=lambda each: (-each[1].priority, each[1].due_at, each[1].number)):
            short = order.quantity - np.clip(left[:, due:], 0.0, order.quantity)
            left[:, due:] -= order.quantity
            backlog += short @ factor[due:] * (product.backlog_cost_per_unit_h or 0.0) * order.priority
            late += short[:, 0]
            in_time[order.number] = float((short[:, 0] < IN_TIME_UNITS).mean())
        holding += np.maximum(left, 0.0).sum(axis=1) * product.holding_cost_per_unit_h
        below = np.maximum(product.safety_stock - left, 0.0).sum(axis=1)
        levels["safety"] += below * product.safety_cost_per_unit_h
        room = np.inf if product.max_stock is None else product.max_stock
        levels["overflow"] += np.maximum(left - room, 0.0).sum(axis=1) * product.overflow_cost_per_unit_h
    return {"holding": holding, "backlog": backlog, **levels}, in_time, late


def difference(course: Course, other: Course) -> Spread:
    """What the other plan costs more on the same paths [currency]."""
    return spread(other.costs - course.costs)
