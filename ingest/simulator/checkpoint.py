"""Saving a world to a file and going on with it in another process, to the last random number."""

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.random import Generator

from ingest.simulator.machine import Course, Phase
from ingest.simulator.settings import SimulatorSettings
from ingest.simulator.wear import Life
from ingest.simulator.world import World
from plant.assets import Plant
from plant.clock import instant
from plant.plans import Plan
from plant.production import Calendar, Capability, Product

VERSION = 1
STREAMS = ("wear_chance", "stop_chance", "noise", "parts")
COURSE_FIELDS = (
    "factor", "since_us", "until_us", "failed_mode", "next_hold_age_h", "maintain_age_h", "preventive_share",
    "done_windows",
)  # fmt: skip
LINE_FIELDS = ("product", "setup_until_us", "run", "run_units", "made")


def save(world: World, path: Path) -> None:
    """Write the world's state to a file, replacing it in one move."""
    document = {
        "version": VERSION,
        "at_us": world.at_us,
        "tick_us": world.tick_us,
        "plan": msgspec.to_builtins(world.program.plan),
        "machines": {course.name: _course(course) for course in world.courses},
        "lines": {line.name: {name: getattr(line, name) for name in LINE_FIELDS} for line in world.lines},
        "meters": {name: values.tolist() for name, values in asdict(world.meters).items()},
        "pending": world.pending,
        "last_state": world.last_state,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(path)


def load(
    path: Path,
    *,
    plant: Plant,
    products: tuple[Product, ...],
    capabilities: tuple[Capability, ...],
    calendar: Calendar,
    settings: SimulatorSettings,
) -> World:
    """The world as it was saved.

    Raises:
        ValueError: The file is of another version or another plant; it says which.
    """
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if document.get("version") != VERSION:
        raise ValueError(f"{path} has version {document.get('version')}, not {VERSION}; remove it to begin anew")
    if set(document["machines"]) != set(plant.machine_index):
        raise ValueError(f"{path} belongs to a plant with other machines; remove it to begin anew")
    world = World(
        plant,
        products=products,
        capabilities=capabilities,
        calendar=calendar,
        settings=settings,
        start=instant(document["at_us"]),
        tick=timedelta(microseconds=document["tick_us"]),
    )
    world.apply_plan(msgspec.convert(document["plan"], Plan | None))
    for course in world.courses:
        _restore(course, document["machines"][course.name])
    for line in world.lines:
        for name in LINE_FIELDS:
            setattr(line, name, document["lines"][line.name][name])
    for name, values in document["meters"].items():
        setattr(world.meters, name, np.array(values, dtype=getattr(world.meters, name).dtype))
    world.pending = {machine: (str(mode), int(at_us)) for machine, (mode, at_us) in document["pending"].items()}
    world.last_state = [int(state) for state in document["last_state"]]
    return world


def _course(course: Course) -> dict[str, Any]:
    return {
        **{name: getattr(course, name) for name in COURSE_FIELDS},
        "phase": course.phase.value,
        "life": asdict(course.life),
        "streams": {name: getattr(course, name).bit_generator.state for name in STREAMS},
    }


def _restore(course: Course, saved: dict[str, Any]) -> None:
    for name in COURSE_FIELDS:
        setattr(course, name, saved[name])
    course.phase = Phase(saved["phase"])
    course.life = Life(**saved["life"])
    for name in STREAMS:
        stream: Generator = getattr(course, name)
        stream.bit_generator.state = saved["streams"][name]
