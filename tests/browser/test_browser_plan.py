"""The plan page in a real browser: a plan, an infeasible one, and a search that is followed."""

import threading
from contextlib import closing
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import console_seed as seed
import msgspec
import pytest
from console_visits import Served, Visit, answer_of
from playwright.sync_api import expect

from linewright.pipeline import propose
from linewright.plan_running import told_search
from linewright.wiring import open_records
from optimizer.problem import PlanningFacts
from plant.plans import Decision, Plan

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(180)]


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
    goals = trust.get_by_role("table", name="Goals")
    expect(goals.get_by_role("row").nth(1)).to_contain_text("Lateness")
    expect(goals.get_by_role("row").nth(1)).to_contain_text("223")
    expect(goals.get_by_role("row")).to_have_count(3)
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

    assert answer_of(f"{served.url}/api/planning") == (200, {"running": None})
    page = visit.open("/plan")
    worker = threading.Thread(target=plan)
    worker.start()
    region = page.get_by_role("region", name="A plan is being made")
    expect(region).to_contain_text("A plan is being made (test)")
    expect(region).to_contain_text("The best one")
    _, document = answer_of(f"{served.url}/api/planning")
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
