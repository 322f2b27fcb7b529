"""When to read and when to commit: soon while little arrives, seldom while much does; the same for both read paths.

A commit costs a millisecond or two however many messages it holds, and so does each look at the socket: at 1,000
messages per second that is most of the cost. So a stream is read once for each batch, and the batch's age grows with
the rate of arrival between two bounds. Delay is counted from when the socket was last looked at, not from when its
bytes were read. What is not a stream is read as it comes and committed once no more comes.
"""

import math
from typing import Final

from ingest.settings import IngestSettings

STALLED_MESSAGES: Final = 20
"""Brokers commonly hand out 20 unacknowledged messages and then wait: with so many held and none coming, commit."""
LIGHT_PER_S: Final = 1_000.0
BUSY_PER_S: Final = 5_000.0
"""Up to the one rate a batch is as young as it may be, from the other on as old [messages/s]; evenly in between."""
MEMORY_S: Final = 1.0
"""The rate of arrival is that of about so long [s]."""
STREAM: Final = 2.0
"""Messages are a stream where so many are expected within the age of a batch."""
WAITING_BYTES: Final = 262_144
"""The link is read when about so much payload waits: what waits longer has left the processor's cache, and reading it
costs three times as much [byte]."""
LONGEST_S: Final = 0.25
"""Longest pause without a look at the link [s]; bounds how long a stop takes."""


class Pace:
    """What is known of the arrivals, and what follows for the next look and commit; instants are monotonic [s]."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._rate_per_s = 0.0
        self._mean_bytes = 0.0
        self._opened_at = 0.0
        self._arrived_at = 0.0
        self._kept_at = -math.inf
        self._looked_at = 0.0
        self._unseen_since: float | None = None
        self._most_held = 0
        self._filled = False

    @property
    def opened_at(self) -> float:
        """When the first message of the batch may have come."""
        return self._opened_at

    @property
    def age_s(self) -> float:
        """How old a batch becomes while messages keep coming [s].

        Past the busiest rate it falls again where a batch would be half full before: while one half is kept, a broker
        with a window of that size can send the other.
        """
        least = self._settings.batch_max_age_s
        most = max(least, self._settings.batch_busy_age_s)
        share = (self._rate_per_s - LIGHT_PER_S) / (BUSY_PER_S - LIGHT_PER_S)
        grown = least + (most - least) * min(1.0, max(0.0, share))
        half = self._settings.batch_max_messages / 2
        return max(least, min(grown, half / max(self._rate_per_s, 1.0)))

    @property
    def due_at(self) -> float:
        """When the batch is to be committed even though messages keep coming."""
        return self._opened_at + self.age_s

    @property
    def settled_at(self) -> float:
        """When the batch is to be committed if no more comes."""
        return max(self._arrived_at + self._settings.batch_settle_s, self._kept_at + self._settings.batch_max_age_s)

    def came(self, now: float, *, first: bool) -> None:
        """Messages were read, the `first` of a batch or further ones."""
        self._arrived_at = now
        if first:
            self._opened_at = now if self._unseen_since is None else self._unseen_since

    def looked(self, *, held: int, arrived: int) -> None:
        """The link was read: `arrived` messages came, the batch now has `held`."""
        self._unseen_since = None
        if arrived:
            self._filled = held >= self._most_held
            self._most_held = max(self._most_held, held)

    def stalled(self, held: int) -> bool:
        """Whether the broker may be waiting for acknowledgements: it never handed out more than are held now."""
        return held >= max(STALLED_MESSAGES, self._most_held)

    def kept(self, now: float, *, messages: int, payload_bytes: int) -> None:
        """A batch is durable and acknowledged."""
        self._mean_bytes = payload_bytes / max(messages, 1)
        since_s = max(now - self._kept_at, 1e-3)
        self._rate_per_s += (messages / since_s - self._rate_per_s) * -math.expm1(-since_s / MEMORY_S)
        self._kept_at = now

    def cut(self) -> None:
        """The link is gone: the next broker may hand out another number of messages."""
        self._most_held = 0

    def pause_s(self, now: float, *, held: int, arrived: int) -> float:
        """How long to leave the link alone after it was read until nothing waited [s].

        It is looked at sooner where the batch has become as large as any before: that may be all that the broker hands
        out without acknowledgement, and then more comes only after a commit.
        """
        before_s, self._looked_at = now - self._looked_at, now
        self._unseen_since = now
        least = self._settings.read_interval_s
        if self._filled:
            pause_s = least
        elif not held:
            pause_s = self.age_s if self._rate_per_s * self.age_s >= STREAM else least
        elif now - self._kept_at < 2 * self.age_s:
            pause_s = (2 * self._most_held - held) / arrived * before_s
        else:
            pause_s = least
        waiting_s = WAITING_BYTES / max(1.0, self._rate_per_s * self._mean_bytes)
        pause_s = max(least, min(pause_s, waiting_s, LONGEST_S))
        return min(pause_s, max(0.0, self.due_at - now)) if held else pause_s
