"""From a solver's real numbers to units that can be made: every lot is whole units, rounded down, then repaired.

A lot is what a line makes of a product in a shift. A unit may be under way when the hour strikes, so an hour holds
small parts of a unit, called grains. What a lot loses by rounding is made up in a lot that still has time, and that
raises neither the peak nor the emissions beyond their limits.
"""

from dataclasses import dataclass, field
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from optimizer.facts import GRAINS_PER_UNIT
from optimizer.problem import PlanningProblem
from optimizer.standing import Standing, stands_in, taken_by_changes

NEARLY = 1e-6
"""A number of grains this little below a whole one counts as whole."""
SNAP_H = 4e-7
"""A lot this little short of whole units counts as whole: below the check's tolerance [h]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A plan in whole grains, and in whole units lot by lot."""

    grains: dict[tuple[int, int], int]
    """Gross production in grains, by (making, hour); no zeros."""
    chosen: tuple[int, ...]
    """Option of each machine. (machine,)"""
    standing: Standing = field(default_factory=dict)
    """Of lines that change over from family to family."""


def round_to_units(
    problem: PlanningProblem,
    *,
    running: dict[tuple[int, int], float],
    chosen: tuple[int, ...],
    standing: Standing | None = None,
) -> Schedule:
    """The schedule nearest to the solver's running hours [h] by (making, hour) that fits every line's hours."""
    standing = standing or {}
    floor_plan = _ShopFloor(problem, chosen, running, standing)
    for (m, t), hours in running.items():
        floor_plan.add(m, t, floor(floor_plan.grains_of(m, hours) + NEARLY))
    floor_plan.make_lots_whole()
    floor_plan.repair(running)
    grains = {key: count for key, count in floor_plan.grains.items() if count}
    return Schedule(grains=grains, chosen=chosen, standing=standing)


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


def hours_of(problem: PlanningProblem, m: int, grains: int) -> float:
    """How long a making takes for some grains [h]."""
    return grains / GRAINS_PER_UNIT / problem.makings[m].rate_per_h


def draw_kw(problem: PlanningProblem, m: int, t: int) -> float:
    """Power of running a making over leaving its line idle, or off in overtime [kW]."""
    making = problem.makings[m]
    is_off = problem.slots.in_overtime[making.line, t]
    return making.energy_kwh_per_h - (0.0 if is_off else float(problem.idle_kw[making.line]))


class _ShopFloor:
    """The shop floor while it is filled: hours left per line, hour and shift, energy, and what has been placed."""

    def __init__(
        self,
        problem: PlanningProblem,
        chosen: tuple[int, ...],
        running: dict[tuple[int, int], float],
        standing: Standing,
    ) -> None:
        self.problem = problem
        self.grains: dict[tuple[int, int], int] = {}
        self.left = available_hours(problem, chosen)
        shifts = np.array(problem.slots.shift)
        names = range(len(problem.slots.shift_names))
        self.shift_left = {
            (line, s): min(float(self.left[line, shifts == s].sum()), problem.overtime_limit_h(line, s))
            for line in range(len(problem.lines))
            for s in names
        }
        self.standing = standing
        if standing:
            opened = problem.slots.open_share - taken_by_changes(problem, standing)
            self.left = np.minimum(self.left, opened)
            for (line, s), hours in self.shift_left.items():
                self.shift_left[line, s] = min(hours, float(opened[line, shifts == s].sum()))
        self.set_up: set[tuple[int, int]] = set()
        self.wanted = {(m, problem.slots.shift[t]) for (m, t), hours in running.items() if hours > NEARLY}
        self.energy = problem.idle_kw @ problem.slots.manned_share
        cap = problem.facts.tariff.co2_cap_kg
        self.co2_left = (cap if cap is not None else np.inf) - float(self.energy @ problem.slots.co2_kg_per_kwh)
        asked = self.energy.copy()
        for (m, t), hours in running.items():
            asked[t] += draw_kw(self.problem, m, t) * hours
        self.peak_kw = float(asked.max())

    def grains_of(self, m: int, hours: float) -> float:
        """How many grains a making fills in some hours."""
        return hours * self.problem.makings[m].rate_per_h * GRAINS_PER_UNIT

    def room(self, m: int, t: int) -> int:
        """How many more grains of a making fit into an hour."""
        making, shift = self.problem.makings[m], self.problem.slots.shift[t]
        if (m, shift) not in self.wanted or not stands_in(self.problem, self.standing, m, t):
            return 0
        hours = min(float(self.left[making.line, t]), self.shift_left[making.line, shift] - self._setup_h(m, t))
        if (m, t) in self.problem.frozen:
            high = self.problem.frozen[m, t][1]
            hours = min(hours, high - hours_of(self.problem, m, self.grains.get((m, t), 0)))
        return max(floor(self.grains_of(m, hours) + NEARLY), 0)

    def add(self, m: int, t: int, count: int) -> int:
        """Places grains of a making in an hour, as many as fit; gives how many."""
        placed = min(count, self.room(m, t))
        if placed <= 0:
            return 0
        making, shift = self.problem.makings[m], self.problem.slots.shift[t]
        self.shift_left[making.line, shift] -= self._setup_h(m, t)
        self.set_up.add((m, shift))
        self._change(m, t, placed)
        return placed

    def make_lots_whole(self) -> None:
        """Takes from every lot what it has over whole units; one of less than a unit is left out."""
        for lot in self._lots():
            m, grain = lot[0][0], self._grain(lot[0][0])
            over = sum(count for _, _, count in lot) % grain
            if grain - over <= self.grains_of(m, SNAP_H):
                t = max((t for _, t, _ in lot), key=lambda t: (self.left[self.problem.makings[m].line, t], t))
                self._change(m, t, grain - over)
            else:
                self._take(lot, over)

    def repair(self, running: dict[tuple[int, int], float]) -> None:
        """Adds the units that rounding lost to lots where they still shorten a shortage, the latest in time first."""
        lots = self._lots()
        for product in self.problem.stock:
            mine = [lot for lot in lots if self._makes(lot[0][0], product) and not self._uses_up(lot[0][0])]
            asked = sum(self.grains_of(m, h) for (m, _), h in running.items() if self._makes(m, product))
            lost = asked - sum(count for (m, _), count in self.grains.items() if self._makes(m, product))
            for _ in range(ceil(lost / GRAINS_PER_UNIT - 1e-6)):
                due = self._first_shortage(product)
                if due is None:
                    break
                ordered = sorted(mine, key=lambda lot: (lot[0][1] > due, abs(due - lot[0][1])))
                if not any(self._lengthen(lot) for lot in ordered):
                    break

    def _makes(self, m: int, product: str) -> bool:
        return self.problem.makings[m].feeds == product

    def _uses_up(self, m: int) -> bool:
        """Whether a unit more would take components that may not be there."""
        return any(flow.per_h < 0 for flow in self.problem.makings[m].flows)

    def _lots(self) -> list[list[tuple[int, int, int]]]:
        """What is made as (making, hour, grains), hour by hour and lot by lot."""
        lots: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for (m, t), count in sorted(self.grains.items()):
            if count:
                lots.setdefault((m, self.problem.slots.shift[t]), []).append((m, t, count))
        return list(lots.values())

    def _change(self, m: int, t: int, count: int) -> None:
        """Books grains of a making into an hour, or out of it."""
        making, shift = self.problem.makings[m], self.problem.slots.shift[t]
        hours = hours_of(self.problem, m, count)
        self.grains[m, t] = self.grains.get((m, t), 0) + count
        self.left[making.line, t] -= hours
        self.shift_left[making.line, shift] -= hours
        draw = draw_kw(self.problem, m, t) * hours
        self.energy[t] += draw
        self.co2_left -= draw * float(self.problem.slots.co2_kg_per_kwh[t])

    def _grain(self, m: int) -> int:
        """Grains that a lot is made of: those of a unit, or one where a line is slower than a few units per hour."""
        return round(self.problem.makings[m].step * GRAINS_PER_UNIT)

    def _take(self, lot: list[tuple[int, int, int]], rest: int) -> None:
        """Takes grains out of a lot, from its fullest hours that are not frozen."""
        for m, t, count in sorted(lot, key=lambda piece: ((piece[0], piece[1]) in self.problem.frozen, -piece[2])):
            taken = min(rest, count)
            if taken > 0:
                self._change(m, t, -taken)
                rest -= taken

    def _lengthen(self, lot: list[tuple[int, int, int]]) -> bool:
        """Adds one unit to a lot, spread over its hours, if they have the time and it does no harm."""
        m, wanted = lot[0][0], self._grain(lot[0][0])
        placed: list[tuple[int, int]] = []
        for _, t, _ in lot:
            rest = wanted - sum(count for _, count in placed)
            if rest > 0 and (count := min(rest, self.room(m, t), self._harmless(m, t))) > 0:
                self._change(m, t, count)
                placed.append((t, count))
        if sum(count for _, count in placed) == wanted:
            return True
        for t, count in placed:
            self._change(m, t, -count)
        return False

    def _harmless(self, m: int, t: int) -> int:
        """How many grains raise neither the peak nor the emissions beyond their limits."""
        if (draw := draw_kw(self.problem, m, t)) <= 0:
            return self._grain(m)
        hours = (max(self.peak_kw, self.problem.facts.tariff.peak_so_far_kw) - float(self.energy[t])) / draw
        if (co2 := float(self.problem.slots.co2_kg_per_kwh[t])) > 0:
            hours = min(hours, self.co2_left / (draw * co2))
        return (
            max(min(floor(self.grains_of(m, hours) + NEARLY), self._grain(m)), 0) if hours < np.inf else self._grain(m)
        )

    def _first_shortage(self, product: str) -> int | None:
        """The first hour at whose end more is due than was made; None: all is covered."""
        made = np.zeros(self.problem.hours)
        for (m, t), count in self.grains.items():
            making = self.problem.makings[m]
            for flow in making.flows:
                if flow.product == product and t + flow.delay_h < self.problem.hours:
                    made[t + flow.delay_h] += hours_of(self.problem, m, count) * flow.per_h
        for demand in self.problem.demands:
            if demand.product == product:
                made -= demand.units
        short = np.flatnonzero(np.cumsum(made) + self.problem.stock[product] < -NEARLY)
        return int(short[0]) if len(short) else None

    def _setup_h(self, m: int, t: int) -> float:
        """Hours that placing a making here would take for setting up [h]."""
        making, shift = self.problem.makings[m], self.problem.slots.shift[t]
        is_free = not making.needs_setup or (making.ready and shift == self.problem.slots.shift[0])
        if is_free or (m, shift) in self.set_up:
            return 0.0
        family = self.problem.family_still_to_set_up(m, shift, self.set_up)
        return making.setup_h + (family.family_setup_h if family is not None else 0.0)
