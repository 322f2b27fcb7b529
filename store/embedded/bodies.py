"""Tables and rows as the bytes that `hot.db` holds, each under one lz4 block."""

import struct
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store.embedded.rows import Rows, Words, rows_of

TABLE_MARK: Final = b"LWB2"
TABLE_LEAD: Final = struct.Struct("<4sQ")
"""Mark and size of what was packed [byte]."""
ROWS_MARK: Final = b"LWB3"
ROWS_LEAD: Final = struct.Struct("<4sIQ")
"""Mark, length of the head [byte], and size of head and arrays before they were packed [byte]."""
ALIGNMENT: Final = 8
"""Of the arrays [byte]."""


class _Head(msgspec.Struct, array_like=True):
    rows: int
    machines: tuple[str, ...]
    numbers: tuple[str, ...]
    texts: dict[str, tuple[str, ...]]


_head_of: Final = msgspec.json.Decoder(_Head)
_written: Final = msgspec.json.Encoder()


def packed(table: Any) -> bytes:
    """A table as an Arrow IPC stream under one lz4 block; a third of the work of Arrow's own, buffer by buffer."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    plain = sink.getvalue()
    return TABLE_LEAD.pack(TABLE_MARK, plain.size) + bytes(pa.compress(plain, codec="lz4_raw", asbytes=True))


def unpacked(body: bytes) -> Any:
    """The table of a packed body; those of format 1 are plain Arrow IPC streams."""
    plain: Any = body
    if body.startswith(TABLE_MARK):
        _, size = TABLE_LEAD.unpack_from(body)
        plain = pa.decompress(memoryview(body)[TABLE_LEAD.size :], decompressed_size=size, codec="lz4_raw")
    with pa.ipc.open_stream(plain) as reader:
        return reader.read_all()


def packed_rows(rows: Rows) -> bytes:
    """Rows as the body of a hot batch: a head that names them and their arrays, under one lz4 block."""
    head = _written.encode(
        _Head(len(rows), rows.machine.words, rows.numbers, {name: words.words for name, words in rows.texts.items()})
    )
    head += b" " * (-len(head) % ALIGNMENT)
    arrays: list[NDArray[Any]] = [rows.observed, rows.received, rows.values, rows.message, rows.machine.codes]
    arrays += [words.codes for words in rows.texts.values()]
    plain = b"".join([head, *(array.tobytes() for array in (*arrays, rows.filter, rows.quality))])
    return ROWS_LEAD.pack(ROWS_MARK, len(head), len(plain)) + bytes(pa.compress(plain, codec="lz4_raw", asbytes=True))


def unpacked_rows(body: bytes) -> Rows:
    """The rows of a body; those of formats 1 to 4 hold Arrow tables."""
    if not body.startswith(ROWS_MARK):
        return rows_of(unpacked(body))
    _, begin, size = ROWS_LEAD.unpack_from(body)
    plain = pa.decompress(memoryview(body)[ROWS_LEAD.size :], decompressed_size=size, codec="lz4_raw")
    head = _head_of.decode(memoryview(plain)[:begin])
    count, place = head.rows, begin

    def next_array(kind: type[Any], rows: int = 1) -> Any:
        nonlocal place
        array = np.frombuffer(plain, dtype=kind, count=rows * count, offset=place)
        place += array.nbytes
        return array

    observed, received = next_array(np.int64), next_array(np.int64)
    values = next_array(np.float64, len(head.numbers)).reshape(len(head.numbers), count)
    message, codes = next_array(np.int32), next_array(np.int32)
    texts = {name: Words(words=words, codes=next_array(np.int32)) for name, words in head.texts.items()}
    filters, quality = next_array(np.int16), next_array(np.uint8)
    return Rows(
        machine=Words(words=head.machines, codes=codes),
        observed=observed,
        received=received,
        quality=quality,
        message=message,
        filter=filters,
        numbers=head.numbers,
        values=values,
        texts=texts,
    )
