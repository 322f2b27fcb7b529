"""`/model`: per machine class the model in use, how far it can be believed, and what it learned from."""

from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.model_charts import cost_chart, lead_chart, reliability_chart
from linewright.console.models import ModelFacts, read_models
from linewright.console.pages.frame import page_frame
from linewright.console.pages.parts import Rebuilt, Text, box, chip, empty, link, panel, table
from linewright.console.views.model_view import ClassView, DiagnosisRow, Table, VersionRow, model_view
from plant.errors import Unavailable

READ_EVERY_S = 15.0
"""Files of the registry change seldom [s]."""
_MEASURES = ("Failures", "AP", "Brier", "ECE")
"""AP: average precision, as spelled out above the table."""


async def model_page(console: Console, person: Visitor) -> None:
    """A panel per machine class, read anew now and then."""
    known = await _read(console)
    with page_frame(console, active="/model", title="Model", dark=person.dark) as listen:
        Text("h1", "Model", "page-title")
        trouble = Rebuilt(box("slot"), _trouble)

        def build(views: tuple[ClassView, ...]) -> None:
            for view in views:
                _class(view, person, currency=console.site.plant.currency)

        classes = Rebuilt(box("slot plan-side"), build)

        def show() -> None:
            trouble.show(known.trouble)
            classes.show(model_view(console.site, known, risks=console.feed.snapshot.risks))

        async def read_again() -> None:
            nonlocal known
            known = await _read(console)
            show()

        listen(show)
        ui.timer(READ_EVERY_S, read_again, immediate=False)


async def _read(console: Console) -> ModelFacts:
    try:
        return await console.source.on_records(lambda records: read_models(records, site=console.site))
    except Unavailable as away:
        return ModelFacts(trouble=str(away))


def _trouble(sentence: str) -> None:
    if sentence:
        empty("Some of the models cannot be read now.", sentence.replace("`", ""))


def _class(view: ClassView, person: Visitor, *, currency: str) -> None:
    with panel(view.name, note=view.machines):
        if view.nothing:
            empty(f"No model of {view.name} is in use yet.", view.nothing)
        else:
            with box("ledger-verdict"):
                chip(view.state)
                Text("p", view.verdict, "note")
            with box("plan-columns model-now"):
                _facts(view)
                _reliability(view, person)
            if view.alerts:
                _alerts(view, person, currency=currency)
        if view.versions:
            _versions(view)
        _texts("Put in use", ("When", "Version", "How", "Why"), view.uses, of=view.name)
        _texts("Labels from work orders", ("Work order", "Finding", "Learned"), view.labels, of=view.name)
        if not view.labels.rows:
            Text("h3", "Labels from work orders")
            Text("p", "No closed work order of this class has a finding yet.", "note")
        _moved(view)


def _facts(view: ClassView) -> None:
    _, body = table(("Model in use", "", ""), label=f"Model of {view.name} in use")
    with body:
        for name, value, meaning in view.facts:
            with box(tag="tr"):
                Text("td", name)
                Text("td", value, "mono when" if name == "Version" else "when")
                Text("td", meaning, "note")


def _reliability(view: ClassView, person: Visitor) -> None:
    with box(tag="figure", label=f"Reliability of {view.name}"):
        Text("h3", "Reliability")
        Text("p", view.reliability_note, "note")
        if view.reliability:
            ui.echart(reliability_chart(view.reliability, palette=person.palette)).classes("chart chart-scenarios")


def _alerts(view: ClassView, person: Visitor, *, currency: str) -> None:
    Text("h3", "What alerts are worth")
    Text("p", view.alerts_note, "note")
    with box("plan-columns"):
        with box(tag="figure", label=f"Cost by threshold, {view.name}"):
            options = cost_chart(view.alerts, palette=person.palette, currency=currency)
            ui.echart(options).classes("chart chart-scenarios")
        with box(tag="figure", label=f"Lead time by threshold, {view.name}"):
            ui.echart(lead_chart(view.alerts, palette=person.palette)).classes("chart chart-scenarios")


def _versions(view: ClassView) -> None:
    Text("h3", "Versions")
    columns = ("Version", "State", "Data up to", *_MEASURES, "Calibrated")
    _, body = table(columns, label=f"Versions of {view.name}", numbers=_MEASURES)
    with body:
        for row in view.versions:
            _version(row)
    _older(view.older_versions, "linewright model list shows all")


def _version(row: VersionRow) -> None:
    with box(tag="tr"):
        Text("td", row.version, "mono when")
        with box(tag="td"):
            chip(row.state)
        Text("td", row.data_to, "when")
        for number in row.numbers:
            Text("td", number, "num")
        Text("td", row.calibrated)


def _texts(title: str, columns: tuple[str, ...], content: Table, *, of: str) -> None:
    if not content.rows:
        return
    Text("h3", title)
    _, body = table(columns, label=f"{title}, {of}")
    with body:
        for row in content.rows:
            with box(tag="tr"):
                for name, text in zip(columns, row, strict=True):
                    Text("td", text, {"When": "when", "Version": "mono when"}.get(name, ""))
    _older(content.older, "linewright model history and model labels show all")


def _older(left_out: int, where: str) -> None:
    if left_out:
        Text("p", f"{left_out} older; {where}.", "note")


def _moved(view: ClassView) -> None:
    Text("h3", "Signals against what the model knows")
    Text("p", view.moved, "note")
    if not view.diagnoses:
        return
    _, body = table(("Machine", "Cause", "Signal", "Finding"), label=f"Signals that moved, {view.name}")
    with body:
        for row in view.diagnoses:
            _diagnosis(row)


def _diagnosis(row: DiagnosisRow) -> None:
    with box(tag="tr"):
        with box(tag="td"):
            link(row.label, f"/machine/{row.machine}")
        with box(tag="td"):
            chip(row.cause)
        Text("td", row.signal)
        Text("td", row.sentence)
