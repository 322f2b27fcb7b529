"""The simulated plant on this site: its history into the store, its live readings onto the broker."""

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from ingest.publisher import Publisher
from ingest.simulator.checkpoint import load, save
from ingest.simulator.export import export
from ingest.simulator.history import FILTER, History, generate
from ingest.simulator.publish import read_counts, run_live
from ingest.simulator.settings import SimulatorSettings
from ingest.simulator.truth import write
from ingest.simulator.world import World
from linewright.lifecycle import beat
from linewright.settings.site import Site
from linewright.wiring import open_keeper
from plant.errors import ConfigError, Fault, Unavailable
from store.records import Records

log = logging.getLogger(__name__)

COUNTS_NAME: Final = "simulator-counts.json"
TRUTH_NAME: Final = "simulator-truth.jsonl"
WORLD_NAME: Final = "simulator-world.json"
CONNECT_RETRY_S: Final = 2.0

Progress = Callable[[float, str], None]


def make_history(site: Site, *, until: datetime, progress: Progress) -> History:
    """Simulate the history that the site's settings ask for, up to an instant."""
    return generate(
        site.plant,
        products=site.products,
        capabilities=site.capabilities,
        calendar=site.calendar,
        settings=_settings(site),
        until=until,
        progress=progress,
    )


def keep_history(site: Site, history: History, *, records: Records) -> int:
    """Put a history into store and records as if it had been received, and leave its world for live to go on with.

    Returns:
        Readings stored.
    """
    with closing(open_keeper(site)) as writer:
        run = writer.begin_run((FILTER,))
        stored = 0
        for batch in history.batches:
            stored += writer.write(replace(batch, run=run)).stored
        writer.seal()
        writer.end_run(run)
    for renewal in history.renewals:
        records.put_maintenance(renewal.machine, kind=renewal.kind, at=renewal.at, mode=renewal.mode)
    write(site.data / "run" / TRUTH_NAME, history.truth)
    save(history.world, site.data / "run" / WORLD_NAME)
    return stored


def publish_plant(site: Site, *, records: Records, stop: threading.Event) -> None:
    """Publish the simulated plant until told to stop; goes on where history or an earlier run left it."""
    run_folder = site.data / "run"
    world = _world(site, run_folder / WORLD_NAME)
    publisher = Publisher(site.broker, client_id=f"{site.broker.client_id}-simulator")
    reporting = beat(
        "simulate",
        records=records,
        detail=lambda: {"published": read_counts(run_folder / COUNTS_NAME).messages},
        stop=stop,
    )
    while not stop.is_set():
        try:
            publisher.connect()
            break
        except Unavailable as error:
            log.warning("broker_awaited", extra={"reason": str(error)})
            stop.wait(CONNECT_RETRY_S)
    if not stop.is_set():
        run_live(
            world,
            publisher=publisher,
            clock=site.clock,
            stop=stop,
            counts_file=run_folder / COUNTS_NAME,
            truth_file=run_folder / TRUTH_NAME,
            checkpoint_file=run_folder / WORLD_NAME,
        )
    publisher.close()
    reporting.join()


def export_history(site: Site, *, folder: Path) -> str:
    """Write the history as a data folder for other tools; returns a sentence for the terminal."""
    history = make_history(site, until=site.clock.now(), progress=lambda _share, _text: None)
    exported = export(history, folder)
    return f"Wrote {exported.rows} readings, failures.csv, maintenance.csv and truth.jsonl to {folder}."


def _world(site: Site, checkpoint: Path) -> World:
    settings = _settings(site)
    if checkpoint.exists():
        return load(
            checkpoint,
            plant=site.plant,
            products=site.products,
            capabilities=site.capabilities,
            calendar=site.calendar,
            settings=settings,
        )
    world = World(
        site.plant,
        products=site.products,
        capabilities=site.capabilities,
        calendar=site.calendar,
        settings=settings,
        start=site.clock.now(),
    )
    world.begin_live()
    return world


def _settings(site: Site) -> SimulatorSettings:
    if site.simulator is None:
        raise ConfigError(
            (
                Fault(
                    where="linewright.toml: simulator",
                    found="nothing",
                    expected="add a [simulator] table to simulate this plant; `linewright init` shows one",
                ),
            )
        )
    return site.simulator
