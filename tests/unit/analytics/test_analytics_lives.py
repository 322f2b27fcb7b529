"""Lives are cut where machines failed and were renewed, and age only while they operate."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.lives import Renewal, current_lives, lives_from_windows, renewals_in, truncated, watched_signals
from plant.assets import MachineClass, Signal, SignalKind, SignalRole
from plant.clock import instant, microseconds
from plant.quantities import Quantity
from plant.signals import Window

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=10)
MILL = MachineClass(
    name="mill",
    signals=(
        Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
        Signal(name="speed_ratio", quantity=Quantity.RATIO, role=SignalRole.SETTING),
        Signal(name="good_parts", quantity=Quantity.COUNT, kind=SignalKind.COUNTER, role=SignalRole.GOOD_PARTS),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE, role=SignalRole.STATE),
        Signal(name="maintenance", quantity=Quantity.STATE, kind=SignalKind.EVENT, role=SignalRole.MAINTENANCE),
    ),
)
ENGINE = MachineClass(name="engine", signals=(Signal(name="heat", quantity=Quantity.TEMPERATURE),), cycle_h=1.0)


def window(rows, states=None, events=None, step=STEP, **values):
    state = np.array(states if states is not None else ["Execute"] * rows, dtype=object)
    event = np.full(rows, None, dtype=object)
    for row, kind in (events or {}).items():
        event[row] = kind
    return Window(
        machine="L1-mill",
        start=START,
        end=START + rows * STEP,
        step=step,
        as_of=None,
        observed_at=microseconds(START) + np.arange(rows, dtype=np.int64) * 600_000_000,
        values=values or {"vibration_mm_s": np.arange(rows, dtype=float), "speed_ratio": np.ones(rows)},
        states={"state": state, "maintenance": event},
        quality=np.zeros(rows, dtype=np.uint8),
    )


def test_lives_are_cut_at_failures_and_repairs():
    lives = lives_from_windows({"L1-mill": window(20, events={7: "failed", 10: "repaired"})}, machine_class=MILL)
    assert [(len(life), life.failed) for life in lives] == [(8, True), (10, False)]
    assert lives[0].values[-1, 0] == 7.0  # the step in which it failed still belongs to the life
    assert lives[1].values[0, 0] == 10.0
    assert lives[1].age_units[0] == 0.0


def test_maintenance_ends_a_life_without_a_failure():
    lives = lives_from_windows({"L1-mill": window(12, events={5: "maintained"})}, machine_class=MILL)
    assert [(len(life), life.failed) for life in lives] == [(5, False), (7, False)]


def test_recorded_renewals_bring_the_failure_mode():
    renewals = [Renewal(machine="L1-mill", kind="failed", at=START + 5 * STEP, mode="bearing")]
    lives = lives_from_windows({"L1-mill": window(9)}, machine_class=MILL, renewals=renewals)
    assert (lives[0].failed, lives[0].mode, len(lives[0])) == (True, "bearing", 6)
    others = [Renewal(machine="L2-mill", kind="failed", at=START + 5 * STEP)]
    assert len(lives_from_windows({"L1-mill": window(9)}, machine_class=MILL, renewals=others)) == 1


def test_a_life_ages_only_while_the_machine_executes():
    states = ["Execute", None, "Idle", None, "Execute", None, "Held", "Execute", "Execute"]
    (life,) = lives_from_windows({"L1-mill": window(9, states=states)}, machine_class=MILL)
    assert life.age_units.tolist() == pytest.approx([0.0, 1 / 6, 3 / 6, 5 / 6])  # hours of operation
    assert life.remaining_units.tolist() == pytest.approx([5 / 6, 4 / 6, 2 / 6, 0.0])


def test_steps_in_which_a_machine_started_age_it_but_do_not_speak():
    states = ["Execute", None, "Idle", None, "Execute", None, "Held", "Execute", "Execute"]
    (life,) = lives_from_windows({"L1-mill": window(9, states=states)}, machine_class=MILL)
    assert life.values[:, 0].tolist() == [0.0, 1.0, 5.0, 8.0]  # a state holds until the next report


@given(states=st.lists(st.sampled_from(["Execute", "Idle", None]), min_size=1, max_size=40), cut=st.integers(1, 40))
def test_readings_of_a_life_do_not_change_when_more_arrive(states, cut):
    cut = min(cut, len(states))
    (whole,) = lives_from_windows({"L1-mill": window(len(states), states=states)}, machine_class=MILL)
    (begun,) = lives_from_windows({"L1-mill": window(cut, states=states[:cut])}, machine_class=MILL)
    np.testing.assert_array_equal(whole.values[: len(begun)], begun.values)
    np.testing.assert_array_equal(whole.age_units[: len(begun)], begun.age_units)
    np.testing.assert_array_equal(whole.observed_at_us[: len(begun)], begun.observed_at_us)


def test_a_class_without_states_ages_one_unit_a_reading():
    readings = window(5, heat=np.array([1.0, np.nan, 3.0, 4.0, 5.0]), step=None)
    (life,) = lives_from_windows({"L1-mill": readings}, machine_class=ENGINE)
    assert life.age_units.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert life.row_units == 1.0


def test_current_lives_may_be_empty_after_a_renewal():
    lives = current_lives({"L1-mill": window(6, events={3: "failed", 5: "repaired"})}, machine_class=MILL)
    assert [len(life) for life in lives] == [1]
    (empty,) = current_lives(
        {"L1-mill": window(6)},
        machine_class=MILL,
        renewals=[Renewal(machine="L1-mill", kind="maintained", at=START + 9 * STEP)],
    )
    assert len(empty) == 0
    assert empty.remaining_units.shape == (0,)


def test_raw_windows_are_refused_where_operation_is_measured_in_time():
    with pytest.raises(ValueError, match="L1-mill: read it at a step of 0:10:00"):
        lives_from_windows({"L1-mill": window(3, step=None)}, machine_class=MILL)


def test_only_gauges_that_tell_of_condition_are_watched():
    assert [signal.name for signal in watched_signals(MILL)] == ["vibration_mm_s", "speed_ratio"]


def test_events_of_a_window_are_read_in_order():
    events = renewals_in(window(6, events={1: "failed", 2: "cleaned", 4: "repaired"}), machine_class=MILL)
    assert [(event.kind, event.at) for event in events] == [("failed", START + STEP), ("repaired", START + 4 * STEP)]
    assert events[0].at == instant(microseconds(START + STEP))


def test_truncated_lives_have_not_failed_yet():
    life = lives_from_windows({"L1-mill": window(20, events={7: "failed"})}, machine_class=MILL)[0]
    assert (len(truncated(life, rows=4)), truncated(life, rows=4).failed) == (4, False)
    assert truncated(life, rows=99).failed
