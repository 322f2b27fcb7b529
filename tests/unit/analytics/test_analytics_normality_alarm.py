"""Alarms of unusual readings come about as often in normal operation as was said to be bearable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.normality import episodes
from analytics.normality_alarm import DRIFT, alarm_level, alarms, summed_surprise

P = st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=60).map(np.array)


def uniform(rows, seed):
    return np.random.default_rng(seed).uniform(size=rows).clip(1e-12)


@pytest.mark.parametrize(("per_week", "row_h"), [(0.1, 1.0), (0.3, 1.0), (1.0, 1 / 12), (4.0, 1 / 12)])
def test_normal_operation_raises_about_as_many_alarms_as_are_bearable(per_week, row_h):
    level = alarm_level([uniform(10_000, seed) for seed in range(4)], per_week=per_week, row_h=row_h)
    raised = [len(episodes(alarms(uniform(10_000, seed), level=level), quiet_rows=1)) for seed in range(10, 30)]
    found = np.mean(raised) / (10_000 * row_h / 168)
    assert 0.3 * per_week < found < 2.0 * per_week


def test_fewer_bearable_alarms_than_were_ever_seen_still_have_a_level():
    seen = [uniform(500, 1)]
    levels = [alarm_level(seen, per_week=each, row_h=1.0) for each in (1e-4, 1e-2, 1.0, 100.0, 1000.0)]
    assert levels == sorted(levels, reverse=True)
    assert np.isfinite(levels).all()
    assert levels[0] > summed_surprise(seen[0]).max()
    assert levels[-1] == DRIFT


def test_slow_evidence_adds_up_where_no_single_reading_stands_out():
    level = alarm_level([uniform(5000, 1)], per_week=1.0, row_h=1.0)
    quiet, faint = uniform(200, 2), np.full(60, 0.01)
    stands = alarms(np.concatenate([quiet, faint, uniform(100, 3)]), level=level)
    assert not stands[:200].any()
    assert stands[210:260].all()
    assert not stands[-60:].any()  # and goes when it is over


@given(p=P, more=P, level=st.floats(3.0, 50.0))
def test_alarms_rest_on_the_past_only_and_never_fall_with_more_surprise(p, more, level):
    whole = alarms(np.concatenate([p, more]), level=level)
    np.testing.assert_array_equal(whole[: len(p)], alarms(p, level=level))
    sharper = alarms(np.concatenate([p, more]) ** 2, level=level)
    assert (sharper >= whole).all()
