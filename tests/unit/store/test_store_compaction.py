"""Compaction and rollups: nothing may read differently for them, whatever comes late."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from plant.clock import PlantClock
from plant.signals import Aggregation, Window
from store.embedded.layout import hot_path
from store.embedded.writer import EmbeddedWriter, open_writer
from store.settings import StoreSettings
from tests.contract.batches import PLANT, PRESS, at, batch, row
from tests.unit.store.conftest import Open

HOURS = 32
HOWS = tuple(how for how in Aggregation if how is not Aggregation.DURATION)


def noisy(machine: str, seconds: Sequence[float], *, seed: int, received: float | None = None) -> list[dict[str, Any]]:
    """Rows with holes and text."""
    chance = np.random.default_rng(seed)
    return [
        row(
            machine,
            second,
            received=received,
            temperature_c=float(chance.normal(50, 5)) if chance.random() < 0.8 else None,
            good_parts=float(second // 60),
            state=str(chance.choice(["Idle", "Execute", "Held"])) if chance.random() < 0.3 else None,
        )
        for second in seconds
    ]


def answers(store: EmbeddedWriter, step_s: int, start: float, end: float) -> list[Window]:
    """Every aggregation of numbers, and durations of states."""
    return [
        store.read(
            ["L1-press", "L2-press", "nobody"],
            start=at(start),
            end=at(end),
            step=timedelta(seconds=step_s),
            aggregation={"temperature_c": how, "good_parts": Aggregation.MAX, "state": Aggregation.DURATION},
        )[machine]
        for how in HOWS
        for machine in ("L1-press", "L2-press")
    ]


def assert_alike(found: list[Window], expected: list[Window]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.observed_at.tolist() == other.observed_at.tolist()
        for signal, values in other.values.items():
            np.testing.assert_allclose(one.values[signal], values, rtol=1e-9, atol=1e-9)
        assert one.states["state"].tolist() == other.states["state"].tolist()
        assert one.quality.tolist() == other.quality.tolist()
        assert set(one.durations["state"]) == set(other.durations["state"])
        for word, seconds in other.durations["state"].items():
            np.testing.assert_allclose(one.durations["state"][word], seconds, rtol=1e-9, atol=1e-9)


def manifest_of(folder: Path) -> list[tuple[int, int, int, str]]:
    with sqlite3.connect(hot_path(folder)) as connection:
        rows = connection.execute("SELECT level, start_us, end_us, rollups FROM segments ORDER BY start_us").fetchall()
    connection.close()
    return rows


@pytest.mark.parametrize(
    ("step_s", "start", "end"), [(60, 0, HOURS * 3600), (1800, 1234.5, 90_000.7), (3600, 100, 99_999)]
)
def test_read_is_the_same_from_rows_and_from_rollups_whatever_comes_late(
    open_store: Open, folder: Path, step_s: int, start: float, end: float
) -> None:
    store = open_store(seal_span_s=1e9, window_rows=0)
    for hour in range(0, HOURS, 4):
        seconds = np.arange(hour * 3600, (hour + 4) * 3600, 11.0)
        store.write(batch(*noisy("L1-press", seconds, seed=hour), *noisy("L2-press", seconds[:800], seed=hour + 1)))
        store.seal()
    before = answers(store, step_s, start, end)
    assert store.compact() == 4  # a whole day between two days of 6 h windows
    assert_alike(answers(store, step_s, start, end), before)

    late = noisy("L1-press", [5_003.0, 6_398.0, 6_399.5, 28_001.0, 92_799.0], seed=99, received=400_000)
    store.write(batch(*late, received=10_000))
    with_late = answers(store, step_s, start, end)
    assert any(
        not np.array_equal(one.values["temperature_c"], other.values["temperature_c"], equal_nan=True)
        for one, other in zip(with_late, before, strict=True)
    )
    store.seal()
    assert_alike(answers(store, step_s, start, end), with_late)
    store.compact()
    assert_alike(answers(store, step_s, start, end), with_late)
    rows = manifest_of(folder)
    assert all(rollups != "{}" for *_, rollups in rows)
    assert all(one[2] < other[1] for one, other in pairwise(rows)), "segments overlap"
    as_known = store.read(["L1-press"], start=at(start), end=at(end), step=timedelta(seconds=step_s), as_of=at(300_000))
    assert as_known["L1-press"].values["temperature_c"].tolist() == pytest.approx(
        before[2 * HOWS.index(Aggregation.MEAN)].values["temperature_c"].tolist(), nan_ok=True
    )


def test_windows_are_compacted_by_themselves_once_they_are_over(open_store: Open, folder: Path) -> None:
    store = open_store(seal_span_s=600, seal_rows=10)
    for first in range(0, 60 * 3600, 600):
        store.write(
            batch(*noisy("L1-press", np.arange(first, first + 600, 60.0), seed=first), received=first // 60 + 10)
        )
    levels = [level for level, *_ in manifest_of(folder)]
    assert levels.count(2) == 3
    assert levels.count(1) <= 3
    assert levels.count(0) <= 40
    whole = store.read(["L1-press"], start=at(0), end=at(60 * 3600))["L1-press"]
    assert len(whole) == 60 * 60


def test_integral_holds_each_value_until_the_next_but_no_longer_than_three_periods(open_store: Open) -> None:
    store = open_store()
    store.write(
        batch(row("L1-press", -20, temperature_c=6.0), row("L1-press", 40, temperature_c=12.0))
    )  # a period is 60 s: the second value holds until 220 s
    window = store.read(
        ["L1-press"],
        signals=["temperature_c"],
        start=at(0),
        end=at(400),
        step=timedelta(seconds=100),
        aggregation=Aggregation.INTEGRAL,
    )["L1-press"]
    np.testing.assert_allclose(
        window.values["temperature_c"] * 3600, [40 * 6.0 + 60 * 12.0, 100 * 12.0, 20 * 12.0, np.nan]
    )


def test_signal_may_change_from_text_to_number_and_back_while_rows_are_hot(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(row("L1-press", 0, state="Idle"), row("L1-press", 1, state="3.5")))
    store.close()
    numeric = replace(PRESS.signals[3], kind=PRESS.signals[0].kind)
    plant = replace(PLANT, classes=(replace(PRESS, signals=(*PRESS.signals[:3], numeric)), PLANT.classes[1]))
    changed = open_writer(folder, plant=plant, clock=PlantClock(), settings=StoreSettings())
    one = batch(row("L1-press", 2, good_parts=1.0))
    table = one.tables["press"]
    table = table.set_column(table.column_names.index("state"), "state", pa.array([7.25]))
    changed.write(replace(one, tables={"press": table}))
    for keep in (changed.seal, changed.compact, changed.seal):
        window = changed.read(["L1-press"], signals=["state"], start=at(0), end=at(9))["L1-press"]
        assert window.values["state"].tolist() == [3.5, 7.25]
        keep()
    changed.close()
    again = open_store()
    window = again.read(["L1-press"], signals=["state"], start=at(0), end=at(9))["L1-press"]
    assert window.states["state"].tolist() == ["Idle", "3.5", "7.25"]
