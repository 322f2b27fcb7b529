"""Recorded data by a mapping file: replayed over MQTT, or read as lives to train on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from analytics.lives import Life, Renewal, lives_from_windows
from ingest.publisher import Publisher
from ingest.recording import Ending, RecordingSettings, Row, load_recording, read_rows, recorded_files
from ingest.replay import replay
from linewright.settings.site import Site
from linewright.training import train_lives
from plant.assets import MachineClass
from plant.clock import instant
from plant.errors import DataError, Fault
from plant.signals import Window


def replay_recorded(site: Site, *, mapping: Path, source: Path | None, speed: float, as_now: bool) -> str:
    """Publish a recording onto the site's broker; returns what was published as a sentence.

    Args:
        site: Broker and plant.
        mapping: The mapping file.
        source: Folder of the recorded files; None: as the mapping says.
        speed: Recorded seconds per second; 0: as fast as the broker acknowledges.
        as_now: Shift the recorded times so that the newest reading falls on the plant's last full hour.

    Raises:
        ConfigError: A mapping or file that cannot be used.
        Unavailable: The broker does not answer.
    """
    settings = load_recording(mapping)
    publisher = Publisher(site.broker, client_id=f"{site.broker.client_id}-replay")
    try:
        publisher.connect()
        counts = replay(
            settings,
            publisher=publisher,
            plant=site.plant,
            folder=source,
            speed=speed or None,
            ending_at=site.clock.now().replace(minute=0, second=0, microsecond=0) if as_now else None,
        )
    finally:
        publisher.close()
    return (
        f"Published {counts.messages} messages of {counts.machines} machines with {counts.samples} values from "
        f"{counts.files} file(s) in {counts.took_s:.1f} s; the broker acknowledged {counts.acknowledged}."
    )


def train_on_recording(
    site: Site,
    *,
    mapping: Path,
    source: Path | None,
    machine_class: str,
    progress: Callable[[float, str], None],
) -> list[str]:
    """Train a class on recorded lives and make the model current; returns a sentence.

    Raises:
        ConfigError: A mapping, file or class that cannot be used.
    """
    if machine_class not in site.plant.class_index:
        known = ", ".join(site.plant.class_index)
        raise DataError((Fault(where="--class", found=repr(machine_class), expected=f"one of {known}"),))
    settings = load_recording(mapping)
    progress(0.0, f"Reading {mapping.name}")
    lives = recorded_lives(settings, source=source, machine_class=site.plant.class_index[machine_class])
    return train_lives(site, {machine_class: lives}, progress=progress)


def recorded_lives(
    settings: RecordingSettings, *, source: Path | None, machine_class: MachineClass
) -> tuple[Life, ...]:
    """The machines of a recording as lives, each row one reading."""
    rows: dict[str, list[Row]] = {}
    for path in recorded_files(settings, folder=source):
        for row in read_rows(path, settings=settings):
            rows.setdefault(row.machine, []).append(row)
    windows = {machine: _window(machine, mine, machine_class) for machine, mine in rows.items()}
    failures = (
        [Renewal(machine=name, kind="failed", at=window.end) for name, window in windows.items()]
        if settings.ends_in is Ending.FAILED
        else []
    )
    lives = lives_from_windows(windows, machine_class=machine_class, renewals=failures)
    return tuple(life for life in lives if len(life))


def _window(machine: str, rows: list[Row], machine_class: MachineClass) -> Window:
    values = {
        signal.name: np.array([float(row.fields.get(signal.name, np.nan)) for row in rows])
        for signal in machine_class.signals
        if signal.kind.value in ("gauge", "counter")
    }
    times = np.array([row.at_us for row in rows], dtype=np.int64)
    return Window(
        machine=machine,
        start=instant(int(times[0])),
        end=instant(int(times[-1]) + 1),
        step=None,
        as_of=None,
        observed_at=times,
        values=values,
        states={},
        quality=np.zeros(len(rows), dtype=np.uint8),
    )
