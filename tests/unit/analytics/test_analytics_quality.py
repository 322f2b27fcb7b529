"""Flags mark what is doubtful, and nothing else."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from analytics.quality import STUCK_READINGS, flag
from plant.assets import MachineClass, MachineState, Signal, SignalKind, SignalRole
from plant.clock import microseconds
from plant.quantities import Quantity
from plant.signals import Quality, Window

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="vibration", quantity=Quantity.VIBRATION, valid_min=0.0, valid_max=50.0),
        Signal(name="speed", quantity=Quantity.RATIO, role=SignalRole.SETTING),
        Signal(name="good", quantity=Quantity.COUNT, kind=SignalKind.COUNTER, role=SignalRole.GOOD_PARTS),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE, role=SignalRole.STATE),
        Signal(name="maintenance", quantity=Quantity.STATE, kind=SignalKind.EVENT, role=SignalRole.MAINTENANCE),
    ),
)


def window_of(
    values: dict[str, NDArray[np.float64]],
    *,
    minutes: NDArray[np.int64] | None = None,
    state: list[str | None] | None = None,
    step: timedelta | None = None,
) -> Window:
    length = len(next(iter(values.values())))
    at = microseconds(START) + (np.arange(length) if minutes is None else minutes).astype(np.int64) * 60_000_000
    states = {} if state is None else {"state": np.array(state, dtype=object)}
    return Window(
        machine="L1-press",
        start=START,
        end=START + timedelta(minutes=int((at[-1] - at[0]) // 60_000_000) + 1),
        step=step,
        as_of=None,
        observed_at=at,
        values=values,
        states=states,
        quality=np.zeros(length, dtype=np.uint8),
    )


def noise(length: int) -> NDArray[np.float64]:
    return 5.0 + np.random.default_rng(7).normal(0.0, 0.3, length)


def where(flags: NDArray[np.uint8], quality: Quality) -> list[int]:
    return np.flatnonzero(flags & np.uint8(quality)).tolist()


def test_flag_finds_nothing_in_sound_readings() -> None:
    window = window_of({"vibration": noise(500), "good": np.arange(500.0)}, state=["Execute"] * 500)
    flags = flag(window, PRESS)
    assert set(flags) == {"vibration", "speed", "good", "state", "maintenance"}
    assert not flags["vibration"].any()
    assert not flags["good"].any()
    assert not flags["state"].any()
    assert not flags["maintenance"].any()
    assert len(where(flags["speed"], Quality.GAP)) == 496  # never reported: a gap after three periods


def test_flag_marks_values_outside_the_valid_range() -> None:
    vibration = noise(40)
    vibration[[5, 30]] = [-0.1, 50.1]
    assert where(flag(window_of({"vibration": vibration}), PRESS)["vibration"], Quality.OUT_OF_RANGE) == [5, 30]


def test_flag_marks_a_gap_after_three_missing_readings() -> None:
    vibration = noise(40)
    vibration[10:15] = np.nan
    assert where(flag(window_of({"vibration": vibration}), PRESS)["vibration"], Quality.GAP) == [13, 14, 15]


def test_flag_marks_the_reading_that_ends_a_silence() -> None:
    minutes = np.concatenate((np.arange(20), np.arange(50, 70)))
    assert where(flag(window_of({"vibration": noise(40)}, minutes=minutes), PRESS)["vibration"], Quality.GAP) == [20]


def test_flag_marks_empty_steps_of_a_stepped_window() -> None:
    vibration = noise(12)
    vibration[[0, 6]] = np.nan
    window = window_of({"vibration": vibration}, minutes=np.arange(12) * 10, step=timedelta(minutes=10))
    assert where(flag(window, PRESS)["vibration"], Quality.GAP) == [0, 6]


def test_flag_marks_a_stuck_sensor_only_while_running() -> None:
    vibration = noise(100)
    vibration[20 : 20 + STUCK_READINGS] = 4.0
    vibration[60:90] = 0.0
    state: list[str | None] = [MachineState.EXECUTE] * 60 + [MachineState.IDLE] * 30 + [MachineState.EXECUTE] * 10
    flags = flag(window_of({"vibration": vibration, "speed": np.ones(100)}, state=state), PRESS)
    assert where(flags["vibration"], Quality.STUCK) == list(range(20, 20 + STUCK_READINGS))
    assert not flags["speed"].any()  # a setting may stand still


def test_flag_marks_an_outlier_but_not_the_way_back() -> None:
    vibration = noise(100)
    vibration[40] = 30.0
    assert where(flag(window_of({"vibration": vibration}), PRESS)["vibration"], Quality.JUMP) == [40]


def test_flag_accepts_a_jump_that_a_change_of_state_explains() -> None:
    vibration = noise(100)
    vibration[50:] += 20.0
    state: list[str | None] = [MachineState.IDLE] * 50 + [MachineState.EXECUTE] * 50
    assert not flag(window_of({"vibration": vibration}, state=state), PRESS)["vibration"].any()
    assert where(flag(window_of({"vibration": vibration}), PRESS)["vibration"], Quality.JUMP) == [50]


def test_flag_marks_counter_resets_and_impossible_growth() -> None:
    good = np.arange(100.0) * 2
    good[50:] -= good[50]
    good[80:] += 15_500.0
    flags = flag(window_of({"good": good}), PRESS)["good"]
    assert where(flags, Quality.COUNTER_RESET) == [50]
    assert where(flags, Quality.JUMP) == [80]


def test_flag_answers_for_an_empty_window() -> None:
    window = window_of({"vibration": noise(1)})
    empty = Window(
        machine="L1-press",
        start=START,
        end=window.end,
        step=None,
        as_of=None,
        observed_at=np.zeros(0, dtype=np.int64),
        values={},
        states={},
        quality=np.zeros(0, dtype=np.uint8),
    )
    assert all(len(flags) == 0 for flags in flag(empty, PRESS).values())


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, 60, elements=st.floats(allow_nan=True, allow_infinity=False, width=32)),
    arrays(np.float64, 60, elements=st.floats(0, 1e9) | st.just(float("nan"))),
)
def test_flag_never_edits_and_never_raises(vibration: NDArray[np.float64], good: NDArray[np.float64]) -> None:
    before = vibration.copy(), good.copy()
    flags = flag(window_of({"vibration": vibration, "good": good}), PRESS)
    np.testing.assert_array_equal(before[0], vibration)
    np.testing.assert_array_equal(before[1], good)
    assert all(found.dtype == np.uint8 and found.shape == (60,) for found in flags.values())
    outside = (vibration < 0) | (vibration > 50)
    np.testing.assert_array_equal(outside, (flags["vibration"] & np.uint8(Quality.OUT_OF_RANGE)) > 0)
