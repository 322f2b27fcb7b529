"""The console in a real browser: what it shows, what it lets people do, and that it asks no other host."""

import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import console_seed as seed
import numpy as np
import pytest
from console_visits import FILTER, Served, Serving, Visit, answer_of, free_port, text_of, watched
from playwright.sync_api import BrowserContext, expect

from linewright.wiring import open_records, wall_now
from plant.clock import PlantClock, microseconds
from plant.signals import Batch
from plant.work_orders import Finding, WorkOrder
from store.embedded.writer import open_writer

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(180)]


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
            status, text = text_of(f"{served.url}/metrics")
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
    assert answer_of(f"{served.url}/healthz") == (200, {"alive": True})
    status, document = answer_of(f"{served.url}/api/status")
    assert (status, document["plant_time"]) == (200, document["plant_time"])
    assert document["well"] is False, "no other role runs here"
    status, plan = answer_of(f"{served.url}/api/plan/P-20261123T070000-1")
    assert (status, plan["number"]) == (200, "P-20261123T070000-1")
    assert answer_of(f"{served.url}/api/plan/none")[0] == 404


def test_requests_from_other_sites_are_refused(served: Served) -> None:
    assert answer_of(f"{served.url}/healthz", Host="evil.example")[0] == 403
    assert answer_of(f"{served.url}/healthz", Origin="http://evil.example")[0] == 403


def test_empty_site_says_what_is_missing_and_recovers(context: BrowserContext, tmp_path: Path) -> None:
    clock = PlantClock(plant_epoch_us=microseconds(seed.NOW), wall_epoch_us=time.time_ns() // 1000)
    port = free_port()
    site = seed.seeded_site(tmp_path, port=port, clock=clock)
    with Serving(tmp_path, port=port, clock=clock) as url:
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
