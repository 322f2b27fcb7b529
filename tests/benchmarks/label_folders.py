"""Made-up plant data with labels, each after a rule that plants know; nothing in them is recorded.

Rows that stand alone: parts of a process, with what was measured and whether the part failed. Readings in time:
machines whose labelled stretch is a worn state, with every machine at a level of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A labelled set."""

    values: NDArray[np.float64]
    """NaN where missing. (row, signal)"""
    label: NDArray[np.bool_]
    """(row,)"""
    group: NDArray[np.intp]
    """Machine of each row; all alike where rows stand alone. (row,)"""
    in_time: bool
    signals: tuple[str, ...]


def _alone(columns: Columns, label: NDArray[np.bool_]) -> Made:
    values = np.stack(list(columns.values()), axis=1)
    group = np.zeros(len(label), dtype=np.intp)
    return Made(values=values, label=label, group=group, in_time=False, signals=tuple(columns))


def _above(value: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    return value > np.quantile(value, 1 - share)


def single(rng: Rng, rows: int) -> Made:
    """Pressing: two signals beyond a limit, one of them on either side; two more say nothing."""
    force, heat = rng.normal(40, 6, rows), rng.normal(80, 4, rows)
    noise = {f"other_{k}": rng.normal(size=rows) for k in range(2)}
    bad = _above(force, 0.012) | _above(np.abs(heat - 80), 0.012)
    return _alone({"force": force, "heat": heat} | noise, bad)


def differences(rng: Rng, rows: int) -> Made:
    """Heat exchange: too little difference of temperatures while the flow is low."""
    inlet = 300 + np.cumsum(rng.normal(0, 0.05, rows))
    outlet = inlet + 10 + rng.normal(0, 1, rows)
    flow, pressure = rng.normal(50, 8, rows), rng.normal(6, 0.5, rows)
    bad = (outlet - inlet < 9.2) & (flow < np.quantile(flow, 0.15))
    return _alone({"inlet_k": inlet, "outlet_k": outlet, "flow": flow, "pressure": pressure}, bad)


def products(rng: Rng, rows: int) -> Made:
    """Turning: power out of a band, or overload of a worn tool; ten signals, six of them idle."""
    torque = np.abs(rng.normal(40, 10, rows))
    speed = 1500 + 180 * rng.gamma(2, 1, rows) - 5 * (torque - 40)
    wear = rng.uniform(0, 250, rows)
    idle = {f"idle_{k}": rng.normal(10, 2, rows) for k in range(6)}
    power = torque * speed
    bad = _above(power, 0.01) | _above(-power, 0.008) | _above(torque * wear, 0.012)
    return _alone({"torque": torque, "speed": speed, "wear": wear, "feed": rng.uniform(1, 3, rows)} | idle, bad)


def ratios(rng: Rng, rows: int) -> Made:
    """Pumping: efficiency, flow over current, too low; labels of which one in fifty is wrong."""
    current, flow = rng.uniform(5, 25, rows), rng.uniform(20, 80, rows)
    head = rng.normal(30, 3, rows)
    bad = _above(-flow / current, 0.04)
    bad ^= rng.random(rows) < np.where(bad, 0.1, 0.002)
    return _alone({"current": current, "flow": flow, "head": head, "level": rng.normal(size=rows)}, bad)


def by_category(rng: Rng, rows: int) -> Made:
    """Milling of three materials, each with its own limit of load times time."""
    material = rng.choice(3, rows, p=[0.6, 0.3, 0.1]).astype(float)
    load, minutes = np.abs(rng.normal(40, 10, rows)), rng.uniform(0, 240, rows)
    heat = rng.normal(300, 2, rows)
    bad = load * minutes > np.array([9500.0, 11500.0, 13500.0])[material.astype(int)]
    bad |= rng.random(rows) < 0.001
    return _alone({"material": material, "load": load, "minutes": minutes, "heat": heat}, bad)


def missing(rng: Rng, rows: int) -> Made:
    """Filling: a lost sensor matters only when the pressure is high; a tenth of all values are missing."""
    pressure, flow, heat = rng.normal(5, 1, rows), rng.normal(20, 3, rows), rng.normal(60, 5, rows)
    lost = rng.random(rows) < 0.1
    bad = (lost & _above(pressure, 0.25)) | (_above(flow, 0.1) & _above(heat, 0.15))
    columns = {"pressure": pressure, "flow": np.where(lost, np.nan, flow), "heat": heat}
    for name in ("pressure", "heat"):
        columns[name] = np.where(rng.random(rows) < 0.05, np.nan, columns[name])
    return _alone(columns, bad)


def smooth(rng: Rng, rows: int) -> Made:
    """Casting: a risk that grows smoothly with five signals together; few rows."""
    x = rng.normal(size=(rows, 6))
    logit = -4.2 + x[:, 0] + 0.8 * x[:, 1] - 0.7 * x[:, 2] + 0.5 * x[:, 3] ** 2 + 0.6 * x[:, 0] * x[:, 1]
    bad = rng.random(rows) < 1 / (1 + np.exp(-logit))
    return _alone({f"signal_{k}": x[:, k] for k in range(6)}, bad)


def many(rng: Rng, rows: int) -> Made:
    """Assembly: 24 correlated signals, three rules over some of them, one in a hundred bad."""
    common = rng.normal(size=(rows, 4))
    x = common @ rng.normal(size=(4, 24)) * 0.5 + rng.normal(size=(rows, 24))
    bad = _above(x[:, 3] - x[:, 9], 0.004) | ((x[:, 1] > 1.5) & (x[:, 14] < -1.2)) & (x[:, 5] > 0)
    bad |= _above(np.abs(x[:, 20]) + np.abs(x[:, 21]), 0.003)
    return _alone({f"signal_{k:02d}": x[:, k] for k in range(24)}, bad)


def noisy(rng: Rng, rows: int) -> Made:
    """Painting: a weak rule among ten signals, most bad parts by chance."""
    x = rng.normal(size=(rows, 10))
    bad = rng.random(rows) < np.where((x[:, 0] > 0.8) & (x[:, 1] + x[:, 2] > 0.5), 0.25, 0.015)
    return _alone({f"signal_{k}": x[:, k] for k in range(10)}, bad)


def _machines(rng: Rng, count: int, rows: int, wear: Callable[[int], NDArray[np.float64]]) -> Made:
    """Machines with levels and habits of their own, drifting at random; wear shows in two signals of six."""
    values, label, group = [], [], []
    for machine in range(count):
        length = int(rows * rng.uniform(0.7, 1.3))
        near = wear(length)
        level, scale = rng.normal(0, 3, 6), rng.uniform(0.7, 1.4, 6)
        drift = np.cumsum(rng.normal(0, 0.03, (length, 6)), axis=0)
        x = level + scale * (rng.normal(size=(length, 6)) + drift)
        x[:, 1] += 1.5 * near
        x[:, 4] *= 1 + 0.6 * near
        values.append(x)
        label.append(near > 0.4)
        group.append(np.full(length, machine))
    return Made(
        values=np.concatenate(values),
        label=np.concatenate(label),
        group=np.concatenate(group).astype(np.intp),
        in_time=True,
        signals=tuple(f"signal_{k}" for k in range(6)),
    )


def two_machines(rng: Rng, count: int) -> Made:
    """Lives of 4,000 readings under a load that comes and goes: near the end the current needed for the load grows."""
    values, label, group = [], [], []
    for machine in range(count):
        length = int(4000 * rng.uniform(0.7, 1.3))
        near = np.clip((np.arange(length) / length - 0.85) / 0.15, 0, 1)
        load = np.clip(1 + 0.5 * np.sin(np.arange(length) / rng.uniform(30, 60)) + rng.normal(0, 0.1, length), 0, None)
        wander = np.cumsum(rng.normal(0, 0.02, (length, 8)), axis=0)
        x = rng.normal(0, 2, 8) + wander + rng.normal(0, 0.5, (length, 8))
        x[:, 0] = load
        x[:, 1] = rng.uniform(0.8, 1.2) * load * (1 + 0.25 * near) + rng.normal(0, 0.05, length)
        x[:, 2] += 0.8 * load + 0.8 * near
        values.append(x)
        label.append(near > 0.3)
        group.append(np.full(length, machine))
    return Made(
        values=np.concatenate(values),
        label=np.concatenate(label),
        group=np.concatenate(group).astype(np.intp),
        in_time=True,
        signals=("load", "current", *(f"signal_{k}" for k in range(2, 8))),
    )


def three_machines(rng: Rng, count: int) -> Made:
    """Lives of 3,000 readings: wear in the last tenth of each."""
    return _machines(rng, count, 3000, lambda length: np.clip((np.arange(length) / length - 0.87) / 0.13, 0, 1))


def twelve_machines(rng: Rng, count: int) -> Made:
    """Lives of 800 readings: wear in the last eighth of each."""
    return _machines(rng, count, 800, lambda length: np.clip((np.arange(length) / length - 0.8) / 0.2, 0, 1))


SETS: dict[str, tuple[Callable[[Rng, int], Made], int, int]] = {
    "single": (single, 3000, 10000),
    "differences": (differences, 6000, 10000),
    "products": (products, 10000, 10000),
    "ratios": (ratios, 4000, 10000),
    "by_category": (by_category, 8000, 10000),
    "missing": (missing, 5000, 10000),
    "smooth": (smooth, 1500, 10000),
    "many": (many, 20000, 10000),
    "noisy": (noisy, 2500, 10000),
    "two_machines": (two_machines, 2, 4),
    "three_machines": (three_machines, 3, 4),
    "twelve_machines": (twelve_machines, 12, 8),
}
"""Rows (of machines: lives) to learn from, and beside them to be judged on."""
