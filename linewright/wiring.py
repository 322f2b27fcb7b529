"""Opens what a process needs: the site with its clock, the store, the records, the models."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from linewright.settings.loading import load
from linewright.settings.shell import StoreKind
from linewright.settings.site import Site
from linewright.settings.template import CONFIG_NAME
from plant.clock import PlantClock
from store.embedded.reader import EmbeddedReader, open_reader
from store.records import Records

if TYPE_CHECKING:
    from store.embedded.writer import EmbeddedWriter
    from store.influx.reader import InfluxReader
    from store.influx.writer import InfluxWriter

CLOCK_NAME: Final = "clock.json"
StoreReader: TypeAlias = "EmbeddedReader | InfluxReader"
"""Whatever the site keeps its readings in, to look at."""
Keeper: TypeAlias = "EmbeddedWriter | InfluxWriter"
"""The same, to write."""


def open_site(folder: Path, *, environ: Mapping[str, str]) -> Site:
    """Load the configuration in a folder and put the instance's clock into it.

    The demo runs on a faster clock, which it leaves in the instance's folder so that every process shares it.

    Raises:
        ConfigError: With every fault found.
    """
    site = load(folder / CONFIG_NAME, environ)
    clock_file = site.data / "run" / CLOCK_NAME
    if not clock_file.exists():
        return site
    document = json.loads(clock_file.read_text())
    return replace(site, clock=PlantClock(**document))


def keep_clock(site: Site, clock: PlantClock) -> Site:
    """Set the instance's clock for every process that opens this site from now on."""
    run_folder = site.data / "run"
    run_folder.mkdir(parents=True, exist_ok=True)
    document = {
        "plant_epoch_us": clock.plant_epoch_us,
        "wall_epoch_us": clock.wall_epoch_us,
        "speed": clock.speed,
    }
    temporary = run_folder / f"{CLOCK_NAME}.new"
    temporary.write_text(json.dumps(document))
    temporary.replace(run_folder / CLOCK_NAME)
    return replace(site, clock=clock)


def open_records(site: Site) -> Records:
    """The records of this site. Raises Unavailable where their folder or server cannot be used."""
    return Records(site.records.address(site.data))


def open_store(site: Site) -> StoreReader:
    """A reading store; any number of processes may have one. Raises Unavailable where nothing was ever stored."""
    if site.keeps is StoreKind.EMBEDDED:
        return open_reader(site.data, plant=site.plant)
    from store.influx.reader import InfluxReader

    assert site.influx is not None
    return InfluxReader(site.data, plant=site.plant, settings=site.influx)


def open_keeper(site: Site) -> Keeper:
    """The one writer of the store. Raises Unavailable where another process writes, or folder or server are away."""
    if site.keeps is StoreKind.EMBEDDED:
        from store.embedded.writer import open_writer

        return open_writer(site.data, plant=site.plant, clock=site.clock, settings=site.store)
    from store.influx.writer import InfluxWriter

    assert site.influx is not None
    return InfluxWriter(site.data, plant=site.plant, clock=site.clock, settings=site.influx, sizes=site.store)


def wall_now() -> datetime:
    """Wall time, for what concerns processes and not the plant."""
    return datetime.now(tz=UTC)
