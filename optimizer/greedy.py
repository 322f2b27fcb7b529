"""A first plan at once: order by order, each lot where a unit of it costs least of what is still free.

Orders come by due date. A lot may be early (it is held), late (it waits) or share a setup that is there already; what
it costs decides. A setup that something speaks for, the linear relaxation or the plan before, costs less. Scrap that
waits is reworked where that is cheapest: what there is of it at first, and what the lots placed so far leave. The
linear program that follows places the hours; here only the lots count.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from optimizer.problem import PlanningProblem
from optimizer.rounding import available_hours
from optimizer.slots import CLOSED

LEAST_H = 0.01
"""Lots shorter than this are none [h]."""
LEAST_UNITS = 1e-3
"""What is left of an order below this is none [unit]."""
Lots = set[tuple[int, int]]
"""What is set up, by (making, shift)."""
Favour = Mapping[tuple[int, int], float]
"""How much speaks for a setup [0..1], by (making, shift); 1: it counts as if it cost nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Good units of a product that fall due at the end of an hour."""

    product: str
    due: int
    units: float
    backlog_cost_per_unit_h: float
    latest: int
    """The last hour that can make it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A shift of a line that can make a product: its hours and what they cost, the cheapest first."""

    making: int
    shift: int
    hours: NDArray[np.int64]


def greedy_lots(problem: PlanningProblem, chosen: tuple[int, ...], favour: Favour) -> Lots:
    """The lots of a plan made order by order, under the maintenance chosen."""
    floor = _Floor(problem, chosen, favour)
    supply = dict(problem.stock)
    for product, units in floor.keep_frozen():
        supply[product] += units
    for order in (*_kept_in_stock(problem), *_by_due_date(problem)):
        ahead = [order]
        while ahead:  # an order, then what its lots are made of
            wanted = ahead.pop()
            from_stock = min(supply[wanted.product], wanted.units)
            supply[wanted.product] -= from_stock
            left = wanted.units - from_stock
            while left > LEAST_UNITS and (best := floor.cheapest(wanted, left)) is not None:
                made = floor.take(best, wanted, left)
                ahead += _used_up(problem, best, made)
                left -= made
    return floor.lots


def _used_up(problem: PlanningProblem, place: Place, units: float) -> Iterator[Wanted]:
    """The components of a lot, which its last hour can still use; what it reworks is booked with it."""
    making = problem.makings[place.making]
    for flow in making.flows:
        if flow.per_h < 0 and flow.product != making.product:
            latest = int(place.hours.max()) - _lead_h(problem, flow.product)
            needed = -flow.per_h / making.good_per_h * units
            yield Wanted(product=flow.product, due=latest, units=needed, backlog_cost_per_unit_h=0.0, latest=latest)


def _lead_h(problem: PlanningProblem, product: str) -> int:
    return next(each.lead_time_h for each in problem.facts.products if each.name == product)


def _kept_in_stock(problem: PlanningProblem) -> Iterator[Wanted]:
    """What stock may never fall below comes before every order."""
    for product in problem.facts.products:
        if product.hard_min_stock:
            yield Wanted(
                product=product.name, due=0, units=product.hard_min_stock, backlog_cost_per_unit_h=0.0, latest=0
            )


def _by_due_date(problem: PlanningProblem) -> list[Wanted]:
    """What may not wait first, by the last hour that can make it; then the orders by due date."""
    lead_h = {product: _lead_h(problem, product) for product in problem.stock}
    wanted = [
        Wanted(
            product=demand.product,
            due=int(t) - lead_h[demand.product],
            units=float(demand.units[t]),
            backlog_cost_per_unit_h=demand.backlog_cost_per_unit_h,
            latest=max(int(t), demand.waits_until if isfinite(demand.backlog_cost_per_unit_h) else 0)
            - lead_h[demand.product],
        )
        for demand in problem.demands
        for t in np.flatnonzero(demand.units)
    ]
    return sorted(
        wanted,
        key=lambda order: (
            min(order.latest + lead_h[order.product], problem.hours),
            order.due,
            -order.backlog_cost_per_unit_h,
            order.product,
        ),
    )


class _Floor:
    """Hours that lines and shifts still have, and the lots placed so far."""

    def __init__(self, problem: PlanningProblem, chosen: tuple[int, ...], favour: Favour) -> None:
        self.problem = problem
        self.lots: Lots = set()
        self._favour = favour
        slots = problem.slots
        self._left = available_hours(problem, chosen)
        self._hours = [np.array(slots.hours_of_shift(s), dtype=np.int64) for s in range(len(slots.shift_names))]
        self._shift_left = np.array([[row[hours].sum() for hours in self._hours] for row in self._left]).reshape(
            len(problem.lines), len(self._hours)
        )
        limits = [
            [problem.overtime_limit_h(line, s) for s in range(len(self._hours))] for line in range(len(self._left))
        ]
        self._shift_left = np.minimum(self._shift_left, np.array(limits).reshape(self._shift_left.shape))
        self._extra_per_h = problem.overtime_cost_per_h
        self._price = slots.price_per_kwh + problem.facts.tariff.co2_price_per_kg * slots.co2_kg_per_kwh
        self._makings: dict[str, list[int]] = {}
        self._waiting: dict[str, NDArray[np.float64]] = {}
        """Scrap to rework by product, at the end of each hour [unit]. (hour,)"""
        for m, making in enumerate(problem.makings):
            self._makings.setdefault(making.feeds, []).append(m)
            if making.feeds != making.product:
                self._waiting[making.product] = np.full(problem.hours, problem.stock[making.product])
        self._bought = {
            product: problem.stock[product] for product in problem.used_up - {*self._makings, *self._waiting}
        }
        """Components that no line makes, as far as lots do not take them yet [unit]."""

    def keep_frozen(self) -> Iterator[tuple[str, float]]:
        """Books what is kept from the accepted plan, closes its hours to the rest, and gives its good units."""
        shift = self.problem.slots.shift
        for (m, t), (_, hours) in self.problem.frozen.items():
            making = self.problem.makings[m]
            if hours > LEAST_H and shift[t] != CLOSED:
                if not self._is_set_up(m, shift[t]):
                    self._shift_left[making.line, shift[t]] -= self._setup_h(m, shift[t])
                self.lots.add((m, shift[t]))
                self._book_materials(m, hours, t)
                yield making.feeds, hours * making.good_per_h
        for line, t in {(self.problem.makings[m].line, t) for m, t in self.problem.frozen}:
            if shift[t] != CLOSED:
                self._shift_left[line, shift[t]] -= self._left[line, t]
            self._left[line, t] = 0.0

    def cheapest(self, wanted: Wanted, units: float) -> Place | None:
        """Where a unit costs least: setup, energy, scrap, holding or waiting; None: nothing is free."""
        best, least = None, np.inf
        for m in self._makings.get(wanted.product, ()):
            making = self.problem.makings[m]
            for s, hours in enumerate(self._hours):
                early = hours[hours <= wanted.due]
                for usable in (early, hours[(hours > wanted.due) & (hours <= wanted.latest)]):
                    room = self._room_h(m, s, usable)
                    if room <= LEAST_H:
                        continue
                    made = min(room * making.good_per_h, units)
                    cost = self._unit_cost(m, usable, wanted)
                    if not self._is_set_up(m, s):
                        family = self.problem.family_still_to_set_up(m, s, self.lots)
                        setup_cost = making.setup_cost + (family.family_setup_cost if family else 0.0)
                        setup_cost += self._setup_h(m, s) * float(self._extra_per_h[making.line, hours[0]])
                        cost += setup_cost * (1.0 - self._favour.get((m, s), 0.0)) / made
                    if cost < least:
                        best, least = Place(making=m, shift=s, hours=usable), cost
        return best

    def take(self, place: Place, wanted: Wanted, units: float) -> float:
        """Books a lot and gives its good units."""
        making = self.problem.makings[place.making]
        asked_h = min(self._room_h(place.making, place.shift, place.hours), units / making.good_per_h)
        if not self._is_set_up(place.making, place.shift):
            self._shift_left[making.line, place.shift] -= self._setup_h(place.making, place.shift)
        self.lots.add((place.making, place.shift))
        left_h = asked_h
        for t in sorted(place.hours.tolist(), key=lambda t: (t > wanted.due, float(self._price[t]), -t)):
            used = min(float(self._left[making.line, t]), left_h)
            self._left[making.line, t] -= used
            left_h -= used
        self._shift_left[making.line, place.shift] -= asked_h
        self._book_materials(place.making, asked_h, int(place.hours.max()))
        return asked_h * making.good_per_h

    def _book_materials(self, m: int, running_h: float, t: int) -> None:
        """What a lot that is over by an hour leaves to rework or takes of it, and what it takes that was bought."""
        for flow in self.problem.makings[m].flows:
            if flow.product in self._bought:
                self._bought[flow.product] += flow.per_h * running_h
            elif flow.product in self._waiting:
                self._waiting[flow.product][t:] += flow.per_h * running_h

    def _is_set_up(self, m: int, s: int) -> bool:
        making = self.problem.makings[m]
        is_ready = making.ready and s == self.problem.slots.shift[0]
        return not making.needs_setup or is_ready or (m, s) in self.lots

    def _room_h(self, m: int, s: int, hours: NDArray[np.int64]) -> float:
        making = self.problem.makings[m]
        setup_h = 0.0 if self._is_set_up(m, s) else self._setup_h(m, s)
        room_h = min(float(self._left[making.line, hours].sum()), float(self._shift_left[making.line, s]) - setup_h)
        for flow in making.flows:
            if flow.per_h < 0 and flow.product in self._bought:
                room_h = min(room_h, self._bought[flow.product] / -flow.per_h)
            elif flow.per_h < 0 and flow.product in self._waiting and len(hours):  # later rework counts on it too
                room_h = min(room_h, float(self._waiting[flow.product][hours.max() :].min()) / -flow.per_h)
        return room_h

    def _setup_h(self, m: int, s: int) -> float:
        """Hours of setting up a making in a shift, and its family where none of its products is [h]."""
        family = self.problem.family_still_to_set_up(m, s, self.lots)
        return self.problem.makings[m].setup_h + (family.family_setup_h if family is not None else 0.0)

    def _unit_cost(self, m: int, hours: NDArray[np.int64], wanted: Wanted) -> float:
        """Of a good unit made in the middle of some hours, without its setup [currency/unit]."""
        making = self.problem.makings[m]
        wait_h = float(hours.mean()) - wanted.due
        if wait_h > 0:
            delay = wait_h * wanted.backlog_cost_per_unit_h
        else:
            delay = -wait_h * self.problem.holding[wanted.product]
        running = making.energy_kwh_per_h * float(self._price[hours].mean()) + making.scrap_cost_per_h
        running += making.recovery_per_h + float(self._extra_per_h[making.line, hours].mean())
        return running / making.good_per_h + delay
