"""Every format by its golden cases, and by what no message may do: raise, or end neither stored nor rejected."""

import json
import math
import random
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from ingest_cases import CASES, PLANT, PRESS, as_document, case, said
from ingest_mutations import mutated, stream

from ingest.batching import Batcher
from ingest.decode.contents import Contents
from ingest.decode.values import END_OF_TIME_US, MAX_TEXT
from ingest.placing import place
from ingest.settings import MappingSettings
from ingest.topics import compile_router

FOLDERS = sorted(CASES.glob("decode_*"))
ONE_OF_EACH = [
    CASES / f"decode_{name}"
    for name in (
        "json_nested", "json_array_with_a_bad_sample", "json_metrics", "uns_one_tag", "uns_group_of_tags",
        "line_many_machines", "opcua_network_message", "opcua_bare_payload", "sparkplug_device_birth",
        "sparkplug_what_no_signal_takes",
    )
]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(
    ["timestamp_ms", "value", "metrics", "id", "val", "num", "t", "Messages", "Payload", "Timestamp", "Value", "Body",
     "Type", "UaType", "Status", "StatusCode", "SourceTimestamp", "MessageType", "DataSetWriterName", "PublisherId",
     "Vibration", "vibration", "State", "state", "drive", "bearings", "head", "at", "Code"]
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS | st.sampled_from([1_790_000_000_000, "2026-11-22T14:20:00Z", "L1-press", "Drive/Vibration", 2**31, "8"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)
LINES = st.lists(
    st.sampled_from(
        ["drive", ",host=press", ",line=L1", " ", "temp=1", ",", "vibration=2i", 'state="a b"', "\n",
         " 1790000000000000000",
         "\\", '"', "=", "#", "temp=1e999", "temp=NaN", "\\ ", "é", "temp=" + "9" * 500, " -5"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


def check(contents: Contents) -> None:
    """What holds of the contents of any message."""
    for reading in contents.readings:
        assert reading.machine in PLANT.machine_index
        assert reading.machine_class == "press"
        assert len(reading.values) == len(PRESS.signals)
        assert any(value is not None for value in reading.values) or reading.quality  # a death says so without values
        assert reading.observed_at_us is None or 0 <= reading.observed_at_us < END_OF_TIME_US
        for value in reading.values[:3]:
            assert value is None or (isinstance(value, float) and math.isfinite(value))
        state = reading.values[3]
        assert state is None or (isinstance(state, str) and len(state) <= MAX_TEXT and state.encode() is not None)
    if contents.fault is not None:
        assert contents.fault.samples >= 1
        assert 0 < len(contents.fault.detail.encode()) < 4_000


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_case_says_what_is_expected(folder):
    contents = said(*case(folder))
    check(contents)
    assert as_document(contents) == json.loads((folder / "expected.json").read_text())


@pytest.mark.parametrize("folder", ONE_OF_EACH, ids=lambda folder: folder.name)
def test_a_message_cut_anywhere_is_read_or_refused(folder):
    topic, payload, mapping = case(folder)
    for end in range(len(payload)):
        check(said(topic, payload[:end], mapping))


@pytest.mark.parametrize("folder", ONE_OF_EACH, ids=lambda folder: folder.name)
@settings(max_examples=150, deadline=None)
@given(document=DOCUMENTS)
@example(document=[])
@example(document={"Messages": [{"Payload": {"Vibration": {"Value": {"Type": 8, "Body": "9" * 30}}}}]})
def test_any_document_is_read_or_refused(folder, document):
    topic, _, mapping = case(folder)
    check(said(topic, json.dumps(document).encode(), mapping))


@settings(max_examples=400, deadline=None)
@given(text=LINES | st.text())
@example(text='drive,host=press,line=L1 state="' + "a\\" * 50_000)
@example(text="drive,host=press,line=L1 " + "temp=1," * 20_000)
@example(text="\\" * 100_000)
def test_any_lines_are_read_or_refused(text):
    topic, _, mapping = case(CASES / "decode_line_many_machines")
    check(said(topic, text.encode("utf-8", "surrogatepass"), mapping))


@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=200), folder=st.sampled_from(ONE_OF_EACH))
def test_any_bytes_are_read_or_refused(payload, folder):
    topic, _, mapping = case(folder)
    check(said(topic, payload, mapping))


def test_mutated_messages_each_end_stored_or_rejected_in_the_batch():
    cases = [case(folder) for folder in ONE_OF_EACH]
    routers = [compile_router([MappingSettings.model_validate(mapping)], plant=PLANT) for _, _, mapping in cases]
    batcher = Batcher(run="r", plant=PLANT, filters=("f",), clock_skew_limit_us=1)
    count = 5_000
    for index, payload in stream([payload for _, payload, _ in cases], count=count, seed=11):
        topic = cases[index][0]
        message = batcher.open_message(0, payload_bytes=len(payload))
        place(
            batcher,
            message,
            way=routers[index].route(topic),
            topic=topic,
            payload=payload,
            received_at_us=5,
            max_payload_bytes=1_000_000,
        )
    batch = batcher.take([count])
    assert batch.messages == count
    settled = {rejection.message for rejection in batch.rejections} | set(batch.tables["press"]["message"].to_pylist())
    # what is left said nothing at all: every value null, or a message that carries none by its kind
    assert len(settled) > 0.97 * count


def test_a_value_of_each_line_type_is_read():
    topic, _, mapping = case(CASES / "decode_line_many_machines")
    for written, value in (
        ("1", 1.0),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("3.", 3.0),
        ("7i", 7.0),
        ("7u", 7.0),
        ("F", 0.0),
    ):
        contents = said(topic, f"drive,host=press,line=L1 temp={written} 1790000000000000000".encode(), mapping)
        assert contents.readings[0].values[1] == value
        assert contents.fault is None


def test_two_values_of_one_signal_at_one_instant_are_both_kept():
    topic, _, mapping = case(CASES / "decode_line_many_machines")
    line = b"drive,host=press,line=L1 temp=%d 1790000000000000000\n"
    assert [reading.values[1] for reading in said(topic, line % 1 + line % 2, mapping).readings] == [1.0, 2.0]


def test_mutations_are_repeatable():
    assert mutated(b"abcdef", chance=random.Random(3)) == mutated(b"abcdef", chance=random.Random(3))
