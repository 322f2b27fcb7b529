"""What a line should be doing at an instant: the accepted plan within its hours, today's practice outside them.

Practice without a plan: in each shift a line makes one of its products, in turn, at a speed that the shift chooses.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np

from plant.assets import Plant
from plant.clock import instant, microseconds
from plant.plans import MaintenanceWindow, Plan, PlannedRun
from plant.production import Calendar, Capability

HOUR_US = 3_600_000_000
PRACTICE_SPEEDS = (0.85, 0.9, 0.95, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """A line is asked to make a product."""

    capability: Capability
    speed: float
    """Of the capability's rate [0..1]."""
    run: int
    """Start of the planned run [µs UTC], or of the shift in practice: what units are counted against."""
    units: float
    """Gross units after which the run is done [unit]; infinite in practice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """What a line is asked to do until an instant."""

    demand: Demand | None
    staffed: bool
    """Whether a shift is on; a line without people is stopped, not idle."""
    until_us: int


class Program:
    """Answers `ask` and `window`; holds the plan that was accepted last."""

    def __init__(
        self,
        plant: Plant,
        *,
        capabilities: Sequence[Capability],
        calendar: Calendar,
        seed: int,
        plan: Plan | None = None,
    ) -> None:
        self.plan = plan
        self._zone = ZoneInfo(plant.timezone)
        self._calendar = calendar
        self._seed = seed
        self._capabilities = {
            line.name: tuple(capability for capability in capabilities if capability.line == line.name)
            for line in plant.lines
        }
        self._asks: dict[str, Ask] = {}
        self._runs: dict[str, tuple[PlannedRun, ...]] = {}
        self.follow(plan)

    def follow(self, plan: Plan | None) -> None:
        """Obey this plan from now on."""
        self.plan = plan
        self._asks.clear()
        self._runs = {
            line: tuple(sorted((run for run in plan.runs if run.line == line), key=lambda run: run.start))
            if plan
            else ()
            for line in self._capabilities
        }

    def ask(self, line: str, *, at_us: int) -> Ask:
        """What the line is asked to do at an instant."""
        ask = self._asks.get(line)
        if ask is None or at_us >= ask.until_us or at_us < ask.until_us - HOUR_US:
            ask = self._asks[line] = self._decide(line, at_us)
        return ask

    def windows(self, machine: str, *, at_us: int) -> tuple[MaintenanceWindow, ...]:
        """The plan's maintenance windows of a machine that are open at an instant."""
        if self.plan is None:
            return ()
        now = instant(at_us)
        return tuple(
            window for window in self.plan.maintenance if window.machine == machine and window.start <= now < window.end
        )

    def _decide(self, line: str, at_us: int) -> Ask:
        """Valid until the next full hour or the next edge of a planned run or of the plan, whichever is first."""
        now = instant(at_us)
        until_us = at_us - at_us % HOUR_US + HOUR_US
        shift = self._shift(line, now)
        plan = self.plan
        if plan is not None:
            edges = [plan.start, plan.end, *(edge for run in self._runs[line] for edge in (run.start, run.end))]
            until_us = min([until_us, *(microseconds(edge) for edge in edges if edge > now)])
        if plan is not None and plan.start <= now < plan.end:
            return Ask(demand=self._planned(line, now), staffed=shift is not None, until_us=until_us)
        demand = self._practice(line, shift) if shift else None
        return Ask(demand=demand, staffed=shift is not None, until_us=until_us)

    def _planned(self, line: str, now: datetime) -> Demand | None:
        runs = self._runs[line]
        index = bisect_right([run.start for run in runs], now) - 1
        if index < 0 or now >= runs[index].end:
            return None
        run = runs[index]
        capability = next((one for one in self._capabilities[line] if one.product == run.product), None)
        if capability is None:
            return None
        return Demand(capability=capability, speed=1.0, run=microseconds(run.start), units=float(run.gross_units))

    def _practice(self, line: str, shift_start: datetime) -> Demand | None:
        capabilities = self._capabilities[line]
        if not capabilities:
            return None
        number = int(shift_start.timestamp()) // 3600
        chance = np.random.default_rng((self._seed, crc32(line.encode()), number))
        turn = shift_start.toordinal() * len(self._calendar.shifts) + self._rank(shift_start)
        return Demand(
            capability=capabilities[turn % len(capabilities)],
            speed=float(chance.choice(PRACTICE_SPEEDS)),
            run=microseconds(shift_start),
            units=float("inf"),
        )

    def _rank(self, shift_start: datetime) -> int:
        """Which of the day's shifts began at this instant."""
        hours = sorted({shift.start_hour for shift in self._calendar.shifts})
        return hours.index(shift_start.astimezone(self._zone).hour)

    def _shift(self, line: str, now: datetime) -> datetime | None:
        """Start of the shift that is on; None: nobody is there, or the line is closed."""
        if any(
            closure.line in ("", line) and closure.start <= now < closure.end for closure in self._calendar.closures
        ):
            return None
        local = now.astimezone(self._zone)
        for shift in self._calendar.shifts:
            for days in (0, 1):
                day = local.date() - timedelta(days=days)
                start = datetime(day.year, day.month, day.day, shift.start_hour, tzinfo=self._zone)
                if day.weekday() in shift.weekdays and start <= local < start + timedelta(hours=shift.hours):
                    return start
        return None
