"""Alarms that people act on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AlertState(StrEnum):
    """Source: ISA-18.2 / IEC 62682 alarm states."""

    ACTIVE = "active_unacknowledged"
    ACKNOWLEDGED = "active_acknowledged"
    RETURNED = "returned_unacknowledged"
    CLOSED = "normal"
    """Returned to normal and acknowledged: the alert is past."""

    @property
    def is_open(self) -> bool:
        """Whether a person still has something to do with it."""
        return self is not AlertState.CLOSED

    @property
    def is_active(self) -> bool:
        """Whether its condition still holds."""
        return self in (AlertState.ACTIVE, AlertState.ACKNOWLEDGED)


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One alarm from its opening to its closing."""

    number: str
    """Stable identifier, e.g. `A-2026-11-22-L2-press-1`."""
    machine: str
    mode: str
    state: AlertState
    severity: Severity
    opened_at: datetime
    changed_at: datetime
    probability: float
    """Of failing within `horizon_h`, at the last change [0..1]."""
    horizon_h: float
    title: str
    """One sentence with machine, cause and number."""
    action: str
    """What the operator is asked to do."""
    evidence: tuple[str, ...]
    """Sentences of the risk's evidence, greatest first."""
    acknowledged_by: str = ""
    closed_at: datetime | None = None
