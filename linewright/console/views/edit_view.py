"""What of a plan can be changed on the plan page, and the words in which a change is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from linewright.console.words import moment, number
from plant.assets import Plant
from plant.plans import Plan

HOUR = timedelta(hours=1)


class Change(StrEnum):
    """What may be done with a part of a plan."""

    KEEP = "keep"
    MOVE = "move"
    DROP = "leave out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A maintenance or a lot of a plan."""

    label: str
    machine: str = ""
    """Of a maintenance."""
    line: str = ""
    product: str = ""
    """Of a lot, with its line."""
    when: str = ""
    """The lot's time in words that a change understands."""


def parts_of(plan: Plan, *, plant: Plant, products: Mapping[str, str]) -> tuple[Part, ...]:
    """Every maintenance and lot of a plan, by start."""
    zone = ZoneInfo(plant.timezone)
    found: list[tuple[datetime, Part]] = []
    for window in plan.maintenance:
        machine = plant.machine_index.get(window.machine)
        name = machine.label if machine is not None else window.machine
        label = f"Maintenance of {name}, {moment(window.start, timezone=plant.timezone)}"
        found.append((window.start, Part(label=label, machine=window.machine)))
    lines = {line.name: line.label for line in plant.lines}
    for run in plan.runs:
        start, end = run.start.astimezone(zone), run.end.astimezone(zone)
        label = (
            f"{products.get(run.product, run.product)} on {lines.get(run.line, run.line)}, "
            f"{moment(run.start, timezone=plant.timezone)}, {number(run.good_units, digits=0)} good"
        )
        when = f"on {start:%Y-%m-%d} after {start:%H}:00"
        last = (end - timedelta(seconds=1)).replace(minute=0, second=0, microsecond=0) + HOUR
        if last.date() == start.date():
            when += f" before {last:%H:%M}"
        found.append((run.start, Part(label=label, line=run.line, product=run.product, when=when)))
    return tuple(part for _, part in sorted(found, key=lambda item: (item[0], item[1].label)))


def starts_of(plan: Plan, *, timezone: str) -> dict[str, str]:
    """The plan's hours that a move may start at: words that a change understands, and what people read."""
    zone = ZoneInfo(timezone)
    hours = (plan.start + HOUR * k for k in range(int((plan.end - plan.start) / HOUR)))
    return {f"on {at.astimezone(zone):%Y-%m-%d} at {at.astimezone(zone):%H:%M}": f"{at.astimezone(zone):%a %d %b %H:%M}"
            for at in hours}  # fmt: skip


def change_text(part: Part, change: Change, *, line: str, start: str) -> str:
    """The change in the words of `linewright plan edit`.

    Args:
        part: What is changed.
        change: What is done with it.
        line: Where a lot moves to; empty: it stays on its line.
        start: When it moves to, a key of `starts_of`.

    >>> lot = Part(label="", line="L1", product="gear", when="on 2026-11-23 after 06:00 before 10:00")
    >>> change_text(lot, Change.MOVE, line="L2", start="on 2026-11-23 at 14:00")
    'move gear from L1 on 2026-11-23 after 06:00 before 10:00 to L2 on 2026-11-23 after 14:00'
    """
    if part.machine:
        return {
            Change.KEEP: f"keep maintenance of {part.machine}",
            Change.MOVE: f"maintain {part.machine} {start}",
            Change.DROP: f"no maintenance on {part.machine}",
        }[change]
    if change is Change.MOVE:
        later = start.replace(" at ", " after ")
        return f"move {part.product} from {part.line} {part.when} to {line or part.line} {later}"
    word = "keep" if change is Change.KEEP else "no"
    return f"{word} {part.product} on {part.line} {part.when}"
