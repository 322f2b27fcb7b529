"""Command: how soon an infeasible week is explained; prints the rows of docs/benchmarks/plan.md.

Usage: python tests/benchmarks/plan_infeasible.py [SEED] [KIND...]

Weeks of the recorded plants' size (10 lines, 30 products, 168 h, 210 orders), each made impossible in another way. CPU
seconds until the conflict is known, until the first repair is, and of the whole answer of `linewright plan solve` with
all repairs priced. Exit code 1 where a week has no conflict or no repair.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from plan_family import SIZES, START, facts_of, generated

from optimizer.conflict import find_conflict
from optimizer.facts import FixedLot, FixedMaintenance, PlanningFacts
from optimizer.infeasible import ways_out
from optimizer.problem import build_problem
from optimizer.solve import solve
from plant.production import Closure, Component, Product, Stock

HOUR = timedelta(hours=1)


def week(seed: int) -> PlanningFacts:
    """A week of the family; every rule may still be kept."""
    return facts_of(generated(SIZES[-1], seed))


def with_deadlines(facts: PlanningFacts, *, every: int, slack_h: int = 0) -> PlanningFacts:
    """The same with a deadline for one order in so many, some hours after its due date."""
    orders = tuple(
        replace(order, deadline_at=order.due_at + slack_h * HOUR) if n % every == 0 else order
        for n, order in enumerate(facts.orders)
    )
    return replace(facts, orders=orders)


def changed(facts: PlanningFacts, name: str, **fields: object) -> PlanningFacts:
    """The facts with one product changed."""
    products = tuple(replace(p, **fields) if p.name == name else p for p in facts.products)  # type: ignore[arg-type]  # fields by name
    return replace(facts, products=products)


def setups(seed: int) -> PlanningFacts:
    """Deadlines on the first day that the lines' hours allow, but not with a setup of 4 h for each product."""
    facts = week(seed)
    capabilities = tuple(replace(c, setup_h=6.0) for c in facts.capabilities)
    orders = tuple(
        replace(order, quantity=20.0, due_at=START + 8 * HOUR, deadline_at=START + 8 * HOUR)
        if order.due_at <= START + 24 * HOUR
        else order
        for order in facts.orders
    )
    return replace(facts, capabilities=capabilities, orders=orders, stock=())


def crew(seed: int) -> PlanningFacts:
    """Machines that must be maintained for their chance of failing, one crew, long jobs, and deadlines besides."""
    facts = with_deadlines(week(seed), every=20)
    classes = tuple(replace(each, maintenance_h=36.0) for each in facts.plant.classes)
    policy = replace(facts.policy, crews=1, max_failure_probability=0.12)
    return replace(facts, plant=replace(facts.plant, classes=classes), policy=policy)


def maintenance(seed: int) -> PlanningFacts:
    """A maintenance that a person fixed on the only line of a product, in the hours of its deadline."""
    facts = with_deadlines(week(seed), every=10)
    order = next(order for order in facts.orders if order.deadline_at is not None)
    line = next(c.line for c in facts.capabilities if c.product == order.product)
    capabilities = tuple(c for c in facts.capabilities if c.product != order.product or c.line == line)
    machine = next(m for m in facts.plant.machines if m.line == line)
    classes = tuple(
        replace(each, maintenance_h=20.0) if each.name == machine.machine_class else each
        for each in facts.plant.classes
    )
    fixed = FixedMaintenance(machine=machine.name, starts=(facts.start,))
    stock = tuple(s for s in facts.stock if s.product != order.product)
    return replace(
        facts,
        plant=replace(facts.plant, classes=classes),
        capabilities=capabilities,
        fixed_maintenance=(fixed,),
        stock=stock,
    )


def stock_limits(seed: int) -> PlanningFacts:
    """A lot that a person fixed makes more than the product's greatest stock leaves room for."""
    facts = with_deadlines(week(seed), every=20)
    made = facts.capabilities[0]
    lot = FixedLot(
        line=made.line, product=made.product, start=START + 8 * HOUR, end=START + 16 * HOUR, gross_units=300.0
    )
    kept = tuple(order for order in facts.orders if order.product != made.product)
    limited = changed(replace(facts, orders=kept, fixed_lots=(lot,)), made.product, hard_max_stock=150.0)
    return replace(limited, stock=tuple(s for s in limited.stock if s.product != made.product))


def chance(seed: int) -> PlanningFacts:
    """A limit on the chance that the plant fails which its machines do not keep, besides deadlines."""
    facts = with_deadlines(week(seed), every=20)
    return replace(facts, policy=replace(facts.policy, max_plant_failure_probability=0.01))


def co2(seed: int) -> PlanningFacts:
    """A cap on emissions of a tenth of what the orders with deadlines take."""
    facts = with_deadlines(week(seed), every=4, slack_h=12)
    return replace(facts, tariff=replace(facts.tariff, co2_cap_kg=400.0))


def component(seed: int) -> PlanningFacts:
    """Deadlines of a product whose component is neither in stock nor made fast enough."""
    facts = with_deadlines(week(seed), every=7)
    name = facts.orders[0].product
    blank = Product(
        name="blank",
        label="Blank",
        price=0.0,
        holding_cost_per_unit_h=0.0,
        backlog_cost_per_unit_h=0.1,
        scrap_cost=0.0,
    )
    made = replace(facts.capabilities[0], product="blank", rate_per_h=2.0)
    given = replace(
        facts,
        products=(*facts.products, blank),
        capabilities=(*facts.capabilities, made),
        stock=(*(s for s in facts.stock if s.product != name), Stock(product="blank", quantity=10.0)),
    )
    return changed(given, name, components=(Component(product="blank", quantity=1.0),))


def closure(seed: int) -> PlanningFacts:
    """The whole plant closed for four days, deadlines within them."""
    facts = with_deadlines(week(seed), every=10)
    closed = Closure(line="", start=START, end=START + 96 * HOUR, reason="flood")
    return replace(facts, calendar=replace(facts.calendar, closures=(closed,)))


def storage(seed: int) -> PlanningFacts:
    """Products due at once after the plant was closed, that may not be kept in stock before."""
    facts = with_deadlines(week(seed), every=1, slack_h=0)
    name = max({o.product for o in facts.orders}, key=lambda p: sum(o.quantity for o in facts.orders if o.product == p))
    closed = Closure(line="", start=START + 24 * HOUR, end=START + 48 * HOUR, reason="holiday")
    orders = tuple(
        replace(o, deadline_at=o.due_at) if o.product == name else replace(o, deadline_at=None) for o in facts.orders
    )
    limited = changed(replace(facts, orders=orders), name, hard_max_stock=50.0)
    stock = tuple(replace(s, quantity=min(s.quantity, 40.0)) for s in limited.stock)
    return replace(limited, stock=stock, calendar=replace(facts.calendar, closures=(closed,)))


KINDS: dict[str, Callable[[int], PlanningFacts]] = {
    each.__name__: each for each in (setups, crew, maintenance, stock_limits, chance, co2, component, closure, storage)
}


def row(name: str, facts: PlanningFacts) -> bool:
    """Prints a line of the table; whether there is a conflict and a repair."""
    problem = build_problem(facts)
    began = time.process_time()
    conflict = tuple(find_conflict(problem))
    conflict_s = time.process_time() - began
    first = next(ways_out(problem, conflict), None)
    repair_s = time.process_time() - began
    began = time.process_time()
    plan = solve(problem, number="P", created_at=START, reason="benchmark")
    whole_s = time.process_time() - began
    priced = sum(1 for repair in plan.repairs if repair.cost is not None)
    told = "none" if first is None else first.sentence
    rules = f"{len(conflict)}: {', '.join(conflict[:6])}{', ...' if len(conflict) > 6 else ''}"
    sys.stdout.write(
        f"| {name} | {rules} | {conflict_s:.2f} | {repair_s:.2f} | {told[:120]} | {plan.status.value}, "
        f"{priced} of {len(plan.repairs)} priced | {whole_s:.1f} |\n"
    )
    sys.stdout.flush()
    return bool(conflict) and first is not None and math.isfinite(repair_s)


def main(seed: int, names: list[str]) -> int:
    """Explains a week of every kind, or of those named; gives the exit code."""
    told = [row(name, kind(seed)) for name, kind in KINDS.items() if not names or name in names]
    return 0 if all(told) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:]))
