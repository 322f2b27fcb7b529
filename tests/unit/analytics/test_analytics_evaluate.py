"""The metrics agree with their definitions and with scikit-learn."""

import numpy as np
import pytest
from analytics_wearing import fleet
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from analytics.evaluate import (
    asymmetric_score,
    average_precision,
    brier,
    expected_calibration_error,
    future_leak,
    reliability,
    rmse,
)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=60))
def test_average_precision_equals_scikit_learn(rows):
    probability = np.array([row[0] / 20 for row in rows])
    happened = np.array([row[1] for row in rows])
    if happened.any():
        assert average_precision(probability, happened) == pytest.approx(average_precision_score(happened, probability))
    else:
        assert np.isnan(average_precision(probability, happened))


def test_remaining_life_scores():
    predicted, truth = np.array([10.0, 30.0]), np.array([23.0, 20.0])
    assert asymmetric_score(predicted, truth) == pytest.approx(2 * (np.e - 1))
    assert rmse(predicted, truth) == pytest.approx(np.sqrt((169 + 100) / 2))
    assert rmse(predicted, truth, cap=10.0) == pytest.approx(np.sqrt(400 / 2))


def test_reliability_of_a_coin():
    probability = np.full(10, 0.5)
    happened = np.array([True, False] * 5)
    (only,) = reliability(probability, happened)
    assert (only.predicted, only.observed, only.rows) == (0.5, 0.5, 10)
    assert expected_calibration_error(probability, happened) == 0.0
    assert brier(probability, happened) == 0.25
    assert reliability(probability, happened, least=0.6) == ()


def test_a_score_that_looks_ahead_is_caught():
    life = fleet(1, lives=1)[0]
    assert future_leak(lambda some: np.cumsum(some.values[:, 0]), life, cuts=(5, 40)) == 0.0
    assert future_leak(lambda some: some.values[:, 0] - some.values[:, 0].mean(), life, cuts=(5, 40)) > 0.0
