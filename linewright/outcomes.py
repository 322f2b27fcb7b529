"""What came of alerts becomes labels: each closed work order says how the life it ended is to be learned.

A true alarm ends that life in a failure of the mode that was found: damage that would have led to one counts as one.
A false alarm whose machine was renewed all the same would have run on for the alert's horizon. Where nothing was found
the life is only cut short. The machines' own events stay as they are; labels are laid over them at each training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from analytics.lives import FAILED, RENEWING, Renewal
from plant.work_orders import Finding, WorkOrder, WorkOrderState
from store.records import Records

LEFT_OUT_NOTE: Final = "labels_left_out"
VERSION_NOTE: Final = "labels_of:"
REPORTED_LATE: Final = timedelta(hours=1)
"""A machine's own word of a renewal may come so long after the mechanic's."""
JUST_BEFORE: Final = timedelta(microseconds=1)
"""A failure comes before the repair that ends it."""
ANY_MODE: Final = "any"
MOST: Final = 100_000


class Meaning(StrEnum):
    """What a finding says about the life that the work ended."""

    FAILURE = "failure"
    """It had come to its end, in the mode found."""
    SOUND = "sound"
    """It would have run on at least for the alert's horizon."""
    CUT = "cut short"
    """Nothing is known of how it would have ended."""


MEANINGS: Final = {
    Finding.TRUE_ALARM: Meaning.FAILURE,
    Finding.FALSE_ALARM: Meaning.SOUND,
    Finding.NOTHING_FOUND: Meaning.CUT,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A finding as training understands it."""

    work_order: str
    machine: str
    meaning: Meaning
    mode: str
    """Of a failure, where it is known."""
    asked_at: datetime
    """When the work was asked for."""
    found_at: datetime
    by: str
    left_out: str = ""
    """Why and by whom it is not learned from; empty: it is."""

    @property
    def sentence(self) -> str:
        """For people: what it says about whom, since when."""
        what = {
            Meaning.FAILURE: f"failure ({self.mode or 'mode unknown'})",
            Meaning.SOUND: "sound, would have run on",
            Meaning.CUT: "cut short, end unknown",
        }[self.meaning]
        return f"{self.machine}: {what}, found {self.found_at:%Y-%m-%d %H:%M}Z by {self.by}"


def labels(records: Records) -> tuple[Label, ...]:
    """Every finding as a label, those left out too, oldest first."""
    out = records.noted(LEFT_OUT_NOTE) or {}
    closed = records.work_orders(state=WorkOrderState.CLOSED, limit=MOST)
    found = [_label(order, out) for order in closed if order.finding is not None and order.closed_at is not None]
    return tuple(sorted(found, key=lambda label: (label.found_at, label.work_order)))


def labelled(renewals: Sequence[Renewal], found: Sequence[Label], *, horizon_h: float) -> tuple[Renewal, ...]:
    """The machines' events as the findings let them be learned.

    Args:
        renewals: As the machines reported them.
        found: Labels; those left out change nothing.
        horizon_h: For how long a sound machine would have run on [h].
    """
    events = list(renewals)
    for label in found:
        if label.left_out:
            continue
        latest = label.found_at + REPORTED_LATE
        mine = [e for e in events if e.machine == label.machine and label.asked_at <= e.at <= latest]
        failure = next((event for event in reversed(mine) if event.kind == FAILED), None)
        renewal = next((event for event in reversed(mine) if event.kind in RENEWING), None)
        if label.meaning is Meaning.FAILURE and failure is not None:
            events[events.index(failure)] = replace(failure, mode=label.mode or failure.mode)
        elif label.meaning is Meaning.FAILURE:
            if renewal is None:  # the mechanic's word is the only one that the machine was repaired
                renewal = Renewal(machine=label.machine, kind="repaired", at=label.found_at)
                events.append(renewal)
            before = renewal.at - JUST_BEFORE
            events.append(Renewal(machine=label.machine, kind=FAILED, at=before, mode=label.mode))
        elif label.meaning is Meaning.SOUND and renewal is not None and failure is None:
            events[events.index(renewal)] = replace(renewal, cleared_h=horizon_h)
    return tuple(sorted(events, key=lambda event: event.at))


def leave_out(records: Records, *, work_order: str, by: str, why: str, at: datetime) -> Label:
    """Learn no more from one finding. Raises KeyError where that work order has none."""
    label = _known(records, work_order)
    out = records.noted(LEFT_OUT_NOTE) or {}
    records.note(LEFT_OUT_NOTE, {**out, work_order: {"by": by, "why": why, "at": at.isoformat(timespec="seconds")}})
    records.audit(by, "label left out", at=at, detail=f"{work_order}: {label.sentence}. {why}".strip())
    return _known(records, work_order)


def take_in(records: Records, *, work_order: str, by: str, at: datetime) -> Label:
    """Learn from a finding again. Raises KeyError where that work order has none."""
    label = _known(records, work_order)
    out = records.noted(LEFT_OUT_NOTE) or {}
    records.note(LEFT_OUT_NOTE, {number: why for number, why in out.items() if number != work_order})
    records.audit(by, "label taken in", at=at, detail=f"{work_order}: {label.sentence}")
    return _known(records, work_order)


def keep_version(records: Records, *, version: str, found: Sequence[Label]) -> None:
    """Remember which labels a version of a model learned from."""
    records.note(VERSION_NOTE + version, {"work_orders": [each.work_order for each in found if not each.left_out]})


def learned_by(records: Records, *, version: str) -> frozenset[str]:
    """Work orders whose findings a version learned from."""
    return frozenset((records.noted(VERSION_NOTE + version) or {}).get("work_orders", ()))


def _known(records: Records, work_order: str) -> Label:
    found = next((label for label in labels(records) if label.work_order == work_order), None)
    if found is None:
        raise KeyError(f"Work order {work_order} has no finding; `linewright model labels` shows those that have one.")
    return found


def _label(order: WorkOrder, out: dict[str, Any]) -> Label:
    assert order.finding is not None
    assert order.closed_at is not None
    suspected = "" if order.suspected_mode == ANY_MODE else order.suspected_mode
    told = out.get(order.number)
    return Label(
        work_order=order.number,
        machine=order.machine,
        meaning=MEANINGS[order.finding],
        mode=(order.found_mode or suspected) if order.finding is Finding.TRUE_ALARM else "",
        asked_at=order.created_at,
        found_at=order.closed_at,
        by=order.closed_by,
        left_out=" ".join(part for part in ("left out by", told["by"], told["why"]) if part) if told else "",
    )
