"""Charts of the Model page, as ECharts options."""

import math
from collections.abc import Sequence
from typing import Any

from analytics.versions import HeldOutBin
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
