"""Orders and stock as the plant works: seeded once, fed by files and MQTT, moved by the good-part counters."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from analytics.counters import counter_increase
from analytics.kpi import OVERSPEED
from linewright.settings.site import Site
from plant.assets import MachineClass, SignalRole
from plant.clock import instant, microseconds
from plant.production import Capability, Order, Product, Stock
from plant.signals import Window
from store.contract import ReadingStore
from store.records import Records

log = logging.getLogger(__name__)

BOOKED_NOTE: Final = "production_booked"
OVERLAP: Final = timedelta(hours=1)
"""Readings before the booked instant that are read again, so that counters and product have a known start."""
LEAST_UNITS: Final = 1e-6


def seed_records(site: Site, records: Records, *, now: datetime) -> None:
    """Put the configuration's orders, stock and closures into the records, once in the life of the instance."""
    if records.noted("seeded") is not None:
        return
    records.put_orders(site.orders, source="linewright.toml", at=now)
    records.put_stock(site.stock, source="linewright.toml", at=now)
    records.put_closures(site.calendar.closures, source="linewright.toml", at=now)
    records.note("seeded", {"at_us": microseconds(now)})
    records.note(BOOKED_NOTE, {"until_us": microseconds(now)})


def book_production(site: Site, *, store: ReadingStore, records: Records, now: datetime) -> dict[str, float]:
    """Add the good parts that the lines have made since the last booking to the stock, and deliver what is due.

    A line's output is that of its last machine; parts count for the product that machine was making. What they were
    made of leaves the stock, and what was scrapped comes to wait for rework, by the planned share of scrap.

    Returns:
        Good units by product that were added [unit].
    """
    booked = records.noted(BOOKED_NOTE)
    since = instant(int(booked["until_us"])) if booked else now
    by_line = good_by_line(site, store=store, since=since, until=now)
    made: dict[str, float] = {}
    for products in by_line.values():
        for product, units in products.items():
            made[product] = made.get(product, 0.0) + units
    stock = {item.product: item.quantity for item in records.stock()}
    for product, change in stock_changes(by_line, products=site.products, capabilities=site.capabilities).items():
        stock[product] = max(stock.get(product, 0.0) + change, 0.0)
    _deliver(records, stock, now=now)
    records.put_stock(
        [Stock(product=product, quantity=quantity) for product, quantity in stock.items()], source="counters", at=now
    )
    records.note(BOOKED_NOTE, {"until_us": microseconds(now)})
    return made


def stock_changes(
    by_line: Mapping[str, Mapping[str, float]],
    *,
    products: tuple[Product, ...],
    capabilities: tuple[Capability, ...],
) -> dict[str, float]:
    """What good parts, counted by line and product, change in the stock of each product [unit]."""
    known = {product.name: product for product in products}
    waiting = {product.reworks: product.name for product in products if product.reworks}
    good_share = {(c.line, c.product): 1.0 - c.scrap_ratio for c in capabilities}
    changes: dict[str, float] = {}

    def change(product: str, units: float) -> None:
        changes[product] = changes.get(product, 0.0) + units

    for line, made in by_line.items():
        for name, good in made.items():
            product = known.get(name)
            gross = good / good_share.get((line, name), 1.0)
            change(product.reworks or name if product is not None else name, good)
            if product is not None and product.reworks:
                change(name, -gross)
            elif name in waiting:
                change(waiting[name], gross - good)
            for component in product.components if product is not None else ():
                change(component.product, -gross * component.quantity)
    return changes


def good_by_line(site: Site, *, store: ReadingStore, since: datetime, until: datetime) -> dict[str, dict[str, float]]:
    """Good parts that each line's last machine counted in [since, until), by line and product [unit]."""
    made: dict[str, dict[str, float]] = {}
    for line in site.plant.lines:
        last = line.machines[-1]
        machine_class = site.plant.class_of(last.name)
        if machine_class.signal(SignalRole.GOOD_PARTS) is None:
            continue
        window = store.read([last.name], start=since - OVERLAP, end=until)[last.name]
        rates = {c.product: c.rate_per_h for c in site.capabilities if c.line == line.name}
        made[line.name] = _good_by_product(window, machine_class, since=since, rates=rates)
    return made


def _deliver(records: Records, stock: dict[str, float], *, now: datetime) -> None:
    """Ship what is due from the stock, oldest due date first; changes `stock`."""
    changed: list[Order] = []
    done: list[str] = []
    for order in records.orders():
        shipped = min(order.quantity, stock.get(order.product, 0.0)) if order.due_at <= now else 0.0
        if shipped <= LEAST_UNITS:
            continue
        stock[order.product] -= shipped
        if order.quantity - shipped <= LEAST_UNITS:
            done.append(order.number)
        else:
            changed.append(replace(order, quantity=order.quantity - shipped))
        records.audit(
            "linewright", "order shipped", at=now, detail=f"{order.number}: {shipped:g} of {order.quantity:g}"
        )
    records.put_orders(changed, source="delivery", at=now)
    records.remove_orders(done, source="delivery", at=now)


def _good_by_product(
    window: Window, machine_class: MachineClass, *, since: datetime, rates: Mapping[str, float]
) -> dict[str, float]:
    good_signal, product_signal = machine_class.signal(SignalRole.GOOD_PARTS), machine_class.signal(SignalRole.PRODUCT)
    assert good_signal is not None
    good = window.values.get(good_signal.name)
    if good is None or not len(window):
        return {}
    fastest = OVERSPEED * max(rates.values()) if rates else None
    increase = counter_increase(
        good,
        observed_at=window.observed_at,
        maximum_per_h=good_signal.max_per_h if good_signal.max_per_h is not None else fastest,
        rollover=good_signal.valid_max,
    )
    products = window.states.get(product_signal.name) if product_signal else None
    made: dict[str, float] = {}
    current = next(iter(rates)) if len(rates) == 1 else ""
    first_us = microseconds(since)
    for row in np.flatnonzero((increase > 0) | _reported(products, len(window))):
        # parts counted at this reading were made under the product reported before it
        if increase[row] > 0 and window.observed_at[row] >= first_us and current:
            made[current] = made.get(current, 0.0) + float(increase[row])
        if products is not None and products[row]:
            current = str(products[row])
    return made


def _reported(products: object, length: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not isinstance(products, np.ndarray):
        return np.zeros(length, dtype=np.bool_)
    return np.array([bool(product) for product in products], dtype=np.bool_)
