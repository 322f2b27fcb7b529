"""Why there is no plan: the rules in conflict, in the plant's words, and the cheapest repairs, solved.

The conflict is irreducible: without any one of its rules the rest would leave a plan. Source: Junker, QUICKXPLAIN:
preferred explanations and relaxations for over-constrained problems, AAAI 2004.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pulp

from optimizer import highs
from optimizer.capacity import conflict_by_hours, missing_by_hours
from optimizer.formulation import formulate
from optimizer.infeasible_groups import RULES, chance_ways_out, group_rules, group_sentence
from optimizer.maintenance import choose_maintenance
from optimizer.problem import PlanningFacts, PlanningProblem, build_problem
from optimizer.shortfall import (
    DEADLINE,
    KINDS,
    give_in,
    lacks,
    limit_sentence,
    stock_limits,
    suspects,
    without_limits,
)
from optimizer.statements import kept_options
from plant.plans import Conflict, Plan, Repair, SolveStatus

TIME_LIMIT_S = 3.0
"""For each question asked about an infeasible plan, and for each repair [s]."""
MAX_EXTRA_CREWS = 5
SMALL = 6000
"""Plants with more (making, hour)s are told repairs that need no search."""
FEW_RULES = 6
"""More rules are not told one machine at a time."""
CREWS, CAP, FROZEN = "crews|plant", "co2_cap|plant", "frozen|plant"


@dataclass(frozen=True, kw_only=True, slots=True)
class WayOut:
    """A repair that is not priced yet."""

    sentence: str
    amount: float
    """How much of the rule must give [unit of the rule]."""
    facts: PlanningFacts
    """With the repair."""


def explain_infeasible(problem: PlanningProblem, empty: Plan) -> Plan:
    """The plan of status infeasible, with its conflicts and repairs."""
    conflict = tuple(f"capability|{number}" for number in problem.unmakeable) or tuple(find_conflict(problem))
    conflicts = tuple(Conflict(rule=_full_name(rule), sentence=_sentence(problem, rule)) for rule in conflict)
    priced = [Repair(sentence=w.sentence, amount=w.amount, cost=_cost(w.facts)) for w in ways_out(problem, conflict)]
    repairs = tuple(sorted(priced, key=lambda r: float("inf") if r.cost is None else r.cost))
    told = " ".join(rule.sentence for rule in conflicts) or "The rules in conflict could not be told apart in time."
    return replace(
        empty,
        status=SolveStatus.INFEASIBLE,
        conflicts=conflicts,
        repairs=repairs,
        headline=f"No plan keeps all rules. {told}",
    )


def find_conflict(problem: PlanningProblem) -> list[str]:
    """An irreducible set of limits that leave no plan together; empty where that is not so.

    The machines of a line count as one rule at first, so that few rules are told of a big plant; machine by machine
    where that leaves no more than people read. What the hours of the lines alone rule out is found first, at once.
    """
    if by_hours := conflict_by_hours(problem):
        return by_hours
    stock = suspects(problem, time_limit_s=TIME_LIMIT_S) if any(stock_limits(problem)) else []
    by_line = _conflict_of(problem, [*stock, *_limits(problem, by_line=True)])
    if len(problem.lines) == len(problem.machines):
        return by_line
    single = [machine for rule in by_line for machine in _expanded(problem, rule)]
    if len(single) > FEW_RULES:
        return by_line
    return _conflict_of(problem, single)


def _conflict_of(problem: PlanningProblem, limits: list[str]) -> list[str]:
    every = frozenset([*stock_limits(problem), *_limits(problem, by_line=False)])

    def is_feasible(kept: list[str]) -> bool:
        return _has_plan(problem, every - {each for rule in kept for each in _expanded(problem, rule)})

    if is_feasible(limits) or not is_feasible([]):
        return []
    return _quick_explain(is_feasible, [], [], limits)


def _expanded(problem: PlanningProblem, rule: str) -> tuple[str, ...]:
    """The rules of single machines that a rule of a line stands for."""
    name, entity = rule.split("|", 1)
    if name != "chance" or entity in problem.facts.plant.machine_index:
        return (rule,)
    return tuple(f"chance|{options.machine}" for options in problem.machines if options.line == entity)


def _quick_explain(
    is_feasible: Callable[[list[str]], bool], background: list[str], added: list[str], limits: list[str]
) -> list[str]:
    if added and not is_feasible(background):
        return []
    if len(limits) == 1:
        return limits
    half = len(limits) // 2
    first, second = limits[:half], limits[half:]
    found = _quick_explain(is_feasible, background + first, first, second)
    return found + _quick_explain(is_feasible, background + found, found, first)


def _limits(problem: PlanningProblem, *, by_line: bool) -> Iterator[str]:
    if problem.frozen:
        yield FROZEN
    yield CREWS
    if problem.facts.tariff.co2_cap_kg is not None:
        yield CAP
    if problem.facts.policy.max_failure_probability is not None:
        names = problem.lines if by_line else [options.machine for options in problem.machines]
        yield from (f"chance|{name}" for name in names)
    yield from group_rules(problem)


def _has_plan(problem: PlanningProblem, left_out: frozenset[str]) -> bool:
    """Whether a plan may keep all limits but those left out; false only where it is proved that none does."""
    problem = without_limits(problem, left_out)
    if FROZEN in left_out:
        problem = replace(problem, frozen={})
    cap = problem.facts.tariff.co2_cap_kg
    if not _must_run(problem):
        if CAP not in left_out and cap is not None and _idle_emissions(problem) > cap:
            return False
        narrowed = _narrowed(problem, left_out)
        if narrowed is None:
            return False
        is_grouped = not left_out.issuperset(group_rules(problem))
        if (CREWS in left_out and not is_grouped) or choose_maintenance(narrowed, {}) is not None:
            return True
        needed_h = sum(min(last - first for first, last in options.windows) for options in narrowed.machines)
        if needed_h > sum(narrowed.crews_free):
            return False
        problem, left_out = narrowed, left_out | {CAP}
    model = formulate(problem, left_out=left_out)
    model.program.setObjective(pulp.LpAffineExpression({model.peak: 0.0}))
    solution = highs.run(model.program, time_limit_s=TIME_LIMIT_S, gap=1.0)
    return solution.outcome is not highs.Outcome.INFEASIBLE


def _must_run(problem: PlanningProblem) -> bool:
    """Whether frozen hours or hard rules make a line run. Else production breaks no limit, as orders may wait."""
    return any(low > 0 for low, _ in problem.frozen.values()) or any(stock_limits(problem))


def _bare(problem: PlanningProblem) -> PlanningProblem:
    """The choice of maintenance alone: what is asked of a week without frozen hours then takes milliseconds."""
    slots = replace(problem.slots, open_share=np.zeros_like(problem.slots.open_share))
    return replace(problem, slots=slots, makings=(), demands=(), stock={}, holding={}, frozen={})


def _narrowed(problem: PlanningProblem, left_out: frozenset[str]) -> PlanningProblem | None:
    """The bare problem with the options that keep each machine's limit; none, where doing nothing keeps it.

    None where a machine has no such option.
    """
    limit = problem.facts.policy.max_failure_probability
    machines = []
    for options in problem.machines:
        free = limit is None or f"chance|{options.machine}" in left_out
        kept = [o for o, chance in enumerate(options.failure_probability) if free or chance <= (limit or 0.0)]
        if not kept:
            return None
        if options.forced:
            machines.append(options)
            continue
        if left_out.issuperset(group_rules(problem)):
            kept = [0] if 0 in kept and options.starts[0] is None else kept
        only = kept_options(options, kept)
        machines.append(replace(only, forced=len(kept) == 1 and only.starts[0] is not None))
    policy = replace(problem.facts.policy, max_failure_probability=None)  # kept by the choice of options
    return replace(_bare(problem), facts=replace(problem.facts, policy=policy), machines=tuple(machines))


def _idle_emissions(problem: PlanningProblem) -> float:
    """Of lines that are open and make nothing [kg]."""
    return float((problem.idle_kw @ problem.slots.manned_share) @ problem.slots.co2_kg_per_kwh)


def _full_name(rule: str) -> str:
    return f"{rule}|horizon"


def _sentence(problem: PlanningProblem, rule: str) -> str:
    """What a rule demands, in the plant's words."""
    facts = problem.facts
    name, entity = rule.split("|", 1)
    if name in KINDS:
        return limit_sentence(facts, rule)
    if name == "capability":
        order = next(order for order in facts.orders if order.number == entity)
        return (
            f"Order {entity} wants {order.quantity:g} {order.product} by {order.due_at:%Y-%m-%d %H:%M} UTC, "
            "which no line can make and stock does not cover."
        )
    if name in RULES:
        return group_sentence(problem, rule)
    if name == "chance" and entity not in facts.plant.machine_index:
        limit = facts.policy.max_failure_probability or 0.0
        mine = [each for each in problem.machines if each.line == entity and each.failure_probability[0] > limit]
        label = next(line.label for line in facts.plant.lines if line.name == entity)
        count = f"{len(mine)} machine{'' if len(mine) == 1 else 's'}"
        return (
            f"{count} of {label} may each fail with at most {limit:.1%} in the horizon, and must be maintained for it."
        )
    if name == "chance":
        options = next(options for options in problem.machines if options.machine == entity)
        limit = facts.policy.max_failure_probability or 0.0
        least = float(options.failure_probability.min())
        label = facts.plant.machine_index[entity].label
        return f"{label} may fail with at most {limit:.1%} in the horizon; its best option leaves {least:.1%}."
    if name == "crews":
        crews = facts.policy.crews
        return f"Only {crews} maintenance crew{'' if crews == 1 else 's'} can work at a time."
    if name == "co2_cap":
        least = _least_emissions(problem)
        return f"Emissions may be at most {facts.tariff.co2_cap_kg:g} kg; the least possible is {least:.4g} kg."
    if facts.fixed_lots:
        return "What a person fixed is made as fixed, and the first hours are kept from the accepted plan."
    return f"The first {facts.policy.frozen_h} h are kept from the accepted plan."


def ways_out(problem: PlanningProblem, conflict: tuple[str, ...]) -> Iterator[WayOut]:
    """Ways to give in, each leading to a plan; found one by one, before any is priced."""
    facts = problem.facts
    if problem.unmakeable:
        orders = tuple(order for order in facts.orders if order.number not in problem.unmakeable)
        names = ", ".join(problem.unmakeable)
        sentence = f"Take {names} out of the order book, or name a line that can make the product."
        lost = sum(order.quantity for order in facts.orders if order.number in problem.unmakeable)
        yield WayOut(sentence=sentence, amount=lost, facts=replace(facts, orders=orders))
    for kind in KINDS:
        if any(rule.startswith(f"{kind}|") for rule in conflict):
            is_small = len(problem.makings) * problem.hours <= SMALL
            missing = lacks(problem, kind, time_limit_s=TIME_LIMIT_S) if is_small or kind != DEADLINE else None
            if missing:
                sentence, units, changed = give_in(facts, kind, missing)
                yield WayOut(sentence=sentence, amount=units, facts=changed)
            elif missing is None and kind == DEADLINE:
                yield _without_deadlines(problem)
    if facts.calendar.overtime and any(rule.split("|", 1)[0] in KINDS for rule in conflict):
        yield from _more_overtime(facts)
    if CAP in conflict and facts.tariff.co2_cap_kg is not None:
        needed = _least_emissions(problem) * 1.001 + 0.1
        sentence = f"Raise the emission cap from {facts.tariff.co2_cap_kg:g} kg to {needed:.1f} kg."
        raised = replace(facts, tariff=replace(facts.tariff, co2_cap_kg=needed))
        yield WayOut(sentence=sentence, amount=needed - facts.tariff.co2_cap_kg, facts=raised)
    if CREWS in conflict:
        for extra in range(1, MAX_EXTRA_CREWS + 1):
            if _has_plan(replace(problem, crews_free=tuple(free + extra for free in problem.crews_free)), frozenset()):
                sentence = f"Have {facts.policy.crews + extra} maintenance crews instead of {facts.policy.crews}."
                more = replace(facts, policy=replace(facts.policy, crews=facts.policy.crews + extra))
                yield WayOut(sentence=sentence, amount=float(extra), facts=more)
                break
    bare = problem if _must_run(problem) else _bare(problem)
    for sentence, amount, relaxed in chance_ways_out(bare, conflict):
        yield WayOut(sentence=sentence, amount=amount, facts=relaxed)
    if FROZEN in conflict:
        thawed = replace(facts, policy=replace(facts.policy, frozen_h=0), fixed_lots=())
        sentence = f"Let the plan change its first hours{' and what was fixed' if facts.fixed_lots else ''}."
        yield WayOut(sentence=sentence, amount=float(facts.policy.frozen_h), facts=thawed)


def _without_deadlines(problem: PlanningProblem) -> WayOut:
    """All orders may wait: what a large plant is told, where which ones must could not be found at once."""
    short = missing_by_hours(problem)
    orders = tuple(replace(order, deadline_at=None) for order in problem.facts.orders)
    least = ", ".join(
        f"{rule.split('|', 1)[1]} ({units:.4g} units)" for rule, units in sorted(short.items())[:FEW_RULES]
    )
    told = f" at least {least} will be later than their deadline." if least else " which are later is then for costs."
    return WayOut(
        sentence=f"Take the deadlines as due dates:{told}",
        amount=sum(short.values()),
        facts=replace(problem.facts, orders=orders),
    )


def _more_overtime(facts: PlanningFacts) -> Iterator[WayOut]:
    """As much overtime as a day has hours, where that leads to a plan."""
    overtime = tuple(replace(each, most_h_per_day=24.0) for each in facts.calendar.overtime)
    longer = replace(facts, calendar=replace(facts.calendar, overtime=overtime))
    extra = sum(24.0 - each.most_h_per_day for each in facts.calendar.overtime)
    if extra > 0 and _has_plan(build_problem(longer), frozenset()):
        names = ", ".join(each.line for each in overtime)
        yield WayOut(sentence=f"Do not limit the overtime of {names} by the day.", amount=extra, facts=longer)


def _cost(facts: PlanningFacts) -> float | None:
    """Cost of the best plan found for repaired facts within a short time; None: none found."""
    from optimizer.search import Found, search

    problem = build_problem(facts)
    found = None if problem.unmakeable else search(problem, time_limit_s=TIME_LIMIT_S)
    return found.solution.objective + found.constant if isinstance(found, Found) else None


def _least_emissions(problem: PlanningProblem) -> float:
    """The least that any plan emits [kg]."""
    if not _must_run(problem):
        return _idle_emissions(problem)
    model = formulate(problem, left_out=frozenset({CAP}))
    terms = {energy: float(problem.slots.co2_kg_per_kwh[t]) for t, energy in model.energy.items()}
    model.program.setObjective(pulp.LpAffineExpression(terms))
    solution = highs.run(model.program, time_limit_s=TIME_LIMIT_S, gap=1e-4)
    return solution.objective
