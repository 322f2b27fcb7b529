"""From a problem to a checked plan: solve, round, check, and say what it is worth.

There is always an answer: a plan that passed the independent check, or a status with the reason. The solver is loaded
only when something is solved.
"""

import logging
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from optimizer.assemble import assemble, empty_plan
from optimizer.certify import certify
from optimizer.control import CONTROL, Control
from optimizer.explain import headline
from optimizer.problem import PlanningProblem
from optimizer.tidying import tidied
from plant.plans import Goal, GoalStage, Plan, SolveStatus

if TYPE_CHECKING:
    from optimizer.search import Found

log = logging.getLogger(__name__)

PROVED_GAP = 1e-4
"""A plan is called optimal where no other can cost this part less; HiGHS' own default for optimal."""
SAVING_TIME_SHARE = 0.25
"""Part of the time limit that the comparison without the proposed maintenance may take."""
SAVING_GAP = 0.02
"""Relative gap of that comparison; its bound, not its incumbent, makes the saving [0..1]."""


def solve(
    problem: PlanningProblem, *, number: str, created_at: datetime, reason: str, control: Control = CONTROL
) -> Plan:
    """The best plan found within the policy's time limit, checked; or a status and why there is none.

    Args:
        problem: From `build_problem`.
        number: The plan's stable identifier.
        created_at: Plant time.
        reason: Why the plan is made, e.g. `hourly`.
        control: Threads, seed, what the limit counts, who follows the search and who may end it.
    """
    from optimizer.conflict import is_impossible_at_once
    from optimizer.highs import Outcome
    from optimizer.infeasible import explain_infeasible
    from optimizer.infeasible_goals import explain_limits
    from optimizer.stages import search_in_order

    empty = empty_plan(problem, number=number, created_at=created_at, reason=reason)
    policy = problem.facts.policy
    if problem.unmakeable or is_impossible_at_once(problem):
        return explain_infeasible(problem, empty)
    reached = search_in_order(problem, empty=empty, control=control)
    if isinstance(reached, Outcome):
        if reached is Outcome.INFEASIBLE:
            return explain_limits(problem, empty) if problem.goal_limits else explain_infeasible(problem, empty)
        sentence = (
            f"No plan was found within {policy.time_limit_s:g} s. A longer time limit or a shorter horizon may help."
        )
        return replace(empty, headline=sentence)
    plan = publish(problem, reached.found, empty, stages=reached.stages)
    if plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        without = _without_maintenance(reached.problem, plan, control)
        saving, at_least = without if without is not None else (None, False)
        plan = replace(plan, saving=saving, headline=headline(problem.facts, plan, saving, at_least=at_least))
    return plan


def publish(problem: PlanningProblem, found: "Found", empty: Plan, *, stages: tuple[GoalStage, ...] = ()) -> Plan:
    """The plan of a schedule with its certificate; of status none where a rule does not hold."""
    plan, worked_out = assemble(
        problem, found.schedule, number=empty.number, created_at=empty.created_at, reason=empty.reason
    )
    if not stages and problem.goal is Goal.COST and not problem.goal_limits:  # a goal reached leaves no cent to give
        plan, worked_out = tidied(problem, found.schedule, plan, worked_out)
    certificate = certify(
        problem.facts,
        plan,
        solver=found.how,
        solve_s=found.solution.seconds,
        solver_objective=found.solution.objective + found.constant,
        bound=found.bound,
        worked_out=worked_out,
        stages=stages,
    )
    if not certificate.checked:
        failed = [check for check in certificate.checks if not check.holds]
        broken = "; ".join(f"{check.sentence} (off by {check.worst_residual:.3g})" for check in failed)
        log.error("plan_failed_its_check", extra={"plan": empty.number, "broken": broken})
        sentence = f"The plan failed its independent check and is withheld: {broken}"
        return replace(empty, certificate=certificate, headline=sentence)
    is_proved = certificate.gap is not None and certificate.gap <= PROVED_GAP
    return replace(plan, certificate=certificate, status=SolveStatus.OPTIMAL if is_proved else SolveStatus.FEASIBLE)


def _without_maintenance(problem: PlanningProblem, plan: Plan, control: Control) -> tuple[float, bool] | None:
    """What the plan saves against the best one without its proposed maintenance, and whether it is a lower limit.

    None where nothing is proposed by choice, or where doing without breaks a limit.
    """
    from optimizer.highs import Outcome
    from optimizer.search import search

    free = {options.machine for options in problem.machines if not options.forced and options.starts[0] is None}
    proposed = frozenset(window.machine for window in plan.maintenance if window.machine in free)
    certificate = plan.certificate
    if not proposed or certificate is None or problem.goal is not Goal.COST:
        return None
    limit_s = max(problem.facts.policy.time_limit_s * SAVING_TIME_SHARE, 1.0)
    gap = max(problem.facts.policy.gap, SAVING_GAP)
    quiet = replace(control, report=CONTROL.report)
    other = search(problem, time_limit_s=limit_s, gap=gap, without=proposed, control=quiet)
    if isinstance(other, Outcome) or other.bound is None:
        return None
    least = other.bound - certificate.recomputed_objective
    most = other.solution.objective + other.constant - certificate.recomputed_objective
    return max(least, 0.0), most - least > 0.01 * max(abs(least), 1.0)
