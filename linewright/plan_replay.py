"""A plan replayed beside other practices: what is kept with the records, shown on the plan page and at the terminal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from linewright.plan_cases import Case
from plant.plans import Plan

if TYPE_CHECKING:
    from optimizer.simulate import Replay, Spread
    from store.records import Records

REPLAY_NOTE: Final = "replay"
"""The newest plan's replay."""
PATHS: Final = 500
"""On which each new plan is replayed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a plan costs on average once machines fail and lines stray, beside what it was planned to cost."""

    planned: float
    """[currency]"""
    mean: float
    """[currency]"""
    p90: float
    """9 times out of 10 it stays below this [currency]."""
    term: str
    """The part of the cost in which both differ most."""
    more: float
    """By how much it is above the planned one [currency]."""


def expected_of(document: Mapping[str, Any] | None, plan: Plan) -> Expected | None:
    """What a plan costs on average, from its replay; None where that is of another plan, or there is none."""
    if document is None or document.get("plan") != plan.number or not plan.costs:
        return None
    told = document["replay"]
    amounts = {term.name: term.amount for term in plan.costs}
    more = {name: amount - amounts.get(name, 0.0) for name, amount in told["terms"].items()}
    term = max(more, key=lambda name: abs(more[name]))
    cost = told["cost"]
    return Expected(planned=told["planned_cost"], mean=cost["mean"], p90=cost["p90"], term=term, more=more[term])


def replay_case(case: Case, *, paths: int, seed: int, time_limit_s: float) -> dict[str, Any]:
    """The plan's replay and, with a time limit above 0, what every other practice costs more on the same paths."""
    from optimizer.practices import WORDS, Practice, plan_by
    from optimizer.simulate import difference, replay

    course = replay(case.facts, case.plan, paths=paths, seed=seed)
    others = []
    for practice in Practice if time_limit_s > 0 else ():
        other = plan_by(practice, case.facts, like=case.plan, time_limit_s=time_limit_s)
        if other is not None:
            theirs = replay(case.facts, other, paths=paths, seed=seed)
            others.append(
                {
                    "practice": practice.value,
                    "words": WORDS[practice],
                    "cost": msgspec.to_builtins(theirs.replay.cost),
                    "more": msgspec.to_builtins(difference(course, theirs)),
                    "failures": theirs.replay.failures,
                    "late_units": theirs.replay.late_units.mean,
                }
            )
    return {"plan": case.plan.number, "replay": msgspec.to_builtins(course.replay), "others": others}


def keep(records: "Records", document: dict[str, Any]) -> None:
    """Keeps a replay for the plan page."""
    records.note(REPLAY_NOTE, document)


def replay_text(document: dict[str, Any], *, currency: str) -> str:
    """The replay for a terminal."""
    told = msgspec.convert(document["replay"], type=_replay_type())
    off = told.planned_cost / told.cost.mean - 1 if told.cost.mean else 0.0
    lines = [
        f"{document['plan']} on {told.paths} paths (seed {told.seed}): costs {_spread(told.cost)} {currency}; "
        f"planned {told.planned_cost:,.0f} ({off:+.1%})",
        f"  failures {told.failures:.2f}, units late {_spread(told.late_units)}, "
        f"energy {_spread(told.energy_kwh)} kWh, peak {_spread(told.peak_kw)} kW, CO2 {_spread(told.co2_kg)} kg",
        "chance of being in time",
    ]
    lines += [
        f"  {order:<20} {chance:6.0%}" for order, chance in sorted(told.in_time.items(), key=lambda item: item[1])
    ]
    if document["others"]:
        lines.append("on the same paths it would cost")
    for other in document["others"]:
        more = other["more"]
        low, high = more["mean"] - 1.96 * more["error"], more["mean"] + 1.96 * more["error"]
        lines.append(
            f"  {other['words']:<28} {other['cost']['mean']:10,.0f} {currency}: {more['mean']:+,.0f} "
            f"({low:+,.0f} to {high:+,.0f}), {other['failures']:.2f} failures, {other['late_units']:,.0f} units late"
        )
    return "\n".join(lines)


def _replay_type() -> "type[Replay]":
    from optimizer.simulate import Replay

    return Replay


def _spread(spread: "Spread") -> str:
    return f"{spread.mean:,.0f} (P90 {spread.p90:,.0f})"
