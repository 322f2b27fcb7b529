"""How well machines and lines run, from what they reported.

Source: ISO 22400-2 (availability, effectiveness, quality ratio, OEE), ISO 50006 (energy per good unit). The sums are
formed here; their ratios are properties of `plant.kpis.Kpi`, so that sums are always added before they are divided.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.counters import US_PER_H
from analytics.counters import counter_increase as counter_increase
from analytics.shifts import Interval, clip, merge
from plant.assets import MachineClass, MachineState, Signal, SignalRole
from plant.clock import microseconds
from plant.kpis import Kpi
from plant.signals import Window

HOLD_PERIODS: Final = 3
"""Missing readings after which a machine's state is not known any more, as for gaps."""
RHYTHM: Final = 11
"""Intervals that show how often a machine reports; an odd number, so that one outage among them does not count."""
OVERSPEED: Final = 3.0
"""No machine makes parts three times faster than its fastest ideal rate; faster growth is a counter's glitch."""


def machine_kpi(
    window: Window,
    *,
    machine_class: MachineClass,
    ideal_rate: Mapping[str, float],
    busy: Sequence[Interval],
    since: datetime | None = None,
) -> Kpi:
    """The sums of one machine over a window of raw readings, or of steps with the last state and counter of each.

    - PBT: the planned busy intervals within the range.
    - APT: time in Execute within PBT. A state holds until the machine's next message, but for no longer than three of
      its periods (or three of its usual intervals around then, or one step): what a silent machine did is not known,
      and not production.
    - PQ, GQ: growth of the part counters in readings taken within PBT; without a scrap counter all parts are good.
    - Target time: each growth divided by the ideal rate of the product being made; parts of a product without an
      ideal rate add none, so that effectiveness shows what is missing. Where only one product has a rate and the
      machine reports none, it is that one.
    - Energy: growth of the energy counter over the whole range, idle nights included, since good parts bear them too;
      without a counter, power held over time.

    Growth belongs to the reading that shows it. Start the window a few readings early and give `since`, and
    consecutive ranges add up exactly.

    Args:
        window: readings of the machine, with or without a step.
        machine_class: tells which signals are state, product, counters.
        ideal_rate: gross units per running hour by product, 1/PRI [unit/h].
        busy: planned busy intervals, e.g. of `busy_intervals`.
        since: start of the range; None: the window's start.
    """
    start = since or window.start
    planned = [(microseconds(a), microseconds(b)) for a, b in clip(merge(busy), start=start, end=window.end)]
    times = window.observed_at
    product = _held(window, machine_class.signal(SignalRole.PRODUCT))
    in_range = times >= microseconds(start)
    in_plan = in_range & _inside(times, planned)
    rates = [rate for rate in ideal_rate.values() if rate > 0]
    maximum = OVERSPEED * max(rates) if rates else None
    good = _increase(window, machine_class.signal(SignalRole.GOOD_PARTS), maximum_per_h=maximum)
    scrap = _increase(window, machine_class.signal(SignalRole.SCRAP_PARTS), maximum_per_h=maximum)
    target_h = sum(
        amount / rate
        for amount, rate in zip((good + scrap)[in_plan], _rates(product, ideal_rate, window.step)[in_plan], strict=True)
        if rate > 0
    )
    running = _running(window, machine_class)
    return Kpi(
        entity=window.machine,
        start=start,
        end=window.end,
        planned_busy_h=_hours(planned),
        production_h=_hours(_intersection(running, planned)),
        produced=float((good + scrap)[in_plan].sum()),
        good=float(good[in_plan].sum()),
        target_h=float(target_h),
        energy_kwh=_energy(window, machine_class, in_range),
    )


def add(kpis: Iterable[Kpi], entity: str) -> Kpi:
    """The sums of several shifts, machines or lines as one; at least one is needed.

    Ratios of the result are ratios of sums, never means of ratios.
    """
    parts = tuple(kpis)
    return Kpi(
        entity=entity,
        start=min(part.start for part in parts),
        end=max(part.end for part in parts),
        planned_busy_h=sum(part.planned_busy_h for part in parts),
        production_h=sum(part.production_h for part in parts),
        produced=sum(part.produced for part in parts),
        good=sum(part.good for part in parts),
        target_h=sum(part.target_h for part in parts),
        energy_kwh=sum(part.energy_kwh for part in parts),
    )


def line_kpi(machines: Sequence[Kpi], entity: str) -> Kpi:
    """The sums of a line from those of its machines, in the order of the flow, over the same range.

    The choice made: a part passes every machine, so the line's output, busy and production time are those of its last
    machine; a part scrapped anywhere is scrap of the line, so its PQ is that output plus the scrap of all machines,
    and the target time grows in proportion; energy is the sum over machines.
    """
    last = machines[-1]
    scrap = sum(machine.produced - machine.good for machine in machines)
    produced = last.good + scrap
    hours_per_part = next((m.target_h / m.produced for m in reversed(machines) if m.produced > 0), 0.0)
    return replace(
        last,
        entity=entity,
        produced=produced,
        target_h=hours_per_part * produced,
        energy_kwh=sum(machine.energy_kwh for machine in machines),
    )


def state_hours(window: Window, *, machine_class: MachineClass) -> dict[str, float]:
    """How long the machine was in each state [h]; time in which it was silent belongs to none."""
    state = _held(window, machine_class.signal(SignalRole.STATE))
    hours: dict[str, float] = {}
    for name, (begins, ends) in zip(state, _holding(window, machine_class), strict=True):
        if name is not None and ends > begins:
            hours[name] = hours.get(name, 0.0) + (ends - begins) / US_PER_H
    return hours


def _running(window: Window, machine_class: MachineClass) -> list[tuple[int, int]]:
    """Stretches in Execute [µs]."""
    state = _held(window, machine_class.signal(SignalRole.STATE))
    stretches: list[tuple[int, int]] = []
    for name, (begins, ends) in zip(state, _holding(window, machine_class), strict=True):
        if name != MachineState.EXECUTE or ends <= begins:
            continue
        if stretches and stretches[-1][1] == begins:
            stretches[-1] = (stretches[-1][0], ends)
        else:
            stretches.append((begins, ends))
    return stretches


def _holding(window: Window, machine_class: MachineClass) -> list[tuple[int, int]]:
    """How long what each instant says holds [µs]; nothing at instants that say nothing. (time,)"""
    signal = machine_class.signal(SignalRole.STATE)
    speaks = np.zeros(len(window), dtype=np.bool_)
    for values in window.values.values():
        speaks |= np.isfinite(values)
    for texts in window.states.values():
        speaks |= np.array([text is not None for text in texts], dtype=np.bool_)
    times = window.observed_at
    following = np.append(times[1:], microseconds(window.end))
    hold = np.zeros(len(times), dtype=np.int64)
    if signal is not None:
        least = max(HOLD_PERIODS * signal.period, window.step or signal.period) // timedelta(microseconds=1)
        hold[speaks] = np.maximum(HOLD_PERIODS * _rhythm(times[speaks]), least)
    ends = np.where(speaks, np.minimum(following, times + hold), times)
    return list(zip(times.tolist(), ends.tolist(), strict=True))


def _rhythm(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """The usual interval between messages around each one [µs]: the median of the eleven nearest. (time,)

    Imported and coarser readings come more slowly than the signal's period says, and are no silence.
    """
    if len(times) < 2:
        return np.zeros(len(times), dtype=np.int64)
    intervals = np.append(np.diff(times), times[-1] - times[-2])
    near = np.lib.stride_tricks.sliding_window_view(np.pad(intervals, RHYTHM // 2, mode="edge"), RHYTHM)
    return np.asarray(np.median(near, axis=1), dtype=np.int64)


def _held(window: Window, signal: Signal | None) -> list[str | None]:
    """The text of a state signal at every instant, held from its last report. (time,)"""
    texts = window.states.get(signal.name) if signal else None
    held: list[str | None] = []
    current: str | None = None
    for index in range(len(window)):
        if texts is not None and texts[index] is not None:
            current = str(texts[index])
        held.append(current)
    return held


def _rates(
    product: Sequence[str | None], ideal_rate: Mapping[str, float], step: timedelta | None
) -> NDArray[np.float64]:
    """Ideal rate of the growth at each instant [unit/h], 0 where unknown. (time,)

    What a raw reading adds was made since the one before it, so under the product of that one; a step's growth was
    made within it.
    """
    only = next(iter(ideal_rate.values())) if len(ideal_rate) == 1 else 0.0
    making = list(product) if step is not None else [*product[:1], *product[:-1]]
    names = [before or now for before, now in zip(making, product, strict=True)]
    return np.array([only if name is None else ideal_rate.get(name, 0.0) for name in names], dtype=np.float64)


def _increase(window: Window, signal: Signal | None, *, maximum_per_h: float | None) -> NDArray[np.float64]:
    values = window.values.get(signal.name) if signal else None
    if signal is None or values is None:
        return np.zeros(len(window))
    maximum = signal.max_per_h if signal.max_per_h is not None else maximum_per_h
    return counter_increase(values, observed_at=window.observed_at, maximum_per_h=maximum, rollover=signal.valid_max)


def _energy(window: Window, machine_class: MachineClass, in_range: NDArray[np.bool_]) -> float:
    """Energy over the range [kWh]."""
    power = machine_class.signal(SignalRole.POWER)
    counter = machine_class.signal(SignalRole.ENERGY)
    if counter is not None and counter.name in window.values:
        greatest_kw = power.valid_max if power is not None else None
        return float(_increase(window, counter, maximum_per_h=greatest_kw)[in_range].sum())
    if power is None or power.name not in window.values:
        return 0.0
    held_h = np.array([(ends - begins) / US_PER_H for begins, ends in _holding(window, machine_class)])
    return float(np.nansum((window.values[power.name] * held_h)[in_range]))


def _inside(times: NDArray[np.int64], stretches: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    inside = np.zeros(len(times), dtype=np.bool_)
    for begins, ends in stretches:
        inside |= (times >= begins) & (times < ends)
    return inside


def _intersection(ones: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of stretches that lie in one of the others [µs]."""
    pieces = ((max(a, c), min(b, d)) for a, b in ones for c, d in others)
    return [(begins, ends) for begins, ends in pieces if begins < ends]


def _hours(stretches: Sequence[tuple[int, int]]) -> float:
    return sum(ends - begins for begins, ends in stretches) / US_PER_H
