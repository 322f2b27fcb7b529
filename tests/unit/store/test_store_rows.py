"""Rows in few arrays: against Arrow tables, through their bytes, and those of an older format."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.assets import SignalKind
from plant.errors import Unavailable
from store.embedded.bodies import packed, packed_rows, unpacked_rows
from store.embedded.columns import columns_of, together
from store.embedded.layout import hot_path
from store.embedded.reader import open_reader
from store.embedded.rows import Rows, as_described, emptied, incoming, joined, reported, table_of, without
from tests.contract.batches import PLANT, PRESS, at, batch, row, series
from tests.unit.store.conftest import Open

COLUMNS = columns_of(PRESS)
number = st.sampled_from([None, 0.0, -0.0, 0.1, 1e300, float("inf"), float("nan")])
one_row = st.tuples(
    st.sampled_from(["L1-press", "L2-press"]), st.integers(0, 9), number, number, st.sampled_from([None, "Idle", "ö"])
)
some_rows = st.lists(one_row, min_size=1, max_size=8)


def rows_from(rows: list[tuple[Any, ...]]) -> Rows:
    some = batch(
        *(row(machine, second, temperature_c=t, current_a=a, state=word) for machine, second, t, a, word in rows)
    )
    return incoming(some.tables["press"], COLUMNS, message_filter=some.message_filter)


def told(rows: Rows) -> list[dict[str, Any]]:
    return [{name: value for name, value in each.items() if value is not None} for each in table_of(rows).to_pylist()]


@settings(deadline=None)
@given(parts=st.lists(some_rows, min_size=1, max_size=4))
def test_rows_say_what_came_through_bytes_and_joining(parts: list[list[tuple[Any, ...]]]) -> None:
    wanted = []
    for machine, second, temperature, current, word in (each for part in parts for each in part):
        values = {"temperature_c": temperature, "current_a": current, "state": word}
        there = {name: value for name, value in values.items() if value is not None and value == value}
        wanted.append({"machine": machine, "second": second} | there)
    found = told(joined([unpacked_rows(packed_rows(rows_from(part))) for part in parts]))
    start = found[0]["observed_at"] - wanted[0]["second"] * 1_000_000
    for each in found:
        each["second"] = (each.pop("observed_at") - start) // 1_000_000
        assert each.pop("received_at") - start == (each["second"] + 1) * 1_000_000
        each.pop("quality")
    assert found == wanted


@settings(deadline=None)
@given(rows=some_rows, chance=st.randoms(use_true_random=False))
def test_without_takes_out_cells_and_what_is_then_empty(rows: list[tuple[Any, ...]], chance: Any) -> None:
    whole = rows_from(rows)
    keys = {"machine", "observed_at", "received_at", "quality"}
    held = [[name for name in each if name not in keys] for each in told(whole)]
    cells = {
        place: chance.sample(names, chance.randint(1, len(names)))
        for place, names in enumerate(held)
        if names and chance.random() < 0.5
    }
    left = told(without(whole, cells))
    wanted = [
        {name: value for name, value in each.items() if name not in cells.get(place, [])}
        for place, each in enumerate(told(whole))
        if place not in cells or len(cells[place]) < len(held[place])
    ]
    assert left == wanted
    assert emptied(whole, cells).sum() == len(rows) - len(wanted)
    assert reported(whole).tolist() == [len(names) for names in held]


def test_a_signal_that_changed_its_kind_is_text_where_joined_and_a_number_where_described_so() -> None:
    numbers = rows_from([("L1-press", 0, 1.5, None, "Idle")])
    table = table_of(numbers).set_column(4, "temperature_c", pa.array(["warm"], pa.string()))
    words = incoming(table, columns_of(_with_text(PRESS, "temperature_c")), message_filter=np.zeros(1, dtype=np.int16))
    both = joined([numbers, words])
    assert table_of(both)["temperature_c"].to_pylist() == ["1.5", "warm"]
    assert table_of(as_described(both, COLUMNS))["temperature_c"].to_pylist() == [1.5, None]
    assert together([table_of(numbers), table_of(words)])["temperature_c"].to_pylist() == ["1.5", "warm"]


def test_folder_of_format_4_with_hot_batches_is_brought_over(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(*series("L1-press", 10)))
    store.write(batch(row("L2-press", 3, temperature_c=7.0), received=11))
    store.close()
    as_format_4(folder)
    with pytest.raises(Unavailable, match="is of format 4; this version reads format 5"):
        open_reader(folder, plant=PLANT)
    again = open_store()
    receipt = again.write(batch(*series("L1-press", 10), row("L2-press", 4, temperature_c=8.0, message=10), run="next"))
    assert (receipt.stored, receipt.duplicate) == (1, 10)
    for _ in ("hot", "sealed"):
        windows = again.read(["L1-press", "L2-press"], start=at(0), end=at(99))
        assert windows["L1-press"].values["good_parts"].tolist() == [float(index) for index in range(10)]
        assert windows["L2-press"].values["temperature_c"].tolist() == [7.0, 8.0]
        newest = {(value.machine, value.signal): value.value for value in again.last_values()}
        assert newest["L1-press", "good_parts"] == 9.0
        assert newest["L2-press", "temperature_c"] == 8.0
        again.seal()


def as_format_4(folder: Path) -> None:
    """Make the batches of a closed store look as version 0.1 wrote them before: Arrow tables."""
    connection = sqlite3.connect(hot_path(folder))
    for number, body in connection.execute("SELECT id, body FROM batches").fetchall():
        rows = unpacked_rows(body)
        table = table_of(rows).append_column("message", pa.array(rows.message))
        old = packed(table.append_column("filter", pa.array(rows.filter)))
        connection.execute("UPDATE batches SET body = ? WHERE id = ?", (old, number))
    connection.execute("PRAGMA user_version=4")
    connection.commit()
    connection.close()


def _with_text(machine_class: Any, name: str) -> Any:
    signals = [replace(each, kind=SignalKind.STATE) if each.name == name else each for each in machine_class.signals]
    return replace(machine_class, signals=tuple(signals))
