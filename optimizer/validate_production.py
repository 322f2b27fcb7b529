"""Whether what is made, for whom and from what stock is sound: products, capabilities, orders, stock."""

from collections.abc import Iterator

from optimizer.facts import PlanningFacts
from optimizer.soundness import MOST, MOST_PER_H, MOST_UNITS, aware, fault, numbers, unique
from optimizer.validate_changeovers import changeover_faults
from plant.errors import Fault
from plant.production import Product


def production_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """Every fault of what is made, for whom and from what stock."""
    yield from _product_faults(facts)
    yield from _material_faults(facts)
    yield from _capability_faults(facts)
    yield from changeover_faults(facts)
    yield from _order_faults(facts)


def _product_faults(facts: PlanningFacts) -> Iterator[Fault]:
    yield from unique("products", (product.name for product in facts.products))
    for index, product in enumerate(facts.products):
        where = f"products[{index}]"
        costs = ("holding_cost_per_unit_h", "scrap_cost", "scrap_value", "lead_time_h")
        levels = ("safety_stock", "safety_cost_per_unit_h", "overflow_cost_per_unit_h")
        yield from numbers(where, product, (*costs, *levels))
        optional = ("backlog_cost_per_unit_h", "max_stock", "hard_min_stock", "hard_max_stock")
        yield from numbers(where, product, (name for name in optional if getattr(product, name) is not None))
        if product.max_stock is not None and product.max_stock < product.safety_stock:
            found = (product.safety_stock, product.max_stock)
            yield fault(f"{where}.max_stock", found, "it must be at least `safety_stock`.")
        if product.hard_max_stock is not None and product.hard_max_stock < (product.hard_min_stock or 0.0):
            limits = (product.hard_min_stock, product.hard_max_stock)
            yield fault(f"{where}.hard_max_stock", limits, "it must be at least `hard_min_stock`.")


def _material_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """What products are made of and what reworks them: known, without a circle."""
    known = {product.name: product for product in facts.products}
    yield from unique("products: reworks", (product.reworks for product in facts.products if product.reworks))
    for index, product in enumerate(facts.products):
        where = f"products[{index}]"
        yield from unique(f"{where}.components", (component.product for component in product.components))
        for number, component in enumerate(product.components):
            place = f"{where}.components[{number}]"
            yield from numbers(place, component, ("quantity",), above=True)
            if component.product not in known or known[component.product].reworks:
                made = sorted(name for name, each in known.items() if not each.reworks)
                yield fault(f"{place}.product", component.product, f"it must be one of {made}.")
        if _is_of_itself(known, product.name):
            yield fault(f"{where}.components", product.name, "it must not be made of itself, over however many steps.")
        if product.reworks:
            target = known.get(product.reworks)
            if target is None or target.reworks or target is product:
                yield fault(
                    f"{where}.reworks", product.reworks, "it must name a product that is not reworked from others."
                )
            if product.components:
                yield fault(f"{where}.components", len(product.components), "what is reworked has none.")
            if any(order.product == product.name for order in facts.orders):
                yield fault(f"{where}.reworks", product.name, f"orders must ask for {product.reworks}.")


def _is_of_itself(known: dict[str, Product], name: str) -> bool:
    """Whether a product is found among what it is made of."""
    reached, ahead = set[str](), [name]
    while ahead:
        product = known.get(ahead.pop())
        for component in product.components if product is not None else ():
            if component.product == name:
                return True
            if component.product not in reached:
                reached.add(component.product)
                ahead.append(component.product)
    return False


def _capability_faults(facts: PlanningFacts) -> Iterator[Fault]:
    lines = {line.name for line in facts.plant.lines}
    products = {product.name for product in facts.products}
    yield from unique("capabilities", (f"{c.line} makes {c.product}" for c in facts.capabilities))
    for index, capability in enumerate(facts.capabilities):
        where = f"capabilities[{index}]"
        if capability.line not in lines:
            yield fault(f"{where}.line", capability.line, f"it must be one of {sorted(lines)}.")
        if capability.product not in products:
            yield fault(f"{where}.product", capability.product, f"it must be one of {sorted(products)}.")
        yield from numbers(where, capability, ("rate_per_h",), above=True)
        if MOST_PER_H < capability.rate_per_h <= MOST:
            expected = (
                f"it must be at most {MOST_PER_H:g} units per hour, as whole units are counted; plan in thousands."
            )
            yield fault(f"{where}.rate_per_h", capability.rate_per_h, expected)
        yield from numbers(where, capability, ("energy_kwh_per_unit", "setup_h", "setup_cost", "scrap_ratio"))
        yield from numbers(where, capability, ("family_setup_h", "family_setup_cost"))
        if capability.scrap_ratio >= 1:
            yield fault(f"{where}.scrap_ratio", capability.scrap_ratio, "it must be below 1.")
    yield from _family_faults(facts)


def _family_faults(facts: PlanningFacts) -> Iterator[Fault]:
    """Families are set up in one way on a line."""
    family_of = {product.name: product.family for product in facts.products}
    first: dict[tuple[str, str], int] = {}
    for index, c in enumerate(facts.capabilities):
        family = family_of.get(c.product, "")
        if not family and (c.family_setup_h, c.family_setup_cost) != (0.0, 0.0):
            where = f"capabilities[{index}].family_setup_h"
            yield fault(where, c.family_setup_h, f"{c.product} is of no family; give the product one.")
        if family:
            other = facts.capabilities[first.setdefault((c.line, family), index)]
            if (other.family_setup_h, other.family_setup_cost) != (c.family_setup_h, c.family_setup_cost):
                found = (c.family_setup_h, c.family_setup_cost)
                known = (other.family_setup_h, other.family_setup_cost)
                expected = f"family {family} on {c.line} takes {known} for {other.product}; it must be the same."
                yield fault(f"capabilities[{index}].family_setup_h", found, expected)


def _order_faults(facts: PlanningFacts) -> Iterator[Fault]:
    products = {product.name for product in facts.products}
    yield from unique("orders", (order.number for order in facts.orders))
    for order in facts.orders:
        where = f"order {order.number}"
        if order.product not in products:
            yield fault(f"{where}: product", order.product, f"it must be one of {sorted(products)}.")
        yield from numbers(where, order, ("quantity", "priority"), most=MOST_UNITS)
        zones = [*aware(f"{where}: due_at", order.due_at)]
        if order.deadline_at is not None:
            zones += aware(f"{where}: deadline_at", order.deadline_at)
            if not zones and order.deadline_at < order.due_at:
                yield fault(f"{where}: deadline_at", order.deadline_at.isoformat(), "it must not be before `due_at`.")
        yield from zones
    yield from unique("stock", (stock.product for stock in facts.stock))
    for stock in facts.stock:
        if stock.product not in products:
            yield fault("stock: product", stock.product, f"it must be one of {sorted(products)}.")
        yield from numbers(f"stock of {stock.product}", stock, ("quantity",), most=MOST_UNITS)
