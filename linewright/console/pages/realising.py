"""The dialog in which a scenario becomes real: what the plant has so already, what is still to be entered, a new plan.

A scenario is only a thought; its plan is proposed once its facts are the plant's own. Nothing is entered silently.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.pages.frame import remember_name
from linewright.console.pages.parts import Text, attribute, box
from linewright.console.views.whatif_view import Step, reality
from linewright.orders import take_orders
from linewright.planning import machines_down
from plant.errors import Unavailable
from plant.production import Order
from store.records import Records

if TYPE_CHECKING:
    from optimizer.facts import PlanningFacts
    from optimizer.scenarios import Scenario

Enter = Callable[[Order, str], Awaitable[None]]
"""Takes an order and the number that it gets in the order book."""


async def make_real(console: Console, person: Visitor, scenario: "Scenario", facts: "PlanningFacts") -> None:
    """Open the dialog."""
    site = console.site

    async def steps_now() -> tuple[Step, ...]:
        orders = await console.source.on_records(lambda records: records.orders())
        down = await _down(console) if scenario.breakdown else frozenset()
        return reality(scenario, facts, site=site, orders=orders, down=down)

    try:
        steps = await steps_now()
    except Unavailable as trouble:
        ui.notify(str(trouble), type="negative")
        return
    with ui.dialog() as dialog, box("dialog", role="document", label=f"Make “{scenario.name}” real"):
        Text("h2", f"Make “{scenario.name}” real")
        Text("p", "A plan is proposed from the plant's own facts. For this scenario they need:", "note")
        listing = box("slot")
        who = ui.input("Your name", value=person.name).props("outlined dense maxlength=60").classes("field")
        problem = Text("p", "", "problem")
        attribute(problem, "role", "alert")

        async def show() -> None:
            nonlocal steps
            steps = await steps_now()
            listing.clear()
            with listing:
                _steps(steps, enter)

        async def enter(order: Order, number: str) -> None:
            by = (who.value or "").strip()
            if not by or not number.strip():
                problem.set_text("Please give your name and the order's number, so that others can find it.")
                return
            document = msgspec.json.encode(replace(order, number=number.strip()))

            def put(records: Records) -> str:
                if any(each.number == number.strip() for each in records.orders()):
                    return f"Order {number.strip()} is in the order book already; please give another number."
                told = take_orders(document, site=site, records=records, source=f"console, {by}")
                if told is None:
                    records.audit(by, "order entered", site.clock.now(), number.strip())
                return told or ""

            try:
                problem.set_text(await console.source.on_records(put))
                if not problem.text:
                    remember_name(by)
                await show()
            except Unavailable as trouble:
                problem.set_text(str(trouble))

        async def ask_plan() -> None:
            try:
                await show()
                missing = [step for step in steps if not step.is_real]
                if missing:
                    problem.set_text("Not everything above is so yet; a plan made now would not be this scenario's.")
                    return
                detail = f"{scenario.name} is real"
                await console.source.on_records(
                    lambda records: records.request("plan", at=site.clock.now(), detail=detail)
                )
            except Unavailable as trouble:
                problem.set_text(str(trouble))
                return
            dialog.close()
            ui.notify("Asked for a plan. It appears on the Plan page as a proposal.", type="positive")

        with listing:
            _steps(steps, enter)
        with box("dialog-actions"):
            cancel = Text("button", "Close", "button")
            confirm = Text("button", "Propose a plan", "button primary")
            for button in (cancel, confirm):
                attribute(button, "type", "button")
            cancel.on("click", dialog.close)
            confirm.on("click", ask_plan)
    dialog.on("hide", dialog.delete)
    dialog.open()


def _steps(steps: tuple[Step, ...], enter: Enter) -> None:
    for step in steps:
        Text("p", f"{'● so already' if step.is_real else '○ not yet'}: {step.sentence}")
        if step.order is not None and not step.is_real:
            _entry(step.order, enter)


def _entry(order: Order, enter: Enter) -> None:
    with box("form"):
        number = ui.input("Order number", value="").props("outlined dense maxlength=60").classes("field")
        button = Text("button", "Enter into the order book", "button")
        attribute(button, "type", "button")
        button.on("click", lambda: enter(order, number.value or ""))


async def _down(console: Console) -> frozenset[str]:
    return await console.source.ask(lambda reader, _: machines_down(console.site, reader))
