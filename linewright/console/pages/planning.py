"""The plan page's line on a plan being made: best plan and bound so far, and a button that keeps the best one now."""

from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.pages.parts import Text, attribute, box
from linewright.console.words import money, number
from linewright.plan_running import Running, running_search, stop_search


async def read_running(console: Console) -> Running | None:
    """The search under way; None: there is none. Raises Unavailable."""
    return await console.source.on_records(running_search)


def build_running(console: Console, person: Visitor, running: Running | None) -> None:
    """How the search stands; nothing where none is under way."""
    if running is None:
        return
    currency = console.site.plant.currency

    async def stop() -> None:
        at, by = console.site.clock.now(), person.name or "console"
        told = await console.source.on_records(lambda records: stop_search(records, by=by, at=at))
        ui.notify(told or "The search has just ended.", position="bottom-right")

    with box("plan-running", tag="section", label="A plan is being made"):
        Text("p", running_sentence(running, currency=currency), "note")
        if running.incumbent is not None and not running.stopping:
            button = Text("button", "Keep the best plan now", "button")
            attribute(button, "type", "button")
            button.on("click", stop)


def running_sentence(running: Running, *, currency: str) -> str:
    """How a search stands, in words."""
    made = f"A plan is being made ({running.reason}), {number(running.spent_s, digits=0)} s so far."
    if running.stopping:
        return f"{made} It ends with the best plan it has."
    if running.incumbent is None:
        return f"{made} No plan yet."
    verb = "earns" if running.incumbent < 0 else "costs"
    best = f" The best one {verb} {money(abs(running.incumbent), currency=currency)}"
    if running.bound is None or running.gap is None:
        return f"{made}{best}."
    least = "no plan earns more than" if running.bound < 0 else "no plan costs less than"
    bound = money(abs(running.bound), currency=currency)
    return f"{made}{best}, {least} {bound}: a gap of {number(100 * running.gap, digits=1)} %."
