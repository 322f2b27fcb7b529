"""How many setups what is due takes: rows that every plan keeps and that the linear relaxation breaks.

What falls due of a product between a shift's start and an hour is covered by stock, by shortage, or by lots; a lot is
no larger than its shift allows and needs its setup. Rounding such a row gives a limit on the number of setups.
Source: Marchand and Wolsey, Aggregation and mixed integer rounding to solve MIPs, Operations Research 49, 2001.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import pulp
from numpy.typing import NDArray

from optimizer.highs import Integers, Outcome, Session, Solution
from optimizer.problem import PlanningProblem
from optimizer.program import Model
from optimizer.slots import CLOSED

VIOLATED = 1e-4
"""A row broken by less is left out."""
FRACTION_FROM, FRACTION_TO = 0.02, 0.999
"""Divisors whose rest lies outside give rows of no use [0..1]."""
ROUNDS = 20
ANOTHER = 1.5
"""A round begins only where this many times the last one's time is left: rows make the relaxation slower."""
ENOUGH = 1e-4
"""Rounds end when the relaxation rises by less than this part of its value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cover:
    """What covers an amount due: lots with their greatest sizes and setups, and the rest."""

    due: float
    """[unit]"""
    greatest: NDArray[np.float64]
    """Good units that each lot can bring [unit]. (lot,)"""
    setups: NDArray[np.int32]
    """Column of each lot's setup. (lot,)"""
    running: tuple[tuple[int, ...], ...]
    """Columns of each lot's running hours. (lot,)"""
    good_per_h: NDArray[np.float64]
    """[unit/h] (lot,)"""
    rest: dict[int, float]
    """Stock, shortage and lots without a setup, by column [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A row: the terms by column reach a value at least."""

    terms: dict[int, float]
    at_least: float


def strengthen(
    session: Session,
    model: Model,
    problem: PlanningProblem,
    *,
    time_limit_s: float,
    tell: Callable[[float | None], None],
) -> Solution:
    """Solves the linear relaxation, and adds rows to the session as long as they raise it and time lasts.

    `tell` hears of each bound as soon as it is proved.
    """
    end_s = session.clock.spent_s + time_limit_s
    session.forget()
    relaxed = session.run(time_limit_s=time_limit_s, gap=0.0, integers=Integers.RELAXED, method=session.method)
    tell(relaxed.bound)
    covers = list(_covers(session, model, problem)) if relaxed.outcome is Outcome.FOUND else []
    first, added = session.rows, list[float]()
    for _ in range(ROUNDS):
        cuts = [cut for cover in covers if (cut := _cut(cover, session.values)) is not None]
        left_s = end_s - session.clock.spent_s
        if not cuts or left_s <= relaxed.seconds * ANOTHER or session.clock.is_cancelled:
            break
        for cut in cuts:
            session.add_row(cut.terms, at_least=cut.at_least)
        added += [cut.at_least for cut in cuts]
        again = session.run(time_limit_s=left_s, gap=0.0, integers=Integers.RELAXED, method=session.method)
        tell(again.bound)
        if again.outcome is not Outcome.FOUND or not again.proved:
            break
        before, relaxed = relaxed.objective, again
        if again.objective - before < ENOUGH * abs(before):
            break
    if added and relaxed.proved:
        session.drop_slack_rows(first, added)
    return relaxed


def _covers(session: Session, model: Model, problem: PlanningProblem) -> Iterator[Cover]:
    """Every product from the start of every shift to every hour in which it is due or a shift ends."""
    slots = problem.slots
    shifts = [slots.hours_of_shift(s) for s in range(len(slots.shift_names))]
    most_h = _most_hours(problem)
    for product, initial in problem.stock.items():
        wanted = [d for d, demand in enumerate(problem.demands) if demand.product == product]
        makes = [m for m, making in enumerate(problem.makings) if making.feeds == product]
        if any(problem.makings[m].flows[0].delay_h for m in makes):
            continue  # what comes in a span was made before it
        if not wanted or not any((m, s) in model.setup for m in makes for s in range(len(shifts))):
            continue
        due = np.sum([problem.demands[d].units for d in wanted], axis=0)
        ends = sorted({int(t) for t in np.flatnonzero(due)} | {hours[-1] for hours in shifts if hours})
        for begin in (hours[0] for hours in shifts if hours):
            for end in (t for t in ends if t >= begin and slots.shift[t] != CLOSED):
                needed = float(due[begin : end + 1].sum()) - (initial if begin == 0 else 0.0)
                if needed > VIOLATED:
                    rest = {model.shortage[d, end]: 1.0 for d in wanted if (d, end) in model.shortage}
                    if begin > 0:
                        rest[model.stock[product, begin - 1]] = 1.0
                    yield _cover(session, model, problem, makes, (begin, end), needed, rest, most_h)


def _cover(
    session: Session,
    model: Model,
    problem: PlanningProblem,
    makes: list[int],
    span: tuple[int, int],
    needed: float,
    rest: dict[pulp.LpVariable, float],
    most_h: NDArray[np.float64],
) -> Cover:
    slots, column = problem.slots, session.column
    greatest, setups, running, good = [], [], [], []
    covered = {column[variable]: factor for variable, factor in rest.items()}
    inside = range(span[0], span[1] + 1)
    for m in makes:
        making = problem.makings[m]
        for s in sorted({slots.shift[t] for t in inside} - {CLOSED}):
            hours = [t for t in slots.hours_of_shift(s) if t in inside and (m, t) in model.running]
            if not hours:
                continue
            columns = tuple(column[model.running[m, t]] for t in hours)
            if (m, s) not in model.setup:
                covered.update(dict.fromkeys(columns, making.good_per_h))
                continue
            whole_h = max(float(most_h[making.line, slots.hours_of_shift(s)].sum()) - making.setup_h, 0.0)
            greatest.append(min(float(most_h[making.line, hours].sum()), whole_h) * making.good_per_h)
            setups.append(column[model.setup[m, s]])
            running.append(columns)
            good.append(making.good_per_h)
    return Cover(
        due=needed,
        greatest=np.array(greatest),
        setups=np.array(setups, dtype=np.int32),
        running=tuple(running),
        good_per_h=np.array(good),
        rest=covered,
    )


def _most_hours(problem: PlanningProblem) -> NDArray[np.float64]:
    """Hours in which each line can run at best, whatever is chosen [h]. (line, hour)"""
    hours = problem.slots.open_share.copy()
    for line, name in enumerate(problem.lines):
        lost = np.zeros(problem.hours)
        for options in problem.machines:
            if options.line == name:
                lost += options.loss.min(axis=0)
        hours[line] *= np.clip(1.0 - lost, 0.0, 1.0)
    return hours


def _cut(cover: Cover, values: NDArray[np.float64]) -> Cut | None:
    """The rounded row that the values break most; None where they keep all.

    Lot by lot its setup or its size enters, whichever breaks the row more: exact for a given divisor.
    """
    if not len(cover.greatest):
        return None
    made = cover.good_per_h * np.array([values[list(columns)].sum() for columns in cover.running])
    setups = values[cover.setups]
    covered = sum(values[column] * factor for column, factor in cover.rest.items())
    best, best_depth = None, 0.0
    for divisor in _divisors(cover):
        count = ceil(cover.due / divisor)
        rest = cover.due / divisor - (count - 1)
        if not FRACTION_FROM <= rest <= FRACTION_TO:
            continue
        lots = cover.greatest / divisor
        whole = np.floor(lots + 1e-9)
        factors = whole + np.clip(lots - whole, 0.0, rest) / rest
        scale = 1.0 / (divisor * rest)
        by_setup = factors * setups < made * scale
        reached = (factors * setups)[by_setup].sum() + (made[~by_setup].sum() + covered) * scale
        depth = (count - reached) / np.sqrt((factors[by_setup] ** 2).sum() + 1.0)
        if by_setup.any() and count - reached > VIOLATED and depth > best_depth:
            best, best_depth = (factors, by_setup, scale, count), depth
    if best is None:
        return None
    factors, by_setup, scale, count = best
    terms = {column: factor * scale for column, factor in cover.rest.items()}
    for lot, (setup, columns) in enumerate(zip(cover.setups, cover.running, strict=True)):
        if by_setup[lot]:
            terms[int(setup)] = float(factors[lot])
        else:
            terms.update(dict.fromkeys(columns, float(cover.good_per_h[lot]) * scale))
    return Cut(terms=terms, at_least=float(count))


def _divisors(cover: Cover) -> set[float]:
    """The lots' sizes, and the equal parts of what is due that just fall short of them."""
    sizes = {round(float(size), 6) for size in cover.greatest if size > VIOLATED}
    return sizes | {round(cover.due / ceil(cover.due / size) + 1e-3, 6) for size in sizes}
