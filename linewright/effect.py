"""Did it pay? Days since a date against a frozen baseline before it, with an interval from resampling whole days.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13 (percentile interval); days are resampled,
as hours of a day hang together. ISO 50006: a baseline period is stated and kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from linewright.effect_days import Day

LEAST_DAYS: Final = 7
"""Fewer days on either side say nothing: not even every weekday was there."""
RESAMPLES: Final = 4000
SEED: Final = 0
LEVEL: Final = 0.95
FIELDS: Final = ("stops", "good", "scrap", "energy_kwh", "cost", "co2_kg")
COST: Final = "cost per good part"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One figure before and since, lower is better."""

    name: str
    unit: str
    before: float | None
    """None: nothing to divide by."""
    since: float | None
    change: float | None
    """Relative: (since - before) / before; None where before is 0 or unknown."""
    low: float | None
    """Of the 95 % interval of the change; None: too few days, or not defined in too many resamples."""
    high: float | None

    @property
    def verdict(self) -> str:
        """What the interval says."""
        if self.low is None or self.high is None:
            return "not known"
        return "lower" if self.high < 0 else "higher" if self.low > 0 else "no change shown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What changed."""

    days_before: int
    days_since: int
    measures: tuple[Measure, ...]
    sentence: str
    caution: str


def measure_effect(before: Sequence[Day], since: Sequence[Day], *, currency: str) -> Effect:
    """Every measure with its interval, and one sentence.

    Args:
        before: Days of the baseline that were heard of.
        since: Days since.
        currency: Of the costs.
    """
    ratios = (
        ("stops per day", "1/day", 0, None),
        ("energy per good part", "kWh/unit", 3, 1),
        ("scrap ratio", "of all parts", 2, -1),
        (COST, f"{currency}/unit", 4, 1),
        ("CO2 per good part", "kg/unit", 5, 1),
    )
    old, new = _table(before), _table(since)
    enough = min(len(old), len(new)) >= LEAST_DAYS
    chance = np.random.default_rng(SEED)
    old_sums, new_sums = (_resampled(table, chance) if enough else None for table in (old, new))
    measures = []
    for name, unit, top, bottom in ratios:
        was, now = (_ratio(table.sum(axis=0)[None, :], len(table), top, bottom)[0] for table in (old, new))
        change = (now - was) / was if was > 0 else np.nan
        low = high = np.nan
        if old_sums is not None and new_sums is not None:
            olds, news = _ratio(old_sums, len(old), top, bottom), _ratio(new_sums, len(new), top, bottom)
            with np.errstate(all="ignore"):
                changes = (news - olds) / olds
            if np.isfinite(changes).mean() >= LEVEL:
                kept = changes[np.isfinite(changes)]
                low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        measures.append(
            Measure(
                name=name,
                unit=unit,
                before=_known(was),
                since=_known(now),
                change=_known(change),
                low=_known(low),
                high=_known(high),
            )
        )
    return Effect(
        days_before=len(old),
        days_since=len(new),
        measures=tuple(measures),
        sentence=_sentence(next(m for m in measures if m.name == COST), old, new, currency=currency),
        caution="Before against since, not a trial: product mix, season, orders and other changes are in it as well.",
    )


def effect_text(effect: Effect) -> str:
    """The effect for a terminal."""
    lines = [effect.sentence, f"{effect.days_before} days before, {effect.days_since} days since"]
    for each in effect.measures:
        before, since = ("-" if value is None else f"{value:,.4g}" for value in (each.before, each.since))
        change = "" if each.change is None else f"{each.change:+.1%}"
        interval = "" if each.low is None or each.high is None else f"({each.low:+.1%} to {each.high:+.1%})"
        row = f"  {each.name:<22} {before:>10} -> {since:>10} {each.unit:<12} {change:>8} {interval:<22} {each.verdict}"
        lines.append(row.rstrip())
    return "\n".join([*lines, effect.caution])


def _table(days: Sequence[Day]) -> NDArray[np.float64]:
    """Sums by day. (day, field)"""
    return np.array([[getattr(day, name) for name in FIELDS] for day in days], dtype=np.float64).reshape(
        -1, len(FIELDS)
    )


def _resampled(table: NDArray[np.float64], chance: np.random.Generator) -> NDArray[np.float64]:
    """Sums over days drawn with replacement. (resample, field)"""
    drawn = chance.integers(0, len(table), size=(RESAMPLES, len(table)))
    sums: NDArray[np.float64] = table[drawn].sum(axis=1)
    return sums


def _ratio(sums: NDArray[np.float64], days: int, top: int, bottom: int | None) -> NDArray[np.float64]:
    """A ratio of sums; per day without a bottom, of good and scrap parts with -1. (resample,)"""
    if bottom is None:
        below = np.full(len(sums), float(days))
    else:
        below = sums[:, 1] + sums[:, 2] if bottom == -1 else sums[:, bottom]
    with np.errstate(all="ignore"):
        return np.where(below > 0, sums[:, top] / below, np.nan)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _sentence(cost: Measure, old: NDArray[np.float64], new: NDArray[np.float64], *, currency: str) -> str:
    if min(len(old), len(new)) < LEAST_DAYS:
        return (
            f"Did it pay? Too few days to say: {len(old)} before and {len(new)} since were heard of; "
            f"{LEAST_DAYS} of each are needed."
        )
    if cost.low is None or cost.high is None or cost.change is None or cost.before is None or cost.since is None:
        return "Did it pay? It cannot be said: no good parts were counted on enough days."
    told = f"cost per good part changed by {cost.change:+.1%} ({cost.low:+.1%} to {cost.high:+.1%})"
    daily = (cost.before - cost.since) * float(new[:, 1].mean())
    if cost.high < 0:
        return f"Did it pay? Yes: {told}, about {daily:,.0f} {currency} a day at today's output."
    if cost.low > 0:
        return f"Did it pay? No: {told}, about {-daily:,.0f} {currency} a day more at today's output."
    return f"Did it pay? Not shown: {told}; the interval holds zero. More days narrow it."
