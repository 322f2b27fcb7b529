"""Seeded tiny plants for the rules beyond rates, setups and orders: small enough to enumerate."""

import random
from dataclasses import replace
from datetime import timedelta

from optimizer_plants import START, every_rule_facts, tiny_facts

from optimizer.problem import PlanningFacts, build_problem
from optimizer.solve import solve
from plant.plans import Plan
from plant.production import Changeover, Component, Overtime, SetUpFor, Shift, Stock


def planned(facts: PlanningFacts) -> Plan:
    """The plan of some facts."""
    return solve(build_problem(facts), number="P", created_at=START, reason="test")


def hard_facts(seed: int) -> PlanningFacts:
    """A tiny plant, some orders with a deadline, one product with hard limits of stock."""
    chance = random.Random(seed)
    facts = tiny_facts(seed, machines=1, horizon_h=6)
    orders = tuple(
        replace(order, deadline_at=order.due_at + timedelta(minutes=chance.choice([0, 30, 60, 150])))
        if chance.random() < 0.6
        else order
        for order in facts.orders
    )
    products = tuple(
        replace(p, hard_min_stock=float(chance.randrange(0, 5)), hard_max_stock=float(chance.randrange(20, 60)))
        if p.name == "nut"
        else replace(p, backlog_cost_per_unit_h=None if chance.random() < 0.4 else p.backlog_cost_per_unit_h)
        for p in facts.products
    )
    return replace(facts, orders=orders, products=products)


def family_facts(seed: int) -> PlanningFacts:
    """Three products of which two are a family; changing to it takes most of the time and money."""
    chance = random.Random(seed)
    facts = tiny_facts(seed, machines=1, horizon_h=6)
    washer = replace(facts.products[0], name="washer", label="washer", family="thread")
    products = (replace(facts.products[0], family="thread"), replace(facts.products[1], family="smooth"), washer)
    own = replace(facts.capabilities[0], product="washer", setup_cost=4.0)
    capabilities = tuple(
        replace(c, setup_h=0.1, family_setup_h=family_h, family_setup_cost=cost)
        for c, (family_h, cost) in zip((*facts.capabilities, own), ((0.4, 22.0), (0.3, 9.0), (0.4, 22.0)), strict=True)
    )
    orders = tuple(replace(order, product=chance.choice(["nut", "washer", "bolt"])) for order in facts.orders)
    shifts = (Shift(name="a", start_hour=6, hours=3), Shift(name="b", start_hour=9, hours=3))
    return replace(
        facts,
        products=products,
        capabilities=capabilities,
        orders=orders,
        calendar=replace(facts.calendar, shifts=shifts),
    )


def assembly_facts(seed: int) -> PlanningFacts:
    """Two lines: one makes blanks, the other bolts of two blanks each, and reworks scrapped bolts; blanks sell too."""
    chance = random.Random(seed)
    facts = tiny_facts(seed, lines=2, machines=1, horizon_h=5)
    nut, bolt = facts.products
    lead_h = chance.choice([0, 1])
    blank = replace(nut, name="blank", label="Blank", lead_time_h=lead_h, holding_cost_per_unit_h=0.002)
    again = replace(nut, name="bolt-again", label="Bolt, reworked", reworks="bolt", scrap_cost=0.7)
    bolt = replace(bolt, components=(Component(product="blank", quantity=2.0),), scrap_cost=2.0, scrap_value=0.3)
    first, _, _, last = facts.capabilities
    capabilities = (
        replace(first, product="blank", rate_per_h=2.0 * first.rate_per_h),
        replace(last, scrap_ratio=0.15, setup_h=0.1),
        replace(last, product="bolt-again", scrap_ratio=0.3, setup_h=0.1, setup_cost=1.0, energy_kwh_per_unit=0.1),
    )
    products = {0: "bolt", 1: "blank", 2: "bolt"}
    orders = tuple(replace(order, product=products[k]) for k, order in enumerate(facts.orders))
    stock = (
        Stock(product="blank", quantity=float(chance.randrange(0, 60))),
        Stock(product="bolt-again", quantity=float(chance.randrange(0, 10))),
    )
    return replace(facts, products=(blank, bolt, again), capabilities=capabilities, orders=orders, stock=stock)


def short_facts(seed: int, *, cost_per_h: float = 12.0, most_h: float = 1.5) -> PlanningFacts:
    """A plant whose shift ends after three of six hours, with overtime on its line."""
    chance = random.Random(seed)
    facts = tiny_facts(seed, machines=1, horizon_h=6)
    shift = Shift(name="short", start_hour=6, hours=chance.choice([2, 3]))
    overtime = Overtime(line="A0", cost_per_h=cost_per_h, most_h_per_day=most_h)
    return replace(facts, calendar=replace(facts.calendar, shifts=(shift,), overtime=(overtime,)))


def changing_facts(seed: int) -> PlanningFacts:
    """Three products of a family each on one line, whose changes differ from pair to pair; one takes over an hour."""
    chance = random.Random(seed)
    facts = family_facts(seed)
    families = ("thread", "smooth", "stud")
    products = tuple(replace(p, family=family) for p, family in zip(facts.products, families, strict=True))
    pairs = [(a, b) for a in families for b in families if a != b]
    left_out = chance.choice(pairs)
    return replace(
        facts,
        products=products,
        changeovers=tuple(
            Changeover(
                line="A0",
                before=before,
                after=after,
                hours=chance.choice([0.0, 0.2, 0.5, 1.3]),
                cost=float(chance.randrange(2, 30)),
            )
            for before, after in pairs
            if (before, after) != left_out
        ),
        set_up_for=(SetUpFor(line="A0", family=chance.choice(families)),) if chance.random() < 0.7 else (),
        policy=replace(facts.policy, horizon_h=5),
    )


def with_changeovers(facts: PlanningFacts, seed: int) -> PlanningFacts:
    """A plant of `all_rules_facts` whose line changes from family to family in order, not by the shift."""
    chance = random.Random(seed + 2000)
    families = {"nut": "soft", "bolt": "tough", "bolt-again": "tough"}
    pairs = (("soft", "tough", chance.choice([0.2, 1.2])), ("tough", "soft", 0.3))
    return replace(
        facts,
        products=tuple(replace(p, family=families[p.name]) for p in facts.products),
        capabilities=tuple(replace(c, family_setup_h=0.0, family_setup_cost=0.0) for c in facts.capabilities),
        changeovers=tuple(
            Changeover(line="A0", before=a, after=b, hours=hours, cost=float(chance.randrange(1, 12)))
            for a, b, hours in pairs
        ),
        set_up_for=(SetUpFor(line="A0", family="soft"),) if chance.random() < 0.7 else (),
    )


def all_rules_facts(seed: int) -> PlanningFacts:
    """Those of `every_rule_facts`, and deadlines, hard stock, families, components, lead times, rework and overtime."""
    chance = random.Random(seed + 1000)
    facts = every_rule_facts(seed)
    nut, bolt = facts.products
    again = replace(nut, name="bolt-again", label="Bolt, reworked", reworks="bolt", scrap_cost=0.4)
    nut = replace(nut, family="soft", hard_max_stock=float(chance.randrange(40, 90)), lead_time_h=chance.choice([0, 1]))
    bolt = replace(
        bolt, family="tough", components=(Component(product="nut", quantity=0.5),), scrap_cost=2.0, scrap_value=0.3
    )
    first, second = facts.capabilities
    family = {"family_setup_h": 0.1, "family_setup_cost": float(chance.randrange(1, 12))}
    capabilities = (
        replace(first, setup_h=0.1, **family),
        replace(second, setup_h=0.1, scrap_ratio=0.12, **family),
        replace(second, product="bolt-again", scrap_ratio=0.3, setup_h=0.0, setup_cost=0.0),
    )
    some = chance.randrange(len(facts.orders))
    orders = tuple(
        replace(order, quantity=min(order.quantity, 40.0), deadline_at=START + timedelta(hours=6))
        if k == some
        else order
        for k, order in enumerate(facts.orders)
    )
    overtime = (Overtime(line="A0", cost_per_h=chance.uniform(1.0, 30.0), most_h_per_day=chance.choice([0.5, 2.0])),)
    return replace(
        facts,
        products=(nut, bolt, again),
        capabilities=capabilities,
        orders=orders,
        stock=(*facts.stock, Stock(product="bolt-again", quantity=float(chance.randrange(0, 6)))),
        calendar=replace(facts.calendar, overtime=overtime),
    )
