"""From a user's model to an answer: proven where it can be, and honest where it cannot.

The relaxation bounds the optimum. Its point is polished on the original functions; pieces are doubled until the two
meet. What has no certified form goes to a local search from many starts, and is called local.
"""

import math
import time
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

import numpy as np
import pulp

from optimizer import highs
from optimizer.expressions.model import Domain, UserModel
from optimizer.expressions.parse import number, variables_of
from optimizer.expressions.relaxation import NotSeparableError, relax
from plant.errors import DataError, Fault

TOLERANCE = 1e-6
"""A rule may be broken by this part of its size, or of 1."""
GAP = 5e-4
FIRST_PIECES, MOST_PIECES = 8, 128
STARTS = 24
MOST_WHOLE = 64
"""Combinations of whole numbers that the local search tries."""
SEED = 0
BEYOND = 1e18
"""A point further out shows that there is no limit."""


class Answered(StrEnum):
    """What is known of the answer."""

    PROVED = "proved"
    """No other point is better by more than the gap."""
    BRACKETED = "bracketed"
    """A point that keeps all rules, and a proven bound further away than the gap asked for."""
    LOCAL = "local, no certificate"
    INFEASIBLE = "infeasible"
    """Proven: no point keeps all rules."""
    UNBOUNDED = "unbounded"
    """The objective has no limit: a bound or a rule is missing."""
    NONE = "none found"


REASONS = {
    Answered.INFEASIBLE: "No point keeps all rules: proven.",
    Answered.UNBOUNDED: "The objective has no limit; give the variables bounds, or name the rule that is missing.",
    Answered.NONE: "No point that keeps all rules was found.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A point, what it is worth, and what is proven of it."""

    status: Answered
    values: dict[str, float]
    objective: float | None
    bound: float | None
    """No point is better than this; None: not known."""
    gap: float | None
    residuals: dict[str, float]
    """How far each rule is broken at the point, in the original functions."""
    reason: str
    pieces: int
    """Per nonlinear term; 0: the local search."""
    seconds: float


def solve_model(model: UserModel, *, time_limit_s: float = 20.0, gap: float = GAP) -> Answer:
    """The best point of a model within a CPU time limit. Raises ConfigError where the local route cannot start."""
    began = time.thread_time()
    best: tuple[float, dict[str, float]] | None = None
    bound: float | None = None
    pieces, used = FIRST_PIECES, 0
    sign = -1.0 if model.maximize else 1.0
    while pieces <= MOST_PIECES and (left_s := time_limit_s - (time.thread_time() - began)) > 0:
        try:
            relaxation = relax(model, pieces=pieces)
        except NotSeparableError as error:
            return _local(model, str(error), began)
        solution = highs.run(relaxation.program, time_limit_s=left_s, gap=gap / 10)
        if solution.outcome is highs.Outcome.INFEASIBLE:
            # The solver may not tell a program without any point from one without a limit.
            relaxation.program.setObjective(pulp.LpAffineExpression({}))
            any_point = highs.run(relaxation.program, time_limit_s=left_s, gap=1.0)
            infeasible = any_point.outcome is highs.Outcome.INFEASIBLE
            return _without_point(Answered.INFEASIBLE if infeasible else Answered.UNBOUNDED, None, pieces, began)
        used = pieces
        if solution.bound is not None and math.isfinite(solution.bound):
            proved = solution.bound + relaxation.constant
            bound = proved if bound is None else max(bound, proved)
        if solution.outcome is highs.Outcome.FOUND:
            found = {v.name: relaxation.columns[v.name].varValue for v in model.variables}
            point = {  # a variable that nothing speaks of may be anything
                v.name: min(max(0.0, v.lower), v.upper) if (value := found[v.name]) is None else value
                for v in model.variables
            }
            for candidate in (point, *(_polished(model, point, aim) for aim in Aim)):
                value = sign * number(model.objective, candidate)
                if _keeps(model, candidate) and math.isfinite(value) and (best is None or value < best[0]):
                    best = (value, candidate)
        if best and max(abs(value) for value in best[1].values()) > BEYOND:
            return _without_point(Answered.UNBOUNDED, None, pieces, began)
        exact = not relaxation.known
        if exact or (best and bound is not None and best[0] - bound <= gap * max(abs(best[0]), 1.0)):
            break
        pieces *= 2
    return _answer(model, best, bound, used, began, gap=gap)


def residuals(model: UserModel, values: dict[str, float]) -> dict[str, float]:
    """How far each rule, and each variable's bounds, are broken at a point."""
    broken = {rule.name: rule.residual(number(rule.tree, values)) for rule in model.rules}
    for variable in model.variables:
        value = values[variable.name]
        outside = max(variable.lower - value, value - variable.upper, 0.0)
        whole = 0.0 if variable.domain is Domain.CONTINUOUS else abs(value - round(value))
        broken[f"bounds of {variable.name}"] = max(outside, whole)
    return broken


def _keeps(model: UserModel, values: dict[str, float]) -> bool:
    size = max([1.0, *(abs(value) for value in values.values())])
    return all(broken <= TOLERANCE * size for broken in residuals(model, values).values())


def _answer(
    model: UserModel,
    best: tuple[float, dict[str, float]] | None,
    bound: float | None,
    pieces: int,
    began: float,
    *,
    gap: float = GAP,
) -> Answer:
    sign = -1.0 if model.maximize else 1.0
    known = None if bound is None else sign * bound
    if best is None:
        return _without_point(Answered.NONE, known, pieces, began)
    distance = None if bound is None else max(best[0] - bound, 0.0) / max(abs(best[0]), 1.0)
    proved = distance is not None and distance <= gap
    return Answer(
        status=Answered.PROVED if proved else Answered.BRACKETED,
        values=best[1],
        objective=sign * best[0],
        bound=known,
        gap=distance,
        residuals=residuals(model, best[1]),
        reason="",
        pieces=pieces,
        seconds=time.thread_time() - began,
    )


def _without_point(status: Answered, bound: float | None, pieces: int, began: float) -> Answer:
    return Answer(
        status=status,
        values={},
        objective=None,
        bound=bound,
        gap=None,
        residuals={},
        reason=REASONS[status],
        pieces=pieces,
        seconds=time.thread_time() - began,
    )


class Aim(StrEnum):
    """What a local search looks for."""

    BEST = "best"
    NEAREST = "nearest"
    """The nearest point that keeps the rules: it is found where the best one is not."""


def _polished(model: UserModel, point: dict[str, float], aim: Aim = Aim.BEST) -> dict[str, float]:
    """A point near this one at which the original functions keep the rules."""
    from scipy.optimize import minimize

    free = [v for v in model.variables if v.domain is Domain.CONTINUOUS]
    whole = {v.name: float(round(point[v.name])) for v in model.variables if v.domain is not Domain.CONTINUOUS}
    if not free:
        return whole
    sign = -1.0 if model.maximize else 1.0
    spans = [v.upper - v.lower for v in free]
    scale = np.array([span if 0 < span < math.inf else 1.0 for span in spans])
    lower = np.array([v.lower for v in free])
    start = (np.array([point[v.name] for v in free]) - lower) / scale
    size = max([1.0, *(abs(value) for value in point.values())])

    def values(x: Any) -> dict[str, float]:
        return whole | {v.name: float(each) for v, each in zip(free, lower + scale * x, strict=True)}

    def bounded(value: float) -> float:
        return value if math.isfinite(value) else 1e12

    def goal(x: Any) -> float:
        if aim is Aim.NEAREST:
            return float(((x - start) ** 2).sum())
        return bounded(sign / size * number(model.objective, values(x)))

    rules: Any = [
        {
            "type": "eq" if rule.relation == "==" else "ineq",
            "fun": lambda x, rule=rule: (
                (-1.0 if rule.relation == "<=" else 1.0) / size * bounded(number(rule.tree, values(x)))
            ),
        }
        for rule in model.rules
        if variables_of(rule.tree) - whole.keys()  # a rule that nothing free enters makes the search's matrix singular
    ]
    with np.errstate(all="ignore"):
        search: Any = minimize  # its overloads know no list of mixed constraints
        found = search(
            goal,
            start,
            bounds=[
                (0.0, None if math.isinf(v.upper) else span / s) for v, span, s in zip(free, spans, scale, strict=True)
            ],
            constraints=rules,
            method="SLSQP",
            options={"maxiter": 200, "ftol": 1e-10},
        )
    return values(np.clip(found.x, 0.0, np.array(spans) / scale))


def _local(model: UserModel, reason: str, began: float) -> Answer:
    """The best of many local searches; nothing is proven of it."""
    whole = [v for v in model.variables if v.domain is not Domain.CONTINUOUS]
    counts = [v.upper - v.lower + 1 for v in whole]
    if math.prod(counts) > MOST_WHOLE:
        found = f"{math.prod(counts):g} combinations of whole numbers"
        raise DataError((Fault(where=model.title, found=found, expected=f"{reason} Then at most {MOST_WHOLE}."),))
    chance = np.random.default_rng(SEED)
    sign = -1.0 if model.maximize else 1.0
    best: tuple[float, dict[str, float]] | None = None
    for combination in product(*(range(int(v.lower), int(v.upper) + 1) for v in whole)):
        for n in range(max(STARTS // max(int(math.prod(counts)), 1), 2)):
            start = {v.name: float(each) for v, each in zip(whole, combination, strict=True)}
            for v in model.variables:
                if v.domain is Domain.CONTINUOUS:
                    top = min(v.upper, v.lower + 1e3)
                    start[v.name] = (v.lower, top)[n] if n < 2 else chance.uniform(v.lower, top)  # corners first
            point = _polished(model, start)
            value = sign * number(model.objective, point)
            if _keeps(model, point) and math.isfinite(value) and (best is None or value < best[0]):
                best = (value, point)
    return Answer(
        status=Answered.LOCAL if best else Answered.NONE,
        values=best[1] if best else {},
        objective=sign * best[0] if best else None,
        bound=None,
        gap=None,
        residuals=residuals(model, best[1]) if best else {},
        reason=reason,
        pieces=0,
        seconds=time.thread_time() - began,
    )
