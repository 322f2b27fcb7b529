"""Breaks of counters as readings come: falls and impossible growth are flagged, values stay."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ingest.counters import US_PER_H, CounterWatch
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind, SignalRole
from plant.quantities import Quantity
from plant.signals import Batch, Quality

PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="power_kw", quantity=Quantity.POWER, role=SignalRole.POWER, valid_max=200.0),
        Signal(name="energy_kwh", quantity=Quantity.ENERGY, kind=SignalKind.COUNTER, role=SignalRole.ENERGY),
        Signal(
            name="good_parts",
            quantity=Quantity.COUNT,
            kind=SignalKind.COUNTER,
            role=SignalRole.GOOD_PARTS,
            max_per_h=3_600.0,
        ),
    ),
)
MACHINES = tuple(Machine(name=name, label=name, line="L1", machine_class="press") for name in ("a", "b"))
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=(Line(name="L1", label="L1", area="hall", machines=MACHINES),),
    classes=(PRESS,),
)
START_US = 1_790_000_000_000_000
RESET, JUMP = int(Quality.COUNTER_RESET), int(Quality.JUMP)


def batch(*rows: tuple[str, float, float | None, float | None]) -> Batch:
    """Readings: machine, seconds after the start, energy, parts."""
    names, at, energy, parts = zip(*rows, strict=True)
    observed = [START_US + round(seconds * 1e6) for seconds in at]
    table = pa.table(
        {
            "machine": pa.array(names),
            "observed_at": pa.array(observed, pa.int64()),
            "received_at": pa.array(observed, pa.int64()),
            "message": pa.array(range(len(rows)), pa.int32()),
            "quality": pa.array([int(Quality.CLOCK_SKEW)] * len(rows), pa.uint8()),
            "power_kw": pa.array([1.0] * len(rows)),
            "energy_kwh": pa.array(energy, pa.float64()),
            "good_parts": pa.array(parts, pa.float64()),
        }
    )
    zeros = np.zeros(len(rows), dtype=np.int16)
    return Batch(run="r", tables={"press": table}, filters=("f",), message_filter=zeros, received=np.array([len(rows)]))


def flags(watch: CounterWatch, *rows: tuple[str, float, float | None, float | None]) -> list[int]:
    told = batch(*rows)
    marked = watch.mark(told)
    assert marked.tables["press"].drop_columns(["quality"]).equals(told.tables["press"].drop_columns(["quality"]))
    quality = marked.tables["press"]["quality"].to_pylist()
    assert all(each & int(Quality.CLOCK_SKEW) for each in quality), "what was flagged before stays"
    return [each & (RESET | JUMP) for each in quality]


def test_resets_and_impossible_growth_are_marked_within_and_across_batches():
    watch = CounterWatch(PLANT)
    assert flags(watch, ("a", 0, 10.0, 5.0), ("b", 0, 99.0, None), ("a", 10, 10.4, 15.0)) == [0, 0, 0]
    # the case of the standards: 15.5 MWh within a cycle of 10 s
    assert flags(watch, ("a", 20, 15_510.0, 25.0), ("b", 10, 0.0, None)) == [JUMP, RESET]
    assert flags(watch, ("a", 30, 10.9, 2_000.0)) == [RESET | JUMP]
    assert flags(watch, ("a", 40, 11.0, None), ("a", 50, 11.2, 2_005.0)) == [0, 0]


def test_late_readings_are_not_judged_and_those_after_them_are():
    watch = CounterWatch(PLANT)
    flags(watch, ("a", 100, 50.0, 50.0))
    assert flags(watch, ("a", 40, 20.0, 20.0), ("a", 50, 21.0, 21.0), ("a", 110, 49.0, 51.0)) == [0, 0, RESET]
    assert flags(watch, ("a", 60, 22.0, 22.0)) == [0]
    assert flags(watch, ("a", 120, 49.2, 52.0)) == [0]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 500), st.floats(0, 1e6), st.just(None)),
        min_size=1,
        max_size=30,
        unique_by=lambda row: (row[0], row[1]),
    )
)
def test_flags_are_those_of_a_reading_by_reading_look(rows):
    found = flags(CounterWatch(PLANT), *rows)
    for name in ("a", "b"):
        ordered = sorted((row[1], row[2], index) for index, row in enumerate(rows) if row[0] == name)
        before = None
        for at, value, index in ordered:
            wanted = 0
            if before is not None:
                most = 200.0 * (at - before[0]) * 1e6 / US_PER_H + 1.0
                wanted = RESET if value < before[1] else JUMP if value - before[1] > most else 0
            assert found[index] == wanted
            before = (at, value)
