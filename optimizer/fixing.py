"""What a person fixed in a plan, as limits on its hours: lots are made as fixed, machines are maintained as fixed."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimizer.facts import FixedLot, PlanningFacts
from optimizer.risk_tables import MachineOptions
from optimizer.slots import CLOSED, HOUR, Slots
from plant.errors import Fault, QuestionError

Hours = dict[tuple[int, int], tuple[float, float]]
"""Least and greatest running hours, by (making, hour) [h]."""
SETTLED_H = 1e-9


def machines_as_fixed(
    facts: PlanningFacts, machines: tuple[MachineOptions, ...], fixed: Hours, line_of: dict[int, str]
) -> tuple[MachineOptions, ...]:
    """A line that must run for a fixed lot is not maintained meanwhile; what a person said of a machine is possible.

    Raises ConfigError where it is not.
    """
    running: dict[str, set[int]] = {}
    for (m, t), (low, _) in fixed.items():
        if low > 0:
            running.setdefault(line_of[m], set()).add(t)
    kept = tuple(_outside(options, running.get(options.line, set())) for options in machines)
    by_name = {options.machine: options for options in kept}
    faults = []
    for each in facts.fixed_maintenance:
        options = by_name[each.machine]
        asked: set[int | None] = {(at - facts.start) // HOUR for at in each.starts}
        asked = asked or {None}
        if not set(options.starts) <= asked:
            where = f"fixed_maintenance of {each.machine}"
            found = ", ".join(at.isoformat() for at in each.starts) or "none"
            now = ", ".join("none" if o is None else (facts.start + HOUR * o).isoformat() for o in options.starts[:4])
            faults.append(
                Fault(where=where, found=found, expected=f"it cannot be: kept or under way already, starts are {now}.")
            )
    if faults:
        raise QuestionError(tuple(faults))
    return kept


def lots_as_fixed(
    facts: PlanningFacts,
    *,
    slots: Slots,
    makings: dict[tuple[str, str], int],
    setup_h: tuple[float, ...],
    rates: tuple[float, ...],
    machines: tuple[MachineOptions, ...],
    frozen: Hours,
) -> Hours:
    """A lot that a person fixed is made where they put it, as early in its time as its line surely can.

    Args:
        facts: With the fixed lots.
        slots: The plan's hours.
        makings: Index of a making by line and product.
        setup_h: Of each making, 0 where none is needed [h].
        rates: Of each making [unit/h].
        machines: With their options.
        frozen: What is kept from the accepted plan.

    Raises:
        ConfigError: A fixed lot does not fit into its time.
    """
    fixed: Hours = {}
    lines = [line.name for line in facts.plant.lines]
    left = {name: _sure_hours(name, slots.open_share[i], machines) for i, name in enumerate(lines)}
    for (m, t), (_, high) in frozen.items():
        name = next(line for (line, _), index in makings.items() if index == m)
        left[name][t] -= high
    faults = []
    set_up: set[tuple[int, int]] = set()
    for index, lot in enumerate(facts.fixed_lots):
        m = makings[lot.line, lot.product]
        hours = _span(facts, lot)
        wanted = lot.gross_units / rates[m]
        for t in hours:
            shift = slots.shift[t]
            if len(hours) == 1:  # nothing to spread; whether it fits is for the program to say
                left[lot.line][t] = max(float(slots.open_share[lines.index(lot.line), t]), float(left[lot.line][t]))
            elif wanted > SETTLED_H and shift != CLOSED and (m, shift) not in set_up:
                set_up.add((m, shift))
                _take(left[lot.line], [h for h in slots.hours_of_shift(shift) if h in hours], setup_h[m])
            taken = max(min(wanted, float(left[lot.line][t])), 0.0)
            if (m, t) in frozen and (taken > 0 or frozen[m, t][0] > 0):
                found = f"{lot.product} on {lot.line}"
                expected = f"the first {facts.policy.frozen_h} h are kept from the accepted plan; choose a later time."
                faults.append(Fault(where=f"fixed_lots[{index}]", found=found, expected=expected))
                break
            fixed[m, t] = (taken, taken)
            left[lot.line][t] -= taken
            wanted -= taken
        else:
            if wanted > SETTLED_H:
                found = f"{lot.gross_units:g} units of {lot.product} on {lot.line}"
                expected = (
                    f"{wanted:.2f} h are missing from {lot.start.isoformat()} to {lot.end.isoformat()}; "
                    "give it more time, fewer units or another line."
                )
                faults.append(Fault(where=f"fixed_lots[{index}]", found=found, expected=expected))
    if faults:
        raise QuestionError(tuple(faults))
    return fixed


def _span(facts: PlanningFacts, lot: FixedLot) -> range:
    return range((lot.start - facts.start) // HOUR, (lot.end - facts.start) // HOUR)


def _sure_hours(
    line: str, open_share: NDArray[np.float64], machines: tuple[MachineOptions, ...]
) -> NDArray[np.float64]:
    """What a line has of each hour whatever is chosen for its machines, but for their windows [h]. (hour,)"""
    sure = open_share.copy()
    for options in machines:
        if options.line == line and len(options.windows) == 1:
            first, last = options.windows[0]
            sure[first:last] = 0.0
    lost = sum((options.loss.max(axis=0) for options in machines if options.line == line), np.zeros(len(open_share)))
    return np.minimum(sure, open_share * np.clip(1.0 - lost, 0.0, 1.0))


def _take(left: NDArray[np.float64], hours: list[int], needed_h: float) -> None:
    """Takes the time of a setup from the first of some hours."""
    for t in hours:
        taken = max(min(needed_h, float(left[t])), 0.0)
        left[t] -= taken
        needed_h -= taken


def _outside(options: MachineOptions, running: set[int]) -> MachineOptions:
    """A machine without the maintenance that would fall into hours in which its line must run."""
    kept = [o for o, (first, last) in enumerate(options.windows) if not running & set(range(first, last))]
    if len(kept) == len(options.windows) or not kept:
        return options
    return replace(
        options,
        starts=tuple(options.starts[o] for o in kept),
        windows=tuple(options.windows[o] for o in kept),
        maintenance_cost=options.maintenance_cost[kept],
        failure_cost=options.failure_cost[kept],
        failure_probability=options.failure_probability[kept],
        loss=options.loss[kept],
        forced=options.forced or len(kept) == 1,
    )
