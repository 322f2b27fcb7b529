"""The least cost by plain enumeration: every maintenance choice, every set of setups, an LP for the rest.

Built from the exact account's tables with scipy; it shares no code with the formulation.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from math import prod

import numpy as np
from scipy.optimize import linprog

from optimizer import exact, exact_delays
from optimizer.facts import needs_setup
from optimizer.problem import PlanningFacts, build_problem

NEARLY = 1e-6
"""A bound may be beyond what is bounded by this [currency]."""


def least_cost(facts: PlanningFacts) -> float:
    """The cheapest plan by enumeration [currency]; infinite where there is none."""
    problem = build_problem(facts)
    calendar = exact.read_calendar(facts)
    machines = facts.plant.machines
    starts = [options.starts for options in problem.machines]
    shifts = sorted({name for name in calendar.shifts if name})
    possible = [(c, s) for c in facts.capabilities if needs_setup(c, facts) for s in shifts]
    extra = _overtime(facts, calendar)
    best = float("inf")
    for chosen in itertools.product(*starts):
        fates = {m.name: exact.fate(facts, calendar, m, start=start) for m, start in zip(machines, chosen, strict=True)}
        limit = facts.policy.max_failure_probability
        if limit is not None and any(fate.failure_probability > limit for fate in fates.values()):
            continue
        if not within_groups(facts, {name: fate.failure_probability for name, fate in fates.items()}):
            continue
        windows = [f.window for f, start in zip(fates.values(), chosen, strict=True) if start is not None]
        if any(sum(a <= t < b for a, b in windows) > facts.policy.crews for t in range(facts.policy.horizon_h)):
            continue
        fixed = sum(float(fate.failure_cost) for fate in fates.values())
        fixed += sum(facts.class_of(m).maintenance_cost for m, s in zip(machines, chosen, strict=True) if s is not None)
        hours = exact.available(facts, calendar, fates)
        away = {line.name: [fates[m.name].window for m in line.machines] for line in facts.plant.lines}
        for way, made, running in _choices(facts, calendar, hours, possible, away):
            if fixed + way.cost + running >= best + NEARLY:
                continue
            taken = [setup for setup, is_made in zip(possible, made, strict=True) if is_made]
            spent = [(c.line, s, c.setup_h) for c, s in taken]
            spent += [(c.line, s, c.family_setup_h) for c, s in _families(facts, taken)]
            cost = sum(time_h * extra.get((line, s), (0.0, 0.0))[0] for line, s, time_h in spent)
            cost += way.cost
            cost += sum(c.setup_cost for c, _ in taken) + sum(c.family_setup_cost for c, _ in _families(facts, taken))
            if fixed + cost + running < best + NEARLY:
                best = min(best, fixed + cost + _least_running_cost(facts, calendar, hours, taken, way))
    return best


@dataclass(frozen=True)
class Way:
    """The families that lines go through: what each stands in, what changing takes of each hour, what it costs."""

    stands: dict[str, tuple[str, ...]]
    taken: dict[str, np.ndarray]
    cost: float


def _choices(facts, calendar, hours, possible, away) -> Iterator[tuple[Way, tuple[int, ...], float]]:
    """Every way through the families with every set of setups, and what running costs at least on that way."""
    lines = sorted({c.line for c in facts.changeovers})
    each = [list(_ways_of_line(facts, calendar, line, away[line])) for line in lines]
    for several in sorted(itertools.product(*each), key=lambda several: sum(cost for _, _, cost in several)):
        way = Way(
            stands={line: stands for line, (stands, _, _) in zip(lines, several, strict=True)},
            taken={line: taken for line, (_, taken, _) in zip(lines, several, strict=True)},
            cost=sum(cost for _, _, cost in several),
        )
        running = _least_running_cost(facts, calendar, hours, possible, way, free=True) if lines else 0.0
        yield from ((way, made, running) for made in itertools.product((0, 1), repeat=len(possible)))


def _ways_of_line(facts, calendar, line, windows) -> Iterator[tuple[tuple[str, ...], np.ndarray, float]]:
    """Every way of a line through its families, at most one change an hour, each over in time."""
    n = facts.policy.horizon_h
    manned = [float(share) for share in calendar.manned_share[line]]
    known = {p.name: p.family for p in facts.products}
    own = {known[c.product]: c for c in facts.capabilities if c.line == line}
    pairs = {(c.before, c.after): (c.hours, c.cost) for c in facts.changeovers if c.line == line}
    told = [each.family for each in facts.set_up_for if each.line == line]
    for stands in itertools.product(sorted(own), repeat=n + 1):
        if (told and stands[0] != told[0]) or any(
            a != b and not manned[t] for t, (a, b) in enumerate(pairwise(stands))
        ):
            continue
        taken, cost, is_over = np.zeros(n), 0.0, True
        for t, (before, after) in enumerate(pairwise(stands)):
            if before != after:
                c = own[after]
                left, price = pairs.get((before, after), (c.family_setup_h, c.family_setup_cost))
                cost += price
                for hour in range(t, n):
                    part = min(left, manned[hour])
                    taken[hour] += part
                    left -= part
                is_over = is_over and left < 1e-9
        meets = any(taken[t] > 0 and a <= t < b for a, b in windows for t in range(n))
        if is_over and not meets and (taken <= np.array(manned) + 1e-9).all():
            yield stands, taken, cost


def _overtime(facts, calendar) -> dict[tuple[str, str], tuple[float, float]]:
    """What an hour costs and how many there may be, by line and overtime shift."""
    return {
        (o.line, name): (o.cost_per_h, o.most_h_per_day)
        for o in facts.calendar.overtime
        for name in calendar.shifts
        if name.startswith("overtime")
    }


def _families(facts, taken) -> list:
    """One capability and shift for each family that a line changes to, where it makes others too."""
    family = {p.name: p.family for p in facts.products}
    others = {c.line: {family[o.product] for o in facts.capabilities if o.line == c.line} for c in facts.capabilities}
    changed = {
        (c.line, family[c.product], s): (c, s)
        for c, s in taken
        if family[c.product] and len(others[c.line]) > 1 and c.line not in {each.line for each in facts.changeovers}
    }
    return list(changed.values())


def within_groups(facts: PlanningFacts, fails: dict[str, Fraction]) -> bool:
    """Whether lines and plant fail no likelier than they may."""
    policy = facts.policy
    lines = [[fails[machine.name] for machine in line.machines] for line in facts.plant.lines]
    groups = [(policy.max_line_failure_probability, chances) for chances in lines]
    groups.append((policy.max_plant_failure_probability, list(fails.values())))
    return all(limit is None or 1 - prod(1 - p for p in chances) <= limit for limit, chances in groups)


def _least_running_cost(facts, calendar, hours, taken, way, *, free: bool = False) -> float:
    """An LP over running hours, stock, shortage and peak, in dense matrices; `free`: setups take no time."""
    n, caps, products = facts.policy.horizon_h, facts.capabilities, [p.name for p in facts.products]
    by_class: dict[tuple[str, float, int], np.ndarray] = {}
    for order in facts.orders:
        hour = max(-(-(order.due_at - facts.start) // timedelta(hours=1)) - 1, 0)
        product = next(p for p in facts.products if p.name == order.product)
        price, last = product.backlog_cost_per_unit_h, n
        if order.deadline_at is not None:
            last = max((order.deadline_at - facts.start) // timedelta(hours=1) - 1, 0)
        last = min(last, hour) if price is None else last
        hour = min(hour, last)
        if hour >= n:
            continue
        key = (order.product, (price or 0.0) * order.priority, last)
        by_class.setdefault(key, np.zeros(n))[hour] += order.quantity
    classes = sorted(by_class)
    extra = _overtime(facts, calendar)
    known = {p.name: p for p in facts.products}
    loss = {p.name: p.scrap_cost - p.scrap_value for p in facts.products}
    used_up = {c.product for p in facts.products for c in p.components} | {p.name for p in facts.products if p.reworks}
    u0, i0 = 0, len(caps) * n
    b0 = i0 + len(products) * n
    peak = b0 + len(classes) * n
    size = peak + 1
    cost, lower, upper = np.zeros(size), np.zeros(size), np.full(size, np.inf)
    rows, limits, equal, right = [], [], [], []
    idle = {
        line.name: sum(facts.class_of(machine).idle_power_kw for machine in line.machines) for line in facts.plant.lines
    }
    constant, draws = 0.0, []
    for t in range(n):
        price = float(calendar.prices[t]) + facts.tariff.co2_price_per_kg * float(calendar.co2[t])
        standing = sum(idle[line.name] * float(calendar.manned_share[line.name][t]) for line in facts.plant.lines)
        constant += price * standing
        draw = np.zeros(size)
        for k, c in enumerate(caps):
            scrap = loss[c.product] * c.scrap_ratio - loss.get(known[c.product].reworks, 0.0)
            off = (c.line, calendar.shifts[t]) in extra
            draw[u0 + k * n + t] = max(c.rate_per_h * c.energy_kwh_per_unit, idle[c.line]) - (
                0 if off else idle[c.line]
            )
            cost[u0 + k * n + t] += extra.get((c.line, calendar.shifts[t]), (0.0, 0.0))[0]
            cost[u0 + k * n + t] += c.rate_per_h * scrap
            is_made = (c, calendar.shifts[t]) in taken or not needs_setup(c, facts)
            stands = way.stands.get(c.line)
            is_made = is_made and (stands is None or known[c.product].family in stands[t : t + 2])
            upper[u0 + k * n + t] = float(calendar.open_share[c.line][t]) if is_made else 0.0
        cost += price * draw
        draws.append((draw, standing))
        row = draw.copy()
        row[peak] = -1.0
        rows.append(row)
        limits.append(-standing)
        for line in facts.plant.lines:
            row = np.zeros(size)
            for k, c in enumerate(caps):
                row[u0 + k * n + t] = float(c.line == line.name)
            rows.append(row)
            changing = way.taken[line.name][t] if line.name in way.taken else 0.0
            limits.append(min(float(hours[line.name][t]), float(calendar.open_share[line.name][t]) - changing))
        for j, name in enumerate(products):
            row = np.zeros(size)
            row[i0 + j * n + t] = 1.0
            due = -sum(units[t] for (product, *_), units in by_class.items() if product == name)
            for q, (product, *_) in enumerate(classes):
                if product == name:
                    row[b0 + q * n + t] = -1.0
                    if t:
                        row[b0 + q * n + t - 1] = 1.0
            for k, c in enumerate(caps):
                made = known[c.product]
                lead = known[name].lead_time_h
                if (made.reworks or made.name) == name and t >= lead:
                    row[u0 + k * n + t - lead] -= c.rate_per_h * (1 - c.scrap_ratio)
                if made.name == name and made.reworks:
                    row[u0 + k * n + t] += c.rate_per_h
                if known[name].reworks == made.name:
                    row[u0 + k * n + t] -= c.rate_per_h * c.scrap_ratio
                for component in made.components:
                    if component.product == name:
                        row[u0 + k * n + t] += c.rate_per_h * component.quantity
            if name in used_up:
                kept = np.zeros(size)
                for q, (product, *_) in enumerate(classes):
                    if product == name:
                        kept[b0 + q * n + t] = 1.0
                        if t:
                            kept[b0 + q * n + t - 1] = -1.0
                rows.append(kept)
                limits.append(sum(units[t] for (product, *_), units in by_class.items() if product == name))
            if t:
                row[i0 + j * n + t - 1] = -1.0
            else:
                due += sum(s.quantity for s in facts.stock if s.product == name)
            equal.append(row)
            right.append(due)
            cost[i0 + j * n + t] = next(p.holding_cost_per_unit_h for p in facts.products if p.name == name)
        for q, key in enumerate(classes):
            factor = facts.policy.final_backlog_factor if t == n - 1 else 1.0
            cost[b0 + q * n + t] = key[1] * factor
            upper[b0 + q * n + t] = by_class[key][: t + 1].sum() if t < key[2] else 0.0
        for j, product in enumerate(facts.products):
            net = np.zeros(size)
            net[i0 + j * n + t] = 1.0
            for q, (name, *_) in enumerate(classes):
                net[b0 + q * n + t] = -float(name == product.name)
            if product.hard_min_stock is not None:
                rows.append(-net)
                limits.append(-product.hard_min_stock)
            if product.hard_max_stock is not None:
                rows.append(net)
                limits.append(product.hard_max_stock)
    for line in facts.plant.lines:
        for shift in {name for name in calendar.shifts if name}:
            row = np.zeros(size)
            inside = [t for t in range(n) if calendar.shifts[t] == shift]
            for k, c in enumerate(caps):
                if c.line == line.name:
                    row[[u0 + k * n + t for t in inside]] = 1.0
            rows.append(row)
            here = [(c, s) for c, s in taken if c.line == line.name and s == shift]
            spent = sum(c.setup_h for c, _ in here) + sum(c.family_setup_h for c, _ in _families(facts, here))
            most = extra.get((line.name, shift), (0.0, 24.0))[1]
            spent = 0.0 if free else spent
            limits.append(min(sum(float(hours[line.name][t]) for t in inside), most) - spent)
            if line.name in way.taken and not shift.startswith("overtime"):
                rows.append(row)
                opened = sum(float(calendar.manned_share[line.name][t]) for t in inside)
                limits.append(opened - sum(way.taken[line.name][t] for t in inside) - spent)
    if facts.tariff.co2_cap_kg is not None:
        rows.append(sum(float(calendar.co2[t]) * draw for t, (draw, _) in enumerate(draws)))
        limits.append(
            facts.tariff.co2_cap_kg - sum(float(calendar.co2[t]) * standing for t, (_, standing) in enumerate(draws))
        )
    cost[peak] = facts.tariff.demand_charge_per_kw
    lower[peak] = facts.tariff.peak_so_far_kw
    constant -= facts.tariff.demand_charge_per_kw * facts.tariff.peak_so_far_kw
    if facts.policy.price_delays:
        cost, lower, upper, rows, equal = _with_delays(facts, calendar, (cost, lower, upper, rows, limits, equal))
    bounds = list(zip(lower, upper, strict=True))
    result = linprog(cost, np.array(rows), limits, np.array(equal), right, bounds, method="highs")
    return float(result.fun) + constant if result.status == 0 else float("inf")


def _with_delays(facts, calendar, program):
    """The LP with a course per line, product and hour in which the line is behind; the exact account says how often."""
    cost, lower, upper, rows, limits, equal = program
    n, caps, products = facts.policy.horizon_h, facts.capabilities, [p.name for p in facts.products]
    spare, fates = 1 - exact_delays._load(facts, calendar), exact_delays._fates_in_turn(facts, calendar)
    behind = {line.name: exact_delays._line(facts, line, spare, fates) for line in facts.plant.lines}
    more_cost, more_upper, more_rows = [], [], []
    for j, product in enumerate(facts.products):
        mine = [(max(-(-(o.due_at - facts.start) // timedelta(hours=1)) - 1, 0), o) for o in facts.orders]
        mine = [(due, o) for due, o in mine if o.product == product.name]
        for t in range(n):
            makes = [(k, c) for k, c in enumerate(caps) if c.product == product.name]
            total = max(sum(float(behind[c.line][1][t]) for _, c in makes), 1.0)
            price = product.backlog_cost_per_unit_h * (facts.policy.final_backlog_factor if t == n - 1 else 1.0)
            for k, c in makes:
                hours, weight = float(behind[c.line][0]), float(behind[c.line][1][t]) / total
                row = np.zeros(len(cost))  # stock and what is missing, less what was made lately, is not negative
                row[len(caps) * n + j * n + t] = -1.0
                for priority in {o.priority for _, o in mine}:
                    place = sorted({(o.product, backlog_price(facts, o)) for o in facts.orders}).index(
                        (product.name, product.backlog_cost_per_unit_h * priority)
                    )
                    column = (len(caps) + len(products) + place) * n + t
                    row[column] = 1.0
                    cost[column] -= weight * price * priority
                for back in range(int(hours) + 1):
                    if t >= back:
                        good = c.rate_per_h * (1 - c.scrap_ratio)
                        row[k * n + t - back] = good * min(hours - back, 1.0)
                columns = [(weight * price * o.priority, o.quantity) for due, o in mine if due <= t]
                more_rows.append((row, len(more_cost), len(columns)))
                more_cost += [each for each, _ in columns]
                more_upper += [quantity for _, quantity in columns]
    size, extra = len(cost), len(more_cost)
    rows[:] = [np.append(row, np.zeros(extra)) for row in rows]
    for row, first, count in more_rows:
        full = np.append(row, np.zeros(extra))
        full[size + first : size + first + count] = -1.0
        rows.append(full)
        limits.append(0.0)
    equal = [np.append(row, np.zeros(extra)) for row in equal]
    return (
        np.append(cost, more_cost),
        np.append(lower, np.zeros(extra)),
        np.append(upper, more_upper),
        rows,
        equal,
    )


def backlog_price(facts, order) -> float:
    """Of an order [currency/(unit h)]."""
    product = next(p for p in facts.products if p.name == order.product)
    return product.backlog_cost_per_unit_h * order.priority
