"""Work orders: made from alerts and plans, closed from the command line and over the API."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from starlette.responses import Response
from typer.testing import CliRunner

from linewright.api import work_orders as api
from linewright.cli.app import app
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site
from linewright.work_orders import close_work_order, keep_work_orders
from plant.alerts import Alert, AlertState, Severity
from plant.plans import Decision, MaintenanceWindow, Plan, SolveStatus
from plant.work_orders import Finding, WorkOrder, WorkOrderState
from store.records import Records

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    write_template(tmp_path)
    return open_site(tmp_path, environ={})


@pytest.fixture
def records(site: Site) -> Iterator[Records]:
    opened = open_records(site)
    yield opened
    opened.close()


def alert(machine: str, number: str = "A-1") -> Alert:
    return Alert(
        number=number,
        machine=machine,
        mode="bearing",
        state=AlertState.ACTIVE,
        severity=Severity.HIGH,
        opened_at=NOW,
        changed_at=NOW,
        probability=0.7,
        horizon_h=48.0,
        title="Press 2: bearing wearing",
        action="Plan maintenance",
        evidence=(),
    )


def accept(records: Records, number: str, *machines: str) -> None:
    windows = tuple(
        MaintenanceWindow(
            machine=machine,
            line="L1",
            start=NOW + HOUR,
            end=NOW + 3 * HOUR,
            expected_failure_cost=1.0,
            expected_failure_cost_without=9.0,
        )
        for machine in machines
    )
    plan = Plan(
        number=number,
        created_at=NOW,
        start=NOW,
        end=NOW + 48 * HOUR,
        status=SolveStatus.OPTIMAL,
        reason="hourly",
        runs=(),
        maintenance=windows,
        costs=(),
        hours=(),
        late=(),
        peak_kw=0.0,
        co2_kg=0.0,
        certificate=None,
        headline="",
        saving=None,
    )
    records.put_plan(plan, b"{}")
    records.decide(number, Decision.ACCEPTED, by="Ada", at=NOW)


def test_alert_makes_one_order_and_the_plan_gives_it_a_time(site: Site, records: Records) -> None:
    press, mill = site.plant.machines[0].name, site.plant.machines[1].name
    records.put_alerts([alert(press)])
    (order,) = keep_work_orders(records, plant=site.plant, now=NOW)
    assert (order.alert, order.plan, order.suspected_mode) == ("A-1", "", "bearing")
    assert keep_work_orders(records, plant=site.plant, now=NOW + HOUR) == ()
    accept(records, "P-1", press, mill)
    changed = {each.machine: each for each in keep_work_orders(records, plant=site.plant, now=NOW + HOUR)}
    assert changed[press] == replace(order, plan="P-1", planned_start=NOW + HOUR, planned_end=NOW + 3 * HOUR)
    assert changed[mill].title == f"{site.plant.machine_index[mill].label}: planned maintenance"
    assert keep_work_orders(records, plant=site.plant, now=NOW + HOUR) == ()


def test_plan_that_is_superseded_takes_its_times_back(site: Site, records: Records) -> None:
    press, mill = site.plant.machines[0].name, site.plant.machines[1].name
    records.put_alerts([alert(press)])
    accept(records, "P-1", press, mill)
    keep_work_orders(records, plant=site.plant, now=NOW)
    accept(records, "P-2")
    changed = {each.machine: each for each in keep_work_orders(records, plant=site.plant, now=NOW)}
    assert (changed[press].plan, changed[press].planned_start, changed[press].is_open) == ("", None, True)
    assert changed[mill].state is WorkOrderState.CANCELLED
    assert keep_work_orders(records, plant=site.plant, now=NOW) == ()


def test_closing_records_the_finding_and_makes_no_second_order(site: Site, records: Records) -> None:
    press = site.plant.machines[0].name
    records.put_alerts([alert(press)])
    accept(records, "P-1", press)
    (order,) = keep_work_orders(records, plant=site.plant, now=NOW)
    closed = close_work_order(
        records, number=order.number, finding=Finding.TRUE_ALARM, mode=" bearing ", by="Ada", at=NOW + HOUR
    )
    assert (closed.finding, closed.found_mode, closed.closed_at) == (Finding.TRUE_ALARM, "bearing", NOW + HOUR)
    acknowledged = records.alert("A-1")
    assert acknowledged is not None
    assert acknowledged.acknowledged_by == "Ada"
    assert records.audit_trail()[0].detail == f"{order.number}: true_alarm, bearing."
    assert keep_work_orders(records, plant=site.plant, now=NOW + HOUR) == ()
    with pytest.raises(ValueError, match="needs a name"):
        close_work_order(records, number=order.number, finding=Finding.FALSE_ALARM, by=" ", at=NOW)
    records.put_alerts([alert(press, "A-2")])
    (second,) = keep_work_orders(records, plant=site.plant, now=NOW + HOUR)
    assert second.number == order.number.removesuffix("1") + "2"


def test_command_line_lists_shows_and_closes(site: Site, records: Records) -> None:
    order = WorkOrder(number="W-1", machine="L2-press", title="Press 2: bearing", created_at=NOW, alert="A-1")
    records.put_work_order(order)
    folder = ["--site", str(site.folder)]
    run = CliRunner()
    listed = run.invoke(app, ["workorders", "list", *folder])
    assert "W-1  open, no time yet" in listed.output
    close = ["workorders", "close", "W-1", "--finding", "false_alarm", "--note", "loose cable", "--by", "Ada"]
    done = run.invoke(app, [*close, *folder])
    assert done.output == "W-1 is closed: false alarm, found by Ada.\n"
    assert run.invoke(app, ["workorders", "list", *folder]).output == ""
    past = run.invoke(app, ["workorders", "list", "--past", "--json", *folder])
    assert msgspec.json.decode(past.output, type=WorkOrder).note == "loose cable"
    shown = run.invoke(app, ["workorders", "show", "W-1", *folder])
    assert "  - false alarm, loose cable, by Ada" in shown.output
    unknown = run.invoke(app, ["workorders", "close", "W-9", "--finding", "true_alarm", *folder])
    assert (unknown.exit_code, "There is no work order W-9" in unknown.output) == (1, True)


def test_api_takes_a_finding_from_a_user_with_a_token_only(site: Site, records: Records) -> None:
    records.put_work_order(WorkOrder(number="W-1", machine="L2-press", title="Press 2", created_at=NOW))

    def on_records(action: Callable[[Records], Response]) -> Awaitable[Response]:
        async def run() -> Response:
            return action(records)

        return run()

    service = FastAPI()
    service.include_router(api.router(site=site, on_records=on_records))

    def ask(method: str, path: str, **said: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=service)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **said)

        return asyncio.run(run())

    added = CliRunner().invoke(app, ["users", "add", "cmms", "--site", str(site.folder)])
    token = added.output.split("Bearer ")[1].split("`")[0]
    assert token not in json.dumps([str(each) for each in records.users()])
    report = {"finding": "true_alarm", "mode": "bearing", "note": "outer race"}
    assert ask("POST", "/api/workorders/W-1/close", json=report).status_code == 401
    wrong = ask("POST", "/api/workorders/W-1/close", json=report, headers={"Authorization": "Bearer guess"})
    assert (wrong.status_code, records.work_order("W-1").is_open) == (401, True)  # type: ignore[union-attr]  # it is there
    right = {"Authorization": f"Bearer {token}"}
    assert ask("POST", "/api/workorders/W-1/close", json={"finding": "maybe"}, headers=right).status_code == 422
    assert ask("POST", "/api/workorders/W-9/close", json=report, headers=right).status_code == 404
    closed = ask("POST", "/api/workorders/W-1/close", json=report, headers=right)
    assert (closed.status_code, closed.json()["closed_by"]) == (200, "cmms")
    assert [each["state"] for each in ask("GET", "/api/workorders/W-1").json()["history"]] == ["open", "closed"]
    assert len(ask("GET", "/api/workorders", params={"state": "closed", "machine": "L2-press"}).json()) == 1
    assert ask("GET", "/api/workorders", params={"state": "open"}).json() == []
    removed = CliRunner().invoke(app, ["users", "remove", "cmms", "--site", str(site.folder)])
    assert removed.output == "cmms may no longer write.\n"
    assert ask("POST", "/api/workorders/W-1/close", json=report, headers=right).status_code == 401
