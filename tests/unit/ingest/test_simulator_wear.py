"""The wear process has the law it states, and is nobody else's business."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.simulator.wear import STEPS_PER_LIFE, Life, advance, damage, new_life, streams


def a_life(*rates_per_h: float) -> Life:
    return Life(wear=[0.0] * len(rates_per_h), rates_per_h=list(rates_per_h), shock_age_h=1e9)


@pytest.mark.parametrize(("hours", "steps"), [(50.0, 1), (2.0, 25), (0.5, 100)])
def test_wear_has_the_stated_mean_and_variance_whatever_the_step(hours: float, steps: int) -> None:
    chance = np.random.default_rng(3)
    reached = []
    for _ in range(1500):
        life = a_life(1.0 / 300.0)
        for _ in range(steps):
            advance(life, chance, hours=hours, load=0.9)
        reached.append(life.wear[0])
    mean = 0.9 * 50.0 / 300.0
    assert np.mean(reached) == pytest.approx(mean, rel=0.02)
    assert np.var(reached) == pytest.approx(mean / STEPS_PER_LIFE, rel=0.12)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.01, 30.0), st.floats(0.0, 1.2))
def test_wear_never_heals(seed: int, hours: float, load: float) -> None:
    chance = np.random.default_rng(seed)
    life = new_life(chance, mean_lives_h=(300.0, 400.0), factor=1.0, mtbf_h=300.0)
    before = list(life.wear)
    advance(life, chance, hours=hours, load=load)
    assert all(after >= earlier for after, earlier in zip(life.wear, before, strict=True))


def test_random_effect_spreads_the_rates_about_the_mean_life() -> None:
    chance = np.random.default_rng(5)
    rates = [new_life(chance, mean_lives_h=(300.0,), factor=1.0, mtbf_h=300.0).rates_per_h[0] for _ in range(4000)]
    assert np.mean(rates) == pytest.approx(1.0 / 300.0, rel=0.02)
    assert np.std(rates) / np.mean(rates) == pytest.approx(0.3, rel=0.06)


def test_failure_names_the_mode_that_passed_one_and_a_shock_is_its_own() -> None:
    chance = np.random.default_rng(1)
    worn = Life(wear=[0.2, 0.999], rates_per_h=[0.001, 0.01], shock_age_h=1e9)
    assert advance(worn, chance, hours=20.0, load=1.0) == 1
    struck = Life(wear=[0.1, 0.1], rates_per_h=[0.001, 0.001], shock_age_h=5.0)
    assert advance(struck, chance, hours=4.0, load=1.0) is None
    assert advance(struck, chance, hours=4.0, load=1.0) == -1


def test_streams_of_a_machine_do_not_depend_on_other_machines_and_differ_from_each_other() -> None:
    first, again, other = (streams(7, name, count=3) for name in ("L1-press", "L1-press", "L1-mill"))
    numbers = [stream.random(5).tolist() for stream in first]
    assert numbers == [stream.random(5).tolist() for stream in again]
    assert numbers[0] != numbers[1]
    assert numbers[0] != other[0].random(5).tolist()


def test_damage_fails_about_when_it_says() -> None:
    ages = []
    for seed in range(40):
        chance = np.random.default_rng(seed)
        life = new_life(chance, mean_lives_h=(300.0, 400.0), factor=1.0, mtbf_h=300.0)
        damage(life, mode=0, wear=0.88, onset_h=2.0, hours_left=18.0)
        while advance(life, chance, hours=0.1, load=1.0) is None:
            assert life.age_h < 60.0
        ages.append(life.age_h)
    assert np.mean(ages) == pytest.approx(20.0, abs=1.5)
    assert 15.0 < min(ages) < max(ages) < 27.0
