"""The planning problem as a mixed-integer program: one function per business rule, one sentence each.

Variables: running hours of each making and hour, setups per shift, one choice per machine, available hours per line and
hour, stock and shortage per hour, the peak. Every constraint has a name `rule|entity|time`; the objective is kept by
named term. Expressions are built from dictionaries: Python's `sum` over PuLP terms takes quadratic time.
"""

import pulp

from optimizer import changeover_rules
from optimizer.chance_limits import chance_stays_below_the_limit, groups_keep_their_chance
from optimizer.delays import failures_delay_orders
from optimizer.goals import aim
from optimizer.implied import lots_cover_what_is_due, setup_leaves_the_rest_of_its_shift
from optimizer.problem import PlanningProblem
from optimizer.program import Model, Terms, unruled
from optimizer.stock_rules import (
    stock_balances,
    stock_keeps_its_level,
    stock_keeps_its_limits,
    stock_keeps_its_room,
    what_is_delivered_stays_delivered,
)


def formulate(
    problem: PlanningProblem,
    *,
    without: frozenset[str] = frozenset(),
    left_out: frozenset[str] = frozenset(),
) -> Model:
    """The program of a problem, with `without` naming machines that may not be maintained.

    `left_out` drops limits by name (`crews|plant`, `co2_cap|plant`, `chance|MACHINE`, `line_chance|LINE`): how
    conflicts are found.
    """
    model = unruled(problem, without)
    one_option_per_machine(model, problem)
    line_has_its_available_hours(model, problem)
    line_runs_within_its_hours(model, problem)
    shift_holds_runs_and_setups(model, problem)
    product_runs_only_when_set_up(model, problem)
    family_is_set_up_with_its_products(model, problem)
    overtime_stays_within_its_limit(model, problem)
    changeover_rules.lines_change_from_family_to_family(model, problem)
    stock_balances(model, problem)
    what_is_delivered_stays_delivered(model, problem)
    stock_keeps_its_level(model, problem)
    stock_keeps_its_room(model, problem)
    stock_keeps_its_limits(model, problem)
    hour_draws_its_energy(model, problem)
    peak_covers_every_hour(model)
    if "crews|plant" not in left_out:
        crews_are_enough(model, problem)
    if "co2_cap|plant" not in left_out:
        emissions_stay_below_the_cap(model, problem)
    chance_stays_below_the_limit(model, problem, left_out)
    groups_keep_their_chance(model, problem, left_out)
    lot_is_what_a_shift_makes(model, problem)
    setup_leaves_the_rest_of_its_shift(model, problem)
    lots_cover_what_is_due(model, problem)
    charge_everything(model, problem)
    failures_delay_orders(model, problem)
    aim(model, problem)
    return model


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
            for m in _on_line(problem, line):
                if (family := model.family.get((line, problem.makings[m].family, s))) is not None:
                    setups[family] = problem.makings[m].family_setup_h
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


def overtime_stays_within_its_limit(model: Model, problem: PlanningProblem) -> None:
    """On a day a line runs and is set up no longer outside the shifts than its overtime allows."""
    for line, name in enumerate(problem.lines):
        for s, shift in enumerate(problem.slots.shift_names):
            limit = problem.overtime_limit_h(line, s)
            worked = {
                model.available[line, t]: 1.0 for t in problem.slots.hours_of_shift(s) if (line, t) in model.available
            }
            if worked and limit < len(worked):
                model.constrain(f"overtime|{name}|{shift}", worked, pulp.LpConstraintLE, limit)


def family_is_set_up_with_its_products(model: Model, problem: PlanningProblem) -> None:
    """A product is set up in a shift only if its family is, once for all of them."""
    for (m, s), setup in model.setup.items():
        making = problem.makings[m]
        if (family := model.family.get((making.line, making.family, s))) is not None:
            name = f"family|{problem.lines[making.line]}:{making.product}|{problem.slots.shift_names[s]}"
            model.constrain(name, {setup: 1.0, family: -1.0}, pulp.LpConstraintLE, 0)


def lot_is_what_a_shift_makes(model: Model, problem: PlanningProblem) -> None:
    """A lot is what a line makes of a product in a shift."""
    for (m, s), lot in model.lot.items():
        making, hours = problem.makings[m], problem.slots.hours_of_shift(s)
        if len(hours) == 1:
            continue
        terms: Terms = {model.running[m, t]: -1.0 for t in hours if (m, t) in model.running}
        name = f"lot|{problem.lines[making.line]}:{making.product}|{problem.slots.shift_names[s]}"
        model.constrain(name, {lot: 1.0, **terms}, pulp.LpConstraintEQ, 0)


def hour_draws_its_energy(model: Model, problem: PlanningProblem) -> None:
    """A line draws its product's energy while it runs, and its idle power at least, as long as a shift is on."""
    slots, manned = problem.slots, problem.slots.manned_share
    for t, energy in model.energy.items():
        terms: Terms = {energy: 1.0}
        for m, making in enumerate(problem.makings):
            if (m, t) in model.running:
                idle_kw = 0.0 if slots.in_overtime[making.line, t] else float(problem.idle_kw[making.line])
                terms[model.running[m, t]] = idle_kw - making.energy_kwh_per_h
        idle = float(problem.idle_kw @ manned[:, t])
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


def charge_everything(model: Model, problem: PlanningProblem) -> None:
    """The objective, by named term."""
    tariff, policy, slots = problem.facts.tariff, problem.facts.policy, problem.slots
    last = problem.hours - 1
    makings = problem.makings
    model.charge("setups", ((y, makings[m].setup_cost) for (m, _), y in model.setup.items()))
    if model.family:
        changing = {(making.line, making.family): making.family_setup_cost for making in makings}
        model.charge("families", ((z, changing[line, family]) for (line, family, _), z in model.family.items()))
    changeover_rules.charge_changeovers(model, problem)
    model.charge("scrap", ((u, makings[m].scrap_cost_per_h) for (m, _), u in model.running.items()))
    if problem.facts.calendar.overtime:
        per_h = problem.overtime_cost_per_h
        model.charge(
            "overtime", ((a, float(per_h[line, t])) for (line, t), a in model.available.items() if per_h[line, t])
        )
    if any(product.scrap_value for product in problem.facts.products):
        model.charge("recovery", ((u, makings[m].recovery_per_h) for (m, _), u in model.running.items()))
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
