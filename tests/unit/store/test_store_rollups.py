"""Rollups of many signals at once: against each signal by itself, and hours against minutes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from store.embedded.columns import ClassColumns
from store.embedded.rollups import HOW, coarser, rolled
from store.embedded.windows import Readings, aggregated, integrated

SECOND = 1_000_000
HOUR = 3600 * SECOND
COLUMNS = ClassColumns(
    name="press",
    numbers=("a", "b", "c"),
    counters=frozenset(),
    texts=("state",),
    states=frozenset(["state"]),
    hold_us={"a": 3 * SECOND, "b": 3 * SECOND, "c": 600 * SECOND, "state": 90 * SECOND},
)
cell = st.sampled_from([np.nan, 0.1, -2.5, 1e6])
one_row = st.tuples(cell, cell, cell, st.sampled_from([None, "Idle", "Held"]))


@st.composite
def readings(draw: st.DrawFn) -> Readings:
    """Rows in the two hours from 0, and shortly before."""
    observed = sorted(draw(st.sets(st.integers(-700, 7_199), min_size=1, max_size=30)))
    rows = [draw(one_row) for _ in observed]
    return Readings(
        observed=np.array(observed, dtype=np.int64) * SECOND,
        numbers={name: np.array([row[index] for row in rows]) for index, name in enumerate("abc")},
        texts={"state": np.array([row[3] for row in rows], dtype=object)},
        quality=np.zeros(len(rows), dtype=np.uint8),
    )


def spread(at: NDArray[np.int64], values: NDArray[np.float64], grain_us: int) -> NDArray[np.float64]:
    """Onto all grains of the two hours."""
    found = np.full(2 * HOUR // grain_us, np.nan)
    found[at // grain_us] = values
    return found


@settings(deadline=None)
@given(given_readings=readings())
def test_signals_together_give_what_each_gives_by_itself(given_readings: Readings) -> None:
    grain_us = 60 * SECOND
    edges = np.arange(0, 2 * HOUR + 1, grain_us)
    found = rolled(given_readings, columns=COLUMNS, grain_s=60, start_us=0, end_us=2 * HOUR)
    inside = given_readings.observed >= 0
    for name, values in given_readings.numbers.items():
        step_of = given_readings.observed[inside] // grain_us
        for part, how in HOW.items():
            wanted = aggregated(values[inside], step_of, len(edges) - 1, how)
            assert spread(found.at, found.numbers[name][part], grain_us) == pytest.approx(wanted, nan_ok=True)
        wanted = integrated(given_readings.observed, values, edges, hold_us=COLUMNS.hold_us[name])
        assert spread(found.at, found.numbers[name]["integral"], grain_us) == pytest.approx(wanted, nan_ok=True)


@settings(deadline=None)
@given(given_readings=readings())
def test_hours_from_minutes_are_hours_from_rows(given_readings: Readings) -> None:
    frame = {"columns": COLUMNS, "start_us": 0, "end_us": 2 * HOUR}
    wanted = rolled(given_readings, grain_s=3600, **frame)
    found = coarser(rolled(given_readings, grain_s=60, **frame), grain_s=3600)
    assert found.at.tolist() == wanted.at.tolist()
    assert found.reported.tolist() == wanted.reported.tolist()
    assert found.texts["state"].tolist() == wanted.texts["state"].tolist()
    for name, parts in wanted.numbers.items() if len(wanted.at) else ():
        for part, values in parts.items():
            assert found.numbers[name][part] == pytest.approx(values, nan_ok=True), (name, part)
    assert found.held["state"].keys() == wanted.held["state"].keys()
    for word, seconds in wanted.held["state"].items():
        assert found.held["state"][word] == pytest.approx(seconds, nan_ok=True)
