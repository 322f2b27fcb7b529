"""How each column of a file is encoded and compressed.

Source: Apache Parquet format, "Encodings": BYTE_STREAM_SPLIT for noise and counters, dictionary for quantised values,
DELTA_BINARY_PACKED for times. The figures behind the codecs are in docs/benchmarks/store.md.
"""

from enum import Enum
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.embedded.columns import signals_in

PROBE_ROWS: Final = 4_096
TRIAL_ROWS: Final = 16_384
"""Rows by which the encodings of a file are chosen: by counting values, and by trying."""
SPLIT_BYTES: Final = 6.5
"""What a value takes whose bytes are split into streams, where nearly all values differ [byte]."""
TIMES: Final = {"observed_at": "DELTA_BINARY_PACKED", "received_at": "DELTA_BINARY_PACKED"}
STATISTICS: Final = ["machine", "observed_at"]
"""Of the columns by which row groups are chosen."""
DICTIONARY, SPLIT, PLAIN = "dictionary", "split", "plain"
SMALL_CODEC: Final = {DICTIONARY: ("zstd", 5), SPLIT: ("brotli", 4), PLAIN: ("zstd", 3)}
"""Codec and level by layout. Bytes that are split into streams take a codec that codes each stream by itself: zstd does
that only from level 12 on, which costs three times as much for the same size."""


class Packing(Enum):
    """How much work goes into a small file."""

    QUICK = "quick"
    """Files that are compacted again within a day: lz4 takes 5 % more than zstd, 30 % less to write, 40 to 60 % less to
    read."""
    SMALL = "small"
    """Files that stay."""


def encodings(table: Any, *, packing: Packing) -> dict[str, Any]:
    """What `pyarrow.parquet.ParquetWriter` is told for files like this table."""
    small = packing is Packing.SMALL
    layouts = {
        part.name: DICTIONARY
        if pa.types.is_dictionary(part.type)
        else _smallest(table[part.name].slice(0, TRIAL_ROWS))
        if small
        else _likely(table[part.name].slice(0, PROBE_ROWS))
        for part in table.schema
        if part.name in signals_in(table)
    }
    codecs = {name: SMALL_CODEC[layouts.get(name, DICTIONARY)] for name in table.column_names}
    compression = {
        "compression": {name: codec for name, (codec, _) in codecs.items()},
        "compression_level": {name: level for name, (_, level) in codecs.items()},
    }
    return {
        "use_dictionary": ["machine", "quality", *(name for name, layout in layouts.items() if layout == DICTIONARY)],
        "column_encoding": TIMES | {n: "BYTE_STREAM_SPLIT" for n, layout in layouts.items() if layout == SPLIT},
        **(compression if small else {"compression": "lz4"}),
        "write_statistics": STATISTICS,
    }


def rollup_encodings(table: Any) -> dict[str, Any]:
    """The same for a file of rollups, which stays: of each number the smallest layout, by trial where that pays."""
    choose = _smallest if len(table) >= PROBE_ROWS else _likely
    layouts = {
        part.name: choose(table[part.name].slice(0, TRIAL_ROWS))
        for part in table.schema
        if pa.types.is_floating(part.type)
    }
    paths = [path for part in table.schema for path in _paths(part)]
    codecs = {path: SMALL_CODEC[layouts.get(path, DICTIONARY)] for path in paths}
    split = [name for name, layout in layouts.items() if layout == SPLIT]
    return {
        "use_dictionary": [p for p in paths if p != "step_at" and layouts.get(p, DICTIONARY) == DICTIONARY],
        "column_encoding": {"step_at": "DELTA_BINARY_PACKED"} | dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        "compression": {path: codec for path, (codec, _) in codecs.items()},
        "compression_level": {path: level for path, (_, level) in codecs.items()},
        "write_statistics": ["machine", "step_at"],
    }


def _paths(part: Any) -> list[str]:
    """The columns in which Parquet keeps a field."""
    return [f"{part.name}.key_value.{end}" for end in ("key", "value")] if pa.types.is_map(part.type) else [part.name]


def _likely(column: Any) -> str:
    """A dictionary where it and its indices take less than split bytes."""
    values = column.drop_null().to_numpy()
    distinct = max(len(np.unique(values)), 1)
    as_dictionary = 8 * distinct + len(values) * np.ceil(np.log2(distinct)) / 8
    return DICTIONARY if as_dictionary <= SPLIT_BYTES * len(values) else SPLIT


def _smallest(column: Any) -> str:
    """What makes the smallest file of it."""
    table = pa.table({"value": column})
    return min(SMALL_CODEC, key=lambda layout: _size(table, layout))


def _size(table: Any, layout: str) -> int:
    codec, level = SMALL_CODEC[layout]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        use_dictionary=layout == DICTIONARY,
        column_encoding={"value": "BYTE_STREAM_SPLIT"} if layout == SPLIT else None,
        compression=codec,
        compression_level=level,
        write_statistics=False,
    )
    return int(sink.getvalue().size)
