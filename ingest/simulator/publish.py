"""The simulated plant, live over real MQTT: readings out, accepted plans and orders to break a machine in.

It keeps its own count of what it published, the outside witness that ingest and store are checked against.
"""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from ingest.simulator.checkpoint import save
from ingest.simulator.truth import write
from ingest.simulator.world import Reading, World
from plant.assets import Plant
from plant.clock import US_PER_S, PlantClock
from plant.errors import Unavailable
from plant.plans import Plan

log = logging.getLogger(__name__)

MAX_CATCH_UP_US = 3_600 * US_PER_S
"""Plant time further behind than this is skipped: the plant stood still while the simulator was off."""
STRIDE_US = 300 * US_PER_S
"""Most plant time simulated at once, so that a stop is heard soon."""
SAVE_EVERY_S = 10.0
IDLE_S = 0.25
"""Longest sleep between two looks at the clock, in wall time [s]."""


class Outlet(Protocol):
    """Publishes with QoS 1; `ingest.publisher.Publisher` is one."""

    def send(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float | None = None) -> None:
        """Hand over one message; raises Unavailable where it was not taken."""

    def flush(self, *, timeout_s: float | None = None) -> None:
        """Wait until all is acknowledged; raises Unavailable."""

    def subscribe(self, topic_filter: str, callback: "Callback") -> None:
        """Hear a topic from now on."""


class Callback(Protocol):
    """Hears one message."""

    def __call__(self, topic: str, payload: bytes, /) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorTopics:
    """Topics of one plant, made from the templates of the settings."""

    telemetry: Mapping[str, str]
    """By machine."""
    plan: str
    break_machine: str
    avoided: str


@dataclass(kw_only=True, slots=True)
class Counts:
    """What was published: the outside witness. Telemetry only."""

    messages: int = 0
    samples: int = 0
    by_machine: dict[str, int] = field(default_factory=dict)

    def add(self, reading: Reading) -> None:
        """Count one message."""
        self.messages += 1
        self.samples += len(reading.values)
        self.by_machine[reading.machine] = self.by_machine.get(reading.machine, 0) + 1


def topics_of(world: World) -> SimulatorTopics:
    """The topics of a world's plant."""
    plant, settings = world.plant, world.settings
    names = {"enterprise": plant.enterprise, "site": plant.site}
    return SimulatorTopics(
        telemetry={
            machine.name: settings.topic.format(
                **names, area=line.area, line=line.name, machine=machine.name, machine_class=machine.machine_class
            )
            for line in plant.lines
            for machine in line.machines
        },
        plan=settings.plan_topic.format(**names),
        break_machine=settings.break_topic.format(**names),
        avoided=settings.avoided_topic.format(**names),
    )


def payload_of(reading: Reading) -> bytes:
    """The JSON payload of a reading.

    >>> payload_of(Reading(machine="L1-press", at_us=2_000_000, values={"power_kw": 21.5, "state": "Execute"}))
    b'{"timestamp_ms":2000,"power_kw":21.5,"state":"Execute"}'
    """
    return msgspec.json.encode({"timestamp_ms": reading.at_us // 1000, **reading.values})


def break_payload(plant: Plant, *, machine: str, mode: str = "") -> bytes:
    """The control message that breaks a machine. Raises KeyError for a machine that the plant does not have."""
    if machine not in plant.machine_index:
        raise KeyError(f"the plant has no machine {machine!r}; it has {', '.join(sorted(plant.machine_index))}")
    return msgspec.json.encode({"machine": machine, "mode": mode})


def run_live(
    world: World,
    *,
    publisher: Outlet,
    clock: PlantClock,
    stop: threading.Event,
    counts_file: Path,
    truth_file: Path,
    checkpoint_file: Path | None = None,
    topics: SimulatorTopics | None = None,
) -> Counts:
    """Publish the plant at the clock's pace until told to stop; gives what was published.

    The counts file is written at most once a second while it runs, and at the end, when every message counted in it
    has been acknowledged by the broker (or, with the broker away at the stop, a warning says how many have not). A
    broker that is away is waited for; nothing is dropped.

    Args:
        world: The plant; it is advanced.
        publisher: Connected or connecting.
        clock: The plant's clock.
        stop: Set to end orderly, after the messages made so far are acknowledged.
        counts_file: Where the outside witness is written, as JSON with `messages`, `samples` and `by_machine`.
        truth_file: Where the ground truth is appended, as JSON lines.
        checkpoint_file: Where the world is saved, every 10 s and at the end, so that it can be gone on with.
        topics: Made from the world's settings where not given.
    """
    topics = topics or topics_of(world)
    counts = read_counts(counts_file)
    inbox: deque[tuple[str, bytes]] = deque()
    for topic in (topics.plan, topics.break_machine):
        publisher.subscribe(topic, lambda heard, payload: inbox.append((heard, payload)))
    written_s = saved_s = time.monotonic()
    if clock.now_us() - world.at_us > MAX_CATCH_UP_US:
        log.info("plant_stood_still", extra={"hours": (clock.now_us() - world.at_us) / 3.6e9})
        world.stand_still(clock.now_us())
    while not stop.is_set():
        while inbox:
            _obey(world, topics, *inbox.popleft())
        readings = world.step(min(clock.now_us(), world.at_us + STRIDE_US))
        for reading in readings:
            if not _send(publisher, topics.telemetry[reading.machine], payload_of(reading), stop=stop):
                break
            counts.add(reading)
        _tell_avoided(world, publisher, topics, stop)
        write(truth_file, world.take_truth())
        now_s = time.monotonic()
        if now_s - written_s >= 1.0:
            written_s = now_s
            write_counts(counts_file, counts)
        if checkpoint_file is not None and now_s - saved_s >= SAVE_EVERY_S:
            saved_s = now_s
            save(world, checkpoint_file)
        behind_us = clock.now_us() - world.at_us
        if behind_us < world.tick_us:
            stop.wait(min(IDLE_S, clock.wall_seconds((world.tick_us - behind_us) / US_PER_S)))
    _flush(publisher)
    write_counts(counts_file, counts)
    if checkpoint_file is not None:
        save(world, checkpoint_file)
    return counts


def read_counts(path: Path) -> Counts:
    """What was published by earlier runs; zeros where there is no file."""
    if not path.exists():
        return Counts()
    return msgspec.json.decode(path.read_bytes(), type=Counts)


def write_counts(path: Path, counts: Counts) -> None:
    """Replace the counts file in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(counts))
    draft.replace(path)


def _send(publisher: Outlet, topic: str, payload: bytes, *, stop: threading.Event, retain: bool = False) -> bool:
    """Hand one message over, however long the broker is away; False where it was stopped while waiting."""
    told = False
    while True:
        try:
            publisher.send(topic, payload, retain=retain)
        except Unavailable as error:
            if not told:
                log.warning("broker_away", extra={"why": str(error)})
                told = True
            if stop.wait(1.0):
                return False
        else:
            return True


def _flush(publisher: Outlet) -> None:
    try:
        publisher.flush()
    except Unavailable as error:
        log.warning("messages_left", extra={"why": str(error)})


def _tell_avoided(world: World, publisher: Outlet, topics: SimulatorTopics, stop: threading.Event) -> None:
    while world.avoided:
        _send(publisher, topics.avoided, json.dumps(world.avoided.pop(0).line()).encode(), stop=stop, retain=True)


def _obey(world: World, topics: SimulatorTopics, topic: str, payload: bytes) -> None:
    """Follow a plan or break a machine; what cannot be understood is logged and left."""
    try:
        if topic == topics.plan:
            plan = msgspec.json.decode(payload, type=Plan) if payload else None
            world.apply_plan(plan)
            log.info("plan_followed", extra={"plan": plan.number if plan else "none"})
            return
        order = msgspec.json.decode(payload, type=dict[str, str])
        mode = world.break_machine(order.get("machine", ""), mode=order.get("mode"))
        log.info("machine_broken", extra={"machine": order["machine"], "mode": mode})
    except (msgspec.MsgspecError, KeyError) as error:
        log.warning("control_message_not_understood", extra={"topic": topic, "why": str(error)})
