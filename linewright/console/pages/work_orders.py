"""Work orders of one machine, and the dialog in which a mechanic says what was found."""

from collections.abc import Sequence

from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.pages.frame import remember_name
from linewright.console.pages.parts import Text, attribute, box, chip, table
from linewright.console.words import Mark, Tone, moment
from linewright.work_orders import close_work_order
from plant.errors import Unavailable
from plant.work_orders import Finding, WorkOrder, WorkOrderState

FINDINGS = {
    Finding.TRUE_ALARM: "True alarm: damage or wear was there",
    Finding.FALSE_ALARM: "False alarm: it had another cause",
    Finding.NOTHING_FOUND: "Nothing found",
}
_FOUND = {
    Finding.TRUE_ALARM: Mark(word="True alarm", tone=Tone.BAD),
    Finding.FALSE_ALARM: Mark(word="False alarm", tone=Tone.OK),
    Finding.NOTHING_FOUND: Mark(word="Nothing found", tone=Tone.MUTED),
}


def work_orders_table(console: Console, person: Visitor, orders: Sequence[WorkOrder]) -> None:
    """The orders of one machine, newest first; an open one can be reported."""
    if not orders:
        Text("p", "No work order yet: an alert or an accepted plan makes one.", "note")
        return
    timezone = console.site.plant.timezone
    _, body = table(("Number", "Planned", "What", "Finding"), label="Work orders")
    with body:
        for order in orders:
            with box(tag="tr"):
                Text("td", order.number)
                Text("td", moment(order.planned_start, timezone=timezone))
                Text("td", order.title)
                with box(tag="td"):
                    if order.is_open:
                        _report_button(console, person, order)
                    else:
                        chip(_mark(order))
                        words = (order.found_mode, order.note, order.closed_by and f"by {order.closed_by}")
                        Text("p", ", ".join(word for word in words if word), "note")


def _mark(order: WorkOrder) -> Mark:
    if order.finding is not None:
        return _FOUND[order.finding]
    return Mark(word=WorkOrderState.CANCELLED.value.capitalize(), tone=Tone.MUTED)


def _report_button(console: Console, person: Visitor, order: WorkOrder) -> None:
    button = Text("button", "Report finding", "button")
    attribute(button, "type", "button")
    button.on("click", lambda: _ask(console, person, order))


def _ask(console: Console, person: Visitor, order: WorkOrder) -> None:
    """Open the dialog; it closes once the finding is recorded, and else stays open with the reason."""
    with ui.dialog() as dialog, box("dialog", role="document", label="Report what was found"):
        Text("h2", "Report what was found")
        Text("p", f"{order.number}: {order.title}", "note")
        finding = ui.select(FINDINGS, label="Finding").props("outlined dense").classes("field")
        mode = ui.input("Failure mode", value=order.suspected_mode).props("outlined dense maxlength=100")
        mode.classes("field")
        note = ui.input("Note").props("outlined dense maxlength=300").classes("field")
        who = ui.input("Your name", value=person.name).props("outlined dense maxlength=60").classes("field")
        problem = Text("p", "", "problem")
        attribute(problem, "role", "alert")

        async def confirm() -> None:
            by, chosen = (who.value or "").strip(), finding.value
            if chosen is None or not by:
                problem.set_text("Please choose a finding and give your name; the models learn from it.")
                return
            said, told = (mode.value or "") if chosen is Finding.TRUE_ALARM else "", note.value or ""
            at = console.site.clock.now()
            try:
                await console.source.on_records(
                    lambda records: close_work_order(
                        records, number=order.number, finding=chosen, mode=said, note=told, by=by, at=at
                    )
                )
            except Unavailable as trouble:
                problem.set_text(str(trouble))
                return
            remember_name(by)
            dialog.close()

        with box("dialog-actions"):
            cancel = Text("button", "Cancel", "button")
            save = Text("button", "Record finding", "button primary")
            for button in (cancel, save):
                attribute(button, "type", "button")
            cancel.on("click", dialog.close)
            save.on("click", confirm)
    dialog.on("hide", dialog.delete)
    dialog.open()
