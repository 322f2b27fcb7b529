"""What every store answers: ranges, grids, aggregations, gaps, names."""

from datetime import timedelta

import numpy as np
import pytest

from plant.signals import Aggregation, Quality
from store.contract import TimeSeriesStore
from tests.contract.batches import START_US, at, batch, row, series


def test_read_gives_what_was_written_when_raw(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 30)))
    window = store.read(["L1-press"], start=at(5), end=at(8))["L1-press"]
    assert window.observed_at.tolist() == [START_US + second * 1_000_000 for second in (5, 6, 7)]
    assert window.values["good_parts"].tolist() == [5.0, 6.0, 7.0]
    assert window.states["state"].tolist() == ["Idle"] * 3
    assert np.isnan(window.values["current_a"]).all()
    assert (window.machine, window.step, window.quality.tolist()) == ("L1-press", None, [0, 0, 0])


def test_read_is_empty_when_nothing_was_written(store: TimeSeriesStore) -> None:
    window = store.read(["L1-press"], start=at(0), end=at(60))["L1-press"]
    assert len(window) == 0
    assert set(window.values) == {"temperature_c", "current_a", "good_parts"}
    assert set(window.states) == {"state"}


def test_read_gives_an_empty_window_when_the_machine_is_unknown(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 3)))
    windows = store.read(["nobody", "L1-press"], signals=["temperature_c"], start=at(0), end=at(60))
    assert list(windows) == ["nobody", "L1-press"]
    assert len(windows["nobody"]) == 0
    assert windows["nobody"].values["temperature_c"].shape == (0,)
    assert len(windows["L1-press"]) == 3


def test_read_names_the_signals_there_are_when_one_is_unknown(store: TimeSeriesStore) -> None:
    with pytest.raises(KeyError, match="No signal humidity on machines of class press; there are current_a, good"):
        store.read(["L1-press"], signals=["humidity"], start=at(0), end=at(1))


def test_read_takes_each_class_with_its_own_signals_when_machines_differ(store: TimeSeriesStore) -> None:
    store.write(batch(row("L1-press", 0, temperature_c=1.0), row("L1-oven", 0, pressure_bar=2.0)))
    windows = store.read(["L1-press", "L1-oven"], signals=["pressure_bar", "temperature_c"], start=at(0), end=at(1))
    assert list(windows["L1-press"].values) == ["temperature_c"]
    assert windows["L1-oven"].values["pressure_bar"].tolist() == [2.0]


def test_read_brings_readings_onto_the_grid_when_a_step_is_given(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 30)))
    window = store.read(["L1-press"], start=at(0), end=at(50), step=timedelta(seconds=10))["L1-press"]
    assert window.observed_at.tolist() == [START_US + second * 1_000_000 for second in (0, 10, 20, 30, 40)]
    np.testing.assert_array_equal(window.values["temperature_c"], [4.5, 14.5, 24.5, np.nan, np.nan])
    np.testing.assert_array_equal(window.values["good_parts"], [9.0, 19.0, 29.0, np.nan, np.nan])
    assert window.states["state"].tolist() == ["Idle", "Execute", "Idle", None, None]
    assert window.quality.tolist() == [0, 0, 0, Quality.GAP, Quality.GAP]


def test_read_anchors_the_grid_at_the_epoch_when_the_start_is_between_steps(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 30)))
    window = store.read(["L1-press"], start=at(3), end=at(11), step=timedelta(seconds=10))["L1-press"]
    assert window.observed_at.tolist() == [START_US, START_US + 10_000_000]
    assert window.values["temperature_c"].tolist() == [6.0, 10.0]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Aggregation.MIN, 0.0),
        (Aggregation.MAX, 9.0),
        (Aggregation.SUM, 45.0),
        (Aggregation.MEAN, 4.5),
        (Aggregation.LAST, 9.0),
    ],
)
def test_read_aggregates_gauges_when_told_how(store: TimeSeriesStore, how: Aggregation, expected: float) -> None:
    store.write(batch(*series("L1-press", 10)))
    window = store.read(["L1-press"], start=at(0), end=at(10), step=timedelta(seconds=10), aggregation=how)["L1-press"]
    assert window.values["temperature_c"].tolist() == [expected]
    assert window.values["good_parts"].tolist() == [9.0]


def test_read_aggregates_each_signal_its_own_way_when_given_a_mapping(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 10)))
    hows = {"good_parts": Aggregation.MIN, "temperature_c": Aggregation.MAX}
    window = store.read(["L1-press"], start=at(0), end=at(10), step=timedelta(seconds=10), aggregation=hows)["L1-press"]
    assert (window.values["good_parts"].tolist(), window.values["temperature_c"].tolist()) == ([0.0], [9.0])


def test_read_leaves_gaps_as_nan_when_a_message_lacked_the_signal(store: TimeSeriesStore) -> None:
    store.write(
        batch(
            row("L1-press", 0, temperature_c=1.0), row("L1-press", 1, state="Idle"), row("L1-press", 2, current_a=3.0)
        )
    )
    both = store.read(["L1-press"], start=at(0), end=at(3))["L1-press"]
    np.testing.assert_array_equal(both.values["temperature_c"], [1.0, np.nan, np.nan])
    assert both.states["state"].tolist() == [None, "Idle", None]
    one = store.read(["L1-press"], signals=["temperature_c"], start=at(0), end=at(3))["L1-press"]
    assert one.values["temperature_c"].tolist() == [1.0]


def test_write_takes_nan_for_not_reported(store: TimeSeriesStore) -> None:
    receipt = store.write(batch(row("L1-press", 0, temperature_c=float("nan"), current_a=1.0)))
    assert receipt.samples_stored == 1
    window = store.read(["L1-press"], start=at(0), end=at(1))["L1-press"]
    assert np.isnan(window.values["temperature_c"]).all()


def test_read_orders_by_time_when_data_came_late(store: TimeSeriesStore) -> None:
    for first in (20, 0, 10):
        store.write(batch(*series("L1-press", 10, first=first)))
    store.write(batch(row("L1-press", 4.5, temperature_c=4.5, received=500)))
    window = store.read(["L1-press"], start=at(0), end=at(30))["L1-press"]
    assert len(window) == 31
    assert (np.diff(window.observed_at) > 0).all()
    assert (np.diff(window.values["temperature_c"]) > 0).all()
    known_then = store.read(["L1-press"], start=at(0), end=at(30), as_of=at(400))["L1-press"]
    assert len(known_then) == 30


def test_read_keeps_the_quality_of_rows_and_of_steps(store: TimeSeriesStore) -> None:
    store.write(batch(row("L1-press", 0, temperature_c=1.0, quality=32), row("L1-press", 1, temperature_c=2.0)))
    raw = store.read(["L1-press"], start=at(0), end=at(2))["L1-press"]
    step = store.read(["L1-press"], start=at(0), end=at(2), step=timedelta(seconds=10))["L1-press"]
    assert (raw.quality.tolist(), step.quality.tolist()) == ([32, 0], [32])


def test_read_gives_all_of_it_when_there_are_many_batches(store: TimeSeriesStore) -> None:
    for first in range(0, 600, 50):
        store.write(batch(*series("L1-press", 50, first=first), *series("L2-press", 50, first=first, message=50)))
    windows = store.read(["L1-press", "L2-press"], start=at(0), end=at(1000))
    for window in windows.values():
        assert window.values["good_parts"].tolist() == [float(index) for index in range(600)]


def test_close_can_be_called_twice(store: TimeSeriesStore) -> None:
    store.close()
    store.close()


def test_delete_removes_a_machine_in_a_half_open_range_and_lets_it_be_written_again(store: TimeSeriesStore) -> None:
    for first in (0, 10, 20):
        store.write(batch(*series("L1-press", 10, first=first), *series("L2-press", 10, first=first, message=10)))
    store.write(batch(row("L1-press", 12, temperature_c=-5.0, received=99)))
    assert store.delete("L1-press", start=at(10), end=at(15)) == 5
    assert store.delete("nobody", start=at(10), end=at(15)) == 0
    windows = store.read(["L1-press", "L2-press"], start=at(0), end=at(99))
    assert windows["L1-press"].values["good_parts"].tolist() == [*map(float, range(10)), *map(float, range(15, 30))]
    assert len(windows["L2-press"]) == 30
    earlier = store.read(["L1-press"], start=at(10), end=at(15), as_of=at(500))["L1-press"]
    assert len(earlier) == 0
    store.write(batch(*series("L1-press", 5, first=10)))
    assert len(store.read(["L1-press"], start=at(0), end=at(99))["L1-press"]) == 30


def test_read_integrates_over_time_in_each_step(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 21)))
    window = store.read(
        ["L1-press"],
        signals=["temperature_c"],
        start=at(0),
        end=at(20),
        step=timedelta(seconds=10),
        aggregation=Aggregation.INTEGRAL,
    )["L1-press"]
    np.testing.assert_allclose(window.values["temperature_c"] * 3600, [45.0, 145.0])


def test_retain_never_takes_what_is_younger(store: TimeSeriesStore) -> None:
    for first in (0, 1_000):
        store.write(batch(*series("L1-press", 10, first=first)))
    store.retain(at(500))
    window = store.read(["L1-press"], start=at(900), end=at(2_000))["L1-press"]
    assert len(window) == 10


def test_read_tells_how_long_each_state_held_when_asked_for_durations(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 35), row("L1-press", 400, state="Held")))
    window = store.read(
        ["L1-press"], start=at(5), end=at(800), step=timedelta(minutes=1), aggregation={"state": Aggregation.DURATION}
    )["L1-press"]
    idle, execute, held = (window.durations["state"][word] for word in ("Idle", "Execute", "Held"))
    assert sorted(window.durations["state"]) == ["Execute", "Held", "Idle"]
    # 22:13:25 to 22:14:00 has 5 s and 10 s of Idle around 10 s of Execute, then 10 s of Execute
    np.testing.assert_allclose(idle[:2], [15.0, 0.0])
    np.testing.assert_allclose(execute[:2], [20.0, 60.0])
    # the last word of 22:13:54 holds for three periods of 60 s, so until 22:16:54
    np.testing.assert_allclose(execute[2:4], [60.0, 54.0])
    np.testing.assert_allclose([np.nansum(idle), np.nansum(execute), np.nansum(held)], [15.0, 194.0, 180.0])
    assert np.isnan(idle[4:6]).all()
    assert window.states["state"][0] == "Execute"


def test_read_carries_the_last_state_into_the_range(store: TimeSeriesStore) -> None:
    store.write(batch(row("L1-press", 0, state="Idle"), row("L1-press", 100, state="Execute")))
    frame = {"start": at(40), "end": at(160), "step": timedelta(hours=1), "aggregation": Aggregation.DURATION}
    window = store.read(["L1-press", "L2-press"], **frame)
    assert {word: seconds.tolist() for word, seconds in window["L1-press"].durations["state"].items()} == {
        "Execute": [60.0],
        "Idle": [60.0],
    }
    assert window["L2-press"].durations["state"] == {}


def test_read_refuses_durations_of_what_is_no_state(store: TimeSeriesStore) -> None:
    with pytest.raises(ValueError, match=r"Durations are of states; current_a is none. States of this class: state\."):
        store.read(
            ["L1-press"],
            start=at(0),
            end=at(60),
            step=timedelta(minutes=1),
            aggregation={"current_a": Aggregation.DURATION},
        )


def test_one_sample_is_a_store_like_any_other(store: TimeSeriesStore) -> None:
    store.write(batch(row("L1-press", 0, temperature_c=1.0)))
    frame = {"start": at(0), "end": at(0.000001)}
    assert store.read(["L1-press"], **frame)["L1-press"].values["temperature_c"].tolist() == [1.0]
    assert len(store.read(["L1-press"], start=at(-1), end=at(0))["L1-press"]) == 0, "the end is excluded"
    for how in (Aggregation.LAST, Aggregation.MEAN, Aggregation.MIN, Aggregation.MAX, Aggregation.SUM):
        window = store.read(["L1-press"], **frame, step=timedelta(days=1), aggregation=how)["L1-press"]
        assert window.values["temperature_c"].tolist() == [1.0]
    assert [value.value for value in store.last_values()] == [1.0]


def test_read_keeps_ranges_half_open_when_stepped(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 30)))
    window = store.read(
        ["L1-press"], start=at(10), end=at(20), step=timedelta(seconds=10), aggregation=Aggregation.SUM
    )["L1-press"]
    assert window.values["temperature_c"].tolist() == [sum(range(10, 20))]


def test_read_takes_the_revised_value_into_every_aggregation(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 10)))
    store.write(batch(row("L1-press", 9, temperature_c=100.0, received=60), received=11))
    frame = {"start": at(0), "end": at(10), "step": timedelta(seconds=10)}
    hows = {Aggregation.LAST: 100.0, Aggregation.MAX: 100.0, Aggregation.SUM: 136.0, Aggregation.MEAN: 13.6}
    for how, expected in hows.items():
        window = store.read(["L1-press"], **frame, aggregation=how)["L1-press"]
        assert window.values["temperature_c"].tolist() == [pytest.approx(expected)]
    before = store.read(["L1-press"], **frame, aggregation=Aggregation.MAX, as_of=at(30))["L1-press"]
    assert before.values["temperature_c"].tolist() == [9.0]
