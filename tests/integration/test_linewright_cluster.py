"""Long work on a real Dask cluster of two worker processes: the same results as here, whatever happens to workers."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from dask_cluster import DaskCluster, slow_square

from analytics.lives import data_hash
from analytics.registry import load_model
from analytics.versions import versions
from linewright.cluster import check_cluster, spreading
from linewright.feature_files import write_features
from linewright.findings import Level
from linewright.reading import read_over
from linewright.settings.shell import ClusterSettings
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.simulation import keep_history, make_history
from linewright.training import lives_of_site, train_site
from linewright.wiring import keep_clock, open_records, open_site, open_store
from plant.clock import PlantClock, instant, microseconds
from plant.errors import Unavailable

END = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a month of history, done here."""
    folder = tmp_path_factory.mktemp("months")
    write_template(folder)
    environ = {
        "LINEWRIGHT_SIMULATOR__HISTORY_H": "850",
        "LINEWRIGHT_MODEL__TRAINING_FAILURES": "3",
        "LINEWRIGHT_MODEL__EPOCHS": "2",
    }
    end_us = microseconds(END)
    made = keep_clock(
        open_site(folder, environ=environ), PlantClock(plant_epoch_us=end_us, wall_epoch_us=end_us, speed=0.0)
    )
    with closing(open_records(made)) as records:
        history = make_history(made, until=instant(end_us), progress=lambda _share, _text: None)
        keep_history(made, history, records=records)
    return made


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    """A scheduler without workers yet."""
    made = DaskCluster(tmp_path)
    yield made
    made.close()


def there(site: Site, cluster: DaskCluster, *, timeout_s: float = 30.0) -> Site:
    """The same site with its long work on the cluster."""
    return replace(site, cluster=ClusterSettings(scheduler=cluster.address, timeout_s=timeout_s))


def test_lives_features_and_models_are_equal_here_and_there(site: Site, cluster: DaskCluster, tmp_path: Path) -> None:
    cluster.add_worker()
    cluster.add_worker()
    remote = there(site, cluster)
    with spreading(site) as spread:
        here = lives_of_site(site, spread=spread)
    with spreading(remote) as spread:
        far = lives_of_site(remote, spread=spread)
    assert {name: data_hash(mine) for name, mine in here.items()} == {n: data_hash(mine) for n, mine in far.items()}
    assert sum(map(len, here.values())) > 20
    for where, folder in ((site, tmp_path / "here"), (remote, tmp_path / "there")):
        told = write_features(where, out=folder, only="press", progress=lambda _share, _text: None)
        assert "normalised by these lives" in told[0]
    files = sorted(path.name for path in (tmp_path / "here" / "press").glob("*.parquet"))
    assert files == sorted(path.name for path in (tmp_path / "there" / "press").glob("*.parquet"))
    for name in files:
        one, other = (pd.read_parquet(tmp_path / side / "press" / name) for side in ("here", "there"))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert {"machine", "observed_at", "age", "remaining", "failed", "mode"} < set(one.columns)
    for where in (site, remote):
        (told,) = train_site(where, progress=lambda _share, _text: None, only="press")
        assert "failures in" in told
    made = [each.version for each in versions(site.data / "models", machine_class="press")]
    first, second = (load_model("press", version=version, folder=site.data / "models") for version in made)
    assert first.data_hash == second.data_hash
    for name, weights in first.network.state_dict().items():
        assert torch.equal(weights, second.network.state_dict()[name]), name


def test_reads_of_raw_rows_and_of_steps_are_equal_here_and_there(site: Site, cluster: DaskCluster) -> None:
    cluster.add_worker()
    cluster.add_worker()
    names = [machine.name for machine in site.plant.machines]
    now = site.clock.now()
    with closing(open_store(site)) as store, spreading(there(site, cluster)) as spread:
        for step in (None, timedelta(minutes=10), timedelta(hours=5)):
            whole = store.read(names, start=now - timedelta(days=40), end=now, step=step)
            found = read_over(store, names, start=now - timedelta(days=40), end=now, step=step, spread=spread)
            assert found.keys() == whole.keys()
            for name, window in whole.items():
                np.testing.assert_array_equal(window.observed_at, found[name].observed_at)
                for signal, values in window.values.items():
                    np.testing.assert_array_equal(values, found[name].values[signal])


def test_worker_lost_midway_is_made_up_for_by_the_other(site: Site, cluster: DaskCluster) -> None:
    first = cluster.add_worker()
    cluster.add_worker()
    with spreading(there(site, cluster)) as spread:
        results = spread(slow_square, range(30))
        found = [next(results) for _ in range(4)]
        first.kill()
        found += list(results)
    assert [square for square, _ in found] == [number**2 for number in range(30)]
    assert {pid for _, pid in found[-10:]} == {cluster.workers[1].pid}


def test_last_worker_lost_is_told_and_so_is_the_scheduler(site: Site, cluster: DaskCluster) -> None:
    worker = cluster.add_worker()
    with spreading(there(site, cluster, timeout_s=2.0)) as spread:
        results = spread(slow_square, range(100))
        next(results)
        worker.kill()
        with pytest.raises(Unavailable, match=r"has no worker left since 2 s\. Nothing was changed; start some"):
            list(results)
    cluster.add_worker()
    with spreading(there(site, cluster, timeout_s=5.0)) as spread:
        results = spread(slow_square, range(100))
        next(results)
        cluster.scheduler.kill()
        with pytest.raises(Unavailable, match=r"The Dask scheduler at .* went away"):
            list(results)


def test_cluster_that_cannot_work_is_told_in_a_sentence(site: Site, cluster: DaskCluster, tmp_path: Path) -> None:
    absent = replace(site, cluster=ClusterSettings(scheduler="tcp://127.0.0.1:1", timeout_s=1.0))
    with (
        pytest.raises(Unavailable, match=r"Cannot reach the Dask scheduler at tcp://127\.0\.0\.1:1"),
        spreading(absent),
    ):
        pass
    idle = there(site, cluster, timeout_s=1.0)
    with (
        pytest.raises(Unavailable, match=r"has no worker \(waited 1 s\)\. Start some with `dask worker"),
        spreading(idle),
    ):
        pass
    cluster.add_worker()
    elsewhere = replace(there(site, cluster), data=tmp_path / "not-mounted")
    with pytest.raises(Unavailable, match=r"does not see .*not-mounted\. Mount the instance"), spreading(elsewhere):
        pass
    (found,) = check_cluster(elsewhere)
    assert (found.level, found.check) == (Level.FAULT, "cluster")
    (found,) = check_cluster(there(site, cluster))
    assert found.level is Level.OK
    assert "1 worker with 1 thread" in found.sentence
    assert not list(check_cluster(site))


def test_worker_without_linewright_is_told_with_what_to_install(
    site: Site, cluster: DaskCluster, tmp_path: Path
) -> None:
    message = "No module named 'linewright'"
    (tmp_path / "linewright.py").write_text(f'raise ModuleNotFoundError("{message}", name="linewright")\n')
    cluster.add_worker(path=tmp_path)
    told = (
        r"A worker of the cluster at tcp://.* cannot do this work \(.*No module named 'linewright'.*\)\. Install Linew"
    )
    with pytest.raises(Unavailable, match=told), spreading(there(site, cluster)):
        pass
