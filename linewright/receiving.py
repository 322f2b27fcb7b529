"""The ingest role: one ingestor per broker, one store writer behind all of them."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from ingest.ingestor import Ingestor
from ingest.settings import MAIN, BrokerSettings
from ingest.spool import Spool
from linewright.settings.site import Site

log = logging.getLogger(__name__)

JOIN_LIMIT_S: Final = 20.0
"""How long an ingestor may take to commit and acknowledge what it holds when it is told to stop [s]."""


def brokers_of(site: Site) -> dict[str, BrokerSettings]:
    """Every broker that messages are taken from, by name; the main one first."""
    return {MAIN: site.broker, **{each.name: each for each in site.ingest.brokers}}


def spool_of(site: Site, broker: str) -> Spool:
    """Where requests wait that concern messages of a broker."""
    folder = site.data / "spool"
    return Spool(folder if broker == MAIN else folder / broker)


def run_together(ingestors: Mapping[str, Ingestor], stop: threading.Event) -> None:
    """Run ingestors side by side until `stop` is set, each in a thread: one without its broker holds up no other.

    An ingestor that fails stops the others in order, and its exception comes out here: the role ends, and the
    supervisor starts it again.
    """
    failures: list[BaseException] = []

    def run(name: str, ingestor: Ingestor) -> None:
        try:
            ingestor.run(stop)
        except BaseException as failure:  # noqa: BLE001 - raised again below
            log.error("ingestor_failed", extra={"link": name, "why": repr(failure)})
            failures.append(failure)
            stop.set()

    with ExitStack() as ending:
        for name, ingestor in list(ingestors.items())[1:]:
            thread = threading.Thread(target=run, args=(name, ingestor), name=f"ingest-{name}")
            thread.start()
            ending.callback(thread.join, JOIN_LIMIT_S)
        run(*next(iter(ingestors.items())))
    if failures:
        raise failures[0]


def begin_beside(begin_run: Callable[..., str]) -> Callable[[Sequence[str]], str]:
    """Opens one account after the other, each going on beside those before."""
    begun: list[str] = []

    def begin(filters: Sequence[str]) -> str:
        begun.append(begin_run(filters, beside=tuple(begun)))
        return begun[-1]

    return begin
