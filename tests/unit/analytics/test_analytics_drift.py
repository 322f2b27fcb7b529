"""Sensor fault, new regime, drift and wear are told apart, and only wear raises a risk."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from analytics_wearing import PRESS, SMALL, fleet, life_of, wearing_life
from numpy.typing import NDArray

from analytics.assess import assess, assess_live
from analytics.drift import diagnose
from analytics.lives import Life
from analytics.training import Model, train
from plant.risks import Cause, Risk

NOW = datetime(2026, 1, 5, tzinfo=UTC)
HOW = {"machine_class": PRESS, "horizon_h": 24.0, "now": NOW}
SPEED, TEMPERATURE, VIBRATION = 3, 1, 0


@pytest.fixture(scope="module")
def model() -> Model:
    trained = train(fleet(1), machine_class=PRESS, settings=SMALL, seed=0)
    assert isinstance(trained, Model)
    return trained


def young(seed: int, rows: int = 60) -> NDArray[np.float64]:
    """Readings of a machine that does not wear. (time, 4)"""
    rng = np.random.default_rng(seed)
    load = rng.choice([0.7, 1.0], rows // 10 + 1).repeat(10)[:rows]
    own = rng.normal(0, [0.2, 2.0, 0.0])
    still = np.column_stack([2.0 + load, 50 + 10 * load, 20 * load])
    return np.column_stack([still + own + rng.normal(0, [0.3, 1.0, 0.5], (rows, 3)), load])


def live(values: NDArray[np.float64], model: Model) -> Risk:
    return assess_live([life_of(values, failed=False)], model, **HOW)[0]


def unaware(values: NDArray[np.float64], model: Model) -> Risk:
    return assess([life_of(values, failed=False)], model, **HOW)[0]


def test_healthy_machines_get_no_diagnosis(model: Model) -> None:
    risks = [live(young(seed), model) for seed in range(20)]
    assert sum(bool(risk.diagnoses) for risk in risks) <= 1


def test_stuck_sensor_is_a_sensor_fault_and_raises_no_risk(model: Model) -> None:
    values = young(1)
    values[40:, TEMPERATURE] = values[39, TEMPERATURE] + 12.0  # stuck high, which would look like a hot machine
    risk = live(values, model)
    (found,) = risk.diagnoses
    assert (found.signal, found.cause) == ("temperature_c", Cause.SENSOR_FAULT)
    assert "has stood still at" in found.sentence
    assert risk.probability <= live(young(1), model).probability + 0.02
    assert unaware(values, model).probability > risk.probability + 0.1
    assert "temperature_c" not in [each.signal for each in risk.evidence]


def test_unit_mix_up_is_a_sensor_fault_and_raises_no_risk(model: Model) -> None:
    values = young(2)
    values[45:, TEMPERATURE] = values[45:, TEMPERATURE] * 9 / 5 + 32
    risk = live(values, model)
    (found,) = risk.diagnoses
    assert (found.signal, found.cause) == ("temperature_c", Cause.SENSOR_FAULT)
    assert "the same level in degF" in found.sentence
    assert risk.probability <= live(young(2), model).probability + 0.02
    assert unaware(values, model).probability > risk.probability + 0.1


def test_impossible_values_are_a_sensor_fault(model: Model) -> None:
    signals = tuple(replace(each, valid_max=90.0) if each.name == "temperature_c" else each for each in PRESS.signals)
    values = young(3)
    values[40:, TEMPERATURE] += 60.0 + np.random.default_rng(0).normal(0, 5, 20)
    machine_class = replace(PRESS, signals=signals)
    (found,) = assess_live([life_of(values, failed=False)], model, **{**HOW, "machine_class": machine_class})[
        0
    ].diagnoses
    assert found.cause is Cause.SENSOR_FAULT
    assert "is outside what is possible (at most 90 °C)" in found.sentence


def test_new_regime_lets_the_mean_life_speak(model: Model) -> None:
    values = young(4)
    values[40:, SPEED] = 1.6  # a product that runs at a speed never seen, with all that follows from it
    values[40:, :3] += [0.6, 6.0, 12.0]
    risk = live(values, model)
    assert [each.cause for each in risk.diagnoses] == [Cause.NEW_REGIME]
    assert not risk.enough_data
    assert risk.reason.startswith("speed is set to 1.6, which the model has never seen")
    assert risk.probability < unaware(values, model).probability


def test_slow_wear_is_degradation_and_raises_the_risk(model: Model) -> None:
    life = wearing_life(np.random.default_rng(5), mode="bearing")
    late = replace(life, failed=False)
    (risk,) = assess_live([late], model, **HOW)
    worn = [each for each in risk.diagnoses if each.cause is Cause.DEGRADATION]
    assert [each.signal for each in worn] == ["vibration_mm_s"]
    assert "as wear shows" in worn[0].sentence
    assert risk.probability > 0.5
    assert risk.probability == pytest.approx(assess([late], model, **HOW)[0].probability, abs=1e-9)


def test_what_moves_on_all_machines_at_once_is_drift_and_raises_no_risk(model: Model) -> None:
    summer = np.concatenate([np.zeros(40), np.linspace(0, 14, 20)])
    lives: list[Life] = []
    for seed in range(6):
        values = young(10 + seed)
        values[:, TEMPERATURE] += summer
        lives.append(life_of(values, machine=f"L{seed}-press", failed=False))
    together, alone = assess_live(lives, model, **HOW), assess_live(lives[:1], model, **HOW)
    for risk in together:
        assert {each.signal: each.cause for each in risk.diagnoses} == {"temperature_c": Cause.DRIFT}
        assert "machines of the class at once" in risk.diagnoses[0].sentence
    assert alone[0].diagnoses[0].cause is Cause.DEGRADATION
    assert together[0].probability < alone[0].probability


def test_short_lives_are_not_diagnosed(model: Model) -> None:
    (found,) = diagnose(
        [life_of(young(0, rows=25))],
        normaliser=model.normaliser,
        baseline_rows=SMALL.baseline_rows,
        machine_class=PRESS,
    )
    assert found == ()


def test_a_class_may_be_given_signals_and_lose_some_after_the_training(model: Model) -> None:
    late = replace(wearing_life(np.random.default_rng(5), mode="bearing"), failed=False)
    (before,) = assess_live([late], model, **HOW)
    wider = replace(late, signals=("noise", *late.signals), values=np.insert(late.values, 0, 7.0, axis=1))
    assert assess_live([wider], model, **HOW) == (before,)
    narrower = replace(late, signals=late.signals[:1] + late.signals[2:], values=np.delete(late.values, 1, axis=1))
    (after,) = assess_live([narrower], model, **HOW)
    assert after.enough_data
    assert after.probability == pytest.approx(before.probability, abs=0.2)
