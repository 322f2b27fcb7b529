"""From a schedule in steps to a plan that people read: runs in sequence, windows, costs, orders that wait."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from optimizer.assemble_changeovers import into_hour, planned_changeovers
from optimizer.costing import Account, account
from optimizer.facts import GRAINS_PER_UNIT
from optimizer.problem import PlanningProblem
from optimizer.rounding import Schedule
from optimizer.sequence import Piece, runs_of
from optimizer.slots import HOUR
from plant.plans import CostTerm, HourUse, MaintenanceWindow, Plan, PlannedRun, SolveStatus

_NEARLY_H = 1e-9


def assemble(
    problem: PlanningProblem, schedule: Schedule, *, number: str, created_at: datetime, reason: str
) -> tuple[Plan, Account]:
    """The plan of a schedule without its certificate, and its exact account."""
    facts = problem.facts
    draft = replace(
        empty_plan(problem, number=number, created_at=created_at, reason=reason),
        runs=_runs(problem, schedule),
        changeovers=planned_changeovers(problem, schedule),
        maintenance=_windows(problem, schedule),
    )
    worked_out = account(facts, draft)
    hours = tuple(
        HourUse(start=start, energy_kwh=float(kwh), price_per_kwh=float(price), co2_kg=float(kwh * factor))
        for start, kwh, price, factor in zip(
            problem.slots.starts, worked_out.energy, worked_out.calendar.prices, worked_out.calendar.co2, strict=True
        )
    )
    windows = tuple(
        replace(
            window,
            expected_failure_cost=float(worked_out.fates[window.machine].failure_cost),
            expected_failure_cost_without=float(worked_out.without[window.machine]),
        )
        for window in draft.maintenance
    )
    plan = replace(
        draft,
        maintenance=windows,
        costs=tuple(CostTerm(name=name, amount=float(amount)) for name, amount in worked_out.terms),
        hours=hours,
        late=worked_out.late,
        peak_kw=float(worked_out.peak_kw),
        co2_kg=float(worked_out.co2_kg),
    )
    return plan, worked_out


def empty_plan(problem: PlanningProblem, *, number: str, created_at: datetime, reason: str) -> Plan:
    """A plan in which nothing happens, of status none."""
    starts = problem.slots.starts
    return Plan(
        number=number,
        created_at=created_at,
        start=starts[0],
        end=starts[-1] + HOUR,
        status=SolveStatus.NONE,
        reason=reason,
        runs=(),
        maintenance=(),
        costs=(),
        hours=(),
        late=(),
        peak_kw=0.0,
        co2_kg=0.0,
        certificate=None,
        headline="",
        saving=None,
    )


def _windows(problem: PlanningProblem, schedule: Schedule) -> tuple[MaintenanceWindow, ...]:
    windows = []
    for options, option in zip(problem.machines, schedule.chosen, strict=True):
        if (hour := options.starts[option]) is not None:
            start = problem.slots.starts[hour]
            length = timedelta(hours=problem.facts.plant.class_of(options.machine).maintenance_h)
            windows.append(
                MaintenanceWindow(
                    machine=options.machine,
                    line=options.line,
                    start=start,
                    end=start + length,
                    expected_failure_cost=0.0,
                    expected_failure_cost_without=0.0,
                )
            )
    return tuple(sorted(windows, key=lambda window: (window.start, window.machine)))


def _runs(problem: PlanningProblem, schedule: Schedule) -> tuple[PlannedRun, ...]:
    """Runs of each line in sequence."""
    runs: list[PlannedRun] = []
    for line in range(len(problem.lines)):
        groups = runs_of(problem, schedule, line)
        pieces = [piece for group in groups for piece in group]
        done: set[tuple[int, int]] = set()
        into = (
            partial(into_hour, problem, schedule, pieces)
            if line in problem.changes
            else partial(_into_hour, problem, pieces)
        )
        runs += [_run(problem, group, done, into) for group in groups]
    return tuple(sorted(runs, key=lambda run: (run.start, run.line, run.product)))


def _run(
    problem: PlanningProblem,
    group: list[Piece],
    done: set[tuple[int, int]],
    into: Callable[[Piece, bool], timedelta],
) -> PlannedRun:
    m, first = group[0][0], group[0][1]
    making = problem.makings[m]
    grains = [count for _, _, count in group]
    gross = sum(grains) / GRAINS_PER_UNIT
    shift = problem.slots.shift[first]
    is_ready = making.ready and shift == problem.slots.shift[0]
    setup = making.needs_setup and not is_ready and (m, shift) not in done
    done.add((m, shift))
    hours = gross / making.rate_per_h
    return PlannedRun(
        line=problem.lines[making.line],
        product=making.product,
        start=problem.slots.starts[first] + into(group[0], False),
        end=problem.slots.starts[group[-1][1]] + into(group[-1], True),
        gross_units=round(gross),
        good_units=hours * making.good_per_h,
        energy_kwh=hours * making.energy_kwh_per_h,
        setup=setup,
        hourly_units=tuple(count / GRAINS_PER_UNIT for count in grains),
    )


def _into_hour(problem: PlanningProblem, pieces: list[Piece], piece: Piece, end: bool) -> timedelta:
    """How far into its hour a piece starts or ends: pieces of an hour follow each other; the last one ends it."""
    same = [other for other in pieces if other[1] == piece[1]]
    place = same.index(piece) + int(end)
    if place == len(same):
        return HOUR
    taken = [n / GRAINS_PER_UNIT / problem.makings[m].rate_per_h for m, _, n in same[:place]]
    return HOUR * min(sum(taken), 1.0 - _NEARLY_H)
