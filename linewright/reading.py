"""Readings of months, read in parts wherever work is done."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from linewright.cluster import Spread
from plant.signals import Window
from store.contract import ReadingStore
from store.embedded.partitions import Partition, joined, load
from store.embedded.reader import EmbeddedReader

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""A part whose files were compacted away meanwhile is made again, so often."""


def read_over(
    store: ReadingStore,
    machines: Sequence[str],
    *,
    start: datetime,
    end: datetime,
    step: timedelta | None,
    spread: Spread,
) -> dict[str, Window]:
    """What `store.read` gives, in parts that are done side by side where the store has files to part.

    Raises:
        Unavailable: The store, or the cluster, cannot be used.
    """
    if not isinstance(store, EmbeddedReader):
        return store.read(machines, start=start, end=end, step=step)
    parts = store.partitions(machines, start=start, end=end, step=step)
    return joined(_windows(store, parts, spread))


def _windows(store: EmbeddedReader, parts: Sequence[Partition], spread: Spread) -> Iterator[dict[str, Window]]:
    for made, first in zip(parts, spread(load, parts), strict=True):
        part, loaded = made, first
        for _ in range(ATTEMPTS):
            if not loaded.gone:
                break
            part = store.again(part)
            (loaded,) = spread(load, [part])
        for damage in loaded.damaged:  # the rest is served, as every read does
            log.warning("segment_damaged", extra={"file": damage})
        yield loaded.windows
