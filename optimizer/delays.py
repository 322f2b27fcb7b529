"""What failures are expected to add to the backlog: they come in lumps, and being late costs more than being early.

The plan's hours are expected ones, so a line that fails falls behind the plan. Here each line counts as behind by the
hours of a repair in a part of all courses, and what it made in its last hours is missing then: the backlog of that
course is weighed into the objective. Everything is linear in the plan: what is missing is what the plan makes in those
hours, how often it is so follows from the facts alone.

How often: machines count as maintained in turn, as crews get free, those first whose failures cost most over their
maintenance, and only where it saves more than it costs; the others as they stand. A line is behind by an hour more with
each hour of a repair, and makes up as much per hour as the plant has to spare. Its mean hours behind, over the hours of
a repair, are the part of the courses.
Source: Birge and Louveaux, Introduction to Stochastic Programming, 2nd ed. 2011, ch. 4 (expected recourse, of which the
plan by expected values is an optimistic bound, by Jensen).
"""

import math
from dataclasses import dataclass
from math import ceil

import numpy as np
import pulp
from numpy.typing import NDArray

from optimizer.facts import PlanningFacts, maintenance_in_progress
from optimizer.problem import PlanningProblem
from optimizer.program import Model, Terms
from optimizer.risk_tables import expected_course
from optimizer.slots import HOUR
from plant.assets import Machine

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Behind:
    """How far and how often lines are behind their plan."""

    hours: Numbers
    """Of a repair, as its machines fail [h]. (line,)"""
    share: Numbers
    """Part of all courses in which the line is that far behind [0..1]. (line, hour)"""

    def weight(self, problem: PlanningProblem, product: str) -> Numbers:
        """Part of the courses in which each line holds up a product; of all its lines at most 1. (line, hour)"""
        makes = {making.line for making in problem.makings if making.product == product}
        share = np.where(np.isin(np.arange(len(problem.lines)), list(makes))[:, None], self.share, 0.0)
        weight: Numbers = share / np.maximum(share.sum(axis=0), 1.0)
        return weight


def failures_delay_orders(model: Model, problem: PlanningProblem) -> None:
    """Where a line is behind by a repair, what it made in its last hours is missing, and orders wait for it."""
    if not problem.facts.policy.price_delays:
        return
    behind = lines_behind(problem)
    last = problem.hours - 1
    for product in problem.stock:
        wanted = [d for d, demand in enumerate(problem.demands) if demand.product == product]
        priced = [d for d in wanted if math.isfinite(problem.demands[d].backlog_cost_per_unit_h)]
        weight = behind.weight(problem, product)
        lead_h = next(each.lead_time_h for each in problem.facts.products if each.name == product)
        for line in range(len(problem.lines)):
            makes = [m for m, each in enumerate(problem.makings) if (each.line, each.product) == (line, product)]
            for t in range(problem.hours) if makes and priced else ():
                due = {d: float(problem.demands[d].units[: t + 1].sum()) for d in priced}
                if weight[line, t] <= 0 or not any(due.values()):
                    continue
                factor = problem.facts.policy.final_backlog_factor if t == last else 1.0
                terms = _missing(model, problem, makes=makes, until=t - lead_h, hours=float(behind.hours[line]))
                terms[model.stock[product, t]] = 1.0
                terms.update({model.shortage[d, t]: -1.0 for d in wanted if (d, t) in model.shortage})
                for d in priced:
                    each = weight[line, t] * factor * problem.demands[d].backlog_cost_per_unit_h
                    short = model.program.add_variable(f"v{line}_{d}_{t}", 0, due[d])
                    terms[short] = 1.0
                    model.charge("delays", [(short, each)])
                    if (d, t) in model.shortage:  # waits in this course too, and is charged already
                        model.charge("delays", [(model.shortage[d, t], -each)])
                if product in problem.used_up:  # lines that use it wait too, as the most urgent order does
                    short = model.program.add_variable(f"v{line}_{product}_{t}", 0)
                    terms[short] = 1.0
                    most = max(problem.demands[d].backlog_cost_per_unit_h for d in priced if due[d])
                    model.charge("delays", [(short, weight[line, t] * factor * most)])
                model.constrain(f"delay|{problem.lines[line]}:{product}|{t}", terms, pulp.LpConstraintGE, 0.0)


def _missing(model: Model, problem: PlanningProblem, *, makes: list[int], until: int, hours: float) -> Terms:
    """Good units that a line makes in its last hours, as a negative sum; of the earliest of them a part."""
    terms: Terms = {}
    for back in range(ceil(hours)):
        share = min(hours - back, 1.0)
        for m in makes:
            if (running := model.running.get((m, until - back))) is not None:
                terms[running] = -share * problem.makings[m].good_per_h
    return terms


def lines_behind(problem: PlanningProblem) -> Behind:
    """How far and how often each line is behind, from the facts alone."""
    facts, manned = problem.facts, problem.slots.manned_share
    windows = windows_in_turn(problem)
    hours, share = np.zeros(len(problem.lines)), np.zeros((len(problem.lines), problem.hours))
    spare = 1.0 - _load(problem)
    for line, known in enumerate(facts.plant.lines):
        failures, lost = np.zeros(problem.hours), np.zeros(problem.hours)
        total = repairs = 0.0
        for machine in known.machines:
            own, own_lost = expected_course(facts, machine, manned[line], window=windows[machine.name])
            failures, lost = failures + own, lost + own_lost
            total, repairs = total + own.sum(), repairs + own.sum() * facts.class_of(machine).repair_h
        if total <= 0 or repairs <= 0:
            continue
        hours[line] = repairs / total
        after = _profile(hours[line], max(spare, float(lost.mean())), problem.hours)
        share[line] = np.minimum(np.convolve(failures, after)[: problem.hours] / hours[line], 1.0)
    return Behind(hours=hours, share=share)


def windows_in_turn(problem: PlanningProblem) -> dict[str, tuple[int, int]]:
    """Hours in which each machine counts as away, half open; (0, 0): in none."""
    facts, manned = problem.facts, problem.slots.manned_share
    windows = {machine.name: (0, 0) for machine in facts.plant.machines}
    for job in maintenance_in_progress(facts):
        windows[job.machine] = (0, min(ceil((job.end - facts.start) / HOUR), problem.hours))
    free = sorted(last for _, last in windows.values())[-facts.policy.crews :] if facts.policy.crews else []
    free += [0] * (facts.policy.crews - len(free))
    waiting: list[tuple[float, Machine, Numbers]] = []
    for line, known in enumerate(facts.plant.lines):
        for machine in known.machines:
            if windows[machine.name] == (0, 0):
                cost = _failure_cost(facts, machine, manned[line], (0, 0))
                waiting.append((facts.class_of(machine).maintenance_cost - cost, machine, manned[line]))
    for over, machine, hours in sorted(waiting, key=lambda each: each[0]):
        length, first = ceil(facts.class_of(machine).maintenance_h), min(free, default=problem.hours)
        if over >= 0 or first + length > problem.hours:
            continue
        window = (first, first + length)
        if over + _failure_cost(facts, machine, hours, window) < 0:
            windows[machine.name] = window
            free[free.index(first)] += length
    return windows


def _failure_cost(facts: PlanningFacts, machine: Machine, manned: Numbers, window: tuple[int, int]) -> float:
    failures, _ = expected_course(facts, machine, manned, window=window)
    return facts.class_of(machine).failure_cost * float(failures.sum())


def _profile(repair_h: float, spare: float, horizon: int) -> Numbers:
    """Hours behind at the end of each hour from a failure on [h]. (hour,)"""
    since = np.arange(1, horizon + 1, dtype=np.float64)
    after: Numbers = np.clip(np.minimum(since, repair_h - spare * (since - repair_h)), 0.0, repair_h)
    return after


def _load(problem: PlanningProblem) -> float:
    """Hours that all orders take on a mean line, as a part of the open ones [0..1]."""
    needed = 0.0
    for product, initial in problem.stock.items():
        due = sum(float(demand.units.sum()) for demand in problem.demands if demand.product == product)
        per_unit_h = [1.0 / making.good_per_h for making in problem.makings if making.product == product]
        needed += max(due - initial, 0.0) * sum(per_unit_h) / max(len(per_unit_h), 1)
    return min(needed / max(float(problem.slots.open_share.sum()), 1e-9), 1.0)
