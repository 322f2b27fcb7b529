"""A person's changes to a plan: read safely, kept to exactly, checked by the certificate, or refused in words."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_plants import START, demo_facts, tiny_facts
from optimizer_rules import planned

from optimizer.certify import check_rules, recompute
from optimizer.costing import account
from optimizer.edits import edited
from optimizer.facts import FixedLot, FixedMaintenance, facts_from_json, facts_to_json, inputs_hash
from plant.errors import ConfigError
from plant.plans import Plan, SolveStatus

HOUR = timedelta(hours=1)
FIRST_HASH = "90b2570f151257592f0e0e6307ccd988dcea9676cf4f46cf9b52b4b9dec3102c"
"""Of `demo_facts(1)` before any field was added."""
TINY = tiny_facts(4, horizon_h=10, lines=2, machines=1, time_limit_s=5.0)


BASE = planned(TINY)


def made(plan: Plan, line: str, product: str, hours: range) -> float:
    return sum(
        units
        for run in plan.runs
        if (run.line, run.product) == (line, product)
        for t, units in enumerate(run.hourly_units, start=(run.start - START) // HOUR)
        if t in hours
    )


@pytest.mark.parametrize(
    "text",
    [
        "maintain A0-0 at 9:00",
        "maintain A0-0 after 8:00",
        "no maintenance on A1-0",
        "keep maintenance of A0-0",
        "make 20 nut on A1 after 9:00",
        "no bolt on A0 before 10:00",
    ],
)
def test_edited_plan_does_what_was_asked_is_checked_and_costs_no_less(text: str) -> None:
    facts = edited(TINY, BASE, edits=(text,))
    plan = planned(facts)
    assert plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE), plan.headline
    assert plan.certificate is not None
    assert plan.certificate.checked
    assert {"fixed_lots", "fixed_maintenance"} & {check.rule for check in plan.certificate.checks}
    assert BASE.certificate is not None
    assert BASE.certificate.bound is not None
    assert plan.cost >= BASE.certificate.bound - 1e-6
    assert recompute(facts_from_json(facts_to_json(facts)), plan) == plan.certificate
    starts = {window.machine: (window.start - START) // HOUR for window in plan.maintenance}
    if text == "maintain A0-0 at 9:00":
        assert starts["A0-0"] == 3  # the plan begins at 6:00 in Vienna; 9:00 is off its grid of two hours
    elif text.startswith("no maintenance"):
        assert "A1-0" not in starts
    elif text.startswith("make"):
        assert made(plan, "A1", "nut", range(3, 10)) * 0.98 == pytest.approx(20, abs=1.0)
    elif text.startswith("no bolt"):
        assert made(plan, "A0", "bolt", range(4)) == 0


def test_keeping_everything_gives_the_same_plan_and_moving_a_lot_moves_its_good_units() -> None:
    keeps = tuple(f"keep {run.product} on {run.line}" for run in BASE.runs)
    kept = planned(edited(TINY, BASE, edits=tuple(dict.fromkeys(keeps))))
    assert kept.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE), kept.headline
    for run in BASE.runs:
        whole = range(10)
        assert made(kept, run.line, run.product, whole) >= made(BASE, run.line, run.product, whole) - 1e-5
    run = max(BASE.runs, key=lambda run: run.gross_units)
    other = "A1" if run.line == "A0" else "A0"
    before = made(BASE, run.line, run.product, range(10))
    moved = planned(edited(TINY, BASE, edits=(f"move {run.product} from {run.line} to {other}",)))
    assert moved.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE), moved.headline
    hours = [t for t in range(10) if made(BASE, run.line, run.product, range(t, t + 1))]
    assert sum(made(moved, run.line, run.product, range(t, t + 1)) for t in hours) == 0
    assert made(moved, other, run.product, range(10)) == pytest.approx(before, abs=1.0)


def test_a_later_change_replaces_an_earlier_one_to_the_same_thing() -> None:
    facts = edited(TINY, BASE, edits=("maintain A0-0 at 9:00", "no maintenance on A0-0", "make 9 nut on A1 after 9:00"))
    assert facts.fixed_maintenance == (FixedMaintenance(machine="A0-0", starts=()),)
    again = edited(facts, BASE, edits=("make 12 nut on A1 after 10:00",))
    assert len(again.fixed_lots) == 1
    assert again.fixed_lots[0].start == START + 4 * HOUR


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("paint it black", "one of: maintain MACHINE"),
        ("maintain A9-0", "a machine"),
        ("make 20 pie on A1 after 9:00", "a product that the line makes: nut, bolt"),
        ("make 9999 nut on A1", "h are missing"),
        ("maintain A0-0 at 15:00", "a start no later than"),
        ("no maintenance on A0-0 after 9:00", "leave out the time"),
        ("move nut from A0 before 6:00 to A1", "a time within the plan"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_the_way_out(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        edited(TINY, BASE, edits=(text,))
    assert says in "; ".join(str(fault) for fault in raised.value.faults)


def test_check_finds_a_plan_that_does_not_keep_to_what_was_fixed() -> None:
    starts = () if any(window.machine == "A0-0" for window in BASE.maintenance) else (START,)
    lot = FixedLot(line="A0", product="nut", start=START, end=START + HOUR, gross_units=3.0)
    facts = replace(TINY, fixed_lots=(lot,), fixed_maintenance=(FixedMaintenance(machine="A0-0", starts=starts),))
    broken = {each.rule for each in check_rules(facts, BASE, account(facts, BASE)) if not each.holds}
    assert {"fixed_lots", "fixed_maintenance"} <= broken


def test_facts_without_changes_keep_their_bytes_and_hash() -> None:
    plain = demo_facts(1)
    assert inputs_hash(plain) == FIRST_HASH, "a field that came later says something, or is missing in LATER"
    assert facts_from_json(facts_to_json(plain)) == plain
    both = edited(TINY, BASE, edits=("maintain A0-0 at 9:00",))
    assert facts_from_json(facts_to_json(both)) == both


VOCABULARY = (
    "make keep move no maintain maintenance of on from to A0 A1 nut A0-0 20 after at 9:00 Sunday 99:99 1e999 __import__"
)
WORDS = st.lists(st.sampled_from(VOCABULARY.split()), max_size=10)


@settings(max_examples=60, deadline=None)
@given(words=WORDS)
def test_any_words_give_facts_or_a_sentence(words: list[str]) -> None:
    try:
        facts = edited(TINY, BASE, edits=(" ".join(words),))
    except ConfigError as error:
        assert all(fault.expected for fault in error.faults)  # noqa: PT017 - either outcome is right
    else:
        assert facts.fixed_lots or facts.fixed_maintenance
