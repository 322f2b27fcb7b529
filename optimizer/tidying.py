"""Slivers of a lot in odd hours are brought to where the rest of the lot is made.

A program in hours is indifferent to who has which minutes of which hour, and leaves parts of a lot that nobody would
change a line over for. Such a part changes places with as much of what runs beside the rest of its lot, or goes where
the line has time left. Each move may cost its share of next to nothing, by an upper limit; the plan with all of them is
then priced exactly and checked, and what breaks a rule or costs more is taken back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from optimizer.assemble import assemble
from optimizer.certify import check_rules
from optimizer.costing import Account
from optimizer.facts import GRAINS_PER_UNIT
from optimizer.problem import PlanningProblem
from optimizer.rounding import Schedule, available_hours, draw_kw, hours_of
from optimizer.sequence import Piece, runs_of
from plant.plans import Plan

SLIVER_H: Final = 0.1
"""Nobody would plan so short a part of a lot by itself [h]."""
DEARER: Final = 1e-4
"""Part of the plan's cost that all of it may cost: what `optimal` leaves open too."""
TRIALS: Final = 4
"""So many schedules are priced at most; each takes as long as checking the plan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sliver:
    """A short part of a lot, away from the rest."""

    run: tuple[Piece, ...]
    others: tuple[Piece, ...]
    """The rest of the lot."""


def tidied(problem: PlanningProblem, schedule: Schedule, plan: Plan, priced: Account) -> tuple[Plan, Account]:
    """A schedule's plan and exact account with its slivers where the rest of their lots is, as far as nearly free."""
    groups = [list(slivers_of(problem, schedule))]
    if not groups[0]:
        return plan, priced
    most = priced.objective + Fraction(DEARER) * max(abs(priced.objective), Fraction(1))
    share, kept = float(most - priced.objective) / len(groups[0]), schedule
    for _ in range(TRIALS):
        if not groups:
            break
        group = groups.pop(0)
        moves = _Moves(problem, kept, allowance=share)
        if not sum(moves.fold(sliver) for sliver in group):
            continue
        trial = replace(kept, grains={key: count for key, count in moves.grains.items() if count})
        found, worked_out = assemble(problem, trial, number=plan.number, created_at=plan.created_at, reason=plan.reason)
        if worked_out.objective <= most and all(check.holds for check in check_rules(problem.facts, found, worked_out)):
            kept, plan, priced = trial, found, worked_out
        elif len(group) > 1:
            groups += [group[: len(group) // 2], group[len(group) // 2 :]]
    return plan, priced


def slivers_of(problem: PlanningProblem, schedule: Schedule) -> Iterable[Sliver]:
    """Runs that are shorter than a few minutes and than the rest of their lot.

    Lines that change over from family to family have none: what they make when is settled by the order of families.
    """
    for line in (line for line in range(len(problem.lines)) if line not in problem.changes):
        lots: dict[tuple[int, int], list[list[Piece]]] = {}
        for run in runs_of(problem, schedule, line):
            lots.setdefault((run[0][0], problem.slots.shift[run[0][1]]), []).append(run)
        for runs in lots.values():
            longest = max(runs, key=lambda run: _hours(problem, run))
            for run in runs:
                if run is not longest and _hours(problem, run) < SLIVER_H:
                    yield Sliver(run=tuple(run), others=tuple(longest))


class _Moves:
    """What is made when while slivers are moved, and the most that each move costs."""

    def __init__(self, problem: PlanningProblem, schedule: Schedule, *, allowance: float) -> None:
        """Begin from a schedule; a move may cost the allowance at most [currency]."""
        self.grains = dict(schedule.grains)
        self._problem = problem
        self._allowance = allowance
        self._left = available_hours(problem, schedule.chosen)
        self._energy = problem.idle_kw @ problem.slots.manned_share
        for (m, t), count in self.grains.items():
            hours = hours_of(problem, m, count)
            self._left[problem.makings[m].line, t] -= hours
            self._energy[t] += draw_kw(problem, m, t) * hours
        self._peak_kw = max(problem.facts.tariff.peak_so_far_kw, float(self._energy.max()))
        tariff, slots = problem.facts.tariff, problem.slots
        self._price = slots.price_per_kwh + tariff.co2_price_per_kg * slots.co2_kg_per_kwh
        self._holding = {product.name: product.holding_cost_per_unit_h for product in problem.facts.products}
        self._backlog: dict[str, float] = {}
        for demand in problem.demands:
            most = max(self._backlog.get(demand.product, 0.0), demand.backlog_cost_per_unit_h)
            self._backlog[demand.product] = most

    def fold(self, sliver: Sliver) -> bool:
        """Move a sliver to the rest of its lot; whether something was moved."""
        moved = False
        for m, t, count in sliver.run:
            hours = sorted({at for _, at, _ in sliver.others}, key=lambda at: abs(at - t))
            moved |= any(self._move(m, t, count, at) for at in hours)
        return moved

    def _move(self, m: int, t: int, count: int, at: int) -> bool:
        """Move a piece to another hour, against as much of what is made there if no time is left; whether it did."""
        line, hours = self._problem.makings[m].line, hours_of(self._problem, m, count)
        if self._is_fixed(m, t, at) or self.grains.get((m, t), 0) < count:  # it may have made room for another
            return False
        if self._left[line, at] >= hours:
            return self._book([(m, t, at, count)])
        for o, there in [(o, n) for (o, hour), n in self.grains.items() if hour == at and o != m]:
            making = self._problem.makings[o]
            back = round(hours * making.rate_per_h * GRAINS_PER_UNIT)
            if making.line == line and there >= back and self._goes_on(o, t) and not self._is_fixed(o, t, at):
                return self._book([(m, t, at, count), (o, at, t, back)])
        return False

    def _book(self, moves: list[tuple[int, int, int, int]]) -> bool:
        """Make some moves of (making, from, to, grains), unless they may cost more than is allowed."""
        problem, most = self._problem, 0.0
        energy = self._energy.copy()
        for m, t, at, count in moves:
            hours = hours_of(problem, m, count)
            energy[t] -= draw_kw(problem, m, t) * hours
            energy[at] += draw_kw(problem, m, at) * hours
            good, feeds = hours * problem.makings[m].good_per_h, problem.makings[m].feeds
            per_h = self._holding.get(feeds, 0.0) if at < t else self._backlog.get(feeds, 0.0)
            most += good * per_h * abs(at - t) if at != t else 0.0
        most += float((energy - self._energy) @ self._price)
        beyond_kw = max(0.0, float(energy.max()) - self._peak_kw)
        most += problem.facts.tariff.demand_charge_per_kw * beyond_kw
        if not most <= self._allowance:
            return False
        self._energy = energy
        for m, t, at, count in moves:
            self.grains[m, t] -= count
            self.grains[m, at] = self.grains.get((m, at), 0) + count
            for hour, sign in ((t, 1), (at, -1)):
                self._left[problem.makings[m].line, hour] += sign * hours_of(problem, m, count)
        return True

    def _goes_on(self, m: int, t: int) -> bool:
        """Whether a making is at work in an hour, or next to it in its shift: then it is no sliver there."""
        shift = self._problem.slots.shift
        beside = [hour for hour in (t, t - 1, t + 1) if 0 <= hour < len(shift)]
        return any(self.grains.get((m, hour)) and shift[hour] == shift[t] for hour in beside)

    def _is_fixed(self, m: int, t: int, at: int) -> bool:
        return not self._problem.frozen.keys().isdisjoint([(m, t), (m, at)])


def _hours(problem: PlanningProblem, pieces: Iterable[Piece]) -> float:
    """How long some pieces take [h]."""
    return sum(hours_of(problem, m, count) for m, _, count in pieces)
