"""`/alerts`: what asks for a person, and what did."""

from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.pages.dialogs import Question, ask_person
from linewright.console.pages.frame import page_frame
from linewright.console.pages.parts import Rebuilt, Text, attribute, box, chip, empty, link, panel, table
from linewright.console.views.alert_view import AlertCard, AlertsView, alerts_view
from store.records import Records


def alerts_page(console: Console, person: Visitor) -> None:
    """Open alerts as cards, past ones as a table."""
    site = console.site
    with page_frame(console, active="/alerts", title="Alerts", dark=person.dark) as listen:
        Text("h1", "Alerts", "page-title")

        def build_open(cards: tuple[AlertCard, ...]) -> None:
            if not cards:
                empty("No alert is open.", "One opens here as soon as a machine's risk stays above its limit.")
            for card in cards:
                _card(console, person, card)

        opened = Rebuilt(box("alerts", tag="section", label="Open alerts"), build_open)
        with panel("Past"):
            past = Rebuilt(box("slot"), _past)

        def show() -> None:
            view: AlertsView = alerts_view(console.feed.snapshot.alerts, plant=site.plant, now=site.clock.now())
            opened.show(view.open)
            past.show(view.past)

        listen(show)


def acknowledge_button(console: Console, person: Visitor, card: AlertCard) -> None:
    """The button with which a person takes an alert on."""
    button = Text("button", "Acknowledge", "button primary")
    attribute(button, "type", "button")
    attribute(button, "aria-label", f"Acknowledge: {card.title}")

    async def act(by: str, _reason: str) -> str:
        at = console.site.clock.now()

        def acknowledge(records: Records) -> None:
            records.acknowledge(card.number, by=by, at=at)
            records.audit(by, "alert acknowledged", at=at, detail=card.number)

        await console.source.on_records(acknowledge)
        await console.feed.look()
        ui.notify(f"Acknowledged as {by}.", type="positive", position="bottom-right")
        return ""

    question = Question(
        title="Acknowledge this alert",
        explanation=f"{card.title} Acknowledging says: I have seen it and see to it. It stays open while it is active.",
        button="Acknowledge",
    )
    button.on("click", lambda: ask_person(question, name=person.name, act=act))


def _card(console: Console, person: Visitor, card: AlertCard) -> None:
    with box(f"alert tone-{card.severity.tone.value}", tag="article", label=card.title):
        with box("alert-head"):
            chip(card.severity)
            chip(card.state)
            link(card.machine, card.href, "alert-machine")
            Text("span", card.since, "since")
        Text("h2", card.title, "alert-title")
        with box("alert-body"):
            with box("alert-why"):
                Text("h3", "What shows it")
                with box("reasons", tag="ul"):
                    for sentence in card.evidence or ("No evidence was recorded.",):
                        Text("li", sentence)
            with box("alert-do"):
                Text("h3", "What to do")
                Text("p", card.action)
                Text("p", f"Failure probability {card.probability} of operation", "note")
                if card.acknowledged:
                    Text("p", card.acknowledged.capitalize(), "note")
                if card.can_acknowledge:
                    acknowledge_button(console, person, card)


def _past(cards: tuple[AlertCard, ...]) -> None:
    if not cards:
        Text("p", "No alert has been closed yet.", "note")
        return
    _, body = table(("Machine", "What", "Severity", "When", "Acknowledged by"), label="Past alerts")
    with body:
        for card in cards:
            with box(tag="tr"):
                with box(tag="td"):
                    link(card.machine, card.href)
                Text("td", card.title)
                with box(tag="td"):
                    chip(card.severity)
                Text("td", card.since)
                Text("td", card.acknowledged.removeprefix("acknowledged by "))
