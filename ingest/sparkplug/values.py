"""The value of one metric: its Protocol Buffers field read as its Sparkplug data type says.

Integers travel as unsigned fields; negative ones are two's complement, of their own width or (as Eclipse Tahu sends
them) of 32 bits. A float may come in a double's field and an integer in either integer field: what loses nothing is
taken, what does not fit its type is refused alone.
"""

import math
import struct
from collections.abc import Mapping
from typing import Any, Final

from ingest.decode.values import Refusal, short
from ingest.sparkplug.payload import DataType
from plant.signals import RejectionReason

Scalar = float | int | bool | str
MetricValue = Scalar | bytes | list[Scalar] | None

_SIGNED: Final = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
_UNSIGNED: Final = {
    DataType.UINT8: 8,
    DataType.UINT16: 16,
    DataType.UINT32: 32,
    DataType.UINT64: 64,
    DataType.DATETIME: 64,
}
_REALS: Final = (DataType.FLOAT, DataType.DOUBLE)
_WORDS: Final = (DataType.STRING, DataType.TEXT, DataType.UUID)
_BYTES: Final = (DataType.BYTES, DataType.FILE)
_STRUCT: Final[Mapping[int, str]] = {
    DataType.INT8_ARRAY: "b",
    DataType.INT16_ARRAY: "h",
    DataType.INT32_ARRAY: "i",
    DataType.INT64_ARRAY: "q",
    DataType.UINT8_ARRAY: "B",
    DataType.UINT16_ARRAY: "H",
    DataType.UINT32_ARRAY: "I",
    DataType.UINT64_ARRAY: "Q",
    DataType.FLOAT_ARRAY: "f",
    DataType.DOUBLE_ARRAY: "d",
    DataType.DATETIME_ARRAY: "q",
}
"""Arrays are packed little-endian. Source: Sparkplug 3.0.0, 6.4.17."""
_STRUCTURES: Final = {
    DataType.DATASET: "a data set",
    DataType.TEMPLATE: "a template",
    DataType.PROPERTYSET: "a property set",
    DataType.PROPERTYSETLIST: "a list of property sets",
}
PLAIN: Final[Mapping[int, str]] = {
    DataType.FLOAT: "float_value",
    DataType.DOUBLE: "double_value",
    DataType.BOOLEAN: "boolean_value",
    DataType.STRING: "string_value",
    DataType.TEXT: "string_value",
    DataType.UUID: "string_value",
    DataType.UINT64: "long_value",
    DataType.DATETIME: "long_value",
}
"""Types whose usual field holds the value as it is."""

QUICK: Final[Mapping[int, tuple[str, float]]] = {
    **{kind: (name, math.inf) for kind, name in PLAIN.items()},
    **{kind: ("long_value" if bits == 64 else "int_value", 1 << (bits - 1)) for kind, bits in _SIGNED.items()},
    **{kind: ("long_value" if bits == 64 else "int_value", 1 << bits) for kind, bits in _UNSIGNED.items()},
}
"""Usual field of a type, and below which number it holds the value as it is."""


def metric_value(metric: Any, datatype: int) -> MetricValue | Refusal:
    """The value of a metric, None for null, or why it cannot be taken.

    Args:
        metric: A `Payload.Metric`.
        datatype: As its birth says; 0 where that is unknown: numbers are then taken as unsigned.
    """
    field = metric.WhichOneof("value")
    if metric.is_null or field is None:
        return None
    raw = getattr(metric, field)
    if field == "string_value" and isinstance(raw, bytes):  # as Protocol Buffers give it
        return RejectionReason.WRONG_TYPE, "the value is text that is not UTF-8"
    if datatype in _STRUCTURES or field in ("dataset_value", "template_value"):
        kind = _STRUCTURES.get(DataType(datatype) if datatype in _STRUCTURES else DataType.TEMPLATE, "")
        return RejectionReason.NOT_SUPPORTED, f"it is {kind}, which no signal takes; publish its members as metrics"
    if field in ("int_value", "long_value"):
        return _integer(raw, datatype, wide=field == "long_value")
    if field == "bytes_value":
        return _array(raw, datatype)
    fits = {
        "float_value": datatype in _REALS,
        "double_value": datatype in _REALS,
        "boolean_value": datatype == DataType.BOOLEAN,
        "string_value": datatype in _WORDS,
    }[field]
    if fits or datatype == DataType.UNKNOWN:
        value: MetricValue = raw
        return value
    return _misfit(raw, field, datatype)


def type_name(datatype: int) -> str:
    """The name of a data type as the standard writes it, roughly.

    >>> type_name(10), type_name(99)
    ('Double', 'type 99')
    """
    known = datatype in DataType.__members__.values()
    return DataType(datatype).name.replace("_", " ").title() if known else f"type {datatype}"


def _integer(raw: int, datatype: int, *, wide: bool) -> MetricValue | Refusal:
    if (bits := _SIGNED.get(DataType(datatype)) if datatype in _SIGNED else None) is not None:
        for sent_bits in (bits, 64 if wide else 32):
            value = raw - (1 << sent_bits) if raw >> (sent_bits - 1) == 1 else raw
            if -(1 << (bits - 1)) <= value < 1 << (bits - 1):
                return value
    elif datatype in _UNSIGNED:
        if raw < 1 << _UNSIGNED[DataType(datatype)]:
            return raw
    elif datatype == DataType.BOOLEAN and raw in (0, 1):
        return bool(raw)
    elif datatype == DataType.UNKNOWN:
        return raw
    return _misfit(raw, "long_value" if wide else "int_value", datatype)


def _array(raw: bytes, datatype: int) -> MetricValue | Refusal:
    """The elements of an array, or the bytes of what is none."""
    if (code := _STRUCT.get(datatype)) is not None:
        if len(raw) % struct.calcsize(f"<{code}"):
            return _misfit(raw, "bytes_value", datatype)
        return list(struct.unpack(f"<{len(raw) // struct.calcsize(f'<{code}')}{code}", raw))
    if datatype == DataType.BOOLEAN_ARRAY:
        count = int.from_bytes(raw[:4], "little")
        if len(raw) != 4 + (count + 7) // 8:
            return _misfit(raw, "bytes_value", datatype)
        return [bool(raw[4 + index // 8] >> (7 - index % 8) & 1) for index in range(count)]
    if datatype == DataType.STRING_ARRAY:
        try:
            return [part.decode("utf-8") for part in raw.split(b"\0")[:-1]]
        except UnicodeDecodeError:
            return _misfit(raw, "bytes_value", datatype)
    return raw if datatype in _BYTES or datatype == DataType.UNKNOWN else _misfit(raw, "bytes_value", datatype)


def _misfit(raw: object, field: str, datatype: int) -> Refusal:
    detail = f"it is {short(raw)} in {field}, which is no {type_name(datatype)}; correct the edge node's data type"
    return RejectionReason.WRONG_TYPE, detail
