"""Why there is no plan: the rules in conflict, in the plant's words, and the cheapest repairs, solved.

The conflict is irreducible: without any one of its rules the rest would leave a plan. Source: Junker, QUICKXPLAIN:
preferred explanations and relaxations for over-constrained problems, AAAI 2004.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isfinite

from optimizer import highs
from optimizer.capacity import missing_by_hours
from optimizer.conflict import FEW_RULES, bare, find_conflict, is_small, may_have_plan, must_run
from optimizer.infeasible_groups import RULES, chance_ways_out, group_sentence
from optimizer.needed import only_needed
from optimizer.outline import CAP, CREWS, FROZEN, Outline, idle_emissions
from optimizer.problem import PlanningFacts, PlanningProblem, build_problem
from optimizer.shortfall import DEADLINE, KINDS, Lack, give_in, lacks, limit_sentence
from plant.plans import Conflict, Goal, Plan, Repair, SolveStatus

TIME_LIMIT_S = 3.0
"""For each question asked about an infeasible plan, and for each repair [s]."""
LEAST_S = 1.0
"""For the least that must give; what is found by then is enough, if not the least [s]."""
CLEAN_S = 0.5
"""For the cleanest plan [s]."""
MAX_EXTRA_CREWS = 5


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
    priced = [repair for way in ways_out(problem, conflict) if (repair := _priced(way)) is not None]
    repairs = tuple(sorted(priced, key=lambda repair: inf if repair.cost is None else repair.cost))
    told = " ".join(rule.sentence for rule in conflicts[:FEW_RULES])
    told = told or "The rules in conflict could not be told apart in time."
    if len(conflicts) > FEW_RULES:
        told += f" And {len(conflicts) - FEW_RULES} more, below."
    return replace(
        empty,
        status=SolveStatus.INFEASIBLE,
        conflicts=conflicts,
        repairs=repairs,
        headline=f"No plan keeps all rules. {told}",
    )


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
    if name == "changeovers":
        label = next(line.label for line in facts.plant.lines if line.name == entity)
        longest = max(each.hours for each in facts.changeovers if each.line == entity)
        takes = f"which takes up to {longest:g} h."
        return f"{label} makes one family at a time and changes over at most once an hour, {takes}"
    if name == "crews":
        crews = facts.policy.crews
        return f"Only {crews} maintenance crew{'' if crews == 1 else 's'} can work at a time."
    if name == "co2_cap":
        least = _least_emissions(problem)[0]
        cap = f"Emissions may be at most {facts.tariff.co2_cap_kg:g} kg"
        return f"{cap}; no plan that keeps the rest emits less than {least:.4g} kg."
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
            yield from _giving_units(problem, kind)
    if facts.calendar.overtime and any(rule.split("|", 1)[0] in KINDS for rule in conflict):
        yield from _more_overtime(facts)
    cleanest = _least_emissions(problem)[1] if CAP in conflict else inf
    if isfinite(cleanest) and facts.tariff.co2_cap_kg is not None:
        needed = cleanest * 1.001 + 0.1
        sentence = f"Raise the emission cap from {facts.tariff.co2_cap_kg:g} kg to {needed:.1f} kg."
        raised = replace(facts, tariff=replace(facts.tariff, co2_cap_kg=needed))
        yield WayOut(sentence=sentence, amount=needed - facts.tariff.co2_cap_kg, facts=raised)
    if CREWS in conflict:
        for extra in range(1, MAX_EXTRA_CREWS + 1):
            if may_have_plan(replace(problem, crews_free=tuple(free + extra for free in problem.crews_free))):
                sentence = f"Have {facts.policy.crews + extra} maintenance crews instead of {facts.policy.crews}."
                more = replace(facts, policy=replace(facts.policy, crews=facts.policy.crews + extra))
                yield WayOut(sentence=sentence, amount=float(extra), facts=more)
                break
    for sentence, amount, relaxed in chance_ways_out(_maintained(problem), conflict):
        yield WayOut(sentence=sentence, amount=amount, facts=relaxed)
    if FROZEN in conflict:
        thawed = replace(facts, policy=replace(facts.policy, frozen_h=0), fixed_lots=())
        sentence = f"Let the plan change its first hours{' and what was fixed' if facts.fixed_lots else ''}."
        yield WayOut(sentence=sentence, amount=float(facts.policy.frozen_h), facts=thawed)


def _giving_units(problem: PlanningProblem, kind: str) -> Iterator[WayOut]:
    """Units that hard rules of a kind must give: the least, where it is found at once; else what surely is enough."""
    facts = problem.facts
    if is_small(problem):
        missing = lacks(only_needed(problem), kind, time_limit_s=LEAST_S)
        if missing is None and kind == DEADLINE:
            yield _without_deadlines(problem)
    else:
        if kind == DEADLINE:
            yield _without_deadlines(problem)
        outline = Outline(problem)
        found = outline.lacks([rule for rule in outline.rules if rule.split("|", 1)[0] == kind])
        missing = None if found is None else [Lack(rule=rule, units=units) for rule, units in found.items()]
    if missing:
        sentence, units, changed = give_in(facts, kind, missing)
        yield WayOut(sentence=sentence, amount=units, facts=changed)


def _maintained(problem: PlanningProblem) -> PlanningProblem:
    """What the choice of maintenance is asked about: what must be made besides, where that can be asked at once."""
    return only_needed(problem) if must_run(problem) and is_small(problem) else bare(problem)


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
    if extra > 0 and may_have_plan(build_problem(longer)):
        names = ", ".join(each.line for each in overtime)
        yield WayOut(sentence=f"Do not limit the overtime of {names} by the day.", amount=extra, facts=longer)


def _priced(way: WayOut) -> Repair | None:
    """A repair with the cost of the best plan found in a short time, if any; None: it is proved to lead to none."""
    from optimizer.search import Found, search

    problem = build_problem(way.facts)
    found = search(problem, time_limit_s=TIME_LIMIT_S) if not problem.unmakeable else highs.Outcome.UNFINISHED
    if found is highs.Outcome.INFEASIBLE:
        return None
    cost = found.solution.objective + found.constant if isinstance(found, Found) else None
    return Repair(sentence=way.sentence, amount=way.amount, cost=cost)


def _least_emissions(problem: PlanningProblem) -> tuple[float, float]:
    """What every plan emits at least, and what the cleanest plan found does [kg]."""
    from optimizer.search import Found, search

    if not must_run(problem):
        return idle_emissions(problem), idle_emissions(problem)
    facts = replace(problem.facts, tariff=replace(problem.facts.tariff, co2_cap_kg=None))
    asked = replace(only_needed(replace(problem, facts=facts)), goal=Goal.CO2)
    found = search(asked, time_limit_s=CLEAN_S)
    if not isinstance(found, Found):
        return idle_emissions(problem), inf
    reached = found.solution.objective + found.constant
    return (idle_emissions(problem) if found.bound is None else found.bound), reached
