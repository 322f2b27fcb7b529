"""Models come back exactly as they were saved, or not at all."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from analytics_wearing import PRESS, SMALL, fleet

from analytics.assess import score_life
from analytics.registry import load_current, load_model, promote, rollback, save_model
from analytics.training import Model, train
from analytics.versions import current_version, versions
from plant.errors import ConfigError

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def model():
    trained = train(fleet(1, lives=10), machine_class=PRESS, settings=SMALL.model_copy(update={"epochs": 2}), seed=0)
    assert isinstance(trained, Model)
    return trained


@pytest.fixture
def saved(model, tmp_path):
    return save_model(model, folder=tmp_path, created_at=AT)


def test_a_loaded_model_says_exactly_the_same(saved, tmp_path):
    loaded = load_model("press", version=saved.version, folder=tmp_path)
    life = fleet(2, lives=1)[0]
    before, after = score_life(life, model=saved), score_life(life, model=loaded)
    np.testing.assert_array_equal(before.log_survived, after.log_survived)
    np.testing.assert_array_equal(before.mode, after.mode)
    assert saved.reliability
    assert loaded.reliability == saved.reliability == versions(tmp_path)[0].reliability
    assert saved.alerts
    assert str(loaded.alerts) == str(saved.alerts) == str(versions(tmp_path)[0].alerts)  # no lead is NaN
    assert (loaded.metrics, loaded.data_hash, loaded.settings) == (saved.metrics, saved.data_hash, saved.settings)
    assert (loaded.data_cut_off, loaded.calibration, loaded.features) == (
        saved.data_cut_off,
        saved.calibration,
        saved.features,
    )


@pytest.mark.parametrize("lost", ["weights.safetensors", "model.json"])
def test_a_version_without_a_file_does_not_load(saved, tmp_path, lost):
    (tmp_path / "press" / saved.version / lost).unlink()
    with pytest.raises(ConfigError, match="train it again"):
        load_model("press", version=saved.version, folder=tmp_path)


@pytest.mark.parametrize("lost", ["calibration", "metrics", "data_cut_off", "data_hash", "seed", "settings"])
def test_a_version_without_a_fact_does_not_load_or_show(saved, tmp_path, lost):
    path = tmp_path / "press" / saved.version / "model.json"
    facts = json.loads(path.read_text())
    del facts[lost]
    path.write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match=f"no {lost}"):
        load_model("press", version=saved.version, folder=tmp_path)
    assert versions(tmp_path) == ()


def test_broken_weights_do_not_load(saved, tmp_path):
    path = tmp_path / "press" / saved.version / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match=r"weights\.safetensors"):
        promote("press", version=saved.version, folder=tmp_path)
    assert current_version("press", folder=tmp_path) is None


def test_a_rollback_to_a_version_without_weights_leaves_the_current_one(model, saved, tmp_path):
    later = save_model(model, folder=tmp_path, created_at=AT)
    promote("press", version=saved.version, folder=tmp_path)
    promote("press", version=later.version, folder=tmp_path)
    (tmp_path / "press" / saved.version / "weights.safetensors").unlink()
    with pytest.raises(ConfigError, match="weights"):
        rollback("press", folder=tmp_path)
    assert current_version("press", folder=tmp_path) == later.version


def test_promotion_and_rollback(model, saved, tmp_path):
    assert load_current("press", folder=tmp_path) is None
    later = save_model(model, folder=tmp_path, created_at=AT)
    assert later.version == f"{saved.version}-2"
    assert rollback("press", folder=tmp_path) is None
    promote("press", version=saved.version, folder=tmp_path)
    promote("press", version=later.version, folder=tmp_path)
    assert load_current("press", folder=tmp_path).version == later.version
    assert rollback("press", folder=tmp_path) == saved.version
    assert [(v.version, v.current) for v in versions(tmp_path, machine_class="press")] == [
        (saved.version, True),
        (later.version, False),
    ]
    assert versions(tmp_path, machine_class="mill") == ()
