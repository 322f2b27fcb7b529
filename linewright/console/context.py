"""What every page of the console works with."""

from dataclasses import dataclass
from datetime import timedelta

from linewright.console.charts import DARK, LIGHT, Palette
from linewright.console.desk import Desk
from linewright.console.feed import Feed, Source
from linewright.console.words import Tone, age
from linewright.settings.site import Site
from plant.clock import instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Console:
    """One console of one site."""

    site: Site
    feed: Feed
    source: Source
    """For what a single page asks and does; apart from the feed, which must never wait for it."""
    desk: Desk
    """For what takes seconds to answer."""

    @property
    def products(self) -> dict[str, str]:
        """Label of each product by name."""
        return {product.name: product.label for product in self.site.products}

    @property
    def open_probability(self) -> float:
        """From which an alert opens [0..1]."""
        return float(self.site.alarms.open_probability)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """What the browser remembers about the person in front of it."""

    dark: bool
    name: str
    """As last used to acknowledge or decide; a convenience, not an identity."""

    @property
    def palette(self) -> Palette:
        """Chart colours of the chosen theme."""
        return DARK if self.dark else LIGHT


def freshness(console: Console) -> tuple[str, Tone]:
    """How old the newest reading is, in wall time, e.g. `live, 0.4 s old`."""
    newest_us, clock = console.feed.snapshot.newest_us, console.site.clock
    if newest_us is None:
        return "no readings yet", Tone.MUTED
    behind = timedelta(seconds=max(clock.wall_seconds((clock.now() - instant(newest_us)).total_seconds()), 0.0))
    periods = [signal.period for machine_class in console.site.plant.classes for signal in machine_class.signals]
    expected_s = clock.wall_seconds(max(periods, default=timedelta(minutes=1)).total_seconds())
    if behind.total_seconds() <= max(3 * expected_s, 5.0):
        return f"live, {age(behind)} old", Tone.OK
    return f"last reading {age(behind)} ago", Tone.WARN
