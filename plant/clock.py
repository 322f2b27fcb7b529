"""The plant's clock: wall time in a real plant, a faster one in the demo."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

US_PER_S = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class PlantClock:
    """An affine clock: plant time = plant_epoch + speed * (wall time - wall_epoch).

    >>> PlantClock(plant_epoch_us=0, wall_epoch_us=1_000_000, speed=60.0).at_wall(2_000_000)
    60000000
    """

    plant_epoch_us: int = 0
    """Plant time at the wall epoch [µs UTC]."""
    wall_epoch_us: int = 0
    """[µs UTC]"""
    speed: float = 1.0
    """Plant seconds per wall second; 1 in a real plant."""

    def at_wall(self, wall_us: int) -> int:
        """Plant time [µs UTC] at a wall time [µs UTC]."""
        return self.plant_epoch_us + round(self.speed * (wall_us - self.wall_epoch_us))

    def now_us(self) -> int:
        """Plant time now [µs UTC]."""
        return self.at_wall(time.time_ns() // 1000)

    def now(self) -> datetime:
        """Plant time now, aware UTC."""
        return instant(self.now_us())

    def wall_seconds(self, plant_s: float) -> float:
        """How long a span of plant time takes on the wall [s]."""
        return plant_s / self.speed


def instant(us: int) -> datetime:
    """Aware UTC datetime of an instant in microseconds.

    >>> instant(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(us // US_PER_S, tz=UTC).replace(microsecond=us % US_PER_S)


def microseconds(at: datetime) -> int:
    """Microseconds UTC of an aware datetime, exactly.

    >>> microseconds(instant(1_234_567_890_123_456))
    1234567890123456
    """
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * US_PER_S + delta.microseconds
