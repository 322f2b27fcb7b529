"""The workload of the store's figures: 50 machines x 20 signals at 1 Hz, 5 % of messages late, 1 % repeated.

Twelve signals are quantised as an ADC does, four are noise with full mantissa, two are counters, one is power, one a
state. The same seed gives the same messages.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind
from plant.quantities import Quantity
from plant.signals import Batch

MACHINES = 50
SIGNALS = 20
SECOND = 1_000_000
START_US = 1_704_067_200 * SECOND
"""2024-01-01T00:00Z."""
FILTER = "acme/linz/+/+/+/telemetry"
QUANTISED = tuple(f"adc_{number:02d}_c" for number in range(12))
NOISE = tuple(f"noise_{number}_a" for number in range(4))
COUNTERS = ("good_parts", "energy_kwh")
WORDS = np.array(["Execute", "Idle", "Held", "Stopped"])
LATE, REPEATED = 0.05, 0.01

PRESS = MachineClass(
    name="press",
    signals=(
        *(Signal(name=name, quantity=Quantity.TEMPERATURE) for name in QUANTISED),
        *(Signal(name=name, quantity=Quantity.CURRENT) for name in NOISE),
        Signal(name="good_parts", quantity=Quantity.COUNT, kind=SignalKind.COUNTER),
        Signal(name="energy_kwh", quantity=Quantity.ENERGY, kind=SignalKind.COUNTER),
        Signal(name="power_kw", quantity=Quantity.POWER),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
    ),
)
NAMES = tuple(f"L{number // 5 + 1:02d}-press-{number % 5 + 1}" for number in range(MACHINES))
LINES = tuple(
    Line(
        name=line,
        label=line,
        area="hall1",
        machines=tuple(Machine(name=n, label=n, line=line, machine_class="press") for n in NAMES if n[:3] == line),
    )
    for line in sorted({name[:3] for name in NAMES})
)
PLANT = Plant(enterprise="acme", site="linz", timezone="Europe/Vienna", currency="EUR", lines=LINES, classes=(PRESS,))


def batches(*, hours: float, batch_s: int, seed: int = 4) -> Iterator[Batch]:
    """Batches in the order in which they arrive; late messages come 10 to 60 s after their time."""
    chance = np.random.default_rng(seed)
    held: dict[int, list[pa.Table]] = {}
    received = 0
    level = 40 + 20 * chance.random((MACHINES, len(QUANTISED)))
    parts, energy = np.zeros(MACHINES), np.zeros(MACHINES)
    last: pa.Table | None = None
    for number in range(round(hours * 3600 / batch_s)):
        rows, level, parts, energy = _rows(number * batch_s, batch_s, chance, level, parts, energy)
        late = chance.random(len(rows)) < LATE
        for delay in range(1, 5):
            part = late & (np.arange(len(rows)) % 4 + 1 == delay)
            held.setdefault(number + -(-delay * 15 // batch_s), []).append(rows.filter(pa.array(part)))
        arriving = [rows.filter(pa.array(~late)), *held.pop(number, [])]
        if last is not None:
            arriving.append(last.filter(pa.array(chance.random(len(last)) < REPEATED)))
        table = pa.concat_tables(arriving).combine_chunks()
        last = table
        received += len(table)
        at = np.full(len(table), START_US + (number + 1) * batch_s * SECOND, dtype=np.int64)
        stamped = table.append_column("received_at", pa.array(at - chance.integers(0, SECOND, len(table))))
        stamped = stamped.append_column("message", pa.array(np.arange(len(table), dtype=np.int32)))
        yield Batch(
            run="run",
            tables={"press": stamped.append_column("quality", pa.array(np.zeros(len(table), np.uint8)))},
            filters=(FILTER,),
            message_filter=np.zeros(len(table), dtype=np.int16),
            received=np.array([received], dtype=np.int64),
        )


def _rows(
    first: int, seconds: int, chance: np.random.Generator, level: np.ndarray, parts: np.ndarray, energy: np.ndarray
) -> tuple[pa.Table, np.ndarray, np.ndarray, np.ndarray]:
    """On-time readings of [first, first + seconds), second by second, machine by machine."""
    steps = chance.normal(0, 0.05, (seconds, MACHINES, len(QUANTISED)))
    walk = level + np.cumsum(steps, axis=0) - 0.001 * (level - 50)
    quantised = np.round(walk / 0.1) * 0.1
    power = 12 + chance.normal(0, 0.4, (seconds, MACHINES))
    count = parts + np.cumsum(chance.random((seconds, MACHINES)) < 0.1, axis=0)
    used = energy + np.cumsum(power / 3600, axis=0)
    at = START_US + (first + np.arange(seconds)) * SECOND
    columns: dict[str, pa.Array] = {
        "machine": pa.array(np.tile(np.array(NAMES, dtype=object), seconds), pa.string()),
        "observed_at": pa.array(np.repeat(at, MACHINES)),
    }
    for index, name in enumerate(QUANTISED):
        columns[name] = pa.array(quantised[:, :, index].ravel())
    for name in NOISE:
        columns[name] = pa.array(chance.normal(100, 7, seconds * MACHINES))
    columns["good_parts"] = pa.array(count.ravel().astype(float))
    columns["energy_kwh"] = pa.array(used.ravel())
    columns["power_kw"] = pa.array(np.round(power.ravel(), 3))
    words = WORDS[(first // 300 + np.arange(MACHINES)) % len(WORDS)]
    columns["state"] = pa.array(np.tile(words, seconds).tolist(), pa.string())
    return pa.table(columns), walk[-1], count[-1].astype(float), used[-1]
