"""The ground truth, kept apart from the readings: true wear, failures, and what maintenance avoided.

A file of JSON lines, each with `kind` and `at` (ISO 8601, UTC):
`wear` {machine, wear by mode, age_h}, hourly;
`failed` | `repaired` | `maintenance_began` | `maintained` {machine, mode};
`avoided` {machine, mode, maintained_at, would_have_failed_at}.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from ingest.simulator.catalogue import SHOCK
from ingest.simulator.machine import Course
from ingest.simulator.program import HOUR_US, Program
from ingest.simulator.wear import advance
from plant.clock import instant

NEAR_US = 48 * HOUR_US
COARSE_US = HOUR_US // 6
LOOK_AHEAD_H = 400.0

Line = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Avoided:
    """A failure that maintenance came before."""

    machine: str
    mode: str
    maintained_at_us: int
    """End of the maintenance [µs UTC]."""
    would_have_failed_at_us: int
    """[µs UTC]"""

    def line(self) -> Line:
        """As a line of the truth file."""
        return {
            "kind": "avoided",
            "at": stamp(self.maintained_at_us),
            "machine": self.machine,
            "mode": self.mode,
            "maintained_at": stamp(self.maintained_at_us),
            "would_have_failed_at": stamp(self.would_have_failed_at_us),
        }


def stamp(at_us: int) -> str:
    """An instant as ISO 8601 text, UTC.

    >>> stamp(0)
    '1970-01-01T00:00:00+00:00'
    """
    return instant(at_us).isoformat()


def would_fail(
    machine: Course, *, line: str, program: Program, strain: Mapping[str, float], at_us: int, tick_us: int
) -> tuple[str, int] | None:
    """Mode and instant of the failure that comes if nobody maintains the machine; None: not within 400 plant hours.

    Continues a copy of the life on a copy of the machine's own random stream, through what the line is asked to make,
    as if nothing else stopped the line: the same draws the real machine would have met.

    Args:
        machine: Left as it is.
        line: Its line.
        program: Says what the line will be making.
        strain: Load per product at speed 1.
        at_us: Now [µs UTC].
        tick_us: Step of the first 48 hours, later ones are 10 min [µs].
    """
    life, chance = deepcopy(machine.life), deepcopy(machine.wear_chance)
    now_us, end_us = at_us, at_us + round(LOOK_AHEAD_H * HOUR_US)
    while now_us < end_us:
        step_us = tick_us if now_us - at_us < NEAR_US else max(tick_us, COARSE_US)
        demand = program.ask(line, at_us=now_us).demand
        now_us += step_us
        if demand is None:
            continue
        load = demand.speed * strain[demand.capability.product]
        failed = advance(life, chance, hours=step_us / HOUR_US, load=load)
        if failed is not None:
            return (SHOCK if failed < 0 else machine.modes[failed]), now_us
    return None


def write(path: Path, lines: Sequence[Line]) -> None:
    """Append lines to a truth file."""
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
