"""Work on machines: what is to be done, and what the mechanic found."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WorkOrderState(StrEnum):
    OPEN = "open"
    """Nobody has said yet what came of it."""
    CLOSED = "closed"
    """Done, with a finding."""
    CANCELLED = "cancelled"
    """Not to be done: the plan that wanted it no longer holds."""


class Finding(StrEnum):
    """What the mechanic found; the only outside word on whether an alert was right."""

    TRUE_ALARM = "true_alarm"
    """There was damage or wear that would have led to a failure."""
    FALSE_ALARM = "false_alarm"
    """What had raised the alert has another cause: a sensor, a setting, the product."""
    NOTHING_FOUND = "nothing_found"
    """No cause was seen; neither for nor against the alert."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkOrder:
    """One piece of work from its making to its finding."""

    number: str
    """Stable identifier, e.g. `W-2026-11-22-L2-press-1`."""
    machine: str
    title: str
    """One line: machine and work."""
    created_at: datetime
    """Plant time."""
    state: WorkOrderState = WorkOrderState.OPEN
    alert: str = ""
    """Number of the alert that asks for it; empty: none does."""
    plan: str = ""
    """Number of the accepted plan that has set its time; empty: it has no time yet."""
    planned_start: datetime | None = None
    planned_end: datetime | None = None
    suspected_mode: str = ""
    """Failure mode that the alert names."""
    finding: Finding | None = None
    """None: not known yet."""
    found_mode: str = ""
    """Failure mode in the mechanic's words; for a true alarm the one that was found."""
    note: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None
    """Plant time."""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done or to be reported."""
        return self.state is WorkOrderState.OPEN
