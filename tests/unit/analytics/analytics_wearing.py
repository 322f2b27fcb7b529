"""Synthetic lives with a known truth: a machine whose vibration (or temperature) grows as it wears."""

import numpy as np
from numpy.typing import NDArray

from analytics.lives import Life
from analytics.model_settings import ModelSettings
from plant.assets import MachineClass, Signal, SignalRole
from plant.quantities import Quantity

SIGNALS = ("vibration_mm_s", "temperature_c", "current_a", "speed_ratio")
PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
        Signal(name="current_a", quantity=Quantity.CURRENT),
        Signal(name="speed_ratio", quantity=Quantity.RATIO, role=SignalRole.SETTING),
    ),
    failure_modes=("bearing", "heater"),
    mtbf_h=120.0,
)
SMALL = ModelSettings(
    scales_rows=(4, 12, 36),
    age_parts=(1,),
    baseline_rows=20,
    knots=4,
    hidden=(32, 16),
    bins=20,
    members=2,
    epochs=8,
    batch_rows=128,
    rows_per_life=60,
    learning_rate=5e-3,
    dropout=(0.2,),
)


def life_of(values: NDArray[np.float64], *, machine: str = "L1-press", failed: bool = True, mode: str = "") -> Life:
    """A life with a reading every hour. values: (time, 4)"""
    rows = len(values)
    return Life(
        machine=machine,
        machine_class="press",
        signals=SIGNALS,
        settings=("speed_ratio",),
        observed_at_us=np.arange(rows, dtype=np.int64) * 3_600_000_000,
        age_units=np.arange(rows, dtype=np.float64),
        values=values,
        failed=failed,
        mode=mode,
    )


def wearing_life(rng: np.random.Generator, *, mode: str, machine: str = "L1-press") -> Life:
    """Runs to failure; `bearing` shows in vibration, `heater` in temperature. Lasts 80 to 160 rows."""
    rows = int(rng.integers(80, 160))
    wear = np.linspace(0, 1, rows) ** 3
    load = rng.choice([0.7, 1.0], rows // 10 + 1).repeat(10)[:rows]
    vibration = 2.0 + load + 4.0 * wear * (mode == "bearing") + rng.normal(0, 0.3, rows) + rng.normal(0, 0.2)
    temperature = 50 + 10 * load + 15 * wear * (mode == "heater") + rng.normal(0, 1, rows) + rng.normal(0, 2)
    current = 20 * load + rng.normal(0, 0.5, rows)
    return life_of(np.column_stack([vibration, temperature, current, load]), mode=mode, machine=machine)


def fleet(seed: int, *, lives: int = 30) -> list[Life]:
    """Lives of both modes by turns."""
    rng = np.random.default_rng(seed)
    modes = ("bearing", "heater")
    return [wearing_life(rng, mode=modes[index % 2], machine=f"L{index % 3 + 1}-press") for index in range(lives)]
