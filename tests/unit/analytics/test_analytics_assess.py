"""Risks are consistent, explained, independent of company, and honest when there is too little."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from analytics_wearing import PRESS, SMALL, fleet, life_of

from analytics.assess import HORIZONS_H, assess, failure_probability, score_life
from analytics.explain import contributions, plain_name, scale_words
from analytics.features import extract
from analytics.lives import truncated
from analytics.training import Model, train
from plant.clock import microseconds

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def model():
    trained = train(fleet(1), machine_class=PRESS, settings=SMALL, seed=0)
    assert isinstance(trained, Model)
    return trained


@pytest.fixture(scope="module")
def running():
    lives = fleet(50, lives=6)
    return [
        truncated(life, rows=round(len(life) * share))
        for life, share in zip(lives, (0.3, 0.5, 0.8, 0.9, 0.97, 0.98), strict=True)
    ]


@pytest.fixture(scope="module")
def risks(model, running):
    return assess(running, model, machine_class=PRESS, horizon_h=12.0, now=NOW)


def test_curves_and_quantiles_are_consistent(risks):
    for risk in risks:
        assert risk.horizons_h == HORIZONS_H
        assert (np.diff(risk.survival) <= 0).all()
        assert risk.probability == pytest.approx(1 - risk.survival[HORIZONS_H.index(12.0)], abs=1e-9)
        assert risk.remaining_life_p10_h <= risk.remaining_life_p50_h <= risk.remaining_life_p90_h
        assert risk.enough_data
    assert risks[0].probability < 0.2 < 0.6 < risks[4].probability


def test_alone_in_company_or_among_all_rows_a_risk_is_the_same(model, running, risks):
    for life, risk in zip(running, risks, strict=True):
        (alone,) = assess([life], model, machine_class=PRESS, horizon_h=12.0, now=NOW)
        np.testing.assert_allclose(alone.survival, risk.survival, atol=1e-9)
        batch = failure_probability(score_life(life, model=model), model=model, horizon_units=12.0)
        assert batch[-1] == pytest.approx(risk.probability, abs=1e-6)


def test_contributions_add_up_to_the_whole(model, running, risks):
    rows = [extract(life, normaliser=model.normaliser, settings=SMALL, rows=[len(life) - 1]) for life in running]
    split = contributions(np.concatenate(rows), model=model, horizon_units=12.0)
    np.testing.assert_allclose(split.parts.sum(axis=1), split.whole, rtol=0.01, atol=1e-6)
    assert len(set(split.groups)) == split.parts.shape[1]
    for risk, whole in zip(risks, split.whole, strict=True):
        assert sum(evidence.contribution for evidence in risk.evidence) == pytest.approx(whole, rel=0.01)
        assert sum(evidence.share for evidence in risk.evidence) == pytest.approx(1.0)


@pytest.mark.parametrize(("which", "signal"), [(4, "vibration_mm_s"), (5, "temperature_c")])
def test_the_worn_signal_leads_the_evidence(risks, which, signal):
    first = risks[which].evidence[0]
    assert first.signal == signal
    assert first.share > 0.4
    assert first.deviation_sigma > 2
    assert first.value > first.baseline
    assert first.since is not None
    assert first.sentence.startswith(signal.split("_")[0])
    assert first.sentence.endswith(f"{first.share:.0%} of the risk".replace("%", " %"))
    assert risks[which].mode == ("bearing" if signal == "vibration_mm_s" else "heater")


def test_since_when_is_told_by_the_plants_clock(model, running):
    horizon = {"machine_class": PRESS, "horizon_h": 12.0, "now": NOW}
    zone = ZoneInfo("Asia/Tokyo")
    told = 0
    recent = [replace(life, observed_at_us=life.observed_at_us + microseconds(NOW)) for life in running]
    universal, local = assess(recent, model, **horizon), assess(recent, model, **horizon, zone=zone)
    for here, there in zip(universal, local, strict=True):
        for one, other in zip(here.evidence, there.evidence, strict=True):
            if one.since is not None:
                told += 1
                assert f" since {one.since:%d %b %H:%M} UTC:" in one.sentence
                assert f" since {one.since.astimezone(zone):%d %b %H:%M}:" in other.sentence
    assert told


def test_too_few_readings_give_the_base_rate_with_the_reason(model, running):
    few = truncated(running[0], rows=4)
    none = truncated(running[0], rows=0)
    first, second, third = assess([few, running[1], none], model, machine_class=PRESS, horizon_h=12.0, now=NOW)
    assert (first.enough_data, second.enough_data, third.enough_data) == (False, True, False)
    assert first.reason.startswith("4 operating readings since the last renewal; 10 are needed")
    assert first.probability == pytest.approx(1 - np.exp(-12 * model.base_rate))
    assert third.assessed_at == NOW
    assert first.evidence == ()


def test_a_machine_that_reports_nothing_the_model_knows_is_not_judged(model):
    (risk,) = assess([life_of(np.full((30, 4), np.nan))], model, machine_class=PRESS, horizon_h=12.0, now=NOW)
    assert not risk.enough_data
    assert "none of the signals" in risk.reason


def test_without_a_model_the_mtbf_speaks(running):
    (risk,) = assess(running[:1], None, machine_class=PRESS, horizon_h=24.0, now=NOW)
    assert not risk.enough_data
    assert risk.probability == pytest.approx(1 - np.exp(-24 / PRESS.mtbf_h))
    assert risk.remaining_life_p50_h == pytest.approx(PRESS.mtbf_h * np.log(2))
    assert "no model of class press yet" in risk.reason


def test_a_sensor_that_went_silent_does_not_silence_the_rest(model, running):
    values = running[4].values.copy()
    values[:, 2] = np.nan
    (risk,) = assess([life_of(values, failed=False)], model, machine_class=PRESS, horizon_h=12.0, now=NOW)
    assert risk.enough_data
    assert np.isfinite(risk.survival).all()
    assert risk.probability > 0.4


def test_no_machines_no_risks(model):
    assert assess([], model, machine_class=PRESS, horizon_h=12.0, now=NOW) == ()


def test_words_for_people():
    assert plain_name("vibration_mm_s", machine_class=PRESS) == ("vibration", " mm/s")
    assert plain_name("temperature_c", machine_class=PRESS) == ("temperature", " °C")
    assert plain_name("sensor_12", machine_class=PRESS) == ("sensor 12", "")
    assert scale_words("3 rows", row_units=1 / 6, cycle_h=1.0) == "30 min"
