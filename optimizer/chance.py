"""What may happen to machines and lines while a plan runs: failures, repairs, speeds and scrap, path by path.

The same seed gives the same luck whatever the plan: a machine's first life, its lives after repairs and its life after
maintenance are drawn from streams of their own (common random numbers), so that plans are compared, not their luck.
Source: Law, Simulation Modeling and Analysis, 5th ed. 2015, ch. 11.2 (common random numbers).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.facts import PlanningFacts
from optimizer.problem import PlanningProblem
from optimizer.risk_tables import survival_curves

Numbers = NDArray[np.float64]
REPAIRED_LIVES = 8
"""Lives after repairs that are drawn per machine; the last is used again after that."""
LEAST_SURVIVAL = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncertainty:
    """How far the plant strays from its plan's means."""

    rate_sd: float = 0.03
    """Standard deviation of a line's speed from shift to shift, as a part of its rate; typical of paced lines."""
    scrap_sd: float = 0.25
    """Of the scrap ratio from shift to shift, as a part of itself."""
    hazard_sd: float = 0.0
    """Of the logarithm of each machine's true hazard against the model's, drawn once per path; 0: the model is true."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Luck:
    """All that is random, drawn beforehand."""

    worn: Numbers
    """Cumulative hazard at which a machine as it stands fails. (path, machine)"""
    fresh: Numbers
    """The same after maintenance. (path, machine)"""
    repaired: Numbers
    """The same after each repair. (path, machine, life)"""
    hazard: Numbers
    """True hazard over the model's. (path, machine)"""
    speed: Numbers
    """Of a line in a shift, over its rate. (path, line, shift)"""
    scrap: Numbers
    """Scrap ratio of a line in a shift, over its mean. (path, line, shift)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fortunes:
    """What became of the machines."""

    down: Numbers
    """Part of each hour under repair [0..1]. (path, machine, hour)"""
    failures: Numbers
    """How many. (path, machine)"""


def draw_luck(problem: PlanningProblem, *, paths: int, seed: int, uncertainty: Uncertainty) -> Luck:
    """Everything random of some paths."""
    streams = [np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(6)]
    machines, lines = len(problem.machines), len(problem.lines)
    shifts = max(len(problem.slots.shift_names), 1)
    sd = uncertainty.scrap_sd
    strayed = streams[3].standard_normal((paths, machines)) * uncertainty.hazard_sd
    return Luck(
        worn=_spread_lives(streams[0], paths, machines),
        fresh=_spread_lives(streams[1], paths, machines),
        repaired=streams[2].exponential(size=(paths, machines, REPAIRED_LIVES)),
        hazard=np.exp(strayed),
        speed=np.clip(1.0 + uncertainty.rate_sd * streams[4].standard_normal((paths, lines, shifts)), 0.5, 1.5),
        scrap=np.exp(sd * streams[5].standard_normal((paths, lines, shifts)) - sd**2 / 2),
    )


def _spread_lives(stream: np.random.Generator, paths: int, machines: int) -> Numbers:
    """Exponential lives of mean 1, one from each of as many equally likely spans as there are paths. (path, machine)

    Spread so, few paths show each machine's chance of failing truly. Source: McKay, Beckman and Conover, A comparison
    of three methods for selecting values of input variables, Technometrics 1979 (Latin hypercube).
    """
    order = stream.permuted(np.tile(np.arange(paths), (machines, 1)), axis=1).T
    lives: Numbers = -np.log1p(-(order + stream.uniform(size=(paths, machines))) / paths)
    return lives


def live_through(
    facts: PlanningFacts, problem: PlanningProblem, windows: list[tuple[int, int]], luck: Luck
) -> Fortunes:
    """Failures and repairs of every machine, given the hours in which each is away for maintenance; (0, 0): never.

    A failed machine is repaired for its class's hours and then fails at the base rate; a maintained one starts afresh.
    """
    paths, hours = luck.worn.shape[0], problem.hours
    down = np.zeros((paths, len(problem.machines), hours))
    failures = np.zeros((paths, len(problem.machines)))
    for k, options in enumerate(problem.machines):
        machine = facts.plant.machine_index[options.machine]
        machine_class = facts.class_of(machine)
        opened = problem.slots.manned_share[problem.lines.index(options.line)]
        first, last = windows[k]
        worn, fresh = survival_curves(facts, machine, opened, renewed_at=last)
        steps = {"worn": _hazard_steps(worn), "fresh": _hazard_steps(fresh), "base": opened / machine_class.mtbf_h}
        down[:, k], failures[:, k] = _one_machine(
            luck, k, steps=steps, window=(first, last), repair_h=machine_class.repair_h
        )
    return Fortunes(down=down, failures=failures)


def _one_machine(
    luck: Luck, k: int, *, steps: dict[str, Numbers], window: tuple[int, int], repair_h: float
) -> tuple[Numbers, Numbers]:
    """Hour by hour through all paths of one machine: (path, hour) under repair, and (path,) failures."""
    paths, hours = luck.worn.shape[0], len(steps["base"])
    first, last = window
    down, count = np.zeros((paths, hours)), np.zeros(paths)
    limit, spent, repair = luck.worn[:, k].copy(), np.zeros(paths), np.zeros(paths)
    repaired = np.zeros(paths, dtype=bool)
    life = np.zeros(paths, dtype=np.int64)
    for t in range(hours):
        if first <= t < last:  # away; what was broken is put right too
            if t == last - 1:
                limit, spent = luck.fresh[:, k].copy(), np.zeros(paths)
                repaired[:] = False
            repair[:] = 0.0
            continue
        own = steps["fresh"][t - last] if last and t >= last else steps["worn"][t]
        rate = np.where(repaired, steps["base"][t], own) * luck.hazard[:, k]
        busy = np.minimum(repair, 1.0)
        grown = rate * (1.0 - busy)
        fails = (spent + grown >= limit) & (grown > 0)
        part = np.where(fails, (limit - spent) / np.where(grown > 0, grown, 1.0), 0.0)
        at = busy + part * (1.0 - busy)
        repair = np.where(fails, repair_h - (1.0 - at), np.maximum(repair - 1.0, 0.0))
        down[:, t] = np.where(fails, busy + np.minimum(1.0 - at, repair_h), busy)
        repair = np.maximum(repair, 0.0)
        spent = np.where(fails, 0.0, spent + grown)
        limit = np.where(fails, luck.repaired[np.arange(paths), k, np.minimum(life, REPAIRED_LIVES - 1)], limit)
        life += fails
        repaired |= fails
        count += fails
    return down, count


def _hazard_steps(survival: Numbers) -> Numbers:
    """Growth of the cumulative hazard in each hour, from survival at the hours' borders."""
    return np.diff(-np.log(np.maximum(survival, LEAST_SURVIVAL)))
