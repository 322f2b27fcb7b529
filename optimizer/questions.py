"""Why not X? A proven interval of what it would cost, from the best plan that does X and the bounds of both.

With `U` the cost of the best plan found and `B` the proven bound, without the demand (0) and with it (1), doing X costs
between `B1 - U0` and `U1 - B0` more, whatever the optima are; never less than nothing, as a demand takes plans away.
"""

from dataclasses import dataclass, replace

from optimizer.assemble import empty_plan
from optimizer.goals import as_planned, demand_money
from optimizer.problem import PlanningProblem, build_problem
from optimizer.statements import Demand, Statement, holds, limited, read_statement
from plant.plans import CostTerm, Goal, Plan, SolveStatus

PRESSING = 1000
"""An order that must be in time counts as this many times as urgent while its plan is sought."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What doing something else would cost."""

    question: str
    possible: bool
    least: float
    """It costs at least this much more [currency]; NaN where it is not possible."""
    most: float | None
    """And at most this much more [currency]; None: without a bound of the plan."""
    sentence: str
    terms: tuple[CostTerm, ...]
    """Where the difference comes from: the other plan's cost minus this one's, by term [currency]."""
    plan: Plan | None
    """The best plan found that does it."""


def why_not(problem: PlanningProblem, plan: Plan, *, text: str, time_limit_s: float) -> Answer:
    """What it would cost to do what a statement says instead of what the plan does.

    Args:
        problem: That the plan was made for.
        plan: With its certificate.
        text: One of the forms of `optimizer.statements`.
        time_limit_s: CPU time of the search [s].

    Raises:
        ConfigError: The text fits no form, or names nothing that is known.
    """
    return ask(problem, plan, statement=read_statement(text, problem), time_limit_s=time_limit_s)


def ask(problem: PlanningProblem, plan: Plan, *, statement: Statement, time_limit_s: float) -> Answer:
    """The answer to a demand that was read already."""
    if plan.certificate is None:
        return _no_answer(statement, "There is no plan to compare with.")
    demand_money(problem.facts, question="a why-not interval")
    problem = as_planned(problem, plan)
    if holds(statement, plan, problem):
        sentence = f"The plan does so already: {statement.text}."
        return Answer(
            question=statement.text, possible=True, least=0.0, most=0.0, sentence=sentence, terms=(), plan=plan
        )
    changed = _pressing(problem, statement) if statement.demand is Demand.DELIVER else limited(problem, statement)
    if isinstance(changed, str):
        return _no_answer(statement, changed)
    other = _best(changed, plan, time_limit_s=time_limit_s)
    if isinstance(other, str):
        return _no_answer(statement, other)
    if not holds(statement, other, changed):
        short = next((late for late in other.late if late.order == statement.order), None)
        missing = "" if short is None else f" {short.units_late:,.3g} units are missing when it is due even then."
        return _no_answer(statement, f"No plan was found that does so, whatever it may cost.{missing}")
    return _interval(problem, plan, other, statement)


def _interval(problem: PlanningProblem, plan: Plan, other: Plan, statement: Statement) -> Answer:
    base, forced = plan.certificate, other.certificate
    assert base is not None and forced is not None  # noqa: PT018 - both were published
    currency = problem.facts.plant.currency
    least = max((forced.bound if forced.bound is not None else float("-inf")) - base.recomputed_objective, 0.0)
    most = None if base.bound is None else max(forced.recomputed_objective - base.bound, least)
    found = forced.recomputed_objective - base.recomputed_objective
    if most is None:
        worth = f"costs at least {least:,.0f} {currency} more"
    elif most - least < 0.005 * max(abs(most), 1.0):
        worth = f"costs {most:,.0f} {currency} more"
    else:
        worth = f"costs between {least:,.0f} and {most:,.0f} {currency} more, proved"
    better = f" The plan found for it is {-found:,.0f} {currency} cheaper than this one: accept a new plan." if (
        found < -0.5
    ) else ""  # fmt: skip
    costs = {term.name: term.amount for term in plan.costs}
    terms = tuple(CostTerm(name=term.name, amount=term.amount - costs.get(term.name, 0.0)) for term in other.costs)
    terms = tuple(sorted((term for term in terms if abs(term.amount) >= 0.005), key=lambda term: -abs(term.amount)))
    sentence = f"`{statement.text}` {worth}.{better}"
    return Answer(
        question=statement.text, possible=True, least=least, most=most, sentence=sentence, terms=terms, plan=other
    )


def _pressing(problem: PlanningProblem, statement: Statement) -> PlanningProblem | str:
    """The problem in which the order comes before everything."""
    facts = problem.facts
    order = next(order for order in facts.orders if order.number == statement.order)
    product = next(product for product in facts.products if product.name == order.product)
    if order.due_at <= facts.start:
        return f"Order {order.number} was due before the plan begins."
    if not product.backlog_cost_per_unit_h:
        return f"{product.label} has no backlog price, so no order of it presses; give it one."
    pressed = replace(order, priority=max(order.priority, 1) * PRESSING)
    orders = tuple(pressed if each.number == order.number else each for each in facts.orders)
    pressing = build_problem(replace(facts, orders=orders))
    return replace(pressing, goal_limits=tuple(each for each in problem.goal_limits if each[0] is not Goal.LATENESS))


def _best(problem: PlanningProblem, plan: Plan, *, time_limit_s: float) -> Plan | str:
    """The best checked plan of a changed problem, or why there is none."""
    from optimizer.highs import Outcome
    from optimizer.search import search
    from optimizer.solve import publish

    found = search(problem, time_limit_s=time_limit_s)
    if found is Outcome.INFEASIBLE:
        return "No plan does so and keeps all limits."
    if isinstance(found, Outcome):
        return f"No plan that does so was found within {time_limit_s:g} s; a longer time limit may help."
    empty = empty_plan(problem, number=f"{plan.number}-other", created_at=plan.created_at, reason="why not")
    stages = plan.certificate.stages if plan.certificate is not None else ()
    other = publish(problem, found, empty, stages=stages)
    return other if other.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE) else other.headline


def _no_answer(statement: Statement, sentence: str) -> Answer:
    return Answer(
        question=statement.text,
        possible=False,
        least=float("nan"),
        most=None,
        sentence=sentence,
        terms=(),
        plan=None,
    )
