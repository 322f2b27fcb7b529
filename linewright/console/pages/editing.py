"""The dialog in which a person changes a plan: pick parts, keep, move or leave them out, and have it planned again."""

from typing import Any

import msgspec
from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.editing import edit_in_process
from linewright.console.pages.frame import remember_name
from linewright.console.pages.parts import Text, attribute, box
from linewright.console.views.edit_view import Change, change_text, parts_of, starts_of
from plant.plans import Plan


def change_plan(console: Console, person: Visitor, plan: Plan) -> None:
    """Open the dialog; the new plan is opened once it is solved and checked."""
    site = console.site
    parts = parts_of(plan, plant=site.plant, products=console.products)
    starts = starts_of(plan, timezone=site.plant.timezone)
    lines = {line.name: line.label for line in site.plant.lines}
    changes: list[str] = []
    with ui.dialog().props("persistent") as dialog, box("dialog", role="document", label="Change this plan"):
        Text("h2", "Change this plan")
        explanation = "What you fix is kept; the rest is planned anew and checked. This plan stays as it is."
        Text("p", explanation, "note")
        what = _select("What", {index: part.label for index, part in enumerate(parts)}, value=0 if parts else None)
        do = _select("Do", {change: change.value for change in Change}, value=Change.MOVE)
        where = _select("Line (of a lot)", lines, value=parts[0].line or None if parts else None)
        when = _select("Start", starts, value=next(iter(starts), None))
        add = Text("button", "Add change", "button")
        listed = box("reasons", tag="ul")
        who = ui.input("Your name", value=person.name).props("outlined dense maxlength=60").classes("field")
        why = ui.input("Reason (may be left empty)").props("outlined dense maxlength=300").classes("field")
        problem = Text("p", "", "problem")
        attribute(problem, "role", "alert")

        def follow() -> None:
            part = parts[what.value] if what.value is not None else None
            moves = do.value is Change.MOVE
            when.set_visibility(moves)
            where.set_visibility(moves and part is not None and not part.machine)
            if part is not None and part.line:
                where.set_value(part.line)

        def add_change() -> None:
            if what.value is None:
                return
            text = change_text(parts[what.value], do.value, line=where.value or "", start=when.value or "")
            if text not in changes:
                changes.append(text)
                with listed:
                    Text("li", text)

        async def plan_again() -> None:
            by = (who.value or "").strip()
            if not by or not changes:
                problem.set_text("Please give your name." if changes else "Add at least one change first.")
                return
            problem.set_text("Planning anew; this takes up to a minute.")
            confirm.set_visibility(False)
            kept, told = await edit_in_process(site, plan.number, tuple(changes), by, (why.value or "").strip())
            confirm.set_visibility(True)
            if not kept:
                problem.set_text(told)
                return
            remember_name(by)
            dialog.close()
            ui.navigate.to(f"/plan?number={msgspec.json.decode(told, type=Plan).number}")

        what.on_value_change(follow)
        do.on_value_change(follow)
        follow()
        with box("dialog-actions"):
            cancel = Text("button", "Cancel", "button")
            confirm = Text("button", "Plan again", "button primary")
            for button in (add, cancel, confirm):
                attribute(button, "type", "button")
            add.on("click", add_change)
            cancel.on("click", dialog.close)
            confirm.on("click", plan_again)
    dialog.on("hide", dialog.delete)
    dialog.open()


def _select(label: str, options: dict[Any, str], *, value: Any) -> ui.select:
    return ui.select(options, label=label, value=value).props("outlined dense options-dense").classes("field")
