"""A planning job seen and ended by others: what it tells, who may end it, and what is kept."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.simulator.canonical import demo_facts
from linewright.pipeline import propose
from linewright.plan_running import RUNNING_NOTE, Running, running_search, stop_search, told_search
from optimizer.control import Progress
from optimizer.problem import PlanningFacts
from plant.plans import Plan, SolveStatus
from plant.production import PlanningPolicy
from store.records import Records

START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
WAIT_S = 60.0


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records(f"sqlite:///{tmp_path / 'records.db'}")
    yield opened
    opened.close()


def facts(limit_s: float) -> PlanningFacts:
    plant = demo_facts(START)
    return PlanningFacts(
        plant=plant.plant,
        products=plant.products,
        capabilities=plant.capabilities,
        orders=plant.orders,
        stock=plant.stock,
        calendar=plant.calendar,
        tariff=plant.tariff,
        policy=PlanningPolicy(time_limit_s=limit_s, gap=0.0),
        risks=(),
        start=START,
    )


def test_search_is_seen_while_it_runs_and_forgotten_afterwards(records: Records) -> None:
    assert running_search(records) is None
    with told_search(records, number="P-1", reason="test", limit_s=20.0):
        running = running_search(records)
        assert running is not None
        assert (running.number, running.reason, running.limit_s, running.incumbent) == ("P-1", "test", 20.0, None)
    assert running_search(records) is None


def test_search_that_tells_nothing_for_a_minute_counts_as_lost(records: Records) -> None:
    with told_search(records, number="P-1", reason="test", limit_s=20.0):
        document = records.noted(RUNNING_NOTE)
        assert document is not None
        records.note(RUNNING_NOTE, {**document, "told_at": "2026-11-22T05:00:00Z"})
        assert running_search(records) is None


def test_nobody_can_end_a_search_that_does_not_run(records: Records) -> None:
    assert stop_search(records, by="anna", at=START) == ""
    assert records.audit_trail() == ()


def test_wish_to_end_an_earlier_search_does_not_end_the_next(records: Records) -> None:
    with told_search(records, number="P-1", reason="test", limit_s=20.0):
        assert "P-1" in stop_search(records, by="anna", at=START)
    with told_search(records, number="P-2", reason="test", limit_s=20.0) as control:
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:  # longer than between two looks
            assert not control.is_cancelled()


def test_running_search_ends_on_request_with_a_checked_plan(records: Records) -> None:
    plans: list[Plan] = []

    def plan() -> None:
        with told_search(records, number="P-1", reason="test", limit_s=WAIT_S) as control:
            plans.append(propose(facts(WAIT_S), number="P-1", created_at=START, reason="test", control=control))

    began_s = time.monotonic()
    worker = threading.Thread(target=plan)
    worker.start()
    running = _wait_for_plan(records)
    assert running.incumbent is not None
    assert stop_search(records, by="anna", at=START)
    worker.join(WAIT_S)
    assert not worker.is_alive()
    assert time.monotonic() - began_s < WAIT_S
    (made,) = plans
    assert made.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert made.certificate is not None
    assert made.certificate.checked
    assert "stopped by hand" in made.certificate.solver
    assert [(line.who, line.what) for line in records.audit_trail()] == [("anna", "plan.stop")]
    assert running_search(records) is None


def test_progress_is_told_with_its_gap(records: Records) -> None:
    with told_search(records, number="P-1", reason="test", limit_s=20.0) as control:
        control.report(Progress(spent_s=1.0, incumbent=110.0, bound=99.0))
        deadline = time.monotonic() + WAIT_S
        while (running := running_search(records)) is None or running.incumbent is None:
            assert time.monotonic() < deadline
            control.is_cancelled()
        assert replace(running, told_at=START, spent_s=0.0) == Running(
            number="P-1",
            reason="test",
            limit_s=20.0,
            told_at=START,
            spent_s=0.0,
            incumbent=110.0,
            bound=99.0,
            gap=0.1,
            stopping=False,
        )


def _wait_for_plan(records: Records) -> Running:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        running = running_search(records)
        if running is not None and running.incumbent is not None:
            return running
        threading.Event().wait(0.05)
    pytest.fail("the search told no plan")
