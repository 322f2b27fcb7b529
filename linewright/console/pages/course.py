"""The plan page's panel of the plan against what was made, and the links to take the plan out."""

from linewright.console.context import Console
from linewright.console.pages.parts import Text, box, link, panel, table
from linewright.console.words import moment, number
from linewright.plan_actual import Course, is_behind
from plant.plans import Plan


def build_course(console: Console, course: Course | None) -> None:
    """Planned by now and made, by line and product and by order."""
    if course is None:
        return
    timezone = console.site.plant.timezone
    note = f"good units up to {moment(course.at, timezone=timezone)}, from the counters"
    with panel("Plan against actual", note=note), box("plan-columns"):
        columns = ("Line", "Product", "Planned by now", "Made", "In the plan")
        _, body = table(columns, label="By line", numbers=columns[2:])
        with body:
            for each in course.lines:
                with box(tag="tr"):
                    Text("td", each.line)
                    Text("td", console.products.get(each.product, each.product))
                    _amounts(each.planned, each.made, each.planned_in_all)
        columns = ("Order", "Due", "Covered by plan", "Covered", "Ordered")
        _, body = table(columns, label="By order", numbers=columns[2:])
        with body:
            for order in course.orders:
                with box(tag="tr"):
                    Text("td", order.order)
                    Text("td", moment(order.due_at, timezone=timezone))
                    _amounts(order.planned, order.covered, order.quantity)


def build_files(plan: Plan) -> None:
    """Links to the plan as files."""
    with box("note", tag="p"):
        Text("span", "As a file: ")
        for name, text in (("csv", "CSV"), ("ical", "iCalendar"), ("gantt", "Gantt chart")):
            link(text, f"/api/plan/{plan.number}/{name}")
            Text("span", " \u00a0 ")


def _amounts(planned: float, made: float, whole: float) -> None:
    behind = is_behind(planned, made)
    Text("td", number(planned, digits=0), "num")
    Text("td", f"{'▲ ' if behind else ''}{number(made, digits=0)}", "num")
    Text("td", number(whole, digits=0), "num")
