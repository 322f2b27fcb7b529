"""A plan as a Gantt chart, in shares of its horizon: runs, setups, maintenance, prices, the hours of the day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from linewright.console.words import moment, money, number, price
from plant.assets import Line, Plant
from plant.plans import HourUse, MaintenanceWindow, Plan, PlannedChangeover, PlannedRun
from plant.production import Capability

TINTS = 8
"""Number of product tints in the stylesheet."""
NARROW_BAND = 0.04
"""A tariff band below this share of the horizon has no room for its price; its tooltip tells it."""
ALL_LINES_SHOWN = 12
"""In a plant with more lines, those without any work in the plan are left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """Something on the time axis."""

    left: float
    """Start as a share of the horizon [0..1]."""
    width: float
    text: str
    hint: str
    """The whole of it in words."""
    tint: int = 0
    setup: float = 0.0
    """Share of the bar that is setup [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GanttRow:
    label: str
    kind: str
    """`line` or `machine`."""
    bars: tuple[Bar, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    left: float
    text: str
    day: bool
    """Whether a local day starts here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gantt:
    rows: tuple[GanttRow, ...]
    ticks: tuple[Tick, ...]
    bands: tuple[Bar, ...]
    """Electricity price; tint 0 cheapest, 1 middle, 2 dearest."""
    now: float | None
    """Share of the horizon that is over; None outside of it."""


def gantt(
    plan: Plan, *, plant: Plant, products: Mapping[str, str], capabilities: Sequence[Capability], now: datetime
) -> Gantt:
    """Each line with its runs, and below it its machines that get maintenance.

    Args:
        plan: What to draw.
        plant: Its lines and machines.
        products: Label of each product by name; their order gives the tints.
        capabilities: Tell how long a setup takes.
        now: Plant time.
    """
    setup_h = {(c.line, c.product): c.setup_h for c in capabilities}
    tints = {name: index % TINTS for index, name in enumerate(products)}
    rows: list[GanttRow] = []
    for line in plant.lines:
        runs = sorted((run for run in plan.runs if run.line == line.name), key=lambda run: run.start)
        bars = tuple(
            _run_bar(
                run,
                plan,
                line=line,
                label=products.get(run.product, run.product),
                tint=tints.get(run.product, 0),
                setup_h=setup_h.get((run.line, run.product), 0.0) if run.setup else 0.0,
                timezone=plant.timezone,
            )
            for run in runs
        ) + tuple(
            _change_bar(each, plan, line=line, timezone=plant.timezone)
            for each in plan.changeovers
            if each.line == line.name
        )
        windows = [window for window in plan.maintenance if window.line == line.name]
        if bars or windows or len(plant.lines) <= ALL_LINES_SHOWN:
            rows.append(GanttRow(label=line.label, kind="line", bars=bars))
        for machine in line.machines:
            own = tuple(_window_bar(w, plan, machine.label, plant) for w in windows if w.machine == machine.name)
            if own:
                rows.append(GanttRow(label=machine.label, kind="machine", bars=own))
    passed = (now - plan.start) / (plan.end - plan.start)
    return Gantt(
        rows=tuple(rows),
        ticks=_ticks(plan, plant.timezone),
        bands=_bands(plan, plant),
        now=passed if 0 <= passed <= 1 else None,
    )


def price_levels(hours: Sequence[HourUse]) -> list[int]:
    """Tariff level of each hour: 0 the cheapest price, 2 the dearest, 1 between.

    A single price all day is level 0 throughout.
    """
    prices = [hour.price_per_kwh for hour in hours]
    low, high = min(prices, default=0.0), max(prices, default=0.0)
    return [0 if price == low else 2 if price == high else 1 for price in prices]


def _run_bar(run: PlannedRun, plan: Plan, *, line: Line, label: str, tint: int, setup_h: float, timezone: str) -> Bar:
    length_h = (run.end - run.start) / timedelta(hours=1)
    hint = (
        f"{line.label}: {label}, {_span(run.start, run.end, timezone)}, {run.gross_units} units "
        f"({number(run.good_units, digits=0)} good), {number(run.energy_kwh, digits=0)} kWh"
        + (f", begins with a setup of {number(setup_h, digits=2)} h" if run.setup else "")
    )
    share = min(setup_h / length_h, 1.0) if length_h > 0 else 0.0
    return _bar(plan, run.start, run.end, text=label, hint=hint, tint=tint, setup=share)


def _change_bar(change: PlannedChangeover, plan: Plan, *, line: Line, timezone: str) -> Bar:
    span = _span(change.start, change.end, timezone)
    hint = f"{line.label}: changes over from {change.before} to {change.after}, {span}"
    return _bar(plan, change.start, change.end, text=f"to {change.after}", hint=hint, setup=1.0)


def _window_bar(window: MaintenanceWindow, plan: Plan, label: str, plant: Plant) -> Bar:
    hint = (
        f"{label}: maintenance {_span(window.start, window.end, plant.timezone)}; expected cost of failure "
        f"{money(window.expected_failure_cost, currency=plant.currency)} instead of "
        f"{money(window.expected_failure_cost_without, currency=plant.currency)}"
    )
    span = "–".join(moment(at, timezone=plant.timezone).split()[-1] for at in (window.start, window.end))
    return _bar(plan, window.start, window.end, text=f"Maintenance {span}", hint=hint)


def _bar(plan: Plan, start: datetime, end: datetime, *, text: str, hint: str, tint: int = 0, setup: float = 0.0) -> Bar:
    length = plan.end - plan.start
    left, right = max(start, plan.start), min(end, plan.end)
    return Bar(
        left=(left - plan.start) / length,
        width=max((right - left) / length, 0.0),
        text=text,
        hint=hint,
        tint=tint,
        setup=setup,
    )


def _bands(plan: Plan, plant: Plant) -> tuple[Bar, ...]:
    levels = price_levels(plan.hours)
    bands = []
    for (level, per_kwh), group in groupby(
        zip(levels, plan.hours, strict=True), key=lambda pair: (pair[0], pair[1].price_per_kwh)
    ):
        members = [hour for _, hour in group]
        end = members[-1].start + timedelta(hours=1)
        hint = f"{_span(members[0].start, end, plant.timezone)}: {price(per_kwh)} {plant.currency}/kWh"
        text = price(per_kwh) if len(members) / len(levels) > NARROW_BAND else ""
        bands.append(_bar(plan, members[0].start, end, text=text, hint=hint, tint=level))
    return tuple(bands)


def _ticks(plan: Plan, timezone: str) -> tuple[Tick, ...]:
    zone = ZoneInfo(timezone)
    length = plan.end - plan.start
    grain_h = 6 if length <= timedelta(hours=96) else 24
    ticks = []
    at = plan.start
    while at <= plan.end:
        local = at.astimezone(zone)
        if local.hour % grain_h == 0 and local.minute == 0:
            day = local.hour == 0
            text = f"{local:%a} {local.day} {local:%b}" if day else f"{local:%H:%M}"
            ticks.append(Tick(left=(at - plan.start) / length, text=text, day=day))
        at += timedelta(hours=1)
    return tuple(ticks)


def _span(start: datetime, end: datetime, timezone: str) -> str:
    return f"{moment(start, timezone=timezone)} to {moment(end, timezone=timezone, now=start)}"
