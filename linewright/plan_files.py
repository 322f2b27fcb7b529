"""A plan as files for other programs: CSV for spreadsheets, iCalendar for calendars, a Gantt chart to print."""

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from plant.assets import Plant
from plant.errors import ConfigError, Fault
from plant.plans import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES: Final = (".png", ".svg")
COLUMNS: Final = (
    "kind", "line", "machine", "product", "start", "end", "gross_units", "good_units", "energy_kwh", "setup",
)  # fmt: skip
COLOURS: Final = ("#4c78a8", "#72b7b2", "#54a24b", "#eeca3b", "#b279a2", "#9d755d", "#bab0ac", "#ff9da6")
MAINTENANCE_COLOUR: Final = "#d9480f"
LEAST_DAY: Final = 0.004
"""A changeover that takes no time is drawn this wide [d]."""


def plan_csv(plan: Plan) -> str:
    """One row per run, changeover and maintenance, by start; times in UTC, ISO 8601."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows: list[tuple[str | float, ...]] = [
        (
            "run", run.line, "", run.product, run.start.isoformat(), run.end.isoformat(),
            run.gross_units, round(run.good_units, 3), round(run.energy_kwh, 3), "yes" if run.setup else "no",
        )
        for run in plan.runs
    ]  # fmt: skip
    rows += [
        ("maintenance", w.line, w.machine, "", w.start.isoformat(), w.end.isoformat(), "", "", "", "")
        for w in plan.maintenance
    ]
    rows += [
        ("changeover", c.line, "", f"{c.before} to {c.after}", c.start.isoformat(), c.end.isoformat(), "", "", "", "")
        for c in plan.changeovers
    ]
    rows.sort(key=lambda row: (str(row[4]), str(row[1]), str(row[0])))
    writer.writerows(rows)
    return stream.getvalue()


def plan_calendar(plan: Plan, *, plant: Plant, products: dict[str, str]) -> bytes:
    """The plan as iCalendar (RFC 5545): an event per run, changeover and maintenance; a plan always gives one text.

    Args:
        plan: With its runs and windows.
        plant: For names and labels.
        products: Label by name.
    """
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", "-//Linewright//Production plan//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"{plant.site} {plan.number} ({plan.decision.value})")
    lines = {line.name: line.label for line in plant.lines}
    events = []
    for run in plan.runs:
        name = f"run-{run.line}-{run.product}-{run.start:%Y%m%dT%H%M%S}"
        place = lines.get(run.line, run.line)
        summary = f"{place}: {products.get(run.product, run.product)}, {run.good_units:.0f} good"
        told = f"{run.gross_units} units gross, {run.energy_kwh:.0f} kWh{', after a setup' if run.setup else ''}."
        events.append((name, run.start, run.end, place, summary, told))
    for window in plan.maintenance:
        machine = plant.machine_index.get(window.machine)
        label = machine.label if machine is not None else window.machine
        saved = window.expected_failure_cost_without - window.expected_failure_cost
        told = f"Lowers the expected failure cost by {saved:,.0f} {plant.currency}."
        place = lines.get(window.line, window.line)
        name = f"maintenance-{window.machine}-{window.start:%Y%m%dT%H%M%S}"
        events.append((name, window.start, window.end, place, f"Maintenance of {label}", told))
    for change in plan.changeovers:
        place = lines.get(change.line, change.line)
        name = f"changeover-{change.line}-{change.start:%Y%m%dT%H%M%S}"
        summary = f"{place}: change over to {change.after}"
        events.append((name, change.start, change.end, place, summary, f"From {change.before}."))
    for name, start, end, place, summary, told in sorted(events):
        event = Event()
        event.add("uid", f"{plan.number}-{name}@{plant.site}.{plant.enterprise}")
        event.add("dtstamp", plan.created_at)
        event.add("dtstart", start)
        event.add("dtend", end)
        event.add("location", place)
        event.add("summary", summary)
        event.add("description", f"{told} Plan {plan.number}, {plan.decision.value}.")
        calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text


def plan_picture(plan: Plan, *, plant: Plant, products: dict[str, str]) -> "Figure":
    """A Gantt chart: a row per line with its runs and the maintenance of its machines, and energy beneath."""
    from matplotlib.figure import Figure

    zone = ZoneInfo(plant.timezone)
    labels = {line.name: line.label for line in plant.lines}
    used = [*(run.line for run in plan.runs), *(window.line for window in plan.maintenance)]
    names = list(dict.fromkeys([*labels, *used]))
    rows = {name: len(names) - 1 - row for row, name in enumerate(names)}
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(r.product for r in plan.runs))}
    figure = Figure(figsize=(13.0, 2.4 + 0.55 * len(names)), layout="constrained")
    axes: Any = figure.subplots(2, 1, sharex=True, height_ratios=(max(len(names), 2), 1.6))
    chart, energy = axes
    start, day = plan.start.astimezone(zone), timedelta(days=1)
    shown: set[str] = set()
    for run in plan.runs:
        label = products.get(run.product, run.product) if run.product not in shown else None
        shown.add(run.product)
        left, length = (run.start - plan.start) / day, (run.end - run.start) / day
        chart.barh(rows[run.line], length, left=left, height=0.62, color=colour[run.product], label=label)
        if run.setup:
            chart.barh(rows[run.line], min(length, 0.01), left=left, height=0.62, color="black")
    for change in plan.changeovers:
        left, length = (change.start - plan.start) / day, max((change.end - change.start) / day, LEAST_DAY)
        label = "Changing over" if "changeover" not in shown else None
        shown.add("changeover")
        look = {"color": "white", "edgecolor": "black", "hatch": "////", "linewidth": 0.5}
        chart.barh(rows[change.line], length, left=left, height=0.62, label=label, **look)
        chart.text(left, rows[change.line] + 0.34, f"to {change.after}", fontsize="xx-small")
    for window in plan.maintenance:
        left, length = (window.start - plan.start) / day, (window.end - window.start) / day
        label = "Maintenance" if "maintenance" not in shown else None
        shown.add("maintenance")
        chart.barh(rows[window.line], length, left=left, height=0.84, color=MAINTENANCE_COLOUR, alpha=0.75, label=label)
        chart.text(left, rows[window.line] + 0.44, window.machine, fontsize="x-small")
    chart.set_yticks(list(rows.values()), [labels.get(name, name) for name in names])
    title = f"Plan {plan.number} ({plan.decision.value}), from {start:%a %d %b %Y %H:%M}, {plant.timezone}"
    chart.set_title(title, loc="left", fontsize="medium")
    if shown:
        chart.legend(fontsize="x-small", ncols=8, loc="upper left", bbox_to_anchor=(0.0, -0.02))
    left_ends = [(hour.start - plan.start) / day for hour in plan.hours]
    energy.bar(left_ends, [hour.energy_kwh for hour in plan.hours], width=1 / 24, align="edge", color="#8c8c8c")
    energy.set_ylabel("kWh per hour")
    span_h = (plan.end - plan.start) / timedelta(hours=1)
    step_h = next(step for step in (1, 2, 4, 6, 12, 24, 48, 96) if span_h / step <= 16 or step == 96)
    ticks = [k * step_h / 24 for k in range(int(span_h // step_h) + 1)]
    energy.set_xticks(ticks, [f"{(plan.start + tick * day).astimezone(zone):%a %H:%M}" for tick in ticks])
    energy.set_xlim(0.0, span_h / 24)
    return figure


def write_picture(plan: Plan, *, plant: Plant, products: dict[str, str], path: Path) -> None:
    """The Gantt chart as PNG or SVG by the file's ending. Raises ConfigError where the ending is another."""
    if path.suffix.lower() not in PICTURES:
        raise ConfigError((Fault(where="--gantt", found=str(path), expected="a file ending in .png or .svg."),))
    plan_picture(plan, plant=plant, products=products).savefig(path, dpi=110)


def picture_svg(plan: Plan, *, plant: Plant, products: dict[str, str]) -> bytes:
    """The Gantt chart as SVG."""
    stream = io.BytesIO()
    plan_picture(plan, plant=plant, products=products).savefig(stream, format="svg")
    return stream.getvalue()
