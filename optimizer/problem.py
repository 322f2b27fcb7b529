"""From facts to numbers: the planning problem, laid out by hour, line, product and machine. Knows no solver."""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil, floor, inf, isfinite

import numpy as np
from numpy.typing import NDArray

from optimizer.changeovers import LineChanges, lay_out_changes
from optimizer.facts import (
    FreshSurvival,
    OngoingMaintenance,
    PlanningFacts,
    facts_from_json,
    facts_to_json,
    family_to_set_up,
    inputs_hash,
    maintenance_in_progress,
    needs_setup,
    units_step,
)
from optimizer.fixing import lots_as_fixed, machines_as_fixed
from optimizer.frozen import kept_hours
from optimizer.risk_tables import MachineOptions, machine_options
from optimizer.slots import CLOSED, HOUR, Slots, lay_out
from optimizer.validate import validate
from plant.plans import Goal
from plant.production import Capability, Product

__all__ = [
    "FreshSurvival",
    "OngoingMaintenance",
    "PlanningFacts",
    "PlanningProblem",
    "build_problem",
    "facts_from_json",
    "facts_to_json",
    "inputs_hash",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """What an hour of running brings into a product's stock, or takes out of it."""

    product: str
    per_h: float
    """Below 0: it is used up [unit/h]."""
    delay_h: int
    """From the hour of running to the one in which it comes [h]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """A line that can make a product."""

    line: int
    """Index of the line."""
    product: str
    feeds: str
    """The product whose stock its good units come into: its own, but for rework."""
    flows: tuple[Flow, ...]
    """Good units, used components, units that come to wait for rework."""
    rate_per_h: float
    """Gross [unit/h]."""
    good_per_h: float
    """Good [unit/h]."""
    energy_kwh_per_h: float
    """Never below the line's idle power [kWh/h]."""
    scrap_cost_per_h: float
    """[currency/h]; below 0 where rework saves what was counted as lost."""
    recovery_per_h: float
    """Of scrap that is sold, as a cost: below 0 where it earns [currency/h]."""
    setup_h: float
    setup_cost: float
    needs_setup: bool
    family: str
    """What is set up with it, once per shift for all products of the family; empty: nothing."""
    family_setup_h: float
    family_setup_cost: float
    state: str
    """The family that the line has to stand in to make it; empty: in none."""
    ready: bool
    """Whether the accepted plan has it set up in the shift in which the plan starts."""
    step: float
    """What a line makes of a product in a shift is a multiple of this [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What is wanted of one product at one backlog price."""

    product: str
    backlog_cost_per_unit_h: float
    """Of the product, times the orders' priority; infinite: it may not wait [currency/(unit h)]."""
    units: NDArray[np.float64]
    """Good units that fall due in each hour [unit]. (hour,)"""
    waits_until: int
    """From the end of this hour on nothing of it may be missing; the number of hours: it may wait throughout."""
    order: str = ""
    """The order with that deadline; empty: orders without one."""

    def may_wait(self, hour: int) -> bool:
        """Whether some of it may be missing at the end of an hour."""
        return hour < self.waits_until and isfinite(self.backlog_cost_per_unit_h)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanningProblem:
    """All numbers of one plan; the formulation reads nothing else."""

    facts: PlanningFacts
    slots: Slots
    lines: tuple[str, ...]
    idle_kw: NDArray[np.float64]
    """Power of a line that is open and makes nothing [kW]. (line,)"""
    makings: tuple[Making, ...]
    demands: tuple[Demand, ...]
    stock: dict[str, float]
    """Good units at the start, by product [unit]."""
    holding: dict[str, float]
    """[currency/(unit h)] by product"""
    machines: tuple[MachineOptions, ...]
    crews_free: tuple[int, ...]
    """Crews that are not at work already. (hour,)"""
    frozen: dict[tuple[int, int], tuple[float, float]]
    """Least and greatest running hours of a making in a frozen or fixed hour, by (making, hour) [h]."""
    changes: dict[int, LineChanges]
    """Of the lines that change over from family to family, by index."""
    unmakeable: tuple[str, ...]
    """Numbers of orders that no line can make and stock does not cover."""
    goal: Goal = Goal.COST
    """What is aimed at now."""
    goal_limits: tuple[tuple[Goal, float], ...] = ()
    """What goals may be at most, those of the facts and those that earlier goals leave [unit of the goal]."""

    @property
    def hours(self) -> int:
        """Length of the horizon [h]."""
        return len(self.slots.starts)

    def family_still_to_set_up(self, m: int, shift: int, lots: Container[tuple[int, int]]) -> Making | None:
        """The making, where setting it up in a shift besides some lots sets up its family too; else none."""
        making = self.makings[m]
        if not making.family:
            return None
        for other, each in enumerate(self.makings):
            if (each.line, each.family) == (making.line, making.family) and (
                (other, shift) in lots or (each.ready and shift == self.slots.shift[0])
            ):
                return None
        return making

    def overtime_limit_h(self, line: int, shift: int) -> float:
        """Hours that a line may run and be set up in a shift, where that is overtime; else without limit [h]."""
        hours = self.slots.hours_of_shift(shift)
        if not hours or not self.slots.in_overtime[line, hours[0]]:
            return inf
        return next(each.most_h_per_day for each in self.facts.calendar.overtime if each.line == self.lines[line])

    @property
    def overtime_cost_per_h(self) -> NDArray[np.float64]:
        """Of running or setting up [currency/h]. (line, hour)"""
        per_h = {each.line: each.cost_per_h for each in self.facts.calendar.overtime}
        rates = np.array([per_h.get(line, 0.0) for line in self.lines])
        return rates[:, np.newaxis] * self.slots.in_overtime

    @property
    def used_up(self) -> frozenset[str]:
        """Products that lines use up: components, and what waits for rework."""
        return frozenset(flow.product for making in self.makings for flow in making.flows if flow.per_h < 0)

    @property
    def is_hard(self) -> bool:
        """Whether orders or stock keep rules that no price makes up for."""
        if self.used_up:
            return True
        limits = any((p.hard_min_stock, p.hard_max_stock) != (None, None) for p in self.facts.products)
        return limits or any(not demand.may_wait(self.hours - 1) for demand in self.demands)


def build_problem(facts: PlanningFacts) -> PlanningProblem:
    """The numbers of one plan. Raises ConfigError with every fault of the facts."""
    validate(facts)
    slots = lay_out(facts)
    lines = facts.plant.lines
    index = {line.name: number for number, line in enumerate(lines)}
    machines = tuple(
        machine_options(facts, machine, slots.manned_share[index[machine.line]]) for machine in facts.plant.machines
    )
    idle_kw = np.array([sum(facts.class_of(machine).idle_power_kw for machine in line.machines) for line in lines])
    makings = _makings(facts, slots, index, idle_kw)
    changes = lay_out_changes(facts, slots)
    frozen = kept_hours(facts, slots, makings, machines, changes)
    if facts.fixed_lots or facts.fixed_maintenance:
        names = [line.name for line in lines]
        place = {(names[making.line], making.product): m for m, making in enumerate(makings)}
        fixed = lots_as_fixed(
            facts,
            slots=slots,
            makings=place,
            setup_h=tuple(
                making.setup_h + (making.family_setup_h if making.family else 0.0) if making.needs_setup else 0.0
                for making in makings
            ),
            rates=tuple(making.rate_per_h for making in makings),
            machines=machines,
            frozen=frozen,
        )
        machines = machines_as_fixed(facts, machines, fixed, {m: line for (line, _), m in place.items()})
        frozen |= fixed
    return PlanningProblem(
        facts=facts,
        slots=slots,
        lines=tuple(line.name for line in lines),
        idle_kw=idle_kw,
        makings=makings,
        demands=_demands(facts, len(slots.starts)),
        stock=_stock(facts),
        holding={product.name: product.holding_cost_per_unit_h for product in facts.products},
        machines=machines,
        crews_free=_crews_free(facts, len(slots.starts)),
        frozen=frozen,
        changes=changes,
        unmakeable=_unmakeable(facts, slots),
        goal_limits=tuple((each.goal, each.at_most) for each in facts.objective.limits) if facts.objective else (),
    )


def by_the_shift(problem: PlanningProblem) -> PlanningProblem:
    """The problem with changes from family to family counted by the shift, at the mean of what they take.

    A first idea of lots needs no order of families, only that each of them takes something.
    """
    if not problem.changes:
        return problem
    makings = []
    for making in problem.makings:
        changes = problem.changes.get(making.line)
        if changes is None or len(changes.families) == 1:
            makings.append(making)
            continue
        f = changes.families.index(making.state)
        others = [i for i in range(len(changes.families)) if i != f]
        counted = replace(
            making,
            family=making.state,
            family_setup_h=float(changes.hours[others, f].mean()),
            family_setup_cost=float(changes.cost[others, f].mean()),
            needs_setup=True,
        )
        makings.append(counted)
    return replace(problem, makings=tuple(makings))


def due_slot(start: datetime, due_at: datetime) -> int:
    """The last hour whose production is in time; 0 for what is due already."""
    return max(ceil((due_at - start) / HOUR) - 1, 0)


def deadline_slot(start: datetime, deadline_at: datetime) -> int:
    """The last hour that is over by a deadline; 0, where there is none: no plan can do anything before its end."""
    return max(floor((deadline_at - start) / HOUR) - 1, 0)


def _stock(facts: PlanningFacts) -> dict[str, float]:
    on_hand = {product.name: 0.0 for product in facts.products}
    for stock in facts.stock:
        on_hand[stock.product] += stock.quantity
    return on_hand


def _makings(
    facts: PlanningFacts, slots: Slots, index: dict[str, int], idle_kw: NDArray[np.float64]
) -> tuple[Making, ...]:
    known = {product.name: product for product in facts.products}
    reworked = {product.reworks: product.name for product in facts.products if product.reworks}
    scrap_cost = {product.name: product.scrap_cost for product in facts.products}
    scrap_value = {product.name: -product.scrap_value for product in facts.products}
    changing = {each.line for each in facts.changeovers}
    return tuple(
        Making(
            line=index[c.line],
            product=c.product,
            feeds=known[c.product].reworks or c.product,
            flows=_flows(c, known, reworked),
            rate_per_h=c.rate_per_h,
            good_per_h=c.rate_per_h * (1.0 - c.scrap_ratio),
            energy_kwh_per_h=max(c.rate_per_h * c.energy_kwh_per_unit, float(idle_kw[index[c.line]])),
            scrap_cost_per_h=_of_scrap(c, scrap_cost, known[c.product].reworks),
            recovery_per_h=_of_scrap(c, scrap_value, known[c.product].reworks),
            setup_h=c.setup_h,
            setup_cost=c.setup_cost,
            needs_setup=needs_setup(c, facts),
            family=family_to_set_up(c, facts),
            family_setup_h=c.family_setup_h,
            family_setup_cost=c.family_setup_cost,
            state=known[c.product].family if c.line in changing else "",
            ready=_is_ready(facts, slots, c),
            step=float(units_step(c.rate_per_h)),
        )
        for c in facts.capabilities
    )


def _flows(c: Capability, known: dict[str, Product], reworked: dict[str, str]) -> tuple[Flow, ...]:
    """What an hour of a capability brings and takes."""
    product = known[c.product]
    target = known[product.reworks or product.name]
    flows = [Flow(product=target.name, per_h=c.rate_per_h * (1.0 - c.scrap_ratio), delay_h=target.lead_time_h)]
    if product.reworks:
        flows.append(Flow(product=product.name, per_h=-c.rate_per_h, delay_h=0))
    elif product.name in reworked and c.scrap_ratio > 0:
        flows.append(Flow(product=reworked[product.name], per_h=c.rate_per_h * c.scrap_ratio, delay_h=0))
    flows += [
        Flow(product=component.product, per_h=-c.rate_per_h * component.quantity, delay_h=0)
        for component in product.components
    ]
    return tuple(flows)


def _of_scrap(c: Capability, per_unit: dict[str, float], reworks: str) -> float:
    """What scrap costs or earns in an hour; a unit sent to rework takes back what it counted when scrapped."""
    taken_back = per_unit[reworks] if reworks else 0.0
    return c.rate_per_h * (c.scrap_ratio * per_unit[c.product] - taken_back)


def _is_ready(facts: PlanningFacts, slots: Slots, capability: Capability) -> bool:
    """Set up in the running shift: the accepted plan made it there before the plan's start."""
    if facts.previous is None or slots.shift[0] == CLOSED:
        return False
    return any(
        run.line == capability.line and run.product == capability.product and run.start < facts.start < run.end
        for run in facts.previous.runs
    )


def _demands(facts: PlanningFacts, hours: int) -> tuple[Demand, ...]:
    """Orders due within the horizon, by product and backlog price; each with a deadline in it by itself."""
    price = {product.name: product.backlog_cost_per_unit_h for product in facts.products}
    wanted: dict[tuple[str, float, str, int], NDArray[np.float64]] = {}
    for order in facts.orders:
        hour, cost, limit = due_slot(facts.start, order.due_at), price[order.product], hours
        if hour >= hours:
            continue
        if cost is not None and order.deadline_at is not None:
            limit = min(deadline_slot(facts.start, order.deadline_at), hours)
            hour = min(hour, limit)
        per_unit_h = inf if cost is None else cost * order.priority
        key = (order.product, per_unit_h, order.number if limit < hours else "", limit)
        wanted.setdefault(key, np.zeros(hours))[hour] += order.quantity
    return tuple(
        Demand(product=product, backlog_cost_per_unit_h=cost, units=units, waits_until=limit, order=order)
        for (product, cost, order, limit), units in sorted(wanted.items(), key=lambda item: item[0])
    )


def _crews_free(facts: PlanningFacts, hours: int) -> tuple[int, ...]:
    ends = [(job.end - facts.start) / HOUR for job in maintenance_in_progress(facts)]
    busy = [sum(1 for end in ends if end > hour) for hour in range(hours)]
    return tuple(max(facts.policy.crews - count, 0) for count in busy)


def _unmakeable(facts: PlanningFacts, slots: Slots) -> tuple[str, ...]:
    """Orders in the horizon that no line can make, once stock has gone to the earliest ones."""
    feeds = {product.name: product.reworks or product.name for product in facts.products}
    possible = {feeds[capability.product] for capability in facts.capabilities}
    left = _stock(facts)
    numbers = []
    for order in sorted(facts.orders, key=lambda order: (order.due_at, order.number)):
        if order.product in possible or due_slot(facts.start, order.due_at) >= len(slots.starts):
            continue
        left[order.product] -= order.quantity
        if left[order.product] < 0:
            numbers.append(order.number)
            left[order.product] += order.quantity
    return tuple(numbers)
