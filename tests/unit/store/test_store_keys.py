"""The memory of recent keys against a plain dictionary."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from store.embedded.columns import columns_of, incoming, without
from store.embedded.keys import RecentKeys
from tests.contract.batches import PRESS, batch, row

COLUMNS = columns_of(PRESS)
cell = st.sampled_from([None, 1.0, 2.0])
one_row = st.tuples(st.sampled_from(["L1-press", "L2-press"]), st.integers(0, 4), cell, cell)
one_batch = st.lists(one_row, min_size=1, max_size=6)


def table_of(rows: list[tuple[str, int, float | None, float | None]]) -> Any:
    some = batch(*(row(machine, second, temperature_c=t, current_a=a) for machine, second, t, a in rows))
    return incoming(some.tables["press"], COLUMNS)


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(one_batch, min_size=1, max_size=5))
def test_compare_calls_duplicate_exactly_what_holds_already(batches: list[list[tuple[Any, ...]]]) -> None:
    keys, truth = RecentKeys(window_rows=0), {}
    for rows in batches:
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
        keys.add(without(table, comparison.duplicates), comparison.merged)


def test_seal_forgets_the_oldest_beyond_the_window() -> None:
    keys = RecentKeys(window_rows=4)
    tables = [table_of([("L1-press", second, 1.0, None), ("L2-press", second, 1.0, None)]) for second in range(4)]
    for table in tables:
        keys.add(table, keys.compare(table).merged)
        keys.seal()
    assert [len(keys.compare(table).duplicates) for table in tables] == [0, 0, 2, 2]


def test_joining_small_tables_loses_no_row() -> None:
    keys = RecentKeys(window_rows=0)
    tables = [table_of([("L1-press", second, float(second), None)]) for second in range(50)]
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
