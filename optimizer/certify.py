"""The independent check: every rule of the plant, re-evaluated on the finished plan in exact arithmetic.

Reads only the facts and the plan, and shares nothing with the formulation. Integer rules hold exactly, the others
within the stated tolerance, as hours and energies come from floats. Nothing that fails here is published.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil, prod

from optimizer.certify_changeovers import changeover_findings
from optimizer.certify_goals import goal_findings
from optimizer.certify_stock import UNIT_TOLERANCE, stock_findings
from optimizer.costing import Account, account
from optimizer.exact import HOUR, ONE, ZERO, under_way, whole_step
from optimizer.exact_stock import good_units
from optimizer.facts import GRAINS_PER_UNIT, PlanningFacts, inputs_hash
from plant.plans import Certificate, GoalStage, Plan, RuleCheck

TOLERANCE = Fraction(1, 10**6)
"""For hours, energies, emissions, probabilities and money [unit of the rule]."""
Residuals = Iterable[Fraction]


def check_rules(
    facts: PlanningFacts, plan: Plan, worked_out: Account, stages: tuple[GoalStage, ...] = ()
) -> tuple[RuleCheck, ...]:
    """Every rule with its worst residual on this plan."""
    return (
        _check(
            "whole_units",
            "What a line makes of a product in a shift is whole units, never negative.",
            _whole_units(facts, plan, worked_out),
            ZERO,
        ),
        _check("capability", "A line makes only what it can make, inside the horizon.", _capability(facts, plan), ZERO),
        _check(
            "line_hours", "A line runs no longer than its machines are expected to.", _line_hours(facts, worked_out)
        ),
        _check("shift_hours", "Runs and setups of a shift fit its hours.", _shift_hours(facts, worked_out)),
        _check(
            "setups", "Every product of a shift is set up once, and only then.", _setups(facts, plan, worked_out), ZERO
        ),
        _check("stock", "Good units are gross units less scrap.", _good(facts, plan, worked_out)),
        _check(
            "one_option", "A machine is maintained at most once, in a window it may have.", _windows(facts, plan), ZERO
        ),
        _check("crews", "No more machines are maintained at a time than there are crews.", _crews(facts, plan), ZERO),
        _check("chance", "No machine fails likelier than the limit.", _chance(facts, worked_out)),
        _check("co2_cap", "Emissions stay below the cap.", _co2(facts, plan, worked_out)),
        _check("energy", "The published energy of each hour is what the runs draw.", _energy(plan, worked_out)),
        _check("peak", "The published peak covers every hour and the peak so far.", _peak(facts, plan)),
        _check("frozen", "The first hours keep to the accepted plan.", _frozen(facts, plan, worked_out)),
        _check("orders", "No order that must be made is without a line.", _orders(facts), ZERO),
        _check("costs", "The published costs are those of the plan.", _costs(plan, worked_out)),
        *_checks_of_later_rules(facts, plan, worked_out),
        *(_check(*finding) for finding in goal_findings(facts, worked_out, stages)),
    )


def _checks_of_later_rules(facts: PlanningFacts, plan: Plan, worked_out: Account) -> Iterator[RuleCheck]:
    """Rules that came after the first plans, where the facts ask for them: older certificates stay as they were."""
    if facts.fixed_lots:
        yield _check("fixed_lots", "Lots that a person fixed are made as fixed.", _fixed_lots(facts, worked_out))
    if facts.fixed_maintenance:
        sentence = "Machines are maintained as a person fixed it."
        yield _check("fixed_maintenance", sentence, _fixed_maintenance(facts, plan), ZERO)
    policy = facts.policy
    if policy.max_line_failure_probability is not None:
        yield _check("line_chance", "No line fails likelier than its limit.", _line_chance(facts, worked_out))
    if policy.max_plant_failure_probability is not None:
        every = [machine.name for machine in facts.plant.machines]
        over = _fails(worked_out, every) - Fraction(policy.max_plant_failure_probability)
        yield _check("plant_chance", "The plant fails no likelier than its limit.", [over])
    if facts.calendar.overtime:
        yield _check("overtime", "Overtime stays within its hours of the day.", _overtime(facts, worked_out))
    for finding in changeover_findings(facts, plan, worked_out):
        yield _check(*finding)
    for rule, sentence, residuals in stock_findings(facts, worked_out):
        yield _check(rule, sentence, residuals, UNIT_TOLERANCE)


def certify(
    facts: PlanningFacts,
    plan: Plan,
    *,
    solver: str,
    solve_s: float,
    solver_objective: float,
    bound: float | None,
    worked_out: Account | None = None,
    stages: tuple[GoalStage, ...] = (),
) -> Certificate:
    """The certificate of a finished plan, with what the solver said about it."""
    worked_out = worked_out or account(facts, plan)
    checks = check_rules(facts, plan, worked_out, stages)
    objective = float(worked_out.goal(stages[-1].goal) if stages else worked_out.objective)
    gap = None if bound is None else max(objective - bound, 0.0) / max(abs(objective), 1.0)
    return Certificate(
        inputs_hash=inputs_hash(facts),
        model_versions=tuple(sorted({risk.model_version for risk in facts.risks})),
        solver=solver,
        solve_s=solve_s,
        solver_objective=solver_objective,
        recomputed_objective=objective,
        bound=bound,
        gap=gap,
        checks=checks,
        checked=all(check.holds for check in checks),
        stages=stages,
    )


def recompute(facts: PlanningFacts, plan: Plan) -> Certificate | None:
    """The certificate of a stored plan, derived again from its stored facts; None where there is no plan.

    Equal to the stored one, bit for bit, unless the facts or the plan were altered.
    """
    if (stored := plan.certificate) is None:
        return None
    return certify(
        facts,
        replace(plan, certificate=None),
        solver=stored.solver,
        solve_s=stored.solve_s,
        solver_objective=stored.solver_objective,
        bound=stored.bound,
        stages=stored.stages,
    )


def _check(rule: str, sentence: str, residuals: Residuals, tolerance: Fraction = TOLERANCE) -> RuleCheck:
    values = list(residuals)
    worst = max([ZERO, *values])
    return RuleCheck(
        rule=rule,
        sentence=sentence,
        instances=len(values),
        worst_residual=float(worst),
        tolerance=float(tolerance),
        holds=worst <= tolerance,
    )


def _apart(published: float, amount: Fraction) -> Fraction:
    """How far a published number is from the exact one; beyond 1e9, where floats carry less, in parts of 1e-9 of it."""
    return abs(Fraction(published) - amount) / max(ONE, abs(amount) / 10**9)


def _broken(is_broken: bool) -> Fraction:
    return ONE if is_broken else ZERO


def _whole_units(facts: PlanningFacts, plan: Plan, worked_out: Account) -> Residuals:
    """A unit may be under way when the hour strikes; what a line makes of a product in a shift is whole."""
    rate = {(c.line, c.product): c.rate_per_h for c in facts.capabilities}
    for run in plan.runs:
        for made in run.hourly_units:
            grains = Fraction(round(made * GRAINS_PER_UNIT), GRAINS_PER_UNIT)
            yield _broken(made < 0 or abs(Fraction(made) - grains) > Fraction(1, 10**9))
        yield _broken(abs(sum(run.hourly_units) - run.gross_units) > 0.5 + 1e-9)
    shifts, lots = worked_out.calendar.shifts, dict[tuple[str, str, str], Fraction]()
    for (line, product, t), units in worked_out.units.items():
        key = (line, product, shifts[t] if 0 <= t < len(shifts) else "")
        lots[key] = lots.get(key, ZERO) + units
    for (line, product, _), total in lots.items():
        yield _broken((total / whole_step(rate.get((line, product), 1e9))).denominator != 1)


def _capability(facts: PlanningFacts, plan: Plan) -> Residuals:
    known = {(c.line, c.product) for c in facts.capabilities}
    for run in plan.runs:
        first = (run.start - facts.start) // HOUR
        inside = first >= 0 and first + len(run.hourly_units) <= facts.policy.horizon_h
        yield _broken((run.line, run.product) not in known or not inside)


def _hours_used(facts: PlanningFacts, worked_out: Account) -> dict[tuple[str, int], Fraction]:
    rate = {(c.line, c.product): Fraction(c.rate_per_h) for c in facts.capabilities}
    used: dict[tuple[str, int], Fraction] = {}
    for (line, product, t), made in worked_out.units.items():
        used[line, t] = used.get((line, t), ZERO) + made / rate.get((line, product), ONE)
    return used


def _line_hours(facts: PlanningFacts, worked_out: Account) -> Residuals:
    for (line, t), used in _hours_used(facts, worked_out).items():
        hours = worked_out.available.get(line, ())
        yield used - (hours[t] if 0 <= t < len(hours) else ZERO)


def _shift_hours(facts: PlanningFacts, worked_out: Account) -> Residuals:
    used: dict[tuple[str, str], Fraction] = {}
    shifts = worked_out.calendar.shifts
    for (line, t), hours in _hours_used(facts, worked_out).items():
        if 0 <= t < len(shifts):
            used[line, shifts[t]] = used.get((line, shifts[t]), ZERO) + hours
    for (line, _, shift), capability in worked_out.setups.items():
        used[line, shift] = used.get((line, shift), ZERO) + Fraction(capability.setup_h)
    for (line, _, shift), capability in worked_out.families.items():
        used[line, shift] = used.get((line, shift), ZERO) + Fraction(capability.family_setup_h)
    for (line, shift), hours in used.items():
        row = worked_out.available.get(line, ())
        yield hours - sum((left for left, name in zip(row, shifts, strict=False) if name == shift), ZERO)


def _overtime(facts: PlanningFacts, worked_out: Account) -> Residuals:
    most_h = {each.line: Fraction(each.most_h_per_day) for each in facts.calendar.overtime}
    yield from (hours - most_h[line] for (line, _), hours in worked_out.overtime.items())


def _setups(facts: PlanningFacts, plan: Plan, worked_out: Account) -> Residuals:
    marked: dict[tuple[str, str, str], int] = {}
    shifts = worked_out.calendar.shifts
    for run in plan.runs:
        t = (run.start - facts.start) // HOUR
        if run.setup and 0 <= t < len(shifts):
            key = (run.line, run.product, shifts[t])
            marked[key] = marked.get(key, 0) + 1
    for key in marked.keys() | worked_out.setups.keys():
        yield _broken(marked.get(key, 0) != int(key in worked_out.setups))


def _good(facts: PlanningFacts, plan: Plan, worked_out: Account) -> Residuals:
    made = {product: sum(gained, ZERO) for product, gained in good_units(facts, worked_out.units).items()}
    becomes = {product.name: product.reworks or product.name for product in facts.products}
    for run in plan.runs:
        product = becomes.get(run.product, run.product)
        made[product] = made.get(product, ZERO) - Fraction(run.good_units)
    yield from (abs(rest) for rest in made.values())


def _windows(facts: PlanningFacts, plan: Plan) -> Residuals:
    away = under_way(facts)
    count: dict[str, int] = {}
    for window in plan.maintenance:
        machine = facts.plant.machine_index.get(window.machine)
        count[window.machine] = count.get(window.machine, 0) + 1
        if machine is None or window.machine in away or machine.line != window.line:
            yield ONE
            continue
        length_h = facts.class_of(machine).maintenance_h
        first = (window.start - facts.start) // HOUR
        fits = first >= 0 and first + ceil(length_h) <= facts.policy.horizon_h
        on_the_hour = not (window.start - facts.start) % HOUR
        lasts = abs((window.end - window.start) / HOUR - length_h) < 1e-6
        yield _broken(not (fits and on_the_hour and lasts))
    yield from (_broken(times > 1) for times in count.values())


def _crews(facts: PlanningFacts, plan: Plan) -> Residuals:
    ends = [(back_at - facts.start) / HOUR for back_at in under_way(facts).values()]
    for t in range(facts.policy.horizon_h):
        at_work = sum(1 for end in ends if end > t)
        begin = facts.start + HOUR * t
        planned = sum(1 for window in plan.maintenance if window.start < begin + HOUR and window.end > begin)
        free = max(facts.policy.crews - at_work, 0)
        yield Fraction(max(planned - free, 0))


def _chance(facts: PlanningFacts, worked_out: Account) -> Residuals:
    if (limit := facts.policy.max_failure_probability) is not None:
        yield from (fate.failure_probability - Fraction(limit) for fate in worked_out.fates.values())


def _line_chance(facts: PlanningFacts, worked_out: Account) -> Residuals:
    limit = Fraction(facts.policy.max_line_failure_probability or 0)
    for line in facts.plant.lines:
        if line.machines:
            yield _fails(worked_out, [machine.name for machine in line.machines]) - limit


def _fails(worked_out: Account, machines: list[str]) -> Fraction:
    """Probability that any of some machines fails in the horizon."""
    return ONE - prod((ONE - worked_out.fates[name].failure_probability for name in machines), start=ONE)


def _co2(facts: PlanningFacts, plan: Plan, worked_out: Account) -> Residuals:
    if (cap := facts.tariff.co2_cap_kg) is not None:
        yield worked_out.co2_kg - Fraction(cap)
    yield _apart(plan.co2_kg, worked_out.co2_kg)


def _energy(plan: Plan, worked_out: Account) -> Residuals:
    yield _broken(len(plan.hours) != len(worked_out.energy))
    for hour, kwh, price in zip(plan.hours, worked_out.energy, worked_out.calendar.prices, strict=False):
        yield _apart(hour.energy_kwh, kwh)
        yield _apart(hour.price_per_kwh, price)


def _peak(facts: PlanningFacts, plan: Plan) -> Residuals:
    peak = Fraction(plan.peak_kw)
    yield from (Fraction(hour.energy_kwh) - peak for hour in plan.hours)
    yield Fraction(facts.tariff.peak_so_far_kw) - peak


def _frozen(facts: PlanningFacts, plan: Plan, worked_out: Account) -> Residuals:
    if facts.previous is None or facts.policy.frozen_h == 0:
        return
    kept: dict[tuple[str, str, int], Fraction] = {}
    for run in facts.previous.runs:
        for t, made in enumerate(run.hourly_units, start=(run.start - facts.start) // HOUR):
            key = (run.line, run.product, t)
            kept[key] = kept.get(key, ZERO) + Fraction(made)
    for key, units in worked_out.units.items():
        if key[2] < facts.policy.frozen_h:
            yield units - kept.get(key, ZERO)
    limit = facts.start + HOUR * facts.policy.frozen_h
    away = under_way(facts)
    before = {(w.machine, w.start) for w in facts.previous.maintenance if w.machine not in away}
    now = {(w.machine, w.start) for w in plan.maintenance}
    for _, start in before ^ now:
        yield _broken(facts.start <= start < limit)


def _fixed_lots(facts: PlanningFacts, worked_out: Account) -> Residuals:
    for lot in facts.fixed_lots:
        span = range((lot.start - facts.start) // HOUR, (lot.end - facts.start) // HOUR)
        made = (n for (line, p, t), n in worked_out.units.items() if (line, p) == (lot.line, lot.product) and t in span)
        yield abs(sum(made, ZERO) - Fraction(lot.gross_units))


def _fixed_maintenance(facts: PlanningFacts, plan: Plan) -> Residuals:
    for each in facts.fixed_maintenance:
        starts = [window.start for window in plan.maintenance if window.machine == each.machine]
        yield _broken(bool(set(starts) - set(each.starts)) or len(starts) != min(len(each.starts), 1))


def _orders(facts: PlanningFacts) -> Residuals:
    becomes = {product.name: product.reworks or product.name for product in facts.products}
    possible = {becomes.get(c.product, c.product) for c in facts.capabilities}
    on_hand = {s.product: Fraction(s.quantity) for s in facts.stock}
    for order in sorted(facts.orders, key=lambda order: order.due_at):
        if order.product not in possible and order.due_at <= facts.start + HOUR * facts.policy.horizon_h:
            left = on_hand.get(order.product, ZERO) - Fraction(order.quantity)
            on_hand[order.product] = left
            yield max(-left, ZERO)


def _costs(plan: Plan, worked_out: Account) -> Residuals:
    published = {term.name: term.amount for term in plan.costs}
    for name, amount in worked_out.terms:
        yield _apart(published.get(name, 0.0), amount)
    yield _broken(published.keys() != {name for name, _ in worked_out.terms})
