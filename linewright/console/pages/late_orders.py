"""The plan page's late orders; each row answers why it is late in its place."""

from collections.abc import Callable

from linewright.console.context import Console
from linewright.console.desk import LongQuestion
from linewright.console.pages.answers import show_why_late
from linewright.console.pages.asking import answers_of
from linewright.console.pages.parts import Text, attribute, box, panel, table
from linewright.console.views.question_view import Kind
from linewright.console.words import moment, number
from plant.plans import LateOrder, Plan

SEARCH_S = 10.0
"""For the best plan in which the order is in time [s of CPU]."""


def build_late(console: Console, plan: Plan) -> Callable[[], None]:
    """Build the table; returns what keeps its answers up to date."""
    plant, moving = console.site.plant, []
    with panel("Late orders"):
        if not plan.late:
            Text("p", "● Every order is on time.", "note")
            return lambda: None
        columns = ("Order", "Product", "Due", "Missing when due", "Complete", "")
        _, body = table(columns, label="Late orders", numbers=("Missing when due",))
        with body:
            for late in plan.late:
                with box(tag="tr"):
                    Text("td", late.order)
                    Text("td", console.products.get(late.product, late.product))
                    Text("td", moment(late.due_at, timezone=plant.timezone), "when")
                    Text(
                        "td", f"▲ {number(late.units_late, digits=0) if late.units_late >= 0.5 else '<1'} units", "num"
                    )
                    ready = moment(late.expected_at, timezone=plant.timezone) if late.expected_at else "after this plan"
                    Text("td", ready)
                    with box(tag="td"):
                        _why_button(console, plan, late)
                with box("late-answer", tag="tr"), box(tag="td") as cell:
                    attribute(cell, "colspan", str(len(columns)))
                    moving.append(
                        answers_of(
                            console,
                            plan=plan.number,
                            kind=Kind.WHY_LATE,
                            title=_title(late),
                            build=lambda answer: show_why_late(console, answer),
                        )
                    )

    def move() -> None:
        for each in moving:
            each()

    return move


def _why_button(console: Console, plan: Plan, late: LateOrder) -> None:
    button = Text("button", "Why late?", "button small")
    attribute(button, "type", "button")
    attribute(button, "aria-label", f"Why is {late.order} late?")
    question = LongQuestion(
        kind=Kind.WHY_LATE,
        plan=plan.number,
        title=_title(late),
        words=("why-late", late.order, "--plan", plan.number, "--time-limit", f"{SEARCH_S:g}"),
        searches=1,
        limit_s=SEARCH_S,
    )
    button.on("click", lambda: console.desk.ask(question))


def _title(late: LateOrder) -> str:
    return f"Why is {late.order} late?"
