"""`/machine/{name}`: one machine, its signals and its risk with the evidence."""

from urllib.parse import quote

from nicegui import ui
from nicegui.elements.echart import EChart

from linewright.console.charts import Options, risk_history_chart, signal_chart, survival_chart
from linewright.console.context import Console, Visitor
from linewright.console.history import MachineHistory, read_history
from linewright.console.pages.alerts import acknowledge_button
from linewright.console.pages.frame import page_frame
from linewright.console.pages.parts import (
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
from linewright.console.pages.work_orders import work_orders_table
from linewright.console.views.alert_view import AlertCard, alert_card
from linewright.console.views.machine_view import RANGES, RiskView, Segment, SignalSeries, risk_view, stale_note
from linewright.console.views.plant_view import machine_tile, risk_mark
from linewright.console.words import Mark, Tone, moment
from plant.assets import Machine
from plant.errors import Unavailable
from plant.work_orders import WorkOrder
from store.books.entries import Renewal

REFRESH_S = 2.0
"""At most this often are the charts read anew, however fast readings arrive [s]."""
WORK_ORDERS_SHOWN = 10
LEAST_SEEN = 0.003
"""Shorter stretches of the strip are not worth a word in its legend [share of the range]."""
_RENEWALS = {
    "failed": Mark(word="Failed", tone=Tone.BAD),
    "repaired": Mark(word="Repaired", tone=Tone.INFO),
    "maintained": Mark(word="Maintained", tone=Tone.OK),
}


def machine_page(console: Console, person: Visitor, name: str) -> None:
    """The page of one machine; an unknown name gets a way back."""
    machine = console.site.plant.machine_index.get(name)
    if machine is None:
        with page_frame(console, active="", title="Unknown machine", dark=person.dark):
            Text("h1", "Unknown machine", "page-title")
            empty(f"This plant has no machine {name[:80]}.", "Choose one on the Plant page.")
        return
    with page_frame(console, active="", title=machine.label, dark=person.dark) as listen:
        page = _MachinePage(console=console, person=person, machine=machine)
        page.build_head()
        with box("machine-columns"):
            with box("machine-risk"):
                page.build_risk()
            with box("machine-signals"):
                page.build_signals()
        page.build_past()
        listen(page.show)
    ui.timer(REFRESH_S, page.refresh)


class _MachinePage:
    """One open tab of one machine's page."""

    def __init__(self, *, console: Console, person: Visitor, machine: Machine) -> None:
        self.console, self.person, self.machine = console, person, machine
        self.span = RANGES[2]
        self.revision = -1
        self.charts: dict[str, tuple[EChart, Text, Text]] = {}

    def build_head(self) -> None:
        """Name, place and present state."""
        plant = self.console.site.plant
        line = next(line for line in plant.lines if line.name == self.machine.line)
        with box("machine-head"):
            with box("crumbs", tag="nav", label="Place"):
                link("Plant", "/")
                attribute(Text("span", "/"), "aria-hidden", "true")
                Text("span", line.label)
            with box("machine-title"):
                Text("h1", self.machine.label, "page-title")
                self.state = chip(Mark(word="No data", tone=Tone.MUTED))
                self.since = Text("span", "", "since")
                Text("span", f"{self.machine.machine_class} · {self.machine.name}", "machine-class")
            if len(line.machines) > 1:
                with box("siblings", tag="nav", label=f"Machines of {line.label}"):
                    for other in line.machines:
                        anchor = link(other.label, f"/machine/{quote(other.name, safe='')}", "sibling")
                        if other.name == self.machine.name:
                            attribute(anchor, "aria-current", "page")
        self.stale = Text("p", "", "note")
        attribute(self.stale, "role", "status")
        self.alerts = Rebuilt(box("machine-alerts"), self._build_alerts)

    def build_risk(self) -> None:
        """Probability, remaining life, survival, history, evidence."""
        with panel("Risk of failure"):
            self.risk = Rebuilt(box("risk"), self._build_risk)
            Text("h3", "Chance of still running")
            self.survival = ui.echart(self._survival()).classes("chart chart-mid")
            Text("h3", "How the risk went")
            self.risk_history = ui.echart(self._risk_history(None)).classes("chart chart-mid")

    def build_signals(self) -> None:
        """Range selection, strip of states, one chart per signal."""
        with panel("Signals"):
            with box("ranges", role="group", label="Range of time, plant time"):
                self.buttons = [self._range_button(index) for index in range(len(RANGES))]
            self.problem = Text("p", "", "problem")
            Text("h3", "State")
            self.strip = Rebuilt(box("strip", role="img", label="States over the range"), _build_strip)
            self.strip_legend = Rebuilt(box("strip-legend"), _build_legend)
            self.grid = box("signal-grid")
            with self.grid:
                self.loading = Text("p", "Reading the history…", "note")

    def build_past(self) -> None:
        """Work orders, earlier alerts and maintenance of the machine."""
        with box("machine-past"):
            with panel("Work orders"):
                self.work_orders = Rebuilt(box("slot"), self._build_work_orders)
                self.work_orders.show(())
            with panel("Alert history"):
                self.past_alerts = Rebuilt(box("slot"), self._build_past_alerts)
            with panel("Maintenance"):
                self.renewals = Rebuilt(box("slot"), self._build_renewals)
                self.renewals.show(())

    def show(self) -> None:
        """Show the newest snapshot."""
        console, snapshot, site = self.console, self.console.feed.snapshot, self.console.site
        now = site.clock.now()
        tile = machine_tile(
            self.machine,
            snapshot,
            plant=site.plant,
            products=console.products,
            open_probability=console.open_probability,
            now=now,
        )
        self.state.show(tile.state)
        self.since.set_text(tile.since)
        note = stale_note(snapshot, machine=self.machine.name)
        self.stale.set_text(f"{Tone.WARN.sign} {note}" if note else "")
        risk = snapshot.risks.get(self.machine.name)
        view = (risk_view(risk, plant=site.plant, now=now), risk_mark(risk, open_probability=console.open_probability))
        if not self.risk.shown or self.risk.shown[0] != view:
            draw(self.survival, self._survival())
        self.risk.show(view)
        own = [alert for alert in snapshot.alerts if alert.machine == self.machine.name]
        cards = [alert_card(alert, plant=site.plant, now=now) for alert in own]
        self.alerts.show(tuple(c for c, alert in zip(cards, own, strict=True) if alert.state.is_open))
        orders = tuple(order for order in snapshot.work_orders if order.machine == self.machine.name)
        self.work_orders.show(orders[:WORK_ORDERS_SHOWN])
        self.past_alerts.show(tuple(c for c, alert in zip(cards, own, strict=True) if not alert.state.is_open))

    async def refresh(self) -> None:
        """Read the history again where something changed since the last time."""
        if self.revision == self.console.feed.revision:
            return
        revision, span, site = self.console.feed.revision, self.span, self.console.site
        now = site.clock.now()
        try:
            history = await self.console.source.ask(
                lambda reader, records: read_history(
                    reader, records, site=site, machine=self.machine.name, span=span, now=now
                )
            )
        except Unavailable as trouble:
            self.problem.set_text(str(trouble))
            return
        self.problem.set_text("")
        if span is self.span:
            self.revision = revision
            self._show_history(history)

    def _show_history(self, history: MachineHistory) -> None:
        self.loading.set_visibility(False)
        self.strip.show(history.segments)
        self.strip_legend.show(_legend(history.segments))
        draw(self.risk_history, self._risk_history(history))
        self.renewals.show(history.renewals)
        stale = {value.signal for value in self.console.feed.snapshot.stale(self.machine.name)}
        for series in history.series:
            options = signal_chart(
                series,
                start=history.start,
                end=history.end,
                timezone=self.console.site.plant.timezone,
                palette=self.person.palette,
            )
            if series.name not in self.charts:
                with self.grid:
                    self.charts[series.name] = _signal_frame(series, options)
            chart, last, note = self.charts[series.name]
            draw(chart, options)
            last.set_text(f"{series.last} (stale)" if series.name in stale else series.last)
            note.set_text(f"▲ {series.note}" if series.note else "")

    def _range_button(self, index: int) -> Text:
        button = Text("button", RANGES[index].name, "range")
        attribute(button, "type", "button")
        attribute(button, "aria-pressed", "true" if RANGES[index] is self.span else "false")

        async def choose() -> None:
            self.span, self.revision = RANGES[index], -1
            for other, each in enumerate(self.buttons):
                attribute(each, "aria-pressed", "true" if other == index else "false")
            await self.refresh()

        button.on("click", choose)
        return button

    def _survival(self) -> Options:
        return survival_chart(self.console.feed.snapshot.risks.get(self.machine.name), palette=self.person.palette)

    def _risk_history(self, history: MachineHistory | None) -> Options:
        now = self.console.site.clock.now()
        return risk_history_chart(
            history.risks if history else (),
            start=history.start if history else now - self.span.length,
            end=history.end if history else now,
            timezone=self.console.site.plant.timezone,
            threshold=self.console.open_probability,
            palette=self.person.palette,
        )

    def _build_alerts(self, cards: tuple[AlertCard, ...]) -> None:
        for card in cards:
            with box(f"machine-alert tone-{card.severity.tone.value}", tag="section", label=card.title):
                chip(card.severity)
                chip(card.state)
                Text("p", card.title, "machine-alert-title")
                Text("span", card.since, "since")
                if card.can_acknowledge:
                    acknowledge_button(self.console, self.person, card)
                elif card.acknowledged:
                    Text("span", card.acknowledged, "since")

    def _build_risk(self, shown: tuple[RiskView, Mark]) -> None:
        view, mark = shown
        with box("risk-head") as head:
            tone_of(head, mark.tone, css="risk-head")
            Text("span", f"{mark.tone.sign} {view.headline}", "risk-number")
            Text("p", view.detail, "note")
        if view.life:
            with box("life", tag="dl"):
                for name, value, meaning in view.life:
                    with box("life-item") as item:
                        attribute(item, "title", meaning)
                        Text("dt", name)
                        Text("dd", value)
        Text("h3", "What shows it")
        if not view.evidence:
            nothing = "Nothing stands out from this machine's own healthy readings."
            Text("p", nothing if view.enough_data else "There are too few readings to tell.", "note")
        for sentence, share, text in view.evidence:
            with box("evidence"):
                Text("p", sentence)
                with box("bar", tag="span"):
                    width(box("bar-fill", tag="span"), share)
                Text("span", text, "evidence-share")
        if view.nearest:
            Text("h3", "Nearest past case")
            Text("p", view.nearest)
        if view.diagnoses:
            Text("h3", "Signals that are not as they were")
            _, body = table(("Cause", "Finding"), label="Signals that are not as they were")
            with body:
                for cause, sentence in view.diagnoses:
                    with box(tag="tr"):
                        Text("td", cause)
                        Text("td", sentence)
        Text("p", f"Model {view.model}", "note model")

    def _build_work_orders(self, orders: tuple[WorkOrder, ...]) -> None:
        work_orders_table(self.console, self.person, orders)

    def _build_past_alerts(self, cards: tuple[AlertCard, ...]) -> None:
        if not cards:
            Text("p", "No earlier alert.", "note")
            return
        _, body = table(("When", "What", "Severity", "Acknowledged by"), label="Earlier alerts")
        with body:
            for card in cards:
                with box(tag="tr"):
                    Text("td", card.since)
                    Text("td", card.title)
                    with box(tag="td"):
                        chip(card.severity)
                    Text("td", card.acknowledged.removeprefix("acknowledged by "))

    def _build_renewals(self, renewals: tuple[Renewal, ...]) -> None:
        if not renewals:
            Text("p", "No maintenance or failure has been reported yet.", "note")
            return
        _, body = table(("When", "What"), label="Maintenance events")
        with body:
            for renewal in renewals:
                with box(tag="tr"):
                    Text("td", moment(renewal.at, timezone=self.console.site.plant.timezone))
                    with box(tag="td"):
                        chip(_RENEWALS.get(renewal.kind, Mark(word=renewal.kind, tone=Tone.INFO)))


def draw(chart: EChart, options: Options) -> None:
    """Show other options in a chart, if they differ."""
    if chart.options != options:
        chart.options.clear()
        chart.options.update(options)
        chart.update()


def _signal_frame(series: SignalSeries, options: Options) -> tuple[EChart, Text, Text]:
    with box("signal", tag="figure", label=f"{series.title} over time"):
        with box("signal-head", tag="figcaption"):
            Text("span", series.title, "signal-title")
            note = Text("span", "", "signal-note")
            last = Text("span", series.last, "signal-last")
        chart = ui.echart(options).classes("chart chart-small")
    return chart, last, note


def _build_strip(segments: tuple[Segment, ...]) -> None:
    for segment in segments:
        css = "silent" if segment.silent else f"tone-{segment.state.tone.value}"
        piece = box(f"strip-piece {css}", tag="span")
        style(piece, {"left": f"{100 * segment.left:.3f}%", "width": f"{100 * segment.width:.3f}%"})
        attribute(piece, "title", segment.hint)


def _legend(segments: tuple[Segment, ...]) -> tuple[tuple[str, str], ...]:
    """Class and word of each state on the strip that is long enough to be seen."""
    seen = (s for s in segments if s.width > LEAST_SEEN)
    return tuple(dict.fromkeys(("silent" if s.silent else f"tone-{s.state.tone.value}", s.state.word) for s in seen))


def _build_legend(items: tuple[tuple[str, str], ...]) -> None:
    for css, word in items:
        with box("legend-item", tag="span"):
            box(f"legend-swatch {css}", tag="span")
            Text("span", word)
