"""What is kept of the accepted plan in the first hours of a new one."""

from typing import TYPE_CHECKING

import numpy as np

from optimizer.changeovers import LineChanges
from optimizer.facts import PlanningFacts
from optimizer.risk_tables import MachineOptions
from optimizer.slots import Slots, slot_of

if TYPE_CHECKING:
    from optimizer.problem import Making

FITS_H = 1e-9
"""Hours that are this much too short are long enough [h]."""


def kept_hours(
    facts: PlanningFacts,
    slots: Slots,
    makings: "tuple[Making, ...]",
    machines: tuple[MachineOptions, ...],
    changes: dict[int, LineChanges],
) -> dict[tuple[int, int], tuple[float, float]]:
    """Running hours kept from the accepted plan; less only where the line can no longer be sure of its hours."""
    if facts.previous is None or facts.policy.frozen_h == 0:
        return {}
    frozen_h = min(facts.policy.frozen_h, len(slots.starts))
    kept = {(m, hour): 0.0 for m in range(len(makings)) for hour in range(frozen_h)}
    place = {(making.line, making.product): m for m, making in enumerate(makings)}
    index = {line.name: number for number, line in enumerate(facts.plant.lines)}
    for run in facts.previous.runs:
        m = place.get((index.get(run.line, -1), run.product))
        first = slot_of(facts.start, run.start)
        for hour, units in enumerate(run.hourly_units, start=first):
            if m is not None and (m, hour) in kept:
                kept[m, hour] += units / makings[m].rate_per_h
    sure = {line: _fits(line, frozen_h, kept, slots, makings, machines, facts) for line in index.values()}
    for line, mine in changes.items():
        sure[line] = sure[line] and _changes_fit(line, mine, frozen_h, kept, makings, machines, facts)
    return {key: (hours if sure[makings[key[0]].line] else 0.0, hours) for key, hours in kept.items()}


def _fits(
    line: int,
    frozen_h: int,
    kept: dict[tuple[int, int], float],
    slots: Slots,
    makings: "tuple[Making, ...]",
    machines: tuple[MachineOptions, ...],
    facts: PlanningFacts,
) -> bool:
    """Whether the kept hours fit the line whatever is chosen for its machines."""
    mine = [options for options in machines if options.line == facts.plant.lines[line].name]
    hours = slots.open_share[line][:frozen_h].copy()
    for options in mine:
        for first, last in options.windows if options.forced else ():
            hours[first:last] = 0.0
    lost = np.zeros(frozen_h)
    for options in mine:
        lost += options.loss.max(axis=0)[:frozen_h]
    hours *= np.clip(1.0 - lost, 0.0, 1.0)
    need = np.zeros(frozen_h)
    setup: dict[tuple[int, int], float] = {}
    for (m, hour), running in kept.items():
        if makings[m].line == line and running > 0:
            need[hour] += running
            due = makings[m].needs_setup and not (makings[m].ready and slots.shift[hour] == slots.shift[0])
            family_h = makings[m].family_setup_h if makings[m].family else 0.0  # once would do; this is surely enough
            setup[m, slots.shift[hour]] = makings[m].setup_h + family_h if due else 0.0
    shifts = np.array(slots.shift[:frozen_h])
    for shift in set(slots.shift[:frozen_h]):
        inside = shifts == shift
        needed = need[inside].sum() + sum(time for (_, s), time in setup.items() if s == shift)
        if needed > hours[inside].sum() + 1e-9:
            return False
    return bool((need <= hours + 1e-9).all())


def _changes_fit(
    line: int,
    changes: LineChanges,
    frozen_h: int,
    kept: dict[tuple[int, int], float],
    makings: "tuple[Making, ...]",
    machines: tuple[MachineOptions, ...],
    facts: PlanningFacts,
) -> bool:
    """Whether the changes that the accepted plan has in its first hours still lead to what is kept of it."""
    name = facts.plant.lines[line].name
    planned = facts.previous.changeovers if facts.previous is not None else ()
    at = {slot_of(facts.start, each.start): each for each in planned if each.line == name}
    left = changes.open_h.copy()
    for options in machines:
        if options.line == name and options.forced:
            for first, last in options.windows:
                left[first:last] = 0.0
    stands = changes.families[changes.first] if changes.first is not None else None
    for t in range(frozen_h):
        made = {m: hours for (m, hour), hours in kept.items() if hour == t and hours > 0 and makings[m].line == line}
        allowed = {stands}
        if (change := at.get(t)) is not None:
            if change.before != stands or not {change.before, change.after} <= set(changes.families):
                return False
            takes = changes.takes(changes.families.index(stands), changes.families.index(change.after), t)
            for hour, taken in takes or ((t, np.inf),):
                left[hour] -= taken
            stands = change.after
            allowed.add(stands)
        if any(makings[m].state not in allowed for m in made) or sum(made.values()) > left[t] + FITS_H:
            return False
    return bool(left[:frozen_h].min(initial=0.0) >= -FITS_H)
