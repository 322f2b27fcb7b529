"""Questions to a plan and scenarios in a real browser, answered by the real command line on a real site."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from console_visits import FLAGS, free_port, seed_folder, wait_until_served
from playwright.sync_api import Page, expect, sync_playwright

from linewright.planning import make_plan
from linewright.production import seed_records
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_keeper, open_records, open_site, open_store

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(180)]
ANSWER_MS = 90_000
"""A process of its own, on a machine that others use too."""


@dataclass
class Place:
    """A served site with two plans, the newer one with late orders, and a tab."""

    site: Site
    page: Page
    url: str

    def keep(self, name: str) -> None:
        """Keep screenshots for people to look at."""
        folder = Path(os.environ.get("LINEWRIGHT_SCREENSHOTS") or seed_folder())
        folder.mkdir(parents=True, exist_ok=True)
        for width in (1440, 820):
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.evaluate("window.scrollTo(0, 0)")
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width
            self.page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, require_real: Callable[[str], Path]) -> Iterator[Place]:
    """The site of `linewright init`, planned twice within seconds and served by `linewright serve`."""
    chromium = require_real("chromium")
    folder = tmp_path_factory.mktemp("questions")
    port = free_port()
    write_template(folder, console_port=port)
    site = open_site(folder, environ={})
    quick = replace(site, planning=replace(site.planning, time_limit_s=1.0))
    open_keeper(site).close()
    with closing(open_records(site)) as records, closing(open_store(site)) as store:
        now = site.clock.now()
        seed_records(site, records, now=now)
        make_plan(quick, store=store, records=records, now=now, reason="scheduled")
        first, *_ = records.orders()
        records.put_orders([replace(first, quantity=4 * first.quantity)], source="test", at=now)
        make_plan(quick, store=store, records=records, now=now + timedelta(minutes=1), reason="orders changed")
    command = [sys.executable, "-m", "linewright", "serve", "--site", str(folder)]
    with (folder / "serve.log").open("wb") as log, sync_playwright() as playwright:
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=log, stderr=log)
        try:
            wait_until_served(f"http://127.0.0.1:{port}/healthz", process, log=folder / "serve.log")
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS), headless=True)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            yield Place(site=site, page=page, url=f"http://127.0.0.1:{port}")
            browser.close()
        finally:
            process.terminate()
            process.wait(20)
    assert "Traceback" not in (folder / "serve.log").read_text()


def test_questions_are_answered_in_the_background_and_kept(place: Place) -> None:
    page = place.page
    page.goto(f"{place.url}/questions")
    why_not = page.get_by_role("region", name="Why not otherwise?")
    why_not.get_by_label("What otherwise").click()
    page.get_by_role("option", name="Stop a product on a line").click()
    why_not.get_by_role("button", name="Ask").click()
    expect(why_not).to_contain_text("Please choose a product.")
    late = page.get_by_role("region", name="Late orders")
    late.get_by_role("button", name="Why is").first.click()
    expect(late.get_by_role("button", name="Cancel")).to_be_visible(timeout=ANSWER_MS)
    compare = page.get_by_role("region", name="Compare with another plan")
    compare.get_by_role("button", name="Compare").click()
    expect(compare).to_contain_text("Waiting for the question before it")
    late.get_by_role("button", name="Cancel").click()
    expect(late).to_contain_text("cancelled; nothing was kept")
    expect(compare.get_by_role("table", name="By line")).to_be_visible(timeout=ANSWER_MS)
    expect(compare).to_contain_text("Computed at")
    expect(compare).to_contain_text("quantity")
    page.reload()
    expect(compare.get_by_role("table", name="By day")).to_be_visible()
    place.keep("questions")


def test_scenarios_name_their_faults_and_a_rush_order_becomes_real(place: Place) -> None:
    page = place.page
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{place.url}/whatif")
    page.get_by_role("button", name="+ Rush order").click()
    units = page.get_by_label("Good units")
    units.fill("many")
    page.get_by_role("button", name="Plan side by side").click()
    expect(page.get_by_role("group", name="Rush order")).to_contain_text("Please give a number")
    units.fill("150")
    page.get_by_role("button", name="Plan side by side").click()
    scenarios = page.get_by_role("region", name="Scenarios side by side")
    expect(scenarios.get_by_role("table", name="Scenarios")).to_contain_text("Rush order", timeout=ANSWER_MS)
    expect(scenarios.locator("canvas")).to_be_visible()
    place.keep("whatif")
    scenarios.get_by_role("button", name="Make it real").click()
    dialog = page.get_by_role("document", name="Make “Rush order” real")
    dialog.get_by_role("button", name="Propose a plan").click()
    expect(dialog).to_contain_text("Not everything above is so yet")
    dialog.get_by_label("Your name").fill("Petra")
    dialog.get_by_label("Order number").fill("C-77")
    dialog.get_by_role("button", name="Enter into the order book").click()
    expect(dialog).to_contain_text("so already")
    dialog.get_by_role("button", name="Propose a plan").click()
    expect(dialog).to_have_count(0)
    with closing(open_records(place.site)) as records:
        assert next(order for order in records.orders() if order.number == "C-77").quantity == 150
        assert records.audit_trail(1)[0].who == "Petra"
        assert "plan" in {request.job for request in records.take_requests()}
