"""Windows as pure functions, against the plainest way to say the same."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.clock import instant
from plant.signals import Aggregation
from store.embedded.windows import Frame, Readings, aggregated, grid_of, last_words, newest_of_each

STEPS = 6
numbers = st.one_of(st.floats(min_value=-1e6, max_value=1e6), st.just(float("nan")))
stepped = st.lists(st.tuples(st.integers(0, STEPS - 1), numbers), max_size=40).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)
PLAINLY = {
    Aggregation.LAST: lambda some: some[-1],
    Aggregation.MIN: min,
    Aggregation.MAX: max,
    Aggregation.SUM: sum,
    Aggregation.MEAN: lambda some: sum(some) / len(some),
}


@given(rows=stepped, how=st.sampled_from(list(PLAINLY)))
def test_aggregated_equals_the_plain_way_for_any_rows(rows: list[tuple[int, float]], how: Aggregation) -> None:
    result = aggregated(
        np.array([number for _, number in rows], dtype=float),
        np.array([step for step, _ in rows], dtype=np.int64),
        STEPS,
        how,
    )
    for step in range(STEPS):
        there = [number for at, number in rows if at == step and not np.isnan(number)]
        expected = PLAINLY[how](there) if there else float("nan")
        np.testing.assert_allclose(result[step], expected, rtol=1e-9, atol=1e-6)


@given(rows=st.lists(st.tuples(st.integers(0, STEPS - 1), st.sampled_from([None, "Idle", "Execute"])), max_size=40))
def test_last_words_are_the_last_that_are_there(rows: list[tuple[int, str | None]]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    words = np.empty(len(rows), dtype=object)
    words[:] = [word for _, word in rows]
    result = last_words(words, np.array([step for step, _ in rows], dtype=np.int64), STEPS)
    for step in range(STEPS):
        assert result[step] == next((word for at, word in reversed(rows) if at == step and word), None)


@given(
    start=st.integers(-(10**15), 10**15),
    length=st.integers(0, 10**9),
    step=st.integers(10**6, 10**9),
)
def test_grid_covers_the_range_and_lies_on_the_epoch(start: int, length: int, step: int) -> None:
    frame = Frame(start=instant(start), end=instant(start + length), step=timedelta(microseconds=step), as_of=None)
    grid = grid_of(frame)
    assert (grid % step == 0).all()
    assert (np.diff(grid) == step).all()
    if length:
        assert grid[0] <= start < grid[0] + step
        assert grid[-1] < start + length <= grid[-1] + step


def test_grid_of_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        grid_of(Frame(start=instant(0), end=instant(1), step=timedelta(0), as_of=None))


def test_newest_of_each_takes_every_signal_by_itself() -> None:
    readings = newest_of_each(
        Readings(
            observed=np.array([1, 1, 1, 2], dtype=np.int64),
            numbers={"a": np.array([1.0, 2.0, np.nan, 3.0])},
            texts={"s": np.array(["Idle", None, None, None], dtype=object)},
            quality=np.array([0, 0, 32, 0], dtype=np.uint8),
        )
    )
    assert readings.observed.tolist() == [1, 2]
    assert readings.numbers["a"].tolist() == [2.0, 3.0]
    assert readings.texts["s"].tolist() == ["Idle", None]
    assert readings.quality.tolist() == [32, 0]
