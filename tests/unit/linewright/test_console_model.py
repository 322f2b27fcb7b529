"""The Model page's content, from what registry and records keep."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analytics.versions import FORMAT, NEEDED, HeldOutAlerts, HeldOutBin, Version
from linewright.console.charts import DARK
from linewright.console.model_charts import cost_chart, lead_chart, reliability_chart
from linewright.console.models import ModelFacts, read_models
from linewright.console.views.model_view import ClassView, model_view
from linewright.outcomes import Label, Meaning
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site
from plant.risks import Cause, Diagnosis, Risk
from store.books.entries import AuditLine, ModelUse

AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
BINS = (
    HeldOutBin(predicted=0.03, observed=0.02, rows=800, low=0.01, high=0.04),
    HeldOutBin(predicted=0.81, observed=0.75, rows=40, low=float("nan"), high=float("nan")),
)
ALERTS = tuple(
    HeldOutAlerts(
        threshold=threshold,
        caught=caught,
        missed=12 - caught,
        false=false,
        median_lead_h=lead_h,
        least_lead_h=lead_h / 2,
        cost=1000.0 * (12 - caught) + 20.0 * false + 100.0 * caught,
        never=12000.0,
    )
    for threshold, caught, false, lead_h in ((0.25, 11, 7, 30.0), (0.5, 10, 2, 20.0), (0.95, 0, 0, float("nan")))
)
METRICS = {
    "failures": 12.0,
    "lives": 15.0,
    "average_precision": 0.91,
    "prevalence": 0.1,
    "brier": 0.0212,
    "ece": 0.013,
    "horizon_units": 24.0,
}
IN_USE = Version(
    machine_class="press",
    version="one",
    created_at=AT,
    data_cut_off=AT - timedelta(hours=1),
    metrics=METRICS,
    calibrated=True,
    current=True,
    cycle_h=2.0,
    reliability=BINS,
    alerts=ALERTS,
)
CHALLENGER = replace(
    IN_USE, version="two", created_at=AT + DAY, current=False, calibrated=False, metrics=METRICS | {"brier": 0.05}
)
FACTS = ModelFacts(
    versions=(IN_USE, CHALLENGER),
    uses=(ModelUse(machine_class="press", version="one", at=AT, by="training", how="trained", reason="none before"),),
    told=(
        AuditLine(at=AT + DAY, who="training", what="challenger waits", detail="press: two: 1 new failures since: one"),
        AuditLine(at=AT, who="training", what="challenger promoted", detail="press: one: none before"),
        AuditLine(at=AT, who="linewright", what="training asked for", detail="press: 1 machines in a new regime"),
    ),
    labels=(
        Label(
            work_order="WO-1",
            machine="L1-press",
            meaning=Meaning.FAILURE,
            mode="bearing",
            asked_at=AT,
            found_at=AT,
            by="Max",
        ),
        Label(
            work_order="WO-2",
            machine="L2-press",
            meaning=Meaning.SOUND,
            mode="",
            asked_at=AT,
            found_at=AT,
            by="Eva",
            left_out="left out by Petra",
        ),
        Label(
            work_order="WO-3",
            machine="L1-mill",
            meaning=Meaning.CUT,
            mode="",
            asked_at=AT,
            found_at=AT,
            by="Eva",
        ),
    ),
    learned={"press": frozenset({"WO-1"})},
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("models")
    write_template(folder, console_port=8080)
    return open_site(folder, environ={})


def view_of(site: Site, facts: ModelFacts, name: str = "press", risks: tuple[Risk, ...] = ()) -> ClassView:
    views = model_view(site, facts, risks={risk.machine: risk for risk in risks})
    assert [each.name for each in views] == [each.name for each in site.plant.classes]
    return next(each for each in views if each.name == name)


def risk_of(machine: str, *diagnoses: Diagnosis) -> Risk:
    return Risk(
        machine=machine,
        mode="any",
        assessed_at=AT,
        horizons_h=(24.0,),
        survival=(0.9,),
        probability=0.1,
        horizon_h=24.0,
        remaining_life_p10_h=10.0,
        remaining_life_p50_h=24.0,
        remaining_life_p90_h=24.0,
        evidence=(),
        model_version="one",
        enough_data=True,
        diagnoses=diagnoses,
    )


def test_model_in_use_is_told_with_its_held_out_figures(site: Site) -> None:
    view = view_of(site, FACTS)
    facts = {name: (value, meaning) for name, value, meaning in view.facts}
    assert view.nothing == ""
    assert facts["Version"][0] == "one"
    assert facts["Learned from"][0] == "12 failures in 15 lives"
    assert facts["Average precision"][0] == "0.91"
    assert facts["Average precision"][1].startswith("failures within 48 h; without a model 0.10")
    assert (facts["Brier score"][0], facts["ECE"][0], facts["Probabilities"][0]) == ("0.0212", "0.013", "Calibrated")
    assert view.reliability == BINS
    assert "840 readings of held-out lives" in view.reliability_note.replace("\u202f", "")


def test_challenger_that_waits_is_told_with_its_reason(site: Site) -> None:
    view = view_of(site, FACTS)
    assert [(row.version, row.state.word, row.calibrated) for row in view.versions] == [
        ("two", "Waits", "no"),
        ("one", "In use", "yes"),
    ]
    assert view.verdict.endswith("two waits as challenger: 1 new failures since: one.")
    assert view.uses.rows[0][1:] == ("one", "Trained by training", "None before.")


def test_labels_of_the_class_say_whether_they_were_learned(site: Site) -> None:
    rows = view_of(site, FACTS).labels.rows
    assert [(row[0], row[2]) for row in rows] == [
        ("WO-2", "Left out by Petra"),
        ("WO-1", "Learned by the model in use"),
    ]
    assert [row[0] for row in view_of(site, FACTS, "mill").labels.rows] == ["WO-3"]


def test_diagnoses_are_counted_by_machine(site: Site) -> None:
    drift = Diagnosis(signal="temperature_c", cause=Cause.DRIFT, since=AT, sentence="temperature moved slowly")
    view = view_of(
        site, FACTS, risks=(risk_of("L1-press", drift, replace(drift, signal="current_a")), risk_of("L2-press"))
    )
    assert [(row.machine, row.cause.word, row.signal) for row in view.diagnoses] == [
        ("L1-press", "Drift", "Temperature"),
        ("L1-press", "Drift", "Current"),
    ]
    assert view.moved.startswith("Of 2 assessed machines drift on 1 (50 % with a finding).")
    assert "Training was asked for" in view.moved
    assert view_of(site, FACTS, "mill").moved.startswith("No machine of the class has been assessed yet")
    still = view_of(site, FACTS, risks=(risk_of("L1-press"), risk_of("L2-press")))
    assert still.moved.startswith("No signal stands out on the 2 machines")


def test_class_without_a_model_says_what_counts_and_what_is_missing(site: Site) -> None:
    view = view_of(site, FACTS, "mill")
    assert view.state.word == "No model yet"
    assert f"{site.model.training_failures} failures with readings" in view.nothing
    waiting = replace(FACTS, versions=(CHALLENGER,), uses=())
    assert view_of(site, waiting).nothing.startswith("1 registered, none of them in use")


def test_version_without_held_out_bins_says_so(site: Site) -> None:
    older = replace(FACTS, versions=(replace(IN_USE, reliability=()),))
    assert "kept no held-out figures" in view_of(site, older).reliability_note


def test_broken_registry_is_told(site: Site) -> None:
    pointer = site.data / "models" / "press" / "current.json"
    version = pointer.parent / "one"
    version.mkdir(parents=True)
    pointer.write_text("{")
    nothing = dict.fromkeys(NEEDED, "")
    dates = dict.fromkeys(("created_at", "data_cut_off"), AT.isoformat())
    told = {**nothing, **dates, "format": FORMAT, "machine_class": "press", "calibration": {"calibrated": True}}
    (version / "model.json").write_text(json.dumps(told))
    records = open_records(site)
    try:
        read = read_models(records, site=site)
    finally:
        records.close()
    assert "current.json" in read.trouble
    assert read.versions == ()


def test_reliability_chart_has_a_point_per_bin_and_a_bar_where_there_is_a_band() -> None:
    diagonal, observed = reliability_chart(BINS, palette=DARK)["series"]
    assert diagonal["data"] == [[0, 0], [100, 100]]
    assert observed["data"] == [[3.0, 2.0], [81.0, 75.0]]
    assert observed["markLine"]["data"] == [[{"coord": [3.0, 1.0]}, {"coord": [3.0, 4.0]}]]


def test_alerts_are_told_at_the_cheapest_threshold_and_at_the_one_that_is_set(site: Site) -> None:
    note = view_of(site, FACTS).alerts_note
    assert "Cheapest at 25 %: 11 of 12 failures caught, half of them 30 h or more ahead, 7 in vain" in note
    assert "At 50 %, as set: 10 of 12 failures caught" in note
    only = replace(IN_USE, alerts=ALERTS[1:2])
    assert "That is also what is set." in view_of(site, replace(FACTS, versions=(only,))).alerts_note
    none = replace(IN_USE, alerts=())
    assert view_of(site, replace(FACTS, versions=(none,))).alerts_note == ""


def test_curves_of_cost_and_lead_are_by_threshold_and_mark_the_cheapest() -> None:
    cost = cost_chart(ALERTS, palette=DARK, currency="EUR")["series"]
    assert cost[0]["data"] == [[25, 2240.0], [50, 3040.0], [95, 12000.0]]
    assert cost[0]["markPoint"]["data"] == [{"coord": [25, 2240.0]}]
    assert {point[1] for point in cost[1]["data"]} == {12000.0}
    median, least, caught = lead_chart(ALERTS, palette=DARK)["series"]
    assert (median["data"], least["data"]) == ([[25, 30.0], [50, 20.0]], [[25, 15.0], [50, 10.0]])
    assert caught["data"] == [[25, 91.67], [50, 83.33], [95, 0.0]]
