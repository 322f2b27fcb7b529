"""Events and counters of condition are counted between operating readings, alike in batch and in a stream."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.lives import Renewal, current_lives, lives_from_windows, watched_signals, with_signals
from analytics.streaming import Memory, start
from plant.assets import MachineClass, Signal, SignalKind, SignalRole
from plant.clock import microseconds
from plant.quantities import Quantity
from plant.signals import Window

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=10)
FILLER = MachineClass(
    name="filler",
    signals=(
        Signal(name="good_parts", quantity=Quantity.COUNT, kind=SignalKind.COUNTER, role=SignalRole.GOOD_PARTS),
        Signal(name="jams", quantity=Quantity.COUNT, kind=SignalKind.COUNTER),
        Signal(name="error", quantity=Quantity.STATE, kind=SignalKind.EVENT),
        Signal(name="heat", quantity=Quantity.TEMPERATURE),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE, role=SignalRole.STATE),
    ),
)
NAN = float("nan")


def window(jams, errors=(), states=()):
    rows = len(jams)
    return Window(
        machine="L1-filler",
        start=START,
        end=START + rows * STEP,
        step=STEP,
        as_of=None,
        observed_at=microseconds(START) + np.arange(rows, dtype=np.int64) * 600_000_000,
        values={"jams": np.array(jams, dtype=float), "heat": np.full(rows, 40.0)},
        states={
            "error": np.array([*errors, *[None] * (rows - len(errors))], dtype=object),
            "state": np.array([*states, *["Execute"] * (rows - len(states))], dtype=object),
        },
        quality=np.zeros(rows, dtype=np.uint8),
    )


def counts(life, name):
    return life.values[:, life.signals.index(name)].tolist()


def test_what_is_counted_stands_behind_the_gauges_and_production_counters_are_not():
    assert [signal.name for signal in watched_signals(FILLER)] == ["heat", "jams", "error"]


def test_a_counter_becomes_its_growth_through_gaps_and_resets():
    (life,) = lives_from_windows({"m": window([7, 7, NAN, 10, 2, 3])}, machine_class=FILLER)
    assert counts(life, "jams") == [0, 0, 0, 3, 2, 1]


def test_each_step_with_an_event_counts_once():
    (life,) = lives_from_windows({"m": window([0] * 4, errors=[None, "E12", "E7", None])}, machine_class=FILLER)
    assert counts(life, "error") == [0, 1, 1, 0]


def test_what_happened_while_the_machine_stood_is_counted_at_the_next_reading():
    states = ["Execute", "Execute", "Held", "Execute", "Execute"]
    (life,) = lives_from_windows({"m": window([0, 0, 2, 3, 3], states=states)}, machine_class=FILLER)
    assert counts(life, "jams") == [0, 0, 3]  # the step in which it started again does not speak


def test_a_renewed_machine_begins_with_nothing_counted():
    repaired = [Renewal(machine="L1-filler", kind="repaired", at=START + 3 * STEP)]
    windows = {"m": window([0, 1, 2, 9, 10])}
    before, after = lives_from_windows(windows, machine_class=FILLER, renewals=repaired)
    assert (counts(before, "jams"), counts(after, "jams")) == ([0, 1, 1], [0, 1])


@given(
    steps=st.lists(
        st.tuples(
            st.one_of(st.just(NAN), st.integers(0, 9)),
            st.sampled_from([None, "E1"]),
            st.sampled_from(["Execute", "Execute", "Idle"]),
        ),
        min_size=2,
        max_size=30,
    ),
    cut=st.integers(1, 29),
    repaired=st.one_of(st.none(), st.integers(0, 29)),
)
def test_a_stream_counts_what_the_whole_life_counts(steps, cut, repaired):
    jams, errors, states = zip(*steps, strict=True)
    whole = window(list(jams), errors=errors, states=states)
    events = [Renewal(machine="L1-filler", kind="repaired", at=START + repaired * STEP)] if repaired is not None else []
    (expected,) = current_lives({"m": whole}, machine_class=FILLER, renewals=events)
    stream = start("L1-filler", machine_class=FILLER, renewals=events, memory=Memory(first=40, last=40))
    stream.take(whole, until_us=microseconds(START + cut * STEP))
    np.testing.assert_array_equal(stream.peek(whole).values, expected.values)
    np.testing.assert_array_equal(stream.peek(whole).age_units, expected.age_units)


def test_a_life_is_brought_into_the_signals_that_a_model_learned():
    (life,) = lives_from_windows({"m": window([0, 1])}, machine_class=FILLER)
    seen = with_signals(replace(life, settings=("heat",)), signals=("noise", "jams"))
    assert (seen.signals, seen.settings) == (("noise", "jams"), ())
    np.testing.assert_array_equal(seen.values, [[NAN, 0.0], [NAN, 1.0]])
