"""A planner's changes to a plan, in words, as facts of the next one: `move gear from L1 to L2 after 14:00`.

A small set of forms, read by patterns; nothing is ever evaluated. What is changed is fixed; the rest is planned anew.
"""

import re
from dataclasses import replace
from itertools import pairwise
from math import ceil, isfinite

from optimizer.facts import FixedLot, FixedMaintenance, PlanningFacts, units_step
from optimizer.problem import PlanningProblem, build_problem
from optimizer.slots import HOUR, lay_out
from optimizer.statements import (
    WHEN,
    WHEN_PATTERN,
    Demand,
    hours_named,
    line_named,
    machines_named,
    product_named,
    read_statement,
    span_text,
    statement_fault,
)
from plant.plans import Plan
from plant.production import Capability

EDITS = (
    "maintain MACHINE [WHEN]",
    "no maintenance on MACHINE",
    "keep maintenance of MACHINE",
    "make UNITS PRODUCT on LINE WHEN",
    "keep PRODUCT on LINE [WHEN]",
    "no PRODUCT on LINE [WHEN]",
    "move PRODUCT from LINE [WHEN] to LINE [WHEN]",
)
MOST_EDITS = 50
_TO_WHEN = WHEN_PATTERN.replace("?P<when>", "?P<to_when>")
_KEEP_MACHINE = re.compile(r"keep\s+maintenance\s+(?:of|on)\s+(?P<place>.+)")
_MAKE = re.compile(
    rf"make\s+(?P<units>\d+(?:\.\d+)?)\s+(?:units\s+of\s+)?(?P<product>.+?)\s+on\s+(?P<place>.+?){WHEN_PATTERN}"
)
_KEEP = re.compile(rf"keep\s+(?P<product>.+?)\s+on\s+(?P<place>.+?){WHEN_PATTERN}")
_MOVE = re.compile(rf"move\s+(?P<product>.+?)\s+from\s+(?P<place>.+?){WHEN_PATTERN}\s+to\s+(?P<to>.+?){_TO_WHEN}")


def edited(facts: PlanningFacts, plan: Plan, *, edits: tuple[str, ...]) -> PlanningFacts:
    """The facts with a person's changes to the plan fixed; a later change replaces an earlier one to the same thing.

    Args:
        facts: That the plan was made from.
        plan: What is changed.
        edits: In the forms of `EDITS`.

    Raises:
        ConfigError: A text fits no form, names nothing that is known, or cannot be.
    """
    if not 1 <= len(edits) <= MOST_EDITS:
        raise statement_fault(f"{len(edits)} changes", f"1 to {MOST_EDITS} at a time.")
    problem = build_problem(facts)
    for text in edits:
        facts = _edited(facts, plan, problem, " ".join(text.split()).rstrip(".!?"))
    build_problem(facts)
    return facts


def _edited(facts: PlanningFacts, plan: Plan, problem: PlanningProblem, words: str) -> PlanningFacts:
    lowered = words.lower()
    if found := _KEEP_MACHINE.fullmatch(lowered):
        (machine,) = _one(machines_named(facts, words[slice(*found.span("place"))]))
        starts = tuple(window.start for window in plan.maintenance if window.machine == machine)
        return _with_maintenance(facts, FixedMaintenance(machine=machine, starts=starts))
    if found := _MOVE.fullmatch(lowered):
        return _moved(facts, plan, {name: words[slice(*found.span(name))] for name in found.groupdict() if found[name]})
    if found := _MAKE.fullmatch(lowered):
        capability = _capability(facts, words[slice(*found.span("product"))], words[slice(*found.span("place"))])
        gross = _gross(capability, float(found["units"]))
        return _with_lots(facts, _lots_in(facts, capability, _hours(facts, found["when"]), gross))
    if found := _KEEP.fullmatch(lowered):
        capability = _capability(facts, words[slice(*found.span("product"))], words[slice(*found.span("place"))])
        return _with_lots(facts, _kept(facts, plan, capability, _hours(facts, found["when"])))
    if not lowered.startswith(("maintain ", "no ")):
        raise statement_fault(words[:80], f"one of: {'; '.join(EDITS)}. {WHEN}")
    statement = read_statement(words, problem)
    if statement.demand in (Demand.MAINTAIN, Demand.SPARE):
        if statement.demand is Demand.SPARE and len(statement.hours) < facts.policy.horizon_h:
            raise statement_fault(words, "leave out the time, or say when it is: `maintain MACHINE WHEN`.")
        starts = tuple(facts.start + HOUR * t for t in statement.hours)
        for machine in statement.machines:
            length_h = ceil(facts.class_of(facts.plant.machine_index[machine]).maintenance_h)
            last = facts.start + HOUR * (facts.policy.horizon_h - length_h)
            fitting = tuple(at for at in starts if at <= last) if statement.demand is Demand.MAINTAIN else ()
            if statement.demand is Demand.MAINTAIN and not fitting:
                raise statement_fault(words, f"a start no later than {last.isoformat()}, {length_h} h before the end.")
            facts = _with_maintenance(facts, FixedMaintenance(machine=machine, starts=fitting))
        return facts
    capability = next(c for c in facts.capabilities if (c.line, c.product) == (statement.line, statement.products[0]))
    return _with_lots(facts, _empty(facts, capability, list(statement.hours)))


def _moved(facts: PlanningFacts, plan: Plan, spelled: dict[str, str]) -> PlanningFacts:
    """What is made in one place is cleared there, and as many good units are made in the other."""
    source = _capability(facts, spelled["product"], spelled["place"])
    target = _capability(facts, spelled["product"], spelled["to"])
    made = _made(facts, plan, source, _hours(facts, spelled.get("when", "")))
    units = sum(made.values())
    if units <= 0:
        where = f"{source.product} on {source.line}"
        raise statement_fault(where, f"something that {plan.number} makes there in that time.")
    there = _hours(facts, spelled.get("to_when", ""))
    gross = _gross(target, units * (1.0 - source.scrap_ratio))
    facts = _with_lots(facts, _lots_in(facts, target, there, gross))
    kept = set(there) if target is source else set()
    return _with_lots(facts, _empty(facts, source, [t for t in made if t not in kept]))


def _gross(capability: Capability, good: float) -> float:
    """Gross units for so many good ones, in what the line makes at a time [unit]."""
    step = units_step(capability.rate_per_h)
    gross = good / (1.0 - capability.scrap_ratio)
    if not isfinite(gross):
        raise statement_fault(str(good), "a number of units.")
    return float(ceil(gross / float(step) - 1e-9) * step)


def _made(facts: PlanningFacts, plan: Plan, capability: Capability, hours: tuple[int, ...]) -> dict[int, float]:
    """Gross units of the plan's runs in some hours, by hour."""
    made: dict[int, float] = {}
    for run in plan.runs:
        if (run.line, run.product) == (capability.line, capability.product):
            for t, units in enumerate(run.hourly_units, start=(run.start - facts.start) // HOUR):
                if t in hours and units > 0:
                    made[t] = made.get(t, 0.0) + units
    return made


def _kept(facts: PlanningFacts, plan: Plan, capability: Capability, hours: tuple[int, ...]) -> tuple[FixedLot, ...]:
    """Hour by hour what the plan makes, over the whole of each shift's lot: only that is whole units."""
    shift = lay_out(facts).shift
    touched = {shift[t] for t in _made(facts, plan, capability, hours)}
    made = _made(facts, plan, capability, tuple(t for t, s in enumerate(shift) if s in touched))
    if not made:
        raise statement_fault(f"{capability.product} on {capability.line}", f"what {plan.number} makes there then.")
    return tuple(_lot(facts, capability, [t], units) for t, units in sorted(made.items()))


def _lots_in(
    facts: PlanningFacts, capability: Capability, hours: tuple[int, ...], gross: float
) -> tuple[FixedLot, ...]:
    """A lot in the first stretch of hours that follow each other."""
    stretch = _stretches(list(hours))[0]
    return (_lot(facts, capability, stretch, gross),)


def _empty(facts: PlanningFacts, capability: Capability, hours: list[int]) -> tuple[FixedLot, ...]:
    return tuple(_lot(facts, capability, stretch, 0.0) for stretch in _stretches(sorted(hours)))


def _lot(facts: PlanningFacts, capability: Capability, hours: list[int], gross: float) -> FixedLot:
    start, end = facts.start + HOUR * hours[0], facts.start + HOUR * (hours[-1] + 1)
    return FixedLot(line=capability.line, product=capability.product, start=start, end=end, gross_units=gross)


def _stretches(hours: list[int]) -> list[list[int]]:
    """Hours that follow each other."""
    stretches: list[list[int]] = [hours[:1]] if hours else []
    for before, t in pairwise(hours):
        if t == before + 1:
            stretches[-1].append(t)
        else:
            stretches.append([t])
    return stretches


def _with_lots(facts: PlanningFacts, lots: tuple[FixedLot, ...]) -> PlanningFacts:
    def overlaps(old: FixedLot) -> bool:
        return any(
            (old.line, old.product) == (lot.line, lot.product) and old.start < lot.end and lot.start < old.end
            for lot in lots
        )

    kept = tuple(old for old in facts.fixed_lots if not overlaps(old))
    return replace(facts, fixed_lots=(*kept, *lots))


def _with_maintenance(facts: PlanningFacts, fixed: FixedMaintenance) -> PlanningFacts:
    kept = tuple(old for old in facts.fixed_maintenance if old.machine != fixed.machine)
    return replace(facts, fixed_maintenance=(*kept, fixed))


def _capability(facts: PlanningFacts, product: str, place: str) -> Capability:
    line = line_named(facts, place)
    name = product_named(facts, product, tuple(c.product for c in facts.capabilities if c.line == line))
    return next(c for c in facts.capabilities if (c.line, c.product) == (line, name))


def _hours(facts: PlanningFacts, when: str) -> tuple[int, ...]:
    hours = hours_named(facts, when)
    if not hours:
        raise statement_fault(when.strip(), f"a time within the plan, {span_text(facts)}.")
    return hours


def _one(machines: tuple[str, ...]) -> tuple[str]:
    if len(machines) != 1:
        raise statement_fault(", ".join(machines), "one machine.")
    return (machines[0],)
