"""Charts of the answers about plans, as ECharts options."""

from collections.abc import Mapping, Sequence
from typing import Any

from linewright.console.charts import FONT, Options, Palette
from linewright.console.views.question_view import term_name

MORE_COLOURS = ("#8a6fb0", "#c58bb0", "#7f9e3c", "#b08968")
"""For more terms than the palette has colours; told apart on both themes."""


def bridge_chart(
    rows: Sequence[tuple[str, float]], *, before: float, now: float, names: tuple[str, str], palette: Palette
) -> Options:
    """From one plan's cost to another's, one bar per row; more cost stands out from less by colour and direction."""
    labels = [names[0], *(name for name, _ in rows), names[1]]
    level, data = before, [_bar(0.0, before, palette.muted)]
    for _, amount in rows:
        data.append(_bar(level, level + amount, palette.bad if amount > 0 else palette.line))
        level += amount
    data.append(_bar(0.0, now, palette.muted))
    options = _plain(palette)
    options["grid"] = {"left": 70, "right": 14, "top": 26, "bottom": 62}
    label = {"color": palette.muted, "interval": 0, "rotate": 28, "width": 110, "overflow": "truncate"}
    options["xAxis"] = {"type": "category", "data": labels, "axisLabel": label, "axisTick": {"show": False}}
    options["yAxis"] = _amounts(palette) | {"scale": True}
    texts = [f"{before:,.0f}", *(f"{amount:+,.0f}" for _, amount in rows), f"{now:,.0f}"]
    hidden = [bar["from"] for bar in data]
    options["series"] = [
        {"type": "bar", "stack": "bridge", "silent": True, "itemStyle": {"color": "transparent"}, "data": hidden},
        {
            "type": "bar",
            "stack": "bridge",
            "barMaxWidth": 54,
            "label": {"show": True, "position": "top", "color": palette.ink, "fontSize": 11},
            "data": [
                {
                    "value": bar["length"],
                    "itemStyle": {"color": bar["colour"]},
                    "label": {"formatter": text.replace(",", "\u202f").replace("-", "\u2212")},
                }
                for bar, text in zip(data, texts, strict=True)
            ],
        },
    ]
    levels = [before, now, *(bar["low"] for bar in data[1:-1]), *(bar["high"] for bar in data[1:-1])]
    lowest, highest = min(levels), max(levels)
    if lowest > 0 or highest < 0:
        room = max(highest - lowest, 1.0)
        base = max(lowest - 0.5 * room, 0.0) if lowest > 0 else 0.0
        options["yAxis"] |= {"min": round(base, -1)}
    return options


def scenario_chart(outcomes: Sequence[Mapping[str, Any]], *, currency: str, palette: Palette) -> Options:
    """What each scenario costs more or less than the facts as they are, by term."""
    base = {term["name"]: term["amount"] for term in outcomes[0]["terms"]}
    shown = [each for each in outcomes[1:] if each["cost"] is not None]
    moved = {each["name"]: _moved(each, base) for each in shown}
    names = sorted(
        {n for terms in moved.values() for n in terms}, key=lambda n: -max(abs(t.get(n, 0)) for t in moved.values())
    )
    colours = (palette.bad, palette.line, palette.warn, *palette.levels, palette.muted, *MORE_COLOURS)
    options = _plain(palette)
    options["grid"] = {"left": 150, "right": 24, "top": 44, "bottom": 40}
    options["legend"] = {"top": 0, "type": "scroll", "textStyle": {"color": palette.muted}}
    options["tooltip"] = {
        "trigger": "item",
        "renderMode": "richText",
        "confine": True,
        "backgroundColor": palette.surface,
    }
    options["tooltip"]["textStyle"] = {"color": palette.ink, "fontSize": 12}
    title = {"name": f"costs more than as it is [{currency}]", "nameLocation": "middle", "nameGap": 24}
    options["xAxis"] = _amounts(palette) | title
    label = {"color": palette.ink, "width": 136, "overflow": "truncate"}
    rows = [each["name"] for each in shown]
    options["yAxis"] = {
        "type": "category",
        "inverse": True,
        "data": rows,
        "axisLabel": label,
        "axisTick": {"show": False},
    }
    options["series"] = [
        {
            "type": "bar",
            "stack": "more",
            "barMaxWidth": 26,
            "name": term_name(name),
            "itemStyle": {"color": colours[place % len(colours)]},
            "data": [round(moved[row].get(name, 0.0), 1) for row in rows],
        }
        for place, name in enumerate(names)
    ]
    return options


def _moved(outcome: Mapping[str, Any], base: Mapping[str, float]) -> dict[str, float]:
    amounts = {term["name"]: term["amount"] for term in outcome["terms"]}
    differences = {name: amounts.get(name, 0.0) - base.get(name, 0.0) for name in {**amounts, **base}}
    return {name: amount for name, amount in differences.items() if abs(amount) >= 0.5}


def _bar(start: float, end: float, colour: str) -> dict[str, Any]:
    """A bar between two levels; on one side of zero what is below it is hidden."""
    low, high = min(start, end), max(start, end)
    if low >= 0:
        return {"from": low, "length": high - low, "low": low, "high": high, "colour": colour}
    if high <= 0:
        return {"from": high, "length": low - high, "low": low, "high": high, "colour": colour}
    return {"from": 0.0, "length": high if abs(high) > abs(low) else low, "low": low, "high": high, "colour": colour}


def _plain(palette: Palette) -> Options:
    return {"animation": False, "textStyle": {"fontFamily": FONT, "fontSize": 12, "color": palette.muted}}


def _amounts(palette: Palette) -> Options:
    return {
        "type": "value",
        "splitNumber": 4,
        "axisLabel": {"color": palette.muted, "hideOverlap": True},
        "splitLine": {"lineStyle": {"color": palette.hairline}},
    }
