"""The console in a real browser: what it shows, what it lets people do, and that it asks no other host."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import console_seed as seed
import msgspec
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from linewright.pipeline import propose
from linewright.plan_running import told_search
from linewright.settings.site import Site
from linewright.wiring import open_records, wall_now
from optimizer.problem import PlanningFacts
from plant.clock import PlantClock, microseconds
from plant.plans import Decision, Plan
from plant.signals import Batch
from plant.work_orders import Finding, WorkOrder
from store.embedded.writer import EmbeddedWriter, open_writer

expect.set_options(timeout=20_000)  # a busy machine serves a click late; what is asserted stays

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(180)]

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FILTER = "acme/linz/+/+/+/telemetry"
HERE = Path(__file__).parent


@dataclass
class Served:
    """A seeded site, its writer, and the address of its console."""

    site: Site
    writer: EmbeddedWriter
    run: str
    url: str


@dataclass
class Visit:
    """A tab with everything that it asked for and complained about."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the console and wait until it is live."""
        self.page.goto(self.url + path)
        expect(self.page.locator("#main")).to_be_visible()
        return self.page

    def keep(self, name: str) -> None:
        """Keep a screenshot for people to look at."""
        folder = Path(os.environ.get("LINEWRIGHT_SCREENSHOTS") or seed_folder())
        folder.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("window.scrollTo(0, 0)")
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)


def seed_folder() -> Path:
    """Where screenshots go when nobody asked for them."""
    import tempfile

    return Path(tempfile.gettempdir()) / "linewright-screenshots"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The seeded site with its console in a process of its own."""
    folder = tmp_path_factory.mktemp("console")
    clock = PlantClock(
        plant_epoch_us=microseconds(seed.NOW + timedelta(seconds=25)), wall_epoch_us=time.time_ns() // 1000
    )
    port = _free_port()
    site = seed.seeded_site(folder, port=port, clock=clock)
    writer = open_writer(site.data, plant=site.plant, clock=clock)
    run = writer.begin_run((FILTER,))
    day = [seed.NOW - timedelta(minutes=5 * i) for i in range(24 * 12, 12, -1)]
    hour = [seed.NOW - timedelta(seconds=30 * i) for i in range(120, -1, -1)]
    seed.write_readings(site, writer, run=run, instants=[*day, *hour])
    seed.write_records(site)
    with _serving(folder, port=port, clock=clock) as url:
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


def watched(context: BrowserContext, url: str) -> Visit:
    """A tab that is listened to."""
    visit = Visit(page=context.new_page(), url=url)
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    visit.page.on("websocket", lambda socket: visit.requests.append(socket.url))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "console", lambda said: visit.complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    return visit


def test_plant_page_shows_each_machine_with_state_oee_power_and_risk(visit: Visit) -> None:
    page = visit.open("/")
    press = page.get_by_role("article", name="Press 2")
    for text in ("Running", "82 %", "Gear", "kW", "High alert", "Availability", "since"):
        expect(press).to_contain_text(text)
    expect(page.get_by_role("article", name="Oven 3")).to_contain_text("Fault")
    expect(page.locator(".banner")).to_contain_text(seed.HEADLINE)
    expect(page.locator(".live")).to_contain_text("live,")
    expect(page.locator(".clock")).to_have_text("Mon 23 Nov 10:30 CET")
    expect(page.get_by_role("region", name="Totals")).to_contain_text("2 not acknowledged")
    visit.keep("plant")
    page.get_by_role("link", name="See the evidence").click()
    expect(page.get_by_role("heading", name="Press 2", level=1)).to_be_visible()


def test_plant_page_shows_markup_in_a_label_as_text(visit: Visit) -> None:
    page = visit.open("/")
    expect(page.get_by_text(f"{seed.MARKUP} Packer 3", exact=True)).to_be_visible()
    page = visit.open("/machine/L3-packer")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{seed.MARKUP} Packer 3")


def test_plant_page_follows_new_readings_and_records_within_seconds(visit: Visit, served: Served) -> None:
    page = visit.open("/")
    before = page.get_by_role("article", name="Press 1").locator(".fact", has_text="Power").inner_text()
    later = seed.NOW + timedelta(seconds=20)
    seed.write_readings(served.site, served.writer, run=served.run, instants=[later])
    expect(page.get_by_role("article", name="Press 1").locator(".fact", has_text="Power")).not_to_have_text(
        before, timeout=5000
    )
    records = open_records(served.site)
    records.note("banner", {"sentence": "Mill 1: a new sentence.", "href": "/machine/L1-mill", "kind": "risk"})
    expect(page.locator(".banner")).to_contain_text("Mill 1: a new sentence.", timeout=5000)
    records.note("banner", {"sentence": seed.HEADLINE, "href": "/machine/L2-press", "kind": "risk"})
    records.close()


def test_machine_page_shows_signals_states_and_risk_with_evidence(visit: Visit) -> None:
    page = visit.open("/machine/L2-press")
    risk = page.get_by_role("region", name="Risk of failure")
    for text in ("82 %", "3.1 h", "11.4 h", "31 h", "vibration 4.1 sigma", "62 %", "press-20261122T2310-7f3a"):
        expect(risk).to_contain_text(text)
    expect(page.get_by_role("figure", name="Vibration over time").locator("canvas")).to_be_visible()
    expect(page.locator(".strip-piece").first).to_be_attached()
    for name in ("1 h", "7 d", "8 h"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("region", name="Maintenance")).to_contain_text("Repaired")
    visit.keep("machine")


def test_machine_page_says_when_there_is_not_enough_data(visit: Visit) -> None:
    page = visit.open("/machine/L3-mill")
    expect(page.get_by_role("region", name="Risk of failure")).to_contain_text("Not enough data: 4 of at least 10")


def test_machine_page_says_so_when_the_machine_is_unknown(visit: Visit) -> None:
    expect(visit.open("/machine/L9-press").locator("#main")).to_contain_text("no machine L9-press")


def test_alert_is_acknowledged_with_a_name_and_recorded(visit: Visit, served: Served) -> None:
    page = visit.open("/alerts")
    card = page.get_by_role("article", name="Press 2: bearing wearing")
    expect(card).to_contain_text("vibration 4.1 sigma")
    visit.keep("alerts")
    card.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("document", name="Acknowledge this alert")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog).to_contain_text("Please give your name")
    dialog.get_by_label("Your name").fill("Jana <b>Huber</b>")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text("cknowledged by Jana <b>Huber</b>".lower(), ignore_case=True)
    records = open_records(served.site)
    alert = records.alert("A-2026-11-23-L2-press-1")
    assert alert is not None
    assert alert.acknowledged_by == "Jana <b>Huber</b>"
    assert records.audit_trail(1)[0].who == "Jana <b>Huber</b>"
    records.close()


def test_finding_of_a_work_order_is_reported_on_the_machine_page(visit: Visit, served: Served) -> None:
    with closing(open_records(served.site)) as records:
        records.put_work_order(
            WorkOrder(number="W-1", machine="L2-press", title="Bearing", created_at=seed.NOW, suspected_mode="bearing")
        )
        page = visit.open("/machine/L2-press")
        orders = page.get_by_role("table", name="Work orders")
        orders.get_by_role("button", name="Report finding").click()
        dialog = page.get_by_role("dialog").last
        dialog.get_by_role("button", name="Record finding").click()
        expect(dialog.get_by_role("alert")).to_contain_text("Please choose a finding")
        dialog.get_by_label("Finding").click()
        page.get_by_role("option", name="True alarm").click()
        dialog.get_by_label("Note").fill("outer race")
        dialog.get_by_label("Your name").fill("Mara")
        dialog.get_by_role("button", name="Record finding").click()
        expect(orders).to_contain_text("True alarm")
        expect(orders).to_contain_text("bearing, outer race, by Mara")
        found = records.work_order("W-1")
        assert found is not None
        assert (found.finding, found.found_mode, found.closed_by) == (Finding.TRUE_ALARM, "bearing", "Mara")
    visit.keep("work-order")


def test_plan_page_shows_schedule_costs_and_certificate_and_takes_acceptance(visit: Visit, served: Served) -> None:
    page = visit.open("/plan")
    expect(page.locator(".plan-headline")).to_have_text(seed.HEADLINE)
    schedule = page.get_by_role("region", name="Schedule")
    expect(schedule).to_contain_text("Maintenance 03:00–07:00")
    expect(schedule.get_by_role("img", name="Line 1: Bracket")).to_be_visible()
    expect(schedule.locator(".setup").first).to_be_visible()
    expect(page.get_by_role("region", name="Cost by term")).to_contain_text("Maintenance and failures")
    expect(page.get_by_role("region", name="Late orders")).to_contain_text("38 units")
    trust = page.get_by_role("region", name="Why it may be trusted")
    expect(trust).to_contain_text("8 of 8 hold")
    trust.get_by_text("re-checked one by one").click()
    expect(trust).to_contain_text("9f2c1e0b7a64d35588f0c1a2b3d4e5f60718293a4b5c6d7e8f9012a3b4c5d6e7")
    visit.keep("plan")
    page.get_by_role("button", name="Accept plan").click()
    dialog = page.get_by_role("document", name="Accept this plan")
    dialog.get_by_label("Your name").fill("Jana Huber")
    dialog.get_by_role("button", name="Accept plan").click()
    expect(page.locator(".plan-head")).to_contain_text("Accepted by Jana Huber", timeout=8000)
    records = open_records(served.site)
    accepted = records.accepted_plan()
    assert accepted is not None
    assert accepted.number == "P-20261123T090000-3"
    published = msgspec.json.decode(records.due("plan")[0].payload, type=Plan)
    assert (published.number, published.decision) == (accepted.number, Decision.ACCEPTED)
    records.close()


def test_plan_page_names_conflicts_and_repairs_of_an_infeasible_plan(visit: Visit) -> None:
    page = visit.open("/plan?number=P-20261123T080000-2")
    expect(page.locator("#main")).to_contain_text("CO2 may not exceed 900 kg over the 48 h.")
    expect(page.locator("#main")).to_contain_text("Raise the CO2 cap by 41 kg.")
    expect(page.locator("#main")).to_contain_text("then earns 30")
    expect(page.get_by_role("button", name="Accept plan")).to_have_count(0)
    visit.keep("plan-infeasible")


def test_plan_page_follows_a_search_and_keeps_its_best_plan_on_request(visit: Visit, served: Served) -> None:
    site, start, plans = served.site, seed.NOW.replace(minute=0), list[Plan]()
    facts = PlanningFacts(
        plant=site.plant,
        products=site.products,
        capabilities=site.capabilities,
        orders=site.orders,
        stock=site.stock,
        calendar=site.calendar,
        tariff=site.tariff,
        policy=replace(site.planning, time_limit_s=120.0, gap=0.0),
        risks=(),
        start=start,
    )

    def plan() -> None:
        with (
            closing(open_records(site)) as records,
            told_search(records, number="P-9", reason="test", limit_s=120.0) as control,
        ):
            plans.append(propose(facts, number="P-9", created_at=start, reason="test", control=control))

    assert _read(f"{served.url}/api/planning") == (200, {"running": None})
    page = visit.open("/plan")
    worker = threading.Thread(target=plan)
    worker.start()
    region = page.get_by_role("region", name="A plan is being made")
    expect(region).to_contain_text("A plan is being made (test)")
    expect(region).to_contain_text("The best one")
    _, document = _read(f"{served.url}/api/planning")
    assert document["running"]["number"] == "P-9"
    stop = Request(f"{served.url}/api/planning/stop", method="POST")
    with pytest.raises(HTTPError, match="401"):
        urlopen(stop, timeout=10)
    visit.keep("plan-running")
    region.get_by_role("button", name="Keep the best plan now").click()
    worker.join(60)
    assert not worker.is_alive()
    expect(region).to_have_count(0)
    (made,) = plans
    assert made.certificate is not None
    assert made.certificate.checked
    assert "stopped by hand" in made.certificate.solver


@pytest.mark.parametrize("path", ["/", "/machine/L2-press", "/alerts", "/plan", "/ledger"])
def test_no_page_is_wider_than_a_tablet(visit: Visit, path: str) -> None:
    visit.page.set_viewport_size({"width": 820, "height": 1180})
    page = visit.open(path)
    expect(page.locator(".live")).to_contain_text("old")
    assert page.evaluate("document.documentElement.scrollWidth") <= 820
    visit.keep(f"tablet-{path.split('/')[1] or 'plant'}")


def test_ledger_page_shows_the_account_and_says_when_it_does_not_balance(visit: Visit, served: Served) -> None:
    records = open_records(served.site)
    away = {"connected": False, "broker_trouble": "Cannot reach the broker at east:1883 (refused).", "broker": "east:1"}
    durable = {"bins": [1], "bounds_s": [], "sum_s": 0.05, "commit_sum_s": 0.01}
    here = {"connected": True, "connected_for_s": 65.0, "broker": "127.0.0.1:18830", "durable": durable}
    links = [{"link": "main", "received": 4_321, **here}, {"link": "east", "received": 0, **away}]
    records.beat("ingest", pid=1, since=wall_now(), at=wall_now(), detail={"links": links})
    page = visit.open("/ledger")
    expect(page.get_by_role("region", name="Ledger")).to_contain_text("Balances")
    account = page.get_by_role("table", name="The ledger by filter")
    expect(account).to_contain_text(FILTER)
    expect(account).to_contain_text("samples")
    expect(page.get_by_role("table", name="Links to brokers")).to_contain_text("Connected65 s4\u202f321")
    expect(page.locator("#main")).to_contain_text("Cannot reach the broker at east:1883")
    (line,) = served.writer.ledger()
    nothing = {"tables": {}, "filters": (FILTER,), "message_filter": np.zeros(0, dtype=np.int16)}
    for missing, word in ((3, "Does not balance"), (0, "Balances")):
        received = np.array([line.received + missing])
        served.writer.write(Batch(run=served.run, received=received, in_flight=np.array([0]), **nothing))
        expect(page.locator(".ledger-verdict")).to_contain_text(word)
        if missing:
            expect(page.locator(".trouble")).to_contain_text("3 messages were received and neither stored")
            expect(account).to_contain_text("Uneven")
            for width, dark in ((1440, False), (820, False), (820, True), (1440, True)):
                page.set_viewport_size({"width": width, "height": 900})
                page.evaluate(f"document.documentElement.dataset.theme = '{'dark' if dark else ''}'")
                visit.keep(f"ledger-{width}{'-dark' if dark else ''}")
            status, text = _text(f"{served.url}/metrics")
            assert status == 200
            assert "linewright_ledger_balanced 0" in text
            assert 'linewright_ingest_link_up{link="east",broker="east:1"} 0' in text
    expect(page.locator(".trouble")).to_have_count(0)
    records.close()


def test_theme_is_remembered_when_dark_is_chosen(visit: Visit) -> None:
    page = visit.open("/")
    page.get_by_role("button", name="Switch to the dark theme").click()
    expect(page.get_by_role("button", name="Switch to the light theme")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 22, 21)"
    visit.keep("plant-dark")


def test_api_answers_health_and_plan(served: Served) -> None:
    assert _read(f"{served.url}/healthz") == (200, {"alive": True})
    status, document = _read(f"{served.url}/api/status")
    assert (status, document["plant_time"]) == (200, document["plant_time"])
    assert document["well"] is False, "no other role runs here"
    status, plan = _read(f"{served.url}/api/plan/P-20261123T070000-1")
    assert (status, plan["number"]) == (200, "P-20261123T070000-1")
    assert _read(f"{served.url}/api/plan/none")[0] == 404


def test_requests_from_other_sites_are_refused(served: Served) -> None:
    assert _read(f"{served.url}/healthz", Host="evil.example")[0] == 403
    assert _read(f"{served.url}/healthz", Origin="http://evil.example")[0] == 403


def test_empty_site_says_what_is_missing_and_recovers(context: BrowserContext, tmp_path: Path) -> None:
    clock = PlantClock(plant_epoch_us=microseconds(seed.NOW), wall_epoch_us=time.time_ns() // 1000)
    port = _free_port()
    site = seed.seeded_site(tmp_path, port=port, clock=clock)
    with _serving(tmp_path, port=port, clock=clock) as url:
        visit = watched(context, url)
        page = visit.open("/")
        expect(page.locator("#main")).to_contain_text("No reading has arrived yet.")
        expect(page.locator("#main")).to_contain_text("Is the broker at 127.0.0.1:18830 publishing?")
        visit.keep("plant-empty")
        for path, sentence in (
            ("/alerts", "No alert is open."),
            ("/plan", "No plan has been made yet."),
            ("/ledger", "Nothing"),
        ):
            expect(visit.open(path).locator("#main")).to_contain_text(sentence)
        expect(visit.open("/ledger").locator("#main")).to_contain_text("Nothing was received yet.")
        page = visit.open("/")
        with closing(open_writer(site.data, plant=site.plant, clock=clock)) as writer:
            seed.write_readings(site, writer, run=writer.begin_run((FILTER,)), instants=[seed.NOW])
            expect(page.get_by_role("article", name="Press 1")).to_contain_text("Running", timeout=8000)
            expect(page.locator("#main")).not_to_contain_text("No reading has arrived yet.")
        assert visit.complaints == []


def test_dead_source_makes_values_stale_and_edge_nodes_are_told(visit: Visit, served: Served) -> None:
    seed.write_death(served.site, served.writer, run=served.run, machine="L2-packer")
    with closing(open_records(served.site)) as records:
        seed.write_edge_nodes(records, at=wall_now())
        page = visit.open("/")
        tile = page.get_by_role("article", name="Packer 2")
        expect(tile).to_contain_text("Stale")
        expect(tile.locator(".fact", has_text="Power")).to_contain_text("▲")
        expect(page.get_by_role("region", name="Totals")).to_contain_text("1 stale")
        nodes = page.get_by_role("table", name="Edge nodes")
        expect(nodes.get_by_role("row").nth(1)).to_contain_text("linz/L2")
        expect(nodes.get_by_role("row").nth(1)).to_contain_text("Stale")
        expect(nodes.get_by_role("row").nth(1)).to_contain_text("packer")
        expect(nodes.get_by_role("row").nth(2)).to_contain_text("Online")
        visit.keep("edge-nodes")
        page = visit.open("/machine/L2-packer")
        expect(page.locator("#main")).to_contain_text("The source of this machine was declared dead")
        expect(page.get_by_role("figure", name="Power over time")).to_contain_text("(stale)")
        visit.keep("machine-stale")
        page.set_viewport_size({"width": 820, "height": 1100})
        visit.keep("machine-stale-820")
        page = visit.open("/")
        expect(page.get_by_role("table", name="Edge nodes")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        visit.keep("edge-nodes-820")


class _serving:  # noqa: N801 - a context
    """The console of a folder in a process of its own, stopped by SIGTERM."""

    def __init__(self, folder: Path, *, port: int, clock: PlantClock) -> None:
        self.folder, self.port, self.clock = folder, port, clock
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> str:
        document = {name: getattr(self.clock, name) for name in ("plant_epoch_us", "wall_epoch_us", "speed")}
        command = [sys.executable, str(HERE / "console_serve.py"), str(self.folder), str(self.port)]
        self.log = (self.folder / "serve.log").open("wb")
        self.process = subprocess.Popen(
            [*command, json.dumps(document)], cwd=HERE.parents[1], stdout=self.log, stderr=self.log
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if _read(f"{self.url}/healthz")[0] == 200:
                    return self.url
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the console did not start: {(self.folder / 'serve.log').read_text()}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        code = self.process.wait(20)
        self.log.close()
        said = (self.folder / "serve.log").read_text()
        assert code == 0, said
        assert "Traceback" not in said, said


def _read(url: str, **headers: str) -> tuple[int, dict[str, object]]:
    from urllib.error import HTTPError

    try:
        with urlopen(Request(url, headers=headers), timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, {}


def _text(url: str) -> tuple[int, str]:
    with urlopen(url, timeout=10) as answer:
        return answer.status, answer.read().decode()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
