"""The likelihood, the bins and the survival curve against calculations by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analytics.hazard import (
    bin_edges,
    ensemble_log_survival,
    interpolation,
    log_survival,
    negative_log_likelihood,
    remaining_quantile,
    restricted_mean,
    targets,
)

EDGES = np.array([0.0, 1.0, 2.0, 4.0])


def logit(hazard):
    return float(np.log(hazard / (1 - hazard)))


def test_likelihood_equals_the_hand_computation():
    hazards = torch.tensor([[logit(0.1), logit(0.2), logit(0.4)]] * 4, dtype=torch.float64)
    remaining = np.array([1.5, 2.0, 3.0, 9.0])
    failed = np.array([True, True, False, True])
    survived, died = (torch.tensor(part) for part in targets(remaining, failed, EDGES))
    expected = [
        -np.log(0.9 * 0.2),  # fails in the second bin
        -np.log(0.9 * 0.2),  # at an edge: in the bin that the edge ends
        -np.log(0.9 * 0.8) - 0.5 * np.log(0.6),  # runs on after half of the third bin
        -np.log(0.9 * 0.8 * 0.6),  # fails beyond the last edge: outlived all bins
    ]
    assert negative_log_likelihood(hazards, survived, died).tolist() == pytest.approx(expected)


@given(longest=st.floats(0.01, 1e5), row=st.floats(0.01, 10.0), bins=st.integers(4, 40))
def test_bins_increase_from_zero_and_are_no_narrower_than_a_row(longest, row, bins):
    edges = bin_edges(longest, row=row, bins=bins)
    assert len(edges) == bins + 1
    assert edges[0] == 0.0
    assert np.diff(edges).min() >= row * 0.99
    assert edges[-1] >= longest * (1 - 1e-9)


def test_survival_is_the_product_of_the_bins():
    logits = torch.tensor([[logit(0.1), logit(0.5)]], dtype=torch.float64)
    assert torch.exp(log_survival(logits))[0].tolist() == pytest.approx([1.0, 0.9, 0.45])
    members = torch.tensor([[[logit(0.1)]], [[logit(0.5)]]], dtype=torch.float64)
    assert torch.exp(ensemble_log_survival(members))[0].tolist() == pytest.approx([1.0, math.sqrt(0.9 * 0.5)])


def test_horizons_are_read_off_log_linearly_and_beyond_the_last_edge():
    log_survived = np.log(np.array([1.0, 0.9, 0.72, 0.36]))
    read = np.exp(log_survived @ interpolation([0.5, 1.0, 3.0, 6.0], EDGES))
    assert read.tolist() == pytest.approx([0.9**0.5, 0.9, 0.72 * 0.5**0.5, 0.18])


@given(st.lists(st.floats(0.01, 0.9), min_size=3, max_size=3), st.sampled_from([0.1, 0.5, 0.9]))
def test_quantiles_of_remaining_life_invert_survival(hazards, probability):
    log_survived = np.concatenate([[0.0], np.cumsum(np.log1p(-np.array(hazards)))])[None]
    at = remaining_quantile(log_survived, EDGES, probability=probability, longest=1e9)
    survival = np.exp(log_survived @ interpolation(at, EDGES))
    assert survival.item() == pytest.approx(1 - probability)


def test_quantiles_are_capped():
    assert remaining_quantile(np.zeros((1, 4)), EDGES, probability=0.5, longest=100.0).tolist() == [100.0]


def test_restricted_mean_of_an_exponential_life():
    edges = np.linspace(0.0, 200.0, 101)
    log_survived = (-edges / 50.0)[None]
    assert restricted_mean(log_survived, edges, cap=125.0).item() == pytest.approx(50 * (1 - np.exp(-2.5)), rel=1e-3)
