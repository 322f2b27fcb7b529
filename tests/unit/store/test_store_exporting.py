"""Readings into one file: as they were told, by steps, and how long states held."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plant.clock import PlantClock
from plant.signals import Aggregation
from store.embedded.writer import EmbeddedWriter, open_writer
from store.exporting import Format, export
from tests.contract.batches import PLANT, at, batch, row, series

MACHINES = ["L1-press", "L1-oven"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedWriter]:
    """Two days of one machine, an hour of another."""
    opened = open_writer(tmp_path_factory.mktemp("export") / "site", plant=PLANT, clock=PlantClock())
    opened.write(batch(*series("L1-press", 3_000, step_s=60.0)))
    opened.write(batch(*(row("L1-oven", 60.0 * n, pressure_bar=2.0 + n % 2) for n in range(60))))
    yield opened
    opened.close()


def exported(store: EmbeddedWriter, path: Path, **asked: object) -> pd.DataFrame:
    rows = export(
        store, path, plant=PLANT, machines=MACHINES, signals=None, start=at(0), end=at(180_000), kind=Format.PARQUET,
        **asked,  # type: ignore[arg-type]  # fields by name
    )  # fmt: skip
    found = pd.read_parquet(path)
    assert len(found) == rows
    return found


@pytest.mark.parametrize("step", [timedelta(minutes=10), timedelta(hours=1), timedelta(hours=7), timedelta(days=1)])
@pytest.mark.parametrize("how", [Aggregation.MEAN, Aggregation.MAX, Aggregation.LAST])
def test_steps_in_a_file_are_those_of_one_read_without_the_empty(store, tmp_path, step, how):
    found = exported(store, tmp_path / "steps.parquet", step=step, aggregation=how)
    windows = store.read(MACHINES, start=at(0), end=at(180_000), step=step, aggregation=how)
    for machine, mine in found.groupby("machine"):
        window = windows[machine]
        told = ~np.isnan(window.values["temperature_c" if machine == "L1-press" else "pressure_bar"])
        times = mine["observed_at"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
        assert times.tolist() == window.observed_at[told].tolist()
        for name, values in window.values.items():
            np.testing.assert_array_equal(mine[name].to_numpy(dtype=float), values[told])
    assert set(found["machine"]) == set(MACHINES)


def test_durations_in_a_file_add_up_to_the_time_that_states_held(store, tmp_path):
    found = exported(store, tmp_path / "held.parquet", step=timedelta(hours=1), aggregation=Aggregation.DURATION)
    assert list(found.columns) == ["machine", "observed_at", "signal", "state", "seconds"]
    assert set(found["machine"]) == {"L1-press"}
    window = store.read(
        ["L1-press"], start=at(0), end=at(180_000), step=timedelta(hours=1), aggregation=Aggregation.DURATION
    )["L1-press"]
    for state, seconds in window.durations["state"].items():
        mine = found.loc[found["state"] == state, "seconds"].sum()
        assert mine == pytest.approx(np.nansum(seconds))


def test_durations_without_a_step_are_refused(store, tmp_path):
    with pytest.raises(ValueError, match="name a step"):
        exported(store, tmp_path / "none.parquet", aggregation=Aggregation.DURATION)
    assert not list(tmp_path.iterdir())
