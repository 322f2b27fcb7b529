"""The accepted plan followed: good parts that the lines made, from their counters, beside what the plan says by now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from linewright.production import good_by_line
from plant.plans import Plan
from plant.production import Order

if TYPE_CHECKING:
    from linewright.settings.site import Site
    from optimizer.facts import PlanningFacts
    from store.contract import ReadingStore
    from store.records import Records

ACTUAL_NOTE: Final = "actual"
"""The accepted plan's course, as last seen."""
HOUR: Final = timedelta(hours=1)
BEHIND: Final = 0.05
"""A line or order is called behind where this part of what the plan says by now is missing [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LineCourse:
    """A product on a line."""

    line: str
    product: str
    planned: float
    """Good units by now [unit]."""
    made: float
    """Good units by the counters [unit]."""
    planned_in_all: float
    """In the whole plan [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderCourse:
    """An order; stock and production go to what is due first."""

    order: str
    product: str
    due_at: datetime
    quantity: float
    planned: float
    """Covered by now, by the plan [unit]."""
    covered: float
    """Covered by now, by what was made [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """How a plan goes."""

    plan: str
    at: datetime
    """Plant time up to which it was followed."""
    lines: tuple[LineCourse, ...]
    orders: tuple[OrderCourse, ...]


def follow_plan(site: "Site", *, store: "ReadingStore", plan: Plan, facts: "PlanningFacts", now: datetime) -> Course:
    """What was planned by now and what was made, by line and product and by order.

    Args:
        site: For the lines' counters.
        store: With their readings.
        plan: That is followed.
        facts: That it was made from, for its orders and stock.
        now: Plant time; after the plan's end its end counts.
    """
    until = min(now, plan.end)
    planned = planned_good(plan, until=until)
    whole = planned_good(plan, until=plan.end)
    made: dict[tuple[str, str], float] = {}
    if until > plan.start:
        for line, products in good_by_line(site, store=store, since=plan.start, until=until).items():
            made |= {(line, product): units for product, units in products.items()}
    lines = tuple(
        LineCourse(
            line=line,
            product=product,
            planned=planned.get((line, product), 0.0),
            made=made.get((line, product), 0.0),
            planned_in_all=whole.get((line, product), 0.0),
        )
        for line, product in sorted(whole.keys() | made.keys())
    )
    stock = {item.product: item.quantity for item in facts.stock}
    by_plan = covered(facts.orders, stock=stock, made=_by_product(planned))
    by_counters = covered(facts.orders, stock=stock, made=_by_product(made))
    orders = tuple(
        OrderCourse(
            order=order.number,
            product=order.product,
            due_at=order.due_at,
            quantity=order.quantity,
            planned=by_plan[order.number],
            covered=by_counters[order.number],
        )
        for order in sorted(facts.orders, key=lambda order: (order.due_at, order.number))
        if order.due_at <= plan.end
    )
    return Course(plan=plan.number, at=until, lines=lines, orders=orders)


def planned_good(plan: Plan, *, until: datetime) -> dict[tuple[str, str], float]:
    """Good units that a plan makes before an instant, by line and product [unit]; within an hour, evenly."""
    good: dict[tuple[str, str], float] = {}
    for run in plan.runs:
        gross = sum(run.hourly_units)
        ratio = run.good_units / gross if gross > 0 else 0.0
        hour = run.start.replace(minute=0, second=0, microsecond=0)
        for units in run.hourly_units:
            begin, end = max(run.start, hour), min(run.end, hour + HOUR)
            share = min(max((until - begin) / (end - begin), 0.0), 1.0) if end > begin else float(until >= end)
            key = (run.line, run.product)
            good[key] = good.get(key, 0.0) + units * ratio * share
            hour += HOUR
    return good


def covered(orders: tuple[Order, ...], *, stock: Mapping[str, float], made: Mapping[str, float]) -> dict[str, float]:
    """How much of each order stock and production cover, the one due first before the others [unit]."""
    left = {product: stock.get(product, 0.0) + made.get(product, 0.0) for product in {o.product for o in orders}}
    given: dict[str, float] = {}
    for order in sorted(orders, key=lambda order: (order.due_at, order.number)):
        given[order.number] = min(order.quantity, left[order.product])
        left[order.product] -= given[order.number]
    return given


def keep_course(site: "Site", *, store: "ReadingStore", records: "Records", now: datetime) -> None:
    """Keeps the accepted plan's course for the plan page, while it runs."""
    from optimizer.facts import facts_from_json

    plan = records.accepted_plan()
    document = None if plan is None else records.plan_facts(plan.number)
    if plan is None or document is None or not plan.start <= now < plan.end:
        return
    course = follow_plan(site, store=store, plan=plan, facts=facts_from_json(document), now=now)
    records.note(ACTUAL_NOTE, msgspec.to_builtins(course))


def noted_course(document: Mapping[str, Any] | None, *, plan: str) -> Course | None:
    """A kept course; None where there is none of this plan."""
    if document is None or document.get("plan") != plan:
        return None
    return msgspec.convert(document, type=Course)


def is_behind(planned: float, made: float) -> bool:
    """Whether so much of what the plan says by now is missing that somebody should look."""
    return planned - made > max(BEHIND * planned, 1.0)


def course_text(course: Course, *, labels: Mapping[str, str]) -> str:
    """The course for a terminal."""
    lines = [f"{course.plan} up to {course.at.isoformat(timespec='minutes')}: good units, planned by now and made"]
    for each in course.lines:
        mark = "  behind" if is_behind(each.planned, each.made) else ""
        name = labels.get(each.product, each.product)
        lines.append(
            f"  {each.line:<8} {name:<16} {each.planned:8.0f} {each.made:8.0f} of {each.planned_in_all:8.0f}{mark}"
        )
    lines.append("orders due in this plan: covered by now, by the plan and really")
    for order in course.orders:
        mark = "  behind" if is_behind(order.planned, order.covered) else ""
        due = f"{order.due_at:%d %b %H:%M}"
        units = f"{order.planned:8.0f} {order.covered:8.0f} of {order.quantity:8.0f}"
        lines.append(f"  {order.order:<14} due {due} UTC {units}{mark}")
    return "\n".join(lines)


def _by_product(good: Mapping[tuple[str, str], float]) -> dict[str, float]:
    total: dict[str, float] = {}
    for (_, product), units in good.items():
        total[product] = total.get(product, 0.0) + units
    return total
