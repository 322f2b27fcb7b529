"""From a solver's real numbers to units that can be made: rounded down so that no hour overflows, then repaired.

What is lost by rounding is made up in later or earlier hours that are set up for the product, still have time, and
raise neither the peak nor the emissions beyond their limits.
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from optimizer.problem import PlanningProblem

NEARLY = 1e-6
"""A number of units this little below a whole one counts as whole [step]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A plan in whole steps."""

    steps: dict[tuple[int, int], int]
    """Gross production in steps of its making, by (making, hour); no zeros."""
    chosen: tuple[int, ...]
    """Option of each machine. (machine,)"""


def round_to_units(
    problem: PlanningProblem, *, running: dict[tuple[int, int], float], chosen: tuple[int, ...]
) -> Schedule:
    """The schedule nearest to the solver's running hours [h] by (making, hour) that fits every line's hours."""
    floor_plan = _ShopFloor(problem, chosen, running)
    for (m, t), hours in running.items():
        floor_plan.add(m, t, floor(floor_plan.steps_of(m, hours) + NEARLY))
    lost = floor_plan.carry(running)
    floor_plan.repair(lost)
    return Schedule(steps={key: count for key, count in floor_plan.steps.items() if count}, chosen=chosen)


def available_hours(problem: PlanningProblem, chosen: tuple[int, ...]) -> NDArray[np.float64]:
    """Hours in which each line can run under the chosen options [h]. (line, hour)"""
    hours = problem.slots.open_share.copy()
    for line, name in enumerate(problem.lines):
        lost = np.zeros(problem.hours)
        for options, option in zip(problem.machines, chosen, strict=True):
            if options.line == name:
                lost += options.loss[option]
                first, last = options.windows[option]
                hours[line, first:last] = 0.0
        hours[line] *= np.clip(1.0 - lost, 0.0, 1.0)
    return hours


class _ShopFloor:
    """The shop floor while it is filled: hours left per line, hour and shift, energy, and what has been placed."""

    def __init__(
        self, problem: PlanningProblem, chosen: tuple[int, ...], running: dict[tuple[int, int], float]
    ) -> None:
        self.problem = problem
        self.steps: dict[tuple[int, int], int] = {}
        self.left = available_hours(problem, chosen)
        shifts = np.array(problem.slots.shift)
        names = range(len(problem.slots.shift_names))
        self.shift_left = {
            (line, s): float(self.left[line, shifts == s].sum()) for line in range(len(problem.lines)) for s in names
        }
        self.set_up: set[tuple[int, int]] = set()
        self.wanted = {(m, problem.slots.shift[t]) for (m, t), hours in running.items() if hours > NEARLY}
        self.energy = problem.idle_kw @ problem.slots.open_share
        cap = problem.facts.tariff.co2_cap_kg
        self.co2_left = (cap if cap is not None else np.inf) - float(self.energy @ problem.slots.co2_kg_per_kwh)
        asked = self.energy.copy()
        for (m, t), hours in running.items():
            asked[t] += self._draw_kw(m) * hours
        self.peak_kw = float(asked.max())

    def steps_of(self, m: int, hours: float) -> float:
        """How many steps a making fills in some hours."""
        making = self.problem.makings[m]
        return hours * making.rate_per_h / making.step

    def room(self, m: int, t: int) -> int:
        """How many more steps of a making fit into an hour."""
        making, shift = self.problem.makings[m], self.problem.slots.shift[t]
        if (m, shift) not in self.wanted:
            return 0
        hours = min(float(self.left[making.line, t]), self.shift_left[making.line, shift] - self._setup_h(m, t))
        if (m, t) in self.problem.frozen:
            high = self.problem.frozen[m, t][1]
            hours = min(hours, high - self.steps.get((m, t), 0) * making.step / making.rate_per_h)
        return max(floor(self.steps_of(m, hours) + NEARLY), 0)

    def add(self, m: int, t: int, count: int) -> int:
        """Places steps of a making in an hour, as many as fit; gives how many."""
        placed = min(count, self.room(m, t))
        if placed <= 0:
            return 0
        making, shift = self.problem.makings[m], self.problem.slots.shift[t]
        setup = self._setup_h(m, t)
        hours = placed * making.step / making.rate_per_h
        self.set_up.add((m, shift))
        self.steps[m, t] = self.steps.get((m, t), 0) + placed
        self.left[making.line, t] -= hours
        self.shift_left[making.line, shift] -= hours + setup
        draw = self._draw_kw(m) * hours
        self.energy[t] += draw
        self.co2_left -= draw * float(self.problem.slots.co2_kg_per_kwh[t])
        return placed

    def carry(self, running: dict[tuple[int, int], float]) -> dict[int, int]:
        """Makes up in later hours for the fractions lost before; gives the steps that found no room, by making."""
        owed: dict[int, float] = {}
        for (m, t), hours in sorted(running.items(), key=lambda item: item[0]):
            owed[m] = owed.get(m, 0.0) + self.steps_of(m, hours) - self.steps.get((m, t), 0)
            if hours > NEARLY and (whole := floor(owed[m] + NEARLY)) > 0:
                owed[m] -= self.add(m, t, whole)
        return {m: ceil(rest - NEARLY) for m, rest in owed.items() if rest > NEARLY}

    def repair(self, lost: dict[int, int]) -> None:
        """Places what rounding lost where it still shortens a shortage, the latest hour in time first."""
        for m, count in lost.items():
            product = self.problem.makings[m].product
            for _ in range(count):
                due = self._first_shortage(product)
                if due is None or not self._place_one(m, due):
                    break

    def _place_one(self, m: int, due: int) -> bool:
        hours = [*range(due, -1, -1), *range(due + 1, self.problem.hours)]
        return any(self._is_harmless(m, t) and self.add(m, t, 1) for t in hours if self.problem.slots.shift[t] >= 0)

    def _is_harmless(self, m: int, t: int) -> bool:
        making = self.problem.makings[m]
        draw = self._draw_kw(m) * making.step / making.rate_per_h
        below_peak = float(self.energy[t]) + draw <= max(self.peak_kw, self.problem.facts.tariff.peak_so_far_kw)
        return below_peak and draw * float(self.problem.slots.co2_kg_per_kwh[t]) <= self.co2_left

    def _first_shortage(self, product: str) -> int | None:
        """The first hour at whose end more is due than was made; None: all is covered."""
        made = np.zeros(self.problem.hours)
        for (m, t), count in self.steps.items():
            making = self.problem.makings[m]
            if making.product == product:
                made[t] += count * making.step * making.good_per_h / making.rate_per_h
        for demand in self.problem.demands:
            if demand.product == product:
                made -= demand.units
        short = np.flatnonzero(np.cumsum(made) + self.problem.stock[product] < -NEARLY)
        return int(short[0]) if len(short) else None

    def _draw_kw(self, m: int) -> float:
        """Power of running a making over leaving its line idle [kW]."""
        making = self.problem.makings[m]
        return making.energy_kwh_per_h - float(self.problem.idle_kw[making.line])

    def _setup_h(self, m: int, t: int) -> float:
        """Hours that placing a making here would take for setting up [h]."""
        making, shift = self.problem.makings[m], self.problem.slots.shift[t]
        is_free = not making.needs_setup or (making.ready and shift == self.problem.slots.shift[0])
        return 0.0 if is_free or (m, shift) in self.set_up else making.setup_h
