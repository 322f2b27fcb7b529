"""What a plan's changes from family to family mean, in exact arithmetic; shares nothing with the formulation."""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from optimizer.exact import HOUR, ZERO, Calendar
from optimizer.facts import PlanningFacts
from plant.plans import Plan
from plant.production import Changeover


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change of a line from one family to another."""

    line: str
    before: str
    after: str
    hour: int
    """The hour in which it begins."""
    cost: Fraction
    """[currency]"""
    takes: dict[int, Fraction]
    """What it takes of each hour [h]."""
    is_over: bool
    """Whether it is over by the plan's end."""


def lines_that_change(facts: PlanningFacts) -> tuple[str, ...]:
    """Lines whose changes from family to family are told one by one."""
    return tuple(line.name for line in facts.plant.lines if line.name in {each.line for each in facts.changeovers})


def families_made(facts: PlanningFacts, line: str) -> dict[str, str]:
    """The family of each product that a line makes."""
    family = {product.name: product.family for product in facts.products}
    return {c.product: family.get(c.product, "") for c in facts.capabilities if c.line == line}


def set_up_at_start(facts: PlanningFacts, line: str) -> str:
    """The family that a line is set up for when the plan starts; empty: that is for the plan to say.

    What the accepted plan made or changed to last comes before what the facts say.
    """
    family = {product.name: product.family for product in facts.products}
    last: tuple[timedelta, bool, str] | None = None
    if facts.previous is not None:
        events = [(run.start, False, family.get(run.product, "")) for run in facts.previous.runs if run.line == line]
        events += [(each.start, True, each.after) for each in facts.previous.changeovers if each.line == line]
        for at, is_change, name in events:
            event = (at - facts.start, is_change, name)
            if at < facts.start and name and (last is None or event > last):
                last = event
    if last is not None:
        return last[2]
    told = [each.family for each in facts.set_up_for if each.line == line]
    return told[0] if told else ""


def changes(facts: PlanningFacts, calendar: Calendar, plan: Plan) -> tuple[Change, ...]:
    """The changes that a plan tells, by line and time, with what they take and cost."""
    told = sorted(plan.changeovers, key=lambda each: (each.line, each.start))
    return tuple(
        _change(facts, calendar, each.line, each.before, each.after, (each.start - facts.start) // HOUR)
        for each in told
    )


def _change(facts: PlanningFacts, calendar: Calendar, line: str, before: str, after: str, hour: int) -> Change:
    length, cost = _way(facts, line, before, after)
    manned = calendar.manned_share.get(line, ())
    takes: dict[int, Fraction] = {}
    for t, share in enumerate(manned):
        if t >= hour and length > 0 and share > 0:
            takes[t] = min(share, length)
            length -= takes[t]
    return Change(
        line=line, before=before, after=after, hour=hour, cost=cost, takes=takes, is_over=length <= Fraction(1, 10**9)
    )


def _way(facts: PlanningFacts, line: str, before: str, after: str) -> tuple[Fraction, Fraction]:
    """Hours and cost from a family to another: as told for the pair, else what the family to come takes by itself."""
    pairs: dict[tuple[str, str, str], Changeover] = {(c.line, c.before, c.after): c for c in facts.changeovers}
    if (pair := pairs.get((line, before, after))) is not None:
        return Fraction(pair.hours), Fraction(pair.cost)
    made = families_made(facts, line)
    for c in facts.capabilities:
        if c.line == line and made[c.product] == after:
            return Fraction(c.family_setup_h), Fraction(c.family_setup_cost)
    return ZERO, ZERO


def stands(facts: PlanningFacts, line: str, told: tuple[Change, ...], made: list[str]) -> list[str]:
    """The family that a line stands in at the start and at the end of each hour, as a plan's changes tell it.

    Args:
        facts: Of the plan.
        line: Name of the line.
        told: The plan's changes.
        made: Families that the line makes, in the order of hours.

    Returns:
        The family at the start of each hour, and the one at the end of the last. (hour + 1,)
    """
    mine = [change for change in told if change.line == line]
    first = set_up_at_start(facts, line)
    if not first:
        first = mine[0].before if mine else next(iter(made), "")
    found = [first]
    for t in range(facts.policy.horizon_h):
        here = [change.after for change in mine if change.hour == t]
        found.append(here[-1] if here else found[-1])
    return found
