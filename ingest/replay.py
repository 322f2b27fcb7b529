"""Recorded data published over MQTT as if it happened now: one message per row, in the order of time."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from ingest.publisher import Publisher
from ingest.recording import Ending, RecordingSettings, Row, read_rows, recorded_files
from ingest.templates import placeholders
from plant.assets import Plant
from plant.clock import US_PER_S, instant, microseconds
from plant.errors import ConfigError, Fault

log = logging.getLogger(__name__)

ENDING_DELAY_US: Final = US_PER_S
"""The failure of a machine is told one second after its last row, so that each instant holds one reading [µs]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayCounts:
    """What a replay has published: the outside witness for the ledger."""

    files: int
    rows: int
    """Messages that carry a row."""
    endings: int
    """Messages that tell a machine's failure."""
    machines: int
    samples: int
    """Fields of all messages, without the time."""
    acknowledged: int
    """Messages that the broker has acknowledged."""
    first_at: datetime | None
    last_at: datetime | None
    took_s: float

    @property
    def messages(self) -> int:
        """All messages."""
        return self.rows + self.endings


def replay(
    settings: RecordingSettings,
    *,
    publisher: Publisher,
    plant: Plant,
    folder: Path | None = None,
    speed: float | None = None,
    ending_at: datetime | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] | None = None,
) -> ReplayCounts:
    """Publish recorded files, one after the other in the order of their names.

    Args:
        settings: Which files, and what their columns mean.
        publisher: A connected publisher.
        plant: Fills the placeholders of the topic.
        folder: Where the files are, if not where the mapping says.
        speed: Recorded seconds per second; None: as fast as the broker acknowledges.
        ending_at: Instant on which the newest reading of all files falls; None: the times as recorded.
        stop: Ends the replay early.
        progress: Told the number of messages so far, about once a second.

    Raises:
        ConfigError: Files, columns or machines that do not fit, before the file's first message is sent.
        Unavailable: The broker does not acknowledge, or a file cannot be read.
    """
    stop = stop or threading.Event()
    files = recorded_files(settings, folder=folder)
    topics = _Topics(settings.topic, plant)
    shift_us = 0 if ending_at is None else microseconds(ending_at) - _newest_us(files, settings)
    before = publisher.acknowledged
    began = told = time.monotonic()
    rows = endings = samples = 0
    machines: set[str] = set()
    first_us: int | None = None
    last_us: int | None = None
    for path in files:
        for row, is_ending in _with_endings(_shifted(path, settings, shift_us), settings=settings):
            if first_us is None:
                first_us = row.at_us
            if stop.is_set() or not _wait_until(began, row.at_us - first_us, speed, stop):
                break
            publisher.send(topics.of(row.machine), _encode(row))
            rows, endings = rows + (not is_ending), endings + is_ending
            samples += len(row.fields)
            machines.add(row.machine)
            last_us = row.at_us
            if progress is not None and time.monotonic() - told > 1:
                told = time.monotonic()
                progress(rows + endings)
    publisher.flush()
    counts = ReplayCounts(
        files=len(files),
        rows=rows,
        endings=endings,
        machines=len(machines),
        samples=samples,
        acknowledged=publisher.acknowledged - before,
        first_at=None if first_us is None or last_us is None else instant(first_us),
        last_at=None if last_us is None else instant(last_us),
        took_s=time.monotonic() - began,
    )
    log.info("replayed", extra={"messages": counts.messages, "machines": counts.machines, "took_s": counts.took_s})
    return counts


def _newest_us(files: tuple[Path, ...], settings: RecordingSettings) -> int:
    """Instant of the newest reading of all files [µs UTC]."""
    return max((row.at_us for path in files for row in read_rows(path, settings=settings)), default=0)


def _shifted(path: Path, settings: RecordingSettings, shift_us: int) -> Iterator[Row]:
    for row in read_rows(path, settings=settings):
        yield row._replace(at_us=row.at_us + shift_us)


def _with_endings(rows: Iterator[Row], *, settings: RecordingSettings) -> Iterator[tuple[Row, bool]]:
    """Rows with the machines' failures among them, in the order of time, and whether each one is such an ending."""
    if settings.ends_in is Ending.RUNNING:
        yield from ((row, False) for row in rows)
        return
    held = list(rows)
    last = {row.machine: row.at_us for row in held}
    endings = [
        Row(machine, at_us + ENDING_DELAY_US, {settings.ending_signal: Ending.FAILED.value})
        for machine, at_us in last.items()
    ]
    together = [*((row, False) for row in held), *((row, True) for row in endings)]
    yield from sorted(together, key=lambda each: (each[0].at_us, each[0].machine))


def _encode(row: Row) -> bytes:
    return msgspec.json.encode({"timestamp_ms": row.at_us // 1_000, **row.fields})


def _wait_until(began: float, after_us: int, speed: float | None, stop: threading.Event) -> bool:
    """Wait for a row's turn; False where the replay was stopped meanwhile."""
    if speed is None:
        return True
    wait_s = began + after_us / US_PER_S / speed - time.monotonic()
    return wait_s <= 0 or not stop.wait(wait_s)


class _Topics:
    """Topics of machines, from a template and the plant."""

    def __init__(self, template: str, plant: Plant) -> None:
        self._template = template
        self._names = set(placeholders(template))
        self._plant = plant
        self._lines = {line.name: line for line in plant.lines}
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The topic of a machine. Raises ConfigError for one that the plant does not have and the topic needs."""
        topic = self._known.get(name)
        if topic is None:
            topic = self._known[name] = self._template.format_map(self._places(name))
        return topic

    def _places(self, name: str) -> dict[str, str]:
        places = {"enterprise": self._plant.enterprise, "site": self._plant.site, "machine": name}
        machine = self._plant.machine_index.get(name)
        if machine is not None:
            places |= {"line": machine.line, "area": self._lines[machine.line].area}
        missing = self._names - places.keys()
        if missing:
            expected = f"add it to the plant's lines, or use a topic without {', '.join(sorted(missing))}"
            raise ConfigError((Fault(where="replay", found=f"machine {name}", expected=expected),))
        return places
