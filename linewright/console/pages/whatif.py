"""`/whatif`: scenarios composed by form or pasted, planned side by side in the background, compared, and made real."""

import math
import os
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.desk import Answer, LongQuestion
from linewright.console.pages.asking import answers_of
from linewright.console.pages.frame import page_frame
from linewright.console.pages.parts import Text, attribute, box, empty, panel, table
from linewright.console.pages.questions import (
    SEARCH_TIMES,
    Asked,
    ask_button,
    head,
    look_up,
    mark,
    nothing_to_ask,
    select,
)
from linewright.console.pages.realising import make_real
from linewright.console.question_charts import scenario_chart
from linewright.console.views.question_view import Kind
from linewright.console.views.whatif_view import (
    BLANKS,
    SCENARIO_NAME,
    TITLES,
    Blank,
    Change,
    Draft,
    Objection,
    objections,
    outcome_rows,
    scenario_document,
)

COLUMNS = ("Scenario", "Costs", "More", "Proved between", "Late (units)", "kWh", "Peak kW", "CO₂ kg", "Maintained")
MOST_CHANGES = 8


async def whatif_page(console: Console, person: Visitor, chosen: str) -> None:
    """Scenarios beside the facts of the newest plan, or of the one with the chosen number."""
    asked, trouble = await look_up(console, chosen)
    with page_frame(console, active="/whatif", title="What if", dark=person.dark):
        Text("h1", "What if?", "page-title")
        Text("p", trouble, "problem")
        if asked is None:
            if not trouble:
                nothing_to_ask(chosen)
            return
        head(console, asked, page="/whatif")
        if not asked.has_plan:
            empty("There is no plan to compare with: its rules cannot hold together.", "The Plan page names them.")
            return
        Composer(console, asked)
        with panel("Scenarios side by side", note="each planned anew, beside the facts as they are"):
            refresh = answers_of(
                console,
                plan=asked.plan.number,
                kind=Kind.WHATIF,
                build=lambda answer: _outcomes(console, person, asked, answer),
                nothing="None was planned yet for this plan.",
            )
    ui.timer(0.5, refresh)


class Composer:
    """The scenarios in front of a person, as cards or as text, until they are planned."""

    def __init__(self, console: Console, asked: Asked) -> None:
        self.console, self.asked = console, asked
        self.drafts: list[Draft] = []
        self.fields: list[dict[str, ui.input | ui.select]] = []
        self.told: list[Text] = []
        with panel("Compose scenarios", note="each states only what is otherwise"):
            with box("form", role="group", label="Add a scenario"):
                for change in Change:
                    button = Text("button", f"+ {TITLES[change]}", "button small")
                    attribute(button, "type", "button")
                    button.on("click", lambda c=change: self._add(c))
            self.cards = box("slot")
            with box("checks", tag="details"):
                Text("summary", "Paste TOML instead, for several changes in one scenario")
                label = "Scenarios as TOML; deploy/whatif.toml is an example"
                self.text = ui.textarea(label).props("outlined autogrow input-class=mono").classes("toml-field")
            self.problem = Text("p", "", "problem")
            attribute(self.problem, "role", "alert")
            with box("form"):
                self.limit = select(SEARCH_TIMES, "How long for each", 5.0)
                ask_button("Plan side by side", self._ask)

    def _add(self, change: Change) -> None:
        numbered = sum(draft.change is change for draft in self.drafts) + 1
        name = TITLES[change] if numbered == 1 else f"{TITLES[change]} {numbered}"
        values = {blank.name: blank.default for blank in BLANKS[change]}
        self.drafts.append(Draft(change=change, name=name, values=values))
        self._show()

    def _remove(self, draft: Draft) -> None:
        self.drafts = [each for each in self.drafts if each is not draft]
        self._show()

    def _show(self) -> None:
        self.cards.clear()
        self.fields, self.told = [], []
        with self.cards:
            for draft in self.drafts:
                self._card(draft)

    def _card(self, draft: Draft) -> None:
        with box("scenario", role="group", label=TITLES[draft.change]):
            with box("scenario-head"):
                Text("strong", TITLES[draft.change])
                remove = Text("button", "Remove", "button")
                attribute(remove, "type", "button")
                remove.on("click", lambda: self._remove(draft))
            with box("form"):
                fields: dict[str, ui.input | ui.select] = {}
                name = ui.input("Name", value=draft.name).props("outlined dense maxlength=60 hide-bottom-space")
                name.classes("field wide").on_value_change(lambda event: setattr(draft, "name", event.value or ""))
                for blank in BLANKS[draft.change]:
                    made = self._field(draft, blank)
                    made.on_value_change(
                        lambda event, key=blank.name: draft.values.__setitem__(key, str(event.value or ""))
                    )
                    fields[blank.name] = made
                currency = self.console.site.plant.currency
                cost = ui.input(f"Costs besides the plan [{currency}]", value=draft.extra_cost)
                cost.props("outlined dense hide-bottom-space").classes("field wide")
                cost.on_value_change(lambda event: setattr(draft, "extra_cost", event.value or ""))
                self.fields.append({SCENARIO_NAME: name, **fields, "extra_cost": cost})
            told = Text("p", "", "problem")
            attribute(told, "role", "alert")
            self.told.append(told)

    def _field(self, draft: Draft, blank: Blank) -> ui.input | ui.select:
        if not blank.choices:
            typed = ui.input(blank.label, value=draft.values[blank.name], placeholder=blank.hint)
            return typed.props("outlined dense hide-bottom-space").classes("field wide")
        options = _choices(self.asked, blank.choices)
        chosen = select(options, blank.label, draft.values[blank.name] or next(iter(options), None))
        draft.values[blank.name] = chosen.value or ""
        return chosen

    def _ask(self) -> None:
        pasted = (self.text.value or "").strip()
        if not pasted and not self.drafts:
            self.problem.set_text("Nothing is otherwise yet: add a scenario above, or paste some.")
            return
        document = pasted or scenario_document(self.drafts)
        found = objections(document, self.asked.facts)
        self._tell(found, is_pasted=bool(pasted))
        if found:
            return
        from optimizer.scenarios import read_scenarios

        plan, names = self.asked.plan, [s.name for s in read_scenarios(document, where="scenarios")]
        cores = max(len(os.sched_getaffinity(0)) - 1, 1)  # one is left to the plant
        words = ("whatif", "--plan", plan.number, "--time-limit", f"{self.limit.value:g}", "--cores", str(cores))
        self.console.desk.ask(
            LongQuestion(
                kind=Kind.WHATIF,
                plan=plan.number,
                title=f"What if: {', '.join(names)}?",
                words=words,
                searches=math.ceil((len(names) + 1) / cores),
                limit_s=self.limit.value,
                document=document,
            )
        )

    def _tell(self, found: tuple[Objection, ...], *, is_pasted: bool) -> None:
        """Each objection beside its field; what has none, below its card or below all."""
        for fields in self.fields:
            for field in fields.values():
                mark(field, "")
        for told in self.told:
            told.set_text("")
        rest = []
        for each in found:
            if is_pasted or each.scenario is None or each.scenario >= len(self.fields):
                place = "" if each.scenario is None else f"Scenario {each.scenario + 1}: "
                rest.append(f"{place}{each.field + ': ' if each.field else ''}{each.sentence}")
            elif each.field in self.fields[each.scenario]:
                mark(self.fields[each.scenario][each.field], each.sentence)
            else:
                self.told[each.scenario].set_text(each.sentence)
        self.problem.set_text(" ".join(rest))


def _choices(asked: Asked, what: str) -> dict[str, str]:
    facts = asked.facts
    lines = {line.name: line.label for line in facts.plant.lines}
    if what == "machine":
        return {machine.name: machine.label for machine in facts.plant.machines}
    if what == "product":
        return {product.name: product.label for product in facts.products}
    if what == "hour":
        zone = ZoneInfo(facts.plant.timezone)
        hours = [(facts.start + timedelta(hours=h)).astimezone(zone) for h in range(facts.policy.horizon_h)]
        return {at.isoformat(): f"{at:%a} {at.day} {at:%b %H:%M}" for at in hours}
    return lines if what == "line" else {"": "all lines", **lines}


def _outcomes(console: Console, person: Visitor, asked: Asked, answer: Answer) -> None:
    """One table and one picture; each scenario can be made real."""
    outcomes, plant = answer.result, console.site.plant
    machines = {machine.name: machine.label for machine in plant.machines}
    columns = tuple(f"{name} [{plant.currency}]" if name in ("Costs", "More") else name for name in COLUMNS)
    _, body = table(columns, label="Scenarios", numbers=columns[1:8])
    with body:
        for row in outcome_rows(outcomes, machines=machines):
            with box(tag="tr"):
                for place, text in enumerate(row):
                    Text("td", text, "num" if 0 < place < len(row) - 1 else "")
    with box("figure-frame", tag="figure", label="Costs over the facts as they are, by term"):
        chart = scenario_chart(outcomes, currency=plant.currency, palette=person.palette)
        ui.echart(chart).classes("chart chart-scenarios")
    note = "“Proved between” is how far the best plans of both can differ; it is wide where the search was short."
    Text("p", note, "note")
    for place, each in enumerate(outcomes[1:]):
        with box("scenario", role="group", label=each["name"]):
            with box("scenario-head"):
                Text("strong", each["name"])
                button = Text("button", "Make it real …", "button")
                attribute(button, "type", "button")
                button.on("click", _realise(console, person, asked, answer, place))
            with box("reasons", tag="ul"):
                for sentence in each["changes"][:MOST_CHANGES]:
                    Text("li", sentence)
                if (more := len(each["changes"]) - MOST_CHANGES) > 0:
                    Text("li", f"and {more} more")


def _realise(console: Console, person: Visitor, asked: Asked, answer: Answer, place: int) -> Callable[[], object]:
    async def act() -> None:
        from optimizer.scenarios import read_scenarios

        scenario = read_scenarios(answer.document, where="scenarios")[place]
        await make_real(console, person, scenario, asked.facts)

    return act
