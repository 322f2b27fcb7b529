"""Which rules leave no plan together: an irreducible set of them, as few as people read.

What the hours of the lines rule out is found first, then what the plan's outline does, shift by shift; last the whole
program is asked. Source: Junker, QUICKXPLAIN: preferred explanations and relaxations for over-constrained problems,
AAAI 2004; Chinneck, Feasibility and Infeasibility in Optimization, 2008, ch. 6 (deletion and elastic filters).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pulp

from optimizer import highs
from optimizer.capacity import conflict_by_hours
from optimizer.formulation import formulate
from optimizer.infeasible_groups import group_rules
from optimizer.maintenance import choose_maintenance
from optimizer.needed import only_needed
from optimizer.outline import CAP, CREWS, FROZEN, Outline, idle_emissions
from optimizer.problem import PlanningProblem
from optimizer.shortfall import stock_limits, suspects, without_limits
from optimizer.statements import kept_options

TIME_LIMIT_S = 3.0
"""For a question to the whole program [s]."""
BUDGET_S = 0.8
"""For making a conflict smaller [s]."""
SMALL = 6000
"""Plants with more hours of makings that hard rules ask for and of machines are not asked of the whole program [h]."""
CHANGEOVERS = "changeovers"
"""Rule that a line changes over from family to family in order, as its name stands before the line's."""
FEW_RULES = 6
"""More rules are not told one machine at a time."""


def find_conflict(problem: PlanningProblem) -> list[str]:
    """An irreducible set of limits that leave no plan together; empty where that is not so.

    The machines of a line count as one rule at first, so that few rules are told of a big plant; machine by machine
    where that leaves no more than people read. What the hours of the lines alone rule out is found first, at once.
    """
    if by_hours := conflict_by_hours(problem):
        return by_hours
    if must_run(problem) and (by_shifts := conflict_by_outline(problem)):
        return by_shifts
    stock = suspects(problem, time_limit_s=TIME_LIMIT_S) if any(stock_limits(problem)) else []
    by_line = _conflict_of(problem, [*stock, *_limits(problem, by_line=True)])
    if len(problem.lines) == len(problem.machines):
        return by_line
    single = [machine for rule in by_line for machine in _expanded(problem, rule)]
    if len(single) > FEW_RULES:
        return by_line
    return _conflict_of(problem, single)


def is_impossible_at_once(problem: PlanningProblem) -> bool:
    """Whether milliseconds prove that no plan keeps all rules: asked before any search."""
    if not must_run(problem):
        return False
    outline = Outline(problem)
    return outline.is_ruled_out(outline.rules, by_whole_setups=False)


def conflict_by_outline(problem: PlanningProblem) -> list[str]:
    """Limits that the plan's outline finds in conflict, none to spare there; empty: it finds none.

    Few rules are asked of the whole program too whether none can be spared.
    """
    outline = Outline(problem)
    stock = sorted((rule for rule in stock_limits(problem) if rule in outline.rules), key=outline.size)
    every = [*stock, *_limits(problem, by_line=True)]  # the largest orders are spared last, so that few are told
    if not outline.is_ruled_out(outline.rules):
        return []
    until_s = time.thread_time() + BUDGET_S
    found = _spared(problem, outline, every, until_s)
    single = [each for rule in found for each in _expanded(problem, rule)]
    if len(found) < len(single) <= FEW_RULES:
        found = _spared(problem, outline, single, until_s)
    whole = frozenset([*stock_limits(problem), *_limits(problem, by_line=False)])
    for rule in list(found) if len(found) <= FEW_RULES else ():
        rest = [other for other in found if other != rule]
        left_out = whole - {each for other in rest for each in _expanded(problem, other)}
        if rest and time.thread_time() < until_s and is_small(problem, left_out) and not has_plan(problem, left_out):
            found = rest
    return sorted(found, key=lambda rule: rule in stock)


def _spared(problem: PlanningProblem, outline: Outline, rules: list[str], until_s: float) -> list[str]:
    """What is left of some rules in conflict once every one that can be spared is, as far as time allows."""

    def singles(kept: list[str]) -> list[str]:
        known = set(outline.rules)
        return [each for rule in kept for each in _expanded(problem, rule) if each in known]

    def within(kept: list[str], suspected: list[str]) -> list[str]:
        return [rule for rule in kept if not set(suspected).isdisjoint(_expanded(problem, rule))]

    kept = within(rules, list(outline.rules))
    if suspected := outline.suspects(singles(kept)):
        kept, at = within(kept, suspected), 0
        while at < len(kept) and len(kept) > 1 and time.thread_time() < until_s:
            rest = kept[:at] + kept[at + 1 :]
            if suspected := outline.suspects(singles(rest)):
                kept = within(rest, suspected)
            else:
                at += 1
        if len(kept) <= FEW_RULES:
            return kept
    step = max(len(kept) // 2, 1)
    while step:  # leave out parts, ever smaller ones, as long as what is left cannot be kept
        at = 0
        while at < len(kept) and time.thread_time() < until_s:
            rest = kept[:at] + kept[at + step :]
            if rest and outline.is_ruled_out(singles(rest)):
                kept = rest
            else:
                at += step
        step //= 2
    return kept


def may_have_plan(problem: PlanningProblem) -> bool:
    """Whether nothing proves that no plan keeps all rules, in a short time."""
    if must_run(problem):
        outline = Outline(problem)
        if outline.is_ruled_out(outline.rules):
            return False
        if not is_small(problem):
            return True
    return has_plan(problem, frozenset())


def is_small(problem: PlanningProblem, left_out: frozenset[str] = frozenset()) -> bool:
    """Whether what hard rules ask for, but for some left out, is little enough to ask the whole program."""
    needed = only_needed(without_limits(problem, left_out))
    return (len(needed.makings) + len(needed.machines)) * needed.hours <= SMALL


def _conflict_of(problem: PlanningProblem, limits: list[str]) -> list[str]:
    every = frozenset([*stock_limits(problem), *_limits(problem, by_line=False)])

    def is_feasible(kept: list[str]) -> bool:
        return has_plan(problem, every - {each for rule in kept for each in _expanded(problem, rule)})

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
    yield from (f"{CHANGEOVERS}|{problem.lines[line]}" for line in problem.changes)
    yield CREWS
    if problem.facts.tariff.co2_cap_kg is not None:
        yield CAP
    if problem.facts.policy.max_failure_probability is not None:
        names = problem.lines if by_line else [options.machine for options in problem.machines]
        yield from (f"chance|{name}" for name in names)
    yield from group_rules(problem)


def has_plan(problem: PlanningProblem, left_out: frozenset[str]) -> bool:
    """Whether a plan may keep all limits but those left out; false only where it is proved that none does."""
    problem = without_limits(problem, left_out)
    if FROZEN in left_out:
        problem = replace(problem, frozen={})
    kept = {n: each for n, each in problem.changes.items() if f"{CHANGEOVERS}|{problem.lines[n]}" not in left_out}
    problem = replace(problem, changes=kept)
    cap = problem.facts.tariff.co2_cap_kg
    if not must_run(problem):
        if CAP not in left_out and cap is not None and idle_emissions(problem) > cap:
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
    model = formulate(only_needed(problem), left_out=left_out)
    model.program.setObjective(pulp.LpAffineExpression({model.peak: 0.0}))
    solution = highs.run(model.program, time_limit_s=TIME_LIMIT_S, gap=1.0)
    return solution.outcome is not highs.Outcome.INFEASIBLE


def must_run(problem: PlanningProblem) -> bool:
    """Whether frozen hours or hard rules make a line run. Else production breaks no limit, as orders may wait."""
    return any(low > 0 for low, _ in problem.frozen.values()) or any(stock_limits(problem))


def bare(problem: PlanningProblem) -> PlanningProblem:
    """The choice of maintenance alone: what is asked of a week without frozen hours then takes milliseconds."""
    slots = replace(problem.slots, open_share=np.zeros_like(problem.slots.open_share))
    return replace(problem, slots=slots, makings=(), demands=(), stock={}, holding={}, frozen={}, changes={})


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
    return replace(bare(problem), facts=replace(problem.facts, policy=policy), machines=tuple(machines))
