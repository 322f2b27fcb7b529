"""The memory of recent keys against a plain dictionary."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import store.embedded.keys
from store.embedded.columns import columns_of
from store.embedded.keys import RecentKeys
from store.embedded.rows import Rows, incoming, joined, without
from tests.contract.batches import PRESS, batch, row

COLUMNS = columns_of(PRESS)
cell = st.sampled_from([None, 1.0, 2.0])
one_row = st.tuples(st.sampled_from(["L1-press", "L2-press"]), st.integers(0, 4), cell, cell)
one_batch = st.lists(one_row, min_size=1, max_size=6)


def table_of(rows: list[tuple[str, int, float | None, float | None]]) -> Rows:
    some = batch(*(row(machine, second, temperature_c=t, current_a=a) for machine, second, t, a in rows))
    return incoming(some.tables["press"], COLUMNS, message_filter=some.message_filter)


@pytest.mark.parametrize("held", ["in memory", "in the hot part"])
@settings(max_examples=60, deadline=None)
@given(batches=st.lists(one_batch, min_size=1, max_size=5))
def test_compare_calls_duplicate_exactly_what_holds_already(held: str, batches: list[list[tuple[Any, ...]]]) -> None:
    hot: list[Rows] = []
    keys = RecentKeys(window_rows=0, fetch=lambda numbers: joined([hot[number] for number in numbers]))
    truth: dict[tuple[str, int, str], float] = {}
    for number, rows in enumerate(batches):
        table = table_of(rows)
        comparison = keys.compare(table)
        for index, (machine, second, temperature, current) in enumerate(rows):
            expected = []
            for signal, value in (("temperature_c", temperature), ("current_a", current)):
                if value is None:
                    continue
                if truth.get((machine, second, signal)) == value:
                    expected.append(signal)
                truth[machine, second, signal] = value
            assert comparison.duplicates.get(index, []) == expected
        hot.append(without(table, comparison.duplicates))
        if held == "in memory":
            keys.add(hot[-1], comparison.merged)
            continue
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store.embedded.keys, "LOOSE_PARTS", 1)
            keys.add(hot[-1], comparison.merged, batch=number)


def test_seal_forgets_the_oldest_beyond_the_window() -> None:
    keys = RecentKeys(window_rows=4)
    tables = [table_of([("L1-press", second, 1.0, None), ("L2-press", second, 1.0, None)]) for second in range(4)]
    for table in tables:
        keys.add(table, keys.compare(table).merged)
        keys.seal()
    assert [len(keys.compare(table).duplicates) for table in tables] == [0, 0, 2, 2]


def test_joining_small_tables_loses_no_row() -> None:
    keys = RecentKeys(window_rows=0)
    tables = [table_of([("L1-press", second, float(second), None)]) for second in range(150)]
    for table in tables:
        keys.add(table, keys.compare(table).merged)
    assert all(keys.compare(table).duplicates == {0: ["temperature_c"]} for table in tables)


def test_hot_rows_are_never_forgotten() -> None:
    keys = RecentKeys(window_rows=0)
    table = table_of([("L1-press", 0, 1.0, None)])
    keys.add(table, {})
    assert keys.compare(table).duplicates == {0: ["temperature_c"]}
    keys.seal()
    assert keys.compare(table).duplicates == {}


def test_what_is_older_than_the_window_is_fetched_and_forgotten_where_it_is_gone() -> None:
    hot: dict[int, Rows] = {}
    keys = RecentKeys(
        window_rows=4, fetch=lambda numbers: joined([hot[n] for n in numbers]) if hot.keys() >= set(numbers) else None
    )
    for second in range(100):
        hot[second] = table_of([("L1-press", second, float(second), None)])
        keys.add(hot[second], {}, batch=second)
    again = [keys.compare(table).duplicates for table in hot.values()]
    assert again == [{0: ["temperature_c"]}] * 100
    keys.seal()
    hot.clear()
    late = [keys.compare(table_of([("L1-press", second, float(second), None)])).duplicates for second in (0, 99)]
    assert late == [{}, {0: ["temperature_c"]}]
