"""A stream says what the whole life says, however it is cut, with gaps, stops and renewals."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from analytics_wearing import PRESS, SIGNALS, SMALL, fleet
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.assess import assess_live
from analytics.lives import Life, Renewal, current_lives
from analytics.normality import Normality, learn_normality
from analytics.normality_settings import NormalitySettings
from analytics.streaming import Stream, compact, memory_for, start
from analytics.training import Model, train
from plant.assets import Signal, SignalKind, SignalRole
from plant.clock import instant, microseconds
from plant.quantities import Quantity
from plant.signals import Window

STEP = timedelta(hours=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STATE = Signal(name="state", quantity=Quantity.DIMENSIONLESS, kind=SignalKind.STATE, role=SignalRole.STATE)
MILL = replace(PRESS, signals=(*PRESS.signals, STATE), assess_step=STEP)
MEMORY = memory_for(SMALL, normality=NormalitySettings())
ROWS = MEMORY.first + MEMORY.last + 200
KINDS = ("maintained", "repaired", "failed")


@pytest.fixture(scope="module")
def model() -> Model:
    trained = train(fleet(1), machine_class=MILL, settings=SMALL, seed=0)
    assert isinstance(trained, Model)
    return trained


@pytest.fixture(scope="module")
def normality() -> Normality:
    learned = learn_normality(fleet(1), settings=NormalitySettings())
    assert isinstance(learned, Normality)
    return learned


def recorded(seed: int) -> Window:
    """Steps of a machine that drifts, stops, falls silent and reports its state only now and then."""
    rng = np.random.default_rng(seed)
    values = rng.normal([2.0, 60.0, 10.0, 0.5], [0.2, 2.0, 0.5, 0.1], size=(ROWS, 4))
    values += np.outer(np.linspace(0, 1, ROWS) ** 3, [2.0, 8.0, 1.0, 0.0])
    values[rng.random((ROWS, 4)) < 0.05] = np.nan
    values[rng.random(ROWS) < 0.03] = np.nan
    stops = rng.random(ROWS) < 0.05
    states = np.where(stops, "Held", "Execute").astype(object)
    states[(rng.random(ROWS) < 0.3) & ~stops] = None
    return Window(
        machine="L1-mill",
        start=BEGIN,
        end=BEGIN + ROWS * STEP,
        step=STEP,
        as_of=None,
        observed_at=microseconds(BEGIN) + np.arange(ROWS, dtype=np.int64) * 3_600_000_000,
        values=dict(zip(SIGNALS, values.T, strict=True)),
        states={"state": states},
        quality=np.zeros(ROWS, dtype=np.uint8),
    )


def up_to(window: Window, rows: int, *, since: int = 0) -> Window:
    part = slice(since, rows)
    return replace(
        window,
        observed_at=window.observed_at[part],
        values={name: column[part] for name, column in window.values.items()},
        states={name: column[part] for name, column in window.states.items()},
        quality=window.quality[part],
    )


def same_risk(streamed: Life, whole: Life, model: Model, normality: Normality) -> None:
    now = BEGIN + ROWS * STEP
    ours, theirs = (
        assess_live([life], model, machine_class=MILL, horizon_h=24.0, now=now, normality=normality)[0]
        for life in (streamed, whole)
    )
    np.testing.assert_allclose(ours.survival, theirs.survival, atol=1e-6)
    for name in ("probability", "age_h", "remaining_life_p10_h", "remaining_life_p50_h", "remaining_life_p90_h"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-6, abs=1e-6), name
    assert (ours.anomaly_p is None) == (theirs.anomaly_p is None)
    assert (ours.anomaly_p or 0.0) == pytest.approx(theirs.anomaly_p or 0.0, rel=1e-5, abs=1e-9)
    assert (ours.assessed_at, ours.enough_data, ours.reason) == (theirs.assessed_at, theirs.enough_data, theirs.reason)
    for one, other in zip(ours.evidence, theirs.evidence, strict=True):
        assert one.signal == other.signal
        assert one.contribution == pytest.approx(other.contribution, abs=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(1, ROWS), min_size=2, max_size=6, unique=True).map(sorted),
    behind=st.integers(0, 8),
    event=st.none() | st.tuples(st.integers(1, ROWS - 1), st.sampled_from(KINDS), st.integers(0, 3_599)),
)
def test_stream_says_what_the_whole_life_says(model, normality, seed, cuts, behind, event) -> None:
    window = recorded(seed)
    happened = []
    if event is not None:
        row, kind, seconds = event
        happened = [Renewal(machine="L1-mill", kind=kind, at=BEGIN + row * STEP + timedelta(seconds=seconds))]
    stream: Stream | None = None
    known: list[Renewal] = []
    begin = 0
    for cut in cuts:
        noted = [each for each in happened if each.at <= instant(int(window.observed_at[cut - 1])) + STEP]
        if stream is None or noted != known:
            stream, known, begin = start("L1-mill", machine_class=MILL, renewals=noted, memory=MEMORY), noted, 0
        seen = up_to(window, cut, since=begin)
        stream.take(seen, until_us=int(window.observed_at[max(cut - behind - 1, 0)]))
        (whole,) = current_lives({"L1-mill": up_to(window, cut)}, machine_class=MILL, renewals=noted)
        streamed = stream.peek(seen)
        assert len(streamed) == min(len(whole), MEMORY.first + MEMORY.last)
        same_risk(streamed, whole, model, normality)
        begin = max(cut - behind - 2, 0)


def test_memory_does_not_grow_with_the_life() -> None:
    window = recorded(1)
    stream = start("L1-mill", machine_class=MILL, renewals=(), memory=MEMORY)
    for cut in range(50, ROWS, 7):
        stream.take(up_to(window, cut), until_us=int(window.observed_at[cut - 1]))
        assert stream.life is not None
        assert len(stream.life) <= MEMORY.first + MEMORY.last + 64


def test_compacting_keeps_the_first_and_the_newest_rows() -> None:
    life = fleet(1)[0]
    memory = replace(MEMORY, first=3, last=5)
    kept = compact(life, memory=memory)
    rows = [0, 1, 2, *range(len(life) - 5, len(life))]
    np.testing.assert_array_equal(kept.values, life.values[rows])
    assert compact(kept, memory=memory) is kept
