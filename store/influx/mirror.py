"""The mirror: what is in the embedded store is sent to the server, and stays due until the server has confirmed it.

The embedded store itself is the outbox: there is a durable cursor, and no second copy of any reading. A look reads the
raw readings since the cursor, sends those that it does not know to be confirmed, and then advances the cursor.
Measurement, tags and time identify a reading at the server, so what is sent twice (after a restart, the last `late_h`)
overwrites itself.

The cursor is of observed time, because that is what a store is read by; so each look goes back by `overlap_s`, and
every `late_every_s` one goes back by `late_h`. It never passes the newest reading of the plant, so that all that a
broker kept while `ingest` was away is sent, however long that was. Two things are not mirrored: a reading that came in
more than `late_h` after others that were observed at its time, and the deletion of one that was sent.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plant.assets import Plant
from plant.clock import PlantClock, instant
from plant.errors import Unavailable
from plant.signals import Window
from store.contract import ReadingStore
from store.influx.book import MirrorBook, RefusedLine
from store.influx.delivery import LineServer, deliver
from store.influx.lines import lines_of, marks_of
from store.influx.settings import InfluxSettings

log = logging.getLogger(__name__)

HOUR_US: Final = 3_600_000_000
US_PER_S: Final = 1_000_000
LAST_VALUES_LAG_US: Final = HOUR_US
"""A short look ends so much after the newest persisted last value, which is a little behind the newest reading."""
READ_TOGETHER: Final = 10
"""Machines whose hour is read at once; bounds memory."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Readings of one machine and hour that the server has."""

    observed_at: NDArray[np.int64]
    """[µs UTC] (time,)"""
    marks: NDArray[np.uint64]
    """See `marks_of`. (time,)"""

    def replaced(
        self, observed_at: NDArray[np.int64], marks: NDArray[np.uint64], *, start_us: int, end_us: int
    ) -> "Marks":
        """These marks, with those of [start, end) as they are now: a value that goes back to an older one is news."""
        others = (self.observed_at < start_us) | (self.observed_at >= end_us)
        return Marks(
            np.concatenate([self.observed_at[others], observed_at]), np.concatenate([self.marks[others], marks])
        )


NO_MARKS: Final = Marks(np.empty(0, np.int64), np.empty(0, np.uint64))


@dataclass(slots=True)
class Mirror:
    """Keeps a server up to date; one thread calls `turn` or `run`, any other may read `state`."""

    store: ReadingStore
    server: LineServer
    book: MirrorBook
    plant: Plant
    settings: InfluxSettings
    clock: PlantClock
    state: dict[str, object] = field(default_factory=dict)
    """For the status: replaced whole, never changed."""
    _confirmed: dict[tuple[str, int], Marks] = field(default_factory=dict)
    """Marks of readings that the server has, by machine and hour."""
    _late_due_s: float = 0.0
    """Monotonic time of the next long look; the first look is one."""
    _newest_us: int = 0
    """Time of the newest reading in the store [µs UTC]; 0: there is none."""
    _seen: bool | None = None
    """Whether the server took what it was last sent; None: nothing was sent yet."""

    def run(self, stop: threading.Event) -> None:
        """Look for new readings until told to stop; an absent server is tried again with growing pauses."""
        pause_s = self.settings.retry_min_s
        while not stop.is_set():
            try:
                self.turn(stop.is_set)
            except Unavailable as error:
                self._went(str(error))
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, self.settings.retry_max_s)
            else:
                pause_s = self.settings.retry_min_s
                stop.wait(self.settings.period_s)

    def turn(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """One look: send what the server has not confirmed, hour by hour; how many lines it confirmed.

        Raises:
            Unavailable: server or store is away; what was confirmed before stays so.
        """
        now_us = self.clock.now_us()
        long_look = time.monotonic() >= self._late_due_s
        until_us = self.book.account().until_us
        if until_us is None:
            start_us = until_us = now_us - round(self.settings.backfill_h * HOUR_US)
            self.book.confirm(until_us=until_us, sent=0)
        elif long_look:
            start_us = until_us - round(self.settings.late_h * HOUR_US)
        else:
            start_us = until_us - self._wall_us(self.settings.overlap_s)
        end_us = now_us + self._wall_us(self.settings.overlap_s)  # a device clock may be a little ahead
        newest_us = max((each.observed_at_us for each in self.store.last_values()), default=0)
        if newest_us and not long_look:
            end_us = min(end_us, newest_us + LAST_VALUES_LAG_US)
        self._newest_us = max(newest_us, self._newest_us)
        sent = 0
        for first_us, last_us in hours(start_us, end_us):
            for windows in self._windows(first_us, last_us):
                if stopped():
                    return sent
                self._newest_us = max([self._newest_us, *(int(w.observed_at[-1]) for w in windows.values() if len(w))])
                confirmed, refused = self._send(windows, first_us, last_us)
                sent += confirmed
                if confirmed or refused:
                    self.book.confirm(until_us=until_us, sent=confirmed, refused=refused)
            if (reached_us := min(last_us, now_us, self._newest_us)) > until_us:
                until_us = reached_us
                self.book.confirm(until_us=until_us, sent=0)
            self._tell(until_us)
        self._tell(until_us)
        if long_look:
            self._late_due_s = time.monotonic() + self.settings.late_every_s
            self._forget(before_us=until_us - round(self.settings.late_h * HOUR_US) - 2 * HOUR_US)
        return sent

    def _send(self, windows: dict[str, Window], start_us: int, end_us: int) -> tuple[int, list[RefusedLine]]:
        """Send what is not confirmed of a part of one hour; lines confirmed and refused."""
        lines: list[str] = []
        marks: dict[tuple[str, int], Marks] = {}
        for machine, window in windows.items():
            key = (machine, start_us // HOUR_US)
            known = self._confirmed.get(key, NO_MARKS)
            found = marks_of(window)
            rows = np.flatnonzero(~np.isin(found, known.marks))
            if len(rows):
                asset = self.plant.machine_index[machine]
                lines += lines_of(window, rows, machine_class=asset.machine_class, line=asset.line)
                marks[key] = known.replaced(window.observed_at, found, start_us=start_us, end_us=end_us)
        delivery = deliver(self.server, lines, together=self.settings.batch_lines)
        if lines:
            self._came()
        refused = [
            RefusedLine(at_us=self.clock.now_us(), line=lines[index], reason=reason)
            for index, reason in delivery.refused
        ]
        for each in refused:
            log.warning("influx_refused", extra={"line": each.line, "reason": each.reason})
        self._confirmed |= marks
        return delivery.confirmed, refused

    def _windows(self, start_us: int, end_us: int) -> Iterator[dict[str, Window]]:
        names = [machine.name for machine in self.plant.machines]
        for first in range(0, len(names), READ_TOGETHER):
            group = names[first : first + READ_TOGETHER]
            yield self.store.read(group, start=instant(start_us), end=instant(end_us))

    def _forget(self, *, before_us: int) -> None:
        hour = before_us // HOUR_US
        self._confirmed = {key: marks for key, marks in self._confirmed.items() if key[1] >= hour}

    def _wall_us(self, seconds: float) -> int:
        """A span of wall time as plant time [µs]."""
        return round(seconds * self.clock.speed * US_PER_S)

    def _came(self) -> None:
        if self._seen is False:
            log.info("influx_back", extra={"sink": self.settings.address})
        self._seen = True

    def _went(self, reason: str) -> None:
        if self._seen is not False:
            log.warning("influx_gone", extra={"reason": reason})
        self._seen = False
        self._tell(self.book.account().until_us, reason=reason)

    def _tell(self, until_us: int | None, *, reason: str = "") -> None:
        account = self.book.account()
        newest_us = min(self._newest_us, self.clock.now_us())
        behind_us = max(0, newest_us - (newest_us if until_us is None else until_us))
        self.state = {
            "connected": self._seen,  # None: nothing was to be sent yet
            "sink": self.settings.address,
            "behind_s": round(behind_us / US_PER_S, 1),
            "lines_sent": account.sent,
            "lines_refused": account.refused,
            "reason": reason,
        }


def hours(start_us: int, end_us: int) -> Iterator[tuple[int, int]]:
    """[start, end) cut at full hours [µs].

    >>> [(a // HOUR_US, b / HOUR_US) for a, b in hours(HOUR_US // 2, 2 * HOUR_US + HOUR_US // 4)]
    [(0, 1.0), (1, 2.0), (2, 2.25)]
    """
    while start_us < end_us:
        border_us = min((start_us // HOUR_US + 1) * HOUR_US, end_us)
        yield start_us, border_us
        start_us = border_us
