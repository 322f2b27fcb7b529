"""Did it pay: intervals that hold what is true as often as they say, and honest words where nothing can be said."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from linewright.effect import COST, LEAST_DAYS, Measure, effect_text, measure_effect
from linewright.effect_days import Day


def days(count: int, *, factor: float = 1.0, seed: int = 0) -> list[Day]:
    """Days whose parts vary by a tenth; cost, scrap and energy are the factor times a usual amount per part."""
    chance = np.random.default_rng(seed)
    found = []
    for index in range(count):
        good = float(chance.normal(1000, 100))
        noise = float(chance.normal(1, 0.05))
        found.append(
            Day(
                day=date(2026, 9, 1) + timedelta(days=index),
                stops=float(chance.poisson(0.5 * factor)),
                good=good,
                scrap=0.03 * good * factor,
                energy_kwh=0.6 * good * factor * noise,
                cost=2.0 * good * factor * noise,
                co2_kg=0.15 * good * factor * noise,
            )
        )
    return found


def cost_of(before: Sequence[Day], since: Sequence[Day]) -> Measure:
    return next(m for m in measure_effect(before, since, currency="EUR").measures if m.name == COST)


def test_a_clear_saving_is_told_with_its_interval_and_worth() -> None:
    effect = measure_effect(days(28), days(28, factor=0.9, seed=1), currency="EUR")
    assert effect.sentence.startswith("Did it pay? Yes: cost per good part changed by -1")
    assert "EUR a day" in effect.sentence
    assert {m.verdict for m in effect.measures if "per good part" in m.name} == {"lower"}
    assert "28 days before, 28 days since" in effect_text(effect)


def test_ratios_are_ratios_of_sums() -> None:
    small = replace(days(1)[0], good=10.0, scrap=10.0, cost=1000.0)
    before = [*days(9), small]
    effect = measure_effect(before, days(9), currency="EUR")
    cost = next(m for m in effect.measures if m.name == COST)
    assert cost.before == pytest.approx(sum(d.cost for d in before) / sum(d.good for d in before))


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth, held = -0.05, 0
    for seed in range(60):
        cost = cost_of(days(21, seed=2 * seed), days(21, factor=1 + truth, seed=2 * seed + 1))
        assert cost.low is not None
        assert cost.high is not None
        held += cost.low <= truth <= cost.high
    assert 51 <= held <= 60


def test_no_effect_is_rarely_called_one_and_a_loss_is_said() -> None:
    verdicts = [cost_of(days(21, seed=s), days(21, seed=1000 + s)).verdict for s in range(0, 60, 2)]
    assert verdicts.count("no change shown") >= 25
    loss = measure_effect(days(14), days(14, factor=1.2, seed=5), currency="EUR")
    assert loss.sentence.startswith("Did it pay? No:")


@pytest.mark.parametrize(("before", "since"), [(LEAST_DAYS - 1, 30), (30, LEAST_DAYS - 1), (0, 0), (30, 0)])
def test_too_few_days_are_said_to_be_too_few(before: int, since: int) -> None:
    effect = measure_effect(days(before), days(since), currency="EUR")
    assert "Too few days to say" in effect.sentence
    assert all(m.low is None for m in effect.measures)
    assert effect_text(effect)


def test_nothing_made_is_no_division() -> None:
    idle = [replace(day, good=0.0, scrap=0.0) for day in days(10)]
    effect = measure_effect(idle, idle, currency="EUR")
    assert "cannot be said" in effect.sentence
    assert effect.measures[1].before is None
