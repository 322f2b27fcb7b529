"""What drift leads to: a training that is asked for once a day, a word in the status and on the machine's page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linewright.console.views.machine_view import risk_view
from linewright.judging import Judge, ask_for_training
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.status import as_text, examine
from linewright.wiring import open_records, open_site
from plant.risks import Cause, Diagnosis, Risk
from store.records import Records

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    write_template(tmp_path)
    return open_site(tmp_path, environ={})


@pytest.fixture
def records(site: Site) -> Iterator[Records]:
    opened = open_records(site)
    yield opened
    opened.close()


def risk(machine: str, cause: Cause) -> Risk:
    found = Diagnosis(signal="vibration_mm_s", cause=cause, since=NOW, sentence="vibration has stood still at 2 mm/s")
    return Risk(
        machine=machine,
        mode="any",
        assessed_at=NOW,
        horizons_h=(1.0, 24.0),
        survival=(0.99, 0.9),
        probability=0.1,
        horizon_h=24.0,
        remaining_life_p10_h=20.0,
        remaining_life_p50_h=50.0,
        remaining_life_p90_h=90.0,
        evidence=(),
        model_version="v1",
        enough_data=True,
        diagnoses=(found,),
    )


@pytest.mark.parametrize(
    ("cause", "asked"),
    [(Cause.NEW_REGIME, True), (Cause.DRIFT, False), (Cause.SENSOR_FAULT, False), (Cause.DEGRADATION, False)],
)
def test_one_machine_in_a_new_regime_asks_for_a_training(
    site: Site, records: Records, cause: Cause, asked: bool
) -> None:
    work = Judge(site=site, store=None, records=records)  # type: ignore[arg-type]  # no reading is asked for
    machine = site.plant.machines[0].name
    assert ask_for_training(work, [risk(machine, cause)], now=NOW) is asked
    assert [request.job for request in records.take_requests()] == ["train"] * asked


def test_drift_on_most_machines_asks_once_a_day(site: Site, records: Records) -> None:
    work = Judge(site=site, store=None, records=records)  # type: ignore[arg-type]  # no reading is asked for
    name = site.plant.machines[0].machine_class
    risks = [risk(machine.name, Cause.DRIFT) for machine in site.plant.machines if machine.machine_class == name]
    hours = [0, 1, 23, 25]
    asked = [ask_for_training(work, risks, now=NOW + timedelta(hours=hour)) for hour in hours]
    assert asked == [True, False, False, True]


def test_status_and_machine_page_tell_the_finding(site: Site, records: Records) -> None:
    found = risk(site.plant.machines[0].name, Cause.SENSOR_FAULT)
    records.put_risks([found])
    (known,) = records.risks()
    assert known == found
    document = examine(site, store=None, records=records)
    assert document.signals[0].cause == "sensor_fault"
    assert f"signals   {found.machine}: vibration has stood still at 2 mm/s" in as_text(document)
    view = risk_view(known, plant=site.plant, now=NOW)
    assert view.diagnoses == (("Sensor fault", "Vibration has stood still at 2 mm/s."),)
