"""Labelled readings: read with clear refusals, learned by a classifier, for rows alone and rows in time."""

import numpy as np
import pandas as pd
import pytest

from analytics.datafolder import read_dataset
from analytics.evaluate import average_precision
from analytics.heads import learn_heads, normal_readings, read_heads, write_heads
from analytics.labels_head import LabelHead, explain_label, judge_labels, learn_labels
from analytics.labels_settings import LabelSettings
from analytics.model_settings import ModelSettings
from analytics.scoring import evaluate_dataset, score_dataset
from plant.clock import instant
from plant.errors import ConfigError


def write(folder, readings, labels=None, toml="", failures=None):
    folder.mkdir(exist_ok=True)
    pd.DataFrame(readings).to_csv(folder / "readings.csv", index=False)
    for name, rows in (("labels.csv", labels), ("failures.csv", failures)):
        if rows is not None:
            pd.DataFrame(rows).to_csv(folder / name, index=False)
    if toml:
        (folder / "dataset.toml").write_text(toml)
    return folder


def pump(rows=6):
    return {"machine": ["p1"] * rows, "cycle": range(1, rows + 1), "heat": np.arange(rows, dtype=float)}


def parts(rows=700, seed=1):
    """Rows without time; bad where torque times speed is high."""
    rng = np.random.default_rng(seed)
    torque, speed, heat = rng.uniform(1, 3, rows), rng.uniform(1, 3, rows), rng.normal(size=rows)
    return {"torque": torque, "speed": speed, "heat": heat}, (torque * speed > 5.5).astype(int)


def test_labels_by_time_and_by_row_reach_their_readings(tmp_path):
    by_time = {"machine": ["p1", "p1"], "cycle": [2, 5], "label": [1, 0]}
    (label,) = read_dataset(write(tmp_path / "a", pump(), by_time)).labels
    np.testing.assert_array_equal(label, [np.nan, 1, np.nan, np.nan, 0, np.nan])
    (label,) = read_dataset(write(tmp_path / "b", pump(), {"row": [2], "label": [1]})).labels
    np.testing.assert_array_equal(label, [0, 1, 0, 0, 0, 0])  # only anomalies are listed: all others are normal


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"machine": ["p9"], "cycle": [1], "label": [1]}, "machine 'p9'"),
        ({"machine": ["p1"], "cycle": [99], "label": [1]}, "1 labels without a reading"),
        ({"machine": ["p1"], "cycle": [1], "label": ["bad"]}, "neither, the first 'bad'"),
        ({"machine": ["p1"], "cycle": [1]}, "and `label`"),
        ({"machine": ["p1"], "label": [1]}, "`cycle` or `row`"),
        ({"row": [0], "label": [1]}, "counted from 1 to 6"),
        ({"row": [2, 4, 2], "label": [1, 1, 0]}, "1 readings labelled both 0 and 1, the first in rows 1 and 3"),
    ],
)
def test_labels_that_fit_nothing_are_refused_with_a_sentence(tmp_path, labels, words):
    with pytest.raises(ConfigError) as refused:
        read_dataset(write(tmp_path / "data", pump(), labels))
    assert words in str(refused.value)
    assert "labels.csv" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "toml", "words"),
    [
        ({}, 'signals = ["heat", "flow"]', "no column flow"),
        ({"heat": [np.nan] * 6}, "", "6 rows without a number in heat"),
        ({"cycle": [1, 2, 2, 3, 4, 5]}, "", "1 reading twice, the first of p1 in row 3"),
        ({"cycle": ["1", "2", "soon", "4", "5", "6"]}, "", "times that are none"),
    ],
)
def test_readings_that_cannot_be_used_are_refused_with_a_sentence(tmp_path, change, toml, words):
    with pytest.raises(ConfigError) as refused:
        read_dataset(write(tmp_path / "data", pump() | change, toml=toml))
    assert words in str(refused.value)


def test_one_row_and_times_out_of_order_are_read_as_they_are(tmp_path):
    dataset = read_dataset(write(tmp_path / "one", pump(1)))
    heads, absent = learn_heads(dataset, settings=ModelSettings(), seed=1, progress=lambda *_: None)
    assert heads is None
    assert "normality: 1 normal readings; 60 are needed" in absent
    backwards = pump() | {"cycle": [6, 5, 4, 3, 2, 1]}
    (life,) = read_dataset(write(tmp_path / "back", backwards)).lives
    assert life.values[:, 0].tolist() == [5, 4, 3, 2, 1, 0]


def test_failures_of_rows_without_time_are_refused(tmp_path):
    readings = {"machine": ["p1"] * 6, "row": range(6), "heat": range(6)}
    folder = write(tmp_path / "data", readings, failures={"machine": ["p1"], "failed_at": [3]})
    with pytest.raises(ConfigError, match="rows without a time"):
        read_dataset(folder)


def test_normal_readings_end_where_the_folder_says_or_the_first_anomaly_is(tmp_path):
    listed = {"row": [5], "label": [1]}
    assert len(normal_readings(read_dataset(write(tmp_path / "a", pump(), listed)))[0]) == 4
    said = write(tmp_path / "b", pump(), listed, toml="normal_rows = 3")
    assert len(normal_readings(read_dataset(said))[0]) == 3
    failed = write(tmp_path / "c", pump(100), failures={"machine": ["p1"], "failed_at": [100]})
    assert len(normal_readings(read_dataset(failed))[0]) == 30


def test_rows_without_time_are_classified_by_what_pairs_of_signals_make(tmp_path):
    readings, label = parts()
    folder = write(tmp_path / "data", readings, {"row": np.arange(1, 701), "label": label})
    dataset = read_dataset(folder)
    heads, _ = learn_heads(dataset, settings=ModelSettings(), seed=1, progress=lambda *_: None)
    assert heads is not None
    assert (heads.hazard, heads.normality) == (None, None)
    home = tmp_path / "model"
    write_heads(heads, home=home, created_at=instant(0))
    again = read_heads(home)
    fresh, truth = parts(seed=2)
    unseen = read_dataset(write(tmp_path / "new", fresh, {"row": np.arange(1, 701), "label": truth}))
    table = score_dataset(unseen, heads=again, horizons=())
    assert list(table.columns) == ["machine", "row", "label_probability", "enough_data"]
    assert average_precision(table["label_probability"].to_numpy(), truth == 1) > 0.9
    metrics = evaluate_dataset(unseen, heads=again, horizons=(), cap=1.0)
    assert metrics["label_f1"] > 0.8
    assert sum(part["rows"] for part in metrics["label_reliability"]) == 700
    assert again.labels is not None
    worst = int(table["label_probability"].to_numpy().argmax())
    added = explain_label(unseen.lives[0], head=again.labels, row=worst)
    assert next(iter(added)) in ("torque x speed", "torque", "speed")
    in_time = read_dataset(write(tmp_path / "time", pump()))
    with pytest.raises(ConfigError, match="rows without a time, as the model learned"):
        score_dataset(in_time, heads=again, horizons=())


def test_a_folder_without_failures_gives_an_anomaly_p_value_for_every_row(tmp_path):
    rng = np.random.default_rng(1)
    heat, flow = rng.normal(50, 2, 400), rng.normal(10, 1, 400)
    heat[300:] += 12
    readings = {"machine": "p1", "cycle": np.arange(400), "heat": heat, "flow": flow}
    labels = {"machine": "p1", "cycle": np.arange(400), "label": (np.arange(400) >= 300).astype(int)}
    dataset = read_dataset(write(tmp_path / "data", readings, labels, toml="normal_rows = 250"))
    heads, absent = learn_heads(dataset, settings=ModelSettings(), seed=1, progress=lambda *_: None)
    assert heads is not None
    assert heads.normality is not None
    assert "failure risk: no failure in failures.csv" in absent
    table = score_dataset(dataset, heads=heads, horizons=(), split=True)
    assert table["anomaly_p"].between(0, 1).all()
    assert (table["anomaly_p"].to_numpy()[310:] < 0.01).all()
    assert {"anomaly:heat", "anomaly:flow"} <= set(table.columns)
    metrics = evaluate_dataset(dataset, heads=heads, horizons=(), cap=1.0)
    assert metrics["anomaly_average_precision"] > 0.9
    assert metrics["anomalies_caught"] == 1.0
    short = read_dataset(write(tmp_path / "short", {"machine": "p1", "cycle": [1, 2], "heat": [1.0, 2.0]}))
    with pytest.raises(ConfigError, match="no signal flow"):
        score_dataset(short, heads=heads, horizons=())


def test_labels_in_time_are_learned_and_few_are_an_answer(tmp_path):
    rng = np.random.default_rng(2)
    rows = 400
    heat = rng.normal(size=rows)
    bad = (np.arange(rows) // 50) % 2 == 1
    heat[bad] += 4
    readings = {"machine": "p1", "cycle": np.arange(rows), "heat": heat}
    labels = {"machine": "p1", "cycle": np.arange(rows), "label": bad.astype(int)}
    dataset = read_dataset(write(tmp_path / "data", readings, labels))
    quick = LabelSettings(epochs=10, members=2)
    head = learn_labels(dataset.lives, dataset.labels, in_time=True, settings=quick, seed=1)
    assert isinstance(head, LabelHead)
    assert head.metrics["average_precision"] > 0.9
    assert judge_labels(dataset.lives[0], head=head).shape == (rows,)
    few = learn_labels(dataset.lives, [dataset.labels[0] * 0], in_time=True, settings=quick, seed=1)
    assert few == "0 readings labelled 1 and 400 labelled 0; 20 of each are needed"
