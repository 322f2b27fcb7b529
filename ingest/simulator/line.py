"""One line's tick: machines in series, so one that is down suspends the others, and the slowest sets the pace.

Wear advances only while the line executes, with operating time times load; load is the speed times the product's
strain. Units enter the first machine at rate * speed / slowest cycle stretch.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ingest.simulator.catalogue import RESPONSE_POWER
from ingest.simulator.machine import Course, Phase, down_state, maintain, run, settle
from ingest.simulator.program import HOUR_US, Ask, Demand, Program
from plant.assets import MachineState
from plant.clock import microseconds

STATES = tuple(MachineState)
STATE_CODE = {state: code for code, state in enumerate(STATES)}
EVENTS = ("", "failed", "repaired", "maintained")


class Renewal(StrEnum):
    """What the plant notes about a machine's life."""

    FAILED = "failed"
    REPAIRED = "repaired"
    MAINTAINED = "maintained"


@dataclass(frozen=True, kw_only=True, slots=True)
class Occurrence:
    """A machine failed, was repaired or maintained; or its maintenance began."""

    machine: str
    kind: str
    """`failed`, `repaired`, `maintained` or `maintenance_began`."""
    mode: str
    """Failure mode; of maintenance the mode that was most worn."""
    at_us: int


@dataclass(kw_only=True, slots=True)
class LineCourse:
    """A line's state over time."""

    name: str
    machines: tuple[Course, ...]
    cycle: NDArray[np.float64]
    """Relative stretch of the cycle time at wear 1. (machine, mode)"""
    product: int = -1
    """Index of the product the line is set up for; -1: none yet."""
    setup_until_us: int = 0
    run: int = -1
    run_units: float = 0.0
    """Gross units made in the current run [unit]."""
    made: float = 0.0
    """Gross units ever made [unit]."""


@dataclass(kw_only=True, slots=True)
class Block:
    """What happened in a stretch of ticks, before anybody measures it. (tick, machine) unless said otherwise."""

    at_us: NDArray[np.int64]
    """End of each tick [µs UTC]. (tick,)"""
    tick_us: int
    state: NDArray[np.int8]
    """Index into `STATES`."""
    running: NDArray[np.bool_]
    product: NDArray[np.int16]
    """Index of the product the line is set up for, -1: none."""
    speed: NDArray[np.float64]
    """[0..1]; 0 where the line does not run."""
    units: NDArray[np.int64]
    """Units that enter the line."""
    wear: NDArray[np.float64]
    """At the end of the tick; at least 1 where it fails. (tick, machine, mode)"""
    event: NDArray[np.int8]
    """Index into `EVENTS`."""


def empty_block(start_us: int, *, ticks: int, tick_us: int, machines: int, modes: int) -> Block:
    """Room for a stretch of ticks that begins at an instant."""
    shape = (ticks, machines)
    return Block(
        at_us=start_us + tick_us * np.arange(1, ticks + 1, dtype=np.int64),
        tick_us=tick_us,
        state=np.zeros(shape, np.int8),
        running=np.zeros(shape, np.bool_),
        product=np.full(shape, -1, np.int16),
        speed=np.zeros(shape),
        units=np.zeros(shape, np.int64),
        wear=np.zeros((*shape, modes)),
        event=np.zeros(shape, np.int8),
    )


def tick(
    line: LineCourse,
    program: Program,
    block: Block,
    *,
    index: int,
    first: int,
    products: dict[str, int],
    strain: NDArray[np.float64],
) -> list[Occurrence]:
    """Advance a line by one tick and write it into row `index`, columns from `first`."""
    end_us = int(block.at_us[index])
    start_us = end_us - block.tick_us
    hours = block.tick_us / HOUR_US
    occurrences = _begin_maintenance(line, program, start_us)
    ask = program.ask(line.name, at_us=start_us)
    _set_up(line, ask.demand, start_us, products)
    demand = _runnable(line, ask.demand, start_us)
    columns = slice(first, first + len(line.machines))
    if demand is not None:
        before = int(line.made)
        made = demand.capability.rate_per_h * demand.speed * hours / _stretch(line)
        made = min(made, demand.units - line.run_units)
        line.made += made
        line.run_units += made
        block.units[index, columns] = int(line.made) - before
        block.speed[index, columns] = demand.speed
        block.running[index, columns] = True
    block.product[index, columns] = line.product
    for offset, machine in enumerate(line.machines):
        column = first + offset
        event = None
        state = _state(machine, line, ask, demand is not None, start_us)
        wear = None
        if demand is not None:
            if failed := run(machine, hours=hours, load=demand.speed * strain[line.product], end_us=end_us):
                occurrences.append(Occurrence(machine=machine.name, kind="failed", mode=failed, at_us=end_us))
                event, state = "failed", MachineState.ABORTED
        else:
            wear = list(machine.life.wear)
            mode = machine.failed_mode or worst_mode(machine)
            if event := settle(machine, at_us=end_us):
                occurrences.append(Occurrence(machine=machine.name, kind=event, mode=mode, at_us=end_us))
                state = MachineState.RESETTING
        block.state[index, column] = STATE_CODE[state]
        worn = wear or machine.life.wear
        block.wear[index, column, : len(worn)] = worn
        if event:
            block.event[index, column] = EVENTS.index(event)
    return occurrences


def worst_mode(machine: Course) -> str:
    """The failure mode with the most wear."""
    wear = machine.life.wear
    return machine.modes[wear.index(max(wear))] if wear else ""


def _begin_maintenance(line: LineCourse, program: Program, at_us: int) -> list[Occurrence]:
    began = []
    for machine in line.machines:
        due = machine.life.age_h >= machine.maintain_age_h
        for window in program.windows(machine.name, at_us=at_us):
            start_us = microseconds(window.start)
            if start_us not in machine.done_windows:
                machine.done_windows.append(start_us)
                due = True
        if due and not machine.is_down:
            began.append(
                Occurrence(machine=machine.name, kind="maintenance_began", mode=worst_mode(machine), at_us=at_us)
            )
            maintain(machine, at_us=at_us)
    return began


def _set_up(line: LineCourse, demand: Demand | None, at_us: int, products: dict[str, int]) -> None:
    """Begin a setup where the asked product is not the one the line is set up for; count units per run."""
    if demand is None:
        return
    product = products[demand.capability.product]
    if product != line.product:
        line.product = product
        line.setup_until_us = at_us + round(demand.capability.setup_h * HOUR_US)
    if demand.run != line.run:
        line.run, line.run_units = demand.run, 0.0


def _runnable(line: LineCourse, demand: Demand | None, at_us: int) -> Demand | None:
    """The demand, where every machine is ready, the setup is done and the run is not."""
    if demand is None or at_us < line.setup_until_us or line.run_units >= demand.units:
        return None
    return demand if all(machine.phase is Phase.READY for machine in line.machines) else None


def _stretch(line: LineCourse) -> float:
    """How much longer than new the slowest machine's cycle takes [1..]."""
    worst = 1.0
    for offset, machine in enumerate(line.machines):
        stretch = 1.0
        for mode, wear in enumerate(machine.life.wear):
            stretch += line.cycle[offset, mode] * min(wear, 1.0) ** RESPONSE_POWER
        worst = max(worst, stretch)
    return worst


def _state(machine: Course, line: LineCourse, ask: Ask, runs: bool, at_us: int) -> MachineState:
    """The PackML state during a tick. Source: OPC UA 30060; ISA-TR88.00.02."""
    if runs:
        return MachineState.EXECUTE
    if machine.phase is not Phase.READY:
        return down_state(machine, at_us=at_us)
    if ask.demand is None:
        return MachineState.IDLE if ask.staffed else MachineState.STOPPED
    if at_us < line.setup_until_us:
        return MachineState.RESETTING
    if line.run_units >= ask.demand.units:
        return MachineState.COMPLETE
    return MachineState.SUSPENDED
