"""A challenger comes into use where it would have cost no more; alerts are counted as people meet them."""

from dataclasses import replace

import numpy as np
import pytest
from analytics_wearing import PRESS, SMALL, fleet
from hypothesis import given
from hypothesis import strategies as st

from analytics.alert_costs import THRESHOLDS, AlertCosts, Judged, alert_outcomes, cost_curve
from analytics.lives import Life
from analytics.promotion import decide_promotion
from analytics.settings import AlarmPolicy
from analytics.training import Model, train

COSTS = AlertCosts(failure=1000.0, check=10.0, planned=100.0)
HOUR_US = 3_600_000_000
QUICKER = SMALL.model_copy(update={"epochs": 5, "members": 1, "rows_per_life": 40})
POLICY = AlarmPolicy(horizon_h=12.0)


def judged(probability: list[float], *, failed: bool, beyond_h: float = 0.0) -> Judged:
    """A row each hour."""
    left = np.arange(len(probability) - 1, -1, -1, dtype=np.float64) + beyond_h
    return Judged(hours_left=left, probability=np.array(probability), failed=failed)


def outcomes(each: Judged):
    return alert_outcomes([each], opens=0.5, closes=0.25, horizon_h=4.0, costs=COSTS)


def test_alert_before_a_failure_catches_it_with_its_lead() -> None:
    found = outcomes(judged([0.1] * 10 + [0.6, 0.3, 0.6, 0.9], failed=True))
    assert (found.caught, found.missed, found.false, found.leads_h, found.cost) == (1, 0, 0, (3.0,), 100.0)


def test_alert_that_comes_too_early_or_never_misses_and_is_false() -> None:
    found = outcomes(judged([0.6, 0.1] + [0.1] * 12, failed=True))
    assert (found.caught, found.missed, found.false, found.cost) == (0, 1, 1, 1010.0)


def test_early_alert_that_stays_open_is_false_and_still_catches() -> None:
    found = outcomes(judged([0.6] * 14, failed=True))
    assert (found.caught, found.false, found.leads_h) == (1, 1, (8.0,))


def test_alert_in_a_life_without_failure_is_false_once_its_horizon_was_outlived() -> None:
    assert outcomes(judged([0.1, 0.6, 0.6, 0.1, 0.1, 0.1, 0.1], failed=False)).false == 1
    assert outcomes(judged([0.1, 0.1, 0.1, 0.1, 0.6, 0.6], failed=False)).false == 0
    assert outcomes(judged([0.1, 0.1, 0.1, 0.1, 0.6, 0.6], failed=False, beyond_h=4.0)).false == 1


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.booleans())
def test_every_failure_is_caught_or_missed_and_the_cost_is_their_sum(probability: list[float], failed: bool) -> None:
    curve = cost_curve([judged(probability, failed=failed)], horizon_h=4.0, costs=COSTS)
    assert tuple(found.threshold for found in curve) == THRESHOLDS
    for found in curve:
        assert found.failures == int(failed)
        assert found.cost == 1000.0 * found.missed + 10.0 * found.false + 100.0 * found.caught


def shifted(lives: list[Life]) -> list[Life]:
    """One life after the other, so that some failures are newer than others."""
    begin, moved = 0, []
    for life in lives:
        moved.append(replace(life, observed_at_us=life.observed_at_us + begin))
        begin = int(moved[-1].observed_at_us[-1]) + HOUR_US
    return moved


def trained(lives: list[Life]) -> Model:
    model = train(lives, machine_class=PRESS, settings=SMALL, seed=0)
    assert isinstance(model, Model)
    return replace(model, version="old")


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    return shifted(fleet(3, lives=14))


@pytest.fixture(scope="module")
def champion(lives: list[Life]) -> Model:
    return trained(lives[:9])


def test_challenger_waits_without_new_failures(lives: list[Life], champion: Model) -> None:
    verdict = decide_promotion(champion, champion, lives[:10], machine_class=PRESS, policy=POLICY)
    assert not verdict.promoted
    assert verdict.reason.startswith("1 new failures since the data of old")


def test_first_model_comes_into_use(lives: list[Life], champion: Model) -> None:
    assert decide_promotion(None, champion, lives, machine_class=PRESS, policy=POLICY).promoted


def test_challenger_replaces_a_champion_that_costs_more(lives: list[Life], champion: Model) -> None:
    blind = replace(champion, calibration=replace(champion.calibration, slope=1.0, offset=-30.0))
    verdict = decide_promotion(blind, replace(champion, settings=QUICKER), lives, machine_class=PRESS, policy=POLICY)
    assert verdict.promoted
    assert "old: 0 of" in verdict.reason


def test_challenger_that_costs_more_waits(lives: list[Life], champion: Model) -> None:
    # the trial learns from noise under the names of the signals, the champion from what they say
    rng = np.random.default_rng(0)
    before = [replace(life, values=rng.normal(size=life.values.shape)) for life in lives[:9]]
    challenger = replace(champion, settings=QUICKER)
    verdict = decide_promotion(champion, challenger, [*before, *lives[9:]], machine_class=PRESS, policy=POLICY)
    assert not verdict.promoted
    assert "failures caught" in verdict.reason
