"""One alert per machine, opened and closed at the right moment, and never by turns."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from analytics.alarms import Decisions, acknowledge, decide, failure_probability, severity_of
from analytics.settings import AlarmPolicy
from plant.alerts import Alert, AlertState, Severity
from plant.assets import Line, Machine, MachineClass, Plant
from plant.risks import Evidence, Risk

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MACHINES = ("L1-press", "L2-press")
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=tuple(
        Line(
            name=name[:2],
            label=name[:2],
            area="hall1",
            machines=(Machine(name=name, label=f"Press {name[1]}", line=name[:2], machine_class="press"),),
        )
        for name in MACHINES
    ),
    classes=(MachineClass(name="press", signals=(), failure_modes=("bearing", "seal")),),
)
POLICY = AlarmPolicy(off_delay_min=0.0)


def risk_of(probability: float, *, machine: str = "L2-press", enough: bool = True, at: datetime = NOW) -> Risk:
    return Risk(
        machine=machine,
        mode="bearing",
        assessed_at=at,
        horizons_h=(8.0, 24.0, 100.0),
        survival=(1 - probability / 4, 1 - probability, 0.0),
        probability=probability,
        horizon_h=24.0,
        remaining_life_p10_h=9.4,
        remaining_life_p50_h=30.0,
        remaining_life_p90_h=80.0,
        evidence=(
            Evidence(
                signal="vibration_mm_s",
                scale="6 h mean",
                contribution=2.0,
                share=0.62,
                value=5.0,
                baseline=2.0,
                deviation_sigma=4.1,
                since=NOW,
                sentence="vibration 4.1 sigma above its own baseline since 06:00: 62 % of the risk",
            ),
        ),
        model_version="press-1",
        enough_data=enough,
        reason="" if enough else "only 3 readings",
    )


class Desk:
    """What the work role does around `decide`: keeps alerts and delays from one look to the next."""

    def __init__(self, policy: AlarmPolicy = POLICY) -> None:
        self.policy = policy
        self.alerts: dict[str, Alert] = {}
        self.decisions = Decisions(alerts=(), pending={})
        self.now = NOW

    def look(self, *risks: Risk, after: timedelta = MINUTE) -> tuple[Alert, ...]:
        self.now += after
        self.decisions = decide(
            risks,
            policy=self.policy,
            open_alerts=[alert for alert in self.alerts.values() if alert.state.is_open],
            pending=self.decisions.pending,
            now=self.now,
            plant=PLANT,
        )
        self.alerts |= {alert.number: alert for alert in self.decisions.alerts}
        return self.decisions.alerts

    def acknowledge(self, number: str) -> Alert:
        self.alerts[number] = acknowledge(self.alerts[number], by="Eva", at=self.now)
        return self.alerts[number]


def test_decide_opens_one_alert_with_a_sentence_an_action_and_evidence() -> None:
    desk = Desk()
    (alert,) = desk.look(risk_of(0.78))
    assert alert.title == "Press 2: bearing wearing, 78 % chance to fail within 24 h"
    assert alert.action.startswith("Inspect Press 2 and plan its maintenance (4 h) within the next 9 operating hours")
    assert alert.evidence == ("vibration 4.1 sigma above its own baseline since 06:00: 62 % of the risk",)
    assert (alert.number, alert.state, alert.severity) == (
        "A-20260302T060100-L2-press",
        AlertState.ACTIVE,
        Severity.MEDIUM,
    )
    assert desk.look(risk_of(0.78)) == ()
    assert desk.look(risk_of(0.80)) == ()  # within the deadband: not told again


def test_decide_updates_the_number_when_it_moved_beyond_the_deadband() -> None:
    desk = Desk()
    (first,) = desk.look(risk_of(0.70))
    desk.acknowledge(first.number)
    (second,) = desk.look(risk_of(0.80))
    assert (second.number, second.opened_at, second.state) == (first.number, first.opened_at, AlertState.ACKNOWLEDGED)
    assert second.acknowledged_by == "Eva"
    assert "80 %" in second.title


def test_decide_waits_for_the_on_delay_and_starts_again_after_a_dip() -> None:
    desk = Desk(AlarmPolicy(on_delay_min=3))
    assert desk.look(risk_of(0.9)) == ()
    assert desk.look(risk_of(0.9)) == ()
    assert desk.look(risk_of(0.4)) == ()
    for _ in range(3):
        assert desk.look(risk_of(0.9)) == ()
    assert len(desk.look(risk_of(0.9))) == 1


def test_decide_waits_for_the_off_delay() -> None:
    desk = Desk(AlarmPolicy(off_delay_min=30))
    (alert,) = desk.look(risk_of(0.9))
    desk.acknowledge(alert.number)
    assert desk.look(risk_of(0.1)) == ()
    assert desk.look(risk_of(0.1), after=timedelta(minutes=29)) == ()
    (closed,) = desk.look(risk_of(0.1))
    assert (closed.state, closed.closed_at) == (AlertState.CLOSED, desk.now)
    assert desk.decisions.pending == {}


def test_decide_returns_an_alert_that_nobody_has_seen_and_closes_it_with_the_acknowledgement() -> None:
    desk = Desk()
    (alert,) = desk.look(risk_of(0.9))
    (returned,) = desk.look(risk_of(0.1))
    assert returned.state is AlertState.RETURNED
    assert desk.look(risk_of(0.1)) == ()
    assert desk.look(risk_of(0.3)) == ()  # between the thresholds it stays returned
    (again,) = desk.look(risk_of(0.6))
    assert (again.number, again.state) == (alert.number, AlertState.ACTIVE)
    desk.look(risk_of(0.1))
    closed = desk.acknowledge(alert.number)
    assert (closed.state, closed.closed_at, closed.acknowledged_by) == (AlertState.CLOSED, desk.now, "Eva")
    assert acknowledge(closed, by="Max", at=desk.now) is closed


def test_decide_alarms_again_only_when_severity_rises() -> None:
    desk = Desk()
    (alert,) = desk.look(risk_of(0.6))
    assert alert.severity is Severity.LOW
    desk.acknowledge(alert.number)
    (worse,) = desk.look(risk_of(0.9))
    assert (worse.severity, worse.state, worse.acknowledged_by) == (Severity.HIGH, AlertState.ACTIVE, "")
    desk.acknowledge(alert.number)
    (better,) = desk.look(risk_of(0.6))
    assert (better.severity, better.state) == (Severity.HIGH, AlertState.ACKNOWLEDGED)


def test_decide_neither_opens_nor_closes_on_too_little_data() -> None:
    desk = Desk()
    assert desk.look(risk_of(0.99, enough=False)) == ()
    desk.look(risk_of(0.9))
    assert desk.look(risk_of(0.01, enough=False)) == ()
    assert [alert.state for alert in desk.alerts.values()] == [AlertState.ACTIVE]


def test_decide_keeps_delays_of_machines_that_were_not_assessed() -> None:
    desk = Desk(AlarmPolicy(on_delay_min=2))
    desk.look(risk_of(0.9))
    desk.look(risk_of(0.1, machine="L1-press"))
    assert len(desk.look(risk_of(0.9))) == 1


def test_decide_takes_the_most_probable_of_several_modes_and_ignores_unknown_machines() -> None:
    desk = Desk()
    seal = replace(risk_of(0.9), mode="seal")
    (alert,) = desk.look(risk_of(0.6), seal, risk_of(0.99, machine="L9-press"))
    assert alert.mode == "seal"


def test_severity_is_high_when_the_failure_is_near() -> None:
    near = replace(risk_of(0.55), survival=(0.48, 0.45, 0.0))
    assert severity_of(near, POLICY) is Severity.HIGH
    assert severity_of(risk_of(0.55), POLICY) is Severity.LOW


@given(st.floats(0, 1), st.floats(0, 200), st.floats(0, 200))
def test_failure_probability_is_monotone_in_time(probability: float, one_h: float, other_h: float) -> None:
    risk = risk_of(probability)
    low, high = sorted((one_h, other_h))
    assert 0 <= failure_probability(risk, within_h=low) <= failure_probability(risk, within_h=high) + 1e-12 <= 1 + 1e-9


STEPS = st.lists(
    st.tuples(st.sampled_from(MACHINES), st.floats(0, 1), st.booleans(), st.integers(1, 90), st.booleans()), max_size=40
)


@given(STEPS, st.integers(0, 60), st.integers(0, 60))
def test_decide_never_keeps_two_open_alerts_for_one_machine(
    steps: Sequence[tuple[str, float, bool, int, bool]], on_min: int, off_min: int
) -> None:
    desk = Desk(AlarmPolicy(on_delay_min=on_min, off_delay_min=off_min))
    for machine, probability, enough, minutes, seen in steps:
        before = dict(desk.alerts)
        changed = desk.look(risk_of(probability, machine=machine, enough=enough), after=minutes * MINUTE)
        assert len(changed) <= 1
        for alert in changed:
            assert enough
            was = before.get(alert.number)
            if was is None:
                assert probability >= desk.policy.open_probability
            elif was.state.is_active and not alert.state.is_active:
                assert probability < desk.policy.close_probability
                assert (alert.state is AlertState.CLOSED) == (was.state is AlertState.ACKNOWLEDGED)
            elif not was.state.is_active:
                assert probability >= desk.policy.open_probability
            assert was is None or was.state.is_open
        for name in MACHINES:
            assert sum(a.machine == name and a.state.is_open for a in desk.alerts.values()) <= 1
        if seen:
            for alert in [a for a in desk.alerts.values() if a.state.is_open]:
                desk.acknowledge(alert.number)


@given(st.lists(st.floats(0.25, 0.499), max_size=30), st.booleans())
def test_decide_does_not_flap_between_the_thresholds(probabilities: list[float], starts_open: bool) -> None:
    desk = Desk()
    if starts_open:
        desk.look(risk_of(0.6))
    for probability in probabilities:
        assert all(a.state.is_active for a in desk.look(risk_of(probability)))
    assert len(desk.alerts) == starts_open


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_decide_is_deterministic(probabilities: list[float]) -> None:
    one, other = Desk(), Desk()
    for probability in probabilities:
        assert one.look(risk_of(probability)) == other.look(risk_of(probability))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"close_probability": 0.6}, "must be below open_probability"),
        ({"medium_probability": 0.3}, "must not decrease"),
        ({"soon_h": 48.0}, "must not exceed horizon_h"),
    ],
)
def test_policy_refuses_thresholds_out_of_order(values: dict[str, float], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        AlarmPolicy.model_validate(values)


def unusual_of(since: datetime | None, *, machine: str = "L2-press") -> Risk:
    """A machine without a failure risk whose readings are, or are not, unlike its normal operation."""
    return replace(risk_of(0.02, machine=machine, enough=False), anomaly_p=1e-6, unusual_since=since)


def test_unusual_readings_open_a_low_alert_that_names_no_chance_and_returns_with_them() -> None:
    desk = Desk()
    assert desk.look(unusual_of(None)) == ()
    (alert,) = desk.look(unusual_of(NOW))
    assert alert.title == "Press 2: unlike its normal operation since 02 Mar 07:00"
    assert (alert.severity, alert.mode, alert.state) == (Severity.LOW, "", AlertState.ACTIVE)
    assert "close its work order" in alert.action
    assert desk.look(unusual_of(NOW)) == ()
    (returned,) = desk.look(unusual_of(None))
    assert returned.state is AlertState.RETURNED
    (again,) = desk.look(unusual_of(desk.now))
    assert (again.number, again.state) == (alert.number, AlertState.ACTIVE)


def test_unusual_readings_wait_for_the_on_delay() -> None:
    desk = Desk(AlarmPolicy(on_delay_min=3))
    assert [len(desk.look(unusual_of(NOW))) for _ in range(5)] == [0, 0, 0, 1, 0]


def test_usual_readings_do_not_close_what_a_failure_risk_opened() -> None:
    desk = Desk()
    (alert,) = desk.look(risk_of(0.78))
    assert desk.look(unusual_of(None)) == ()
    assert desk.look(unusual_of(NOW)) == ()
    assert desk.alerts[alert.number].state is AlertState.ACTIVE


def test_a_failure_risk_takes_over_an_alert_on_unusual_readings() -> None:
    desk = Desk()
    (alert,) = desk.look(unusual_of(NOW))
    (worse,) = desk.look(risk_of(0.9))
    assert (worse.number, worse.mode, worse.severity) == (alert.number, "bearing", Severity.HIGH)
    assert "90 % chance to fail" in worse.title
