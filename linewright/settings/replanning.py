"""The section `replanning`: when a new plan is made of itself."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field

from linewright.settings.plant import Part

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

HOURLY: Final = "0 * * * *"
WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""By cron's numbers; 0 and 7 are both Sunday."""
FIELDS: Final = 5


class ReplanEvent(StrEnum):
    """What can ask for a plan."""

    ALERT_OPENED = "alert_opened"
    ALERT_CLEARED = "alert_cleared"
    ORDERS_CHANGED = "orders_changed"
    BREAKDOWN = "breakdown"


def _cron(expression: str) -> str:
    if not expression.isascii():
        raise ValueError(f"{expression[:40]!r} holds characters that no cron expression has")
    try:
        trigger(expression, zone="UTC")
    except ValueError as error:
        example = "five fields `minute hour day month weekday`, such as '0 6,14,22 * * mon-fri'"
        raise ValueError(f"{expression[:40]!r} is no cron expression ({error}); it has {example}") from None
    return expression


Cron = Annotated[str, Field(max_length=100), AfterValidator(_cron)]


class ReplanningPart(Part):
    """When a new plan is made of itself; a person can ask for one at any time."""

    cron: tuple[Cron, ...] = Field(
        default=(HOURLY,), description="Cron expressions in plant-local time; none: plans are made on events only."
    )
    events: tuple[ReplanEvent, ...] = Field(
        default=tuple(ReplanEvent), description="What else asks for a plan, at once."
    )


def trigger(expression: str, *, zone: str) -> "CronTrigger":
    """The times that a cron expression names, its weekdays counted as cron does. Raises ValueError with the reason."""
    from apscheduler.triggers.cron import CronTrigger

    fields = expression.split()
    if len(fields) != FIELDS:
        raise ValueError(f"{len(fields)} fields instead of {FIELDS}")
    minute, hour, day, month, weekday = fields
    # APScheduler counts weekdays from Monday, cron from Sunday: names mean the same to both.
    first, *rest = weekday.split("/")
    named = "".join(_weekday(character) for character in first)
    return CronTrigger(
        minute=minute, hour=hour, day=day, month=month, day_of_week="/".join([named, *rest]), timezone=zone
    )


def next_due(expressions: tuple[str, ...], *, after: datetime, zone: str) -> datetime | None:
    """The first instant after another that any of the expressions names; None: there is none.

    >>> from datetime import UTC
    >>> next_due(("0 6 * * 1",), after=datetime(2026, 11, 22, tzinfo=UTC), zone="Europe/Vienna").isoformat()
    '2026-11-23T06:00:00+01:00'
    """
    times = (
        trigger(expression, zone=zone).get_next_fire_time(None, after + timedelta(microseconds=1))
        for expression in expressions
    )
    return min((at for at in times if at is not None), default=None)


def _weekday(character: str) -> str:
    if not character.isdigit():
        return character
    if int(character) >= len(WEEKDAYS):
        raise ValueError(f"weekday {character} is not 0 (Sunday) to 7 (Sunday)")
    return WEEKDAYS[int(character)]
