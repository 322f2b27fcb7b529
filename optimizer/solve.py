"""From a problem to a checked plan: solve, round, check, and say what it is worth.

There is always an answer: a plan that passed the independent check, or a status with the reason. The solver is loaded
only when something is solved.
"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from optimizer.assemble import assemble, empty_plan
from optimizer.certify import certify
from optimizer.explain import headline
from optimizer.problem import PlanningProblem
from optimizer.rounding import Schedule, available_hours, round_to_units
from plant.plans import Plan, SolveStatus

if TYPE_CHECKING:
    from optimizer.formulation import Model
    from optimizer.highs import Outcome, Solution, Start

log = logging.getLogger(__name__)

PROVED_GAP = 1e-4
"""A plan is called optimal where no other can cost this part less; HiGHS' own default for optimal."""
SAVING_TIME_SHARE = 0.25
"""Part of the time limit that the comparison without the proposed maintenance may take."""
FIRST_PLAN_TIME_SHARE = 0.35
"""Part of the time limit for a first plan with the maintenance that the linear relaxation leans to [0..1]."""
SMALL = 150
"""Programs with fewer yes-or-no choices are solved without a first plan."""
SAVING_GAP = 0.02
"""Relative gap of that comparison; its bound, not its incumbent, makes the saving [0..1]."""
LEANING = 0.05
"""Setups that the linear relaxation makes to at least this part are made in a completed plan [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A schedule with what the solver proved about it."""

    schedule: Schedule
    solution: "Solution"
    constant: float
    """Cost that no choice changes [currency]."""
    how: str
    """How it came about, as the certificate states it."""

    @property
    def bound(self) -> float | None:
        """No plan can cost less [currency]."""
        return None if self.solution.bound is None else self.solution.bound + self.constant


def solve(problem: PlanningProblem, *, number: str, created_at: datetime, reason: str) -> Plan:
    """The best plan found within the policy's time limit, checked; or a status and why there is none.

    Args:
        problem: From `build_problem`.
        number: The plan's stable identifier.
        created_at: Plant time.
        reason: Why the plan is made, e.g. `hourly`.
    """
    from optimizer.highs import Outcome
    from optimizer.infeasible import explain_infeasible

    empty = empty_plan(problem, number=number, created_at=created_at, reason=reason)
    policy = problem.facts.policy
    if problem.unmakeable:
        return explain_infeasible(problem, empty)
    found = search(problem, time_limit_s=policy.time_limit_s)
    if isinstance(found, Outcome):
        if found is Outcome.INFEASIBLE:
            return explain_infeasible(problem, empty)
        sentence = (
            f"No plan was found within {policy.time_limit_s:g} s. A longer time limit or a shorter horizon may help."
        )
        return replace(empty, headline=sentence)
    plan = publish(problem, found, empty)
    if plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        without = _without_maintenance(problem, plan)
        saving, at_least = without if without is not None else (None, False)
        plan = replace(plan, saving=saving, headline=headline(problem.facts, plan, saving, at_least=at_least))
    log.info("plan_made", extra={"plan": number, "status": plan.status.value, "took_s": found.solution.seconds})
    return plan


def search(
    problem: PlanningProblem, *, time_limit_s: float, gap: float | None = None, without: frozenset[str] = frozenset()
) -> "Found | Outcome":
    """The best schedule the solver finds, with `without` naming machines that may not be maintained.

    Stops at a relative `gap`; None: the policy's.
    """
    from optimizer import highs
    from optimizer.formulation import formulate

    gap = problem.facts.policy.gap if gap is None else gap
    model = formulate(problem, without=without)
    began = time.perf_counter()
    start = _first_plan(model, time_limit_s=time_limit_s * FIRST_PLAN_TIME_SHARE, gap=gap)
    spent_s = time.perf_counter() - began
    solution = highs.run(model.program, time_limit_s=max(time_limit_s - spent_s, 0.1), gap=gap, start=start)
    solution = replace(solution, seconds=solution.seconds + spent_s)
    how = highs.description(time_limit_s=time_limit_s, gap=gap)
    if solution.outcome is highs.Outcome.UNFINISHED:
        solution, how = _fallback(problem, model, solution), f"{how}; completed from fixed maintenance and setups"
    if solution.outcome is not highs.Outcome.FOUND:
        return solution.outcome
    schedule = read_schedule(problem, model)
    return Found(schedule=schedule, solution=solution, constant=sum(model.constants.values()), how=how)


def _first_plan(model: "Model", *, time_limit_s: float, gap: float) -> "Start":
    """Leaves a good first plan in the model's variables: maintenance where the linear relaxation leans to it.

    Small programs need none. Tells where the search may start.
    """
    from optimizer import highs

    if sum(len(options) for options in model.choice.values()) + len(model.setup) < SMALL or not model.setup:
        return highs.Start.NOWHERE
    relaxed = highs.run(model.program, time_limit_s=time_limit_s, gap=gap, start=highs.Start.WITHOUT_INTEGERS)
    if relaxed.outcome is not highs.Outcome.FOUND:
        return highs.Start.NOWHERE
    for variables in model.choice.values():
        likeliest = max(variables, key=lambda o: variables[o].varValue or 0.0, default=0)
        for option, variable in variables.items():
            variable.upBound = float(option == likeliest)
    first = highs.run(model.program, time_limit_s=max(time_limit_s - relaxed.seconds, 0.1), gap=gap)
    for variables in model.choice.values():
        for variable in variables.values():
            variable.upBound = 1.0
    return highs.Start.AT_VALUES if first.outcome is highs.Outcome.FOUND else highs.Start.NOWHERE


def read_schedule(problem: PlanningProblem, model: "Model") -> Schedule:
    """The solver's values, rounded to units that can be made."""
    chosen = tuple(
        max(variables, key=lambda o: variables[o].varValue or 0.0) if (variables := model.choice[k]) else 0
        for k in range(len(problem.machines))
    )
    running = {key: max(variable.varValue or 0.0, 0.0) for key, variable in model.running.items()}
    return round_to_units(problem, running=running, chosen=chosen)


def publish(problem: PlanningProblem, found: Found, empty: Plan) -> Plan:
    """The plan of a schedule with its certificate; of status none where a rule does not hold."""
    plan, worked_out = assemble(
        problem, found.schedule, number=empty.number, created_at=empty.created_at, reason=empty.reason
    )
    certificate = certify(
        problem.facts,
        plan,
        solver=found.how,
        solve_s=found.solution.seconds,
        solver_objective=found.solution.objective + found.constant,
        bound=found.bound,
        worked_out=worked_out,
    )
    if not certificate.checked:
        failed = [check for check in certificate.checks if not check.holds]
        broken = "; ".join(f"{check.sentence} (off by {check.worst_residual:.3g})" for check in failed)
        log.error("plan_failed_its_check", extra={"plan": empty.number, "broken": broken})
        sentence = f"The plan failed its independent check and is withheld: {broken}"
        return replace(empty, certificate=certificate, headline=sentence)
    is_proved = certificate.gap is not None and certificate.gap <= PROVED_GAP
    return replace(plan, certificate=certificate, status=SolveStatus.OPTIMAL if is_proved else SolveStatus.FEASIBLE)


def _fallback(problem: PlanningProblem, model: "Model", unfinished: "Solution") -> "Solution":
    """Where the time struck without a plan: least maintenance, the setups an LP leans to, and an LP for the rest."""
    from optimizer import highs
    from optimizer.infeasible import least_maintenance

    chosen = least_maintenance(problem)
    if chosen is None:
        return unfinished
    for k, variables in model.choice.items():
        for option, variable in variables.items():
            variable.lowBound = variable.upBound = float(option == chosen[k])
    for setup in model.setup.values():
        setup.cat = "Continuous"
    limit_s = problem.facts.policy.time_limit_s
    leaning = highs.run(model.program, time_limit_s=limit_s, gap=1.0)
    if leaning.outcome is not highs.Outcome.FOUND:
        return replace(leaning, bound=unfinished.bound)
    hours = available_hours(problem, chosen)
    kept = {m: problem.frozen.get((m, 0), (0.0, 0.0))[0] for m in range(len(problem.makings))}
    for (m, s), setup in sorted(model.setup.items(), key=lambda item: (-kept[item[0][0]], -(item[1].varValue or 0.0))):
        line = problem.makings[m].line
        inside = [t for t, shift in enumerate(problem.slots.shift) if shift == s]
        taken = (setup.varValue or 0.0) > LEANING and problem.makings[m].setup_h <= hours[line, inside].sum()
        if taken:
            hours[line, inside] -= problem.makings[m].setup_h / len(inside)
        setup.lowBound = setup.upBound = float(taken)
    return replace(highs.run(model.program, time_limit_s=limit_s, gap=1.0), bound=unfinished.bound)


def _without_maintenance(problem: PlanningProblem, plan: Plan) -> tuple[float, bool] | None:
    """What the plan saves against the best one without its proposed maintenance, and whether it is a lower limit.

    None where nothing is proposed by choice, or where doing without breaks a limit.
    """
    from optimizer.highs import Outcome

    free = {options.machine for options in problem.machines if not options.forced}
    proposed = frozenset(window.machine for window in plan.maintenance if window.machine in free)
    certificate = plan.certificate
    if not proposed or certificate is None:
        return None
    limit_s = max(problem.facts.policy.time_limit_s * SAVING_TIME_SHARE, 1.0)
    gap = max(problem.facts.policy.gap, SAVING_GAP)
    other = search(problem, time_limit_s=limit_s, gap=gap, without=proposed)
    if isinstance(other, Outcome) or other.bound is None:
        return None
    least = other.bound - certificate.recomputed_objective
    most = other.solution.objective + other.constant - certificate.recomputed_objective
    return max(least, 0.0), most - least > 0.01 * max(abs(least), 1.0)
