"""`/ledger`: what became of every message, by topic filter, and how each link to a broker is."""

from linewright.account import account_of
from linewright.console.context import Console, Visitor
from linewright.console.pages.frame import page_frame
from linewright.console.pages.parts import Rebuilt, Text, attribute, box, chip, empty, panel, table, tone_of
from linewright.console.views.ledger_view import Figure, LedgerView, LinkRow, Row, ledger_view
from linewright.console.words import Tone

_NUMBERS = ("Received", "Stored", "Duplicate", "Quarantined", "In flight", "Missing")
_LINK_NUMBERS = ("Connected for", "Received", "Held", "Wait until durable")


def ledger_page(console: Console, person: Visitor) -> None:
    """The account in six numbers, by filter, and the links that feed it."""
    with page_frame(console, active="/ledger", title="Ledger", dark=person.dark) as listen:
        Text("h1", "Ledger", "page-title")
        verdict = Rebuilt(box("slot"), _verdict)
        figures = Rebuilt(box("slot"), _figures)
        with panel("By topic filter", note="Each number is counted by itself; the sum must come out even."):
            rows = Rebuilt(box("slot"), _rows)
        with panel("Links", note="This run of ingest."):
            links = Rebuilt(box("slot"), _links)

        def show() -> None:
            ledger = console.feed.snapshot.ledger
            view: LedgerView = ledger_view(ledger or account_of(()), console.feed.snapshot.links)
            verdict.show(view)
            figures.show(view.figures)
            rows.show(view.rows)
            links.show(view.links)

        listen(show)


def _verdict(view: LedgerView) -> None:
    with box("ledger-verdict"):
        chip(view.verdict)
        Text("p", "received = stored + duplicate + quarantined + in flight", "note")


def _figures(figures: tuple[Figure, ...]) -> None:
    with box("totals", tag="section", label="All messages"):
        for figure in figures:
            with box("total") as frame:
                tone_of(frame, figure.tone, css="total")
                Text("div", figure.title, "total-title")
                Text("div", figure.value, "total-value")
                sign = "" if figure.tone is Tone.MUTED else f"{figure.tone.sign} "
                Text("div", f"{sign}{figure.detail}", "total-detail")


def _rows(rows: tuple[Row, ...]) -> None:
    if not rows:
        empty("Nothing was received yet.", "Is the broker publishing? Run linewright doctor to find out.")
        return
    _, body = table(("Filter", *_NUMBERS, "Account"), label="The ledger by filter", numbers=_NUMBERS)
    with body:
        for row in rows:
            if row.kind == "messages":
                with box(tag="tr"):
                    attribute(Text("td", row.name, "mono"), "colspan", str(len(_NUMBERS) + 2))
            with box(tag="tr"):
                Text("td", row.kind)
                for number in row.numbers:
                    Text("td", number, "num")
                with box(tag="td"):
                    chip(row.balance)


def _links(links: tuple[LinkRow, ...]) -> None:
    if not links:
        empty("The ingest role does not answer.", "Start it with linewright run, or see its log.")
        return
    columns = ("Link", "Broker", "State", *_LINK_NUMBERS)
    _, body = table(columns, label="Links to brokers", numbers=_LINK_NUMBERS)
    with body:
        for link in links:
            with box(tag="tr"):
                Text("td", link.name)
                Text("td", link.address, "mono")
                with box(tag="td"):
                    chip(link.state)
                for number in (link.since, link.received, link.in_flight, link.wait):
                    Text("td", number, "num")
    for link in links:
        if link.trouble:
            Text("p", link.trouble, "note")
