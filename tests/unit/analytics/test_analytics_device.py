"""Training elsewhere than on the CPU mixes no devices. No GPU is here: torch's `meta` device refuses the same mixing.

A tensor there has a shape and no numbers, so that nothing can come back from it; that is where each test ends.
"""

import numpy as np
import pytest
import torch
from analytics_wearing import SMALL

from analytics import labels_training
from analytics.device import training_device
from analytics.fitting import Targets, descend
from analytics.labels_network import LabelNetwork
from analytics.labels_settings import LabelSettings
from analytics.model_settings import ModelSettings
from analytics.network import HazardNetwork

ELSEWHERE = torch.device("meta")
ROWS, FEATURES, BINS = 64, 7, SMALL.bins


def watched(network):
    seen = []
    network.register_forward_pre_hook(lambda _, rows: seen.append(rows[0].device.type))
    return seen


def test_the_cpu_trains_where_there_is_no_gpu():
    assert training_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_hazard_network_is_trained_elsewhere_without_mixing_devices(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: True)  # whether a value is missing is a number too
    network = HazardNetwork(features=FEATURES, knots=4, hidden=(8, 4), bins=BINS, modes=2, members=2, dropout=0.5)
    goal = Targets(
        alive=torch.rand(ROWS, BINS),
        dead=torch.rand(ROWS, BINS),
        life=torch.rand(ROWS),
        life_weights=torch.rand(BINS + 1, 9),
        weight=torch.rand(2, ROWS),
        mode=torch.zeros(ROWS, dtype=torch.int64),
    )
    seen, told = watched(network), []
    with pytest.raises(NotImplementedError, match="no data"):
        descend(
            network,
            torch.rand(ROWS, FEATURES),
            goal,
            settings=ModelSettings(epochs=2),
            rng=np.random.default_rng(0),
            device=ELSEWHERE,
            progress=lambda _share, text: told.append(text),
        )
    assert (set(seen), told) == ({"meta"}, ["pass 1 of 2", "pass 2 of 2"])


def test_the_label_network_is_trained_elsewhere_without_mixing_devices(monkeypatch):
    monkeypatch.setattr(labels_training, "_held_out_loss", lambda *_: 0.0)  # it needs numbers
    network = LabelNetwork(inputs=FEATURES, parts=4, hidden=(8, 4), members=2, dropout=0.1)
    seen, told = watched(network), []
    with pytest.raises(NotImplementedError, match="no data"):
        labels_training.train_network(
            network,
            np.random.default_rng(0).random((ROWS, FEATURES)),
            np.arange(ROWS) % 2.0,
            np.ones(ROWS),
            np.arange(2 * ROWS).reshape(2, ROWS) % 3 == 0,
            settings=LabelSettings(epochs=1),
            rng=np.random.default_rng(0),
            device=ELSEWHERE,
            progress=lambda _share, text: told.append(text),
        )
    assert (set(seen), told) == ({"meta"}, ["labels: pass 1 of 1"])
