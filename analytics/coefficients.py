"""What a line really makes of each product: rate, scrap and energy while it runs, from its machines' counters.

Only steps count in which the line's last machine worked throughout on one product: setups, stops and restarts are the
plan's to know by themselves, and would make a rate look lower than it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.counters import counter_increase
from analytics.kpi import OVERSPEED
from plant.assets import MachineClass, MachineState, SignalRole
from plant.signals import Window

OTHERWISE: Final = 0.02
"""Share of a step that the last machine may have been in another state for the step to count [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """The sums of a line and product over the steps that count."""

    line: str
    product: str
    hours: float
    """Running [h]."""
    gross: float
    """Units, good and scrapped anywhere on the line."""
    scrap: float
    energy_kwh: float | None
    """Of all machines; None where none of them counts it."""


def measure_line(
    windows: Sequence[Window],
    *,
    line: str,
    classes: Sequence[MachineClass],
    rates: Mapping[str, float],
) -> tuple[Measured, ...]:
    """What a line made of each product, by name of the product.

    Args:
        windows: Of its machines in the order of the flow, on one grid of steps, states aggregated by DURATION.
        line: Its name.
        classes: Of these machines.
        rates: Configured rates of its products [unit/h]; they bound what a counter may claim.
    """
    last, machine_class = windows[-1], classes[-1]
    state, good = machine_class.signal(SignalRole.STATE), machine_class.signal(SignalRole.GOOD_PARTS)
    if state is None or good is None or last.step is None or not len(last) or not rates:
        return ()
    step_h = last.step / timedelta(hours=1)
    product = _product(last, machine_class, rates)
    steady = np.concatenate([[False], product[1:] == product[:-1]])
    counts = _worked(last, state.name, step_h) & steady & np.array([name in rates for name in product])
    fastest = OVERSPEED * max(rates.values())
    made = _grown(last, machine_class, SignalRole.GOOD_PARTS, fastest)
    scrap = np.zeros(len(last))
    energy: NDArray[np.float64] | None = None
    for window, mine in zip(windows, classes, strict=True):
        scrap += _grown(window, mine, SignalRole.SCRAP_PARTS, fastest)
        if mine.signal(SignalRole.ENERGY) is not None:
            power = mine.signal(SignalRole.POWER)
            greatest = power.valid_max if power is not None else None
            grown = _grown(window, mine, SignalRole.ENERGY, greatest)
            energy = grown if energy is None else energy + grown
    found = []
    for name in sorted(rates):
        rows = counts & (product == name)
        if rows.any():
            found.append(
                Measured(
                    line=line,
                    product=name,
                    hours=float(rows.sum()) * step_h,
                    gross=float((made + scrap)[rows].sum()),
                    scrap=float(scrap[rows].sum()),
                    energy_kwh=None if energy is None else float(energy[rows].sum()),
                )
            )
    return tuple(found)


def corrected_value(before: float, *, observed: float, weight: float, prior: float) -> float:
    """The configured value, drawn towards the observed one as evidence grows.

    Args:
        before: As configured.
        observed: As measured.
        weight: Evidence behind it, e.g. running hours.
        prior: Evidence that the configured value is worth, in the same unit.

    >>> corrected_value(100.0, observed=90.0, weight=24.0, prior=8.0)
    92.5
    """
    return (prior * before + weight * observed) / (prior + weight)


def _worked(window: Window, state: str, step_h: float) -> NDArray[np.bool_]:
    """Steps between two reports of Execute in which no other state was heard of. (time,)"""
    execute = MachineState.EXECUTE.value
    texts = window.states.get(state)
    if texts is None:
        return np.zeros(len(window), dtype=np.bool_)
    executes = np.array([text == execute for text in texts], dtype=np.bool_)
    others = [np.nan_to_num(held) for word, held in window.durations.get(state, {}).items() if word != execute]
    otherwise = np.sum(others, axis=0) if others else np.zeros(len(window))
    before = np.concatenate([[False], executes[:-1]])
    return np.asarray(executes & before & (otherwise <= OTHERWISE * 3600 * step_h))


def _product(window: Window, machine_class: MachineClass, rates: Mapping[str, float]) -> NDArray[np.object_]:
    """The product at the end of each step; where only one is possible, that one. (time,)"""
    signal = machine_class.signal(SignalRole.PRODUCT)
    texts = window.states.get(signal.name) if signal else None
    held: list[str] = []
    current = next(iter(rates)) if len(rates) == 1 else ""
    for row in range(len(window)):
        if texts is not None and texts[row]:
            current = str(texts[row])
        held.append(current)
    return np.array(held, dtype=object)


def _grown(
    window: Window, machine_class: MachineClass, role: SignalRole, maximum_per_h: float | None
) -> NDArray[np.float64]:
    signal = machine_class.signal(role)
    values = window.values.get(signal.name) if signal else None
    if signal is None or values is None:
        return np.zeros(len(window))
    maximum = signal.max_per_h if signal.max_per_h is not None else maximum_per_h
    return counter_increase(values, observed_at=window.observed_at, maximum_per_h=maximum, rollover=signal.valid_max)
