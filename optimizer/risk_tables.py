"""From survival curves to tables: what each maintenance option of a machine costs in failures and leaves in hours.

A machine has one option per possible start of its maintenance, and the option of none. As the options exclude each
other, expected failures, probability and availability are plain numbers per option: exactly linear in the choice.

Expected failures per hour: the first failure falls as the survival curve says; a machine that failed and was repaired
fails on at the base rate 1 / mtbf. A maintained machine starts afresh. Machines age in their line's open hours.
Source: Barlow and Proschan, Mathematical Theory of Reliability, 1965, ch. 3 (renewal after repair).
"""

from dataclasses import dataclass
from datetime import UTC
from math import ceil

import numpy as np
from numpy.typing import NDArray

from optimizer.facts import PlanningFacts, maintenance_in_progress
from optimizer.slots import HOUR
from plant.assets import Machine, MachineClass
from plant.production import PlanningPolicy

Curve = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineOptions:
    """What may be done with one machine; exactly one option is chosen."""

    machine: str
    line: str
    starts: tuple[int | None, ...]
    """Hour in which maintenance starts; None: no (further) maintenance. (option,)"""
    windows: tuple[tuple[int, int], ...]
    """Hours in which the machine is away, half open; (0, 0): none. (option,)"""
    maintenance_cost: NDArray[np.float64]
    """[currency] (option,)"""
    failure_cost: NDArray[np.float64]
    """Expected, over the horizon [currency]. (option,)"""
    failure_probability: NDArray[np.float64]
    """Of at least one failure in the horizon [0..1]. (option,)"""
    loss: NDArray[np.float64]
    """Expected share of each hour lost to repair, 0 in the window [0..1]. (option, hour)"""
    forced: bool
    """Whether there is nothing to choose: under way, or kept from the accepted plan."""


def machine_options(facts: PlanningFacts, machine: Machine, open_share: NDArray[np.float64]) -> MachineOptions:
    """The options of one machine, given its line's open share per hour. (hour,)"""
    machine_class = facts.class_of(machine)
    horizon = facts.policy.horizon_h
    starts, windows, forced = _choices(facts, machine, machine_class, horizon)
    age = np.concatenate([[0.0], np.cumsum(open_share)])
    worn = _worn_survival(facts, machine, age)
    failures = np.zeros((len(starts), horizon))
    loss = np.zeros((len(starts), horizon))
    probability = np.zeros(len(starts))
    for option, (first, last) in enumerate(windows):
        before = _expected_failures(worn, open_share, machine_class.mtbf_h)
        if last == 0:
            failures[option], probability[option] = before, 1.0 - worn[-1]
            loss[option] = _lost_share(before, machine_class.repair_h, facts.policy)
            continue
        fresh = _fresh_survival(facts, machine_class, age[last:] - age[last])
        after = _expected_failures(fresh, open_share[last:], machine_class.mtbf_h)
        failures[option, :first], failures[option, last:] = before[:first], after
        loss[option, :first] = _lost_share(before[:first], machine_class.repair_h, facts.policy)
        loss[option, last:] = _lost_share(after, machine_class.repair_h, facts.policy)
        probability[option] = 1.0 - worn[first] * fresh[-1]
    price = [0.0 if start is None else machine_class.maintenance_cost for start in starts]
    return MachineOptions(
        machine=machine.name,
        line=machine.line,
        starts=starts,
        windows=windows,
        maintenance_cost=np.array(price),
        failure_cost=machine_class.failure_cost * failures.sum(axis=1),
        failure_probability=probability,
        loss=loss,
        forced=forced,
    )


def expected_course(
    facts: PlanningFacts, machine: Machine, open_share: NDArray[np.float64], *, window: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected failures and lost share of each hour of a machine that is away in a window; (0, 0): never. (hour,)"""
    machine_class, (first, last) = facts.class_of(machine), window
    worn, fresh = survival_curves(facts, machine, open_share, renewed_at=last)
    until = first if last else len(open_share)
    failures, lost = np.zeros(len(open_share)), np.zeros(len(open_share))
    failures[:until] = _expected_failures(worn, open_share, machine_class.mtbf_h)[:until]
    lost[:until] = _lost_share(failures[:until], machine_class.repair_h, facts.policy)
    if last:
        failures[last:] = _expected_failures(fresh, open_share[last:], machine_class.mtbf_h)
        lost[last:] = _lost_share(failures[last:], machine_class.repair_h, facts.policy)
    return failures, lost


def survival_curves(
    facts: PlanningFacts, machine: Machine, open_share: NDArray[np.float64], *, renewed_at: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Survival at the borders of the plan's hours: of the machine as it stands, and of one renewed at an hour's start.

    Of shapes (hour + 1,) and (hour + 1 - renewed_at,).
    """
    age = np.concatenate([[0.0], np.cumsum(open_share)])
    renewed = _fresh_survival(facts, facts.class_of(machine), age[renewed_at:] - age[renewed_at])
    return _worn_survival(facts, machine, age), renewed


def _choices(
    facts: PlanningFacts, machine: Machine, machine_class: MachineClass, horizon: int
) -> tuple[tuple[int | None, ...], tuple[tuple[int, int], ...], bool]:
    """Starts and windows of a machine's options, and whether they leave no choice."""
    start_utc = facts.start.astimezone(UTC)
    fixed = next((each for each in facts.fixed_maintenance if each.machine == machine.name), None)
    length = ceil(machine_class.maintenance_h)
    for job in maintenance_in_progress(facts):
        if job.machine == machine.name:
            last = min(ceil((job.end - facts.start) / HOUR), horizon)
            return (None,), ((0, last),), True
    kept = [w for w in facts.previous.maintenance if w.machine == machine.name] if facts.previous else []
    kept_starts = [(w.start - facts.start) // HOUR for w in kept if not (w.start - facts.start) % HOUR]
    kept_starts = [k for k in kept_starts if k >= 0 and k + length <= horizon]
    frozen_h = facts.policy.frozen_h if facts.previous else 0
    for k in kept_starts:
        if k < frozen_h:
            return (k,), ((k, k + length),), True
    step = facts.policy.option_step_h
    epoch_h = int(start_utc.timestamp() // 3600)
    grid = {k for k in range(horizon - length + 1) if k == 0 or (epoch_h + k) % step == 0}
    if fixed is not None:
        asked = {(at - facts.start) // HOUR for at in fixed.starts}
        asked = {k for k in asked if frozen_h <= k <= horizon - length}
        hours = sorted(asked & (grid | set(kept_starts)) or asked)
        return (tuple(hours) or (None,)), (tuple((k, k + length) for k in hours) or ((0, 0),)), len(hours) <= 1
    hours = sorted(k for k in grid | set(kept_starts) if k >= frozen_h)
    return (None, *hours), ((0, 0), *((k, k + length) for k in hours)), False


def _worn_survival(facts: PlanningFacts, machine: Machine, age: NDArray[np.float64]) -> NDArray[np.float64]:
    """Survival of a machine as it stands, by operating hours from the plan's start. (hour + 1,)"""
    risk = facts.newest_risk(machine.name)
    mtbf_h = facts.class_of(machine).mtbf_h
    if risk is None:
        return np.exp(-age / mtbf_h)
    curve = (risk.horizons_h, risk.survival)
    seen_h = max((facts.start - risk.assessed_at) / HOUR, 0.0)
    reached = float(_survival_at(curve, np.array([seen_h]), mtbf_h)[0])
    if reached <= 0.0:
        seen_h, reached = 0.0, 1.0
    return np.minimum(_survival_at(curve, age + seen_h, mtbf_h) / reached, 1.0)


def _fresh_survival(facts: PlanningFacts, machine_class: MachineClass, age: NDArray[np.float64]) -> NDArray[np.float64]:
    """Survival of a renewed machine by operating hours since. (hour,)"""
    fresh = facts.fresh_survival(machine_class.name)
    if fresh is None:
        return np.exp(-age / machine_class.mtbf_h)
    return _survival_at((fresh.horizons_h, fresh.survival), age, machine_class.mtbf_h)


def _survival_at(curve: Curve, age: NDArray[np.float64], mtbf_h: float) -> NDArray[np.float64]:
    """Linear between the horizons; past the last one it falls by 1 / mtbf of its last value per hour."""
    horizons = np.array([0.0, *curve[0]])
    values = np.clip(np.array([1.0, *curve[1]]), 0.0, 1.0)
    inside = np.interp(age, horizons, values)
    beyond = np.clip(1.0 - (age - horizons[-1]) / mtbf_h, 0.0, 1.0)
    survival: NDArray[np.float64] = np.where(age > horizons[-1], values[-1] * beyond, inside)
    return survival


def _expected_failures(
    survival: NDArray[np.float64], open_share: NDArray[np.float64], mtbf_h: float
) -> NDArray[np.float64]:
    """Expected failures in each hour: the first one, and those of a machine already repaired. (hour,)"""
    return (survival[:-1] - survival[1:]) + (1.0 - survival[:-1]) * open_share / mtbf_h


def _lost_share(failures: NDArray[np.float64], repair_h: float, policy: PlanningPolicy) -> NDArray[np.float64]:
    """Share of each hour lost to repair: the expected failures of the last `repair_h` hours, at most 1. (hour,)

    With risk aversion, a mean of it and of what the worst courses of that hour lose: a machine that is down with
    chance p is down in min(p / tail, 1) of the worst part of all courses. Source: Rockafellar and Uryasev, Optimization
    of conditional value-at-risk, Journal of Risk 2, 2000; the hours of a line added up, it is never less than theirs.
    """
    whole = int(repair_h)
    total = np.concatenate([[0.0], np.cumsum(failures)])
    hours = np.arange(len(failures))
    lost = total[hours + 1] - total[np.maximum(hours + 1 - whole, 0)]
    earlier = hours - whole
    lost += np.where(earlier >= 0, failures[np.maximum(earlier, 0)], 0.0) * (repair_h - whole)
    mean = np.clip(lost, 0.0, 1.0)
    worst = np.minimum(mean / policy.tail_share, 1.0)
    share: NDArray[np.float64] = mean + policy.risk_aversion * (worst - mean)
    return share
