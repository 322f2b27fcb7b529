"""The columnar decoder against the general one: on any payload they agree, or the columnar one leaves it alone."""

import json
import math
from dataclasses import replace

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.decode.fast import decode_columns, plan_fast
from ingest.decode.json import decode, plan_decoding
from ingest.settings import MappingSettings
from plant.assets import MachineClass, Signal, SignalKind
from plant.quantities import Quantity

PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
    ),
)
FLAT = MappingSettings(units={"temperature_c": "K"}, states={"state": {"run": "Execute"}})
NESTED = MappingSettings(
    fields={"vibration_mm_s": "motor.vibration", "temperature_c": "motor.deep.temperature"}, time_unit="s"
)
ISO = MappingSettings(time_field="at", time_unit="iso")
NANO = MappingSettings(time_unit="ns")
PLANS = {
    name: plan_decoding(each, machine_class=PRESS)
    for name, each in globals().items()
    if name in ("FLAT", "NESTED", "ISO", "NANO")
}
GAUGES = replace(PRESS, name="gauges", signals=PRESS.signals[:2])
PLANS["NUMBERS"] = plan_decoding(MappingSettings(units={"temperature_c": "K"}), machine_class=GAUGES)

numbers = st.one_of(
    st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.just(10**400), st.booleans()
)
values = st.one_of(
    numbers,
    st.none(),
    st.text(max_size=5),
    st.sampled_from(["run", "Execute", "{", "},\n{", "\ud800", "é", "x" * 201, "1.5", [], {}, {"vibration": 1}]),
)
times = st.one_of(
    st.integers(1_790_000_000_000, 1_790_000_100_000),
    st.sampled_from(
        [0, -1, 1790000000, 1790000000.25, 2**63, 10**30, "2026-11-22T14:20:00Z", "2026-11-22", None, True]
    ),
)
flat = st.fixed_dictionaries(
    {},
    optional={
        "timestamp_ms": times,
        "at": times,
        "vibration_mm_s": values,
        "temperature_c": values,
        "state": values,
        "firmware": values,
        "motor": st.one_of(
            values,
            st.fixed_dictionaries(
                {}, optional={"vibration": values, "deep": st.fixed_dictionaries({}, optional={"temperature": values})}
            ),
        ),
    },
)
sound = st.fixed_dictionaries(
    {"timestamp_ms": st.integers(1_790_000_000_000, 1_790_000_100_000), "vibration_mm_s": st.floats(-9, 9)},
    optional={"temperature_c": st.integers(0, 90), "state": st.sampled_from(["run", "Idle"])},
)
written = st.one_of(sound, flat).map(lambda document: json.dumps(document).encode())
broken = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"",
            b"{",
            b"}",
            b"{},{}",
            b'{"vibration_mm_s":1',
            b'"state":"a"}',
            b'{"state":"',
            b'"}',
            b"[{}]",
            b" {} ",
            b'{"timestamp_ms":1,"vibration_mm_s":NaN}',
            b'{"timestamp_ms":1,"state":"\xff"}',
            b'{"timestamp_ms":1,"vibration_mm_s":-0}',
            b'{"timestamp_ms":1,"vibration_mm_s":1,"vibration_mm_s":2}',
        ]
    ),
    st.tuples(written, st.integers(0, 40)).map(lambda cut: cut[0][: cut[1]]),
)


@settings(deadline=None)
@given(st.lists(st.one_of(written, broken), min_size=1, max_size=8), st.sampled_from(sorted(PLANS)))
@example([b'{"vibration_mm_s":1},{"vibration_mm_s":2', b'"timestamp_ms":3}'], "FLAT")
@example([b'{"state":"x}', b'{"}'], "FLAT")
@example([b'{"timestamp_ms":1,"vibration_mm_s":1e308,"temperature_c":null}'] * 2, "FLAT")
def test_columns_hold_what_the_general_decoder_says(payloads, name):
    plan = PLANS[name]
    columns = decode_columns(payloads, plan=plan_fast(plan))
    taken = columns.taken.tolist()
    assert sorted([*taken, *columns.left]) == list(range(len(payloads)))
    assert columns.left == sorted(columns.left)
    for row, index in enumerate(taken):
        said = decode(payloads[index], plan=plan)
        assert said.fault is None
        assert said.unknown == ()
        assert said.observed_at_us == columns.observed_at[row]
        got = tuple(
            None if column[row] is None or column[row] != column[row] else column[row] for column in columns.values
        )
        assert got == said.values
        assert [math.copysign(1, each) for each in got if isinstance(each, float)] == [
            math.copysign(1, each) for each in said.values if isinstance(each, float)
        ]


@settings(deadline=None)
@given(st.lists(sound.map(msgspec.json.encode), min_size=1, max_size=8))
def test_sound_messages_are_all_taken(payloads):
    assert decode_columns(payloads, plan=plan_fast(PLANS["FLAT"])).left == []


def test_only_the_general_decoder_serves_paths_through_lists_and_messages_without_time():
    through = MappingSettings(fields={"vibration_mm_s": "motors.0.vibration"})
    timeless = MappingSettings(time_unit="none", time_field="")
    over = MappingSettings(fields={"vibration_mm_s": "motor", "temperature_c": "motor.temperature"})
    for mapping in (through, timeless, over):
        assert plan_fast(plan_decoding(mapping, machine_class=PRESS)) is None
