"""The mirror of the readings in InfluxDB: opened for its role, and tried by the doctor."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from linewright.findings import Finding, Level, ok
from linewright.settings.site import Site
from plant.errors import ConfigError, Fault, Unavailable
from store.contract import ReadingStore

if TYPE_CHECKING:
    from store.influx.mirror import Mirror

BOOK_NAME: Final = "mirror.db"
"""In the instance's folder: the mirror's cursor and its dead letters."""


@contextmanager
def open_mirror(site: Site, *, store: ReadingStore) -> Iterator["Mirror"]:
    """The mirror of this site, closed at the end.

    Raises:
        ConfigError: there is no `[influx]` section.
        Unavailable: `mirror.db` cannot be used.
    """
    from store.influx.book import MirrorBook
    from store.influx.mirror import Mirror
    from store.influx.server import InfluxServer

    settings = site.influx
    if settings is None:
        expected = "add it with url, org, bucket and token_file; deploy/linewright.toml shows every field"
        raise ConfigError((Fault(where="linewright.toml: influx", found="no such section", expected=expected),))
    with (
        closing(InfluxServer(settings)) as server,
        closing(MirrorBook(site.data / BOOK_NAME, sink=settings.address)) as book,
    ):
        yield Mirror(store=store, server=server, book=book, plant=site.plant, settings=settings, clock=site.clock)


def check_influx(site: Site) -> Iterator[Finding]:
    """The server of the mirror answers, where there is to be a mirror."""
    if site.influx is None:
        return
    from store.influx.server import InfluxServer

    began = time.perf_counter()
    try:
        with closing(InfluxServer(site.influx)) as server:
            version = server.ping()
    except Unavailable as error:
        step = "Start InfluxDB, or correct url and token in [influx]; readings are kept until it is back."
        yield Finding(check="influx", level=Level.WARNING, sentence=str(error), next_step=step)
        return
    named = f"InfluxDB {version}" if version else "The server"
    yield ok("influx", f"{named} at {site.influx.address} answered in {time.perf_counter() - began:.2f} s.")
