"""The label head inside: inputs that are chosen, borders that are found, parts that add up."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evaluate import average_precision
from analytics.heads import Heads, read_heads, write_heads
from analytics.labels_choice import choose_alike, choose_inputs
from analytics.labels_head import LabelHead, explain_label, judge_labels, learn_labels
from analytics.labels_inputs import inputs_of, label_inputs, pair_inputs
from analytics.labels_network import LabelNetwork, edges_of
from analytics.labels_settings import LabelSettings
from analytics.lives import Life
from plant.clock import instant
from plant.errors import ConfigError

torch.set_num_threads(1)
QUICK = LabelSettings(epochs=16, members=5, hidden=(24, 12), batch_rows=128)
NAMES = ("torque", "speed", "inlet", "outlet")


def life_of(values, *, machine="m1", signals=NAMES):
    rows = len(values)
    return Life(
        machine=machine,
        machine_class="press",
        signals=signals,
        settings=(),
        observed_at_us=np.arange(rows, dtype=np.int64) * 3_600_000_000,
        age_units=np.arange(rows, dtype=np.float64),
        values=values,
        failed=False,
    )


def process(rows=1600, seed=1):
    """Bad where power is high, or where two temperatures differ little; both signals lost now and then."""
    rng = np.random.default_rng(seed)
    torque, speed = rng.uniform(20, 60, rows), rng.uniform(1000, 2000, rows)
    inlet = rng.normal(300, 4, rows)
    outlet = inlet + rng.normal(10, 1, rows)
    bad = (torque * speed > 95_000) | (outlet - inlet < 8.2)
    return np.stack([torque, speed, inlet, outlet], axis=1), bad.astype(np.float64)


@pytest.fixture(scope="module")
def head():
    values, label = process()
    values[::40, 0] = np.nan
    found = learn_labels([life_of(values)], [label], in_time=False, settings=QUICK, seed=1)
    assert isinstance(found, LabelHead)
    return found


def chosen_names(head):
    names = inputs_of(head.signals, head.normaliser)
    return [names[column][0] for column in head.chosen]


def test_pairs_that_make_the_rule_are_chosen_and_the_others_are_not(head):
    assert chosen_names(head)[:4] == list(NAMES)
    pairs = chosen_names(head)[4:]
    assert {"torque x speed", "inlet - outlet"} & set(pairs) == {"torque x speed", "inlet - outlet"}
    assert len(pairs) <= 5


def test_rows_that_were_not_seen_are_told_apart(head):
    values, label = process(seed=2)
    chance = judge_labels(life_of(values), head=head)
    assert average_precision(chance, label > 0.5) > 0.97
    assert abs(chance.mean() - label.mean()) < 0.02


def test_parts_of_an_explanation_add_up_to_the_logit_against_a_normal_row(head):
    values, label = process(seed=3)
    values[0, 0] = np.nan  # a lost sensor has its part too
    life = life_of(values)
    rows = label_inputs(life, None, np.arange(len(life)), chosen=np.array(head.chosen))
    with torch.no_grad():
        logit = head.network(torch.tensor(rows)).mean(dim=0).numpy()
        normal = float(head.network(head.network.healthy[None]).mean())
    for row in (0, *np.flatnonzero(label > 0.5)[:6]):
        whole = head.slope * (logit[row] - normal)
        parts = explain_label(life, head=head, row=int(row))
        assert sum(parts.values()) == pytest.approx(whole, abs=0.01 * max(abs(whole), 1.0))
        assert list(parts.values()) == sorted(parts.values(), reverse=True)


def test_the_pair_behind_a_bad_row_leads_its_explanation(head):
    values, _ = process(seed=4)
    row = values[:1].copy()
    row[0] = [40.0, 1500.0, 300.0, 307.0]  # only the temperatures are wrong
    first = next(iter(explain_label(life_of(row), head=head, row=0)))
    assert first in ("inlet - outlet", "inlet / outlet")  # at 300 K the two say the same


def test_a_head_comes_back_from_its_files_as_it_was_and_one_of_before_is_refused(tmp_path, head):
    heads = Heads(machine_class="press", hazard=None, normality=None, labels=head)
    home = tmp_path / "model"
    write_heads(heads, home=home, created_at=instant(0))
    values, _ = process(seed=5)
    again = read_heads(home).labels
    assert again is not None
    np.testing.assert_array_equal(judge_labels(life_of(values), head=again), judge_labels(life_of(values), head=head))
    facts = home / "labels.json"
    facts.write_text(facts.read_text().replace('"format": 3', '"format": 2'))
    with pytest.raises(ConfigError, match="format 2, this version reads 3"):
        read_heads(home)


def test_an_input_that_drifts_otherwise_in_each_life_is_left_for_one_that_is_alike():
    rng = np.random.default_rng(1)
    life = np.repeat([0, 1, 2], 400)
    near = np.tile(np.arange(400) >= 340, 3).astype(np.float64)
    alike = rng.normal(size=1200) + 1.5 * near
    drifts = rng.normal(size=1200) + near * np.repeat([0.0, -5.0, 5.0], 400)
    apart = rng.normal(size=1200) * (1 + 4 * near)  # further out, on either side
    rows = np.stack([drifts, alike, apart, alike + 0.01 * rng.normal(size=1200)], axis=1)
    found = choose_alike(rows, near, life, least=1, most=4, least_auc=0.6)
    assert 0 not in found
    assert 2 in found
    assert len({1, 3} & set(found.tolist())) == 1  # the two say the same


def test_nothing_useless_is_chosen_beside_what_is_always_seen():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(1500, 30))
    y = (rng.random(1500) < 0.05).astype(np.float64)
    fold = np.arange(1500) % 5
    found = choose_inputs(rows, y, np.ones(1500), fold, always=2, least=2, most=5, bins=24, least_gain=3.0)
    assert found.tolist() == [0, 1]


def test_few_lives_teach_what_is_alike_in_all():
    rng = np.random.default_rng(3)

    def machine(name):
        near = np.arange(600) >= 520
        values = rng.normal(size=(600, 2)) + rng.normal(0, 3, 2)
        values[:, 0] += np.cumsum(rng.normal(0, 0.05, 600))
        values[near, 1] += 3
        return life_of(values, machine=name, signals=("drift", "wear")), near.astype(np.float64)

    learned, unseen = [machine(name) for name in ("a", "b", "c")], machine("d")
    head = learn_labels(
        [life for life, _ in learned], [label for _, label in learned], in_time=True, settings=QUICK, seed=1
    )
    assert isinstance(head, LabelHead)
    assert average_precision(judge_labels(unseen[0], head=head), unseen[1] > 0.5) > 0.8
    added = explain_label(unseen[0], head=head, row=599)
    assert next(iter(added)) == "wear"


def test_what_a_reading_looks_like_does_not_hang_on_what_comes_after_it():
    rng = np.random.default_rng(4)
    lives = [life_of(rng.normal(size=(400, 4)), machine=name) for name in ("a", "b")]
    labels = [(np.arange(400) >= 330).astype(np.float64)] * 2
    head = learn_labels(lives, labels, in_time=True, settings=replace_epochs(2), seed=1)
    assert isinstance(head, LabelHead)
    whole = judge_labels(lives[0], head=head)
    for rows in (1, 60, 250):
        cut = replace(
            lives[0],
            observed_at_us=lives[0].observed_at_us[:rows],
            age_units=lives[0].age_units[:rows],
            values=lives[0].values[:rows],
        )
        np.testing.assert_allclose(judge_labels(cut, head=head), whole[:rows], atol=1e-9)


def replace_epochs(epochs):
    return QUICK.model_copy(update={"epochs": epochs})


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.02, 0.5), st.integers(30, 300))
def test_edges_grow_and_the_encoding_grows_with_the_value(seed, share, rows):
    rng = np.random.default_rng(seed)
    x = np.stack([rng.normal(size=rows), rng.integers(0, 3, rows).astype(float), np.full(rows, 7.0)], axis=1)
    y = (rng.random(rows) < share).astype(np.float64)
    y[:2] = [0, 1]
    edges = edges_of(x, y, np.ones(rows), quantiles=8, borders=4)
    assert (np.diff(edges, axis=1) >= 0).all()
    network = LabelNetwork(inputs=3, parts=edges.shape[1] - 1, hidden=(4, 4), members=2, dropout=0.0)
    network.start(
        torch.tensor(edges), healthy=torch.zeros(3), base_logit=0.0, generator=torch.Generator().manual_seed(1)
    )
    low, high = np.sort(np.stack([x[0], x[-1]]), axis=0)
    parts = network.encode(torch.tensor(np.stack([low, high, np.full(3, np.nan)]))).view(3, 3, -1)
    assert (parts[1] >= parts[0] - 1e-6).all()
    assert parts[2, :, -1].tolist() == [1, 1, 1]  # missing is a part of its own
    assert parts[2, :, :-1].abs().sum() == 0


def test_a_sharp_border_is_an_edge_of_its_input():
    x = np.linspace(0, 100, 2001)[:, None]
    y = ((x[:, 0] > 91.3) & (x[:, 0] < 93.1)).astype(np.float64)
    edges = edges_of(x, y, np.ones(2001), quantiles=4, borders=4)[0]
    assert np.abs(edges - 91.3).min() < 0.06
    assert np.abs(edges - 93.1).min() < 0.06


def test_of_very_many_signals_those_that_foretell_are_looked_at_and_no_pairs():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(600, 50))
    label = (values[:, 17] > 1.3).astype(np.float64)
    life = life_of(values, signals=tuple(f"s{k}" for k in range(50)))
    head = learn_labels([life], [label], in_time=False, settings=replace_epochs(2), seed=1)
    assert isinstance(head, LabelHead)
    assert 17 in head.chosen
    assert len(head.chosen) <= 10
    assert max(head.chosen) < 50
    assert judge_labels(life, head=head)[label > 0.5].mean() > label.mean()


def test_a_division_by_nothing_is_missing():
    rows = pair_inputs(np.array([[1.0, 0.0], [6.0, 3.0]]))
    assert inputs_of(("a", "b"), None)[-1] == ("a / b", "ratio")
    np.testing.assert_array_equal(rows, [[1, 0, 0, 1, np.nan], [6, 3, 18, 3, 2]])
