"""Why there is no plan: the rules in conflict, in the plant's words, and the cheapest repairs, solved.

The conflict is irreducible: without any one of its rules the rest would leave a plan. Source: Junker, QUICKXPLAIN:
preferred explanations and relaxations for over-constrained problems, AAAI 2004.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pulp

from optimizer import highs
from optimizer.formulation import formulate
from optimizer.problem import PlanningFacts, PlanningProblem, build_problem
from plant.plans import Conflict, Plan, Repair, SolveStatus

TIME_LIMIT_S = 3.0
"""For each question asked about an infeasible plan, and for each repair [s]."""
MAX_EXTRA_CREWS = 5
CREWS, CAP, FROZEN = "crews|plant", "co2_cap|plant", "frozen|plant"


def explain_infeasible(problem: PlanningProblem, empty: Plan) -> Plan:
    """The plan of status infeasible, with its conflicts and repairs."""
    conflict = tuple(f"capability|{number}" for number in problem.unmakeable) or tuple(find_conflict(problem))
    conflicts = tuple(Conflict(rule=_full_name(rule), sentence=_sentence(problem, rule)) for rule in conflict)
    repairs = tuple(sorted(_repairs(problem, conflict), key=lambda r: float("inf") if r.cost is None else r.cost))
    told = " ".join(rule.sentence for rule in conflicts) or "The rules in conflict could not be told apart in time."
    return replace(
        empty,
        status=SolveStatus.INFEASIBLE,
        conflicts=conflicts,
        repairs=repairs,
        headline=f"No plan keeps all rules. {told}",
    )


def find_conflict(problem: PlanningProblem) -> list[str]:
    """An irreducible set of limits that leave no plan together; empty where that is not so."""
    limits = list(_limits(problem))

    def is_feasible(kept: list[str]) -> bool:
        return _has_plan(problem, frozenset(limits) - frozenset(kept))

    if is_feasible(limits) or not is_feasible([]):
        return []
    return _quick_explain(is_feasible, [], [], limits)


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


def _limits(problem: PlanningProblem) -> Iterator[str]:
    if problem.frozen:
        yield FROZEN
    yield CREWS
    if problem.facts.tariff.co2_cap_kg is not None:
        yield CAP
    if problem.facts.policy.max_failure_probability is not None:
        yield from (f"chance|{options.machine}" for options in problem.machines)


def _has_plan(problem: PlanningProblem, left_out: frozenset[str]) -> bool:
    """Whether any plan keeps all limits but those left out."""
    if FROZEN in left_out:
        problem = replace(problem, frozen={})
    model = formulate(problem, left_out=left_out)
    model.program.setObjective(pulp.LpAffineExpression({model.peak: 0.0}))
    solution = highs.run(model.program, time_limit_s=TIME_LIMIT_S, gap=1.0)
    return solution.outcome is highs.Outcome.FOUND


def _full_name(rule: str) -> str:
    return f"{rule}|horizon"


def _sentence(problem: PlanningProblem, rule: str) -> str:
    """What a rule demands, in the plant's words."""
    facts = problem.facts
    name, entity = rule.split("|", 1)
    if name == "capability":
        order = next(order for order in facts.orders if order.number == entity)
        return (
            f"Order {entity} wants {order.quantity:g} {order.product} by {order.due_at:%Y-%m-%d %H:%M} UTC, "
            "which no line can make and stock does not cover."
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
    return f"The first {facts.policy.frozen_h} h are kept from the accepted plan."


def _repairs(problem: PlanningProblem, conflict: tuple[str, ...]) -> Iterator[Repair]:
    """Ways to give in, each solved where it leads to a plan."""
    facts = problem.facts
    if problem.unmakeable:
        orders = tuple(order for order in facts.orders if order.number not in problem.unmakeable)
        names = ", ".join(problem.unmakeable)
        sentence = f"Take {names} out of the order book, or name a line that can make the product."
        lost = sum(order.quantity for order in facts.orders if order.number in problem.unmakeable)
        yield Repair(sentence=sentence, amount=lost, cost=_cost(replace(facts, orders=orders)))
    if CAP in conflict and facts.tariff.co2_cap_kg is not None:
        needed = _least_emissions(problem) * 1.001 + 0.1
        sentence = f"Raise the emission cap from {facts.tariff.co2_cap_kg:g} kg to {needed:.1f} kg."
        raised = replace(facts, tariff=replace(facts.tariff, co2_cap_kg=needed))
        yield Repair(sentence=sentence, amount=needed - facts.tariff.co2_cap_kg, cost=_cost(raised))
    if CREWS in conflict:
        for extra in range(1, MAX_EXTRA_CREWS + 1):
            more = replace(facts, policy=replace(facts.policy, crews=facts.policy.crews + extra))
            if _has_plan(build_problem(more), frozenset()):
                sentence = f"Have {facts.policy.crews + extra} maintenance crews instead of {facts.policy.crews}."
                yield Repair(sentence=sentence, amount=float(extra), cost=_cost(more))
                break
    limit = facts.policy.max_failure_probability
    if limit is not None and any(rule.startswith("chance|") for rule in conflict):
        needed = min(_least_chance(problem) * (1 + 1e-6) + 1e-9, 1.0)
        sentence = f"Accept a failure probability of {needed:.2%} per machine instead of {limit:.2%}."
        relaxed = replace(facts, policy=replace(facts.policy, max_failure_probability=needed))
        yield Repair(sentence=sentence, amount=needed - limit, cost=_cost(relaxed))
    if FROZEN in conflict:
        thawed = replace(facts, policy=replace(facts.policy, frozen_h=0))
        yield Repair(
            sentence="Let the plan change its first hours.", amount=float(facts.policy.frozen_h), cost=_cost(thawed)
        )


def _cost(facts: PlanningFacts) -> float | None:
    """Cost of the best plan found for repaired facts within a short time; None: none found."""
    from optimizer.search import Found, search

    problem = build_problem(facts)
    found = None if problem.unmakeable else search(problem, time_limit_s=TIME_LIMIT_S)
    return found.solution.objective + found.constant if isinstance(found, Found) else None


def _least_emissions(problem: PlanningProblem) -> float:
    """The least that any plan emits [kg]."""
    model = formulate(problem, left_out=frozenset({CAP}))
    terms = {energy: float(problem.slots.co2_kg_per_kwh[t]) for t, energy in model.energy.items()}
    model.program.setObjective(pulp.LpAffineExpression(terms))
    solution = highs.run(model.program, time_limit_s=TIME_LIMIT_S, gap=1e-4)
    return solution.objective


def _least_chance(problem: PlanningProblem) -> float:
    """The least limit on every machine's failure probability that the crews can keep [0..1]."""
    left_out = frozenset(f"chance|{options.machine}" for options in problem.machines)
    model = formulate(problem, left_out=left_out)
    limit = model.program.add_variable("limit", 0, 1)
    for k, options in enumerate(problem.machines):
        terms = {variable: float(options.failure_probability[o]) for o, variable in model.choice[k].items()}
        fixed = 0.0 if terms else float(options.failure_probability[0])
        model.constrain(f"least_chance|{options.machine}", {**terms, limit: -1.0}, pulp.LpConstraintLE, -fixed)
    model.program.setObjective(pulp.LpAffineExpression({limit: 1.0}))
    return highs.run(model.program, time_limit_s=TIME_LIMIT_S, gap=1e-4).objective
