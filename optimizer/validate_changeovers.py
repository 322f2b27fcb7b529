"""Whether changeovers from family to family are sound: lines and families that there are, hours that a plan has."""

from collections.abc import Iterator

from optimizer.facts import PlanningFacts
from optimizer.soundness import fault, numbers, unique
from plant.errors import Fault
from plant.production import Shift

WEEK_H = 168
MAX_HORIZON_H = 24 * 31
"""Longer plans are refused anyway [h]."""


def changeover_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """Every fault of the changes from family to family, and of what lines are set up for."""
    lines = sorted(line.name for line in facts.plant.lines)
    family_of = {product.name: product.family for product in facts.products}
    known = sorted({family for family in family_of.values() if family})
    made: dict[str, set[str]] = {line: set() for line in lines}
    for capability in facts.capabilities:
        made.setdefault(capability.line, set()).add(family_of.get(capability.product, ""))
    pairs = (f"{each.line} from {each.before} to {each.after}" for each in facts.changeovers)
    yield from unique("changeovers", pairs)
    for index, each in enumerate(facts.changeovers):
        where = f"changeovers[{index}]"
        if each.line not in made:
            yield fault(f"{where}.line", each.line, f"it must be one of {lines}.")
            continue
        if each.before not in known:
            yield fault(f"{where}.before", each.before, f"it must be a family of products, one of {known}.")
        if each.after not in (own := made[each.line] - {""}):
            yield fault(f"{where}.after", each.after, f"{each.line} must make it; it makes {sorted(own)}.")
        if each.before == each.after:
            yield fault(f"{where}.after", each.after, "it must differ from `before`: staying takes nothing.")
        yield from numbers(where, each, ("hours", "cost"))
        if each.hours > (most_h := _open_hours(facts)):
            expected = f"no plan of {facts.policy.horizon_h} h has more than {most_h} open hours of shifts to hold it."
            yield fault(f"{where}.hours", each.hours, expected)
    changing = {each.line for each in facts.changeovers}
    for index, c in enumerate(facts.capabilities):
        if c.line in changing and not family_of.get(c.product, ""):
            expected = f"{c.line} has changeovers, so every product that it makes must be of a family."
            yield fault(f"capabilities[{index}].product", c.product, expected)
    yield from unique("set_up_for", (each.line for each in facts.set_up_for))
    for index, state in enumerate(facts.set_up_for):
        where = f"set_up_for[{index}]"
        if state.line not in changing:
            yield fault(f"{where}.line", state.line, f"it must be a line with changeovers, one of {sorted(changing)}.")
        if state.family not in known:
            yield fault(f"{where}.family", state.family, f"it must be a family of products, one of {known}.")


def _open_hours(facts: PlanningFacts) -> int:
    """Hours of shifts that a plan has at most, whenever in the week it starts [h]: closures come and go."""
    horizon_h, shifts = facts.policy.horizon_h, facts.calendar.shifts
    if not shifts or not 0 < horizon_h <= MAX_HORIZON_H:
        return horizon_h
    week = [any(_is_open(shift, hour) for shift in shifts) for hour in range(WEEK_H)]
    windows = (sum(week[(start + t) % WEEK_H] for t in range(horizon_h % WEEK_H)) for start in range(WEEK_H))
    return horizon_h // WEEK_H * sum(week) + max(windows)


def _is_open(shift: Shift, hour: int) -> bool:
    """Whether a shift is on in an hour of the week, from Monday's midnight on."""
    since = (hour - shift.start_hour) % 24
    return since < shift.hours and (hour - since) // 24 % 7 in shift.weekdays
