"""Calibration recovers a known distortion and says when it cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.calibrate import QUANTILES, Calibration, answered, calibrated, conformal_levels, fit_calibration


def held_out(distortion, lives=3000):
    rng = np.random.default_rng(5)
    rate = rng.uniform(0.01, 0.3, lives)
    remaining = rng.exponential(1 / rate)
    edges = np.concatenate([[0.0], np.geomspace(0.5, 2000.0, 40)])
    gone = rng.exponential(60.0, lives)  # observation ends here
    return {
        "log_survived": -distortion(rate[:, None] * edges),
        "edges": edges,
        "remaining": np.minimum(remaining, gone),
        "failed": remaining <= gone,
        "life": np.arange(lives),
        "weight": np.ones(lives),
    }


def test_a_known_distortion_is_undone():
    fitted = fit_calibration(**held_out(lambda hazard: 2.0 * hazard**0.7), minimum_failures=8)
    assert fitted.calibrated
    assert fitted.slope == pytest.approx(1 / 0.7, rel=0.15)
    assert fitted.offset == pytest.approx(-np.log(2) / 0.7, abs=0.2)


def test_true_probabilities_stay_as_they_are():
    fitted = fit_calibration(**held_out(lambda hazard: hazard), minimum_failures=8)
    assert (fitted.slope, fitted.tilt) == (pytest.approx(1.0, abs=0.1), pytest.approx(0.0, abs=0.1))
    assert fitted.offset == pytest.approx(0.0, abs=0.3)


def test_few_failures_correct_a_little_and_are_called_uncalibrated():
    facts = held_out(lambda hazard: 2 * hazard**3, lives=7)
    few, many = (fit_calibration(**held, minimum_failures=8) for held in (facts, held_out(lambda h: 2 * h**3)))
    assert not few.calibrated
    assert many.slope < few.slope < 1.0
    alone = held_out(lambda hazard: hazard, lives=1) | {"failed": np.array([True])}
    assert fit_calibration(**alone, minimum_failures=8) == Calibration(failures=1)


@given(seed=st.integers(0, 100))
def test_rows_that_were_watched_answer_for_those_cut_short(seed):
    rng = np.random.default_rng(seed)
    life, cut = rng.exponential(10.0, 4000), rng.exponential(30.0, 4000)
    horizons = np.array([2.0, 5.0, 10.0])
    counts = answered(np.minimum(life, cut), failed=life <= cut, weight=np.ones(4000), horizons=horizons)
    happened = (life <= cut)[:, None] & (np.minimum(life, cut)[:, None] <= horizons)
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.08)
    np.testing.assert_allclose((counts * happened).mean(axis=0), -np.expm1(-horizons / 10.0), atol=0.04)
    assert (counts[~happened & (np.minimum(life, cut)[:, None] <= horizons)] == 0).all()


@given(slope=st.floats(0.3, 3.0), offset=st.floats(-2.0, 2.0), tilt=st.floats(-1.0, 1.0))
def test_calibrated_survival_never_rises(slope, offset, tilt):
    curve = np.log(np.linspace(1.0, 0.001, 30))
    found = Calibration(slope=slope, offset=offset, tilt=tilt, failures=9, calibrated=True)
    changed = calibrated(curve, edges=np.append(0.0, np.geomspace(0.1, 900.0, 29)), calibration=found)
    assert (np.diff(changed) <= 0).all()
    assert changed[0] == 0.0


def test_near_and_far_risks_are_right_where_rows_are_told_apart_too_surely():
    rng = np.random.default_rng(6)
    lives = 3000
    rate = 0.05 * np.exp(rng.normal(0, 0.5, lives))
    edges = np.concatenate([[0.0], np.geomspace(0.5, 200.0, 30)])
    facts = {
        "log_survived": -edges * 0.05 * (rate[:, None] / 0.05) ** 3,  # three times too sure, in log units
        "edges": edges,
        "remaining": rng.exponential(1 / rate),
        "failed": np.ones(lives, dtype=bool),
        "life": np.arange(lives),
        "weight": np.ones(lives),
    }
    found = fit_calibration(**facts, minimum_failures=8)
    said = -np.expm1(calibrated(facts["log_survived"], edges=edges, calibration=found))[:, 1:].mean(axis=0)
    happened = (facts["remaining"][:, None] <= edges[1:]).mean(axis=0)
    np.testing.assert_allclose(said[8:], happened[8:], rtol=0.12)  # the nearest hold too few failures to compare


def levels_of(reached, failed=None, rows=1):
    lives = len(reached) // rows
    return conformal_levels(
        reached,
        failed=np.ones(len(reached), dtype=bool) if failed is None else failed,
        life=np.repeat(np.arange(lives), rows),
        weight=np.ones(len(reached)),
    )


def test_levels_stay_where_the_curves_are_right():
    assert levels_of(np.linspace(0, 1, 1001)) == pytest.approx(QUANTILES, abs=0.01)


def test_levels_move_outwards_where_the_curves_are_too_sure():
    rng = np.random.default_rng(0)
    _, low, middle, high, _ = levels_of(rng.beta(0.8, 0.8, 2000))
    assert 0.06 < low < 0.09
    assert 0.48 < middle < 0.52
    assert 0.91 < high < 0.94


@pytest.mark.parametrize("lives", [1, 8, 2000])
def test_told_quantiles_never_say_otherwise_than_the_told_risk(lives):
    for reached in (np.full(lives, 1e-6), np.full(lives, 1 - 1e-6)):
        for level, quantile in zip(levels_of(reached), QUANTILES, strict=True):
            assert 0.49 < (level / (1 - level)) / (quantile / (1 - quantile)) < 2.01


def test_a_few_lives_hardly_move_the_levels():
    few, many = levels_of(np.full(3, 0.3)), levels_of(np.full(3000, 0.3))
    assert few == pytest.approx(QUANTILES, abs=0.06)
    assert abs(many[2] - 0.5) > 2 * abs(few[2] - 0.5)


def test_lives_cut_short_do_not_pull_the_levels_down():
    rng = np.random.default_rng(1)
    true, cut = rng.uniform(size=4000), rng.uniform(size=4000)
    levels = levels_of(np.minimum(true, cut), failed=true <= cut)
    assert levels == pytest.approx(QUANTILES, abs=0.06)


def test_a_life_with_many_readings_weighs_like_any_other():
    reached = np.concatenate([np.linspace(0, 1, 99), np.full(900, 0.999)])
    life = np.concatenate([np.arange(99), np.full(900, 99)])
    levels = conformal_levels(reached, failed=np.ones(999, dtype=bool), life=life, weight=np.ones(999))
    assert levels[1:3] == pytest.approx((0.1, 0.5), abs=0.02)


def test_few_lives_widen_the_interval():
    assert levels_of(np.linspace(0.05, 0.95, 10))[3] >= levels_of(np.linspace(0, 1, 1001))[3]


def test_no_life_leaves_the_levels_as_they_are():
    none = np.array([])
    assert conformal_levels(none, failed=none > 0, life=none.astype(int), weight=none) == QUANTILES
