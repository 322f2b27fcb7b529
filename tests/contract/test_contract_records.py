"""Every book of the records, on a real file and on a real PostgreSQL."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from plant.alerts import Alert, AlertState, Severity
from plant.kpis import Kpi
from plant.plans import Decision, Plan, SolveStatus
from plant.production import Closure, Order, Stock
from plant.risks import Evidence, Risk
from plant.work_orders import Finding, WorkOrder, WorkOrderState
from store.books.entries import ModelUse, User
from store.books.settings import RecordsSettings
from store.books.tables import metadata
from store.records import Records

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDER = Order(number="O-1", product="gear", quantity=10.0, due_at=NOW + HOUR)


def alert(number: str = "A-1", state: AlertState = AlertState.ACTIVE, opened: datetime = NOW) -> Alert:
    return Alert(
        number=number,
        machine="L2-press",
        mode="bearing",
        state=state,
        severity=Severity.HIGH,
        opened_at=opened,
        changed_at=opened,
        probability=0.7,
        horizon_h=48.0,
        title="Press 2: bearing wearing",
        action="Plan maintenance",
        evidence=("vibration 4.1 sigma",),
    )


def plan(number: str) -> Plan:
    return Plan(
        number=number,
        created_at=NOW,
        start=NOW,
        end=NOW + 48 * HOUR,
        status=SolveStatus.OPTIMAL,
        reason="hourly",
        runs=(),
        maintenance=(),
        costs=(),
        hours=(),
        late=(),
        peak_kw=0.0,
        co2_kg=0.0,
        certificate=None,
        headline="Nothing moved",
        saving=None,
    )


def risk(machine: str, assessed: datetime, probability: float = 0.1) -> Risk:
    evidence = Evidence(
        signal="vibration_mm_s",
        scale="level",
        contribution=math.inf,
        share=0.5,
        value=4.0,
        baseline=math.nan,
        deviation_sigma=2.0,
        since=None,
        sentence="vibration is up",
    )
    return Risk(
        machine=machine,
        mode="any",
        assessed_at=assessed,
        horizons_h=(24.0, 48.0),
        survival=(0.9, 0.8),
        probability=probability,
        horizon_h=48.0,
        remaining_life_p10_h=10.0,
        remaining_life_p50_h=20.0,
        remaining_life_p90_h=48.0,
        evidence=(evidence,),
        model_version="m-1",
        enough_data=True,
    )


def test_orders_keep_every_version_and_answer_for_then(records: Records) -> None:
    assert records.put_orders([ORDER, replace(ORDER, number="O-2")], source="toml", at=NOW) == 2
    assert records.put_orders([ORDER], source="again", at=NOW + HOUR) == 0
    assert records.put_orders([replace(ORDER, quantity=4.0)], source="csv", at=NOW + 2 * HOUR) == 1
    assert records.remove_orders(["O-2", "O-9"], source="mqtt", at=NOW + 3 * HOUR) == 1
    assert [(order.number, order.quantity) for order in records.orders()] == [("O-1", 4.0)]
    then = records.orders_as_of(NOW + HOUR)
    assert [(order.number, order.quantity) for order in then] == [("O-1", 10.0), ("O-2", 10.0)]
    assert records.orders_as_of(NOW - HOUR) == ()
    records.put_orders([replace(ORDER, number="O-2")], source="mqtt", at=NOW + 4 * HOUR)
    assert len(records.orders()) == 2


def test_orders_come_by_due_date(records: Records) -> None:
    late = replace(ORDER, number="O-0", due_at=NOW + 5 * HOUR)
    records.put_orders([late, ORDER], source="toml", at=NOW)
    assert records.orders() == (ORDER, late)


def test_stock_and_closures_are_replaced_and_remembered(records: Records) -> None:
    records.put_stock([Stock(product="gear", quantity=5.0), Stock(product="axle", quantity=1.0)], source="toml", at=NOW)
    records.put_stock([Stock(product="gear", quantity=9.0)], source="counters", at=NOW + HOUR)
    assert records.stock() == (Stock(product="axle", quantity=1.0), Stock(product="gear", quantity=9.0))
    assert records.stock_as_of(NOW)[1].quantity == 5.0
    closure = Closure(line="L1", start=NOW, end=NOW + HOUR, reason="inventory")
    assert records.closures() == ()
    assert records.put_closures([closure], source="toml", at=NOW) == 1
    assert records.put_closures([], source="toml", at=NOW + HOUR) == 1
    assert (records.closures(), records.closures_as_of(NOW)) == ((), (closure,))


def test_risks_are_the_newest_of_each_machine_with_numbers_that_json_lacks(records: Records) -> None:
    records.put_risks([risk("L1-press", NOW + HOUR, 0.2), risk("L2-press", NOW)])
    records.put_risks([risk("L1-press", NOW)])
    newest = records.risks()
    assert [(each.machine, each.probability) for each in newest] == [("L1-press", 0.1), ("L2-press", 0.1)]
    assert newest[0].evidence[0].contribution == math.inf
    assert math.isnan(newest[0].evidence[0].baseline)
    assert [each.probability for each in records.risk_history("L1-press", start=NOW, end=NOW + 2 * HOUR)] == [0.1, 0.2]
    assert len(records.risk_history("L1-press", start=NOW, end=NOW + HOUR)) == 1


def test_alerts_keep_every_state_they_were_in(records: Records) -> None:
    records.put_alerts([alert(), alert("A-2", opened=NOW + HOUR)])
    acknowledged = records.acknowledge("A-1", by="Ada", at=NOW + HOUR)
    assert (acknowledged.state, acknowledged.acknowledged_by) == (AlertState.ACKNOWLEDGED, "Ada")
    records.put_alerts([replace(acknowledged, state=AlertState.CLOSED, closed_at=NOW + 2 * HOUR)])
    assert [each.state for each in records.alert_history("A-1")] == [
        AlertState.ACTIVE,
        AlertState.ACKNOWLEDGED,
        AlertState.CLOSED,
    ]
    assert [each.number for each in records.alerts()] == ["A-2", "A-1"]
    assert [each.number for each in records.alerts(open_only=True)] == ["A-2"]
    assert len(records.alerts(limit=1)) == 1
    assert records.alert("A-9") is None


def test_acknowledging_a_returned_alert_closes_it_and_a_closed_one_stays(records: Records) -> None:
    records.put_alerts([alert(state=AlertState.RETURNED)])
    closed = records.acknowledge("A-1", by="Ada", at=NOW + HOUR)
    assert (closed.state, closed.closed_at) == (AlertState.CLOSED, NOW + HOUR)
    assert records.acknowledge("A-1", by="Bob", at=NOW + 2 * HOUR) == closed
    with pytest.raises(KeyError, match="There is no alert A-9"):
        records.acknowledge("A-9", by="Ada", at=NOW)


def test_acknowledgement_survives_a_decision_made_from_what_was_read_before(records: Records) -> None:
    records.put_alerts([alert()])
    seen_at = datetime.now(UTC)
    records.acknowledge("A-1", by="Ada", at=NOW + HOUR)
    records.put_alerts([replace(alert(), probability=0.9)], seen_at=seen_at)
    kept = records.alert("A-1")
    assert kept is not None
    assert (kept.state, kept.acknowledged_by, kept.probability) == (AlertState.ACKNOWLEDGED, "Ada", 0.9)
    records.put_alerts([replace(alert(), probability=0.95)], seen_at=datetime.now(UTC) + HOUR)
    rung_again = records.alert("A-1")
    assert rung_again is not None
    assert rung_again.state is AlertState.ACTIVE


def test_plans_keep_facts_and_one_accepted_at_a_time(records: Records) -> None:
    for number in ("P-1", "P-2", "P-3"):
        records.put_plan(plan(number), b'{"facts": "' + number.encode() + b'"}')
    assert records.accepted_plan() is None
    records.decide("P-1", Decision.ACCEPTED, by="Ada", reason="good", at=NOW)
    records.decide("P-2", Decision.REJECTED, by="Ada", reason="too dear", at=NOW + HOUR)
    accepted = records.decide("P-3", Decision.ACCEPTED, by="Bob", at=NOW + 2 * HOUR)
    assert records.accepted_plan() == accepted == records.newest_plan()
    decisions = [(each.number, each.decision) for each in records.plans()]
    assert decisions == [
        ("P-3", Decision.ACCEPTED),
        ("P-2", Decision.REJECTED),
        ("P-1", Decision.SUPERSEDED),
    ]
    first = records.plan("P-1")
    assert first is not None
    assert first.decision_reason == "P-3 accepted"
    assert records.plan_facts("P-2") == b'{"facts": "P-2"}'
    assert records.plan("P-9") is None
    assert records.plan_facts("P-9") is None
    with pytest.raises(KeyError, match="There is no plan P-9"):
        records.decide("P-9", Decision.ACCEPTED, by="Ada", at=NOW)


def test_kpis_and_maintenance_are_kept_once_and_in_order(records: Records) -> None:
    sums = Kpi(
        entity="L1",
        start=NOW,
        end=NOW + HOUR,
        planned_busy_h=1.0,
        production_h=0.9,
        produced=10,
        good=9,
        target_h=0.8,
        energy_kwh=3.0,
    )
    later = replace(sums, start=NOW + HOUR, end=NOW + 2 * HOUR)
    records.put_kpis([sums, later, replace(sums, entity="L2")])
    records.put_kpis([replace(later, good=10)])
    assert [(each.entity, each.good) for each in records.kpis()] == [("L1", 10), ("L2", 9)]
    assert records.kpi_history("L1", NOW, NOW + HOUR) == (sums,)
    for kind, at in (("repaired", NOW + HOUR), ("failed", NOW), ("failed", NOW)):
        records.put_maintenance("L2-press", kind=kind, at=at, mode="bearing")
    assert [(each.kind, each.at, each.mode) for each in records.maintenance("L2-press")] == [
        ("failed", NOW, "bearing"),
        ("repaired", NOW + HOUR, "bearing"),
    ]
    assert records.maintenance("L1-press") == ()


def test_outbox_gives_what_is_due_until_it_is_settled(records: Records) -> None:
    first = records.enqueue("alert", b"one", at=NOW)
    second = records.enqueue("alert", b"two", at=NOW)
    records.enqueue("plan", b"other", at=NOW)
    records.fail(first, reason="refused", retry_at=NOW + HOUR)
    assert [item.item for item in records.due("alert", at=NOW)] == [second]
    due = records.due("alert", limit=1, at=NOW + HOUR)
    assert [(item.payload, item.attempts, item.reason) for item in due] == [(b"one", 1, "refused")]
    records.settle(first)
    records.settle(second)
    assert records.due("alert", at=NOW + 2 * HOUR) == ()


def test_roles_notes_requests_and_audit_come_back(records: Records) -> None:
    records.beat("ingest", pid=1, since=NOW, at=NOW, detail={"connected": False})
    records.beat("ingest", pid=2, since=NOW, at=NOW + HOUR, detail={"connected": True})
    (beat,) = records.roles()
    assert (beat.role, beat.pid, beat.since, beat.detail) == ("ingest", 2, NOW, {"connected": True})
    records.note("banner", {"text": "one"})
    records.note("banner", {"text": "two", "saved": 412.5})
    assert records.noted("banner") == {"text": "two", "saved": 412.5}
    assert records.noted("nothing") is None
    records.request("plan", at=NOW, detail="asked by Ada")
    assert [(each.job, each.detail) for each in records.take_requests()] == [("plan", "asked by Ada")]
    assert records.take_requests() == ()
    records.audit("Ada", "accepted P-3", NOW, "from the console")
    records.audit("Bob", "acknowledged A-1", NOW)
    assert [line.who for line in records.audit_trail()] == ["Bob", "Ada"]


def test_transaction_that_fails_leaves_nothing(records: Records) -> None:
    broken = replace(alert("A-2"), opened_at="not a time")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(TypeError):
        records.put_alerts([alert(), broken])
    assert records.alerts() == ()


def test_risk_history_is_whole_for_a_day_and_hourly_before_that(records: Records) -> None:
    quarter = timedelta(minutes=15)
    for step in range(4 * 30):
        records.put_risks([risk("L2-press", NOW + step * quarter)])
    at = [each.assessed_at for each in records.risk_history("L2-press", start=NOW, end=NOW + 48 * HOUR)]
    newest = NOW + (4 * 30 - 1) * quarter
    old, fresh = [each for each in at if each < newest - 25 * HOUR], [each for each in at if each >= newest - 24 * HOUR]
    assert len(fresh) == 4 * 24 + 1
    assert [each.minute for each in old] == [45] * len(old)
    assert len(old) == 4
    assert records.risks()[0].assessed_at == newest


def test_work_orders_keep_every_state_and_take_a_corrected_finding(records: Records) -> None:
    order = WorkOrder(number="W-1", machine="L2-press", title="Press 2: bearing", created_at=NOW, alert="A-1")
    records.put_work_order(order)
    records.put_work_order(order)
    records.put_work_order(replace(order, number="W-2", machine="L1-mill", created_at=NOW + HOUR))
    assert [each.number for each in records.work_orders()] == ["W-2", "W-1"]
    closed = records.close_work_order(
        "W-1", finding=Finding.FALSE_ALARM, by="Ada", at=NOW + HOUR, note="loose sensor cable"
    )
    assert (closed.state, closed.is_open, closed.closed_by) == (WorkOrderState.CLOSED, False, "Ada")
    corrected = records.close_work_order("W-1", finding=Finding.TRUE_ALARM, mode="bearing", by="Bob", at=NOW + 2 * HOUR)
    assert records.work_order("W-1") == corrected
    assert [each.finding for each in records.work_order_history("W-1")] == [
        None,
        Finding.FALSE_ALARM,
        Finding.TRUE_ALARM,
    ]
    assert [each.number for each in records.work_orders(state=WorkOrderState.OPEN)] == ["W-2"]
    assert records.work_orders(machine="L2-press") == (corrected,)
    assert records.work_order("W-9") is None
    with pytest.raises(KeyError, match="There is no work order W-9"):
        records.close_work_order("W-9", finding=Finding.NOTHING_FOUND, by="Ada", at=NOW)


def test_users_are_known_by_a_token_that_nobody_can_read_back(records: Records) -> None:
    token = records.put_user(User(name="cmms", since=NOW, note="maintenance system"))
    found = records.user_of_token(token)
    assert found is not None
    assert found.name == "cmms"
    assert records.user_of_token("guess") is None
    newer = records.put_user(User(name="cmms", since=NOW))
    assert (records.user_of_token(token), [each.name for each in records.users()]) == (None, ["cmms"])
    assert records.remove_user("cmms")
    assert not records.remove_user("cmms")
    assert records.user_of_token(newer) is None


def test_model_uses_tell_what_was_in_use_when(records: Records) -> None:
    use = ModelUse(
        machine_class="press", version="v1", at=NOW, by="training", how="trained", metrics={"c_index": math.nan}
    )
    records.put_model_use(use)
    records.put_model_use(replace(use, version="v2", at=NOW + HOUR, metrics={}))
    records.put_model_use(replace(use, machine_class="mill", at=NOW + HOUR))
    assert [each.version for each in records.model_uses("press")] == ["v2", "v1"]
    assert len(records.model_uses(limit=2)) == 2
    assert math.isnan(records.model_uses("press")[1].metrics["c_index"])


def test_version_changes_with_what_another_connection_commits(
    records: Records, records_settings: RecordsSettings, tmp_path: Path
) -> None:
    other = Records(records_settings.address(tmp_path / "site"))
    before = records.version()
    assert records.version() == before
    other.note("banner", {"text": "new"})
    assert records.version() != before
    other.close()


@pytest.mark.usefixtures("records")
def test_migrations_make_just_the_tables_that_the_books_use(records_settings: RecordsSettings, tmp_path: Path) -> None:
    engine = create_engine(records_settings.address(tmp_path / "site"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
