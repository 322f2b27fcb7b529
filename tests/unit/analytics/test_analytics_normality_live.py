"""The normality head beside the live risk: a machine without failures shows what is unusual, and no more risk."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from analytics_wearing import PRESS, life_of

from analytics.assess import assess
from analytics.normality_live import learn_from_lives, load_normality, with_normality
from plant.risks import Cause, Diagnosis

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def press(rows, seed, *, machine="L1-press", hot=False):
    rng = np.random.default_rng(seed)
    values = np.column_stack(
        [rng.normal(3, 0.3, rows), rng.normal(50, 1, rows), rng.normal(12, 0.5, rows), rng.choice([0.7, 1.0], rows)]
    )
    if hot:
        values[-20:, 1] += 12.0
    return life_of(values, machine=machine, failed=False)


def test_a_machine_without_failures_shows_a_p_value_and_evidence_at_the_same_risk(tmp_path):
    told = learn_from_lives(
        [press(200, 1), press(200, 2, machine="L2-press")], alarms_per_week=0.5, folder=tmp_path, created_at=NOW
    )
    assert told.startswith("normality from")
    normality = load_normality("press", folder=tmp_path)
    assert normality is not None
    quiet, hot = press(150, 3), press(150, 4, hot=True)
    base = assess([quiet, hot], None, machine_class=PRESS, horizon_h=24.0, now=NOW)
    usual, unusual = (
        with_normality(risk, life, normality=normality, machine_class=PRESS, zone=UTC)
        for risk, life in zip(base, (quiet, hot), strict=True)
    )
    assert unusual.probability == base[1].probability  # unusual is not worn
    assert usual.anomaly_p is not None
    assert unusual.anomaly_p is not None
    assert unusual.anomaly_p < 0.001 < usual.anomaly_p
    assert unusual.evidence[0].signal == "temperature_c"
    assert "unlike its normal operation" in unusual.reason
    assert "with 0.5 false alarms a week taken as bearable" in unusual.reason
    assert "unlike" not in usual.reason
    assert usual.unusual_since is None
    assert unusual.unusual_since is not None
    new = Diagnosis(signal="speed", cause=Cause.NEW_REGIME, since=None, sentence="speed never seen")
    moved = replace(base[1], diagnoses=(new,))
    told = with_normality(moved, hot, normality=normality, machine_class=PRESS, zone=UTC)
    assert told.unusual_since is None  # settings never seen are no reason to look at the machine


def test_fewer_bearable_alarms_ask_for_more_evidence(tmp_path):
    levels = []
    for bearable in (1.0, 0.1, 0.001):
        lives = [press(400, 1), press(400, 2, machine="L2-press")]
        learn_from_lives(lives, alarms_per_week=bearable, folder=tmp_path, created_at=NOW)
        normality = load_normality("press", folder=tmp_path)
        assert normality is not None
        assert normality.settings.alarms_per_week == bearable
        levels.append(normality.calibration.alarm_at)
    assert levels[0] < levels[1] < levels[2]


def test_a_class_with_too_few_readings_has_no_normality(tmp_path):
    assert "60 are needed" in learn_from_lives([press(30, 1)], alarms_per_week=1.0, folder=tmp_path, created_at=NOW)
    assert load_normality("press", folder=tmp_path) is None
