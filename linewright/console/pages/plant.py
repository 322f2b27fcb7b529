"""`/`: the whole plant at a glance."""

from collections.abc import Callable
from dataclasses import dataclass

from nicegui.element import Element

from linewright.console.context import Console, Visitor
from linewright.console.pages.frame import page_frame
from linewright.console.pages.parts import (
    MarkChip,
    Rebuilt,
    Text,
    attribute,
    box,
    chip,
    empty,
    link,
    panel,
    style,
    table,
    tone_of,
    width,
)
from linewright.console.views.edge_node_view import EdgeNodeRow, edge_node_rows
from linewright.console.views.plant_view import LineCard, MachineTile, PlantView, Total, plant_view
from linewright.console.words import Mark, Tone

OEE_HINT = "Overall equipment effectiveness: availability × effectiveness × quality"
RISK_HINT = "Chance of failing soon; the machine's page has the hours and the evidence"
NOTHING_YET = Mark(word="No data", tone=Tone.MUTED)


def plant_page(console: Console, person: Visitor) -> None:
    """Totals, then each line with its machines in series."""
    site = console.site

    def view() -> PlantView:
        return plant_view(
            console.feed.snapshot,
            plant=site.plant,
            products=console.products,
            open_probability=console.open_probability,
            now=site.clock.now(),
        )

    with page_frame(console, active="/", title="Plant", dark=person.dark) as listen:
        Text("h1", "Plant", "sr-only")
        first = view()
        waiting: Rebuilt[bool] = Rebuilt(box("slot"), lambda heard: None if heard else _nothing_heard(console))
        with box("totals", tag="section", label="Totals"):
            totals = [_total(total) for total in first.totals]
        with box("lines"):
            lines = [_line(card) for card in first.lines]
        edge_nodes = Rebuilt(box("slot"), _edge_nodes)

        def show() -> None:
            fresh = view()
            waiting.show(bool(console.feed.snapshot.last))
            for update_total, total in zip(totals, fresh.totals, strict=True):
                update_total(total)
            for update_line, card in zip(lines, fresh.lines, strict=True):
                update_line(card)
            links = console.feed.snapshot.links
            edge_nodes.show(edge_node_rows(links, timezone=site.plant.timezone, now=site.clock.now()))

        listen(show)


def _edge_nodes(rows: tuple[EdgeNodeRow, ...]) -> None:
    if not rows:
        return
    numbers = ("Devices", "Gaps", "Rebirths asked")
    with panel("Edge nodes", note="Sparkplug: births and deaths as ingest heard them."):
        _, body = table(("Edge node", "State", "Since", *numbers, "Not online"), label="Edge nodes", numbers=numbers)
        with body:
            for row in rows:
                with box(tag="tr"):
                    Text("td", row.name, "mono")
                    with box(tag="td"):
                        chip(row.state)
                    Text("td", row.since)
                    for number in (row.devices, row.gaps, row.rebirths):
                        Text("td", number, "num")
                    Text("td", row.away)


def _nothing_heard(console: Console) -> None:
    broker = console.site.broker
    empty(
        "No reading has arrived yet.",
        f"Is the broker at {broker.host}:{broker.port} publishing? Run linewright doctor to find out.",
    )


def _total(first: Total) -> Callable[[Total], None]:
    with box("total") as frame:
        Text("div", first.title, "total-title")
        value = Text("div", first.value, "total-value")
        detail = Text("div", first.detail, "total-detail")

    def update(total: Total) -> None:
        tone_of(frame, total.tone, css="total")
        value.set_text(total.value)
        detail.set_text(f"{total.tone.sign} {total.detail}" if total.tone is not Tone.MUTED else total.detail)

    return update


def _line(first: LineCard) -> Callable[[LineCard], None]:
    alone = "line line-short" if len(first.machines) == 1 else "line"
    with box(alone, tag="section", label=first.label):
        with box("line-head"):
            Text("h2", first.label)
            product = Text("span", "", "line-product")
            with box("line-figures"):
                figures = [_figure(name) for name in ("OEE", "Power", "Per good part", "Scrap")]
        with box("machines"):
            tiles = []
            for index, machine in enumerate(first.machines):
                if index:
                    attribute(Text("span", "›", "then"), "aria-hidden", "true")
                tiles.append(_tile(machine))

    def update(card: LineCard) -> None:
        product.set_text(f"making {card.product}" if card.product != "–" else "")
        for figure, text in zip(figures, (card.oee, card.power, card.energy, card.scrap), strict=True):
            figure.set_text(text)
        for tile, machine in zip(tiles, card.machines, strict=True):
            tile.show(machine)

    return update


def _figure(name: str) -> Text:
    with box("figure"):
        Text("span", name, "figure-name")
        return Text("span", "–", "figure-value")


@dataclass(slots=True)
class _Tile:
    """The changing parts of one machine's tile."""

    frame: Element
    state: MarkChip
    since: Text
    oee: Text
    bars: list[tuple[Element, Text]]
    product: Text
    power: Text
    scrap: Text
    risk: Text
    risk_row: Element
    risk_bar: Element
    alert: Text

    def show(self, machine: MachineTile) -> None:
        self.state.show(machine.state)
        self.since.set_text(machine.since)
        self.oee.set_text(machine.oee)
        for (bar, text), factor in zip(self.bars, machine.factors, strict=True):
            width(bar, factor.ratio)
            text.set_text(factor.text)
        self.product.set_text(machine.product)
        self.power.set_text(machine.power)
        self.scrap.set_text(machine.scrap)
        self.risk.set_text(f"{machine.risk.tone.sign} {machine.risk.word}")
        tone_of(self.risk_row, machine.risk.tone, css="tile-risk")
        attribute(self.risk_row, "title", machine.risk.hint)
        width(self.risk_bar, machine.risk_ratio)
        self.alert.set_text(f"{machine.alert.tone.sign} {machine.alert.word} alert" if machine.alert else "")
        style(self.alert, {"display": "inline-flex" if machine.alert else "none"})
        tone_of(self.frame, machine.alert.tone if machine.alert else Tone.MUTED, css="tile")


def _tile(machine: MachineTile) -> _Tile:
    with box("tile", tag="article", label=machine.label) as frame:
        with box("tile-head"):
            link(machine.label, machine.href, "tile-name")
            alert = Text("a", "", "tile-alert")
            attribute(alert, "href", "/alerts")
        with box("tile-state"):
            state = chip(NOTHING_YET)
            since = Text("span", "", "since")
        with box("tile-oee"):
            with box("oee"):
                oee = Text("span", "OEE", "oee-name")
                attribute(oee, "title", OEE_HINT)
                oee = Text("span", "–", "oee-value")
            with box("factors"):
                bars = [_factor(factor.name) for factor in machine.factors]
        with box("tile-facts", tag="dl"):
            product, power, scrap = (_fact(name) for name in ("Product", "Power", "Scrap"))
        with box("tile-risk") as risk_row:
            attribute(Text("span", "Risk", "risk-name"), "title", RISK_HINT)
            with box("bar", tag="span"):
                risk_bar = box("bar-fill", tag="span")
            risk = Text("span", "–", "risk-value")
    return _Tile(
        frame=frame,
        state=state,
        since=since,
        oee=oee,
        bars=bars,
        product=product,
        power=power,
        scrap=scrap,
        risk=risk,
        risk_row=risk_row,
        risk_bar=risk_bar,
        alert=alert,
    )


def _factor(name: str) -> tuple[Element, Text]:
    with box("factor") as frame:
        attribute(frame, "title", name)
        Text("span", name, "factor-name")
        with box("bar", tag="span"):
            bar = box("bar-fill", tag="span")
        value = Text("span", "–", "factor-value")
    return bar, value


def _fact(name: str) -> Text:
    with box("fact"):
        Text("dt", name)
        return Text("dd", "–")
