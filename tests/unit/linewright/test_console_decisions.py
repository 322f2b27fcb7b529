"""Decisions on plans, over the real records."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from linewright.decisions import accept_plan, reject_plan
from plant.plans import Certificate, Decision, Plan, SolveStatus
from store.records import Records, records_url

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records(records_url(tmp_path / "records.db"))
    yield records
    records.close()


def plan(number: str = "P-1") -> Plan:
    return Plan(
        number=number,
        created_at=NOW,
        start=NOW,
        end=NOW + timedelta(hours=48),
        status=SolveStatus.OPTIMAL,
        reason="hourly",
        runs=(),
        maintenance=(),
        costs=(),
        hours=(),
        late=(),
        peak_kw=0.0,
        co2_kg=0.0,
        certificate=Certificate(
            inputs_hash="00",
            model_versions=(),
            solver="HiGHS",
            solve_s=1.0,
            solver_objective=0.0,
            recomputed_objective=0.0,
            bound=0.0,
            gap=0.0,
            checks=(),
            checked=True,
        ),
        headline="",
        saving=None,
    )


def test_accepting_records_audits_and_sends_the_plan_to_the_plant(records: Records) -> None:
    records.put_plan(plan(), b"{}")
    outcome = accept_plan(records, number="P-1", by=" Jana ", reason="", at=NOW)
    assert outcome.done
    accepted = records.accepted_plan()
    assert accepted is not None
    assert accepted.decided_by == "Jana"
    (message,) = records.due("plan", at=NOW + timedelta(days=1))
    assert msgspec.json.decode(message.payload, type=Plan) == accepted
    assert records.audit_trail()[0].what == "plan accepted"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (replace(plan(), status=SolveStatus.INFEASIBLE), "nothing to accept"),
        (replace(plan(), certificate=None), "independent check"),
        (replace(plan(), decision=Decision.SUPERSEDED), "already superseded"),
        (replace(plan(), end=NOW), "ended in the past"),
    ],
)
def test_a_plan_that_cannot_be_accepted_is_refused_with_its_reason(records: Records, wrong: Plan, word: str) -> None:
    records.put_plan(wrong, b"{}")
    outcome = accept_plan(records, number="P-1", by="Jana", reason="", at=NOW)
    assert not outcome.done
    assert word in outcome.sentence
    assert records.due("plan", at=NOW + timedelta(days=1)) == ()


def test_a_decision_needs_a_name_a_known_plan_and_for_a_rejection_a_reason(records: Records) -> None:
    records.put_plan(plan(), b"{}")
    assert not accept_plan(records, number="P-1", by=" ", reason="", at=NOW).done
    assert not accept_plan(records, number="P-9", by="Jana", reason="", at=NOW).done
    assert not reject_plan(records, number="P-9", by="Jana", reason="x", at=NOW).done
    assert not reject_plan(records, number="P-1", by="Jana", reason=" ", at=NOW).done
    assert reject_plan(records, number="P-1", by="Jana", reason="crew is away", at=NOW).done
    assert not reject_plan(records, number="P-1", by="Jana", reason="again", at=NOW).done
    rejected = records.plan("P-1")
    assert rejected is not None
    assert (rejected.decision, rejected.decision_reason) == (Decision.REJECTED, "crew is away")
