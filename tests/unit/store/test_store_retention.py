"""Readings let go, their rollups kept longer, overwritten values pruned: on real folders."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from plant.clock import PlantClock
from plant.signals import Aggregation
from store.embedded.care import back_up, counts, examine, removed, restore
from store.embedded.reader import open_reader
from store.embedded.retention import Removal
from store.embedded.writer import EmbeddedWriter, open_writer
from store.settings import StoreSettings
from tests.contract.batches import PLANT, START_US, at, batch, row, series

DAY_S = 86_400
FIRST_MIDNIGHT = DAY_S - START_US // 1_000_000 % DAY_S
HOURLY = {
    "start": at(-800),  # 22:00
    "end": at(10 * DAY_S),
    "step": timedelta(hours=1),
    "aggregation": {"temperature_c": Aggregation.MEAN, "state": Aggregation.DURATION},
}


def open_at(folder: Path, day: float, **settings: float) -> EmbeddedWriter:
    """A writer whose clock stands so many days after the first midnight."""
    now_us = START_US + round((FIRST_MIDNIGHT + day * DAY_S) * 1_000_000)
    clock = PlantClock(plant_epoch_us=now_us, wall_epoch_us=now_us, speed=0.0)
    return open_writer(folder, plant=PLANT, clock=clock, settings=StoreSettings(unlink_after_s=0.0, **settings))


def fill(store: EmbeddedWriter) -> None:
    """Five days, a reading a minute of one press and one an hour of another."""
    for day in range(5):
        rows = [
            row("L1-press", day * DAY_S + second, temperature_c=float(second % 97), state="Idle", received=day * DAY_S)
            for second in range(0, DAY_S, 60)
        ]
        rows += [row("L2-press", day * DAY_S + second, temperature_c=1.0) for second in range(0, DAY_S, 3600)]
        store.write(batch(*rows))
    store.seal()


def test_readings_go_and_their_rollups_answer_as_before(folder: Path) -> None:
    store = open_at(folder, 4.5)
    fill(store)
    before = store.read(["L1-press", "L2-press"], **HOURLY)
    store.close()
    store = open_at(folder, 4.5, raw_days=2)
    store.seal()
    after = store.read(["L1-press", "L2-press"], **HOURLY)
    for machine, window in after.items():
        np.testing.assert_allclose(window.values["temperature_c"], before[machine].values["temperature_c"])
        assert window.quality.tolist() == before[machine].quality.tolist()
        for word, seconds in before[machine].durations["state"].items():
            np.testing.assert_allclose(window.durations["state"][word], seconds)
    raw = store.read(["L1-press"], start=at(0), end=at(10 * DAY_S))["L1-press"]
    first = (raw.observed_at[0] - START_US) / 1e6 - FIRST_MIDNIGHT - 2 * DAY_S
    assert 0 <= first < 60, "the windows of whole days older than 2.5 days went"
    (gone, *_) = removed(folder)
    assert (gone.what, gone.machine_class, gone.start, gone.rows > 2_900) == (
        Removal.READINGS,
        "press",
        at(0),
        True,
    )
    (press,) = counts(folder)
    assert press.rolled_from is not None
    assert press.rolled_from <= at(0)
    store.close()


def test_rollups_by_the_minute_go_before_those_by_the_hour_and_these_last(folder: Path) -> None:
    store = open_at(folder, 4.5, raw_days=1, minute_days=2, hour_years=1)
    fill(store)
    files = sorted(path.name.rsplit(".", 2)[1] for path in (folder / "rollups" / "press").iterdir())
    assert files.count("3600s") > files.count("60s") > 0
    window = store.read(["L1-press"], **HOURLY)["L1-press"]
    assert np.isnan(window.values["temperature_c"]).sum() == 10 * 24 + 1 - 5 * 24 - 1
    store.close()
    late = open_at(folder, 400, raw_days=1, minute_days=2, hour_years=1)
    late.seal()
    assert np.isnan(late.read(["L1-press"], **HOURLY)["L1-press"].values["temperature_c"]).all()
    assert not list((folder / "rollups" / "press").iterdir())
    assert Removal.ROLLUPS in {entry.what for entry in removed(folder)}
    late.close()


def test_what_comes_late_for_rollups_alone_is_kept_out_of_them_and_goes(folder: Path) -> None:
    store = open_at(folder, 4.5, raw_days=2)
    fill(store)
    before = store.read(["L1-press"], **HOURLY)["L1-press"]
    store.write(batch(*(row("L1-press", second + 0.5, temperature_c=1e6, received=5 * DAY_S) for second in range(99))))
    assert len(store.read(["L1-press"], start=at(0), end=at(99))["L1-press"]) == 99
    store.seal()
    after = store.read(["L1-press"], **HOURLY)["L1-press"]
    np.testing.assert_array_equal(after.values["temperature_c"], before.values["temperature_c"])
    assert len(store.read(["L1-press"], start=at(0), end=at(99))["L1-press"]) == 0
    store.close()


def test_deletion_reaches_into_rollups_that_are_all_that_is_left(folder: Path) -> None:
    store = open_at(folder, 4.5, raw_days=2)
    fill(store)
    assert store.delete("L1-press", start=at(3_600), end=at(9_000)) == 0, "there were no readings any more"
    windows = store.read(["L1-press", "L2-press"], **HOURLY)
    first = windows["L1-press"].values["temperature_c"][:5]
    assert np.isnan(first).tolist() == [False, True, True, False, False]
    assert not np.isnan(windows["L2-press"].values["temperature_c"][:5]).any()
    assert removed(folder)[0].what is Removal.DELETED
    assert removed(folder)[0].machine == "L1-press"
    store.close()


def test_backup_and_check_know_rollups_without_readings(folder: Path, tmp_path: Path) -> None:
    store = open_at(folder, 4.5, raw_days=2)
    fill(store)
    before = store.read(["L1-press"], **HOURLY)["L1-press"].values["temperature_c"]
    store.close()
    back_up(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    restore(tmp_path / "copy", folder)
    reader = open_reader(folder, plant=PLANT)
    np.testing.assert_array_equal(reader.read(["L1-press"], **HOURLY)["L1-press"].values["temperature_c"], before)
    reader.close()
    assert [found for found in examine(folder) if found] == []
    path = min((folder / "rollups" / "press").glob("*.3600s.parquet"))
    path.unlink()
    path.write_bytes(b"PAR1")
    (found,) = [found for found in examine(folder) if found]
    assert path.name in found.file
    store = open_at(folder, 4.5, raw_days=2)
    assert store.set_damaged_aside() == 1
    assert [found for found in examine(folder) if found] == []
    store.close()


def test_overwritten_values_are_pruned_once_they_are_old(folder: Path) -> None:
    store = open_at(folder, 4.5)
    fill(store)
    store.write(batch(*(row("L1-press", second, temperature_c=-1.0, received=9e5) for second in range(0, 6_000, 60))))
    store.compact()
    then = {"start": at(0), "end": at(6_000), "as_of": at(8e5)}
    assert len(store.read(["L1-press"], **then)["L1-press"]) == 100
    store.close()
    store = open_at(folder, 4.5, revisions_days=2)
    store.seal()
    assert [entry.what for entry in removed(folder)] == [Removal.REVISIONS]
    assert removed(folder)[0].rows == 100
    now = store.read(["L1-press"], start=at(0), end=at(6_000))["L1-press"]
    assert now.values["temperature_c"].tolist() == [-1.0] * 100
    assert set(now.states["state"]) == {"Idle"}
    assert len(store.read(["L1-press"], **then)["L1-press"]) == 0
    store.seal()
    assert len(removed(folder)) == 1
    store.close()


def test_retention_of_rollups_cannot_be_shorter_than_of_readings() -> None:
    with pytest.raises(ValidationError, match=r"minute_days \(5 days\) must be no shorter than raw_days \(30 days\)"):
        StoreSettings(raw_days=30, minute_days=5)
    with pytest.raises(ValidationError, match="need raw_days"):
        StoreSettings(hour_years=2)
    assert StoreSettings(raw_days=30, hour_years=0.1).hour_years == 0.1


def test_recent_readings_stay_whatever_the_limits(folder: Path) -> None:
    store = open_at(folder, 0.5, raw_days=1, minute_days=1, hour_years=1)
    store.write(batch(*series("L1-press", 30)))
    store.seal()
    store.compact()
    assert len(store.read(["L1-press"], start=at(0), end=at(99))["L1-press"]) == 30
    assert removed(folder) == []
    store.close()
