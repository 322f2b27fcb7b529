"""Dialogs in which a person says who they are and what they decide."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from linewright.console.pages.frame import remember_name
from linewright.console.pages.parts import Text, attribute, box
from plant.errors import Unavailable

Act = Callable[[str, str], Awaitable[str]]
"""Takes name and reason, does it, and returns an empty text, or why it could not be done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a dialog asks."""

    title: str
    explanation: str
    button: str
    reason: str = ""
    """Label of the field for a reason; empty: none is asked for."""
    reason_needed: bool = False


def ask_person(question: Question, *, name: str, act: Act) -> None:
    """Open a dialog; it closes once the action is done and stays open, with the reason, where it could not be."""
    with ui.dialog() as dialog, box("dialog", role="document", label=question.title):
        Text("h2", question.title)
        Text("p", question.explanation, "note")
        who = ui.input("Your name", value=name).props("outlined dense autofocus maxlength=60").classes("field")
        why = ui.input(question.reason).props("outlined dense maxlength=300").classes("field")
        why.set_visibility(bool(question.reason))
        problem = Text("p", "", "problem")
        attribute(problem, "role", "alert")

        async def confirm() -> None:
            by, reason = (who.value or "").strip(), (why.value or "").strip()
            if not by:
                problem.set_text("Please give your name, so that others know who it was.")
                return
            if question.reason_needed and not reason:
                problem.set_text("Please give a reason; the next plan can then do better.")
                return
            try:
                objection = await act(by, reason)
            except Unavailable as trouble:
                objection = str(trouble)
            problem.set_text(objection)
            if not objection:
                remember_name(by)
                dialog.close()

        with box("dialog-actions"):
            cancel = Text("button", "Cancel", "button")
            confirm_button = Text("button", question.button, "button primary")
            for button in (cancel, confirm_button):
                attribute(button, "type", "button")
            cancel.on("click", dialog.close)
            confirm_button.on("click", confirm)
        for field in (who, why):
            field.on("keydown.enter", confirm)
    dialog.on("hide", dialog.delete)
    dialog.open()
