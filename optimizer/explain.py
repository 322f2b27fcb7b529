"""Plans in a sentence: the headline, and what changed from one plan to the next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from optimizer.facts import PlanningFacts
from plant.plans import CostTerm, MaintenanceWindow, Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What changed from one plan to another."""

    sentences: tuple[str, ...]
    """What moved, in the plant's words; empty: nothing."""
    runs_changed: int
    """Product hours of a line that one plan has and the other has not, or in another amount."""
    runs: int
    """Product hours of a line in either plan, where both plans know the hour."""
    bridge: tuple[CostTerm, ...]
    """New minus previous cost by term [currency]."""


def headline(facts: PlanningFacts, plan: Plan, saving: float | None, *, at_least: bool) -> str:
    """One sentence: which machine, why, when its maintenance is, and what that saves."""
    if not plan.maintenance:
        return f"No maintenance is worth its cost in the next {facts.policy.horizon_h} h."
    first = max(plan.maintenance, key=lambda w: w.expected_failure_cost_without - w.expected_failure_cost)
    machine = facts.plant.machine_index[first.machine]
    risk = facts.newest_risk(first.machine)
    why = "wearing" if risk is None or risk.mode in ("any", "") else _wearing(risk.mode)
    if risk is not None and not risk.enough_data:
        why = "at its class's base rate, with too few data of its own"
    when = local_time(facts, first.start)
    before = _previous_start(facts, first)
    moves = f"moves its maintenance to {when}" if before else f"sets its maintenance for {when}"
    if before == first.start:
        moves = f"keeps its maintenance at {when}"
    others = len(plan.maintenance) - 1
    company = f", with {others} more machine{'s' if others > 1 else ''}," if others else ""
    return f"{machine.label}: {why}; the plan {moves}{company} {_worth(facts, saving, at_least)}"


def _wearing(mode: str) -> str:
    word = mode.replace("_", " ")
    return "wearing" if word == "wear" else f"{word} wearing"


def _worth(facts: PlanningFacts, saving: float | None, at_least: bool) -> str:
    if saving is None:
        return "as the limits demand." if facts.policy.max_failure_probability is not None else "as agreed."
    if saving < 0.5:
        return "at no clear saving."
    return f"and saves {'at least ' if at_least else ''}{saving:,.0f} {facts.plant.currency}."


def _previous_start(facts: PlanningFacts, window: MaintenanceWindow) -> datetime | None:
    windows = facts.previous.maintenance if facts.previous else ()
    return next((w.start for w in windows if w.machine == window.machine and w.start >= facts.start), None)


def local_time(facts: PlanningFacts, at: datetime) -> str:
    """An instant on the plant's clock; with the weekday where it is a day or more away."""
    local = at.astimezone(ZoneInfo(facts.plant.timezone))
    return f"{local:%H:%M}" if at - facts.start < timedelta(days=1) else f"{local:%A %H:%M}"


def compare(plan: Plan, previous: Plan, *, facts: PlanningFacts) -> Comparison:
    """What changed from the previous plan, in the hours that both know."""
    now = {window.machine: window.start for window in plan.maintenance}
    then = {w.machine: w.start for w in previous.maintenance if w.start >= plan.start}
    sentences = []
    for name in sorted(now.keys() | then.keys()):
        label = facts.plant.machine_index[name].label if name in facts.plant.machine_index else name
        new, old = now.get(name), then.get(name)
        if new == old:
            continue
        if new is None and old is not None:
            sentences.append(f"{label}: the maintenance at {local_time(facts, old)} is dropped.")
        elif new is not None and old is None:
            sentences.append(f"{label}: maintenance is new at {local_time(facts, new)}.")
        elif new is not None and old is not None:
            moved = f"{local_time(facts, old)} to {local_time(facts, new)}"
            sentences.append(f"{label}: maintenance moves from {moved}.")
    start, end = max(plan.start, previous.start), min(plan.end, previous.end)
    new_runs, old_runs = _hourly(plan, start, end), _hourly(previous, start, end)
    keys = new_runs.keys() | old_runs.keys()
    changed = sum(1 for key in keys if new_runs.get(key) != old_runs.get(key))
    if changed:
        sentences.append(f"{changed} of {len(keys)} product hours changed.")
    costs_now = {term.name: term.amount for term in plan.costs}
    costs_then = {term.name: term.amount for term in previous.costs}
    names = dict.fromkeys([*costs_now, *costs_then])
    return Comparison(
        sentences=tuple(sentences),
        runs_changed=changed,
        runs=len(keys),
        bridge=tuple(CostTerm(name=n, amount=costs_now.get(n, 0.0) - costs_then.get(n, 0.0)) for n in names),
    )


def _hourly(plan: Plan, start: datetime, end: datetime) -> dict[tuple[str, str, int], float]:
    """Units by line, product and hour since 1970, within a range."""
    units: dict[tuple[str, str, int], float] = {}
    for run in plan.runs:
        first = int(run.start.timestamp() // 3600)
        for hour, made in enumerate(run.hourly_units, start=first):
            if start.timestamp() <= hour * 3600 < end.timestamp():
                units[run.line, run.product, hour] = units.get((run.line, run.product, hour), 0.0) + made
    return units
