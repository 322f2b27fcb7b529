"""What the machines' sensors and counters say about a stretch of ticks.

For a running machine with speed u, wear w_i and g_i = w_i ** 7:

    vibration  v = v0 (0.35 + 0.65 u) (1 + sum a_i g_i) exp(0.07 x1 + 0.05 e1)          [mm/s RMS, ISO 20816-1]
    power      P = P0 (0.25 + 0.75 u) (1 + sum b_i g_i) (1 + 0.015 x3 + 0.02 e3)       [kW], idle and cutting share
    current    I = 1000 P / (sqrt(3) U cos phi) (1 + 0.01 e4), U = 400 V               [A], three-phase active power
    temperature dT/dt = (T_target - T) / tau, T_target = ambient + rise (0.4 + 0.6 u) + sum c_i g_i;
               measured T + 0.8 x2 + 0.4 e2                                            [degC], first-order lag (Newton)
    cycle time c = 3600 / (rate u) (1 + sum d_i g_i) (1 + 0.008 x4 + 0.01 e5)          [s]
    scrap      Binomial(units in, s0 + sum f_i g_i); what passes is the next machine's input
    energy     E += P dt                                                               [kWh], exactly the reported power

x are Ornstein-Uhlenbeck processes of unit variance and 2 h correlation, stepped exactly; e is white noise as a 30 s
reading has it, and smaller by sqrt(30 s / step) where a reading stands for the mean over a longer step.
Source: OU exact discretisation: Gillespie, Phys. Rev. E 54 (1996) 2084. P0 is the machine's share of
energy per unit * rate, so that a line at full speed uses what its capability says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulator.catalogue import RESPONSE_POWER, modes_of, profile_of
from ingest.simulator.line import STATE_CODE, Block
from plant.assets import MachineState, Plant
from plant.production import Capability, Product

CORRELATION_H = 2.0
READING_S = 30.0
VOLTAGE_V = 400.0
NOISES = 9
"""Normal numbers per machine and tick: four slow ones, five white ones."""
OFF_SHARE = 0.2
"""Power of a stopped or aborted machine, of its idle power."""

Columns = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Nominal:
    """Constants of every machine. (machine,), (machine, mode) or (machine, product)"""

    vibration: Columns
    rise_c: Columns
    standby_rise_c: Columns
    thermal_h: Columns
    power_factor: Columns
    idle_kw: Columns
    vibration_at: Columns
    temperature_at: Columns
    power_at: Columns
    cycle_at: Columns
    scrap_at: Columns
    power_kw: Columns
    rate_per_h: Columns
    scrap: Columns
    upstream: NDArray[np.int64]
    """Index of the machine before in its line, -1 for the first."""


@dataclass(kw_only=True, slots=True)
class Meters:
    """What sensors and counters carry from one tick to the next. (machine,)"""

    temperature_c: Columns
    drift: Columns
    """The OU processes. (machine, 4)"""
    good: NDArray[np.int64]
    scrap: NDArray[np.int64]
    energy_kwh: Columns


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Values of each tick. (tick, machine) each"""

    values: Mapping[str, Columns]
    """Gauges and counters by signal name; NaN where nothing is reported."""


def nominal_of(plant: Plant, *, products: Sequence[Product], capabilities: Sequence[Capability]) -> Nominal:
    """Constants of every machine of the plant, in its order."""
    machines = plant.machines
    classes = [plant.class_of(machine.name) for machine in machines]
    profiles = [profile_of(machine_class) for machine_class in classes]
    width = max(len(modes_of(machine_class)) for machine_class in classes)
    index = {product.name: column for column, product in enumerate(products)}

    def amplitudes(name: str) -> Columns:
        table = np.zeros((len(machines), width))
        for row, machine_class in enumerate(classes):
            for column, mode in enumerate(modes_of(machine_class)):
                table[row, column] = getattr(mode, name)
        return table

    power_kw, rate_per_h, scrap = (np.zeros((len(machines), max(1, len(products)))) for _ in range(3))
    upstream = np.full(len(machines), -1)
    first = 0
    for line in plant.lines:
        rows = slice(first, first + len(line.machines))
        upstream[first + 1 : rows.stop] = np.arange(first, rows.stop - 1)
        shares = np.array([profile.power_share for profile in profiles[rows]])
        for capability in (one for one in capabilities if one.line == line.name):
            column = index[capability.product]
            line_kw = capability.energy_kwh_per_unit * capability.rate_per_h
            power_kw[rows, column] = line_kw * shares / shares.sum()
            rate_per_h[rows, column] = capability.rate_per_h
            scrap[rows, column] = 1.0 - (1.0 - capability.scrap_ratio) ** (1.0 / len(line.machines))
        first = rows.stop
    return Nominal(
        vibration=np.array([profile.vibration_mm_s for profile in profiles]),
        rise_c=np.array([profile.temperature_rise_c for profile in profiles]),
        standby_rise_c=np.array([profile.standby_rise_c for profile in profiles]),
        thermal_h=np.array([profile.thermal_h for profile in profiles]),
        power_factor=np.array([profile.power_factor for profile in profiles]),
        idle_kw=np.array([machine_class.idle_power_kw for machine_class in classes]),
        vibration_at=amplitudes("vibration"),
        temperature_at=amplitudes("temperature_c"),
        power_at=amplitudes("power"),
        cycle_at=amplitudes("cycle"),
        scrap_at=amplitudes("scrap"),
        power_kw=power_kw,
        rate_per_h=rate_per_h,
        scrap=scrap,
        upstream=upstream,
    )


def new_meters(nominal: Nominal) -> Meters:
    """Counters at zero, machines at room temperature."""
    machines = len(nominal.vibration)
    return Meters(
        temperature_c=21.0 + nominal.standby_rise_c,
        drift=np.zeros((machines, 4)),
        good=np.zeros(machines, np.int64),
        scrap=np.zeros(machines, np.int64),
        energy_kwh=np.zeros(machines),
    )


def measure(
    block: Block,
    meters: Meters,
    *,
    nominal: Nominal,
    noise: Sequence[np.random.Generator],
    parts: Sequence[np.random.Generator],
) -> Measured:
    """Measure a stretch of ticks and carry the meters on."""
    ticks, machines = block.state.shape
    hours = block.tick_us / 3.6e9
    white_share = min(1.0, np.sqrt(READING_S / (block.tick_us / 1e6)))
    normal = np.stack([rng.standard_normal((ticks, NOISES)) for rng in noise], axis=1)  # (tick, machine, noise)
    white = white_share * normal[:, :, 4:]
    slow = _drift(normal[:, :, :4], meters, hours)
    response = np.clip(block.wear, 0.0, 1.0) ** RESPONSE_POWER  # (tick, machine, mode)
    running, speed, chosen = block.running, block.speed, np.maximum(block.product, 0)
    column = np.arange(machines)

    power = _power(block, nominal, response, chosen) * (1.0 + 0.015 * slow[:, :, 2] + 0.02 * white[:, :, 2])
    current = 1000.0 * power / (np.sqrt(3.0) * VOLTAGE_V * nominal.power_factor) * (1.0 + 0.01 * white[:, :, 3])
    shape = np.where(running, (0.35 + 0.65 * speed) * (1.0 + _sum(response, nominal.vibration_at)), 0.1)
    vibration = nominal.vibration * shape * np.exp(0.07 * slow[:, :, 0] + 0.05 * white[:, :, 0])
    temperature = _temperature(block, nominal, response, meters, hours) + 0.8 * slow[:, :, 1] + 0.4 * white[:, :, 1]
    rate = np.maximum(nominal.rate_per_h[column, chosen] * speed, 1e-9)
    stretch = (1.0 + _sum(response, nominal.cycle_at)) * (1.0 + 0.008 * slow[:, :, 3] + 0.01 * white[:, :, 4])
    cycle = np.where(running, 3600.0 / rate * stretch, np.nan)

    scrap_ratio = np.clip(nominal.scrap[column, chosen] + _sum(response, nominal.scrap_at), 0.0, 0.9)
    good, scrap = _parts(block.units, scrap_ratio, nominal.upstream, parts)
    energy = meters.energy_kwh + np.cumsum(power * hours, axis=0)
    good, scrap = meters.good + np.cumsum(good, axis=0), meters.scrap + np.cumsum(scrap, axis=0)
    meters.energy_kwh, meters.good, meters.scrap = energy[-1].copy(), good[-1].copy(), scrap[-1].copy()
    return Measured(
        values={
            "vibration_mm_s": vibration,
            "temperature_c": temperature,
            "current_a": current,
            "power_kw": power,
            "cycle_time_s": cycle,
            "speed_ratio": speed,
            "scrap_parts": scrap.astype(np.float64),
            "good_parts": good.astype(np.float64),
            "energy_kwh": energy,
        }
    )


def _sum(response: Columns, amplitudes: Columns) -> Columns:
    """Sum over modes of amplitude * response. (tick, machine)"""
    total: Columns = np.einsum("tmk,mk->tm", response, amplitudes)
    return total


def _power(block: Block, nominal: Nominal, response: Columns, chosen: NDArray[np.int16]) -> Columns:
    """Mean power of each tick, before noise [kW]. (tick, machine)"""
    column = np.arange(block.state.shape[1])
    full = nominal.power_kw[column, chosen] * (0.25 + 0.75 * block.speed) * (1.0 + _sum(response, nominal.power_at))
    off = np.isin(block.state, [STATE_CODE[MachineState.STOPPED], STATE_CODE[MachineState.ABORTED]])
    return np.where(block.running, full, nominal.idle_kw * np.where(off, OFF_SHARE, 1.0))


def _temperature(block: Block, nominal: Nominal, response: Columns, meters: Meters, hours: float) -> Columns:
    """True temperature at the end of each tick [degC]. (tick, machine)"""
    day = 2.0 * np.pi * (block.at_us / 3.6e9 % 24.0) / 24.0
    ambient = (21.0 + 3.0 * np.sin(day - 2.0 * np.pi * 9.0 / 24.0))[:, None]
    off = np.isin(block.state, [STATE_CODE[MachineState.STOPPED], STATE_CODE[MachineState.ABORTED]])
    warm = nominal.rise_c * (0.4 + 0.6 * block.speed) + _sum(response, nominal.temperature_at)
    target = ambient + np.where(block.running, warm, np.where(off, 0.0, nominal.standby_rise_c))
    gain = 1.0 - np.exp(-hours / nominal.thermal_h)
    result = np.empty_like(target)
    temperature = meters.temperature_c
    for index in range(len(target)):
        temperature = temperature + gain * (target[index] - temperature)
        result[index] = temperature
    meters.temperature_c = temperature
    return result


def _drift(normal: Columns, meters: Meters, hours: float) -> Columns:
    """The slow noises. (tick, machine, 4)"""
    keep = np.exp(-hours / CORRELATION_H)
    kick = np.sqrt(1.0 - keep**2) * normal
    result = np.empty_like(normal)
    drift = meters.drift
    for index in range(len(normal)):
        drift = keep * drift + kick[index]
        result[index] = drift
    meters.drift = drift
    return result


def _parts(
    units: NDArray[np.int64],
    scrap_ratio: Columns,
    upstream: NDArray[np.int64],
    parts: Sequence[np.random.Generator],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Good and scrapped parts of each tick, machine by machine down each line. (tick, machine) each"""
    good, scrap = np.zeros_like(units), np.zeros_like(units)
    for machine, before in enumerate(upstream):
        entering = units[:, machine] if before < 0 else good[:, before]
        scrap[:, machine] = parts[machine].binomial(entering, scrap_ratio[:, machine])
        good[:, machine] = entering - scrap[:, machine]
    return good, scrap
