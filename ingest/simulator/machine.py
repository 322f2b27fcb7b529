"""One machine's course: running, held, failed and repaired, maintained, resetting; each with its own random streams."""

from dataclasses import dataclass, field
from enum import StrEnum

from numpy.random import Generator

from ingest.simulator.catalogue import SHOCK, modes_of
from ingest.simulator.program import HOUR_US
from ingest.simulator.wear import Life, advance, machine_factor, new_life, streams
from plant.assets import MachineClass, MachineState

RESET_H = 0.1
"""From the end of a repair or maintenance to readiness [h]."""
HOLDS_PER_H = 0.04
"""Short stops of a machine's own making (PackML Held) per operating hour."""
HOLD_H = 0.08
"""Mean length of a short stop [h]."""
REPAIR_SPREAD = 0.35
"""Coefficient of variation of the repair time, gamma distributed about the class's MTTR."""
DIAGNOSIS_SHARE = 0.2
"""Part of a repair that passes in Aborted, before anybody begins (then Stopped)."""


class Phase(StrEnum):
    """What a machine is about."""

    READY = "ready"
    HELD = "held"
    REPAIR = "repair"
    MAINTENANCE = "maintenance"
    RESETTING = "resetting"


@dataclass(kw_only=True, slots=True)
class Course:
    """A machine's state over time."""

    name: str
    machine_class: MachineClass
    modes: tuple[str, ...]
    mean_lives_h: tuple[float, ...]
    factor: float
    life: Life
    wear_chance: Generator
    stop_chance: Generator
    noise: Generator
    parts: Generator
    phase: Phase = Phase.READY
    since_us: int = 0
    until_us: int = 0
    """End of the phase [µs UTC]; without meaning while ready."""
    failed_mode: str = ""
    next_hold_age_h: float = 0.0
    maintain_age_h: float = float("inf")
    """Age at which practice maintains it [h]; infinite: run to failure."""
    preventive_share: float = 0.0
    done_windows: list[int] = field(default_factory=list)
    """Starts of planned windows that were executed [µs UTC]."""

    @property
    def is_ready(self) -> bool:
        """Whether it could run now."""
        return self.phase is Phase.READY

    @property
    def is_down(self) -> bool:
        """Whether it is failed or being maintained."""
        return self.phase in (Phase.REPAIR, Phase.MAINTENANCE)


def new_course(name: str, *, machine_class: MachineClass, seed: int, preventive_share: float) -> Course:
    """A machine fresh from its maker."""
    wear_chance, stop_chance, noise, parts = streams(seed, name, count=4)
    modes = modes_of(machine_class)
    mean_lives_h = tuple(mode.life_factor * machine_class.mtbf_h for mode in modes)
    factor = machine_factor(wear_chance)
    life = new_life(wear_chance, mean_lives_h=mean_lives_h, factor=factor, mtbf_h=machine_class.mtbf_h)
    course = Course(
        name=name,
        machine_class=machine_class,
        modes=tuple(mode.name for mode in modes),
        mean_lives_h=mean_lives_h,
        factor=factor,
        life=life,
        wear_chance=wear_chance,
        stop_chance=stop_chance,
        noise=noise,
        parts=parts,
        preventive_share=preventive_share,
    )
    _plan_life(course)
    return course


def run(course: Course, *, hours: float, load: float, end_us: int) -> str | None:
    """Operate a ready machine for some hours; gives the mode when it fails, which starts its repair."""
    failed = advance(course.life, course.wear_chance, hours=hours, load=load)
    if failed is not None:
        course.failed_mode = SHOCK if failed < 0 else course.modes[failed]
        mean_h = course.machine_class.repair_h
        shape = 1.0 / REPAIR_SPREAD**2
        _enter(course, Phase.REPAIR, end_us, float(course.stop_chance.gamma(shape, mean_h / shape)))
        return course.failed_mode
    if course.life.age_h >= course.next_hold_age_h:
        course.next_hold_age_h = course.life.age_h + float(course.stop_chance.exponential(1.0 / HOLDS_PER_H))
        _enter(course, Phase.HELD, end_us, float(course.stop_chance.exponential(HOLD_H)))
    return None


def maintain(course: Course, *, at_us: int) -> None:
    """Stop the machine and begin planned maintenance."""
    _enter(course, Phase.MAINTENANCE, at_us, course.machine_class.maintenance_h)


def settle(course: Course, *, at_us: int) -> str | None:
    """Leave a phase that has ended by this instant; gives `repaired` or `maintained` where that renewed the machine."""
    if course.phase is Phase.READY or at_us < course.until_us:
        return None
    if not course.is_down:
        course.phase = Phase.READY
        return None
    event = "repaired" if course.phase is Phase.REPAIR else "maintained"
    renew(course, at_us=at_us)
    return event


def renew(course: Course, *, at_us: int) -> None:
    """Give the machine a new life and let it reset."""
    course.life = new_life(
        course.wear_chance,
        mean_lives_h=course.mean_lives_h,
        factor=course.factor,
        mtbf_h=course.machine_class.mtbf_h,
    )
    course.failed_mode = ""
    _plan_life(course)
    _enter(course, Phase.RESETTING, at_us, RESET_H)


def down_state(course: Course, *, at_us: int) -> MachineState:
    """The PackML state of a machine that is not ready."""
    if course.phase is Phase.HELD:
        return MachineState.HELD
    if course.phase is Phase.RESETTING:
        return MachineState.RESETTING
    diagnosis_us = round(DIAGNOSIS_SHARE * (course.until_us - course.since_us))
    if course.phase is Phase.REPAIR and at_us < course.since_us + diagnosis_us:
        return MachineState.ABORTED
    return MachineState.STOPPED


def _enter(course: Course, phase: Phase, at_us: int, hours: float) -> None:
    course.phase = phase
    course.since_us = at_us
    course.until_us = at_us + round(hours * HOUR_US)


def _plan_life(course: Course) -> None:
    """Decide when the machine holds next, and whether practice maintains it before it fails."""
    course.next_hold_age_h = float(course.stop_chance.exponential(1.0 / HOLDS_PER_H))
    early, share = course.stop_chance.random(2)
    mean_h = min(course.mean_lives_h, default=course.machine_class.mtbf_h)
    course.maintain_age_h = (0.3 + 0.6 * share) * mean_h if early < course.preventive_share else float("inf")
