"""Features are causal, robust to gaps and equal to their plain definitions."""

from dataclasses import replace

import numpy as np
import pytest
from analytics_wearing import SIGNALS, SMALL, fleet, life_of
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.features import baseline_at, extract, features_of, window_mean
from analytics.lives import truncated
from analytics.model_settings import AgeInput, ModelSettings
from analytics.normalise import fit_normaliser, normalise, usual_values

NORMALISER = fit_normaliser(fleet(1, lives=8), settings=SMALL, seed=0)
LIFE = fleet(2, lives=1)[0]


def column(features, signal, scale, statistic):
    names = features_of(NORMALISER, settings=SMALL)
    index = next(i for i, f in enumerate(names) if (f.signal, f.scale, f.statistic) == (signal, scale, statistic))
    return features[:, index]


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(1, 79), gaps=st.lists(st.tuples(st.integers(0, 79), st.integers(0, 3)), max_size=40))
def test_features_do_not_look_into_the_future(cut, gaps):
    values = LIFE.values[:80].copy()
    for row, signal in gaps:
        values[row, signal] = np.nan
    life = life_of(values)
    whole = extract(life, normaliser=NORMALISER, settings=SMALL)
    part = extract(truncated(life, rows=cut), normaliser=NORMALISER, settings=SMALL)
    np.testing.assert_array_equal(part, whole[:cut])


def test_features_of_chosen_rows_equal_those_of_all_rows():
    whole = extract(LIFE, normaliser=NORMALISER, settings=SMALL)
    rows = [0, 3, 50, len(LIFE) - 1]
    np.testing.assert_array_equal(extract(LIFE, normaliser=NORMALISER, settings=SMALL, rows=rows), whole[rows])
    assert whole.shape[1] == len(features_of(NORMALISER, settings=SMALL))


def test_window_statistics_equal_their_definition():
    features = extract(LIFE, normaliser=NORMALISER, settings=SMALL)
    z = normalise(LIFE, normaliser=NORMALISER)[:, 0]
    centre = baseline_at(z[:, None], rows=np.array([70]), baseline_rows=SMALL.baseline_rows).centre[0, 0]
    window = z[59:71]  # the 12 rows up to row 70
    name = "vibration_mm_s"
    assert column(features, name, "12 rows", "mean")[70] == pytest.approx(window.mean() - centre)
    assert column(features, name, "12 rows", "min")[70] == pytest.approx(window.min() - centre)
    assert column(features, name, "12 rows", "max")[70] == pytest.approx(window.max() - centre)
    scatter = ((window - window.mean()) ** 2).sum()
    assert column(features, name, "12 rows", "spread")[70] == pytest.approx(np.log((scatter + 2) / 14) / 2)
    time = np.arange(12) - 5.5
    slope = 12 * (time * window).sum() / ((time**2).sum() + 12**3 / 120)
    assert column(features, name, "12 rows", "slope")[70] == pytest.approx(slope)
    assert column(features, name, "level", "last")[70] == pytest.approx(z[70] - centre)
    weight = (1 - 2 / 13) ** np.arange(71)[::-1]
    assert column(features, name, "12 rows", "level")[70] == pytest.approx((weight * z[:71]).sum() / weight.sum())


@given(rows=st.integers(1, 12))
def test_baseline_is_the_median_drawn_to_the_class(rows):
    z = np.random.default_rng(3).normal(5.0, 1.0, (30, 2))
    baseline = baseline_at(z, rows=np.array([rows - 1, 29]), baseline_rows=12)
    np.testing.assert_allclose(baseline.centre[0], np.median(z[:rows], axis=0) * rows / (rows + 2))
    np.testing.assert_allclose(baseline.centre[1], np.median(z[:12], axis=0) * 12 / 14)
    assert (baseline.spread > 0).all()


def test_missing_readings_stay_missing_and_others_stay_finite():
    values = LIFE.values.copy()
    values[:, 1] = np.nan
    features = extract(life_of(values), normaliser=NORMALISER, settings=SMALL)
    names = features_of(NORMALISER, settings=SMALL)
    absent = np.array([name.signal == "temperature_c" for name in names])
    assert np.isnan(features[:, absent]).all()
    assert np.isfinite(features[:, ~absent]).all()


def test_settings_effect_is_taken_out():
    life = fleet(4, lives=2)[1]  # vibration does not wear here, but follows the load
    raw, load = life.values[:, 0], life.values[:, 3]
    z = normalise(life, normaliser=NORMALISER)[:, 0]
    assert abs(np.corrcoef(raw, load)[0, 1]) > 0.34
    assert abs(np.corrcoef(z, load)[0, 1]) < 0.2
    usual, sigma = usual_values(life.values, normaliser=NORMALISER)
    np.testing.assert_allclose((raw - usual[:, 0]) / sigma[:, 0], z)


def test_separate_regimes_are_found_and_continuous_settings_are_one():
    assert len(NORMALISER.regimes) == 2  # loads 0.7 and 1.0
    rng = np.random.default_rng(0)
    smooth = [replace(life, values=life.values.copy()) for life in fleet(1, lives=8)]
    for life in smooth:
        life.values[:, 3] = rng.normal(1.0, 0.1, len(life))
    assert len(fit_normaliser(smooth, settings=SMALL, seed=0).regimes) == 1


def test_signals_that_never_change_are_left_out():
    lives = [replace(life, values=life.values.copy()) for life in fleet(1, lives=4)]
    for life in lives:
        life.values[:, 1] = 50.0
        life.values[:, 2] = np.nan
    assert fit_normaliser(lives, settings=SMALL, seed=0).kept == ("vibration_mm_s", "speed_ratio")


def test_other_signals_than_the_model_knows_are_refused():
    with pytest.raises(ValueError, match="L1-press has the signals"):
        normalise(replace(LIFE, signals=("other", *SIGNALS[1:])), normaliser=NORMALISER)


def test_age_is_left_out_on_request():
    settings_without = SMALL.model_copy(update={"age": AgeInput.WITHOUT})
    assert all(feature.signal != "age" for feature in features_of(NORMALISER, settings=settings_without))
    assert extract(LIFE, normaliser=NORMALISER, settings=settings_without).shape[1] == len(
        features_of(NORMALISER, settings=settings_without)
    )


def test_window_mean_ignores_gaps():
    z = np.array([[1.0], [np.nan], [3.0], [np.nan], [np.nan]])
    assert window_mean(z, rows=np.array([2, 3, 4]), scale=2).tolist()[0] == [3.0]
    assert np.isnan(window_mean(z, rows=np.array([4]), scale=2)).all()


def test_scales_must_increase():
    with pytest.raises(ValueError, match="scales_rows must increase"):
        ModelSettings(scales_rows=(8, 4))


def test_the_longest_window_is_there_where_the_age_is_not():
    without = SMALL.model_copy(update={"age": AgeInput.WITHOUT})
    assert (SMALL.windows_rows, without.windows_rows) == ((4, 12, 36), (4, 12, 36, 72))
    names = features_of(NORMALISER, settings=without)
    assert {name.scale for name in names} == {"level", "4 rows", "12 rows", "36 rows", "72 rows"}
    assert extract(LIFE, normaliser=NORMALISER, settings=without).shape[1] == len(names)
