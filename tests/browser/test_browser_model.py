"""The Model page in a real browser, over a model that was trained and one that waits."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from console_visits import FLAGS, free_port, seed_folder, wait_until_served
from playwright.sync_api import Page, expect, sync_playwright

from analytics.lives import Life
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.training import train_lives
from linewright.wiring import open_keeper, open_records, open_site
from plant.assets import SignalKind
from plant.clock import microseconds
from plant.work_orders import Finding, WorkOrder

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(180)]
QUICK = {
    "scales_rows": (4, 12),
    "age_parts": (1,),
    "knots": 4,
    "hidden": (16, 8),
    "bins": 20,
    "members": 2,
    "epochs": 6,
}


def wearing_lives(site: Site, *, number: int) -> list[Life]:
    """Presses whose first signal grows as they wear, an hour a reading, the last one failing now."""
    machine_class = site.plant.class_index["press"]
    signals = tuple(signal.name for signal in machine_class.signals if signal.kind is SignalKind.GAUGE)
    rng, lives = np.random.default_rng(1), []
    for index in range(number):
        rows = int(rng.integers(80, 140))
        values = rng.normal(10.0, 0.5, (rows, len(signals)))
        values[:, 0] += 6.0 * np.linspace(0, 1, rows) ** 3
        end = site.clock.now() - timedelta(hours=number - index)
        lives.append(
            Life(
                machine=f"L{index % 3 + 1}-press",
                machine_class="press",
                signals=signals,
                settings=(),
                observed_at_us=microseconds(end) - np.arange(rows, dtype=np.int64)[::-1] * 3_600_000_000,
                age_units=np.arange(rows, dtype=np.float64),
                values=values,
                failed=True,
            )
        )
    return lives


@pytest.fixture(scope="module")
def page_of(
    tmp_path_factory: pytest.TempPathFactory, require_real: Callable[[str], Path]
) -> Iterator[tuple[Page, str]]:
    """A served site whose presses were trained twice; the other classes have no model."""
    chromium = require_real("chromium")
    folder = tmp_path_factory.mktemp("model")
    port = free_port()
    write_template(folder, console_port=port)
    site = open_site(folder, environ={})
    open_keeper(site).close()
    with closing(open_records(site)) as records:
        now = site.clock.now()
        records.put_work_order(WorkOrder(number="W-1", machine="L2-press", title="Bearing", created_at=now))
        records.close_work_order("W-1", finding=Finding.TRUE_ALARM, mode="bearing", by="Mara", at=now, note="")
    quick = replace(site, model=site.model.model_copy(update=QUICK))
    lives = wearing_lives(site, number=12)
    for _ in range(2):
        train_lives(quick, {"press": lives}, progress=lambda _share, _text: None)
    command = [sys.executable, "-m", "linewright", "serve", "--site", str(folder)]
    with (folder / "serve.log").open("wb") as log, sync_playwright() as playwright:
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=log, stderr=log)
        try:
            wait_until_served(f"http://127.0.0.1:{port}/healthz", process, log=folder / "serve.log")
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS), headless=True)
            yield browser.new_page(viewport={"width": 1440, "height": 900}), f"http://127.0.0.1:{port}"
            browser.close()
        finally:
            process.terminate()
            process.wait(20)
    assert "Traceback" not in (folder / "serve.log").read_text()


def test_model_page_shows_use_reliability_challenger_and_labels(page_of: tuple[Page, str]) -> None:
    page, url = page_of
    page.goto(url)
    page.get_by_role("link", name="Model", exact=True).click()
    press = page.get_by_role("region", name="press", exact=True)
    in_use = press.get_by_role("table", name="Model of press in use")
    expect(in_use).to_contain_text("12 failures in 12 lives")
    expect(in_use).to_contain_text("Uncalibrated")
    expect(press.get_by_label("Reliability of press").locator("canvas")).to_be_visible()
    expect(press.get_by_label("Cost by threshold, press").locator("canvas")).to_be_visible()
    expect(press.get_by_label("Lead time by threshold, press").locator("canvas")).to_be_visible()
    expect(press).to_contain_text("failures caught, half of them")
    expect(press).to_contain_text("waits as challenger: 0 new failures since the data of")
    versions = press.get_by_role("table", name="Versions of press")
    expect(versions.get_by_role("row")).to_have_count(3)
    expect(versions).to_contain_text("Waits")
    expect(press.get_by_role("table", name="Labels from work orders")).to_contain_text("failure (bearing)")
    expect(press.get_by_role("table", name="Labels from work orders")).to_contain_text("Learned by the model in use")
    expect(press).to_contain_text("No machine of the class has been assessed yet")
    mill = page.get_by_role("region", name="mill", exact=True)
    expect(mill).to_contain_text("No model of mill is in use yet.")
    _keep(page, "model-light-1440", width=1440)


def test_model_page_fits_a_tablet_in_the_dark(page_of: tuple[Page, str]) -> None:
    page, url = page_of
    page.context.add_cookies([{"name": "linewright_theme", "value": "dark", "url": url}])
    page.goto(f"{url}/model")
    expect(page.get_by_label("Reliability of press").locator("canvas")).to_be_visible()
    _keep(page, "model-dark-820", width=820)


def _keep(page: Page, name: str, *, width: int) -> None:
    folder = Path(os.environ.get("LINEWRIGHT_SCREENSHOTS") or seed_folder())
    folder.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=folder / f"{name}.png", full_page=True)
