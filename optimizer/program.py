"""The variables of the planning program, and the program that rules and costs are added to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pulp
from numpy.typing import NDArray

from optimizer.problem import PlanningProblem
from optimizer.slots import CLOSED

Terms = dict[Any, float]
LOOSE = 2.0
"""Bounds that only a proof needs stand this many times away, so that one hour more can still be priced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A built program and the way back from its variables to the plant."""

    program: pulp.LpProblem
    running: dict[tuple[int, int], pulp.LpVariable]
    """Running hours, by (making, hour)."""
    setup: dict[tuple[int, int], pulp.LpVariable]
    """By (making, shift)."""
    choice: dict[int, dict[int, pulp.LpVariable]]
    """By machine, then option; empty for machines without a choice."""
    available: dict[tuple[int, int], pulp.LpVariable]
    """Hours that a line can run, by (line, hour)."""
    energy: dict[int, pulp.LpVariable]
    """By hour [kWh]."""
    stock: dict[tuple[str, int], pulp.LpVariable]
    shortage: dict[tuple[int, int], pulp.LpVariable]
    """By (demand, hour) [unit]; none where it may not wait, or no longer."""
    peak: pulp.LpVariable
    lot: dict[tuple[int, int], pulp.LpVariable]
    """Running hours of a whole shift, by (making, shift), where a setup is needed for them.

    A shift of one hour has no variable of its own: its lot is that hour's running.
    """
    family: dict[tuple[int, str, int], pulp.LpVariable]
    """Whether a family is set up, by (line, family, shift): continuous, as the setups of its products are whole."""
    state: dict[tuple[int, int, int], pulp.LpVariable] = field(default_factory=dict)
    """Whether a line stands in a family at the end of an hour in which it can change, by (line, family, hour).

    Hour -1 is the start. Of lines that change over from family to family.
    """
    change: dict[tuple[int, int, int, int], pulp.LpVariable] = field(default_factory=dict)
    """Whether a line changes over, by (line, before, after, hour): continuous, as the states are whole."""
    rules: dict[str, pulp.LpConstraint] = field(default_factory=dict)
    """Every constraint by its name `rule|entity|time`."""
    terms: dict[str, Terms] = field(default_factory=dict)
    """The objective by named term."""
    constants: dict[str, float] = field(default_factory=dict)
    """What each term costs whatever is chosen [currency]."""

    def constrain(self, name: str, terms: Terms, sense: int, limit: float) -> None:
        """Adds a constraint under its name."""
        constraint = pulp.LpConstraint(pulp.LpAffineExpression(terms), sense, None, limit)
        self.program.addConstraint(constraint)
        self.rules[name] = constraint

    def charge(self, name: str, terms: Iterable[tuple[Any, float]], constant: float = 0.0) -> None:
        """Adds costs to a named term of the objective."""
        own = self.terms.setdefault(name, {})
        for variable, cost in terms:
            own[variable] = own.get(variable, 0.0) + cost
        self.constants[name] = self.constants.get(name, 0.0) + constant


def unruled(problem: PlanningProblem, without: frozenset[str]) -> Model:
    """The variables of a problem, bounded by what the plant can do, without any rule."""
    program = pulp.LpProblem("plan", pulp.LpMinimize)
    hours = range(problem.hours)
    shift, open_share = problem.slots.shift, problem.slots.open_share
    running: dict[tuple[int, int], pulp.LpVariable] = {}
    setup: dict[tuple[int, int], pulp.LpVariable] = {}
    for m, making in enumerate(problem.makings):
        for t in hours:
            if (share := float(open_share[making.line, t])) > 0:
                low, high = problem.frozen.get((m, t), (0.0, share))
                running[m, t] = program.add_variable(f"u{m}_{t}", min(low, share), min(high, share))
                is_ready = making.ready and shift[t] == shift[0]
                if making.needs_setup and not is_ready and (m, shift[t]) not in setup:
                    setup[m, shift[t]] = program.add_variable(f"y{m}_{shift[t]}", cat="Binary")
    choice: dict[int, dict[int, pulp.LpVariable]] = {}
    for k, options in enumerate(problem.machines):
        allowed = range(1) if options.machine in without and not options.forced else range(len(options.starts))
        free = allowed if len(allowed) > 1 else ()
        choice[k] = {o: program.add_variable(f"m{k}_{o}", cat="Binary") for o in free}
    demanded = [np.cumsum(demand.units) for demand in problem.demands]
    most_kwh, most_units = _most_energy(problem), _most_stock(problem)
    sunk_kw = problem.facts.tariff.peak_so_far_kw
    shift_h = open_hours(problem)
    hours_of = [problem.slots.hours_of_shift(s) for s in range(len(problem.slots.shift_names))]
    families = {
        (making.line, making.family, s)
        for m, s in setup
        if (making := problem.makings[m]).family and problem.family_still_to_set_up(m, s, ()) is not None
    }
    return Model(
        program=program,
        family={key: program.add_variable(f"f{n}_{key[2]}", 0, 1) for n, key in enumerate(sorted(families))},
        running=running,
        setup=setup,
        choice=choice,
        available={
            (line, t): program.add_variable(f"a{line}_{t}", 0, float(open_share[line, t]))
            for line in range(len(problem.lines))
            for t in hours
            if open_share[line, t] > 0
        },
        energy={t: program.add_variable(f"e{t}", 0, LOOSE * float(most_kwh[t])) for t in hours},
        stock={
            (p, t): program.add_variable(f"s{i}_{t}", 0, LOOSE * float(most_units[p][t]))
            for i, p in enumerate(problem.stock)
            for t in hours
        },
        shortage={
            (d, t): program.add_variable(f"b{d}_{t}", 0, float(total[t]))
            for d, total in enumerate(demanded)
            for t in hours
            if total[t] > 0 and problem.demands[d].may_wait(t)
        },
        peak=program.add_variable("peak", sunk_kw, max(sunk_kw, LOOSE * float(most_kwh.max()))),
        lot={
            (m, s): running[m, hours_of[s][0]]
            if len(hours_of[s]) == 1
            else program.add_variable(f"x{m}_{s}", 0, LOOSE * float(shift_h[problem.makings[m].line, s]))
            for m, s in setup
        },
    )


def _most_energy(problem: PlanningProblem) -> NDArray[np.float64]:
    """What the plant draws at most in each hour [kWh]. (hour,)"""
    draw = problem.idle_kw.copy()
    for making in problem.makings:
        draw[making.line] = max(draw[making.line], making.energy_kwh_per_h)
    most: NDArray[np.float64] = draw @ problem.slots.open_share
    return most


def _most_stock(problem: PlanningProblem) -> dict[str, NDArray[np.float64]]:
    """What can be on hand of each product at most [unit]: bounds without which no relaxation proves anything."""
    most = {product: np.full(problem.hours, initial) for product, initial in problem.stock.items()}
    for making in problem.makings:
        for flow in making.flows:
            if flow.per_h > 0:
                opened = np.cumsum(problem.slots.open_share[making.line])
                most[flow.product] = most[flow.product] + flow.per_h * opened
    return most


def open_hours(problem: PlanningProblem) -> NDArray[np.float64]:
    """Hours of each shift in which a line is open, of overtime as many as it may work [h]. (line, shift)"""
    hours = np.zeros((len(problem.lines), len(problem.slots.shift_names)))
    for t, s in enumerate(problem.slots.shift):
        if s != CLOSED:
            hours[:, s] += problem.slots.open_share[:, t]
    if problem.facts.calendar.overtime:
        limits = [[problem.overtime_limit_h(line, s) for s in range(hours.shape[1])] for line in range(len(hours))]
        hours = np.minimum(hours, limits)
    return hours
