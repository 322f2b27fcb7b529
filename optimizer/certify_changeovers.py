"""The check of changes from family to family: their order, what runs between them, their hours."""

from collections.abc import Iterator
from fractions import Fraction

from optimizer.costing import Account
from optimizer.exact import ONE, ZERO
from optimizer.exact_changeovers import Change, families_made, lines_that_change, set_up_at_start, stands
from optimizer.facts import PlanningFacts
from plant.plans import Plan

TOLERANCE = Fraction(1, 10**6)
"""For hours [h]."""
Finding = tuple[str, str, list[Fraction], Fraction]
"""Rule, sentence, residuals, tolerance."""


def changeover_findings(facts: PlanningFacts, plan: Plan, worked_out: Account) -> Iterator[Finding]:
    """Every rule of lines that change over from family to family; none where no line does."""
    lines = lines_that_change(facts)
    if not lines and not plan.changeovers:
        return
    sentence = "A line changes over from the family that it is set up for, at most once an hour."
    order = [residual for line in lines for residual in _order(facts, worked_out, line)]
    order += [_broken(each.line not in lines) for each in plan.changeovers]
    yield "changeovers", sentence, order, ZERO
    sentence = "What a line makes in an hour is of the family that it stands in when the hour begins or ends."
    yield "family_runs", sentence, [residual for line in lines for residual in _runs(facts, worked_out, line)], ZERO
    sentence = "Runs, setups and changing over fit the open hours; no line changes over during maintenance."
    yield "changeover_hours", sentence, [r for line in lines for r in _hours(facts, worked_out, line)], TOLERANCE


def _order(facts: PlanningFacts, worked_out: Account, line: str) -> Iterator[Fraction]:
    known = set(families_made(facts, line).values())
    manned = worked_out.calendar.manned_share[line]
    now, last = set_up_at_start(facts, line), -1
    for change in (each for each in worked_out.changes if each.line == line):
        now = now or change.before
        is_open = 0 <= change.hour < len(manned) and manned[change.hour] > 0
        goes_on = change.before == now and change.after != now and change.after in known and change.hour > last
        yield _broken(not (is_open and goes_on and change.is_over))
        now, last = change.after, change.hour


def _runs(facts: PlanningFacts, worked_out: Account, line: str) -> Iterator[Fraction]:
    family = families_made(facts, line)
    made = sorted((t, family.get(product, "")) for at, product, t in worked_out.units if at == line)
    found = stands(facts, line, worked_out.changes, [name for _, name in made])
    for t, name in made:
        yield _broken(not 0 <= t < len(found) - 1 or name not in found[t : t + 2])


def _hours(facts: PlanningFacts, worked_out: Account, line: str) -> Iterator[Fraction]:
    """By the hour, by the hour of a machine's maintenance, by the shift."""
    rate = {c.product: Fraction(c.rate_per_h) for c in facts.capabilities if c.line == line}
    mine: list[Change] = [change for change in worked_out.changes if change.line == line]
    manned, shifts = worked_out.calendar.manned_share[line], worked_out.calendar.shifts
    used = [ZERO] * len(manned)
    for (at, product, t), units in worked_out.units.items():
        if at == line and 0 <= t < len(used) and manned[t] > 0:
            used[t] += units / rate.get(product, ONE)
    windows = [worked_out.fates[m.name].window for m in facts.plant.machines if m.line == line]
    for t, share in enumerate(manned):
        taken = sum((change.takes.get(t, ZERO) for change in mine), ZERO)
        if taken > 0:
            yield used[t] + taken - share
            yield taken if any(first <= t < last for first, last in windows) else ZERO
    left: dict[str, Fraction] = {}
    for t, share in enumerate(manned):
        if share > 0:
            taken = sum((change.takes.get(t, ZERO) for change in mine), ZERO)
            left[shifts[t]] = left.get(shifts[t], ZERO) + share - used[t] - taken
    for (at, _, shift), capability in worked_out.setups.items():
        if at == line and shift in left:
            left[shift] -= Fraction(capability.setup_h)
    yield from (-rest for rest in left.values())


def _broken(is_broken: bool) -> Fraction:
    return ONE if is_broken else ZERO
