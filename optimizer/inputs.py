"""What changed in the facts from one plan to the next: the reasons that a plan may have to change."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from optimizer.facts import PlanningFacts
from plant.risks import Risk

LOOK_AHEAD_H = 24.0
"""Risks are told as the probability of failing within this many operating hours [h]."""
NOTABLE_CHANCE = 0.005
"""Smaller changes of that probability are not told [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputChange:
    """A fact that is not what it was."""

    kind: str
    """`risk`, `order`, `stock`, `tariff`, `closure`, `shift`, `limit`, `line`, `machine` or `product`."""
    entity: str
    """Name of the machine, order, product, line or field."""
    product: str
    """Of an order or a stock; else empty."""
    sentence: str


def changed_inputs(before: PlanningFacts, now: PlanningFacts) -> tuple[InputChange, ...]:
    """Everything that changed in the facts, but for the time that passed."""
    return tuple(_changes(before, now))


def chance_of_failing(risk: Risk | None, *, mtbf_h: float, within_h: float = LOOK_AHEAD_H) -> float:
    """The probability of failing within some operating hours [0..1]; the base rate's where there is no risk."""
    if risk is None:
        return 1.0 - math.exp(-within_h / mtbf_h)
    horizons, survival = (0.0, *risk.horizons_h), (1.0, *risk.survival)
    for i in range(1, len(horizons)):
        if within_h <= horizons[i]:
            share = (within_h - horizons[i - 1]) / (horizons[i] - horizons[i - 1])
            return 1.0 - (survival[i - 1] + share * (survival[i] - survival[i - 1]))
    return 1.0 - survival[-1]


def _changes(before: PlanningFacts, now: PlanningFacts) -> Iterator[InputChange]:
    yield from _risks(before, now)
    yield from _orders(before, now)
    yield from _stock(before, now)
    for name, found in _fields(before.tariff, now.tariff, timezone=now.plant.timezone):
        yield InputChange(kind="tariff", entity=name, product="", sentence=f"Tariff: {found}.")
    yield from _closures(before, now)
    if before.calendar.shifts != now.calendar.shifts:
        yield InputChange(kind="shift", entity="", product="", sentence="The plant's shifts changed.")
    for name, found in _fields(before.policy, now.policy, timezone=now.plant.timezone):
        yield InputChange(kind="limit", entity=name, product="", sentence=f"Planning: {found}.")
    if before.calendar.overtime != now.calendar.overtime:
        yield InputChange(kind="shift", entity="", product="", sentence="The overtime that lines may work changed.")
    yield from _products(before, now)
    yield from _capabilities(before, now)
    for kind, known, new in (("line", before.plant.lines, now.plant.lines), ("product", before.products, now.products)):
        names, others = [each.name for each in known], [each.name for each in new]
        for name in sorted({*names} ^ {*others}):
            word = "is new" if name in others else "is gone"
            yield InputChange(kind=kind, entity=name, product="", sentence=f"{kind.capitalize()} {name} {word}.")
    yield from _ongoing(before, now)


def _risks(before: PlanningFacts, now: PlanningFacts) -> Iterator[InputChange]:
    known = before.plant.machine_index
    for machine in now.plant.machines:
        if machine.name not in known:
            continue
        mtbf_h = now.class_of(machine).mtbf_h
        old, new = (chance_of_failing(facts.newest_risk(machine.name), mtbf_h=mtbf_h) for facts in (before, now))
        if abs(new - old) >= NOTABLE_CHANCE:
            word = "rises" if new > old else "falls"
            sentence = f"{machine.label}: the risk of failing in {LOOK_AHEAD_H:g} h {word} from {old:.1%} to {new:.1%}."
            yield InputChange(kind="risk", entity=machine.name, product="", sentence=sentence)


def _orders(before: PlanningFacts, now: PlanningFacts) -> Iterator[InputChange]:
    old = {order.number: order for order in before.orders}
    new = {order.number: order for order in now.orders}
    for number in sorted(old.keys() | new.keys()):
        order = new.get(number) or old[number]
        if number not in old:
            said = f"is new: {order.quantity:g} {order.product} by {_local(now, order.due_at)}"
        elif number not in new:
            said = f"is gone: {order.quantity:g} {order.product}"
        elif old[number] != order:
            said = "; ".join(found for _, found in _fields(old[number], order, timezone=now.plant.timezone))
        else:
            continue
        yield InputChange(kind="order", entity=number, product=order.product, sentence=f"Order {number} {said}.")


def _stock(before: PlanningFacts, now: PlanningFacts) -> Iterator[InputChange]:
    old, new = ({s.product: s.quantity for s in facts.stock} for facts in (before, now))
    for product in sorted(old.keys() | new.keys()):
        was, has = old.get(product, 0.0), new.get(product, 0.0)
        if was != has:
            sentence = f"Stock of {product}: {has:g} instead of {was:g} ({has - was:+g})."
            yield InputChange(kind="stock", entity=product, product=product, sentence=sentence)


def _closures(before: PlanningFacts, now: PlanningFacts) -> Iterator[InputChange]:
    for closure in now.calendar.closures:
        if closure not in before.calendar.closures and closure.end > now.start:
            where = closure.line or "The plant"
            span = f"{_local(now, closure.start)} to {_local(now, closure.end)}"
            sentence = f"{where} is closed {span} ({closure.reason})."
            yield InputChange(kind="closure", entity=closure.line, product="", sentence=sentence)
    for closure in before.calendar.closures:
        if closure not in now.calendar.closures and closure.end > now.start:
            sentence = f"{closure.line or 'The plant'} is open again: {closure.reason}."
            yield InputChange(kind="closure", entity=closure.line, product="", sentence=sentence)


def _products(before: PlanningFacts, now: PlanningFacts) -> Iterator[InputChange]:
    old = {product.name: product for product in before.products}
    for product in now.products:
        if product.name in old and old[product.name] != product:
            said = "; ".join(found for _, found in _fields(old[product.name], product, timezone=now.plant.timezone))
            sentence = f"{product.label}: {said}."
            yield InputChange(kind="product", entity=product.name, product=product.name, sentence=sentence)


def _capabilities(before: PlanningFacts, now: PlanningFacts) -> Iterator[InputChange]:
    old = {(c.line, c.product): c for c in before.capabilities}
    new = {(c.line, c.product): c for c in now.capabilities}
    for line, product in sorted(old.keys() | new.keys()):
        was, has = old.get((line, product)), new.get((line, product))
        if was == has:
            continue
        if was is None or has is None:
            said = "can be made there now" if was is None else "can no longer be made there"
        else:
            said = "; ".join(found for _, found in _fields(was, has, timezone=now.plant.timezone))
        yield InputChange(kind="line", entity=line, product=product, sentence=f"{product} on {line}: {said}.")


def _ongoing(before: PlanningFacts, now: PlanningFacts) -> Iterator[InputChange]:
    known = {job.machine for job in before.ongoing}
    for job in now.ongoing:
        if job.machine not in known:
            sentence = f"{job.machine} is being repaired or maintained until {_local(now, job.end)}."
            yield InputChange(kind="machine", entity=job.machine, product="", sentence=sentence)


def _fields(old: Any, new: Any, *, timezone: str) -> Iterable[tuple[str, str]]:
    """Fields of two like records that differ, each with what it was and is."""
    for field in fields(old):
        was, has = getattr(old, field.name), getattr(new, field.name)
        if was != has:
            words = field.name.replace("_", " ")
            said = (
                "changed" if isinstance(has, tuple) else f"{_shown(has, timezone)} instead of {_shown(was, timezone)}"
            )
            yield field.name, f"{words} {said}"


def _shown(value: object, timezone: str) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, datetime):
        return f"{value.astimezone(ZoneInfo(timezone)):%a %d %b %H:%M}"
    return str(value)


def _local(facts: PlanningFacts, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(facts.plant.timezone)):%a %d %b %H:%M}"
