"""`/questions`: what a planner asks of a plan, each answered in the background and kept with its time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.desk import Answer, LongQuestion
from linewright.console.pages.answers import show_comparison, show_price_of, show_prices
from linewright.console.pages.asking import answers_of
from linewright.console.pages.frame import page_frame
from linewright.console.pages.late_orders import build_late
from linewright.console.pages.parts import Text, attribute, box, chip, empty, link, panel
from linewright.console.pages.replay import show_replay
from linewright.console.views.question_view import Choice, Form, Kind, statement
from linewright.console.views.replay_view import replay_view
from linewright.console.words import decision_mark, moment, money, status_mark
from plant.errors import Unavailable
from plant.plans import Plan, SolveStatus
from store.records import Records

if TYPE_CHECKING:
    from optimizer.facts import PlanningFacts

PLANS_SHOWN = 60
SEARCH_TIMES = {5.0: "5 s of search", 10.0: "10 s of search", 30.0: "30 s of search", 60.0: "60 s of search"}
Move = Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The plan that is asked about, with its facts, and the others to compare it with."""

    plan: Plan
    facts: "PlanningFacts"
    others: tuple[Plan, ...]

    @property
    def has_plan(self) -> bool:
        """Whether there is anything to ask about."""
        return _is_plan(self.plan)


async def questions_page(console: Console, person: Visitor, chosen: str) -> None:
    """Questions to the newest plan, or to the one with the chosen number."""
    asked, trouble = await look_up(console, chosen)
    moving: list[Move] = []
    with page_frame(console, active="/questions", title="Questions", dark=person.dark):
        Text("h1", "Questions to a plan", "page-title")
        Text("p", trouble, "problem")
        if asked is None:
            if not trouble:
                nothing_to_ask(chosen)
            return
        head(console, asked, page="/questions")
        if not asked.has_plan:
            empty("There is no plan to ask about: its rules cannot hold together.", "The Plan page names them.")
            return
        moving.append(build_late(console, asked.plan))
        moving.append(_why_not(console, asked))
        moving.append(_prices(console, asked))
        moving.append(_compare(console, person, asked))
        moving.append(_replay(console, asked))

    def refresh() -> None:
        for move in moving:
            move()

    ui.timer(0.5, refresh)


async def look_up(console: Console, chosen: str) -> tuple[Asked | None, str]:
    """The newest plan, or the one with the chosen number, with the answers kept of it; or what stands in the way."""
    try:
        asked = await console.source.on_records(lambda records: read_asked(records, chosen))
        if asked is not None:
            await console.desk.load(asked.plan.number)
    except Unavailable as away:
        return None, str(away)
    except msgspec.DecodeError:
        return None, "The facts of this plan were kept by another version and cannot be read. Choose a newer plan."
    return asked, ""


def read_asked(records: Records, chosen: str) -> Asked | None:
    """The plan that is asked about; None: there is none."""
    from linewright.plan_cases import recorded_case
    from plant.errors import ConfigError

    try:
        case = recorded_case(records, number=chosen)
    except ConfigError:
        return None
    others = tuple(p for p in records.plans(PLANS_SHOWN) if p.number != case.plan.number and _is_plan(p))
    return Asked(plan=case.plan, facts=case.facts, others=others)


def nothing_to_ask(chosen: str) -> None:
    """What stands where there is no plan."""
    if chosen:
        empty(f"There is no plan {chosen[:80]}.", "The Plan page lists those there are.")
    else:
        empty("No plan has been made yet.", "Once there is one, it can be asked about here.")


def head(console: Console, asked: Asked, *, page: str) -> None:
    """Which plan it is about, and a way to another."""
    plant, plan = console.site.plant, asked.plan
    with panel("About this plan"):
        with box("plan-marks"):
            chip(status_mark(plan.status))
            chip(decision_mark(plan.decision))
            made = moment(plan.created_at, timezone=plant.timezone, now=console.site.clock.now())
            link(plan.number, f"/plan?number={plan.number}", "mono")
            Text("span", f"made {made} plant time ({plan.reason})", "since")
        Text("p", plan.headline or "A plan without any change.", "answer-sentence")
        options = {p.number: plan_name(console, p) for p in (plan, *asked.others)}
        choose = ui.select(options, value=plan.number, label="Ask about another plan").props("outlined dense")
        choose.classes("field plan-choice")
        choose.on_value_change(lambda event: ui.navigate.to(f"{page}?plan={event.value}"))


def plan_name(console: Console, plan: Plan) -> str:
    """A plan as a picker names it."""
    plant = console.site.plant
    made = moment(plan.created_at, timezone=plant.timezone)
    cost = money(plan.cost, currency=plant.currency) if plan.costs else "no plan"
    return f"{made}, {plan.reason}: {cost} ({plan.number})"


def ask_button(text: str, act: Callable[[], object]) -> None:
    """A button that begins a question."""
    button = Text("button", text, "button primary")
    attribute(button, "type", "button")
    button.on("click", act)


def _why_not(console: Console, asked: Asked) -> Move:
    facts, plan = asked.facts, asked.plan
    with panel("Why not otherwise?", note="what doing it another way would cost, as a proven interval"):
        with box("form"):
            form = select({each.value: each.value for each in Form}, "What otherwise", Form.SPARE.value, wide=True)
            place = select(_places(facts, Form.SPARE), "Where", "")
            product = select({}, "Product", None)
            order = select(_orders(console, asked), "Order", None, wide=True)
            day = select(_days(facts), "Day", "")
            after = select({"": "any hour"} | {str(h): f"{h:02d}:00" for h in range(24)}, "From", "", narrow=True)
            before = select({"": "any hour"} | {str(h): f"{h:02d}:00" for h in range(1, 24)}, "Until", "", narrow=True)
            limit = select(SEARCH_TIMES, "How long", 10.0, narrow=False)
            fields = {"place": place, "product": product, "order": order, "before": before}

            def follow() -> None:
                chosen = Form(form.value)
                delivers = chosen is Form.DELIVER
                places = _places(facts, chosen)
                place.set_options(places, value=place.value if place.value in places else next(iter(places), None))
                made = {c.product for c in facts.capabilities if c.line == place.value}
                products = {p.name: p.label for p in facts.products if p.name in made}
                kept = product.value if product.value in products else None
                product.set_options(products, value=kept)
                order.set_visibility(delivers)
                product.set_visibility(chosen is Form.STOP)
                for each in (place, day, after, before):
                    each.set_visibility(not delivers)
                for each in fields.values():
                    mark(each, "")

            def ask() -> None:
                choice = Choice(
                    form=Form(form.value),
                    place=place.value or "",
                    product=product.value or "",
                    order=order.value or "",
                    day=day.value or "",
                    after=int(after.value) if after.value else None,
                    before=int(before.value) if before.value else None,
                )
                text, missing = statement(choice)
                for name, field in fields.items():
                    mark(field, missing.get(name, ""))
                if missing:
                    return
                words = ("why-not", text, "--plan", plan.number, "--time-limit", f"{limit.value:g}")
                console.desk.ask(
                    LongQuestion(
                        kind=Kind.WHY_NOT,
                        plan=plan.number,
                        title=f"Why not: {text}?",
                        words=words,
                        limit_s=limit.value,
                    )
                )

            for each in (form, place):
                each.on_value_change(follow)
            follow()
            ask_button("Ask", ask)

        def show(answer: Answer) -> None:
            show_price_of(console, answer.result)

        return answers_of(console, plan=plan.number, kind=Kind.WHY_NOT, build=show)


def _prices(console: Console, asked: Asked) -> Move:
    with panel("What is scarce?", note="what one more hour, unit, kW or kg would save"):
        question = LongQuestion(
            kind=Kind.PRICES,
            plan=asked.plan.number,
            title="Prices of what is scarce",
            words=("prices", "--plan", asked.plan.number),
            limit_s=5.0,
        )
        with box("form"):
            ask_button("Work out the prices", lambda: console.desk.ask(question))
        return answers_of(
            console, plan=asked.plan.number, kind=Kind.PRICES, build=lambda answer: show_prices(console, answer)
        )


def _compare(console: Console, person: Visitor, asked: Asked) -> Move:
    number = asked.plan.number
    with panel("Compare with another plan", note="where the difference in cost comes from"):
        if not asked.others:
            Text("p", "There is no other plan yet.", "note")
            return lambda: None
        earlier = [p for p in asked.others if p.created_at < asked.plan.created_at] or list(asked.others)
        with box("form"):
            names = {p.number: plan_name(console, p) for p in asked.others}
            other = select(names, "Compare with", earlier[0].number, wide=True)
            other.classes("plan-choice")

            def ask() -> None:
                console.desk.ask(
                    LongQuestion(
                        kind=Kind.COMPARE,
                        plan=number,
                        title=f"Compared with {other.value}",
                        words=("compare", other.value, number),
                    )
                )

            ask_button("Compare", ask)
        return answers_of(
            console, plan=number, kind=Kind.COMPARE, build=lambda answer: show_comparison(console, person, answer)
        )


def _replay(console: Console, asked: Asked) -> Move:
    number = asked.plan.number

    def show(answer: Answer) -> None:
        view = replay_view(answer.result, plan=number, currency=console.site.plant.currency)
        if view is not None:
            show_replay(view)
            Text("p", f"This plan was {view.note}.", "note")

    with panel("What can chance do to it?", note="the plan lived through many times, beside doing as today"):
        question = LongQuestion(
            kind=Kind.REPLAY,
            plan=number,
            title="This plan and other practices, by chance",
            words=("replay", number, "--time-limit", "5"),
            searches=4,
            limit_s=5.0,
        )
        with box("form"):
            ask_button("Replay it beside doing as today", lambda: console.desk.ask(question))
        return answers_of(console, plan=number, kind=Kind.REPLAY, build=show)


def mark(field: ui.input | ui.select, fault: str) -> None:
    """Say beside a field what is wrong with it; an empty text takes that back."""
    if not fault and "error" not in field.props:
        return
    field.props["error"], field.props["error-message"] = bool(fault), fault
    field.update()


def select(
    options: dict[str, str] | dict[float, str], label: str, value: object, *, wide: bool = False, narrow: bool = False
) -> ui.select:
    """A choice of the form."""
    field = ui.select(options, label=label, value=value).props("outlined dense hide-bottom-space")
    field.classes(f"field{' wide' if wide else ' narrow' if narrow else ''}")
    return field


def _places(facts: "PlanningFacts", form: Form) -> dict[str, str]:
    lines = {line.name: line.label for line in facts.plant.lines}
    machines = {machine.name: machine.label for machine in facts.plant.machines}
    if form is Form.MAINTAIN:
        return machines
    return {"": "the whole plant", **lines, **machines} if form is Form.SPARE else lines


def _days(facts: "PlanningFacts") -> dict[str, str]:
    zone = ZoneInfo(facts.plant.timezone)
    hours = (facts.start + timedelta(hours=h) for h in range(facts.policy.horizon_h))
    days = dict.fromkeys(at.astimezone(zone).date() for at in hours)
    return {"": "any day"} | {day.isoformat(): f"{day:%a} {day.day} {day:%b}" for day in days}


def _orders(console: Console, asked: Asked) -> dict[str, str]:
    late = {each.order for each in asked.plan.late}
    orders: Sequence[tuple[str, str]] = [
        (o.number, f"{o.number}, {console.products.get(o.product, o.product)}{', late' if o.number in late else ''}")
        for o in asked.facts.orders
        if o.due_at < asked.plan.end
    ]
    return dict(orders)


def _is_plan(plan: Plan) -> bool:
    return plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
