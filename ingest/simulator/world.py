"""The simulated plant over time: advanced tick by tick, whoever asks, so that pace never changes what happens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isnan

import numpy as np

from ingest.simulator.line import EVENTS, STATES, Block, LineCourse, Occurrence, empty_block, tick
from ingest.simulator.machine import Course, maintain, new_course, renew
from ingest.simulator.program import HOUR_US, Program
from ingest.simulator.sensors import Measured, Meters, Nominal, measure, new_meters, nominal_of
from ingest.simulator.settings import SimulatorSettings, WornSettings
from ingest.simulator.truth import Avoided, Line, stamp, would_fail
from ingest.simulator.wear import damage
from plant.assets import Plant
from plant.clock import US_PER_S, microseconds
from plant.plans import Plan
from plant.production import Calendar, Capability, Product

DIGITS = {"energy_kwh": 4, "good_parts": 0, "scrap_parts": 0, "speed_ratio": 3}
"""Decimals in messages; 3 for all others."""
QUIET_H = 72.0
"""Operating hours without shocks on the worn machine's line at the start of live [h]."""
RUNNING_SHARE = 0.8
"""Of the hours, those in which a line runs; so long does wearing in take."""
STRAIN_SPREAD = 0.15
"""How far the products' strains lie apart, about 0.95."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one machine says at one instant."""

    machine: str
    at_us: int
    values: Mapping[str, float | str]
    """By signal name; signals without a value are absent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """What happened in some ticks, and what was measured of it."""

    block: Block
    measured: Measured
    occurrences: tuple[Occurrence, ...]


class World:
    """A plant whose machines wear. History leaves one behind, and live goes on with it."""

    def __init__(
        self,
        plant: Plant,
        *,
        products: Sequence[Product],
        capabilities: Sequence[Capability],
        calendar: Calendar,
        settings: SimulatorSettings,
        start: datetime,
        tick: timedelta | None = None,
    ) -> None:
        """A plant of new machines.

        Args:
            plant: Its lines and machines.
            products: What is made.
            capabilities: Which line can make which product, and how.
            calendar: When lines run as long as there is no plan.
            settings: Seed and grain.
            start: Plant time of the first tick's beginning.
            tick: Grain; the settings' live grain where not given.
        """
        self.plant = plant
        self.settings = settings
        self.at_us = microseconds(start)
        self.tick_us = round(tick.total_seconds() * US_PER_S) if tick else settings.tick_s * US_PER_S
        self.products = tuple(product.name for product in products)
        self.program = Program(plant, capabilities=capabilities, calendar=calendar, seed=settings.seed)
        self.nominal: Nominal = nominal_of(plant, products=products, capabilities=capabilities)
        self.meters: Meters = new_meters(self.nominal)
        self.courses: tuple[Course, ...] = tuple(
            new_course(
                machine.name,
                machine_class=plant.class_of(machine.name),
                seed=settings.seed,
                preventive_share=settings.preventive_share,
            )
            for machine in plant.machines
        )
        self.lines: tuple[LineCourse, ...] = self._lines()
        self.avoided: list[Avoided] = []
        self.pending: dict[str, tuple[str, int]] = {}
        """Failures that maintenance under way is about to avoid: mode and instant by machine."""
        self.last_state: list[int] = [-1] * len(self.courses)
        """State last reported by machine, as an index into `STATES`."""
        self._product_index = {name: index for index, name in enumerate(self.products)}
        self._strain = strains(len(self.products))
        self._truth: list[Line] = []

    def advance(self, ticks: int) -> Stretch:
        """Let some ticks pass."""
        modes = self.nominal.cycle_at.shape[1]
        block = empty_block(self.at_us, ticks=ticks, tick_us=self.tick_us, machines=len(self.courses), modes=modes)
        happened: list[Occurrence] = []
        for index in range(ticks):
            first = 0
            for line in self.lines:
                new = tick(
                    line,
                    self.program,
                    block,
                    index=index,
                    first=first,
                    products=self._product_index,
                    strain=self._strain,
                )
                for occurrence in new:
                    self._note(occurrence, line)
                happened += new
                first += len(line.machines)
            self.at_us += self.tick_us
            if self.at_us % HOUR_US < self.tick_us:
                self._note_wear()
        measured = measure(
            block,
            self.meters,
            nominal=self.nominal,
            noise=[course.noise for course in self.courses],
            parts=[course.parts for course in self.courses],
        )
        return Stretch(block=block, measured=measured, occurrences=tuple(happened))

    def step(self, until_us: int) -> list[Reading]:
        """Advance by whole ticks up to an instant [µs UTC]; gives the messages that became due, in order of time."""
        ticks = (until_us - self.at_us) // self.tick_us
        if ticks <= 0:
            return []
        return self._due(self.advance(ticks))

    def apply_plan(self, plan: Plan | None) -> None:
        """Obey an accepted plan from now on: its products in its hours, its maintenance at its starts."""
        self.program.follow(plan)

    def break_machine(
        self, name: str, *, mode: str | None = None, wear: float = 0.955, hours_left: float = 12.0
    ) -> str:
        """Damage a machine, so that it fails after about `hours_left` of operation unless maintained; gives the mode.

        Raises:
            KeyError: No machine has this name, or its class has no such mode.
        """
        course = self.course(name)
        chosen = course.modes[0] if mode in (None, "") else str(mode)
        if chosen not in course.modes:
            raise KeyError(f"{name} has no failure mode {chosen!r}; it has {', '.join(course.modes)}")
        damage(course.life, mode=course.modes.index(chosen), wear=wear, onset_h=0.5, hours_left=hours_left)
        return chosen

    def course(self, name: str) -> Course:
        """A machine's course. Raises KeyError for a machine that the plant does not have."""
        for course in self.courses:
            if course.name == name:
                return course
        raise KeyError(f"the plant has no machine {name!r}")

    def service(self) -> None:
        """Send every machine that is well worn into maintenance at once; stop maintaining by age."""
        for course in self.courses:
            course.preventive_share, course.maintain_age_h = 0.0, float("inf")
            if not course.is_down and max(course.life.wear, default=0.0) > self.settings.service_wear:
                maintain(course, at_us=self.at_us)

    def wear_in(self, *, hours: float) -> None:
        """Let the worn machine reach the wear it starts live with, in the hours until then."""
        worn = self.settings.worn
        if worn is None or self.course(worn.machine).is_down:
            return
        course = self.course(worn.machine)
        mode = course.modes.index(worn.mode)
        damage(course.life, mode=mode, wear=worn.start_wear, onset_h=RUNNING_SHARE * hours, hours_left=10.0 * hours)

    def begin_live(self) -> tuple[Occurrence, ...]:
        """Change to the grain of live and put the worn machine into its stated initial condition.

        On the worn machine's line repairs still under way are ended, so that it runs; these renewals are given back.
        Nor does a shock strike that line in its first three days, so that the worn machine is the one that is seen.
        """
        self.tick_us = self.settings.tick_s * US_PER_S
        for course in self.courses:
            course.preventive_share, course.maintain_age_h = 0.0, float("inf")
        worn: WornSettings | None = self.settings.worn
        if worn is None:
            return ()
        ended = []
        course = self.course(worn.machine)
        for line in (line for line in self.lines if course in line.machines):
            for machine in (machine for machine in line.machines if machine.is_down):
                kind = "repaired" if machine.failed_mode else "maintained"
                ended.append(Occurrence(machine=machine.name, kind=kind, mode=machine.failed_mode, at_us=self.at_us))
                self._note(ended[-1], line)
                renew(machine, at_us=self.at_us)
            for machine in line.machines:
                machine.life.shock_age_h = max(machine.life.shock_age_h, machine.life.age_h + QUIET_H)
        damage(
            course.life,
            mode=course.modes.index(worn.mode),
            wear=worn.wear,
            onset_h=worn.onset_h,
            hours_left=worn.hours_left,
        )
        return tuple(ended)

    def stand_still(self, until_us: int) -> None:
        """Let time pass without anything happening, as when the simulator was off."""
        self.at_us = max(self.at_us, until_us - until_us % self.tick_us)

    def take_truth(self) -> list[Line]:
        """Lines of ground truth since they were last taken."""
        lines, self._truth = self._truth, []
        return lines

    def _lines(self) -> tuple[LineCourse, ...]:
        lines, first = [], 0
        for line in self.plant.lines:
            rows = slice(first, first + len(line.machines))
            lines.append(LineCourse(name=line.name, machines=self.courses[rows], cycle=self.nominal.cycle_at[rows]))
            first = rows.stop
        return tuple(lines)

    def _note(self, occurrence: Occurrence, line: LineCourse) -> None:
        """Put what happened into the truth; follow maintenance through what it avoids."""
        machine, at_us = occurrence.machine, occurrence.at_us
        self._truth.append({"kind": occurrence.kind, "at": stamp(at_us), "machine": machine, "mode": occurrence.mode})
        if occurrence.kind == "maintenance_began":
            strain = {name: float(self._strain[index]) for name, index in self._product_index.items()}
            failure = would_fail(
                self.course(machine),
                line=line.name,
                program=self.program,
                strain=strain,
                at_us=at_us,
                tick_us=self.tick_us,
            )
            if failure is not None:
                self.pending[machine] = failure
        elif occurrence.kind == "maintained" and machine in self.pending:
            mode, failed_at_us = self.pending.pop(machine)
            avoided = Avoided(machine=machine, mode=mode, maintained_at_us=at_us, would_have_failed_at_us=failed_at_us)
            self.avoided.append(avoided)
            self._truth.append(avoided.line())

    def _note_wear(self) -> None:
        at = stamp(self.at_us)
        for course in self.courses:
            wear = {mode: round(value, 5) for mode, value in zip(course.modes, course.life.wear, strict=True)}
            self._truth.append(
                {"kind": "wear", "at": at, "machine": course.name, "wear": wear, "age_h": round(course.life.age_h, 3)}
            )

    def _due(self, stretch: Stretch) -> list[Reading]:
        """The messages of a stretch: each machine's period, spread over it, and every change of state at once."""
        block, readings = stretch.block, []
        period_us = self.settings.message_period_s * US_PER_S
        slots = max(1, period_us // self.tick_us)
        for index, at_us in enumerate(block.at_us.tolist()):
            for column, machine in enumerate(self.plant.machines):
                state = int(block.state[index, column])
                periodic = (at_us + column % slots * self.tick_us) % period_us < self.tick_us
                if periodic or state != self.last_state[column] or block.event[index, column]:
                    values = reading_values(stretch, self.products, index=index, column=column)
                    readings.append(Reading(machine=machine.name, at_us=at_us, values=values))
                    self.last_state[column] = state
        return readings


def strains(products: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Load of each product on the machines at speed 1: evenly spread about 0.95, in the products' order. (product,)"""
    spread: np.ndarray[tuple[int], np.dtype[np.float64]] = 0.95 + STRAIN_SPREAD * np.linspace(-0.5, 0.5, products)
    return spread


def reading_values(stretch: Stretch, products: Sequence[str], *, index: int, column: int) -> dict[str, float | str]:
    """One machine's values at the end of one tick, rounded as they are sent; what is not measured is absent."""
    values: dict[str, float | str] = {}
    for signal, table in stretch.measured.values.items():
        value = float(table[index, column])
        if not isnan(value):
            values[signal] = round(value, DIGITS.get(signal, 3))
    values["state"] = STATES[stretch.block.state[index, column]].value
    if (product := int(stretch.block.product[index, column])) >= 0:
        values["product"] = products[product]
    if event := int(stretch.block.event[index, column]):
        values["maintenance"] = EVENTS[event]
    return values
