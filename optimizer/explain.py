"""A plan in a sentence: the headline."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from optimizer.facts import PlanningFacts
from plant.plans import MaintenanceWindow, Plan


def headline(facts: PlanningFacts, plan: Plan, saving: float | None, *, at_least: bool) -> str:
    """One sentence: which machine, why, when its maintenance is, and what that saves."""
    if not facts.plant.machines:
        late = len(plan.late)
        return f"{late} order{' is' if late == 1 else 's are'} late." if late else "Every order is in time."
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
        return "as the limits demand." if _has_chance_limit(facts) else "as agreed."
    if saving < 0.5:
        return "at no clear saving."
    return f"and saves {'at least ' if at_least else ''}{saving:,.0f} {facts.plant.currency}."


def _has_chance_limit(facts: PlanningFacts) -> bool:
    policy = facts.policy
    limits = (policy.max_failure_probability, policy.max_line_failure_probability, policy.max_plant_failure_probability)
    return any(limit is not None for limit in limits)


def _previous_start(facts: PlanningFacts, window: MaintenanceWindow) -> datetime | None:
    windows = facts.previous.maintenance if facts.previous else ()
    return next((w.start for w in windows if w.machine == window.machine and w.start >= facts.start), None)


def local_time(facts: PlanningFacts, at: datetime) -> str:
    """An instant on the plant's clock; with the weekday where it is a day or more away."""
    local = at.astimezone(ZoneInfo(facts.plant.timezone))
    return f"{local:%H:%M}" if at - facts.start < timedelta(days=1) else f"{local:%A %H:%M}"
