"""The normality head: p-values that mean what they say, causal, exact in its parts; saved whole or not loaded."""

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from analytics.evaluate import average_precision, future_leak
from analytics.heads import Heads, read_heads, write_heads
from analytics.lives import Life
from analytics.normality import NoNormality, Normality, episodes, judge_normality, learn_normality
from analytics.normality_evidence import normality_evidence
from analytics.normality_settings import NormalitySettings
from plant.assets import MachineClass, Signal
from plant.clock import instant
from plant.errors import ConfigError
from plant.quantities import Quantity

NAMES = ("heat", "flow", "hum", "load")
PUMP = MachineClass(
    name="pump", signals=tuple(Signal(name=name, quantity=Quantity.DIMENSIONLESS) for name in NAMES), mtbf_h=100.0
)


def running(values, machine="p1"):
    return Life(
        machine=machine,
        machine_class="pump",
        signals=NAMES,
        settings=(),
        observed_at_us=np.arange(len(values), dtype=np.int64) * 3_600_000_000,
        age_units=np.arange(len(values), dtype=float),
        values=values,
        failed=False,
    )


def normal(rows, seed, memory=0.7):
    """Autocorrelated, and the last two signals go together."""
    noise = np.random.default_rng(seed).normal(size=(rows + 50, 4))
    values = lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise, axis=0)[50:]
    values[:, 3] = 0.9 * values[:, 2] + 0.3 * values[:, 3]
    return values * [2.0, 1.0, 5.0, 1.0] + [50.0, 10.0, 0.0, 7.0]


def learned(*lives, **changes):
    found = learn_normality(lives, settings=NormalitySettings(**changes))
    assert isinstance(found, Normality)
    return found


def test_false_alarm_rates_are_as_called_on_autocorrelated_readings():
    rates = {0.1: [], 0.01: []}
    for seed in range(12):
        head = learned(running(normal(800, seed)))
        p = judge_normality(running(normal(4000, 100 + seed)), normality=head).p
        for level, found in rates.items():
            found.append((p <= level).mean())
    assert 0.04 < np.mean(rates[0.1]) < 0.16
    assert 0.001 < np.mean(rates[0.01]) < 0.025


@pytest.mark.parametrize("kind", ["step", "ramp", "together"])
def test_point_and_gradual_faults_and_broken_ties_are_seen(kind):
    values = normal(1200, 3)
    truth = np.arange(1200) >= 800
    if kind == "step":
        values[800:, 0] += 5.0
    elif kind == "ramp":
        values[800:, 1] += np.linspace(0, 4, 400)
    else:
        values[800:, 3] = 7.0 - (values[800:, 3] - 7.0)
    head = learned(running(normal(600, 4)))
    unusual = judge_normality(running(values), normality=head)
    assert average_precision(-unusual.p, truth) > 0.75
    greatest = NAMES[int(unusual.parts[-40:].sum(axis=0).argmax())]
    assert greatest in {"step": ("heat",), "ramp": ("flow",), "together": ("hum", "load")}[kind]


@pytest.mark.parametrize("lives", [1, 4])
def test_scores_rest_on_the_past_only_and_parts_add_up(lives):
    head = learned(*(running(normal(300, seed) + seed, machine=f"p{seed}") for seed in range(lives)))
    life = running(normal(200, 9))
    assert head.own_baseline is (lives > 1)

    def score(part):
        return np.log(judge_normality(part, normality=head).p)

    assert future_leak(score, life, cuts=(1, 7, 60, 150)) < 1e-6
    unusual = judge_normality(life, normality=head)
    np.testing.assert_allclose(unusual.parts.sum(axis=1), unusual.distance, rtol=1e-9)


def test_machines_that_differ_are_compared_with_themselves():
    head = learned(*(running(normal(400, seed) + 10.0 * seed, machine=f"p{seed}") for seed in range(5)))
    p = judge_normality(running(normal(2000, 77) + 200.0), normality=head).p
    assert (p[60:] <= 0.01).mean() < 0.06


def test_missing_readings_raise_no_alarm_and_a_stray_in_training_does_no_harm():
    values = normal(600, 5)
    values[300:302, 0] += 40.0
    head = learned(running(values))
    gappy = normal(1000, 6)
    gappy[::3, 1] = np.nan
    gappy[400:, 2] = np.nan
    assert (judge_normality(running(gappy), normality=head).p <= 0.01).mean() < 0.05
    shifted = normal(300, 7)
    shifted[:, 0] += 20.0
    assert (judge_normality(running(shifted), normality=head).p[20:] <= 0.01).mean() > 0.8


def test_evidence_names_the_signal_in_words():
    values = normal(300, 8)
    values[200:, 0] += 12.0
    head = learned(running(normal(600, 4)))
    life = running(values)
    first = normality_evidence(life, judge_normality(life, normality=head), normality=head, machine_class=PUMP)[0]
    assert first.signal == "heat"
    assert first.share > 0.5
    assert "heat" in first.sentence
    assert "sigma above normal over the last 16 readings" in first.sentence
    assert first.since is not None


def test_too_few_or_constant_readings_are_an_answer():
    few = learn_normality([running(normal(30, 1))], settings=NormalitySettings())
    assert isinstance(few, NoNormality)
    assert "30 normal readings; 60 are needed" in few.reason
    same = learn_normality([running(np.ones((100, 4)))], settings=NormalitySettings())
    assert isinstance(same, NoNormality)
    assert "no signal varies" in same.reason


def test_machines_of_one_reading_each_are_compared_with_one_another():
    many = [running(row[None], machine=f"p{number}") for number, row in enumerate(normal(120, 1))]
    head = learned(*many)
    assert not head.own_baseline
    odd = running(np.array([[9.0, -9.0, 9.0, -9.0]]))
    assert judge_normality(odd, normality=head).p[0] < 0.01


def test_a_saved_head_says_the_same_and_loads_whole_or_not_at_all(tmp_path):
    head = learned(running(normal(300, 1)))
    heads = Heads(machine_class="pump", hazard=None, normality=head, labels=None, version="v1")
    home = tmp_path / "model"
    write_heads(heads, home=home, created_at=instant(0))
    again = read_heads(home)
    assert again.version == "v1"
    assert again.normality is not None
    life = running(normal(100, 2))
    np.testing.assert_array_equal(
        judge_normality(life, normality=again.normality).p, judge_normality(life, normality=head).p
    )
    write_heads(heads, home=home, created_at=instant(0))  # replaces
    (home / "normality.safetensors").unlink()
    with pytest.raises(ConfigError, match="normality"):
        read_heads(home)


def test_episodes_join_what_is_near():
    unusual = np.zeros(300, dtype=bool)
    unusual[[3, 4, 60, 200]] = True
    assert episodes(unusual, quiet_rows=60) == [(3, 60), (200, 200)]


def test_a_reading_is_judged_alike_alone_and_among_other_patterns_of_missing_signals():
    head = learned(running(normal(300, 1)))
    values = normal(60, 2)
    values[np.random.default_rng(3).random(values.shape) < 0.4] = np.nan
    inputs = torch.from_numpy(np.tile(values, 3))
    together = head.network(inputs)
    alone = torch.cat([head.network(inputs[row : row + 1]) for row in range(len(inputs))])
    assert torch.allclose(together, alone, rtol=0, atol=1e-9)
