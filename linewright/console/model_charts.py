"""Charts of the Model page, as ECharts options."""

import math
from collections.abc import Sequence
from typing import Any

from analytics.versions import HeldOutAlerts, HeldOutBin
from linewright.console.charts import FONT, Options, Palette


def reliability_chart(bins: Sequence[HeldOutBin], *, palette: Palette) -> Options:
    """Observed share over predicted probability [%] with a bar of chance per bin, and the diagonal that is meant."""
    points = [[round(100 * each.predicted, 2), round(100 * each.observed, 2)] for each in bins]
    bars = [
        [{"coord": [round(100 * each.predicted, 2), round(100 * end, 2)]} for end in (each.low, each.high)]
        for each in bins
        if math.isfinite(each.low)
    ]
    return {
        "animation": False,
        "textStyle": {"fontFamily": FONT, "fontSize": 12, "color": palette.muted},
        "grid": {"left": 58, "right": 18, "top": 14, "bottom": 42},
        "tooltip": {
            "trigger": "item",
            "renderMode": "richText",
            "confine": True,
            "backgroundColor": palette.surface,
            "borderColor": palette.hairline,
            "textStyle": {"color": palette.ink, "fontSize": 12},
        },
        "xAxis": _share(palette) | {"name": "predicted probability", "nameLocation": "middle", "nameGap": 26},
        "yAxis": _share(palette) | {"name": "failed", "nameLocation": "middle", "nameGap": 44},
        "series": [
            {
                "type": "line",
                "name": "says what happens",
                "data": [[0, 0], [100, 100]],
                "silent": True,
                "showSymbol": False,
                "lineStyle": {"width": 1, "type": "dashed", "color": palette.muted},
            },
            {
                "type": "line",
                "name": "predicted, observed [%]",
                "data": points,
                "symbol": "circle",
                "symbolSize": 8,
                "lineStyle": {"width": 2, "color": palette.line},
                "itemStyle": {"color": palette.line},
                "markLine": {
                    "symbol": "none",
                    "silent": True,
                    "lineStyle": {"width": 6, "type": "solid", "color": palette.line, "opacity": 0.3},
                    "label": {"show": False},
                    "data": bars,
                },
            },
        ],
    }


def cost_chart(alerts: Sequence[HeldOutAlerts], *, palette: Palette, currency: str) -> Options:
    """Cost over the probability at which alerts open, the cheapest one marked, beside never alerting."""
    best = min(alerts, key=lambda each: each.cost)
    return _by_threshold(
        palette,
        axes=[_amount(palette, name=f"cost [{currency}]")],
        series=[
            _line("with alerts", [(each.threshold, each.cost) for each in alerts], colour=palette.line)
            | {
                "markPoint": {
                    "symbol": "circle",
                    "symbolSize": 10,
                    "silent": True,
                    "itemStyle": {"color": palette.warn},
                    "label": {"show": False},
                    "data": [{"coord": [round(100 * best.threshold), round(best.cost, 2)]}],
                }
            },
            _line(
                "never alerting", [(each.threshold, each.never) for each in alerts], colour=palette.muted, dashed=True
            ),
        ],
    )


def lead_chart(alerts: Sequence[HeldOutAlerts], *, palette: Palette) -> Options:
    """Lead time of the failures that were caught, and which share that is, over the opening probability."""
    told = [each for each in alerts if math.isfinite(each.median_lead_h)]
    caught = [(each.threshold, 100 * each.caught / max(each.caught + each.missed, 1)) for each in alerts]
    return _by_threshold(
        palette,
        axes=[
            _amount(palette, name="lead time [h]"),
            _share(palette) | {"name": "caught", "splitLine": {"show": False}},
        ],
        series=[
            _line("median lead", [(each.threshold, each.median_lead_h) for each in told], colour=palette.line),
            _line(
                "a tenth had less",
                [(each.threshold, each.least_lead_h) for each in told],
                colour=palette.line,
                dashed=True,
            ),
            _line("failures caught [%]", caught, colour=palette.warn) | {"yAxisIndex": 1},
        ],
    )


def _by_threshold(palette: Palette, *, axes: list[dict[str, Any]], series: list[dict[str, Any]]) -> Options:
    return {
        "animation": False,
        "textStyle": {"fontFamily": FONT, "fontSize": 12, "color": palette.muted},
        "legend": {"top": 0, "left": 0, "itemWidth": 30, "textStyle": {"color": palette.muted, "fontSize": 12}},
        "grid": {"left": 12, "right": 18, "top": 52, "bottom": 28, "containLabel": True},
        "tooltip": {
            "trigger": "axis",
            "renderMode": "richText",
            "confine": True,
            "backgroundColor": palette.surface,
            "borderColor": palette.hairline,
            "textStyle": {"color": palette.ink, "fontSize": 12},
        },
        "xAxis": _share(palette)
        | {"name": "an alert opens at this probability", "nameLocation": "middle", "nameGap": 26},
        "yAxis": axes,
        "series": series,
    }


def _line(name: str, points: Sequence[tuple[float, float]], *, colour: str, dashed: bool = False) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "showSymbol": False,
        "data": [[round(100 * at), round(value, 2)] for at, value in points],
        "lineStyle": {"width": 2, "color": colour, "type": "dashed" if dashed else "solid"},
        "itemStyle": {"color": colour},
    }


def _amount(palette: Palette, *, name: str) -> dict[str, Any]:
    return {
        "type": "value",
        "min": 0,
        "name": name,
        "nameTextStyle": {"color": palette.muted, "align": "left"},
        "axisLabel": {"color": palette.muted},
        "splitLine": {"lineStyle": {"color": palette.hairline}},
    }


def _share(palette: Palette) -> dict[str, Any]:
    return {
        "type": "value",
        "min": 0,
        "max": 100,
        "interval": 25,
        "axisLine": {"show": False},
        "axisTick": {"show": False},
        "axisLabel": {"color": palette.muted, "formatter": "{value} %"},
        "nameTextStyle": {"color": palette.muted},
        "splitLine": {"lineStyle": {"color": palette.hairline}},
    }
