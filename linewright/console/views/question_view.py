"""Answers about a plan in the words and rows of the Questions page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from linewright.console.words import moment, money, number, significant
from plant.assets import Plant

SIDES: Final = {"term": "By cost term", "line": "By line", "product": "By product", "day": "By day"}
MOST_ROWS: Final = 12
NOTABLE: Final = 0.5
"""Smaller amounts are not worth a row [currency]."""


class Kind(StrEnum):
    """What is asked."""

    COMPARE = "compare"
    PRICES = "prices"
    WHY_LATE = "why late"
    WHY_NOT = "why not"
    WHATIF = "what if"
    REPLAY = "replay"


class Form(StrEnum):
    """The forms of a `why not`, as the picker shows them."""

    SPARE = "Do without maintenance"
    MAINTAIN = "Maintain a machine"
    STOP = "Stop a product on a line"
    IDLE = "Keep a line idle"
    DELIVER = "Deliver an order in time"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the picker of a `why not` holds; empty: any or all."""

    form: Form
    place: str = ""
    product: str = ""
    order: str = ""
    day: str = ""
    """ISO date."""
    after: int | None = None
    """From this full hour of the day on."""
    before: int | None = None
    """Until this full hour of the day."""


def condensed(kind: Kind, document: Any) -> Any:
    """An answer without what no page shows: other plans, and a bridge item by item."""
    if kind is Kind.COMPARE:
        bridge = document.pop("bridge")
        return {**document, "by": {side: _sums(bridge, side) for side in SIDES}}
    if kind is Kind.WHY_NOT:
        return {**document, "plan": None}
    if kind is Kind.WHY_LATE and document["in_time"] is not None:
        return {**document, "in_time": {**document["in_time"], "plan": None}}
    return document


def statement(choice: Choice) -> tuple[str, dict[str, str]]:
    """The picker's choice as a statement, and what is missing by field; one of both is empty.

    >>> statement(Choice(form=Form.MAINTAIN, place="L2-press", day="2026-11-24", after=6))
    ('maintain L2-press on 2026-11-24 after 06:00', {})
    >>> statement(Choice(form=Form.DELIVER))
    ('', {'order': 'Please choose an order.'})
    """
    missing = {}
    needs = {
        Form.MAINTAIN: (("place", "a machine"),),
        Form.STOP: (("place", "a line"), ("product", "a product")),
        Form.IDLE: (("place", "a line"),),
        Form.DELIVER: (("order", "an order"),),
        Form.SPARE: (),
    }
    for field, word in needs[choice.form]:
        if not getattr(choice, field):
            missing[field] = f"Please choose {word}."
    if choice.after is not None and choice.before is not None and choice.after >= choice.before:
        missing["before"] = "Must be later than “from”; for a night, ask once per day."
    if missing:
        return "", missing
    said = {
        Form.SPARE: f"no maintenance on {choice.place}" if choice.place else "no maintenance",
        Form.MAINTAIN: f"maintain {choice.place}",
        Form.STOP: f"no {choice.product} on {choice.place}",
        Form.IDLE: f"nothing on {choice.place}",
        Form.DELIVER: f"deliver {choice.order} in time",
    }[choice.form]
    if choice.form is Form.DELIVER:
        return said, {}
    said += f" on {choice.day}" if choice.day else ""
    said += f" after {choice.after:02d}:00" if choice.after is not None else ""
    said += f" before {choice.before:02d}:00" if choice.before is not None else ""
    return said, {}


def signed(amount: float, *, currency: str) -> str:
    """An amount of difference with its sign.

    >>> signed(1234.4, currency="EUR"), signed(-0.2, currency="EUR")
    ('+1\u202f234 EUR', '0 EUR')
    """
    text = money(amount, currency=currency)
    return f"+{text}" if amount >= NOTABLE else text


def bridge_rows(
    document: Mapping[str, Any], *, side: str, plant: Plant, products: Mapping[str, str]
) -> list[tuple[str, float]]:
    """Name and amount of what the difference comes from, by one side; the rest in one row."""
    labels = (
        {line.name: line.label for line in plant.lines} if side == "line" else products if side == "product" else {}
    )
    items = [(name, amount) for name, amount in document["by"][side] if abs(amount) >= NOTABLE]
    rows = [(_name(name, side, labels), amount) for name, amount in items[:MOST_ROWS]]
    if rest := items[MOST_ROWS:]:
        rows.append((f"{len(rest)} more", sum(amount for _, amount in rest)))
    return rows


def price_rows(
    prices: Sequence[Mapping[str, Any]], *, plant: Plant, products: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """What is scarce, when, what one more of it saves, and how far that holds; the dearest of each kind first.

    Hours of a line that follow each other at about one price share a row.
    """
    lines = {line.name: line.label for line in plant.lines}
    rows: list[tuple[str, ...]] = []
    spans: list[list[Mapping[str, Any]]] = []
    for price in sorted((p for p in prices if p["scarce"] == "capacity"), key=lambda p: (p["entity"], p["start"])):
        last = spans[-1][-1] if spans else None
        if (
            last is not None
            and (last["entity"], last["end"]) == (price["entity"], price["start"])
            and abs(price["saves"] - spans[-1][0]["saves"]) <= 0.1 * spans[-1][0]["saves"]
        ):
            spans[-1].append(price)
        else:
            spans.append([price])
    spans.sort(key=lambda span: -max(p["saves"] for p in span))
    for span in spans[:MOST_ROWS]:
        what = f"1 hour more of {lines.get(span[0]['entity'], span[0]['entity'])}"
        rows.append((what, _span(span, plant), _worth(span, plant), _holds(span, "h")))
    names = {
        "stock": "1 unit more of {} on hand",
        "demand": "1 unit less of order {}",
        "peak": "1 kW more of peak that is not billed",
        "co2_cap": "1 kg more under the CO₂ cap",
    }
    for kind, words in names.items():
        mine = sorted((p for p in prices if p["scarce"] == kind), key=lambda p: -p["saves"])
        for price in mine[:MOST_ROWS]:
            what = words.format(products.get(price["entity"], price["entity"]))
            unit = {"peak": "kW", "co2_cap": "kg"}.get(kind, "units")
            when = {"stock": "at the start", "demand": "when due"}.get(kind, "whole plan")
            rows.append((what, when, _worth([price], plant), _holds([price], unit)))
    return rows


def _span(span: Sequence[Mapping[str, Any]], plant: Plant) -> str:
    begin = moment(_at(span[0]["start"]), timezone=plant.timezone)
    end = moment(_at(span[-1]["end"]), timezone=plant.timezone)
    return f"{begin} to {end.split()[-1]}"


def _worth(span: Sequence[Mapping[str, Any]], plant: Plant) -> str:
    low, high = (pick(p["saves"] for p in span) for pick in (min, max))
    worth = significant(high) if high - low < 0.005 * high else f"{significant(low)} to {significant(high)}"
    return f"{worth} {plant.currency}"


def _holds(span: Sequence[Mapping[str, Any]], unit: str) -> str:
    far = min(p["holds_up_to"] for p in span)
    if unit == "h" and far < 1:
        return f"the first {number(60 * far, digits=0) if far * 60 >= 1 else '<1'} min"
    return f"the first {number(far, digits=1 if far < 10 else 0)} {unit}"


def _sums(bridge: Sequence[Mapping[str, Any]], side: str) -> list[tuple[str, float]]:
    sums: dict[str, float] = {}
    for item in bridge:
        sums[item[side]] = sums.get(item[side], 0.0) + item["amount"]
    return sorted(sums.items(), key=lambda item: -abs(item[1]))


def term_name(name: str) -> str:
    """A cost term in words.

    >>> term_name("co2"), term_name("demand_charge")
    ('CO₂', 'Demand charge')
    """
    return name.replace("_", " ").capitalize().replace("Co2", "CO₂").replace("co2", "CO₂")


def _name(name: str, side: str, labels: Mapping[str, str]) -> str:
    if not name:
        return "Whole plant"
    if side == "day":
        day = datetime.fromisoformat(name)
        return f"{day:%a} {day.day} {day:%b}"
    return term_name(name) if side == "term" else labels.get(name, name)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
