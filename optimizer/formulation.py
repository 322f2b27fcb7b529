"""The planning problem as a mixed-integer program: one function per business rule, one sentence each.

Variables: running hours of each making and hour, setups per shift, one choice per machine, available hours per line and
hour, stock and shortage per hour, the peak. Every constraint has a name `rule|entity|time`; the objective is kept by
named term. Expressions are built from dictionaries: Python's `sum` over PuLP terms takes quadratic time.
"""

import math
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
    """By (demand, hour) [unit]; none where a product may not wait."""
    peak: pulp.LpVariable
    lot: dict[tuple[int, int], pulp.LpVariable]
    """Running hours of a whole shift, by (making, shift), where a setup is needed for them.

    A shift of one hour has no variable of its own: its lot is that hour's running.
    """
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


def formulate(
    problem: PlanningProblem,
    *,
    without: frozenset[str] = frozenset(),
    left_out: frozenset[str] = frozenset(),
) -> Model:
    """The program of a problem, with `without` naming machines that may not be maintained.

    `left_out` drops limits by name (`crews|plant`, `co2_cap|plant`, `chance|MACHINE`): how conflicts are found.
    """
    model = _variables(problem, without)
    one_option_per_machine(model, problem)
    line_has_its_available_hours(model, problem)
    line_runs_within_its_hours(model, problem)
    shift_holds_runs_and_setups(model, problem)
    product_runs_only_when_set_up(model, problem)
    stock_balances(model, problem)
    stock_keeps_its_level(model, problem)
    stock_keeps_its_room(model, problem)
    hour_draws_its_energy(model, problem)
    peak_covers_every_hour(model)
    if "crews|plant" not in left_out:
        crews_are_enough(model, problem)
    if "co2_cap|plant" not in left_out:
        emissions_stay_below_the_cap(model, problem)
    chance_stays_below_the_limit(model, problem, left_out)
    lot_is_what_a_shift_makes(model, problem)
    setup_leaves_the_rest_of_its_shift(model, problem)
    lots_cover_what_is_due(model, problem)
    charge_everything(model, problem)
    total: Terms = {}
    for terms in model.terms.values():
        for variable, cost in terms.items():
            total[variable] = total.get(variable, 0.0) + cost
    model.program.setObjective(pulp.LpAffineExpression(total))
    return model


def _variables(problem: PlanningProblem, without: frozenset[str]) -> Model:
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
    shift_h = _open_hours(problem)
    hours_of = [problem.slots.hours_of_shift(s) for s in range(len(problem.slots.shift_names))]
    return Model(
        program=program,
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
            if total[t] > 0 and math.isfinite(problem.demands[d].backlog_cost_per_unit_h)
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
        most[making.product] = most[making.product] + making.good_per_h * np.cumsum(
            problem.slots.open_share[making.line]
        )
    return most


def _open_hours(problem: PlanningProblem) -> NDArray[np.float64]:
    """Hours of each shift in which a line is open [h]. (line, shift)"""
    hours = np.zeros((len(problem.lines), len(problem.slots.shift_names)))
    for t, s in enumerate(problem.slots.shift):
        if s != CLOSED:
            hours[:, s] += problem.slots.open_share[:, t]
    return hours


def one_option_per_machine(model: Model, problem: PlanningProblem) -> None:
    """Each machine is maintained at one time or not at all."""
    for k, options in enumerate(problem.machines):
        if chosen := model.choice[k]:
            model.constrain(
                f"one_option|{options.machine}|horizon", dict.fromkeys(chosen.values(), 1.0), pulp.LpConstraintEQ, 1
            )


def line_has_its_available_hours(model: Model, problem: PlanningProblem) -> None:
    """A line can run for the least availability of its machines, less the hours they are expected to fail."""
    for line, name in enumerate(problem.lines):
        mine = [k for k, options in enumerate(problem.machines) if options.line == name]
        lost = {k: problem.machines[k].loss for k in mine}
        for t in range(problem.hours):
            if (line, t) not in model.available:
                continue
            share = float(problem.slots.open_share[line, t])
            available = model.available[line, t]
            terms: Terms = {available: 1.0}
            limit, worst = share, 0.0
            for k in mine:
                chosen = model.choice[k]
                for option, variable in chosen.items():
                    if lost[k][option, t] > 0:
                        terms[variable] = share * float(lost[k][option, t])
                limit -= 0.0 if chosen else share * float(lost[k][0, t])
                worst += float(lost[k][:, t].max()) if chosen else float(lost[k][0, t])
                _machine_window(model, problem, k, line, t)
            if worst > 1.0:
                runs = model.program.add_variable(f"z{line}_{t}", cat="Binary")
                model.constrain(
                    f"line_hours_or_none|{name}|{t}", {available: 1.0, runs: -share}, pulp.LpConstraintLE, 0
                )
                terms[runs] = share * (worst - 1.0)
                limit += share * (worst - 1.0)
            model.constrain(f"line_hours|{name}|{t}", terms, pulp.LpConstraintLE, limit)


def _machine_window(model: Model, problem: PlanningProblem, k: int, line: int, t: int) -> None:
    """A line stands still while one of its machines is maintained."""
    options = problem.machines[k]
    share = float(problem.slots.open_share[line, t])
    terms: Terms = {model.available[line, t]: 1.0}
    away = [o for o, (first, last) in enumerate(options.windows) if first <= t < last]
    chosen = model.choice[k]
    if not chosen:
        if 0 in away:
            model.constrain(f"machine_window|{options.machine}|{t}", terms, pulp.LpConstraintLE, 0)
        return
    terms.update({chosen[o]: share for o in away if o in chosen})
    if len(terms) > 1:
        model.constrain(f"machine_window|{options.machine}|{t}", terms, pulp.LpConstraintLE, share)


def line_runs_within_its_hours(model: Model, problem: PlanningProblem) -> None:
    """What a line makes in an hour takes no longer than the line is available."""
    on_line = [_on_line(problem, line) for line in range(len(problem.lines))]
    for (line, t), available in model.available.items():
        terms: Terms = {available: -1.0}
        terms.update({model.running[m, t]: 1.0 for m in on_line[line]})
        model.constrain(f"hour|{problem.lines[line]}|{t}", terms, pulp.LpConstraintLE, 0)


def shift_holds_runs_and_setups(model: Model, problem: PlanningProblem) -> None:
    """In a shift, running and setting up together take no longer than the line is available."""
    shifts = problem.slots.shift
    for line, name in enumerate(problem.lines):
        for s in range(len(problem.slots.shift_names)):
            hours = [t for t, shift in enumerate(shifts) if shift == s and (line, t) in model.available]
            setups = {
                model.setup[m, s]: problem.makings[m].setup_h for m in _on_line(problem, line) if (m, s) in model.setup
            }
            if not hours or not any(setups.values()):
                continue
            terms: Terms = {**setups, **{model.available[line, t]: -1.0 for t in hours}}
            terms.update({model.running[m, t]: 1.0 for m in _on_line(problem, line) for t in hours})
            model.constrain(f"shift|{name}|{problem.slots.shift_names[s]}", terms, pulp.LpConstraintLE, 0)


def product_runs_only_when_set_up(model: Model, problem: PlanningProblem) -> None:
    """A product runs in a shift only if the line was set up for it in that shift.

    Where a shift is one hour, `setup_leaves_the_rest_of_its_shift` says it in a row that is tighter.
    """
    for (m, t), running in model.running.items():
        making, s = problem.makings[m], problem.slots.shift[t]
        if (m, s) in model.setup and model.lot[m, s] is not running:
            share = float(problem.slots.open_share[making.line, t])
            name = f"set_up|{problem.lines[making.line]}:{making.product}|{t}"
            model.constrain(name, {running: 1.0, model.setup[m, s]: -share}, pulp.LpConstraintLE, 0)


def lot_is_what_a_shift_makes(model: Model, problem: PlanningProblem) -> None:
    """A lot is what a line makes of a product in a shift."""
    for (m, s), lot in model.lot.items():
        making, hours = problem.makings[m], problem.slots.hours_of_shift(s)
        if len(hours) == 1:
            continue
        terms: Terms = {model.running[m, t]: -1.0 for t in hours if (m, t) in model.running}
        name = f"lot|{problem.lines[making.line]}:{making.product}|{problem.slots.shift_names[s]}"
        model.constrain(name, {lot: 1.0, **terms}, pulp.LpConstraintEQ, 0)


def setup_leaves_the_rest_of_its_shift(model: Model, problem: PlanningProblem) -> None:
    """A product set up in a shift runs for its open hours less the setup at most, and makes no more than is due.

    Implied by the other rules and by the costs; with it the solver proves a plan with a fifth less work.
    """
    open_h = _open_hours(problem)
    for (m, s), setup in model.setup.items():
        making = problem.makings[m]
        left_h = max(float(open_h[making.line, s]) - making.setup_h, 0.0)
        left_h = min(left_h, _hours_worth_making(problem, m, s))
        name = f"set_up_rest|{problem.lines[making.line]}:{making.product}|{problem.slots.shift_names[s]}"
        model.constrain(name, {model.lot[m, s]: 1.0, setup: -left_h}, pulp.LpConstraintLE, 0)


def _hours_worth_making(problem: PlanningProblem, m: int, s: int) -> float:
    """Hours in which a lot makes all that is still due, and a unit for rounding [h]: more would only be held.

    Without scrap, whole units cover whole orders exactly. Without limit where making more may pay or is kept: at
    negative prices of energy, and in frozen hours.
    """
    making, slots = problem.makings[m], problem.slots
    price = slots.price_per_kwh + problem.facts.tariff.co2_price_per_kg * slots.co2_kg_per_kwh
    hours = slots.hours_of_shift(s)
    if price.min() < 0 or any((m, t) in problem.frozen for t in hours):
        return math.inf
    due = 0.0
    for demand in problem.demands:
        if demand.product == making.product:
            waits = math.isfinite(demand.backlog_cost_per_unit_h)
            due += float(demand.units.sum() if waits else demand.units[hours[0] :].sum())
    level = next(product for product in problem.facts.products if product.name == making.product)
    due += level.safety_stock if level.safety_cost_per_unit_h > 0 else 0.0
    is_whole = making.good_per_h == making.rate_per_h and (due / making.step).is_integer()
    return due / making.good_per_h + (0.0 if is_whole else making.step / making.rate_per_h)


def lots_cover_what_is_due(model: Model, problem: PlanningProblem) -> None:
    """What a product's lots make by the end of a shift and what is short then cover what stock does not.

    Implied by the balance of stock; lot by lot the solver derives from it how many setups an order takes, which more
    than halves the gap of a two-day plan. Where a shift is an hour, the balance says it already.
    """
    if len(problem.slots.shift_names) >= problem.hours:
        return
    shifts = [s for s in range(len(problem.slots.shift_names)) if problem.slots.hours_of_shift(s)]
    for product, initial in problem.stock.items():
        makes = [m for m, making in enumerate(problem.makings) if making.product == product]
        wanted = [d for d, demand in enumerate(problem.demands) if demand.product == product]
        if not any((m, s) in model.lot for m in makes for s in shifts):
            continue
        made: Terms = {}
        for s in shifts:
            hours = problem.slots.hours_of_shift(s)
            for m in makes:
                good = problem.makings[m].good_per_h
                if (m, s) in model.lot:
                    made[model.lot[m, s]] = good
                else:
                    made.update({model.running[m, t]: good for t in hours if (m, t) in model.running})
            due = sum(float(problem.demands[d].units[: hours[-1] + 1].sum()) for d in wanted) - initial
            if due > 0:
                short: Terms = {model.shortage[d, hours[-1]]: 1.0 for d in wanted if (d, hours[-1]) in model.shortage}
                name = f"lots_due|{product}|{problem.slots.shift_names[s]}"
                model.constrain(name, {**made, **short}, pulp.LpConstraintGE, due)


def stock_balances(model: Model, problem: PlanningProblem) -> None:
    """Stock less shortage grows by the good units made and falls by what is due."""
    for product, initial in problem.stock.items():
        wanted = [d for d, demand in enumerate(problem.demands) if demand.product == product]
        makes = [m for m, making in enumerate(problem.makings) if making.product == product]
        for t in range(problem.hours):
            terms: Terms = {model.stock[product, t]: 1.0}
            terms.update({model.shortage[d, t]: -1.0 for d in wanted if (d, t) in model.shortage})
            terms.update(
                {model.running[m, t]: -problem.makings[m].good_per_h for m in makes if (m, t) in model.running}
            )
            due = -sum(float(problem.demands[d].units[t]) for d in wanted)
            if t == 0:
                due += initial
            else:
                terms[model.stock[product, t - 1]] = -1.0
                terms.update({model.shortage[d, t - 1]: 1.0 for d in wanted if (d, t - 1) in model.shortage})
            model.constrain(f"stock|{product}|{t}", terms, pulp.LpConstraintEQ, due)


def stock_keeps_its_level(model: Model, problem: PlanningProblem) -> None:
    """Stock, less what is overdue, reaches its safety level, or every unit missing from it costs by the hour."""
    for index, product in enumerate(problem.facts.products):
        if product.safety_cost_per_unit_h <= 0 or product.name not in problem.stock:
            continue
        for t in range(problem.hours):
            missing = model.program.add_variable(f"l{index}_{t}", 0)
            terms = _net_stock(model, problem, product.name, t)
            terms[missing] = 1.0
            model.constrain(f"safety|{product.name}|{t}", terms, pulp.LpConstraintGE, product.safety_stock)
            model.charge("safety", [(missing, product.safety_cost_per_unit_h)])


def stock_keeps_its_room(model: Model, problem: PlanningProblem) -> None:
    """Stock, less what is overdue, fits its room, or every unit beyond it costs by the hour."""
    for index, product in enumerate(problem.facts.products):
        if product.max_stock is None or product.overflow_cost_per_unit_h <= 0 or product.name not in problem.stock:
            continue
        for t in range(problem.hours):
            beyond = model.program.add_variable(f"o{index}_{t}", 0)
            terms = _net_stock(model, problem, product.name, t)
            terms[beyond] = -1.0
            model.constrain(f"room|{product.name}|{t}", terms, pulp.LpConstraintLE, product.max_stock)
            model.charge("overflow", [(beyond, product.overflow_cost_per_unit_h)])


def _net_stock(model: Model, problem: PlanningProblem, product: str, t: int) -> Terms:
    """Stock less shortage at the end of an hour."""
    terms: Terms = {model.stock[product, t]: 1.0}
    for d, demand in enumerate(problem.demands):
        if demand.product == product and (d, t) in model.shortage:
            terms[model.shortage[d, t]] = -1.0
    return terms


def hour_draws_its_energy(model: Model, problem: PlanningProblem) -> None:
    """A line draws its product's energy while it runs, and its idle power at least, as long as it is open."""
    for t, energy in model.energy.items():
        terms: Terms = {energy: 1.0}
        for m, making in enumerate(problem.makings):
            if (m, t) in model.running:
                terms[model.running[m, t]] = float(problem.idle_kw[making.line]) - making.energy_kwh_per_h
        idle = float(problem.idle_kw @ problem.slots.open_share[:, t])
        model.constrain(f"energy|plant|{t}", terms, pulp.LpConstraintEQ, idle)


def peak_covers_every_hour(model: Model) -> None:
    """The billed peak is at least the energy of every hour and the peak already incurred."""
    for t, energy in model.energy.items():
        model.constrain(f"peak|plant|{t}", {energy: 1.0, model.peak: -1.0}, pulp.LpConstraintLE, 0)


def crews_are_enough(model: Model, problem: PlanningProblem) -> None:
    """No more machines are maintained at a time than there are crews."""
    for t, free in enumerate(problem.crews_free):
        terms: Terms = {}
        fixed = 0
        for k, options in enumerate(problem.machines):
            chosen = model.choice[k]
            terms.update({chosen[o]: 1.0 for o, (a, b) in enumerate(options.windows) if a <= t < b and o in chosen})
            fixed += int(
                options.forced and options.starts[0] is not None and options.windows[0][0] <= t < options.windows[0][1]
            )
        if terms or fixed > free:
            model.constrain(f"crews|plant|{t}", terms, pulp.LpConstraintLE, free - fixed)


def emissions_stay_below_the_cap(model: Model, problem: PlanningProblem) -> None:
    """The energy of the horizon emits no more than the cap."""
    if (cap := problem.facts.tariff.co2_cap_kg) is not None:
        terms = {energy: float(problem.slots.co2_kg_per_kwh[t]) for t, energy in model.energy.items()}
        model.constrain("co2_cap|plant|horizon", terms, pulp.LpConstraintLE, cap)


def chance_stays_below_the_limit(model: Model, problem: PlanningProblem, left_out: frozenset[str]) -> None:
    """Each machine's probability of failing in the horizon stays below the limit."""
    limit = problem.facts.policy.max_failure_probability
    if limit is None:
        return
    for k, options in enumerate(problem.machines):
        if f"chance|{options.machine}" in left_out:
            continue
        chosen = model.choice[k]
        terms = {variable: float(options.failure_probability[o]) for o, variable in chosen.items()}
        fixed = 0.0 if chosen else float(options.failure_probability[0])
        if terms or fixed > limit:
            model.constrain(f"chance|{options.machine}|horizon", terms, pulp.LpConstraintLE, limit - fixed)


def charge_everything(model: Model, problem: PlanningProblem) -> None:
    """The objective, by named term."""
    tariff, policy, slots = problem.facts.tariff, problem.facts.policy, problem.slots
    last = problem.hours - 1
    makings = problem.makings
    model.charge("setups", ((y, makings[m].setup_cost) for (m, _), y in model.setup.items()))
    model.charge("scrap", ((u, makings[m].scrap_cost_per_h) for (m, _), u in model.running.items()))
    model.charge("holding", ((s, problem.holding[p]) for (p, _), s in model.stock.items()))
    factor = policy.final_backlog_factor
    backlog = (
        (b, problem.demands[d].backlog_cost_per_unit_h * (factor if t == last else 1.0))
        for (d, t), b in model.shortage.items()
    )
    model.charge("backlog", backlog)
    model.charge("energy", ((e, float(slots.price_per_kwh[t])) for t, e in model.energy.items()))
    co2 = ((e, tariff.co2_price_per_kg * float(slots.co2_kg_per_kwh[t])) for t, e in model.energy.items())
    model.charge("co2", co2)
    sunk = tariff.demand_charge_per_kw * tariff.peak_so_far_kw
    model.charge("peak", [(model.peak, tariff.demand_charge_per_kw)], -sunk)
    for k, options in enumerate(problem.machines):
        for name, costs in (("maintenance", options.maintenance_cost), ("failures", options.failure_cost)):
            chosen = model.choice[k]
            terms = [(variable, float(costs[o])) for o, variable in chosen.items()]
            model.charge(name, terms, 0.0 if chosen else float(costs[0]))


def _on_line(problem: PlanningProblem, line: int) -> list[int]:
    return [m for m, making in enumerate(problem.makings) if making.line == line]
