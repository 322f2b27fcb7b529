"""How each kind of answer about a plan is shown."""

import math
from collections.abc import Mapping
from typing import Any

from nicegui import ui

from linewright.console.context import Console, Visitor
from linewright.console.desk import Answer
from linewright.console.pages.parts import Text, box, table
from linewright.console.question_charts import bridge_chart
from linewright.console.views.question_view import SIDES, bridge_rows, price_rows, signed, term_name
from linewright.console.words import money

MOST_CHANGES = 12


def show_comparison(console: Console, person: Visitor, answer: Answer) -> None:
    """The bridge by term, tables by every side, what moved and which facts changed."""
    found, plant = answer.result, console.site.plant
    old, new = found["plans"]
    currency = plant.currency
    Text("p", _difference(found, currency), "answer-sentence")
    rows = bridge_rows(found, side="term", plant=plant, products=console.products)
    chart = bridge_chart(
        rows, before=found["before"], now=found["now"], names=("earlier plan", "this plan"), palette=person.palette
    )
    with box("figure-frame", tag="figure", label="Bridge of the cost by term"):
        ui.echart(chart).classes("chart chart-bridge")
    with box("sides"):
        for side, title in SIDES.items():
            _sums(title, bridge_rows(found, side=side, plant=plant, products=console.products), currency=currency)
    with box("plan-columns"):
        with box():
            Text("h3", "What moved")
            Text("p", f"{found['runs_changed']} of {found['runs']} hours of a product on a line differ.", "note")
            with box("reasons", tag="ul"):
                for change in found["changes"][:MOST_CHANGES]:
                    reasons = "; ".join(change["reasons"])
                    Text("li", f"{change['sentence']} As {reasons}" if reasons else change["sentence"])
        with box():
            Text("h3", "Facts that changed")
            if not found["inputs"]:
                Text("p", "None but the time.", "note")
            with box("reasons", tag="ul"):
                for change in found["inputs"][:MOST_CHANGES]:
                    Text("li", change["sentence"])
                if (more := len(found["inputs"]) - MOST_CHANGES) > 0:
                    Text("li", f"and {more} more")
    Text("p", f"From {old} to {new}.", "note")


def show_prices(console: Console, answer: Answer) -> None:
    """What is scarce, in plant words."""
    rows = price_rows(answer.result, plant=console.site.plant, products=console.products)
    if not rows:
        Text("p", "Nothing is scarce: no hour, unit, kW or kg more would make this plan cheaper.")
        return
    _, body = table(
        ("One more of", "When", "Saves", "Holds for"), label="Prices of what is scarce", numbers=("Saves", "Holds for")
    )
    with body:
        for what, when, worth, holds in rows:
            with box(tag="tr"):
                Text("td", what)
                Text("td", when)
                Text("td", worth, "num")
                Text("td", holds, "num")
    Text(
        "p",
        "Setups and maintenance stay as planned; beyond what a price holds for, the next amount saves less.",
        "note",
    )


def show_why_late(console: Console, answer: Answer) -> None:
    """What stands in the order's way line by line, and the price of being in time."""
    told = answer.result
    if told["late"] is None or told["in_time"] is None:
        Text("p", f"Order {told['order']} is in time.")
        return
    with box("reasons chain", tag="ul"):
        for link in told["chain"]:
            Text("li", link["sentence"].strip(), "deeper" if link["sentence"].startswith("  ") else "")
    Text("p", "To be in time:", "note")
    show_price_of(console, told["in_time"])


def show_price_of(console: Console, told: Mapping[str, Any]) -> None:
    """What doing otherwise costs, as a proven interval, and where the difference comes from."""
    currency = console.site.plant.currency
    Text("p", told["sentence"].replace("`", ""), "answer-sentence")
    if told["possible"] and told["terms"]:
        rows = [(term_name(term["name"]), term["amount"]) for term in told["terms"]]
        _sums("The best plan found for it, by term", rows, currency=currency)


def _difference(found: Mapping[str, Any], currency: str) -> str:
    before, now = (money(found[key], currency=currency) for key in ("before", "now"))
    text = f"This plan costs {now}, the earlier one {before}: {signed(found['difference'], currency=currency)}."
    if found["by_inputs"] is None or not math.isfinite(found["by_inputs"]):
        return f"{text} They cover other hours, so part of it is the time that passed."
    facts, choice = found["by_inputs"], found["difference"] - found["by_inputs"]
    parts = (signed(amount, currency=currency) for amount in (facts, choice))
    return "{} Of it the changed facts {}, the new choices {}.".format(text, *parts)


def _sums(title: str, rows: list[tuple[str, float]], *, currency: str) -> None:
    with box("side"):
        Text("h3", title)
        _, body = table(("", "Difference"), label=title, numbers=("Difference",))
        with body:
            for name, amount in rows:
                with box(tag="tr"):
                    Text("td", name)
                    Text("td", signed(amount, currency=currency), "num")
            if not rows:
                with box(tag="tr"):
                    Text("td", "no difference", "note")
                    Text("td", money(0.0, currency=currency), "num")
