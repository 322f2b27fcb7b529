"""What chance makes of a plan, as the plan page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linewright.console.words import money, number, percent

LIKELY = 0.9
"""Orders likelier in time than this are not worth a row [0..1]."""
AS_TODAY = "as_today"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayView:
    """A plan's replay in words."""

    plan: str
    """Its number."""
    note: str
    sentences: tuple[str, ...]
    """What it means, for who has never seen a replay."""
    expected: str
    """Mean cost."""
    against_planned: str
    """Where it differs from the planned one."""
    figures: tuple[tuple[str, str, str], ...]
    """Title, value, detail."""
    orders: tuple[tuple[str, str, float], ...]
    """Orders at risk with their chance of being in time in words and as a ratio, the least likely first."""
    others: tuple[tuple[str, str, str], ...]
    """Other practices: words, mean cost, and what they cost more, with its 95 % interval."""


def replay_view(document: Mapping[str, Any] | None, *, plan: str, currency: str) -> ReplayView | None:
    """The view of a kept replay; None where there is none of this plan."""
    if document is None or document.get("plan") != plan:
        return None
    told = document["replay"]
    cost, late, energy = told["cost"], told["late_units"], told["energy_kwh"]
    chances = sorted(told["in_time"].items(), key=lambda item: item[1])
    others = []
    for other in document["others"]:
        more, half = other["more"]["mean"], 1.96 * other["more"]["error"]
        low, high = (number(value, digits=0) for value in (more - half, more + half))
        cost_more = f"{number(more, digits=0)} ({low} to {high})"
        others.append((other["words"], money(other["cost"]["mean"], currency=currency), cost_more))
    planned = money(told["planned_cost"], currency=currency)
    more = cost["mean"] - told["planned_cost"]
    word = "above" if more >= 0 else "below"
    return ReplayView(
        plan=plan,
        note=f"lived through {told['paths']} times, each with other failures, speeds and scrap",
        sentences=(
            f"It was planned to cost {planned}. On average it costs {money(cost['mean'], currency=currency)}; "
            f"9 times out of 10 it stays below {money(cost['p90'], currency=currency)} (P90).",
            *_against_today(document["others"], currency=currency),
        ),
        expected=money(cost["mean"], currency=currency),
        against_planned=f"{number(abs(more), digits=0)} {word} the planned cost",
        figures=(
            ("Mean cost", money(cost["mean"], currency=currency), f"P90 {money(cost['p90'], currency=currency)}"),
            ("Failures", number(told["failures"], digits=2), "expected in this plan"),
            ("Units late", number(late["mean"], digits=0), f"P90 {number(late['p90'], digits=0)}"),
            ("Energy", f"{number(energy['mean'], digits=0)} kWh", f"P90 {number(energy['p90'], digits=0)} kWh"),
        ),
        orders=tuple((order, percent(chance, digits=0), chance) for order, chance in chances if chance < LIKELY),
        others=tuple(others),
    )


def _against_today(others: Sequence[Mapping[str, Any]], *, currency: str) -> tuple[str, ...]:
    """What doing as today costs more or less, and whether chance alone could explain it."""
    today = next((each for each in others if each["practice"] == AS_TODAY), None)
    if today is None:
        return ()
    more, half = today["more"]["mean"], 1.96 * today["more"]["error"]
    if abs(more) <= half:
        return ("Doing as today, without maintenance, costs about the same: the difference may be chance.",)
    word = "more" if more > 0 else "less"
    low, high = sorted((abs(more) - half, abs(more) + half))
    return (
        f"Doing as today, without maintenance, costs {money(abs(more), currency=currency)} {word} on average "
        f"({number(low, digits=0)} to {number(high, digits=0)}, 95 % sure).",
    )
