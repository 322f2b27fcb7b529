"""The ingest role: one ingestor per broker, one store writer behind all of them."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from ingest.broker_settings import MAIN, BrokerSettings
from ingest.ingestor import Ingestor
from ingest.settings import MessageFormat
from ingest.spool import Spool
from linewright.settings.site import Site
from plant.errors import ConfigError, Fault

Broker = TypeVar("Broker", bound=BrokerSettings)

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
    """Opens one account after the other, each going on beside those before; from any thread."""
    begun: list[str] = []
    mutex = threading.Lock()

    def begin(filters: Sequence[str]) -> str:
        with mutex:
            begun.append(begin_run(filters, beside=tuple(begun)))
            return begun[-1]

    return begin


def socket_of(site: Site) -> Path:
    """Where the process that holds the store takes batches of further ones."""
    return site.data / "run" / "ingest.sock"


def as_member(site: Site, member: str) -> Site:
    """The site as a further ingest process sees it: only what brokers share out, in sessions of its own.

    Sparkplug stays with the process that holds the store: aliases and sequence numbers must not be split.

    Raises:
        ConfigError: The main broker shares nothing out.
    """

    def own(broker: Broker) -> Broker:
        return broker.model_copy(update={"client_id": f"{broker.client_id}-{member}"})

    shared = {name for name, broker in brokers_of(site).items() if broker.shared_group}
    mappings = tuple(
        each for each in site.ingest.mappings if each.broker in shared and each.format is not MessageFormat.SPARKPLUG
    )
    if not site.broker.shared_group:
        expected = "name the group that the processes share, e.g. 'ingest'; without one each would get every message"
        raise ConfigError((Fault(where="broker.shared_group", found="nothing", expected=expected),))
    brokers = tuple(own(each) for each in site.ingest.brokers if each.name in shared)
    ingest = site.ingest.model_copy(update={"mappings": mappings, "brokers": brokers})
    return replace(site, ingest=ingest, broker=own(site.broker))
