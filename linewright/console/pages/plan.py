"""`/plan`: the proposed plan, why it may be trusted, and the decision about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.pages.course import build_course, build_files
from linewright.console.pages.dialogs import Question, ask_person
from linewright.console.pages.editing import change_plan
from linewright.console.pages.frame import page_frame
from linewright.console.pages.gantt import build_gantt
from linewright.console.pages.late_orders import build_late
from linewright.console.pages.parts import Rebuilt, Text, attribute, box, chip, empty, link, panel, table, width
from linewright.console.pages.planning import build_running, read_running
from linewright.console.pages.replay import build_replay
from linewright.console.views.plan_view import (
    HistoryRow,
    check_rows,
    cost_bars,
    goal_rows,
    history,
    repair_price,
    trust_line,
)
from linewright.console.views.replay_view import ReplayView, replay_view
from linewright.console.words import (
    Tone,
    decision_mark,
    hours,
    moment,
    money,
    number,
    status_mark,
)
from linewright.decisions import Outcome, accept_plan, acceptable, reject_plan
from linewright.plan_actual import ACTUAL_NOTE, Course, noted_course
from linewright.plan_replay import REPLAY_NOTE
from plant.errors import Unavailable
from plant.plans import Certificate, Plan

HISTORY_SHOWN = 15


@dataclass(slots=True)
class _Shown:
    """What this tab has in front of it."""

    plan: Plan | None
    plans: tuple[Plan, ...] = ()
    replay: ReplayView | None = None
    course: Course | None = None
    revision: int = -1


def plan_page(console: Console, person: Visitor, chosen: str) -> None:
    """The newest plan, or the one with the chosen number."""
    site = console.site
    shown = _Shown(plan=None if chosen else console.feed.snapshot.plan)
    moving: list[Callable[[], None]] = []
    with page_frame(console, active="/plan", title="Plan", dark=person.dark) as listen:
        Text("h1", "Plan", "sr-only")
        problem = Text("p", "", "problem")

        def build_plan(told: tuple[Plan | None, ReplayView | None]) -> None:
            plan, replay = told
            moving.clear()
            if plan is None:
                _no_plan(chosen)
                return
            _head(console, person, plan, replay)
            if plan.conflicts or plan.repairs:
                _infeasible(plan, currency=site.plant.currency)
            if plan.runs or plan.maintenance:
                moving.append(build_gantt(console, person, plan))
                build_files(plan)
            if plan.costs:
                with box("plan-columns"):
                    _costs(plan, replay, currency=site.plant.currency)
                    with box("plan-side"):
                        moving.append(build_late(console, plan))
                        _maintenance(console, plan)
            if plan.certificate is not None:
                _certificate(plan, plan.certificate, currency=site.plant.currency)

        running = Rebuilt(box("slot"), partial(build_running, console, person))
        current = Rebuilt(box("plan"), build_plan)
        course = Rebuilt(box("slot"), partial(build_course, console))
        chance = Rebuilt(box("slot"), build_replay)
        with panel("Plans so far"):
            earlier = Rebuilt(box("slot"), _history)

        def show() -> None:
            current.show((shown.plan, shown.replay))
            course.show(shown.course)
            chance.show(shown.replay)
            earlier.show(history(shown.plans, plant=site.plant, now=site.clock.now()))
            for move in moving:
                move()

        async def refresh() -> None:
            for move in moving:
                move()
            try:
                running.show(await read_running(console))
            except Unavailable as trouble:
                problem.set_text(str(trouble))
            if shown.revision == console.feed.revision:
                return
            shown.revision = console.feed.revision
            try:
                shown.plans = await console.source.on_records(lambda records: tuple(records.plans(HISTORY_SHOWN)))
                if chosen:
                    shown.plan = await console.source.on_records(lambda records: records.plan(chosen))
                else:
                    shown.plan = console.feed.snapshot.plan
                document = await console.source.on_records(lambda records: records.noted(REPLAY_NOTE))
                actual = await console.source.on_records(lambda records: records.noted(ACTUAL_NOTE))
                await console.desk.load(shown.plan.number if shown.plan is not None else "")
            except Unavailable as trouble:
                problem.set_text(str(trouble))
                return
            number_shown = shown.plan.number if shown.plan is not None else ""
            shown.replay = replay_view(document, plan=number_shown, currency=site.plant.currency)
            shown.course = noted_course(actual, plan=number_shown)
            problem.set_text("")
            show()

        listen(show)
    ui.timer(1.0, refresh)


def _no_plan(chosen: str) -> None:
    if chosen:
        empty(f"There is no plan {chosen[:80]}.", "The list below has those there are.")
    else:
        empty("No plan has been made yet.", "One is made every hour and when an alert opens, or now: linewright plan.")


def _head(console: Console, person: Visitor, plan: Plan, replay: ReplayView | None) -> None:
    plant, now = console.site.plant, console.site.clock.now()
    with box("plan-head", tag="section", label="The plan in one sentence"):
        with box("plan-what"):
            with box("plan-marks"):
                chip(status_mark(plan.status))
                chip(decision_mark(plan.decision))
                made = moment(plan.created_at, timezone=plant.timezone, now=now)
                Text("span", f"{plan.number} · made {made} ({plan.reason})", "since")
            Text("p", plan.headline or "A plan without any change.", "plan-headline")
            span_h = (plan.end - plan.start) / timedelta(hours=1)
            span = f"{moment(plan.start, timezone=plant.timezone)} to {moment(plan.end, timezone=plant.timezone)}"
            Text("p", f"{span}, {number(span_h, digits=0)} h", "note")
            if plan.decided_by:
                reason = f": {plan.decision_reason}" if plan.decision_reason else ""
                Text("p", f"{decision_mark(plan.decision).word} by {plan.decided_by}{reason}", "note")
            with box("plan-ask"):
                link("Ask why, compare, prices", f"/questions?plan={plan.number}")
                link("What if?", f"/whatif?plan={plan.number}")
        if plan.costs:
            _figures(plan, replay, currency=plant.currency)
        _decide(console, person, plan)


def _figures(plan: Plan, replay: ReplayView | None, *, currency: str) -> None:
    with box("plan-figures"):
        weighed = "against doing without it" if plan.saving is not None else "no maintenance to weigh"
        _big("Saves", money(plan.saving, currency=currency), weighed)
        title, detail = (
            ("Earns", "sales minus all costs") if plan.cost < 0 else ("Costs", "as planned, all terms together")
        )
        _big(title, money(abs(plan.cost), currency=currency), detail)
        if replay is not None:
            _big("Expected with failures", replay.expected, replay.against_planned)
        _big("Peak power", f"{number(plan.peak_kw, digits=0)} kW", "highest hourly mean")
        _big("CO₂", f"{number(plan.co2_kg, digits=0)} kg", "of its electricity")


def _big(title: str, value: str, detail: str) -> None:
    with box("big"):
        Text("div", title, "total-title")
        Text("div", value, "total-value")
        Text("div", detail, "total-detail")


def _decide(console: Console, person: Visitor, plan: Plan) -> None:
    objection = acceptable(plan, at=console.site.clock.now())
    if objection:
        if not plan.decided_by:
            Text("p", objection, "plan-objection note")
        return

    async def settle(outcome: Outcome) -> str:
        if not outcome.done:
            return outcome.sentence
        await console.feed.look()
        ui.notify(outcome.sentence, type="positive", position="bottom-right")
        return ""

    async def accept(by: str, reason: str) -> str:
        at = console.site.clock.now()
        return await settle(
            await console.source.on_records(
                lambda records: accept_plan(records, number=plan.number, by=by, reason=reason, at=at)
            )
        )

    async def reject(by: str, reason: str) -> str:
        at = console.site.clock.now()
        return await settle(
            await console.source.on_records(
                lambda records: reject_plan(records, number=plan.number, by=by, reason=reason, at=at)
            )
        )

    questions = (
        Question(
            title="Accept this plan",
            explanation=f"{plan.headline} Accepting publishes it to the plant and replaces the plan accepted before.",
            button="Accept plan",
            reason="Remark (may be left empty)",
        ),
        Question(
            title="Reject this plan",
            explanation="The plan accepted before stays in force.",
            button="Reject plan",
            reason="Reason",
            reason_needed=True,
        ),
    )
    with box("plan-decide", role="group", label="Decision"):
        for question, act, css in ((questions[0], accept, "button primary"), (questions[1], reject, "button")):
            button = Text("button", question.button, css)
            attribute(button, "type", "button")
            button.on("click", lambda q=question, a=act: ask_person(q, name=person.name, act=a))
        change = Text("button", "Change plan", "button")
        attribute(change, "type", "button")
        change.on("click", lambda: change_plan(console, person, plan))


def _infeasible(plan: Plan, *, currency: str) -> None:
    with box("plan-columns"):
        with panel("Rules that cannot hold together"), box("reasons", tag="ul"):
            for conflict in plan.conflicts:
                attribute(Text("li", conflict.sentence), "title", conflict.rule)
        with panel("What would make it possible", note="each one by itself, the cheapest first"):
            for repair in sorted(plan.repairs, key=lambda r: (r.cost is None, r.cost or 0.0)):
                with box("repair"):
                    Text("p", repair.sentence)
                    Text("span", repair_price(repair.cost, currency=currency), "num note")


def _costs(plan: Plan, replay: ReplayView | None, *, currency: str) -> None:
    with panel("Cost by term"):
        _, body = table(("Term", "", "Amount"), css="costs", label="Cost by term", numbers=("Amount",))
        with body:
            for bar in cost_bars(plan, currency=currency):
                with box(tag="tr"):
                    Text("th", bar.name)
                    if bar.income:
                        Text("td", "income", "note")
                    else:
                        with box(tag="td"), box("bar", tag="span"):
                            width(box("bar-fill", tag="span"), bar.ratio)
                    Text("td", bar.amount, "num")
            with box("sum", tag="tr"):
                Text("th", "Sum")
                Text("td", "costs minus income, as planned", "note")
                Text("td", money(plan.cost, currency=currency), "num")
            if replay is not None:
                with box("sum", tag="tr"):
                    Text("th", "Expected with failures")
                    Text("td", replay.against_planned, "note")
                    Text("td", replay.expected, "num")


def _maintenance(console: Console, plan: Plan) -> None:
    plant = console.site.plant
    with panel("Maintenance"):
        if not plan.maintenance:
            Text("p", "None is worth its cost within this plan.", "note")
            return
        _, body = table(
            ("Machine", "When", "Takes", "Failure cost avoided"),
            label="Maintenance in this plan",
            numbers=("Failure cost avoided",),
        )
        with body:
            for window in sorted(plan.maintenance, key=lambda w: w.start):
                machine = plant.machine_index.get(window.machine)
                with box(tag="tr"):
                    with box(tag="td"):
                        link(machine.label if machine else window.machine, f"/machine/{window.machine}")
                    Text("td", moment(window.start, timezone=plant.timezone))
                    Text("td", hours((window.end - window.start) / timedelta(hours=1)))
                    avoided = window.expected_failure_cost_without - window.expected_failure_cost
                    Text("td", money(avoided, currency=plant.currency), "num")


def _certificate(plan: Plan, certificate: Certificate, *, currency: str) -> None:
    with panel("Why it may be trusted", "trust"):
        with box("trust-line", tag="dl"):
            for fact in trust_line(plan, currency=currency):
                with box(f"trust-fact tone-{fact.tone.value}") as item:
                    attribute(item, "title", fact.hint)
                    Text("dt", fact.name)
                    Text("dd", fact.value if fact.tone is Tone.MUTED else f"{fact.tone.sign} {fact.value}")
        if certificate.stages:
            columns = ("Goal, the first comes first", "Reached", "Proved at least", "Later goals keep")
            with box("goals"):
                _, body = table(columns, label="Goals", numbers=columns[1:])
            with body:
                for goal, *amounts in goal_rows(certificate, currency=currency):
                    with box(tag="tr"):
                        Text("td", goal)
                        for amount in amounts:
                            Text("td", amount, "num")
        with box("checks", tag="details"):
            Text("summary", f"All {len(certificate.checks)} rules, re-checked one by one")
            _, body = table(
                ("Rule", "In words", "Instances", "Worst residual", ""),
                label="Checked rules",
                numbers=("Instances", "Worst residual"),
            )
            with body:
                for rule, sentence, instances, residual, mark in check_rows(certificate):
                    with box(tag="tr"):
                        Text("td", rule, "mono")
                        Text("td", sentence)
                        Text("td", instances, "num")
                        Text("td", residual, "num")
                        with box(tag="td"):
                            chip(mark)
            for name, value in (
                ("Inputs, SHA-256", certificate.inputs_hash),
                ("Solver", certificate.solver),
                ("Solver's own objective", number(certificate.solver_objective, digits=2)),
                ("Recomputed objective", number(certificate.recomputed_objective, digits=2)),
                ("Risk models", ", ".join(certificate.model_versions) or "base rates"),
            ):
                with box("checks-fact"):
                    Text("span", name, "note")
                    Text("span", value, "mono")


def _history(rows: tuple[HistoryRow, ...]) -> None:
    if not rows:
        Text("p", "No plan has been made yet.", "note")
        return
    columns = ("Plan", "Made", "Why", "Status", "Cost", "Decision", "By")
    _, body = table(columns, label="Plans", numbers=("Cost",))
    with body:
        for row in rows:
            with box(tag="tr"):
                with box(tag="td"):
                    link(row.number, row.href, "mono")
                Text("td", row.created)
                Text("td", row.reason)
                with box(tag="td"):
                    chip(row.status)
                Text("td", row.cost, "num")
                with box(tag="td"):
                    chip(row.decision)
                Text("td", row.who)
