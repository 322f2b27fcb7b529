"""A plan's cost, item by item: which term, line, product and day each part of it belongs to.

The items of a term add up to the term exactly; what belongs to no line, product or day says so by leaving it out.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from optimizer import exact
from optimizer.costing import Account, scrapped
from optimizer.exact import ZERO
from optimizer.facts import PlanningFacts, maintenance_in_progress


class By(StrEnum):
    """What costs can be added up by."""

    TERM = "term"
    LINE = "line"
    PRODUCT = "product"
    DAY = "day"


@dataclass(frozen=True, order=True, kw_only=True, slots=True)
class Item:
    """A part of a plan's cost."""

    term: str
    line: str
    """Empty: of the whole plant."""
    product: str
    """Empty: of no single product."""
    day: str
    """Local date, e.g. `2026-11-22`; empty: of the whole horizon."""

    def of(self, by: By) -> str:
        """What it belongs to."""
        return str(getattr(self, by.value))


Ledger = dict[Item, Fraction]
"""[currency]"""


def itemise(facts: PlanningFacts, worked_out: Account) -> Ledger:
    """Every part of a priced plan's cost."""
    ledger: defaultdict[Item, Fraction] = defaultdict(lambda: ZERO)
    for item, amount in _parts(facts, worked_out):
        ledger[item] += amount
    for name, amount in worked_out.terms:  # what a term has beyond its parts stays with the plant
        rest = amount - sum((part for item, part in ledger.items() if item.term == name), ZERO)
        ledger[Item(term=name, line="", product="", day="")] += rest
    return {item: amount for item, amount in sorted(ledger.items()) if amount}


def totals(ledger: Ledger, by: By) -> dict[str, Fraction]:
    """The ledger added up by one of its sides [currency]."""
    sums: defaultdict[str, Fraction] = defaultdict(lambda: ZERO)
    for item, amount in ledger.items():
        sums[item.of(by)] += amount
    return dict(sums)


def _parts(facts: PlanningFacts, worked_out: Account) -> Iterator[tuple[Item, Fraction]]:
    days = [day.isoformat() for day in local_days(facts)]
    calendar, tariff = worked_out.calendar, facts.tariff
    first_of = {shift: t for t, shift in reversed(list(enumerate(calendar.shifts)))}
    for (line, product, shift), capability in worked_out.setups.items():
        day = days[first_of[shift]]
        yield Item(term="setups", line=line, product=product, day=day), Fraction(capability.setup_cost)
    for (line, _, shift), capability in worked_out.families.items():
        item = Item(term="families", line=line, product="", day=days[first_of[shift]])
        yield item, Fraction(capability.family_setup_cost)
    for change in worked_out.changes:
        if 0 <= change.hour < len(days):
            item = Item(term="changeovers", line=change.line, product="", day=days[change.hour])
            yield item, change.cost
    per_h = {each.line: Fraction(each.cost_per_h) for each in facts.calendar.overtime}
    for (line, shift), hours in worked_out.overtime.items():
        yield Item(term="overtime", line=line, product="", day=days[first_of[shift]]), per_h[line] * hours
    known = {product.name: product for product in facts.products}
    for (line, product, t), number in scrapped(facts, worked_out.units).items():
        if 0 <= t < len(days):
            amount, earned = Fraction(known[product].scrap_cost) * number, Fraction(known[product].scrap_value) * number
            yield Item(term="scrap", line=line, product=product, day=days[t]), amount
            yield Item(term="recovery", line=line, product=product, day=days[t]), -earned
    for (term, product, t), amount in worked_out.waiting.items():
        yield Item(term=term, line="", product=product, day=days[t]), amount
    above = worked_out.peak_kw - Fraction(tariff.peak_so_far_kw)
    highest = max(range(len(days)), key=lambda t: worked_out.energy[t])
    for (line, product, t), kwh in worked_out.draws.items():
        yield Item(term="energy", line=line, product=product, day=days[t]), kwh * calendar.prices[t]
        emitted = kwh * calendar.co2[t]
        yield Item(term="co2", line=line, product=product, day=days[t]), Fraction(tariff.co2_price_per_kg) * emitted
        if t == highest and above > 0:  # the peak is borne by what draws in its hour
            share = Fraction(tariff.demand_charge_per_kw) * above * kwh / worked_out.energy[t]
            yield Item(term="peak", line=line, product=product, day=days[t]), share
    for machine in facts.plant.machines:
        fate = worked_out.fates[machine.name]
        machine_class = facts.class_of(machine)
        under_way = any(job.machine == machine.name for job in maintenance_in_progress(facts))
        if fate.window[1] > 0 and not under_way:
            item = Item(term="maintenance", line=machine.line, product="", day=days[fate.window[0]])
            yield item, Fraction(machine_class.maintenance_cost)
        for t, expected in enumerate(fate.failures):
            item = Item(term="failures", line=machine.line, product="", day=days[t])
            yield item, Fraction(machine_class.failure_cost) * expected


def local_days(facts: PlanningFacts) -> list[date]:
    """The plant's date in each hour of the plan. (hour,)"""
    zone = ZoneInfo(facts.plant.timezone)
    return [exact.hour_start(facts, t).astimezone(zone).date() for t in range(facts.policy.horizon_h)]
