"""The pages' contents, as pure functions of plant words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analytics.kpi import add
from ingest.simulator.canonical import canonical_plant
from linewright.console.charts import LIGHT, signal_chart, survival_chart
from linewright.console.snapshot import Snapshot
from linewright.console.views.alert_view import alerts_view
from linewright.console.views.gantt_view import gantt, price_levels
from linewright.console.views.machine_view import aggregations, risk_view, signal_series, state_segments
from linewright.console.views.plan_view import check_rows, cost_bars, trust_line
from linewright.console.views.plant_view import plant_view, risk_mark
from linewright.console.words import Tone, percent
from linewright.plan_files import picture_svg, plan_calendar, plan_csv
from linewright.plan_text import as_text
from plant.alerts import Alert, AlertState, Severity
from plant.clock import microseconds
from plant.kpis import Kpi
from plant.plans import (
    Certificate,
    CostTerm,
    HourUse,
    MaintenanceWindow,
    Plan,
    PlannedChangeover,
    PlannedRun,
    RuleCheck,
    SolveStatus,
)
from plant.production import Capability
from plant.risks import Risk
from plant.signals import LastValue, Quality, Window

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLANT = canonical_plant()


def last(machine: str, signal: str, value: float | str, *, ago: timedelta = timedelta(0)) -> LastValue:
    at = microseconds(NOW - ago)
    return LastValue(machine=machine, signal=signal, value=value, observed_at_us=at, received_at_us=at)


def kpi(entity: str, *, busy_h: float = 8.0, production_h: float = 6.0, good: float = 90.0) -> Kpi:
    return Kpi(
        entity=entity,
        start=NOW - 8 * HOUR,
        end=NOW,
        planned_busy_h=busy_h,
        production_h=production_h,
        produced=100.0,
        good=good,
        target_h=5.0,
        energy_kwh=50.0,
    )


def risk(probability: float = 0.2, *, enough_data: bool = True) -> Risk:
    return Risk(
        machine="L1-press",
        mode="bearing",
        assessed_at=NOW,
        horizons_h=(8.0, 24.0, 240.0),
        survival=(0.95, 1 - probability, 0.1),
        probability=probability,
        horizon_h=24.0,
        remaining_life_p10_h=12.0,
        remaining_life_p50_h=100.0,
        remaining_life_p90_h=240.0,
        evidence=(),
        model_version="press-1",
        enough_data=enough_data,
        reason="" if enough_data else "3 of 10 readings",
    )


def window(values: list[float], states: list[str | None], *, minutes: list[int], signal: str = "power_kw") -> Window:
    return Window(
        machine="L1-press",
        start=NOW - HOUR,
        end=NOW,
        step=timedelta(seconds=30),
        as_of=None,
        observed_at=np.array([microseconds(NOW - HOUR + timedelta(minutes=m)) for m in minutes], dtype=np.int64),
        values={signal: np.array(values)},
        states={"state": np.array(states, dtype=object)},
        quality=np.zeros(len(values), dtype=np.uint8),
    )


def view_of(snapshot: Snapshot):
    return plant_view(snapshot, plant=PLANT, products={"gear": "Gear"}, open_probability=0.5, now=NOW)


def test_plant_view_shows_dashes_where_nothing_is_known() -> None:
    view = view_of(Snapshot())
    tile = view.lines[0].machines[0]
    assert (tile.oee, tile.power, tile.scrap, tile.product, tile.since) == ("–", "–", "–", "–", "")
    assert tile.state.word == "No data"
    assert view.totals[0].value == "0 / 12"


def test_plant_view_says_silent_when_three_readings_are_missing() -> None:
    fresh = Snapshot(last={"L1-press": {"state": last("L1-press", "state", "Execute")}})
    stale = Snapshot(last={"L1-press": {"state": last("L1-press", "state", "Execute", ago=timedelta(minutes=30))}})
    assert view_of(fresh).lines[0].machines[0].state.word == "Running"
    tile = view_of(stale).lines[0].machines[0]
    assert (tile.state.word, tile.since) == ("Silent", "for 30 min")


def test_totals_are_ratios_of_sums_and_lines_tell_energy_per_good_part() -> None:
    lines = {each.entity: each for each in (kpi("L1", busy_h=8.0), kpi("L2", busy_h=2.0, production_h=2.0))}
    view = view_of(Snapshot(kpis=lines))
    whole = add(lines.values(), "plant")
    assert whole.availability == pytest.approx(8.0 / 10.0)
    assert view.totals[1].value == percent(whole.oee)
    assert view.lines[0].energy.endswith(" kWh")
    assert view_of(Snapshot()).lines[0].energy == "–"


@pytest.mark.parametrize(("probability", "tone"), [(0.1, Tone.OK), (0.3, Tone.WARN), (0.5, Tone.BAD), (0.99, Tone.BAD)])
def test_risk_mark_is_as_serious_as_the_alert_policy(probability: float, tone: Tone) -> None:
    assert risk_mark(risk(probability), open_probability=0.5).tone is tone


def test_risk_without_enough_data_is_shown_as_such() -> None:
    assert risk_mark(risk(0.9, enough_data=False), open_probability=0.5).tone is Tone.MUTED
    view = risk_view(risk(enough_data=False), plant=PLANT, now=NOW)
    assert "Not enough data: 3 of 10 readings" in view.detail
    assert risk_view(None, plant=PLANT, now=NOW).headline == "–"


def test_remaining_life_at_the_last_horizon_is_said_to_be_more() -> None:
    assert [value for _, value, _ in risk_view(risk(), plant=PLANT, now=NOW).life] == ["12 h", "4.2 days", "> 10 days"]


def test_signal_series_breaks_at_a_gap_and_nowhere_else() -> None:
    shown = window([1.0, 2.0, np.nan, 3.0], ["Execute"] * 4, minutes=[0, 1, 2, 30])
    machine_class = PLANT.class_of("L1-press")
    (series,) = signal_series(shown, machine_class=machine_class, flags={})
    assert [value for _, value in series.points] == [1.0, 2.0, None, 3.0]
    assert series.last == "3.00 kW"


def test_signal_series_marks_doubted_values_and_says_why() -> None:
    flags = {"power_kw": np.array([0, Quality.OUT_OF_RANGE, 0], dtype=np.uint8)}
    shown = window([1.0, 99.0, 1.0], ["Execute"] * 3, minutes=[0, 1, 2])
    (series,) = signal_series(shown, machine_class=PLANT.class_of("L1-press"), flags=flags)
    assert [value for _, value in series.flagged] == [99.0]
    assert series.note == "1 × out of range"


def test_counter_is_shown_as_a_rate_that_knows_nothing_across_a_reset() -> None:
    minutes = list(range(60))
    counts = [10.0 * m for m in minutes[:30]] + [10.0 * (m - 30) for m in minutes[30:]]
    shown = window(counts, ["Execute"] * 60, minutes=minutes, signal="good_parts")
    (series,) = signal_series(shown, machine_class=PLANT.class_of("L1-press"), flags={})
    rates = [value for _, value in series.points if value is not None]
    assert rates == pytest.approx([600.0] * len(rates))
    assert len(rates) == len(series.points) - 1


def test_state_strip_covers_the_range_with_silence_as_its_own_state() -> None:
    shown = window([1.0] * 4, ["Execute", "Execute", None, "Held"], minutes=[0, 1, 2, 40])
    segments = state_segments(shown, plant=PLANT)
    assert [segment.state.word for segment in segments] == ["Running", "No data", "Held", "No data"]
    assert sum(segment.width for segment in segments) == pytest.approx(1.0)


def test_state_strip_shows_silence_where_steps_are_present_but_empty() -> None:
    states: list[str | None] = ["Execute"] * 10 + [None] * 40 + ["Execute"] * 10
    shown = window([1.0] * 60, states, minutes=list(range(60)))
    assert [segment.state.word for segment in state_segments(shown, plant=PLANT)] == ["Running", "No data", "Running"]
    nothing = window([1.0] * 60, [None] * 60, minutes=list(range(60)))
    assert [segment.silent for segment in state_segments(nothing, plant=PLANT)] == [True]


def test_levels_are_read_by_mean_and_the_rest_by_last_value() -> None:
    chosen = aggregations(PLANT.class_of("L1-press"))
    assert (chosen["power_kw"].value, chosen["good_parts"].value, chosen["state"].value) == ("mean", "last", "last")


def test_chart_of_a_signal_is_in_the_plants_local_time() -> None:
    shown = window([1.0], ["Execute"], minutes=[0])
    (series,) = signal_series(shown, machine_class=PLANT.class_of("L1-press"), flags={})
    options = signal_chart(series, start=NOW - HOUR, end=NOW, timezone="Europe/Vienna", palette=LIGHT)
    assert options["series"][0]["data"][0][0] == round((NOW - HOUR).timestamp() * 1000) + 3_600_000
    assert survival_chart(risk(), palette=LIGHT)["series"][0]["data"][0] == [0.0, 100.0]


@pytest.mark.parametrize(
    ("survival", "last_h"),
    [((0.9, 0.2, 0.005, 0.0, 0.0), 48.0), ((0.5, 0.001, 0.0, 0.0, 0.0), 48.0), ((1.0, 0.99, 0.9, 0.5, 0.2), 8760.0)],
)
def test_survival_is_shown_until_hardly_any_is_left(survival: tuple[float, ...], last_h: float) -> None:
    long = replace(risk(), horizon_h=24.0, horizons_h=(8.0, 24.0, 48.0, 300.0, 8760.0), survival=survival)
    assert survival_chart(long, palette=LIGHT)["series"][0]["data"][-1][0] == last_h


def test_open_alerts_come_unacknowledged_first_and_by_severity() -> None:
    alert = Alert(
        number="1",
        machine="L1-press",
        mode="bearing",
        state=AlertState.ACTIVE,
        severity=Severity.LOW,
        opened_at=NOW - HOUR,
        changed_at=NOW,
        probability=0.6,
        horizon_h=24.0,
        title="t",
        action="a",
        evidence=(),
    )
    alerts = (
        replace(alert, number="acknowledged", state=AlertState.ACKNOWLEDGED, acknowledged_by="x"),
        replace(alert, number="low"),
        replace(alert, number="high", severity=Severity.HIGH),
        replace(alert, number="past", state=AlertState.CLOSED, closed_at=NOW),
    )
    view = alerts_view(alerts, plant=PLANT, now=NOW)
    assert [card.number for card in view.open] == ["high", "low", "acknowledged"]
    assert [card.can_acknowledge for card in view.open] == [True, True, False]
    assert view.past[0].since.endswith("lasted 1 h")


def plan() -> Plan:
    start = NOW.replace(minute=0)
    return Plan(
        number="P-1",
        created_at=NOW,
        start=start,
        end=start + 48 * HOUR,
        status=SolveStatus.OPTIMAL,
        reason="hourly",
        runs=(
            PlannedRun(
                line="L1",
                product="gear",
                start=start + 12 * HOUR,
                end=start + 24 * HOUR,
                gross_units=100,
                good_units=97.0,
                energy_kwh=50.0,
                setup=True,
            ),
        ),
        maintenance=(
            MaintenanceWindow(
                machine="L2-press",
                line="L2",
                start=start,
                end=start + 4 * HOUR,
                expected_failure_cost=1.0,
                expected_failure_cost_without=2.0,
            ),
        ),
        costs=(CostTerm(name="sales", amount=-100.0), CostTerm(name="co2", amount=40.0)),
        hours=tuple(
            HourUse(start=start + i * HOUR, energy_kwh=1.0, price_per_kwh=0.1 if i < 24 else 0.3, co2_kg=1.0)
            for i in range(48)
        ),
        late=(),
        peak_kw=1.0,
        co2_kg=1.0,
        certificate=Certificate(
            inputs_hash="ab" * 32,
            model_versions=(),
            solver="HiGHS",
            solve_s=1.0,
            solver_objective=-60.0,
            recomputed_objective=-60.0,
            bound=None,
            gap=None,
            checks=(
                RuleCheck(
                    rule="crews", sentence="One crew.", instances=48, worst_residual=2.0, tolerance=1e-6, holds=False
                ),
            ),
            checked=False,
        ),
        headline="",
        saving=None,
    )


def test_gantt_and_files_tell_changeovers() -> None:
    made = plan()
    change = PlannedChangeover(
        line="L1", before="black", after="white", start=made.start, end=made.start + timedelta(hours=12)
    )
    made = replace(made, changeovers=(change,))
    chart = gantt(made, plant=PLANT, products={"gear": "Gear"}, capabilities=(), now=NOW)
    (bar,) = (bar for bar in chart.rows[0].bars if bar.text == "to white")
    assert (bar.left, bar.width, bar.setup) == (0.0, 12 * HOUR / (made.end - made.start), 1.0)
    assert "changes over from black to white" in bar.hint
    assert "changeover,L1,,black to white," in plan_csv(made)
    assert b"change over to white" in plan_calendar(made, plant=PLANT, products={})
    assert b"<!-- Changing over -->" in picture_svg(made, plant=PLANT, products={})
    assert "black to white" in as_text(made, plant=PLANT)


def test_gantt_places_runs_setups_maintenance_and_tariff_in_shares_of_the_horizon() -> None:
    setups = (
        Capability(
            line="L1",
            product="gear",
            rate_per_h=1.0,
            scrap_ratio=0.0,
            energy_kwh_per_unit=1.0,
            setup_h=3.0,
            setup_cost=1.0,
        ),
    )
    chart = gantt(plan(), plant=PLANT, products={"gear": "Gear"}, capabilities=setups, now=NOW)
    assert [(row.label, row.kind) for row in chart.rows] == [
        ("Line 1", "line"),
        ("Line 2", "line"),
        ("Press 2", "machine"),
        ("Line 3", "line"),
    ]
    (bar,) = chart.rows[0].bars
    assert (bar.left, bar.width, bar.setup, bar.text) == (0.25, 0.25, 0.25, "Gear")
    assert [(band.left, band.tint, band.text) for band in chart.bands] == [(0.0, 0, "0.10"), (0.5, 2, "0.30")]
    assert chart.now == pytest.approx(0.5 / 48)
    assert gantt(plan(), plant=PLANT, products={}, capabilities=(), now=NOW + 60 * HOUR).now is None


def test_price_levels_of_a_single_price_are_all_cheapest() -> None:
    assert set(price_levels([replace(hour, price_per_kwh=0.2) for hour in plan().hours])) == {0}


def test_costs_are_compared_with_the_greatest_cost_and_income_stands_apart() -> None:
    sales, co2 = cost_bars(plan(), currency="EUR")
    assert (sales.income, sales.ratio) == (True, 0.0)
    assert (co2.name, co2.ratio) == ("CO₂", 1.0)


def test_trust_line_says_when_a_rule_is_broken() -> None:
    shown = plan()
    facts = {fact.name: fact for fact in trust_line(shown, currency="EUR")}
    assert facts["Rules checked"].tone is Tone.BAD
    assert facts["Bound"].value == "–"
    assert shown.certificate is not None
    assert check_rows(shown.certificate)[0][-1].word == "broken"
