"""What a plan is compared with: doing as today without maintenance, maintenance by the calendar, plans blind to risk.

Each practice gets a production plan of its own from the same planner, so that only its way with maintenance differs.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

import numpy as np

from optimizer.assemble import empty_plan
from optimizer.facts import PlanningFacts
from optimizer.highs import Outcome
from optimizer.problem import PlanningProblem, build_problem
from optimizer.risk_tables import MachineOptions
from optimizer.search import search
from optimizer.solve import publish
from optimizer.statements import kept_options
from plant.plans import Plan
from plant.risks import Risk

CALENDAR_SHARE = 0.5
"""Calendar maintenance comes each time a machine has run this part of its class's mean time between failures."""
NEVER_H = 1e9
"""Mean time between failures of machines that are thought never to fail [h]."""


class Practice(StrEnum):
    """A way of deciding on maintenance."""

    AS_TODAY = "as_today"
    """No maintenance; failures are repaired."""
    CALENDAR = "calendar"
    """Each machine after fixed operating hours, whatever its sensors say."""
    RISK_BLIND = "risk_blind"
    """The planner is told that machines never fail."""
    FLEET_AVERAGE = "fleet_average"
    """The planner is told the mean survival of each class, not each machine's own."""


WORDS = {
    Practice.AS_TODAY: "as today, no maintenance",
    Practice.CALENDAR: "maintenance by the calendar",
    Practice.RISK_BLIND: "a plan blind to risk",
    Practice.FLEET_AVERAGE: "a plan by fleet averages",
}


def plan_by(practice: Practice, facts: PlanningFacts, *, like: Plan, time_limit_s: float) -> Plan | None:
    """The best plan found under a practice; None where there is none in time.

    Args:
        practice: How maintenance is decided.
        facts: As they truly are.
        like: The plan to compare with, for its number and time.
        time_limit_s: CPU time [s].
    """
    problem = _problem(practice, replace(facts, objective=None))
    found = search(problem, time_limit_s=time_limit_s)
    if isinstance(found, Outcome):
        return None
    empty = empty_plan(problem, number=f"{like.number}-{practice.value}", created_at=like.created_at, reason="replay")
    plan = publish(problem, found, empty)
    return plan if plan.certificate is not None and plan.certificate.checked else None


def _problem(practice: Practice, facts: PlanningFacts) -> PlanningProblem:
    if practice is Practice.RISK_BLIND:
        return build_problem(_unfailing(facts))
    if practice is Practice.FLEET_AVERAGE:
        return build_problem(_averaged(facts))
    problem = build_problem(facts)
    wanted = _calendar(problem) if practice is Practice.CALENDAR else {}
    machines = tuple(
        options if options.forced else kept_options(options, [wanted.get(options.machine, 0)])
        for options in problem.machines
    )
    return replace(problem, machines=machines)


def _unfailing(facts: PlanningFacts) -> PlanningFacts:
    classes = tuple(replace(each, mtbf_h=NEVER_H) for each in facts.plant.classes)
    policy = replace(
        facts.policy,
        max_failure_probability=None,
        max_line_failure_probability=None,
        max_plant_failure_probability=None,
    )
    return replace(facts, plant=replace(facts.plant, classes=classes), risks=(), fresh=(), policy=policy)


def _averaged(facts: PlanningFacts) -> PlanningFacts:
    """Every machine with the mean survival curve of its class, on the union of their horizons."""
    risks: list[Risk] = []
    for machine_class in facts.plant.classes:
        mine = [
            risk
            for machine in facts.plant.machines
            if machine.machine_class == machine_class.name and (risk := facts.newest_risk(machine.name)) is not None
        ]
        if not mine:
            continue
        horizons = sorted({hour for risk in mine for hour in risk.horizons_h})
        curves = [np.interp(horizons, (0.0, *risk.horizons_h), (1.0, *risk.survival)) for risk in mine]
        mean = tuple(float(value) for value in np.mean(curves, axis=0))
        risks += [replace(risk, horizons_h=tuple(horizons), survival=mean) for risk in mine]
    return replace(facts, risks=tuple(risks))


def _calendar(problem: PlanningProblem) -> dict[str, int]:
    """The option of each machine that the calendar asks for: the first start at or after it is due, crews allowing."""
    free = list(problem.crews_free)
    for options in problem.machines:
        if options.forced:
            _book(free, options, 0)
    wanted: dict[str, int] = {}
    for due, options in sorted(_due(problem), key=lambda each: (each[0], each[1].machine)):
        for option, start in enumerate(options.starts):
            first, last = options.windows[option]
            if start is not None and start >= due and all(free[t] > 0 for t in range(first, last)):
                wanted[options.machine] = option
                _book(free, options, option)
                break
    return wanted


def _due(problem: PlanningProblem) -> Iterator[tuple[int, MachineOptions]]:
    """Machines that reach their calendar age within the plan, with the hour they do."""
    facts = problem.facts
    for options in problem.machines:
        risk = facts.newest_risk(options.machine)
        interval_h = CALENDAR_SHARE * facts.plant.class_of(options.machine).mtbf_h
        opened = np.cumsum(problem.slots.manned_share[problem.lines.index(options.line)])
        reached = np.flatnonzero((0.0 if risk is None else risk.age_h) + opened >= interval_h)
        if not options.forced and len(reached):
            yield int(reached[0]), options


def _book(free: list[int], options: MachineOptions, option: int) -> None:
    if options.starts[option] is not None:
        for t in range(*options.windows[option]):
            free[t] -= 1
