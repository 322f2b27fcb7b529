"""The JSON decoder stores what is sound, says what is not, and never raises."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode.json import Decoded, decode, plan_decoding
from ingest.settings import MappingSettings
from plant.assets import MachineClass, Signal, SignalKind
from plant.quantities import Quantity
from plant.signals import RejectionReason

PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
        Signal(name="good_parts", quantity=Quantity.COUNT, kind=SignalKind.COUNTER),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
    ),
)
DEFAULT = plan_decoding(MappingSettings(), machine_class=PRESS)


def message(**fields) -> bytes:
    return json.dumps({"timestamp_ms": 1_000, **fields}).encode()


def plan(**mapping):
    return plan_decoding(MappingSettings(**mapping), machine_class=PRESS)


def test_decode_gives_values_in_the_order_of_the_signals():
    decoded = decode(message(state="Execute", vibration_mm_s=2, good_parts=True), plan=DEFAULT)
    assert decoded == Decoded(1_000_000, (2.0, None, 1.0, "Execute"), None, ())


def test_decode_takes_null_as_not_reported():
    decoded = decode(message(vibration_mm_s=None, temperature_c=20.5), plan=DEFAULT)
    assert decoded.values == (None, 20.5, None, None)
    assert decoded.fault is None


@pytest.mark.parametrize("text", ["2.1", "21e-1", "2.10"])
def test_decode_takes_a_number_written_as_text(text):
    assert decode(message(vibration_mm_s=text), plan=DEFAULT).values[0] == 2.1


@pytest.mark.parametrize("text", ["2,1", "0x2", " 2.1", "2.1 ", "", ".5", "1_000", "٢", "nan", "1" * 41])
def test_decode_refuses_text_that_json_would_not_take_as_a_number(text):
    decoded = decode(message(vibration_mm_s=text, temperature_c=20.5), plan=DEFAULT)
    assert decoded.values == (None, 20.5, None, None)
    assert decoded.fault.samples == 1


def test_decode_translates_states_and_names_those_that_it_cannot():
    states = plan(states={"state": {"4": "Execute", "true": "Execute", "run": "Execute"}})
    for raw in (4, 4.0, True, "4", "run"):
        assert decode(message(state=raw), plan=states).values[3] == "Execute"
    assert decode(message(state="Idle"), plan=states).values[3] == "Idle"
    assert "state is 9, which the mapping's states do not name" in decode(message(state=9), plan=states).fault.detail


def test_decode_keeps_the_sound_fields_of_a_message_with_a_bad_one():
    strict = plan(text_numbers="reject")
    decoded = decode(message(vibration_mm_s="2.1", temperature_c=20.5, state=4), plan=strict)
    assert decoded.values == (None, 20.5, None, None)
    assert decoded.fault.reason is RejectionReason.WRONG_TYPE
    assert decoded.fault.samples == 2
    assert "vibration_mm_s is the text '2.1'; write it without quotes, as a number" in decoded.fault.detail
    assert "state is a number 4; it must be text" in decoded.fault.detail


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_decode_refuses_what_is_not_a_number_and_keeps_the_rest(literal):
    decoded = decode(f'{{"timestamp_ms": 5, "vibration_mm_s": {literal}, "temperature_c": 3}}'.encode(), plan=DEFAULT)
    assert decoded.values == (None, 3.0, None, None)
    assert decoded.fault.reason is RejectionReason.NOT_A_NUMBER
    assert decoded.fault.samples == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", RejectionReason.NOT_JSON),
        (b"   ", RejectionReason.NOT_JSON),
        (b"21.5 degrees", RejectionReason.NOT_JSON),
        (b'{"vibration_mm_s": 1', RejectionReason.NOT_JSON),
        (b'{"state": "\xff"}', RejectionReason.NOT_JSON),
        ('{"state": "Execute"}'.encode("utf-16"), RejectionReason.NOT_JSON),
        (b'{"state": "\\ud800"}', RejectionReason.NOT_JSON),
        (b"[1, 2]", RejectionReason.WRONG_SHAPE),
        (b"21.5", RejectionReason.WRONG_SHAPE),
        (b"null", RejectionReason.WRONG_SHAPE),
        (b"[" * 200_000, RejectionReason.WRONG_SHAPE),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, RejectionReason.WRONG_SHAPE),
        (b"{}", RejectionReason.NO_FIELD),
        (b'{"speed": 4}', RejectionReason.NO_FIELD),
    ],
)
def test_decode_refuses_a_message_that_holds_nothing(payload, reason):
    decoded = decode(payload, plan=DEFAULT)
    assert decoded.values == ()
    assert decoded.fault.reason is reason
    assert len(decoded.fault.detail) < 400


def test_decode_refuses_half_a_character_in_a_message_read_leniently():
    decoded = decode(b'{"timestamp_ms": 1, "state": "\\ud800", "vibration_mm_s": NaN}', plan=DEFAULT)
    assert decoded.fault.reason in (RejectionReason.NOT_A_NUMBER, RejectionReason.WRONG_TYPE)
    assert decoded.values == ()


def test_decode_refuses_text_that_is_no_state():
    decoded = decode(message(state="x" * 1_000_000), plan=DEFAULT)
    assert decoded.fault.reason is RejectionReason.WRONG_TYPE
    assert "1000000 characters" in decoded.fault.detail


@pytest.mark.parametrize(
    ("unit", "written", "expected_us"),
    [
        ("s", 1.5, 1_500_000),
        ("s", 1_700_000_000, 1_700_000_000_000_000),
        ("ms", 1_700_000_000_123, 1_700_000_000_123_000),
        ("us", 1_700_000_000_123_456, 1_700_000_000_123_456),
        ("ns", 1_700_000_000_123_456_789, 1_700_000_000_123_456),
        ("iso", "1970-01-01T01:00:01+01:00", 1_000_000),
        ("iso", "1970-01-01T00:00:01.000002Z", 1_000_002),
        ("ms", None, None),
    ],
)
def test_decode_reads_device_time_exactly(unit, written, expected_us):
    payload = json.dumps({"ts": written, "temperature_c": 1}).encode()
    assert decode(payload, plan=plan(time_field="ts", time_unit=unit)).observed_at_us == expected_us


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("ms", "1700000000123"),
        ("ms", True),
        ("ms", -5),
        ("s", 1_700_000_000_123),
        ("s", 1e308),
        ("iso", "yesterday"),
        ("iso", "2026-11-22T14:20:00"),
        ("iso", 1_700_000_000),
        ("ms", [1]),
    ],
)
def test_decode_refuses_a_time_it_cannot_trust_rather_than_guess(unit, written):
    payload = json.dumps({"ts": written, "temperature_c": 1, "vibration_mm_s": 2}).encode()
    decoded = decode(payload, plan=plan(time_field="ts", time_unit=unit))
    assert decoded.values == ()
    assert decoded.fault.reason is RejectionReason.BAD_TIME
    assert decoded.fault.samples == 2


def test_decode_leaves_time_to_reception_when_the_mapping_has_none():
    decoded = decode(b'{"temperature_c": 4}', plan=plan(time_unit="none", time_field=""))
    assert decoded.observed_at_us is None
    assert decoded.values == (None, 4.0, None, None)


def test_decode_converts_units_once():
    decoded = decode(
        message(temperature_c=212, vibration_mm_s=0.1),
        plan=plan(units={"temperature_c": "degF", "vibration_mm_s": "in/s"}),
    )
    assert decoded.values[0] == pytest.approx(2.54)
    assert decoded.values[1] == pytest.approx(100.0)


def test_decode_finds_nested_fields_and_names_unknown_ones():
    fields = {"temperature_c": "motor.values.1", "state": "/motor/mode.text"}
    payload = message(motor={"values": [1, 80], "mode.text": "Idle"}, firmware="1.2")
    decoded = decode(payload, plan=plan(fields=fields))
    assert decoded.values == (None, 80.0, None, "Idle")
    assert decoded.unknown == ("firmware",)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**320)
    | st.floats()
    | st.text()
    | st.sampled_from(["1", "nan", "Execute", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["timestamp_ms", "vibration_mm_s", "temperature_c", "good_parts", "state", "other"])


def sound(decoded: Decoded) -> bool:
    """Every message is stored or has a fault, and what is stored can be kept."""
    for value in decoded.values:
        assert value is None or isinstance(value, (float, str))
        assert not isinstance(value, float) or math.isfinite(value)
        assert not isinstance(value, str) or value.encode("utf-8") is not None
    if decoded.values:
        assert len(decoded.values) == len(PRESS.signals)
    if decoded.fault is not None:
        assert decoded.fault.samples >= 1
        assert decoded.fault.detail.encode("utf-8")
    return True


@given(payload=st.binary(max_size=200))
def test_decode_never_raises_on_any_bytes(payload):
    decoded = decode(payload, plan=DEFAULT)
    assert sound(decoded)
    assert decoded.values or decoded.fault is not None or all(value is None for value in decoded.values)


@given(document=st.dictionaries(FIELDS, JSON_VALUES), unit=st.sampled_from(["s", "ms", "us", "ns", "iso"]))
def test_decode_stores_or_rejects_every_field_of_any_document(document, unit):
    payload = json.dumps(document).encode()
    decoded = decode(payload, plan=plan(time_unit=unit))
    assert sound(decoded)
    reported = sum(document.get(signal.name) is not None for signal in PRESS.signals)
    stored = sum(value is not None for value in decoded.values)
    rejected = decoded.fault.samples if decoded.fault is not None else 0
    if reported and (
        decoded.fault is None or decoded.fault.reason not in (RejectionReason.NOT_JSON, RejectionReason.WRONG_SHAPE)
    ):
        assert stored + rejected == reported


@given(document=st.dictionaries(FIELDS, JSON_VALUES), cut=st.integers(0, 300), flip=st.integers(0, 255))
def test_decode_never_raises_on_damaged_messages(document, cut, flip):
    payload = bytearray(json.dumps(document).encode())
    payload[cut % len(payload)] = flip
    assert sound(decode(bytes(payload), plan=DEFAULT))
    assert sound(decode(bytes(payload[: cut % len(payload)]), plan=DEFAULT))


EARLIEST, LATEST = datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("9999-01-01")


@given(at=st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)), hours=st.integers(-12, 14))
def test_decode_reads_iso_times_of_any_zone_to_the_microsecond(at, hours):
    payload = msgspec.json.encode(
        {"ts": at.astimezone(timezone(timedelta(hours=hours))).isoformat(), "temperature_c": 1}
    )
    decoded = decode(payload, plan=plan(time_field="ts", time_unit="iso"))
    assert decoded.observed_at_us == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
