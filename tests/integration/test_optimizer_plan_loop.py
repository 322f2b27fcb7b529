"""A plan's loop as people and programs go it: changed, accepted, taken out as files, refused in words."""

import asyncio
import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from icalendar import Calendar
from starlette.responses import Response

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_plants import START, tiny_facts

from linewright.api import plans
from linewright.console.editing import edit_in_process
from linewright.decisions import accept_plan
from linewright.pipeline import propose
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site
from optimizer.facts import facts_from_json, facts_to_json
from optimizer.problem import PlanningFacts
from plant.plans import Plan
from store.books.entries import User
from store.records import Records

HOUR = timedelta(hours=1)
NUMBER = "P-20261122T120000"


def facts_from_tomorrow() -> PlanningFacts:
    """The tiny plant, planned for tomorrow, whenever the test runs."""
    facts = tiny_facts(4, horizon_h=10, lines=2, machines=1, time_limit_s=5.0)
    start = datetime.now(UTC).replace(hour=5, minute=0, second=0, microsecond=0) + timedelta(days=1)
    later = start - START
    return replace(
        facts,
        start=start,
        orders=tuple(replace(order, due_at=order.due_at + later) for order in facts.orders),
        risks=tuple(replace(risk, assessed_at=start) for risk in facts.risks),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("loop")
    write_template(folder)
    site = open_site(folder, environ={})
    site.data.mkdir(parents=True)
    facts = facts_from_tomorrow()
    plan = propose(facts, number=NUMBER, created_at=facts.start - 2 * HOUR, reason="test")
    records = open_records(site)
    records.put_plan(plan, facts_to_json(facts))
    records.close()
    return site


@pytest.fixture
def records(site: Site) -> Iterator[Records]:
    opened = open_records(site)
    yield opened
    opened.close()


def linewright(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = (sys.executable, "-m", "linewright", "plan", *arguments, "--site", str(site.folder))
    return subprocess.run(line, capture_output=True, text=True, timeout=90)


def test_changed_plan_is_proposed_keeps_to_it_and_can_be_accepted(site: Site, records: Records) -> None:
    done = linewright(site, "edit", NUMBER, "maintain A0-0 at 9:00", "--by", "Ada", "--reason", "crew is there")
    assert done.returncode == 0, done.stderr
    assert "is checked" in done.stdout
    plan = records.plan(f"{NUMBER}.1")
    assert plan is not None
    assert "changed by Ada: maintain A0-0 at 9:00 (crew is there)" in plan.reason
    document = records.plan_facts(plan.number)
    assert document is not None
    facts = facts_from_json(document)
    (window,) = (window for window in plan.maintenance if window.machine == "A0-0")
    assert (window.start,) == facts.fixed_maintenance[0].starts
    at = site.clock.now()
    outcome = accept_plan(records, number=plan.number, by="Ada", reason="", at=at)
    assert outcome.done, outcome.sentence
    assert records.due("plan")
    accepted = records.accepted_plan()
    assert accepted is not None
    assert accepted.number == plan.number


def test_a_change_that_cannot_be_is_refused_and_nothing_is_kept(site: Site, records: Records) -> None:
    before = [plan.number for plan in records.plans()]
    done = linewright(site, "edit", NUMBER, "make 9999 nut on A1")
    assert (done.returncode, "h are missing" in done.stderr) == (2, True)
    assert [plan.number for plan in records.plans()] == before


def test_plan_is_taken_out_as_csv_calendar_chart_and_program(site: Site, records: Records, tmp_path: Path) -> None:
    names = {"--csv": "p.csv", "--ical": "p.ics", "--gantt": "p.png", "--program": "program"}
    paths = [word for option, name in names.items() for word in (option, str(tmp_path / name))]
    done = linewright(site, "export", NUMBER, *paths)
    assert done.returncode == 0, done.stderr
    plan = records.plan(NUMBER)
    assert plan is not None
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert sum(float(row["good_units"]) for row in rows if row["kind"] == "run") == pytest.approx(
        sum(run.good_units for run in plan.runs), abs=0.01
    )
    assert sum(row["kind"] == "maintenance" for row in rows) == len(plan.maintenance)
    calendar = Calendar.from_ical((tmp_path / "p.ics").read_bytes())
    events = calendar.walk("VEVENT")
    assert len(events) == len(plan.runs) + len(plan.maintenance)
    starts = {part.start.replace(microsecond=0) for part in (*plan.runs, *plan.maintenance)}
    assert {event.decoded("dtstart") for event in events} == starts
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "program" / "program.mps").stat().st_size > 1000
    assert "ending in .png or .svg" in linewright(site, "export", NUMBER, "--gantt", "p.gif").stderr


def test_programs_read_plans_and_write_with_a_token_only(site: Site, records: Records) -> None:
    token = records.put_user(User(name="erp", since=site.clock.now()))

    async def on_records(action: Any) -> Response:
        return await asyncio.to_thread(action, records)

    service = FastAPI()
    service.include_router(plans.router(site=site, on_records=on_records, edit_plan=partial(edit_in_process, site)))

    def ask(method: str, path: str, **said: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=service)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, f"/api/plan/{path}", **said)

        return asyncio.run(run())

    table = ask("GET", f"{NUMBER}/csv")
    assert table.headers["content-disposition"].endswith('.csv"')
    assert next(csv.reader(io.StringIO(table.text)))[0] == "kind"
    assert ask("GET", f"{NUMBER}/ical").content.startswith(b"BEGIN:VCALENDAR")
    assert b"<svg" in ask("GET", f"{NUMBER}/gantt").content
    assert ask("GET", "P-0/csv").status_code == 404
    assert ask("GET", f"{NUMBER}/actual").status_code == 404
    change = {"edits": ["no maintenance on A1-0"]}
    assert ask("POST", f"{NUMBER}/edit", json=change).status_code == 401
    bearer = {"Authorization": f"Bearer {token}"}
    made = ask("POST", f"{NUMBER}/edit", json=change, headers=bearer, timeout=90)
    assert made.status_code == 201, made.text
    plan = msgspec.json.decode(made.content, type=Plan)
    assert all(window.machine != "A1-0" for window in plan.maintenance)
    refused = ask("POST", f"{NUMBER}/edit", json={"edits": ["--help"]}, headers=bearer, timeout=90)
    assert refused.status_code == 409
    assert "one of" in refused.json()["error"]
    assert ask("POST", f"{plan.number}/reject", json={}, headers=bearer).status_code == 409
    done = ask("POST", f"{plan.number}/reject", json={"reason": "too late"}, headers=bearer)
    assert (done.status_code, "rejected" in json.dumps(done.json())) == (200, True)
