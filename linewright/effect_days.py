"""What each local day came to, from the readings: stops, good parts, scrap, energy, its cost and its CO2."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics.counters import counter_increase
from analytics.lives import FAILED
from linewright.planning import UNDER_REPAIR
from linewright.settings.site import Site
from optimizer.slots import price_at
from plant.assets import MachineClass, Signal, SignalRole
from plant.signals import Window
from store.books.entries import Renewal
from store.contract import ReadingStore

HOUR = timedelta(hours=1)
LEAST_HEARD = 0.5
"""A day of which fewer of its machines' hours were heard of is left out [0..1]."""
SPAN_DAYS = 7
"""Days that are read at once: bounds memory."""
MAINTAINED = "maintained"
Hours = NDArray[np.float64]
"""Sums of each hour. (hour,)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """The plant's sums of a local day."""

    day: date
    stops: float
    """Times that a machine stopped for a failure."""
    good: float
    """[unit]"""
    scrap: float
    """[unit]"""
    energy_kwh: float
    cost: float
    """Energy, CO2, scrap, failures and maintenance, at today's prices [currency]."""
    co2_kg: float


def read_days(
    site: Site, *, store: ReadingStore, renewals: Sequence[Renewal], first: date, last: date
) -> Iterator[Day]:
    """The days from `first` up to, not including, `last` that were heard of; the others are left out.

    Every day is priced with the tariff and the costs of the configuration as it is now, so that a change of prices is
    no effect.

    Args:
        site: Plant, calendar, tariff.
        store: With the readings.
        renewals: Failures and maintenance of the machines.
        first: Local day.
        last: Local day after the last one.
    """
    zone = ZoneInfo(site.plant.timezone)
    begin = first
    while begin < last:
        end = min(begin + timedelta(days=SPAN_DAYS), last)
        start_at, end_at = (datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) for day in (begin, end))
        yield from _days(site, store, renewals, start_at=start_at, end_at=end_at, zone=zone)
        begin = end


def _days(
    site: Site,
    store: ReadingStore,
    renewals: Sequence[Renewal],
    *,
    start_at: datetime,
    end_at: datetime,
    zone: ZoneInfo,
) -> Iterator[Day]:
    plant, tariff = site.plant, site.tariff
    count = int((end_at - start_at) / HOUR)
    stops, good, scrap, energy, cost, heard = (np.zeros(count) for _ in range(6))
    scrap_price = {product.name: product.scrap_cost for product in site.products}
    for line in plant.lines:
        made = [scrap_price[c.product] for c in site.capabilities if c.line == line.name]
        per_scrap = sum(made) / len(made) if made else 0.0
        for machine in line.machines:
            machine_class = plant.class_of(machine.name)
            window = _read(store, machine.name, machine_class, start=start_at, end=end_at)
            energy += _energy(window, machine_class, count)
            lost = _growth(window, machine_class.signal(SignalRole.SCRAP_PARTS), count)
            scrap += lost
            cost += lost * per_scrap
            if machine is line.machines[-1]:
                good += _growth(window, machine_class.signal(SignalRole.GOOD_PARTS), count)
            heard += _heard(window, count)
            stops += _stops(store, machine.name, machine_class, start=start_at, end=end_at)
    for renewal in renewals:
        index = (renewal.at - start_at) // HOUR
        if 0 <= index < count and renewal.machine in plant.machine_index:
            machine_class = plant.class_of(renewal.machine)
            cost[index] += machine_class.failure_cost if renewal.kind == FAILED else 0.0
            cost[index] += machine_class.maintenance_cost if renewal.kind == MAINTAINED else 0.0
            if renewal.kind == FAILED and machine_class.signal(SignalRole.STATE) is None:
                stops[index] += 1.0
    local = [(start_at + HOUR * t).astimezone(zone).replace(tzinfo=None) for t in range(count)]
    co2 = energy * np.array([tariff.co2_kg_per_kwh[at.hour] for at in local])
    cost += energy * np.array([price_at(tariff, at) for at in local]) + co2 * tariff.co2_price_per_kg
    machines = len(plant.machines)
    for day in dict.fromkeys(at.date() for at in local):
        mine = np.array([at.date() == day for at in local])
        if heard[mine].sum() < LEAST_HEARD * machines * mine.sum():
            continue
        yield Day(
            day=day,
            stops=float(stops[mine].sum()),
            good=float(good[mine].sum()),
            scrap=float(scrap[mine].sum()),
            energy_kwh=float(energy[mine].sum()),
            cost=float(cost[mine].sum()),
            co2_kg=float(co2[mine].sum()),
        )


def _read(store: ReadingStore, machine: str, machine_class: MachineClass, *, start: datetime, end: datetime) -> Window:
    """By the hour, from an hour before, so that counters have a known start."""
    roles = (SignalRole.POWER, SignalRole.ENERGY, SignalRole.GOOD_PARTS, SignalRole.SCRAP_PARTS)
    names = [signal.name for role in roles if (signal := machine_class.signal(role)) is not None]
    return store.read([machine], signals=names, start=start - HOUR, end=end, step=HOUR)[machine]


def _last(values: Hours, count: int) -> Hours:
    """The last hours of a window, which began an hour early."""
    whole = np.zeros(count)
    kept = values[-count:] if len(values) >= count else values
    whole[count - len(kept) :] = np.nan_to_num(kept)
    return whole


def _growth(window: Window, signal: Signal | None, count: int) -> Hours:
    if signal is None or signal.name not in window.values:
        return np.zeros(count)
    increase = counter_increase(
        window.values[signal.name],
        observed_at=window.observed_at,
        maximum_per_h=signal.max_per_h,
        rollover=signal.valid_max,
    )
    return _last(increase, count)


def _energy(window: Window, machine_class: MachineClass, count: int) -> Hours:
    counter, power = machine_class.signal(SignalRole.ENERGY), machine_class.signal(SignalRole.POWER)
    if counter is not None and counter.name in window.values:
        return _growth(window, counter, count)
    if power is None or power.name not in window.values:
        return np.zeros(count)
    return _last(window.values[power.name], count)  # kW over an hour: kWh


def _heard(window: Window, count: int) -> Hours:
    reported = np.zeros(len(window), dtype=np.bool_)
    for values in window.values.values():
        reported |= np.isfinite(values)
    return _last(reported.astype(np.float64), count)


def _stops(store: ReadingStore, machine: str, machine_class: MachineClass, *, start: datetime, end: datetime) -> Hours:
    """Times that a machine went from any other state to that of a failure or its repair."""
    count = int((end - start) / HOUR)
    stops = np.zeros(count)
    signal = machine_class.signal(SignalRole.STATE)
    if signal is None:
        return stops
    window = store.read([machine], signals=[signal.name], start=start - HOUR, end=end)[machine]
    first_us = int(start.timestamp() * 1e6)
    before: object = None
    for at_us, state in zip(window.observed_at, window.states.get(signal.name, ()), strict=False):
        if state is None:
            continue
        if state in UNDER_REPAIR and before is not None and before not in UNDER_REPAIR and at_us >= first_us:
            stops[min((int(at_us) - first_us) // 3_600_000_000, count - 1)] += 1.0
        before = state
    return stops
