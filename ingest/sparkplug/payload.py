"""Sparkplug B payloads as Protocol Buffers: the message type, described here by its field numbers.

Source: Eclipse Sparkplug 3.0.0, 6.4 and its schema `org.eclipse.tahu.protobuf` (proto2).
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_TYPES: Final = {
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
    "float": _FIELD.TYPE_FLOAT,
    "double": _FIELD.TYPE_DOUBLE,
    "bool": _FIELD.TYPE_BOOL,
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
}
_PACKAGE: Final = "org.eclipse.tahu.protobuf"
_SCALARS: Final = (
    ("int_value", "uint32"),
    ("long_value", "uint64"),
    ("float_value", "float"),
    ("double_value", "double"),
    ("boolean_value", "bool"),
    ("string_value", "string"),
)
_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "Payload": ("1 uint64 timestamp", "2* Metric metrics", "3 uint64 seq", "4 string uuid", "5 bytes body"),
    "Payload.Metric": (
        "1 string name",
        "2 uint64 alias",
        "3 uint64 timestamp",
        "4 uint32 datatype",
        "5 bool is_historical",
        "6 bool is_transient",
        "7 bool is_null",
        "8 MetaData metadata",
        "9 PropertySet properties",
    ),
    "Payload.MetaData": (
        "1 bool is_multi_part",
        "2 string content_type",
        "3 uint64 size",
        "4 uint64 seq",
        "5 string file_name",
        "6 string file_type",
        "7 string md5",
        "8 string description",
    ),
    "Payload.PropertySet": ("1* string keys", "2* PropertyValue values"),
    "Payload.PropertySetList": ("1* PropertySet propertyset",),
    "Payload.PropertyValue": ("1 uint32 type", "2 bool is_null"),
    "Payload.DataSet": (
        "1 uint64 num_of_columns",
        "2* string columns",
        "3* uint32 types",
        "4* DataSet.Row rows",
    ),
    "Payload.DataSet.DataSetValue": (),
    "Payload.DataSet.Row": ("1* DataSet.DataSetValue elements",),
    "Payload.Template": (
        "1 string version",
        "2* Metric metrics",
        "3* Template.Parameter parameters",
        "4 string template_ref",
        "5 bool is_definition",
    ),
    "Payload.Template.Parameter": ("1 string name", "2 uint32 type"),
}
"""Number (`*`: repeated), type and name of each message's fields; an outer message comes before its inner ones."""
_VALUES: Final[Mapping[str, tuple[int, Sequence[tuple[str, str]]]]] = {
    "Payload.Metric": (
        10,
        (*_SCALARS, ("bytes_value", "bytes"), ("dataset_value", "DataSet"), ("template_value", "Template")),
    ),
    "Payload.PropertyValue": (
        3,
        (*_SCALARS, ("propertyset_value", "PropertySet"), ("propertysets_value", "PropertySetList")),
    ),
    "Payload.DataSet.DataSetValue": (1, _SCALARS),
    "Payload.Template.Parameter": (3, _SCALARS),
}
"""First number and members of the one-of `value` that some messages have."""


class DataType(IntEnum):
    """What a metric's value is. Source: Sparkplug 3.0.0, 6.4.16."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTYSET = 20
    PROPERTYSETLIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


def _described() -> descriptor_pb2.FileDescriptorProto:
    """The schema as Protocol Buffers describe it."""
    file = descriptor_pb2.FileDescriptorProto(name="linewright/sparkplug_b.proto", package=_PACKAGE, syntax="proto2")
    messages: dict[str, Any] = {}
    for path, fields in _FIELDS.items():
        home, _, name = path.rpartition(".")
        messages[path] = message = messages[home].nested_type.add() if home else file.message_type.add()
        message.name = name
        for line in fields:
            number, kind, field_name = line.split()
            _add(message, field_name, kind, number=int(number.rstrip("*")), repeated=number.endswith("*"))
        if path in _VALUES:
            first, members = _VALUES[path]
            message.oneof_decl.add(name="value")
            for place, (field_name, kind) in enumerate(members, first):
                _add(message, field_name, kind, number=place).oneof_index = 0
    return file


def _add(message: Any, name: str, kind: str, *, number: int, repeated: bool = False) -> Any:
    label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label)
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.Payload.{kind}"
    return field


def _payload_class() -> Any:
    pool = descriptor_pool.DescriptorPool()  # of its own: another library of the process may bring the same names
    pool.Add(_described())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload: Final = _payload_class()
"""The message class `org.eclipse.tahu.protobuf.Payload`."""


def rebirth_command(timestamp_ms: int) -> bytes:
    """The payload of an NCMD that asks an edge node for its births.

    Source: Sparkplug 3.0.0, 6.4.23 and [tck-id-operational-behavior-data-commands-ncmd-rebirth-*].

    Args:
        timestamp_ms: [ms UTC]
    """
    payload = Payload(timestamp=timestamp_ms)
    payload.metrics.add(
        name="Node Control/Rebirth", timestamp=timestamp_ms, datatype=DataType.BOOLEAN, boolean_value=True
    )
    written: bytes = payload.SerializeToString()
    return written
