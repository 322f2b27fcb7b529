"""Records that only the store and the shell speak of."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewal:
    """One maintenance event of a machine."""

    machine: str
    kind: str
    """`maintained`, `repaired` or `failed`; the first two renew the machine."""
    at: datetime
    """Plant time."""
    mode: str = ""
    """Failure mode where it is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleBeat:
    """That a role's process was alive."""

    role: str
    pid: int
    since: datetime
    """Start of the process."""
    at: datetime
    """Of the newest sign of life."""
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboxItem:
    """A message on its way out, kept until it has been delivered."""

    item: int
    """Number to settle or to fail it with; increases."""
    kind: str
    payload: bytes
    at: datetime
    attempts: int
    """Failed deliveries so far."""
    reason: str
    """Of the newest failure; empty: none yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRequest:
    """A wish that the work role runs a job now."""

    job: str
    at: datetime
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditLine:
    """Who did what."""

    at: datetime
    who: str
    what: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A person, or a program of theirs, that may write over the API."""

    name: str
    since: datetime
    """Wall time."""
    note: str = ""
    """What it is for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelUse:
    """That a version of a class' model was put in use."""

    machine_class: str
    version: str
    at: datetime
    """Plant time."""
    by: str
    """Who did it: a person, or `training`."""
    how: str
    """`trained`, `promoted` or `rolled_back`."""
    data_cut_off: datetime | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    """Why, e.g. how it compared with the one in use before; empty: somebody wanted it."""
