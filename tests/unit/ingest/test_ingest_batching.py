"""Messages become columns that the store understands."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ingest.batching import Batcher
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind
from plant.quantities import Quantity
from plant.signals import Quality, RejectionReason

OVEN = MachineClass(
    name="oven",
    signals=(
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
    ),
)
OVENS = tuple(Machine(name=name, label=name, line="L1", machine_class="oven") for name in ("a", "b"))
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="UTC",
    currency="EUR",
    lines=(Line(name="L1", label="Line 1", area="hall1", machines=OVENS),),
    classes=(OVEN,),
)


def batcher():
    return Batcher(run="run-1", plant=PLANT, filters=("x/+", "(no filter)"), clock_skew_limit_us=1_000)


def add(to, *, machine="a", observed=None, received=5_000, values=(1.0, "Idle")):
    to.add(
        to.open_message(0, payload_bytes=10),
        machine=machine,
        machine_class="oven",
        observed_at_us=observed,
        received_at_us=received,
        values=values,
    )


def test_take_gives_the_columns_of_the_seam():
    held = batcher()
    add(held, observed=4_500)
    add(held, machine="b", observed=4_600, values=(None, "Execute"))
    batch = held.take([7, 0])
    table = batch.tables["oven"]
    assert table.schema == pa.schema(
        [
            ("machine", pa.dictionary(pa.int32(), pa.string())),
            ("observed_at", pa.int64()),
            ("received_at", pa.int64()),
            ("message", pa.int32()),
            ("quality", pa.uint8()),
            ("temperature_c", pa.float64()),
            ("state", pa.string()),
        ]
    )
    assert table.column("temperature_c").to_pylist() == [1.0, None]
    assert table.column("message").to_pylist() == [0, 1]
    assert batch.run == "run-1"
    assert batch.message_filter.dtype == np.int16
    assert batch.received.tolist() == [7, 0]


def test_take_begins_anew():
    held = batcher()
    add(held)
    assert held.payload_bytes == 10
    held.take([1, 0])
    assert (len(held), held.payload_bytes) == (0, 0)
    assert held.take([1, 0]).messages == 0


def test_a_rejection_keeps_its_message_whole():
    held = batcher()
    index = held.open_message(1, payload_bytes=3)
    held.reject(
        index,
        topic="y",
        payload=b"abc",
        received_at_us=9,
        reason=RejectionReason.UNKNOWN_TOPIC,
        detail="no way",
        samples=2,
    )
    batch = held.take([0, 1])
    assert batch.messages == 1
    assert batch.rejections[0].payload == b"abc"
    assert batch.rejections[0].message == 0
    assert not batch.tables


def test_skew_beyond_the_limit_is_flagged_and_not_changed():
    held = batcher()
    add(held, observed=4_000)
    add(held, observed=3_999)
    add(held, observed=6_001)
    table = held.take([3, 0]).tables["oven"]
    assert table.column("quality").to_pylist() == [Quality.GOOD, Quality.CLOCK_SKEW, Quality.CLOCK_SKEW]
    assert table.column("observed_at").to_pylist() == [4_000, 3_999, 6_001]


@given(
    received=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50)), min_size=1, max_size=30),
    cut=st.integers(0, 30),
)
def test_readings_without_device_time_never_meet_at_one_instant(received, cut):
    held = batcher()
    tables = []
    for index, (machine, at) in enumerate(received):
        if index == cut:
            tables.append(held.take([0, 0]).tables.get("oven"))
        add(held, machine=machine, received=at)
    tables.append(held.take([0, 0]).tables.get("oven"))
    rows = [row for table in tables if table is not None for row in table.to_pylist()]
    assert len(rows) == len(received)
    for machine in "ab":
        stamps = [row["observed_at"] for row in rows if row["machine"] == machine]
        assert stamps == sorted(set(stamps))
    assert all(row["quality"] == Quality.NO_DEVICE_TIME and row["observed_at"] >= row["received_at"] for row in rows)
