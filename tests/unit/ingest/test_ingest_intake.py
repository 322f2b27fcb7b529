"""Messages decoded together against messages decoded one by one: the same batch comes of both."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import intake
from ingest.batching import Batcher
from ingest.intake import Intake
from ingest.settings import MappingSettings
from ingest.topics import compile_router
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind
from plant.errors import Unavailable
from plant.quantities import Quantity
from plant.signals import Batch

CLASSES = (
    MachineClass(
        name="press",
        signals=(
            Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
            Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
        ),
    ),
    MachineClass(name="oven", signals=(Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),)),
)
MACHINES = tuple(
    Machine(name=f"{kind}{n}", label=f"{kind} {n}", line="L1", machine_class=kind)
    for kind in ("press", "oven")
    for n in range(2)
)
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=(Line(name="L1", label="Line 1", area="hall1", machines=MACHINES),),
    classes=CLASSES,
)
NOW_US = 1_790_000_000_000_000


def new_intake(handler=lambda _topic, payload: None) -> Intake:
    sides = {"orders": handler}
    tags = MappingSettings.model_validate(
        {"format": "uns", "topic": "acme/linz/hall1/{line}/{machine}/tag/#", "states": {"state": {"run": "Execute"}}}
    )
    router = compile_router((MappingSettings(), tags), plant=PLANT, side_filters=tuple(sides))
    batcher = Batcher(run="run", plant=PLANT, filters=router.filters, clock_skew_limit_us=600_000_000)
    return Intake(batcher, router=router, sides=sides, max_payload_bytes=300)


def topic(machine: str) -> bytes:
    return f"acme/linz/hall1/L1/{machine}/telemetry".encode()


payloads = st.one_of(
    st.fixed_dictionaries(
        {"timestamp_ms": st.integers(1_790_000_000_000, 1_790_000_000_005) | st.just(1_600_000_000_000)},
        optional={
            "vibration_mm_s": st.sampled_from([1, 2.5, None, True, "3", "soft"]),
            "state": st.sampled_from(["Execute", None, 4]),
            "temperature_c": st.floats(0, 99),
            "firmware": st.just("1.2"),
            "value": st.sampled_from([1, 2.5, 1e308, None, True, "3", "run", "Held", "x" * 201, [1]]),
        },
    ).map(lambda document: json.dumps(document).encode()),
    st.sampled_from(["1.5", 2, "run", None]).map(
        lambda value: json.dumps({"timestamp_ms": 5, "value": value}).encode()
    ),
    st.sampled_from([b"", b"{", b"7", b'"run"', b"x" * 301, b'[{"temperature_c": 1}]']),
)
tags = [
    f"acme/linz/hall1/L1/{machine}/tag/{name}".encode()
    for machine in ("press0", "press1", "oven0")
    for name in ("vibration_mm_s", "state", "temperature_c")
]
topics = st.sampled_from(
    [*(topic(each.name) for each in MACHINES), *tags, *tags, topic("press9"), b"orders", b"elsewhere", b"\xff"]
)


def plain(batch: Batch):
    tables = {name: table.to_pylist() for name, table in batch.tables.items() if len(table)}
    return tables, batch.message_filter.tolist(), batch.received.tolist(), batch.rejections


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.tuples(topics, payloads), min_size=1, max_size=12), max_size=3))
def test_a_batch_is_the_same_however_its_messages_are_decoded(reads):
    found = []
    for few in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(intake, "FEW", few)
            patch.setattr(intake, "TOGETHER", 5)
            held = new_intake(lambda _topic, payload: None if payload else "empty")
            for number, read in enumerate(reads):
                held.read([each for each, _ in read], [each for _, each in read], at_us=NOW_US + number)
            assert len(held) == sum(map(len, reads))
            found.append((plain(held.take()), held.unknown_fields))
            assert len(held) == held.payload_bytes == 0
    assert found[0] == found[1]


def test_an_absent_handler_leaves_all_messages_to_the_next_attempt():
    away = [True]

    def handle(_topic: str, _payload: bytes) -> None:
        if away:
            away.pop()
            raise Unavailable("The records are locked.")

    held = new_intake(handle)
    sound = b'{"timestamp_ms": 1790000000000, "temperature_c": %d}'
    held.read([topic("oven0"), b"orders"], [sound % 1, b"order"], at_us=NOW_US)
    with pytest.raises(Unavailable):
        held.take()
    held.read([topic("oven0")], [sound % 2], at_us=NOW_US)
    batch = held.take()
    assert batch.messages == 3
    assert batch.tables["oven"]["temperature_c"].to_pylist() == [1, 2]
    assert batch.received.tolist() == [2, 0, 1, 0]
