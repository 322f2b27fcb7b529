"""Taking on a changed configuration while ingest runs: nothing is lost or doubled, and a faulty one is not taken.

The ingestors of the old mappings end in order (they commit and acknowledge what they hold, and the broker keeps their
sessions), and those of the new ones go on in the same sessions a moment later.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ingest.ingestor import Ingestor
from linewright.receiving import run_together
from linewright.settings.site import Site
from plant.errors import ConfigError

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
"""How often the file's time is looked at [s]."""


class Configuration:
    """The configuration that ingest works by, and whether there is a newer one."""

    def __init__(self, site: Site, *, file: Path, load: Callable[[], Site]) -> None:
        """Begin with a site that was loaded a moment ago.

        Args:
            site: As loaded.
            file: To watch for changes.
            load: Loads the site again; raises ConfigError with every fault.
        """
        self.site = site
        self.refused = ""
        """Why the newest configuration was not taken; empty where it was."""
        self.taken = 0
        """Newer configurations taken on since the start."""
        self.asked = threading.Event()
        """Set to have the file looked at whether it changed or not, e.g. by SIGHUP."""
        self._file, self._load = file, load
        self._stamp = _stamp(file)

    def take_newer(self) -> bool:
        """Take on the file's present content, if it changed, is sound and needs no restart; whether it was taken."""
        stamp = _stamp(self._file)
        if stamp == self._stamp and not self.asked.is_set():
            return False
        self._stamp = stamp
        self.asked.clear()
        try:
            newer = self._load()
        except ConfigError as error:
            self._refuse(f"{len(error.faults)} faults: " + "; ".join(map(str, error.faults)))
            return False
        if (newer.plant, newer.store, newer.data) != (self.site.plant, self.site.store, self.site.data):
            self._refuse("[plant] or [store] changed; restart `linewright run` for that")
            return False
        self.refused = ""
        if (newer.ingest, newer.broker, newer.topics) == (self.site.ingest, self.site.broker, self.site.topics):
            return False
        self.site = newer
        return True

    def go_back(self, site: Site, error: ConfigError) -> None:
        """Work by an earlier site after all: the newer one turned out to have faults."""
        self.site = site
        self._refuse("; ".join(map(str, error.faults)))

    def _refuse(self, why: str) -> None:
        self.refused = f"The changed configuration was not taken, the one before goes on: {why}"
        log.error("configuration_refused", extra={"detail": self.refused})


def run_reloading(
    configuration: Configuration, *, build: Callable[[Site], Mapping[str, Ingestor]], stop: threading.Event
) -> None:
    """Ingest by the newest sound configuration until `stop` is set.

    Args:
        configuration: What to work by.
        build: Makes the ingestors of a site, and opens their accounts in the ledger.
        stop: Ends it.
    """
    before: Mapping[str, Ingestor] = {}
    sound = configuration.site
    while not stop.is_set():
        try:
            ingestors = build(configuration.site)
        except ConfigError as error:
            if configuration.site is sound:
                raise
            configuration.go_back(sound, error)
            ingestors = build(sound)
        working = configuration.site
        if before:
            configuration.taken += 1
            log.info("configuration_taken", extra={"brokers": list(ingestors)})
        for name, ingestor in ingestors.items():
            if name in before:
                ingestor.leave(before[name].subscriptions)
        turn = threading.Event()
        watch = threading.Thread(target=_watch, args=(configuration, turn, stop), name="configuration-watch")
        watch.start()
        try:
            run_together(ingestors, turn)
        finally:
            turn.set()
            watch.join()
        before, sound = ingestors, working


def _watch(configuration: Configuration, turn: threading.Event, stop: threading.Event) -> None:
    """Set `turn` when the ingestors are to end: at the stop, and when there is a newer configuration."""
    look_at = time.monotonic() + LOOK_EVERY_S
    while not turn.wait(0.05):
        if stop.is_set():
            turn.set()
        elif time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_EVERY_S
            if configuration.take_newer():
                turn.set()


def _stamp(file: Path) -> tuple[int, int]:
    try:
        told = file.stat()
    except OSError:
        return 0, 0
    return told.st_mtime_ns, told.st_size
