"""The jobs on a simulated plant's real history: renewals, risks, KPIs, stock, orders, plan and its facts."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as dtime
from zoneinfo import ZoneInfo

import pytest

from analytics.lives import RENEWING
from linewright.effect import measure_effect
from linewright.effect_days import read_days
from linewright.judging import Judge, assess_plant, note_renewals, sum_kpis
from linewright.planning import BANNER_NOTE, make_plan
from linewright.production import BOOKED_NOTE, book_production, good_by_line, seed_records
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.simulation import keep_history, make_history
from linewright.training import describe_uses, train_site
from linewright.wiring import keep_clock, open_records, open_site, open_store
from optimizer.certify import recompute
from optimizer.problem import facts_from_json
from plant.clock import PlantClock, instant, microseconds
from plant.plans import SolveStatus
from plant.production import Order
from store.embedded.reader import EmbeddedReader
from store.records import Records

HISTORY_H = 1200.0
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def plant_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with seven weeks of history, whose clock stands at the history's end."""
    folder = tmp_path_factory.mktemp("jobs")
    write_template(folder)
    environ = {"LINEWRIGHT_SIMULATOR__HISTORY_H": str(HISTORY_H), "LINEWRIGHT_PLANNING__TIME_LIMIT_S": "4"}
    wall_us = time.time_ns() // 1000
    end_us = wall_us - wall_us % HOUR_US
    site = keep_clock(
        open_site(folder, environ=environ), PlantClock(plant_epoch_us=end_us, wall_epoch_us=wall_us, speed=1.0)
    )
    records = open_records(site)
    history = make_history(site, until=instant(end_us), progress=lambda _share, _text: None)
    keep_history(site, history, records=records)
    seed_records(site, records, now=instant(end_us))
    records.close()
    return site


@pytest.fixture
def records(plant_site: Site) -> Iterator[Records]:
    opened = open_records(plant_site)
    yield opened
    opened.close()


@pytest.fixture
def store(plant_site: Site) -> Iterator[EmbeddedReader]:
    opened = open_store(plant_site)
    yield opened
    opened.close()


def test_renewals_told_by_the_machines_are_those_the_history_noted(
    plant_site: Site, records: Records, store: EmbeddedReader
) -> None:
    noted = {(each.machine, each.kind, each.at) for each in records.maintenance()}
    assert any(kind == "failed" for _, kind, _ in noted)
    note_renewals(Judge(site=plant_site, store=store, records=records), now=plant_site.clock.now())
    told = {(each.machine, each.kind, each.at) for each in records.maintenance()}
    assert told == noted, "an event that is read from the store must be the one that was noted"


def test_machines_are_judged_by_their_mtbf_first_and_by_a_model_once_trained(
    plant_site: Site, records: Records, store: EmbeddedReader
) -> None:
    judge = Judge(site=plant_site, store=store, records=records)
    now = plant_site.clock.now()
    assess_plant(judge, now=now)
    cold = {risk.machine: risk for risk in records.risks()}
    assert set(cold) == {machine.name for machine in plant_site.plant.machines}
    assert not any(risk.enough_data for risk in cold.values())
    assert all(risk.reason for risk in cold.values())

    sentences = train_site(plant_site, progress=lambda _share, _text: None, only="press")
    assert "is current" in sentences[0]
    (use,) = records.model_uses("press")
    assert (use.how, use.by) == ("trained", "training")
    assert use.metrics["failures"] > 0
    assert describe_uses(plant_site)[0].endswith(f"{use.version}  trained by training: there was no model in use")
    assess_plant(judge, now=now)
    warm = {risk.machine: risk for risk in records.risks()}
    presses = [risk for name, risk in warm.items() if name.endswith("press")]
    assert all(risk.enough_data or risk.reason for risk in presses)
    assert any(risk.enough_data and risk.evidence for risk in presses)
    assert all(
        first >= second for risk in presses for first, second in zip(risk.survival, risk.survival[1:], strict=False)
    )


def test_damaged_model_is_told_and_the_mtbf_speaks(
    plant_site: Site, records: Records, store: EmbeddedReader, caplog: pytest.LogCaptureFixture
) -> None:
    home = plant_site.data / "models" / "oven"
    home.mkdir(parents=True, exist_ok=True)
    (home / "current.json").write_text("{not json")
    judge = Judge(site=plant_site, store=store, records=records)
    assess_plant(judge, now=plant_site.clock.now())
    assess_plant(judge, now=plant_site.clock.now())
    assert [record.message for record in caplog.records].count("model_not_loaded") == 1
    assert not next(risk for risk in records.risks() if risk.machine == "L1-oven").enough_data
    (home / "current.json").unlink()


def test_kpis_add_up_from_machines_to_lines(plant_site: Site, records: Records, store: EmbeddedReader) -> None:
    kpis = {
        kpi.entity: kpi
        for kpi in sum_kpis(Judge(site=plant_site, store=store, records=records), now=plant_site.clock.now())
    }
    assert set(kpis) == {m.name for m in plant_site.plant.machines} | {line.name for line in plant_site.plant.lines}
    for line in plant_site.plant.lines:
        machines = [kpis[machine.name] for machine in line.machines]
        assert kpis[line.name].energy_kwh == pytest.approx(sum(machine.energy_kwh for machine in machines))
        assert kpis[line.name].good == machines[-1].good
        assert 0 <= (kpis[line.name].oee or 0.0) <= 1.05


def test_good_parts_become_stock_and_what_is_due_is_shipped(
    plant_site: Site, records: Records, store: EmbeddedReader
) -> None:
    now = plant_site.clock.now()
    start = instant(microseconds(now) - 24 * HOUR_US)
    before = {item.product: item.quantity for item in records.stock()}
    due = Order(number="DUE", product="gear", quantity=before["gear"] + 1e9, due_at=now - timedelta(minutes=1))
    small = Order(number="SMALL", product="flange", quantity=1.0, due_at=now - timedelta(minutes=1))
    records.put_orders([due, small], source="test", at=now)
    records.note(BOOKED_NOTE, {"until_us": microseconds(start)})

    made = book_production(plant_site, store=store, records=records, now=now)

    grown = 0.0
    for line in plant_site.plant.lines:
        last = line.machines[-1].name
        good = store.read([last], signals=["good_parts"], start=start, end=now)[last].values["good_parts"]
        grown += float(good[-1] - good[0])
    assert sum(made.values()) == pytest.approx(grown, rel=0.02)
    after = {item.product: item.quantity for item in records.stock()}
    orders = {order.number: order for order in records.orders()}
    assert "SMALL" not in orders, "it was shipped whole"
    assert after["flange"] == pytest.approx(before["flange"] + made.get("flange", 0.0) - 1.0)
    assert after["gear"] == pytest.approx(0.0)
    assert orders["DUE"].quantity == pytest.approx(1e9 - made.get("gear", 0.0) + 0.0, abs=1.0)
    assert book_production(plant_site, store=store, records=records, now=now) == {}
    records.remove_orders(["DUE"], source="test", at=now)


def test_plan_is_kept_with_its_facts_and_can_be_derived_again(
    plant_site: Site, records: Records, store: EmbeddedReader
) -> None:
    now = plant_site.clock.now()
    late = Order(number="LATE", product="valve", quantity=500.0, due_at=now - timedelta(hours=5))
    records.put_orders([late], source="test", at=now)
    plan = make_plan(plant_site, store=store, records=records, now=now, reason="test")
    records.remove_orders(["LATE"], source="test", at=now)
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert plan.certificate is not None
    assert plan.certificate.checked
    assert any(each.order == "LATE" for each in plan.late), "an order due in the past is late from the first hour"
    kept = records.newest_plan()
    document = records.plan_facts(plan.number)
    assert kept == plan
    assert document is not None
    again = recompute(facts_from_json(document), plan)
    assert again is not None
    assert again.recomputed_objective == plan.certificate.recomputed_objective
    assert again.inputs_hash == plan.certificate.inputs_hash


def test_days_of_the_effect_add_up_to_what_the_kpis_and_counters_say(
    plant_site: Site, records: Records, store: EmbeddedReader
) -> None:
    today = plant_site.clock.now().astimezone(ZoneInfo(plant_site.plant.timezone)).date()
    first = today - timedelta(days=9)  # more than is read at once
    renewals = records.maintenance()
    days = list(read_days(plant_site, store=store, renewals=renewals, first=first, last=today))
    assert [day.day for day in days] == [first + timedelta(days=k) for k in range(9)]
    start, end = (
        datetime.combine(day, dtime(), tzinfo=ZoneInfo(plant_site.plant.timezone)).astimezone(UTC)
        for day in (first, today)
    )
    made = good_by_line(plant_site, store=store, since=start, until=end)
    total = sum(units for products in made.values() for units in products.values())
    assert sum(day.good for day in days) == pytest.approx(total, rel=0.01)
    failed = [each for each in renewals if each.kind == "failed" and start <= each.at < end]
    assert sum(day.stops for day in days) == pytest.approx(len(failed), abs=2)
    assert all(day.cost > day.energy_kwh * 0.01 and 0 < day.scrap < day.good for day in days)
    effect = measure_effect(days[:3], days[3:], currency="EUR")
    assert "Too few days" in effect.sentence


def test_order_that_no_line_can_make_is_told_in_plant_words(
    plant_site: Site, records: Records, store: EmbeddedReader
) -> None:
    now = plant_site.clock.now()
    nobody = replace(plant_site, capabilities=tuple(c for c in plant_site.capabilities if c.product != "valve"))
    plan = make_plan(nobody, store=store, records=records, now=now, reason="test")
    assert plan.status is SolveStatus.INFEASIBLE
    assert any("valve" in conflict.sentence.lower() for conflict in plan.conflicts)
    banner = records.noted(BANNER_NOTE)
    assert banner is not None
    assert banner["kind"] == "alert"


def test_renewing_kinds_are_those_the_simulator_tells(records: Records) -> None:
    assert {each.kind for each in records.maintenance()} <= {*RENEWING, "failed"}
