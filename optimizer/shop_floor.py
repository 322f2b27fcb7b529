"""How a plant lives a plan hour by hour on many courses at once, and what a shift leader does when it falls behind.

The plan's own setups and lots are begun when the plan has them, or as soon after as the line is up; what is needed
first goes first. A lot runs until its good units are made, so that scrap costs time and material, not units. A lot
whose components are not there, or whose scrap to rework is not, waits and the next one goes on; no line uses what is
not there. Work that is behind its plan

1. is caught up by its own line in every hour that its lots do not fill, and in overtime where waiting for the next
   shift would cost more than the overtime does;
2. else goes to another line that can make it and stands idle in that hour, where waiting for a repair of its own line
   would cost more than the setup;
3. takes a setup where its line made something else last and the plan has none for it in this shift.

Lines that change over from family to family do so as planned, and make nothing of families that they do not stand in.
Lines never begin what the plan has later, never leave out what it has, and do not look ahead at failures.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from optimizer.chance import Luck
from optimizer.problem import PlanningProblem
from optimizer.recovery import WORTH_MOVING_H, means_of
from optimizer.slots import CLOSED
from optimizer.standing import Standing, stands_in
from optimizer.work_list import Numbers, Piece, levels

SMALL_H = 1e-7
"""Work shorter than this is done [h]."""
SLACK_UNITS = 1e-3
"""A component this little short is there: plans hold whole units by the lot, not by the hour [unit]."""
MOST_SCRAP = 0.9
NOTHING = -1
Courses = NDArray[np.bool_]
"""Some of the courses. (path,)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lived:
    """What became of a plan, course by course."""

    change: dict[str, Numbers]
    """What comes into stock of each product less what is used up [unit]. (path, hour)"""
    energy_kwh: Numbers
    """(path, hour)"""
    terms: dict[str, Numbers]
    """Setups, families, overtime, scrap and its recovery [currency]. (path,)"""


@dataclass(slots=True)
class _Task:
    """A piece under way."""

    piece: Piece
    line: int
    rank: int
    """Place in its line's list."""
    allowed: Numbers
    """Work that may be begun so far [h]. (path,)"""
    done: Numbers
    """[h] (path,)"""


def live(
    problem: PlanningProblem,
    lists: tuple[tuple[Piece, ...], ...],
    *,
    planned_setups: frozenset[tuple[int, int]],
    up: Numbers,
    luck: Luck,
    standing: Standing,
) -> Lived:
    """Lives a plan.

    Args:
        problem: Of the plan.
        lists: What each line has to do, from `work_lists`.
        planned_setups: Makings and shifts in which the plan sets up.
        up: Part of each hour in which a line can run [h]. (path, line, hour)
        luck: Speeds and scrap.
        standing: The families that lines stand in, of those that change over.
    """
    floor = _Floor(problem, lists, planned_setups, luck, standing)
    for t in range(problem.hours):
        floor.begin(t, up[:, :, t])
        for _ in range(levels(problem)):
            floor.work_lists()
        floor.help_out()
    floor.end_shift()
    return Lived(change=floor.change, energy_kwh=floor.energy, terms=floor.terms)


class _Floor:
    """Lines, stock and work at one hour after another."""

    def __init__(
        self,
        problem: PlanningProblem,
        lists: tuple[tuple[Piece, ...], ...],
        planned_setups: frozenset[tuple[int, int]],
        luck: Luck,
        standing: Standing,
    ) -> None:
        self.problem, self._luck, self._standing = problem, luck, standing
        self._paths = paths = luck.speed.shape[0]
        self._planned = planned_setups | {
            (piece.making, piece.shift) for mine in lists for piece in mine
        }  # what needs no setup, or is set up already, runs at once too
        self._counted = planned_setups
        self._lists = lists
        self._tasks: list[list[_Task]] = [[] for _ in problem.lines]
        self.change = {product: np.zeros((paths, problem.hours)) for product in problem.stock}
        self._level = {p: np.full(paths, problem.stock[p]) for p in sorted(problem.used_up)}
        self.energy: Numbers = np.tile(problem.idle_kw @ problem.slots.manned_share, (paths, 1))
        facts = problem.facts
        self._overtime = {each.line: each for each in facts.calendar.overtime}
        self._is_sold = any(product.scrap_value for product in facts.products)
        names = ["setups", "scrap"]
        names += ["families"] * any(making.family for making in problem.makings)
        names += ["overtime"] * bool(self._overtime) + ["recovery"] * self._is_sold
        self.terms = {name: np.zeros(paths) for name in names}
        self._means = means_of(problem)
        known = {product.name: product for product in facts.products}
        self._products = [(known[each.product], known.get(known[each.product].reworks)) for each in problem.makings]
        self._last = np.full((len(problem.lines), paths), NOTHING)
        self._shift, self._t = CLOSED, -1
        self._cap = np.zeros((len(problem.lines), paths))
        self._overtime_left = np.full((len(problem.lines), paths), inf)
        self._set_up: dict[int, Courses] = {}
        self._to_set_up: dict[int, Numbers] = {}
        families = list(dict.fromkeys(making.family for making in problem.makings))
        self._family = np.array([*(families.index(making.family) for making in problem.makings), NOTHING])

    def begin(self, t: int, up: Numbers) -> None:
        """The next hour: who is up, what comes in, what may be begun."""
        shift = self.problem.slots.shift[t]
        if shift != self._shift:
            self.end_shift()
            self._shift = shift
            limits = [
                self.problem.overtime_limit_h(line, shift) if shift != CLOSED else inf for line in range(len(up.T))
            ]
            self._overtime_left = np.tile(np.array(limits)[:, None], (1, self._paths))
        self._t = t
        self._cap = np.minimum(up.T, self._overtime_left)
        for product in self._level:
            self._level[product] += self.change[product][:, t]
        for line, tasks in enumerate(self._tasks):
            for rank, piece in enumerate(self._lists[line]):
                if piece.hours[0][0] == t:
                    none = np.zeros((2, self._paths))
                    tasks.append(_Task(piece=piece, line=line, rank=rank, allowed=none[0], done=none[1]))
            tasks[:] = sorted((each for each in tasks if self._is_open(each)), key=lambda each: each.rank)
            faster = np.maximum(self._luck.speed[:, line, max(shift, 0)], 1.0)
            for task in tasks:
                part = next((hours for hour, hours in task.piece.hours if hour == t), 0.0)
                if part:
                    task.allowed = np.minimum(task.allowed + part * faster, task.piece.work_h)

    def _is_open(self, task: _Task) -> bool:
        """Whether something is left to do on any course; a setup ends with its shift."""
        if task.piece.is_setup and task.piece.shift != self._shift:
            return False
        if task.piece.hours[-1][0] >= self._t:
            return True
        return bool((task.allowed - task.done).max() > SMALL_H)

    def work_lists(self) -> None:
        """Each line works what its list has by now, and what it is behind with."""
        for line, tasks in enumerate(self._tasks):
            for task in tasks:
                if self._cap[line].max() <= SMALL_H:
                    break
                is_planned = task.piece.hours[-1][0] >= self._t
                if self._is_open_to(task.piece, task.piece.making, is_planned=is_planned):
                    self._work(task, task.piece.making)

    def help_out(self) -> None:
        """Lines that stand idle take over what others are behind with and orders wait for."""
        for task in (task for tasks in self._tasks for task in tasks):
            for m in self._means.alternates[task.piece.making] if self._means.may_move(task.piece, self._t) else ():
                line = self.problem.makings[m].line
                if self._cap[line].max() > WORTH_MOVING_H and self._is_open_to(task.piece, m, is_planned=False):
                    left = np.maximum(task.allowed - task.done, 0.0)
                    self._work(task, m, self._means.pays_moving(task.piece, m, left, self._is_ready(m)))

    def _is_open_to(self, piece: Piece, m: int, *, is_planned: bool) -> bool:
        """Whether a line works on something in this hour: always in a shift; in overtime what is planned or pays.

        Never where it stands in another family.
        """
        if not stands_in(self.problem, self._standing, m, self._t):
            return False
        in_overtime = bool(self.problem.slots.in_overtime[self.problem.makings[m].line, self._t])
        return not in_overtime or is_planned or self._means.pays_overtime(piece, m, self._t)

    def _is_ready(self, m: int) -> Courses:
        """On which courses a line can make something without a setup that the plan does not have."""
        making = self.problem.makings[m]
        if not making.needs_setup or (m, self._shift) in self._planned:
            return np.ones(self._paths, dtype=bool)
        mine: Courses = self._last[making.line] == m
        return mine

    def _work(self, task: _Task, m: int, wanted: Courses | None = None) -> None:
        """Works on a task as making `m`, on the courses that want it, as far as time and components go."""
        making, own = self.problem.makings[m], self.problem.makings[task.piece.making]
        left = task.allowed - task.done
        left[left <= SMALL_H] = 0.0
        if wanted is not None:
            left[~wanted] = 0.0
        if not left.any():
            return
        if task.piece.is_setup:
            spent = np.minimum(left, self._cap[making.line])
            task.done += spent
            self._spend(making.line, spent, m)
            return
        gross_per_h, ratio = self._pace(m)
        good_per_h = gross_per_h * (1.0 - ratio)
        used = {flow.product: -flow.per_h / making.rate_per_h for flow in making.flows if flow.per_h < 0}
        for product, per_unit in used.items():
            there = np.maximum(self._level[product] + SLACK_UNITS, 0.0) / per_unit
            left = np.minimum(left, there * (1.0 - ratio) / own.good_per_h)
        if m != task.piece.making or task.piece.shift != self._shift:
            left = self._set_up_again(m, left)
        hours = np.minimum(left * own.good_per_h / good_per_h, self._cap[making.line])
        task.done += hours * good_per_h / own.good_per_h
        self._spend(making.line, hours, m)
        self._book(m, hours * gross_per_h, ratio, hours)

    def _pace(self, m: int) -> tuple[Numbers, Numbers]:
        """Gross units per hour of a making in this shift, and how much of them is scrap."""
        making = self.problem.makings[m]
        scrap = (1.0 - making.good_per_h / making.rate_per_h) * self._luck.scrap[:, making.line, self._shift]
        return making.rate_per_h * self._luck.speed[:, making.line, self._shift], np.clip(scrap, 0.0, MOST_SCRAP)

    def _set_up_again(self, m: int, left: Numbers) -> Numbers:
        """Sets a line up where the plan has no setup for this work; gives what is left to run on the courses ready."""
        making = self.problem.makings[m]
        waits = ~self._is_ready(m) & (left > 0)
        if not waits.any():
            return left
        left = np.where(waits & ~self._means.pays_setup(m, left), 0.0, left)
        waits &= (left > 0) & (self._cap[making.line] > 0)
        to_do = self._to_set_up.setdefault(m, np.full(self._paths, inf))
        begins = waits & (to_do == inf)
        strange = self._family[self._last[making.line]] != self._family[m]
        to_do[begins] = making.setup_h + making.family_setup_h * strange[begins]
        spent = np.where(waits, np.minimum(to_do, self._cap[making.line]), 0.0)
        to_do[waits] -= spent[waits]
        self._begin_setup(m, waits)
        self._spend(making.line, spent, NOTHING)
        is_ready = waits & (to_do <= SMALL_H)
        self._last[making.line][is_ready] = m
        to_do[is_ready] = inf
        return np.where(waits & ~is_ready, 0.0, left)

    def _begin_setup(self, m: int, where: Courses) -> None:
        mine = self._set_up.setdefault(m, np.zeros(self._paths, dtype=bool))
        mine |= where

    def _spend(self, line: int, hours: Numbers, m: int) -> None:
        """Books a line's time; it is set up for what it works on."""
        self._cap[line] -= hours
        at_work = hours > SMALL_H
        if m != NOTHING:
            self._last[line][at_work] = m
            if (m, self._shift) in self._counted:
                self._begin_setup(m, at_work)
        if self.problem.slots.in_overtime[line, self._t]:
            self._overtime_left[line] -= hours
            self.terms["overtime"] += hours * self._overtime[self.problem.lines[line]].cost_per_h

    def _book(self, m: int, gross: Numbers, ratio: Numbers, hours: Numbers) -> None:
        """What some units bring, use up, draw and lose."""
        making, t = self.problem.makings[m], self._t
        for flow in making.flows:
            if flow.product == making.feeds and flow.per_h > 0:
                units = gross * (1.0 - ratio)
            elif flow.per_h > 0:  # scrap that waits for rework
                units = gross * ratio
            else:
                units = gross * (flow.per_h / making.rate_per_h)
            if t + flow.delay_h < self.problem.hours:
                self.change[flow.product][:, t + flow.delay_h] += units
            if flow.delay_h == 0 and flow.product in self._level:
                self._level[flow.product] += units
        is_off = bool(self.problem.slots.in_overtime[making.line, t])
        idle = hours * float(self.problem.idle_kw[making.line])
        drawn = np.maximum(gross * (making.energy_kwh_per_h / making.rate_per_h), idle)
        self.energy[:, t] += drawn - (0.0 if is_off else idle)
        mine, before = self._products[m]
        self.terms["scrap"] += gross * ratio * mine.scrap_cost - gross * (before.scrap_cost if before else 0.0)
        if self._is_sold:
            self.terms["recovery"] += gross * (before.scrap_value if before else 0.0) - gross * ratio * mine.scrap_value

    def end_shift(self) -> None:
        """Setups cost once per shift."""
        changed: dict[tuple[int, str], tuple[float, Courses]] = {}
        for m, mine in self._set_up.items():
            making = self.problem.makings[m]
            self.terms["setups"] += mine * making.setup_cost
            if making.family:
                key = (making.line, making.family)
                earlier = changed[key][1] if key in changed else np.zeros(self._paths, dtype=bool)
                changed[key] = (making.family_setup_cost, earlier | mine)
        for cost, mine in changed.values():
            self.terms["families"] += mine * cost
        self._set_up, self._to_set_up = {}, {}
