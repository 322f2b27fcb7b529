"""The front between cost and another goal: plans of which none is better in both, solved side by side, each checked."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from plant.errors import Fault, QuestionError
from plant.plans import Goal, GoalLimit, GoalStep, Objective, Plan, SolveStatus

if TYPE_CHECKING:
    from optimizer.facts import PlanningFacts

PICTURES: Final = (".png", ".svg")
LEAST_POINTS, MOST_POINTS = 2, 50
SAME: Final = 1e-6
"""Points nearer to each other than this part of their size are the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A plan on the front, or one that was tried for it."""

    at_most: float | None
    """What the goal was limited to [unit of the goal]; None: not limited."""
    status: SolveStatus
    cost: float
    """[currency]; NaN: no plan."""
    goal: float
    """What the plan reaches of the other goal [unit of the goal]."""
    bound: float | None
    """No plan within the limit can cost less [currency]."""
    is_dominated: bool
    """Another point is no worse in either and better in one."""
    late_units: float
    maintenance: tuple[str, ...]
    headline: str


def pareto(
    facts: "PlanningFacts", *, over: Goal, points: int, time_limit_s: float, cores: int = 0
) -> tuple[Point, ...]:
    """The points between the cheapest plan and the one with the least of another goal, the cheapest first.

    Args:
        facts: With the weights and limits of their own objective, whose order is set aside.
        over: The other goal; not cost.
        points: How many plans.
        time_limit_s: CPU time of each search [s].
        cores: Processes at a time; 0: as many as this machine lets us have.

    Raises:
        ConfigError: Too few or many points, no second goal, or the facts have no plan.
    """
    if over is Goal.COST or not LEAST_POINTS <= points <= MOST_POINTS:
        asked = f"--over {over.value} --points {points}"
        expected = f"a goal besides cost, and {LEAST_POINTS} to {MOST_POINTS} points."
        raise QuestionError((Fault(where="plan pareto", found=asked, expected=expected),))
    own = facts.objective or Objective()
    facts = replace(facts, policy=replace(facts.policy, time_limit_s=time_limit_s))
    cheapest = replace(facts, objective=replace(own, order=()))
    least = replace(facts, objective=replace(own, order=(GoalStep(goal=over), GoalStep(goal=Goal.COST))))
    ends = _plans((cheapest, least), cores)
    for plan in ends:
        if plan.status not in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
            expected = "facts that have a plan; `linewright plan solve` says what stands in its way."
            raise QuestionError((Fault(where="plan pareto", found=plan.headline, expected=expected),))
    high, low = (_reached(plan, over) for plan in ends)
    levels = [high - (high - low) * n / (points - 1) for n in range(1, points - 1)] if high > low else []
    others = tuple(limit for limit in own.limits if limit.goal is not over)
    between = tuple(
        replace(facts, objective=replace(own, order=(), limits=(*others, GoalLimit(goal=over, at_most=level))))
        for level in levels
    )
    found: list[Point] = [
        _point(ends[0], over, at_most=None),
        *(_point(plan, over, at_most=level) for plan, level in zip(_plans(between, cores), levels, strict=True)),
        _point(ends[1], over, at_most=low),
    ]
    marked: list[Point] = [
        replace(point, is_dominated=_is_dominated(point, place, found)) for place, point in enumerate(found)
    ]
    return tuple(sorted(marked, key=lambda point: (point.cost != point.cost, point.cost, point.goal)))


def as_table(points: Sequence[Point], *, over: Goal, currency: str) -> str:
    """The front as a table, what each step of it costs, and what was left out of it."""
    unit = "kg" if over is Goal.CO2 else currency
    front = [point for point in points if not point.is_dominated and point.cost == point.cost]
    lines = [
        f"{'cost ' + currency:>14} {over.value + ' ' + unit:>16} {'proved at least':>16} {'per ' + unit:>10}  plan"
    ]
    before: Point | None = None
    for point in front:
        rate = ""
        if before is not None and before.goal > point.goal:
            rate = f"{(point.cost - before.cost) / (before.goal - point.goal):,.2f}"
        bound = "" if point.bound is None else f"{point.bound:,.0f}"
        told = f"{', '.join(point.maintenance) or 'no maintenance'}; {point.late_units:,.0f} units late"
        lines.append(f"{point.cost:14,.0f} {point.goal:16,.1f} {bound:>16} {rate:>10}  {told}")
        before = point
    left = [point for point in points if point not in front]
    if left:
        dominated = sum(1 for point in left if point.is_dominated)
        lines.append(f"left out: {dominated} dominated, {len(left) - dominated} without a plan")
    return "\n".join(lines)


def draw(points: Sequence[Point], *, over: Goal, currency: str, path: Path) -> None:
    """The front as a picture, PNG or SVG by its ending; dominated points are pale.

    Raises:
        ConfigError: The ending is another, or the file cannot be written.
    """
    if path.suffix.lower() not in PICTURES:
        raise QuestionError((Fault(where="--output", found=str(path), expected="a file ending in .png or .svg."),))
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    front = [point for point in points if not point.is_dominated and point.cost == point.cost]
    others = [point for point in points if point.is_dominated]
    axes.plot([point.goal for point in front], [point.cost for point in front], marker="o", label="best plans found")
    proved = [point for point in front if point.bound is not None]
    axes.plot(
        [point.goal for point in proved],
        [point.bound for point in proved if point.bound is not None],
        linestyle=":",
        label="no plan below, proved",
    )
    if others:
        axes.scatter([p.goal for p in others], [p.cost for p in others], color="#9a9a9a", label="dominated")
    axes.set_xlabel(f"{over.value} [{'kg' if over is Goal.CO2 else currency}]")
    axes.set_ylabel(f"cost [{currency}]")
    axes.legend()
    try:
        figure.savefig(path)
    except OSError as error:
        raise QuestionError((Fault(where="--output", found=str(error), expected="a file to write."),)) from error


def _is_dominated(point: Point, place: int, points: Sequence[Point]) -> bool:
    """Whether another point is no worse in either and better in one; of equal points the first stays."""
    near_cost, near_goal = SAME * max(abs(point.cost), 1.0), SAME * max(abs(point.goal), 1.0)
    for other_place, other in enumerate(points):
        if other_place == place or not (other.cost <= point.cost + near_cost and other.goal <= point.goal + near_goal):
            continue
        if other.cost < point.cost - near_cost or other.goal < point.goal - near_goal or other_place < place:
            return True
    return False


def _plans(cases: Sequence["PlanningFacts"], cores: int) -> list[Plan]:
    from optimizer.facts import facts_to_json

    documents = [facts_to_json(case) for case in cases]
    workers = min(cores or len(os.sched_getaffinity(0)), len(documents))
    if workers > 1:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            bodies = list(pool.map(_solve, documents))
    else:
        bodies = [_solve(document) for document in documents]
    return [msgspec.json.decode(body, type=Plan) for body in bodies]


def _solve(document: bytes) -> bytes:
    """A plan as JSON from facts as JSON, in whichever process."""
    from linewright.pipeline import propose
    from optimizer.facts import facts_from_json

    facts = facts_from_json(document)
    return msgspec.json.encode(propose(facts, number="pareto", created_at=facts.start, reason="pareto"))


def _reached(plan: Plan, goal: Goal) -> float:
    """What a plan reaches of a goal, as its published numbers say [unit of the goal]."""
    if goal is Goal.CO2:
        return plan.co2_kg
    name = "backlog" if goal is Goal.LATENESS else "failures"
    return sum(term.amount for term in plan.costs if term.name == name)


def _point(plan: Plan, over: Goal, *, at_most: float | None) -> Point:
    has_plan = plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    certificate = plan.certificate
    return Point(
        at_most=at_most,
        status=plan.status,
        cost=certificate.recomputed_objective if has_plan and certificate is not None else float("nan"),
        goal=_reached(plan, over) if has_plan else float("nan"),
        bound=certificate.bound if has_plan and certificate is not None else None,
        is_dominated=False,
        late_units=sum(late.units_late for late in plan.late),
        maintenance=tuple(window.machine for window in plan.maintenance),
        headline=plan.headline,
    )
