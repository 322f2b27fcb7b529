"""What work orders' findings teach: labels over the machines' own events, visible and reversible."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from analytics.lives import Renewal, lives_from_windows
from linewright.cli.app import app
from linewright.outcomes import Label, Meaning, keep_version, labelled, labels, learned_by, leave_out, take_in
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site
from linewright.work_orders import close_work_order
from plant.assets import MachineClass, Signal
from plant.quantities import Quantity
from plant.signals import Window
from plant.work_orders import Finding, WorkOrder
from store.records import Records

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
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


def label(meaning: Meaning, *, mode: str = "", left_out: str = "") -> Label:
    return Label(
        work_order="W-1",
        machine="m-1",
        meaning=meaning,
        mode=mode,
        asked_at=NOW,
        found_at=NOW + 6 * HOUR,
        by="Eva",
        left_out=left_out,
    )


def closed(records: Records, finding: Finding, *, mode: str = "") -> WorkOrder:
    order = WorkOrder(number="W-1", machine="m-1", title="look", created_at=NOW, suspected_mode="seal")
    records.put_work_order(order)
    return close_work_order(records, number="W-1", finding=finding, mode=mode, by="Eva", at=NOW + 6 * HOUR)


MAINTAINED = Renewal(machine="m-1", kind="maintained", at=NOW + 5 * HOUR)


def lives_of(renewals: tuple[Renewal, ...]) -> list[tuple[int, bool, str, float]]:
    machine_class = MachineClass(
        name="pump", signals=(Signal(name="heat_c", quantity=Quantity.TEMPERATURE),), cycle_h=2.0
    )
    at = np.array([round((NOW + n * HOUR).timestamp() * 1e6) for n in range(-4, 12)], dtype=np.int64)
    window = Window(
        machine="m-1",
        start=NOW - 4 * HOUR,
        end=NOW + 12 * HOUR,
        step=None,
        as_of=None,
        observed_at=at,
        values={"heat_c": np.arange(16.0)},
        states={},
        quality=np.zeros(16, dtype=np.uint8),
    )
    lives = lives_from_windows({"m-1": window}, machine_class=machine_class, renewals=renewals)
    return [(len(life), life.failed, life.mode, life.unread_units) for life in lives]


def test_true_alarm_ends_the_life_in_the_found_mode_where_the_machine_was_maintained() -> None:
    events = labelled([MAINTAINED], [label(Meaning.FAILURE, mode="bearing")], horizon_h=24.0)
    assert lives_of(events) == [(9, True, "bearing", 0.0), (7, False, "", 0.0)]


def test_true_alarm_renews_a_machine_that_reports_no_maintenance() -> None:
    events = labelled([], [label(Meaning.FAILURE, mode="bearing")], horizon_h=24.0)
    assert [event.kind for event in events] == ["failed", "repaired"]
    assert lives_of(events) == [(10, True, "bearing", 0.0), (6, False, "", 0.0)]


def test_true_alarm_names_the_mode_of_a_failure_that_came_first() -> None:
    failed = Renewal(machine="m-1", kind="failed", at=NOW + 2 * HOUR)
    events = labelled([failed, MAINTAINED], [label(Meaning.FAILURE, mode="bearing")], horizon_h=24.0)
    assert [(event.kind, event.mode) for event in events] == [("failed", "bearing"), ("maintained", "")]


def test_false_alarm_lets_the_life_run_on_for_the_horizon() -> None:
    events = labelled([MAINTAINED], [label(Meaning.SOUND)], horizon_h=24.0)
    assert lives_of(events) == [(9, False, "", 12.0), (7, False, "", 0.0)]


@pytest.mark.parametrize("each", [label(Meaning.CUT), label(Meaning.FAILURE, left_out="left out by Eva")])
def test_nothing_found_and_left_out_labels_only_cut_the_life_short(each: Label) -> None:
    assert labelled([MAINTAINED], [each], horizon_h=24.0) == (MAINTAINED,)


def test_other_machines_and_other_times_are_untouched() -> None:
    others = [
        Renewal(machine="m-2", kind="maintained", at=NOW + 5 * HOUR),
        Renewal(machine="m-1", kind="maintained", at=NOW - HOUR),
    ]
    events = labelled(others, [label(Meaning.SOUND)], horizon_h=24.0)
    assert sorted(events, key=str) == sorted(others, key=str)


def test_finding_becomes_a_label_that_is_left_out_and_taken_in_with_an_audit(records: Records) -> None:
    closed(records, Finding.TRUE_ALARM)
    (found,) = labels(records)
    assert (found.meaning, found.mode, found.left_out) == (Meaning.FAILURE, "seal", "")
    assert leave_out(records, work_order="W-1", by="Max", why="wrong machine", at=NOW).left_out.endswith(
        "wrong machine"
    )
    keep_version(records, version="v1", found=labels(records))
    assert learned_by(records, version="v1") == frozenset()
    assert take_in(records, work_order="W-1", by="Max", at=NOW).left_out == ""
    keep_version(records, version="v2", found=labels(records))
    assert learned_by(records, version="v2") == frozenset({"W-1"})
    assert [line.what for line in records.audit_trail()][:2] == ["label taken in", "label left out"]


def test_corrected_finding_replaces_the_label(records: Records) -> None:
    closed(records, Finding.TRUE_ALARM, mode="bearing")
    close_work_order(records, number="W-1", finding=Finding.FALSE_ALARM, by="Max", at=NOW + 7 * HOUR)
    (found,) = labels(records)
    assert (found.meaning, found.mode, found.by) == (Meaning.SOUND, "", "Max")


def test_command_lists_and_leaves_out(records: Records, site: Site) -> None:
    closed(records, Finding.NOTHING_FOUND)
    where = ["--site", str(site.folder)]
    shown = CliRunner().invoke(app, ["model", "labels", *where])
    assert "W-1" in shown.output
    assert "cut short" in shown.output
    after = CliRunner().invoke(app, ["model", "labels", "--leave-out", "W-1", "--why", "unsure", "--by", "Max", *where])
    assert "left out by Max unsure" in after.output
    wrong = CliRunner().invoke(app, ["model", "labels", "--take-in", "W-9", *where])
    assert wrong.exit_code == 1
    assert "W-9 has no finding" in wrong.output
