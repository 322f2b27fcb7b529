"""Charts as ECharts options: plain dictionaries, drawn by the library that is served from this machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from linewright.console.views.machine_view import SignalSeries
from plant.clock import microseconds
from plant.plans import Plan
from plant.risks import Risk

Options = dict[str, Any]
"""What ECharts takes: JSON, nested as its documentation says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Palette:
    """Colours of one theme; the same as in the stylesheet."""

    ink: str
    muted: str
    hairline: str
    line: str
    fill: str
    warn: str
    bad: str
    levels: tuple[str, str, str]
    """Bars of energy at the cheapest, a middle and the dearest price."""
    surface: str


LIGHT: Final = Palette(
    ink="#17211f",
    muted="#5a6764",
    hairline="#e3e7e5",
    line="#1d6570",
    fill="rgba(29,101,112,0.10)",
    warn="#9a5b00",
    bad="#b3261e",
    levels=("#8fb7b3", "#4d8b8b", "#1d4f57"),
    surface="#ffffff",
)
DARK: Final = Palette(
    ink="#e8eeec",
    muted="#9db0ab",
    hairline="#2b3735",
    line="#6cc3c9",
    fill="rgba(108,195,201,0.12)",
    warn="#f0b35a",
    bad="#ff8a80",
    levels=("#3f6b69", "#63a09d", "#b5e2de"),
    surface="#18211f",
)
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
HARDLY_ANY: Final = 0.01
"""Chance of still running at which the curve has told what it has to [0..1]."""
_TIME_FORMAT: Final = {
    "year": "{yyyy}",
    "month": "{d} {MMM}",
    "day": "{d} {MMM}",
    "hour": "{HH}:{mm}",
    "minute": "{HH}:{mm}",
    "second": "{HH}:{mm}:{ss}",
}


def local_ms(at_us: int, *, offset_s: float) -> int:
    """An instant for a chart's time axis: shifted to the plant's local time and read as UTC by the browser [ms]."""
    return round(at_us / 1000 + 1000 * offset_s)


def offset_s(at: datetime, *, timezone: str) -> float:
    """The plant's offset from UTC at an instant [s]."""
    offset = at.astimezone(ZoneInfo(timezone)).utcoffset()
    return offset.total_seconds() if offset else 0.0


def signal_chart(series: SignalSeries, *, start: datetime, end: datetime, timezone: str, palette: Palette) -> Options:
    """One signal over time; gaps stay gaps, doubted values are marked."""
    shift_s = offset_s(end, timezone=timezone)
    data = [[local_ms(at, offset_s=shift_s), value] for at, value in series.points]
    options = _frame(palette, grid={"left": 46, "right": 10, "top": 8, "bottom": 22})
    options["xAxis"] = _time_axis(start, end, shift_s, palette)
    options["yAxis"] = _value_axis(palette) | {"scale": True}
    options["tooltip"] = _tooltip(palette) | {"trigger": "axis"}
    options["series"] = [
        {
            "type": "line",
            "name": f"{series.title} {series.unit}".strip(),
            "data": data,
            "showSymbol": len(data) < 40,
            "symbolSize": 4,
            "connectNulls": False,
            "lineStyle": {"width": 1.5, "color": palette.line},
            "itemStyle": {"color": palette.line},
        },
        {
            "type": "scatter",
            "name": "doubted",
            "symbol": "triangle",
            "symbolSize": 8,
            "itemStyle": {"color": palette.warn},
            "data": [[local_ms(at, offset_s=shift_s), value] for at, value in series.flagged],
        },
    ]
    return options


def survival_chart(risk: Risk | None, *, palette: Palette) -> Options:
    """Probability of still running, over operating hours ahead: until hardly any is left, and beyond the horizon."""
    points = [[0.0, 100.0]]
    if risk is not None:
        curve = list(zip(risk.horizons_h, risk.survival, strict=True))
        gone_h = next((h for h, s in curve if s < HARDLY_ANY), math.inf)
        shown_h = max(gone_h, 2 * risk.horizon_h)
        points += [[h, round(100 * s, 2)] for h, s in curve if h <= shown_h]
    options = _frame(palette, grid={"left": 46, "right": 14, "top": 12, "bottom": 38})
    options["xAxis"] = _value_axis(palette) | {
        "name": "operating hours ahead",
        "nameLocation": "middle",
        "nameGap": 24,
        "nameTextStyle": {"color": palette.muted},
        "splitLine": {"show": False},
        "max": "dataMax",
    }
    options["yAxis"] = _value_axis(palette) | {"min": 0, "max": 100, "interval": 50}
    options["yAxis"]["axisLabel"] |= {"formatter": "{value} %"}
    options["tooltip"] = _tooltip(palette) | {"trigger": "axis"}
    mark = [] if risk is None else [{"xAxis": risk.horizon_h, "label": {"formatter": f"{risk.horizon_h:.0f} h"}}]
    options["series"] = [
        {
            "type": "line",
            "name": "still running, %",
            "data": points,
            "showSymbol": False,
            "lineStyle": {"width": 2, "color": palette.line},
            "itemStyle": {"color": palette.line},
            "areaStyle": {"color": palette.fill},
            "markLine": _mark_line(mark, palette),
        }
    ]
    return options


def risk_history_chart(
    risks: Sequence[Risk], *, start: datetime, end: datetime, timezone: str, threshold: float, palette: Palette
) -> Options:
    """How the probability went, with the limit at which an alert opens."""
    shift_s = offset_s(end, timezone=timezone)
    options = _frame(palette, grid={"left": 46, "right": 14, "top": 12, "bottom": 22})
    options["xAxis"] = _time_axis(start, end, shift_s, palette)
    options["yAxis"] = _value_axis(palette) | {"min": 0, "max": 100, "interval": 50}
    options["yAxis"]["axisLabel"] |= {"formatter": "{value} %"}
    options["tooltip"] = _tooltip(palette) | {"trigger": "axis"}
    options["series"] = [
        {
            "type": "line",
            "name": "failure probability, %",
            "data": [
                [local_ms(microseconds(r.assessed_at), offset_s=shift_s), round(100 * r.probability, 2)] for r in risks
            ],
            "showSymbol": len(risks) < 40,
            "symbolSize": 4,
            "lineStyle": {"width": 2, "color": palette.line},
            "itemStyle": {"color": palette.line},
            "areaStyle": {"color": palette.fill},
            "markLine": _mark_line([{"yAxis": 100 * threshold, "label": {"formatter": "alert"}}], palette),
        }
    ]
    return options


def energy_chart(plan: Plan, *, levels: Sequence[int], currency: str, timezone: str, palette: Palette) -> Options:
    """Energy of each hour as bars, shaded by the level of its price, and the price as a stepped line.

    Args:
        plan: Its hours are drawn.
        levels: Price level of each hour, 0 cheapest to 2 dearest. (hour,)
        currency: Of the price.
        timezone: Of the axis.
        palette: Of the theme.
    """
    shift_s = offset_s(plan.start, timezone=timezone)
    instants = [local_ms(microseconds(hour.start), offset_s=shift_s) for hour in plan.hours]
    half_hour_ms = 1_800_000
    options = _frame(palette, grid={"left": 0, "right": 0, "top": 14, "bottom": 4})
    options["xAxis"] = _time_axis(plan.start, plan.end, shift_s, palette) | {"axisLabel": {"show": False}}
    options["yAxis"] = [
        _value_axis(palette) | {"min": 0, "axisLabel": {"show": False}},
        _value_axis(palette) | {"min": 0, "axisLabel": {"show": False}, "splitLine": {"show": False}},
    ]
    options["tooltip"] = _tooltip(palette) | {"trigger": "axis"}
    options["series"] = [
        {
            "type": "bar",
            "name": "Energy, kWh",
            "barWidth": "70%",
            "data": [
                {
                    "value": [at + half_hour_ms, round(hour.energy_kwh, 1)],
                    "itemStyle": {"color": palette.levels[level]},
                }
                for at, hour, level in zip(instants, plan.hours, levels, strict=True)
            ],
        },
        {
            "type": "line",
            "name": f"Price, {currency}/kWh",
            "yAxisIndex": 1,
            "step": "end",
            "showSymbol": False,
            "lineStyle": {"width": 1.5, "color": palette.warn, "type": [5, 3]},
            "itemStyle": {"color": palette.warn},
            "data": [[at, hour.price_per_kwh] for at, hour in zip(instants, plan.hours, strict=True)],
        },
    ]
    return options


def _frame(palette: Palette, *, grid: dict[str, int]) -> Options:
    return {
        "animation": False,
        "useUTC": True,
        "textStyle": {"fontFamily": FONT, "fontSize": 12, "color": palette.muted},
        "grid": grid,
    }


def _time_axis(start: datetime, end: datetime, shift_s: float, palette: Palette) -> Options:
    return {
        "type": "time",
        "min": local_ms(microseconds(start), offset_s=shift_s),
        "max": local_ms(microseconds(end), offset_s=shift_s),
        "axisLine": {"lineStyle": {"color": palette.hairline}},
        "axisTick": {"show": False},
        "axisLabel": {"color": palette.muted, "hideOverlap": True, "formatter": _TIME_FORMAT},
        "splitNumber": 4,
        "splitLine": {"show": False},
    }


def _value_axis(palette: Palette) -> Options:
    return {
        "type": "value",
        "splitNumber": 3,
        "axisLine": {"show": False},
        "axisTick": {"show": False},
        "axisLabel": {"color": palette.muted, "hideOverlap": True},
        "splitLine": {"lineStyle": {"color": palette.hairline}},
    }


def _tooltip(palette: Palette) -> Options:
    return {
        "renderMode": "richText",
        "confine": True,
        "backgroundColor": palette.surface,
        "borderColor": palette.hairline,
        "textStyle": {"color": palette.ink, "fontSize": 12},
    }


def _mark_line(data: list[dict[str, Any]], palette: Palette) -> Options:
    return {
        "symbol": "none",
        "silent": True,
        "lineStyle": {"color": palette.bad, "type": "dashed", "width": 1},
        "label": {"color": palette.bad, "position": "insideEndTop", "fontSize": 11},
        "data": data,
    }
