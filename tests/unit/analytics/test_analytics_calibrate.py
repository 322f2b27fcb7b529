"""Calibration recovers a known distortion and says when it cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.calibrate import Calibration, calibrated, fit_calibration


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
    assert (fitted.slope, fitted.offset) == (pytest.approx(1.0, abs=0.1), pytest.approx(0.0, abs=0.15))


def test_too_few_failures_are_called_uncalibrated():
    facts = held_out(lambda hazard: 2 * hazard, lives=7)
    assert fit_calibration(**facts, minimum_failures=8) == Calibration(failures=facts["failed"].sum())


@given(slope=st.floats(0.3, 3.0), offset=st.floats(-2.0, 2.0))
def test_calibrated_survival_never_rises(slope, offset):
    curve = np.log(np.linspace(1.0, 0.001, 30))
    changed = calibrated(curve, calibration=Calibration(slope=slope, offset=offset, failures=9, calibrated=True))
    assert (np.diff(changed) <= 0).all()
    assert changed[0] == 0.0
