"""A planning job under way, as others see it: how the search stands, and the wish to end it with its best plan.

The job runs in a process of its own; what it tells and what it is told are small documents among the records.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from linewright.wiring import wall_now
from optimizer.control import Control, Progress
from plant.errors import Unavailable
from store.records import Records

log = logging.getLogger(__name__)

RUNNING_NOTE: Final = "planning"
STOP_NOTE: Final = "planning_stop"
TELL_EVERY_S: Final = 1.0
"""How often a job tells how it stands, and looks whether it is to end [s of wall time]."""
LOST_AFTER_S: Final = 60.0
"""A job that tells nothing for so long has died [s of wall time]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A search under way."""

    number: str
    """Of the plan it makes."""
    reason: str
    limit_s: float
    """Of the search [s of CPU]."""
    told_at: datetime
    """Wall time of this news."""
    spent_s: float
    """Since the search began [s of wall time]."""
    incumbent: float | None
    """Cost of the best plan so far [currency]; None: none yet."""
    bound: float | None
    """No plan can cost less [currency]; None: not known yet."""
    gap: float | None
    """How much less another plan may cost [0..1]."""
    stopping: bool
    """Whether somebody asked it to end."""


@contextmanager
def told_search(records: Records, *, number: str, reason: str, limit_s: float) -> Iterator[Control]:
    """Within it, a search with this control is seen by others, and ends with its best plan when one of them asks."""
    watch = _Watch(records, number=number, reason=reason, limit_s=limit_s)
    watch.tell()
    try:
        yield Control(report=watch.hear, is_cancelled=watch.look)
    finally:
        with suppress(Unavailable):  # it is forgotten a minute later by itself
            records.note(RUNNING_NOTE, {})


def running_search(records: Records) -> Running | None:
    """The search under way; None: there is none."""
    document = records.noted(RUNNING_NOTE)
    if not document:
        return None
    running = msgspec.convert(document, type=Running)
    return running if (wall_now() - running.told_at).total_seconds() < LOST_AFTER_S else None


def stop_search(records: Records, *, by: str, at: datetime) -> str:
    """Asks the search under way to end with its best plan; gives what became of that as a sentence, empty if none runs.

    Args:
        records: Where the wish is kept and entered into the audit trail.
        by: Who asks.
        at: Plant time.
    """
    running = running_search(records)
    if running is None:
        return ""
    records.note(STOP_NOTE, {"number": running.number})
    records.audit(by, "plan.stop", at, f"search for {running.number}")
    return f"The search for plan {running.number} ends with the best plan it has; it is checked before it is shown."


class _Watch:
    """One search: what is known of it, and when it was last told and asked about."""

    def __init__(self, records: Records, *, number: str, reason: str, limit_s: float) -> None:
        self._records, self._number, self._reason, self._limit_s = records, number, reason, limit_s
        self._began_s = self._looked_s = time.monotonic()
        self._known: Progress | None = None
        self._stopping = False

    def hear(self, progress: Progress) -> None:
        """The search has a better plan or bound."""
        self._known = progress

    def look(self) -> bool:
        """Whether somebody asked the search to end. Asked many times a second, so it looks and tells now and then."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= TELL_EVERY_S:
            self._looked_s = now_s
            try:
                wish = self._records.noted(STOP_NOTE)
                self._stopping = self._stopping or (wish is not None and wish.get("number") == self._number)
                self.tell()
            except Unavailable as trouble:  # a plan is worth more than the news of it
                log.warning("planning_not_told", extra={"why": str(trouble)})
        return self._stopping

    def tell(self) -> None:
        """Keeps how the search stands for others to read."""
        known = self._known
        running = Running(
            number=self._number,
            reason=self._reason,
            limit_s=self._limit_s,
            told_at=wall_now(),
            spent_s=round(time.monotonic() - self._began_s, 1),
            incumbent=known.incumbent if known is not None else None,
            bound=known.bound if known is not None else None,
            gap=known.gap if known is not None else None,
            stopping=self._stopping,
        )
        self._records.note(RUNNING_NOTE, msgspec.to_builtins(running))
