"""From risks to alerts: who is to be called, once, and when it is over.

Source: ISA-18.2 / IEC 62682 (states, deadband, on-delay and off-delay, re-alarm).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from analytics.settings import AlarmPolicy
from plant.alerts import Alert, AlertState, Severity
from plant.assets import Plant
from plant.risks import Risk

UNKNOWN: Final = ""
"""Mode of an alert on unusual readings: nobody knows yet what it is."""
RANK = {Severity.LOW: 0, Severity.MEDIUM: 1, Severity.HIGH: 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """A machine whose risk has crossed a threshold and waits for the delay to pass."""

    opening: bool
    """True: above the opening probability; False: below the closing probability."""
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Decisions:
    """What one look at the risks changes."""

    alerts: tuple[Alert, ...]
    """New and changed alerts, to be stored and told; unchanged ones are not repeated."""
    pending: Mapping[str, Delay]
    """State to hand to the next call, by machine."""


def decide(
    risks: Iterable[Risk],
    *,
    policy: AlarmPolicy,
    open_alerts: Iterable[Alert],
    pending: Mapping[str, Delay],
    now: datetime,
    plant: Plant,
) -> Decisions:
    """Open, change and close alerts, at most one per machine.

    - Opens when the chance has been at or above the opening for the on-delay; the same alert becomes active again when
      that happens while it waits to be acknowledged.
    - Returns when the chance has been below the closing for the off-delay: an acknowledged alert is then closed, an
      unacknowledged one waits for a person. Between the two thresholds nothing changes.
    - Severity only rises while an alert is open; a rise asks again for an acknowledgement (re-alarm).
    - A risk without enough data opens nothing and closes nothing, but for an alert on unusual readings: a low one that
      stands as long as they add up, so that a person looks and the finding teaches the failure risk. A maintained or
      repaired machine closes its alert by the risk of its new life.

    Args:
        risks: newest risks; of several for one machine the most probable one counts.
        policy: thresholds and delays.
        open_alerts: alerts that are not closed.
        pending: of the previous call; empty at the first.
        now: plant time.
        plant: for names and durations; risks of machines that it does not know are ignored.
    """
    alerts: dict[str, Alert] = {}
    for alert in sorted(open_alerts, key=lambda alert: alert.opened_at):
        if alert.state.is_open:
            alerts.setdefault(alert.machine, alert)
    worst: dict[str, Risk] = {}
    for risk in risks:
        if _speaks(risk, alerts.get(risk.machine)) and risk.machine in plant.machine_index:
            known = worst.get(risk.machine)
            if known is None or (risk.enough_data, risk.probability) > (known.enough_data, known.probability):
                worst[risk.machine] = risk
    changed: list[Alert] = []
    waiting = {machine: delay for machine, delay in pending.items() if machine not in worst}
    for machine in sorted(worst):
        risk, alert_before = worst[machine], alerts.get(machine)
        delay = _delay(risk, policy=policy, alert=alert_before, delay=pending.get(machine), now=now)
        passed = delay is not None and now - delay.since >= _length(delay, policy)
        if delay is not None and not passed:
            waiting[machine] = delay
        alert_after = _next(
            risk, alert=alert_before, delay=delay if passed else None, policy=policy, now=now, plant=plant
        )
        if alert_after is not None and alert_after != alert_before:
            changed.append(alert_after)
    return Decisions(alerts=tuple(changed), pending=waiting)


def acknowledge(alert: Alert, *, by: str, at: datetime) -> Alert:
    """The alert after a person has seen it: still active, or closed where its condition has returned."""
    if alert.state is AlertState.ACTIVE:
        return replace(alert, state=AlertState.ACKNOWLEDGED, acknowledged_by=by, changed_at=at)
    if alert.state is AlertState.RETURNED:
        return replace(alert, state=AlertState.CLOSED, acknowledged_by=by, changed_at=at, closed_at=at)
    return alert


def severity_of(risk: Risk, policy: AlarmPolicy) -> Severity:
    """How urgent a risk is: by its chance within the horizon, and by how soon the opening chance is reached."""
    if not risk.enough_data:
        return Severity.LOW
    soon = failure_probability(risk, within_h=policy.soon_h)
    if risk.probability >= policy.high_probability or soon >= policy.open_probability:
        return Severity.HIGH
    return Severity.MEDIUM if risk.probability >= policy.medium_probability else Severity.LOW


def failure_probability(risk: Risk, *, within_h: float) -> float:
    """Chance of failing within some operating hours [0..1], straight between the points of the survival curve."""
    before_h, before = 0.0, 1.0
    for horizon_h, survival in zip(risk.horizons_h, risk.survival, strict=True):
        if within_h <= horizon_h:
            part = (within_h - before_h) / (horizon_h - before_h) if horizon_h > before_h else 1.0
            return 1.0 - (before + part * (survival - before))
        before_h, before = horizon_h, survival
    return 1.0 - before


def _speaks(risk: Risk, alert: Alert | None) -> bool:
    """Whether a risk may open or close: the model's word always, what is unusual only where it opened the alert."""
    return risk.enough_data or (risk.anomaly_p is not None and (alert is None or alert.mode == UNKNOWN))


def _delay(risk: Risk, *, policy: AlarmPolicy, alert: Alert | None, delay: Delay | None, now: datetime) -> Delay | None:
    """The delay that runs after this risk, started now unless it already ran in the same direction."""
    active = alert is not None and alert.state.is_active
    if not risk.enough_data:
        opens, closes = risk.unusual_since is not None, risk.unusual_since is None
    else:
        opens, closes = risk.probability >= policy.open_probability, risk.probability < policy.close_probability
    if not active and opens:
        opening = True
    elif active and closes:
        opening = False
    else:
        return None
    return delay if delay is not None and delay.opening is opening else Delay(opening=opening, since=now)


def _length(delay: Delay, policy: AlarmPolicy) -> timedelta:
    return timedelta(minutes=policy.on_delay_min if delay.opening else policy.off_delay_min)


def _next(
    risk: Risk, *, alert: Alert | None, delay: Delay | None, policy: AlarmPolicy, now: datetime, plant: Plant
) -> Alert | None:
    """The machine's alert after this risk, given the delay that has passed; None where there is none."""
    if alert is None:
        return None if delay is None else _opened(risk, policy=policy, now=now, plant=plant)
    if delay is not None and not delay.opening:
        if alert.state is AlertState.ACKNOWLEDGED:
            return replace(alert, state=AlertState.CLOSED, changed_at=now, closed_at=now, probability=risk.probability)
        return replace(alert, state=AlertState.RETURNED, changed_at=now, probability=risk.probability)
    if not alert.state.is_active and delay is None:
        return alert
    severity = max(alert.severity, severity_of(risk, policy), key=RANK.__getitem__)
    rises = RANK[severity] > RANK[alert.severity]
    moved = risk.enough_data and abs(risk.probability - alert.probability) >= policy.deadband
    if delay is None and not rises and not (moved and risk.probability >= policy.close_probability):
        return alert
    again = delay is not None or rises
    fresh = _opened(risk, policy=policy, now=now, plant=plant)
    return replace(
        fresh,
        number=alert.number,
        opened_at=alert.opened_at,
        severity=severity,
        state=AlertState.ACTIVE if again else alert.state,
        acknowledged_by="" if again else alert.acknowledged_by,
    )


def _opened(risk: Risk, *, policy: AlarmPolicy, now: datetime, plant: Plant) -> Alert:
    """A new alert. Its number follows from instant and machine, so that the same decision has the same number."""
    machine = plant.machine_index[risk.machine]
    machine_class = plant.class_index[machine.machine_class]
    if risk.enough_data:
        mode = risk.mode
        title = f"{machine.label}: {cause(risk.mode)}, {100 * risk.probability:.0f} % chance to fail "
        title += f"within {risk.horizon_h:g} h"
        action = (
            f"Inspect {machine.label} and plan its maintenance ({machine_class.maintenance_h:g} h) within the next "
        )
        action += (
            f"{max(1.0, risk.remaining_life_p10_h):.0f} operating hours; one machine in ten like this fails sooner."
        )
    else:
        since = (risk.unusual_since or now).astimezone(ZoneInfo(plant.timezone))
        mode, title = UNKNOWN, f"{machine.label}: unlike its normal operation since {since:%d %b %H:%M}"
        action = (
            f"Look at {machine.label}, and close its work order with what you found: how likely it fails cannot be "
        )
        action += "told yet, and learns from that."
    return Alert(
        number=f"A-{now:%Y%m%dT%H%M%S}-{risk.machine}",
        machine=risk.machine,
        mode=mode,
        state=AlertState.ACTIVE,
        severity=severity_of(risk, policy),
        opened_at=now,
        changed_at=now,
        probability=risk.probability,
        horizon_h=risk.horizon_h,
        title=title,
        action=action,
        evidence=tuple(evidence.sentence for evidence in risk.evidence),
    )


def cause(mode: str) -> str:
    """A failure mode as people say it.

    >>> cause("bearing"), cause("seal_wear"), cause("any"), cause("wear"), cause("overheating")
    ('bearing wearing', 'seal wearing', 'wearing', 'wearing', 'overheating')
    """
    words = mode.replace("_", " ").replace("-", " ").strip()
    if words == "shock":
        return "prone to a sudden failure"
    if words in ("", "any", "wear"):
        return "wearing"
    if words.endswith("ing") and words != "bearing" and not words.endswith(" bearing"):
        return words
    return f"{words.removesuffix(' wear')} wearing"
