"""The Gantt chart of a plan: lines with their runs, maintenance, tariff band, energy, and the line of now."""

from collections.abc import Callable

from nicegui import ui
from nicegui.element import Element

from linewright.console.charts import energy_chart
from linewright.console.context import Console, Visitor
from linewright.console.pages.parts import Text, attribute, box, panel, style
from linewright.console.views.gantt_view import Bar, GanttRow, gantt, price_levels
from plant.plans import Plan

TEXT_FITS = 0.8
"""Up to here the words beside a maintenance window fit to its right [share of the horizon]."""


def build_gantt(console: Console, person: Visitor, plan: Plan) -> Callable[[], None]:
    """Build the chart; returns what moves its line of now."""
    site = console.site
    chart = gantt(
        plan,
        plant=site.plant,
        products=console.products,
        capabilities=site.capabilities,
        now=site.clock.now(),
    )
    with panel("Schedule", "schedule"):
        with box("gantt"):
            with box("gantt-row gantt-axis"):
                Text("div", "", "gantt-label")
                with box("gantt-track"):
                    for tick in chart.ticks:
                        if tick.left < 0.98:
                            mark = Text("span", tick.text, "tick day" if tick.day else "tick")
                            style(mark, {"left": f"{100 * tick.left:.3f}%"})
            with box("gantt-body"):
                with box("gantt-row gantt-behind"):
                    Text("div", "", "gantt-label")
                    with box("gantt-track"):
                        for band in chart.bands:
                            _place(box(f"band level-{band.tint}"), band)
                        for tick in chart.ticks:
                            style(
                                box("grid-line day" if tick.day else "grid-line"), {"left": f"{100 * tick.left:.3f}%"}
                            )
                        now_line = box("now-line")
                        with now_line:
                            Text("span", "now")
                for row in chart.rows:
                    _row(row)
            with box("gantt-row gantt-price"):
                Text("div", f"Price, {site.plant.currency}/kWh", "gantt-label")
                with box("gantt-track"):
                    for band in chart.bands:
                        piece = Text("span", band.text, f"price level-{band.tint}")
                        _place(piece, band)
                        attribute(piece, "title", band.hint)
            with box("gantt-row gantt-energy"):
                with box("gantt-label"):
                    Text("div", "Energy per hour")
                    Text("div", f"peak {plan.peak_kw:.0f} kW", "note")
                with box("gantt-track"):
                    ui.echart(
                        energy_chart(
                            plan,
                            levels=price_levels(plan.hours),
                            currency=site.plant.currency,
                            timezone=site.plant.timezone,
                            palette=person.palette,
                        )
                    ).classes("chart chart-energy")
        with box("gantt-legend"):
            for css, text in (
                ("swatch run", "production"),
                ("swatch setup", "setup"),
                ("swatch maintenance", "maintenance"),
                ("swatch level-0", "cheapest power"),
                ("swatch level-2", "dearest power"),
            ):
                with box("legend-item", tag="span"):
                    box(css, tag="span")
                    Text("span", text)

    def move() -> None:
        passed = (site.clock.now() - plan.start) / (plan.end - plan.start)
        inside = 0 <= passed <= 1
        style(now_line, {"display": "block" if inside else "none", "left": f"{100 * passed:.2f}%"})

    move()
    return move


def _row(row: GanttRow) -> None:
    with box(f"gantt-row gantt-{row.kind}", role="group", label=row.label):
        Text("div", row.label, "gantt-label")
        with box("gantt-track"):
            for bar in row.bars:
                css = f"gantt-bar tint-{bar.tint}" if row.kind == "line" else "gantt-bar maintenance"
                piece = box(css, role="img", label=bar.hint)
                attribute(piece, "tabindex", "0")
                attribute(piece, "title", bar.hint)
                _place(piece, bar)
                with piece:
                    if bar.setup > 0:
                        style(box("setup"), {"width": f"{max(100 * bar.setup, 3):.2f}%"})
                    aside = " before" if bar.left + bar.width > TEXT_FITS else ""
                    Text("span", bar.text, "gantt-text" if row.kind == "line" else f"gantt-aside{aside}")


def _place(element: Element, bar: Bar) -> None:
    style(element, {"left": f"{100 * bar.left:.3f}%", "width": f"{100 * bar.width:.3f}%"})
