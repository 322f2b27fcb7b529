"""Rows of a machine class as they are kept at the server, and back.

A row is a line of the mirror's form (measurement: machine class; tags: machine, line; a field per signal) with two
fields more: when it was received, and its quality. A row that is changed later leaves a copy of what it was in the
measurement `CLASS.revisions`, counted by the tag `nth`, so that `as_of` stays answerable.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from store.embedded.columns import TEXT, ClassColumns, as_text, together
from store.influx.lines import TEXT_ESCAPES, head_of, key_of
from store.influx.query import InfluxQuery, Series, among, name_of, select, within

RECEIVED: Final = "linewright_received_us"
"""Microseconds UTC as a float, which is exact until the year 2255."""
QUALITY: Final = "linewright_quality"
REVISIONS: Final = ".revisions"
Row = Mapping[str, Any]
"""`machine`, `observed_at`, `received_at`, `quality`, and the signals reported."""


def line_of(row: Row, columns: ClassColumns, *, line: str, nth: int | None = None) -> str:
    """One row as line protocol; of a revision, `nth` says which."""
    measurement = columns.name if nth is None else columns.name + REVISIONS
    head = head_of(measurement, row["machine"], line) + ("" if nth is None else f",nth={nth}")
    parts = [f"{key_of(name)}={row[name]!r}" for name in columns.numbers if row.get(name) is not None]
    parts += [
        f'{key_of(name)}="{row[name].translate(TEXT_ESCAPES)}"' for name in columns.texts if row.get(name) is not None
    ]
    parts += [f"{RECEIVED}={float(row['received_at'])!r}", f"{QUALITY}={float(row['quality'])!r}"]
    return f"{head} {','.join(parts)} {row['observed_at']}"


def fetch(
    query: InfluxQuery,
    columns: ClassColumns,
    *,
    machines: Sequence[str],
    start_us: int,
    end_us: int,
    measurement: str = "",
) -> Any | None:
    """Rows of some machines in [start, end), in the store's form; None: there are none.

    Args:
        query: The server.
        columns: The signals wanted.
        machines: Their names.
        start_us: [µs UTC]
        end_us: [µs UTC]
        measurement: Another than the class' own.
    """
    if not machines or start_us >= end_us:
        return None
    fields = [name_of(name) for name in (*columns.signals, RECEIVED, QUALITY)]
    where = f"{among(machines)} AND {within(start_us, end_us)}"
    asked = select(fields, measurement or columns.name, where=where, by="machine")
    tables = [_table(series, columns) for series in query.ask(asked) if series.values]
    return together(tables) if tables else None


def highest_revisions(
    query: InfluxQuery, columns: ClassColumns, *, machines: Sequence[str], start_us: int, end_us: int
) -> dict[tuple[str, int], int]:
    """How many revisions each row has left, by machine and instant."""
    where = f"{among(machines)} AND {within(start_us, end_us)}"
    asked = select([name_of(RECEIVED)], columns.name + REVISIONS, where=where, by="machine, nth")
    found: dict[tuple[str, int], int] = {}
    for series in query.ask(asked):
        for values in series.values:
            key = (series.tags["machine"], int(values[0]))
            found[key] = max(found.get(key, 0), int(series.tags["nth"]) + 1)
    return found


def _table(series: Series, columns: ClassColumns) -> Any:
    count = len(series.values)
    by_name = dict(zip(series.columns, zip(*series.values, strict=True), strict=True))
    observed = pa.array(by_name["time"], pa.int64())
    received = _numbers(by_name[RECEIVED], count)
    known = np.isfinite(received)
    arrays: dict[str, Any] = {
        "machine": pa.array([series.tags["machine"]] * count, pa.string()).dictionary_encode().cast(TEXT),
        "observed_at": observed,
        # what somebody else wrote there says nothing of when it came
        "received_at": pa.array(np.where(known, received, observed.to_numpy()).astype(np.int64)),
        "quality": pa.array(np.nan_to_num(_numbers(by_name[QUALITY], count)).astype(np.uint8)),
    }
    for name in columns.numbers:
        numbers = _numbers(by_name[name], count)
        if (there := np.isfinite(numbers)).any():
            arrays[name] = pa.array(numbers, mask=~there)
    for name in columns.texts:
        words = [None if word is None else str(word) for word in by_name[name]]
        if any(word is not None for word in words):
            arrays[name] = as_text(pa.array(words, pa.string()))
    return pa.table(arrays)


def _numbers(cells: Sequence[Any], count: int) -> Any:
    """Numbers, NaN for null and for what is no number."""
    try:
        return np.array(cells, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.full(count, np.nan)
        for index, cell in enumerate(cells):
            if isinstance(cell, int | float):
                numbers[index] = cell
        return numbers
