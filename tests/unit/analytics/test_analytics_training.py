"""A model learns what is true, the same way each time, and says so when there is too little."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from analytics_wearing import PRESS, SMALL, fleet, life_of

from analytics.assess import failure_probability, score_life
from analytics.evaluate import average_precision, future_leak
from analytics.hazard import interpolation, remaining_quantile
from analytics.lives import chosen_rows, data_hash
from analytics.model_settings import AgeInput, ModelSettings
from analytics.training import Model, NotTrained, train


@pytest.fixture(scope="module")
def model():
    trained = train(fleet(1), machine_class=PRESS, settings=SMALL, seed=0)
    assert isinstance(trained, Model)
    return trained


def test_risk_of_unseen_lives_ranks_their_ends_first(model):
    probability, happened = [], []
    for life in fleet(99, lives=10):
        probability.append(failure_probability(score_life(life, model=model), model=model, horizon_units=12.0))
        happened.append(life.remaining_units <= 12.0)
    found = average_precision(np.concatenate(probability), np.concatenate(happened))
    assert found > 0.9
    assert model.calibration.calibrated
    assert model.metrics["average_precision"] > 0.8
    assert model.metrics["failures"] == 30


def test_alerts_of_held_out_lives_are_worth_more_than_none(model):
    assert {each.caught + each.missed for each in model.alerts} == {12}  # two members of five parts
    assert min(each.cost for each in model.alerts) < 0.5 * model.alerts[0].never
    caught = [each.caught for each in model.alerts]
    assert caught[0] > 8
    assert all(each.median_lead_h >= each.least_lead_h >= 0 for each in model.alerts if each.caught)


def test_most_unseen_lives_end_within_their_interval(model):
    inside = []
    for life in fleet(96, lives=20):
        log_survived = score_life(life, model=model).log_survived
        low, high = (
            remaining_quantile(log_survived, model.edges, probability=model.calibration.level(share), longest=1000.0)
            for share in (0.1, 0.9)
        )
        inside.append(np.mean((low <= life.remaining_units) & (life.remaining_units <= high)))
    assert 0.65 < np.mean(inside) < 0.95  # nominal 0.8


def test_failure_modes_are_told_apart(model):
    assert model.modes == ("bearing", "heater")
    for life in fleet(98, lives=6):
        mode = score_life(life, model=model, rows=[len(life) - 2]).mode[0]
        assert model.modes[int(mode.argmax())] == life.mode


def test_scores_do_not_look_into_the_future(model):
    life = fleet(97, lives=1)[0]
    leak = future_leak(lambda some: score_life(some, model=model).log_survived, life, cuts=(12, 40, 75))
    assert leak < 1e-6


def test_one_seed_gives_one_model(model):
    again = train(fleet(1), machine_class=PRESS, settings=SMALL, seed=0)
    other = train(fleet(1), machine_class=PRESS, settings=SMALL, seed=1)
    for name, weights in again.network.state_dict().items():
        assert torch.equal(weights, model.network.state_dict()[name])
    assert (again.data_hash, again.metrics) == (model.data_hash, model.metrics)
    assert not torch.equal(other.network.weight_1, model.network.weight_1)


def test_too_few_failures_are_a_reason_not_a_model():
    lives = [replace(life, failed=index < 3) for index, life in enumerate(fleet(1, lives=12))]
    answer = train(lives, machine_class=PRESS, settings=SMALL, seed=0)
    assert isinstance(answer, NotTrained)
    assert answer.failures == 3
    assert "press: 3 failures" in answer.reason


def test_lives_that_show_nothing_are_a_reason_too():
    still = [replace(life, values=np.full_like(life.values, 7.0)) for life in fleet(1, lives=8)]
    answer = train(still, machine_class=PRESS, settings=SMALL.model_copy(update={"age": AgeInput.WITHOUT}), seed=0)
    assert isinstance(answer, NotTrained)
    assert answer.reason == "press: none of 4 signals varies, and the age is left out."


def test_exponential_lives_give_their_constant_hazard():
    rng = np.random.default_rng(2)
    lives = []
    for length in rng.exponential(40.0, 400).round().astype(int) + 1:
        observed = min(length, 60)  # those still running after 60 are censored
        lives.append(life_of(rng.normal(0, 1, (observed, 4)), failed=bool(length <= 60)))
    settings = SMALL.model_copy(update={"age": AgeInput.WITHOUT, "epochs": 3, "minimum_rows": 1, "dropout": (0.5,)})
    model = train(lives, machine_class=PRESS, settings=settings, seed=0)
    scores = [score_life(life, model=model).log_survived for life in lives if len(life) > 10]
    horizons = [5.0, 10.0, 20.0, 40.0]
    survival = np.exp(np.concatenate(scores) @ interpolation(horizons, model.edges)).mean(axis=0)
    np.testing.assert_allclose(survival, np.exp(-np.array(horizons) / 40.0), atol=0.1)


def test_weibull_lives_give_a_hazard_that_rises_with_age():
    rng = np.random.default_rng(3)
    lives = [life_of(rng.normal(0, 1, (int(100 * rng.weibull(4.0)) + 2, 4))) for _ in range(120)]
    model = train(lives, machine_class=PRESS, settings=SMALL.model_copy(update={"minimum_rows": 1}), seed=0)
    ages = np.array([20, 60, 100])
    scores = [score_life(life, model=model, rows=ages) for life in lives if len(life) > 110]
    found = np.array([failure_probability(score, model=model, horizon_units=20.0) for score in scores])  # (life, age)
    truth = 1 - np.exp((ages / 100) ** 4 - ((ages + 20) / 100) ** 4)
    assert (np.diff(found.mean(axis=0)) > 0).all()
    np.testing.assert_allclose(found.mean(axis=0), truth, atol=0.1)


def test_the_age_enters_in_as_many_parts_as_held_out_lives_bear_out():
    rng = np.random.default_rng(4)
    worn = [life_of(rng.normal(0, 1, (int(rng.integers(78, 83)), 4))) for _ in range(40)]  # they end at the same age
    settings = SMALL.model_copy(update={"age_parts": (1, 12)})
    model = train(worn, machine_class=PRESS, settings=settings, seed=0)
    assert model.settings.age_parts in ((1,), (12,))
    alone = {
        parts: train(worn, machine_class=PRESS, settings=settings.model_copy(update={"age_parts": (parts,)}), seed=0)
        for parts in (1, 12)
    }
    losses = {parts: each.metrics["log_loss"] for parts, each in alone.items()}
    assert model.settings.age_parts == (min(losses, key=losses.__getitem__),)
    assert model.metrics["log_loss"] == min(losses.values())


def test_the_dropout_is_the_one_that_held_out_lives_bear_out():
    settings = SMALL.model_copy(update={"dropout": (0.0, 0.8), "epochs": 4})
    losses = {}
    for share in settings.dropout:
        alone = train(fleet(1), machine_class=PRESS, settings=settings.model_copy(update={"dropout": (share,)}), seed=0)
        losses[share] = alone.metrics["log_loss"]
    model = train(fleet(1), machine_class=PRESS, settings=settings, seed=0)
    assert model.settings.dropout == (min(losses, key=losses.__getitem__),)
    assert model.metrics["log_loss"] == min(losses.values())


def test_one_dropout_is_a_choice_of_one():
    assert ModelSettings.model_validate({"dropout": 0.3}).dropout == (0.3,)
    with pytest.raises(ValueError, match="below 1"):
        ModelSettings(dropout=(0.2, 1.0))


def test_training_survives_gaps_in_the_readings():
    rng = np.random.default_rng(4)
    lives = []
    for life in fleet(1, lives=16):
        values = life.values.copy()
        values[rng.random(values.shape) < 0.2] = np.nan
        lives.append(replace(life, values=values))
    model = train(lives, machine_class=PRESS, settings=SMALL.model_copy(update={"epochs": 2}), seed=0)
    assert np.isfinite(score_life(lives[0], model=model).log_survived).all()


def test_progress_rises_to_one():
    seen = []
    settings = SMALL.model_copy(update={"epochs": 2})
    train(fleet(1, lives=8), machine_class=PRESS, settings=settings, seed=0, progress=lambda s, t: seen.append(s))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)


def test_chosen_rows_stand_for_all_rows():
    rows, weight = chosen_rows(5000, most=150)
    assert len(rows) <= 150
    assert weight.sum() == pytest.approx(5000)
    assert {0, 4999} <= set(rows.tolist())
    assert np.diff(rows)[-10:].max() < np.diff(rows)[:10].max()


def test_the_data_hash_sees_every_reading():
    lives = fleet(1, lives=3)
    changed = [replace(life, values=life.values.copy()) for life in lives]
    changed[2].values[5, 1] += 1e-9
    assert data_hash(lives) == data_hash(fleet(1, lives=3)) != data_hash(changed)
