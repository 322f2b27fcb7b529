"""A data folder becomes lives: cut where machines failed, faults named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.datafolder import TimeUnit, read_dataset
from plant.errors import ConfigError


def write(folder, readings, failures=None, maintenance=None, toml="", kind="readings.csv"):
    table = pd.DataFrame(readings)
    if kind.endswith("parquet"):
        table.to_parquet(folder / kind)
    else:
        table.to_csv(folder / kind, index=False)
    for name, rows in (("failures.csv", failures), ("maintenance.csv", maintenance)):
        if rows is not None:
            pd.DataFrame(rows).to_csv(folder / name, index=False)
    if toml:
        (folder / "dataset.toml").write_text(toml)
    return folder


def pump(rows=10):
    return {"machine": ["p1"] * rows, "cycle": range(1, rows + 1), "heat": np.arange(rows, dtype=float)}


@pytest.mark.parametrize("kind", ["readings.csv", "readings.csv.gz", "readings.parquet"])
def test_readings_of_any_form_become_a_running_life(tmp_path, kind):
    dataset = read_dataset(write(tmp_path, pump(), kind=kind, toml='name = "pump"\ncycle_h = 2.0\nhorizons = [5]'))
    (life,) = dataset.lives
    assert (life.machine, life.failed, len(life), life.cycle_h, life.row_units) == ("p1", False, 10, 2.0, 1.0)
    assert life.age_units.tolist() == list(range(10))
    assert (dataset.machine_class.name, dataset.unit, dataset.horizons) == ("pump", TimeUnit.CYCLE, (5.0,))
    assert dataset.written[0].tolist() == list(range(1, 11))


def test_failures_and_maintenance_cut_lives(tmp_path):
    folder = write(
        tmp_path,
        pump(),
        failures={"machine": ["p1"], "failed_at": [4], "mode": ["seal"]},
        maintenance={"machine": ["p1"], "maintained_at": [8]},
    )
    lives = read_dataset(folder).lives
    assert [(len(life), life.failed, life.mode) for life in lives] == [
        (4, True, "seal"),
        (3, False, ""),
        (3, False, ""),
    ]
    assert lives[0].values[-1, 0] == 3.0  # the reading at the failure belongs to the life that ended
    assert lives[1].remaining_units.tolist() == [3.0, 2.0, 1.0]  # observed until the maintenance


def test_a_failure_after_the_last_reading_counts_from_its_own_time(tmp_path):
    times = pd.date_range("2026-01-01", periods=6, freq="2h").astype(str)
    readings = {"machine": ["p1"] * 6, "observed_at": times, "heat": range(6)}
    folder = write(tmp_path, readings, failures={"machine": ["p1"], "failed_at": ["2026-01-01T13:00:00"]})
    (life,) = read_dataset(folder).lives
    assert life.failed
    assert life.remaining_units.tolist() == pytest.approx([13, 11, 9, 7, 5, 3])
    assert life.row_units == pytest.approx(2.0)


@given(order=st.permutations(range(8)))
def test_the_order_of_rows_does_not_matter(tmp_path_factory, order):
    table = pd.DataFrame({"machine": list("ababbaba"), "cycle": [1, 1, 2, 2, 3, 3, 4, 4], "heat": range(8)})
    folder = write(tmp_path_factory.mktemp("data"), table.iloc[list(order)])
    assert [life.values[:, 0].tolist() for life in read_dataset(folder).lives] == [[0, 2, 5, 7], [1, 3, 4, 6]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"machine": None}, "a column `machine`"),
        ({"cycle": None}, "a column `cycle` or `observed_at`"),
        ({"heat": None}, "at least one column beside machine and time"),
        ({"heat": ["hot"] * 10}, "text in heat"),
        ({"cycle": [1] * 10}, "9 readings twice, the first of p1 in row 2"),
        (
            {"cycle": ["x", *(f"2026-01-0{day}" for day in range(1, 10))]},
            "1 time that is none, the first 'x' in row 1",
        ),
    ],
)
def test_readings_that_cannot_be_used_are_told(tmp_path, change, words):
    readings = {name: column for name, column in (pump() | change).items() if column is not None}
    with pytest.raises(ConfigError) as refused:
        read_dataset(write(tmp_path, readings))
    assert words in str([str(fault) for fault in refused.value.faults])


def test_faults_of_the_other_files_are_told(tmp_path):
    with pytest.raises(ConfigError, match="no readings"):
        read_dataset(tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        read_dataset(tmp_path / "lost")
    write(tmp_path, pump(), failures={"machine": ["p9"], "failed_at": [4]})
    with pytest.raises(ConfigError, match="'p9'"):
        read_dataset(tmp_path)
    write(tmp_path, pump(), failures={"machine": ["p1"], "when": [4]})
    with pytest.raises(ConfigError, match="failed_at"):
        read_dataset(tmp_path)
    write(tmp_path, pump(), failures={"machine": ["p1"], "failed_at": [4]}, toml='settings = ["load"]\n')
    with pytest.raises(ConfigError, match="settings: found load"):
        read_dataset(tmp_path)
    (tmp_path / "dataset.toml").write_text("horizon = [3]\n")
    with pytest.raises(ConfigError, match="the fields are name, signals"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("line", ["horizons = [-5]", "horizons = [nan]", "mtbf_h = inf", "cycle_h = inf"])
def test_spans_that_are_none_are_refused(tmp_path, line):
    with pytest.raises(ConfigError, match=line.split(" ")[0]):
        read_dataset(write(tmp_path, pump(), toml=line))
