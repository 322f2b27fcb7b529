"""From one plan to another: what moved and why, and the bridge between their costs, exact to the last cent.

The bridge's items add up to the difference of the two objectives. Where both plans cover the same hours the difference
is also parted into what the changed facts do to the old plan and what the new choices do about it.
"""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from optimizer.costing import account
from optimizer.exact import ZERO
from optimizer.explain import local_time
from optimizer.facts import PlanningFacts
from optimizer.inputs import InputChange, changed_inputs
from optimizer.ledger import By, Ledger, itemise, totals
from plant.plans import Plan

MOST_REASONS = 3
"""So many reasons are told for a change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Something that a plan does otherwise."""

    sentence: str
    reasons: tuple[str, ...]
    """What changed in the facts that it may come from; empty: nothing that bears on it directly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What changed from one plan to another."""

    changes: tuple[Change, ...]
    """What moved, in the plant's words; empty: nothing."""
    runs_changed: int
    """Product hours of a line that one plan has and the other has not, or in another amount."""
    runs: int
    """Product hours of a line in either plan, where both plans know the hour."""
    inputs: tuple[InputChange, ...]
    """What changed in the facts."""
    before: Fraction
    """Cost of the earlier plan under its own facts [currency]."""
    now: Fraction
    """Cost of the later plan under its own facts [currency]."""
    bridge: Ledger
    """Later minus earlier cost, item by item [currency]."""
    by_inputs: Fraction | None
    """What the changed facts do to the earlier plan's cost [currency]; None: the plans cover other hours."""

    @property
    def difference(self) -> Fraction:
        """Later minus earlier cost [currency]."""
        return self.now - self.before

    def by(self, side: By) -> dict[str, Fraction]:
        """The bridge added up by one side, the greatest first [currency]."""
        return dict(sorted(totals(self.bridge, side).items(), key=lambda item: -abs(item[1])))


def compare(plan: Plan, previous: Plan, *, facts: PlanningFacts, previous_facts: PlanningFacts) -> Comparison:
    """What changed from the previous plan, in the hours that both know, and what it costs."""
    new, old = account(facts, plan), account(previous_facts, previous)
    bridge = itemise(facts, new)
    for item, amount in itemise(previous_facts, old).items():
        bridge[item] = bridge.get(item, ZERO) - amount
    inputs = changed_inputs(previous_facts, facts)
    same_hours = facts.start == previous_facts.start and facts.policy.horizon_h == previous_facts.policy.horizon_h
    start, end = max(plan.start, previous.start), min(plan.end, previous.end)
    runs, earlier = _hourly(plan, start, end), _hourly(previous, start, end)
    keys = runs.keys() | earlier.keys()
    changed = {key for key in keys if runs.get(key) != earlier.get(key)}
    return Comparison(
        changes=(
            *_maintenance_changes(plan, previous, facts, inputs),
            *_run_changes(runs, earlier, changed, inputs),
        ),
        runs_changed=len(changed),
        runs=len(keys),
        inputs=inputs,
        before=old.cost,
        now=new.cost,
        bridge={item: amount for item, amount in bridge.items() if amount},
        by_inputs=account(facts, previous).cost - old.cost if same_hours else None,
    )


def _maintenance_changes(
    plan: Plan, previous: Plan, facts: PlanningFacts, inputs: tuple[InputChange, ...]
) -> list[Change]:
    now = {window.machine: window.start for window in plan.maintenance}
    then = {w.machine: w.start for w in previous.maintenance if w.start >= plan.start}
    changes = []
    for name in sorted(now.keys() | then.keys()):
        machine = facts.plant.machine_index.get(name)
        label = machine.label if machine else name
        new, old = now.get(name), then.get(name)
        if new == old:
            continue
        if new is None and old is not None:
            said = f"the maintenance at {local_time(facts, old)} is dropped."
        elif new is not None and old is None:
            said = f"maintenance is new at {local_time(facts, new)}."
        elif new is not None and old is not None:
            said = f"maintenance moves from {local_time(facts, old)} to {local_time(facts, new)}."
        else:
            continue
        line = machine.line if machine else ""
        reasons = _reasons(inputs, entities={name, line}, product="", kinds={"limit", "tariff", "shift"})
        changes.append(Change(sentence=f"{label}: {said}", reasons=reasons))
    return changes


def _run_changes(
    runs: dict[tuple[str, str, int], float],
    earlier: dict[tuple[str, str, int], float],
    changed: set[tuple[str, str, int]],
    inputs: tuple[InputChange, ...],
) -> list[Change]:
    """What a line makes more or less of, the greatest change first."""
    changes = []
    for line, product in sorted({(line, product) for line, product, _ in changed}):
        mine = [key for key in changed if key[:2] == (line, product)]
        more = sum(runs.get(key, 0.0) - earlier.get(key, 0.0) for key in mine)
        amount = (
            f"{abs(more):,.0f} units {'more' if more > 0 else 'less'}"
            if abs(more) >= 0.5
            else "as much, at other hours"
        )
        reasons = _reasons(inputs, entities={line}, product=product, kinds={"tariff", "shift"})
        sentence = f"{line} makes {amount} of {product} ({len(mine)} hours changed)."
        changes.append((abs(more), Change(sentence=sentence, reasons=reasons)))
    return [change for _, change in sorted(changes, key=lambda each: -each[0])]


def _reasons(inputs: tuple[InputChange, ...], *, entities: set[str], product: str, kinds: set[str]) -> tuple[str, ...]:
    """Changed facts that bear on an entity or product; else those that bear on everything."""
    names = entities - {""}
    direct = [c.sentence for c in inputs if c.entity in names or (product and c.product == product)]
    general = [c.sentence for c in inputs if c.kind in kinds or (c.kind == "closure" and not c.entity)]
    return tuple((direct + general)[:MOST_REASONS])


def _hourly(plan: Plan, start: datetime, end: datetime) -> dict[tuple[str, str, int], float]:
    """Units by line, product and hour since 1970, within a range."""
    units: dict[tuple[str, str, int], float] = {}
    for run in plan.runs:
        first = int(run.start.timestamp() // 3600)
        for hour, made in enumerate(run.hourly_units, start=first):
            if start.timestamp() <= hour * 3600 < end.timestamp():
                units[run.line, run.product, hour] = units.get((run.line, run.product, hour), 0.0) + made
    return units
