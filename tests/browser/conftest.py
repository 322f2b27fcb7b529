"""The seeded site, served, and Chromium with a tab that is listened to."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import console_seed as seed
import pytest
from console_visits import FILTER, FLAGS, Served, Serving, Visit, free_port, watched
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from plant.clock import PlantClock, microseconds
from store.embedded.writer import open_writer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The seeded site with its console in a process of its own."""
    folder = tmp_path_factory.mktemp("console")
    clock = PlantClock(
        plant_epoch_us=microseconds(seed.NOW + timedelta(seconds=25)), wall_epoch_us=time.time_ns() // 1000
    )
    port = free_port()
    site = seed.seeded_site(folder, port=port, clock=clock)
    writer = open_writer(site.data, plant=site.plant, clock=clock)
    run = writer.begin_run((FILTER,))
    day = [seed.NOW - timedelta(minutes=5 * i) for i in range(24 * 12, 12, -1)]
    hour = [seed.NOW - timedelta(seconds=30 * i) for i in range(120, -1, -1)]
    seed.write_readings(site, writer, run=run, instants=[*day, *hour])
    seed.write_records(site)
    with Serving(folder, port=port, clock=clock) as url:
        yield Served(site=site, writer=writer, run=run, url=url)
    writer.close()


@pytest.fixture(scope="module")
def browser(require_real: Callable[[str], Path]) -> Iterator[Browser]:
    """Headless Chromium with a new profile."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=require_real("chromium"), args=list(FLAGS), headless=True)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile of 1440 by 900."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="America/New_York")
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, served: Served) -> Iterator[Visit]:
    """A tab; at its end no other host was asked and nothing was complained about."""
    visit = watched(context, served.url)
    yield visit
    assert {urlsplit(url).hostname for url in visit.requests if not url.startswith("data:")} == {"127.0.0.1"}
    assert visit.complaints == []
    assert visit.page.evaluate("window.broken") is None, "markup from outside was run"
