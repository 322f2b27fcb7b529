"""Values of metrics in every data type, as edges of different makers write them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sparkplug.payload import DataType, Payload, rebirth_command
from ingest.sparkplug.values import metric_value
from plant.signals import RejectionReason

SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
UNSIGNED = {DataType.UINT8: 8, DataType.UINT16: 16, DataType.UINT32: 32, DataType.UINT64: 64, DataType.DATETIME: 64}


def value(datatype: int, **fields):
    return metric_value(Payload().metrics.add(**fields), datatype)


@given(datatype=st.sampled_from(list(SIGNED)), data=st.data())
def test_negative_integers_are_twos_complement_of_their_own_width_or_of_their_fields(datatype, data) -> None:
    bits = SIGNED[datatype]
    number = data.draw(st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1))
    field, wide = ("long_value", 64) if bits == 64 else ("int_value", 32)
    for width in {bits, wide}:
        assert value(datatype, **{field: number % (1 << width)}) == number


@given(datatype=st.sampled_from(list(UNSIGNED)), data=st.data())
def test_unsigned_integers_come_in_either_field_and_must_fit(datatype, data) -> None:
    number = data.draw(st.integers(0, 2**64 - 1))
    fields = {"long_value": number} if number >= 2**32 or data.draw(st.booleans()) else {"int_value": number}
    found = value(datatype, **fields)
    assert found == number if number < 1 << UNSIGNED[datatype] else found[0] is RejectionReason.WRONG_TYPE


@pytest.mark.parametrize(
    ("datatype", "fields", "expected"),
    [
        (DataType.FLOAT, {"float_value": 1.5}, 1.5),
        (DataType.DOUBLE, {"float_value": 1.5}, 1.5),
        (DataType.FLOAT, {"double_value": 1.5}, 1.5),
        (DataType.BOOLEAN, {"boolean_value": True}, True),
        (DataType.BOOLEAN, {"int_value": 1}, True),
        (DataType.STRING, {"string_value": "Execute"}, "Execute"),
        (DataType.TEXT, {"string_value": ""}, ""),
        (DataType.UUID, {"string_value": "0f"}, "0f"),
        (DataType.BYTES, {"bytes_value": b"\1"}, b"\1"),
        (DataType.FILE, {"bytes_value": b""}, b""),
        (DataType.DOUBLE, {"is_null": True, "double_value": 1.0}, None),
        (DataType.DOUBLE, {}, None),
        (DataType.INT16_ARRAY, {"bytes_value": struct.pack("<2h", -2, 3)}, [-2, 3]),
        (DataType.DOUBLE_ARRAY, {"bytes_value": struct.pack("<d", 2.5)}, [2.5]),
        (DataType.BOOLEAN_ARRAY, {"bytes_value": b"\3\0\0\0\xa0"}, [True, False, True]),
        (DataType.STRING_ARRAY, {"bytes_value": b"a\0bc\0"}, ["a", "bc"]),
        (DataType.UNKNOWN, {"int_value": 7}, 7),
    ],
)
def test_each_type_is_read_from_its_field(datatype, fields, expected) -> None:
    assert value(datatype, **fields) == expected


@pytest.mark.parametrize(
    ("datatype", "fields", "reason"),
    [
        (DataType.DOUBLE, {"string_value": "1,5"}, RejectionReason.WRONG_TYPE),
        (DataType.INT8, {"int_value": 300}, RejectionReason.WRONG_TYPE),
        (DataType.BOOLEAN, {"int_value": 2}, RejectionReason.WRONG_TYPE),
        (DataType.FLOAT_ARRAY, {"bytes_value": b"\0\0\0"}, RejectionReason.WRONG_TYPE),
        (DataType.BOOLEAN_ARRAY, {"bytes_value": b"\xff\xff\xff\xff"}, RejectionReason.WRONG_TYPE),
        (DataType.STRING_ARRAY, {"bytes_value": b"\xff\0"}, RejectionReason.WRONG_TYPE),
        (DataType.TEMPLATE, {"string_value": "x"}, RejectionReason.NOT_SUPPORTED),
        (99, {"double_value": 1.0}, RejectionReason.WRONG_TYPE),
    ],
)
def test_what_does_not_fit_its_type_is_refused_with_a_sentence(datatype, fields, reason) -> None:
    found = value(datatype, **fields)
    assert found[0] is reason
    assert len(found[1]) > 20


def test_rebirth_command_is_the_one_metric_of_the_standard() -> None:
    (metric,) = Payload.FromString(rebirth_command(5)).metrics
    assert (metric.name, metric.datatype, metric.boolean_value) == ("Node Control/Rebirth", DataType.BOOLEAN, True)
