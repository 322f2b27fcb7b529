"""The Alerts page's content: what is open, what is past, in plain language."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from linewright.console.words import Mark, alert_mark, hours, moment, percent, severity_mark
from plant.alerts import Alert, AlertState, Severity
from plant.assets import Plant


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertCard:
    """One alert."""

    number: str
    title: str
    machine: str
    href: str
    severity: Mark
    state: Mark
    since: str
    probability: str
    action: str
    evidence: tuple[str, ...]
    acknowledged: str
    can_acknowledge: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertsView:
    open: tuple[AlertCard, ...]
    """Unacknowledged first, then by severity, then the newest first."""
    past: tuple[AlertCard, ...]


def alerts_view(alerts: Sequence[Alert], *, plant: Plant, now: datetime) -> AlertsView:
    """The whole page."""
    weight = {severity: rank for rank, severity in enumerate(reversed(Severity))}
    ordered = sorted(
        alerts,
        key=lambda a: (bool(a.acknowledged_by), weight[a.severity], -a.opened_at.timestamp()),
    )
    return AlertsView(
        open=tuple(alert_card(a, plant=plant, now=now) for a in ordered if a.state.is_open),
        past=tuple(
            alert_card(a, plant=plant, now=now)
            for a in sorted(alerts, key=lambda a: a.closed_at or a.changed_at, reverse=True)
            if not a.state.is_open
        ),
    )


def alert_card(alert: Alert, *, plant: Plant, now: datetime) -> AlertCard:
    """One alert in words."""
    machine = plant.machine_index.get(alert.machine)
    since = f"since {moment(alert.opened_at, timezone=plant.timezone, now=now)}"
    if alert.closed_at is not None:
        length_h = (alert.closed_at - alert.opened_at).total_seconds() / 3600
        since = f"{moment(alert.opened_at, timezone=plant.timezone, now=now)}, lasted {hours(length_h)}"
    by = f"acknowledged by {alert.acknowledged_by}" if alert.acknowledged_by else ""
    return AlertCard(
        number=alert.number,
        title=alert.title,
        machine=machine.label if machine else alert.machine,
        href=f"/machine/{quote(alert.machine, safe='')}",
        severity=severity_mark(alert.severity),
        state=alert_mark(alert.state),
        since=since,
        probability=f"{percent(alert.probability)} within {hours(alert.horizon_h)}",
        action=alert.action,
        evidence=alert.evidence,
        acknowledged=by,
        can_acknowledge=alert.state in (AlertState.ACTIVE, AlertState.RETURNED),
    )
