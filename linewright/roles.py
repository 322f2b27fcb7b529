"""What each role's process does between its start and SIGTERM."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from linewright import logs
from linewright.lifecycle import ask_on_hangup, beat, stop_on_signals
from linewright.settings.site import Site
from linewright.settings.template import CONFIG_NAME
from linewright.wiring import open_keeper, open_records, open_site, open_store
from plant.errors import Unavailable
from store.contract import ReadingStore
from store.records import Records

if TYPE_CHECKING:
    from ingest.ingestor import Ingestor

log = logging.getLogger(__name__)

STORE_RETRY_S: Final = 2.0
SEAL_CHECK_S: Final = 5.0


def run_role(name: str, site: Site, *, supervisor_pid: int | None, member: str = "") -> None:
    """Run one role until it is told to stop.

    Args:
        name: `broker`, `ingest`, `serve`, `work`, `mirror` or `simulate`.
        site: The loaded configuration.
        supervisor_pid: The supervisor whose end also ends this role; None: it runs alone.
        member: Name of a further ingest process, which hands over to the one that holds the store.
    """
    logs.configure(name)
    stop = stop_on_signals(supervisor_pid)
    records = open_records(site)
    log.info("role_began", extra={"site": str(site.folder)})
    try:
        if member:
            run_member(site, records, stop, member=member)
        else:
            ROLES[name](site, records, stop)
    finally:
        records.close()
    log.info("role_ended")


def run_broker(site: Site, records: Records, stop: threading.Event) -> None:
    """The embedded broker, on loopback."""
    from ingest.broker import EmbeddedBroker

    reporting = beat("broker", records=records, detail=lambda: {"port": site.broker.port}, stop=stop)
    EmbeddedBroker(port=site.broker.port).run(stop)
    reporting.join()


def run_ingest(site: Site, records: Records, stop: threading.Event) -> None:
    """From the wire to the store; the only writer of the store."""
    from ingest.handover import Handover
    from linewright.chores import serve
    from linewright.links import role_detail
    from linewright.orders import take_orders
    from linewright.pipeline import receive_and_keep
    from linewright.receiving import begin_beside, socket_of
    from linewright.reloading import Configuration, run_reloading
    from store.embedded.memory import leave_pandas_out

    leave_pandas_out()
    with closing(open_keeper(site)) as writer:
        begin = begin_beside(writer.begin_run)
        configuration = Configuration(site, file=site.folder / CONFIG_NAME, load=lambda: _load_again(site))
        now: dict[str, Ingestor] = {}

        def build(newest: Site) -> "dict[str, Ingestor]":
            ingestors = receive_and_keep(
                newest,
                write=writer.write,
                begin_run=begin,
                take_orders=lambda _topic, payload: take_orders(payload, site=newest, records=records),
                quarantine=writer,
                known=writer.last_values,
            )
            now.clear()
            now.update(ingestors)
            return ingestors

        def detail() -> dict[str, object]:
            links = role_detail({name: ingestor.state for name, ingestor in list(now.items())})
            return {**links, "configuration": configuration.refused, "configurations": configuration.taken}

        ask_on_hangup(configuration.asked)
        reporting = beat("ingest", records=records, detail=detail, stop=stop)
        chores = serve(site, writer, stop)
        try:
            with (
                closing(open_store(site)) as reader,
                closing(Handover(socket_of(site), sink=writer.write, begin_run=begin, settled=reader.settled)),
            ):
                run_reloading(configuration, build=build, stop=stop)
        finally:
            stop.set()
            chores.join()
        reporting.join()


def run_member(site: Site, records: Records, stop: threading.Event, *, member: str) -> None:
    """A further process that reads from the brokers and hands over to the one that holds the store."""
    from ingest.handover import Upstream
    from linewright.links import role_detail
    from linewright.orders import take_orders
    from linewright.pipeline import receive_and_keep
    from linewright.receiving import as_member, run_together, socket_of

    mine = as_member(site, member)
    with closing(Upstream(socket_of(site))) as upstream:
        begin = waiting(upstream.begin_run, stop=stop)
        ingestors = receive_and_keep(
            mine,
            write=upstream.write,
            begin_run=begin,
            take_orders=lambda _topic, payload: take_orders(payload, site=mine, records=records),
            quarantine=None,
        )

        def detail() -> dict[str, object]:
            return role_detail({name: ingestor.state for name, ingestor in ingestors.items()})

        reporting = beat(f"ingest-{member}", records=records, detail=detail, stop=stop)
        run_together(ingestors, stop)
        reporting.join()


def waiting(ask: Callable[[Sequence[str]], str], *, stop: threading.Event) -> Callable[[Sequence[str]], str]:
    """Asks again until the other process is there; told to stop meanwhile, it ends the role."""

    def begin(filters: Sequence[str]) -> str:
        told = False
        while True:
            try:
                return ask(filters)
            except Unavailable as error:
                if not told:
                    log.info("store_awaited", extra={"reason": str(error)})
                told = True
                if stop.wait(STORE_RETRY_S):
                    raise

    return begin


def _load_again(site: Site) -> Site:
    return open_site(site.folder, environ=os.environ)


def run_serve(site: Site, records: Records, stop: threading.Event) -> None:
    """The console and the API."""
    from linewright.console.app import serve

    address = {"url": f"http://{site.console.host}:{site.console.port}"}
    reporting = beat("serve", records=records, detail=lambda: dict(address), stop=stop)
    serve(site, stop=stop)
    stop.set()
    reporting.join()


def run_work(site: Site, records: Records, stop: threading.Event) -> None:
    """Assess, alert, plan, train and deliver on schedule."""
    from ingest.publisher import Publisher
    from linewright.jobs import run_jobs, stop_jobs

    store = _store_when_there(site, stop)
    if store is None:
        return
    publisher = Publisher(site.broker, client_id=f"{site.broker.client_id}-work")
    work = run_jobs(site, store=store, records=records, publisher=publisher)
    reporting = beat("work", records=records, detail=lambda: dict(work.done), stop=stop)
    stop.wait()
    stop_jobs(work)
    publisher.close()
    reporting.join()
    store.close()


def run_mirror(site: Site, records: Records, stop: threading.Event) -> None:
    """Send the readings of the store to InfluxDB as well."""
    from linewright.mirror import open_mirror

    store = _store_when_there(site, stop)
    if store is None:
        return
    with closing(store), open_mirror(site, store=store) as mirror:
        reporting = beat("mirror", records=records, detail=lambda: dict(mirror.state), stop=stop)
        mirror.run(stop)
        reporting.join()


def run_simulate(site: Site, records: Records, stop: threading.Event) -> None:
    """Publish the simulated plant."""
    from linewright.simulation import publish_plant

    publish_plant(site, records=records, stop=stop)


def write_history(site: Site, *, folder: Path) -> str:
    """Write the simulated plant's history as a data folder; returns a sentence for the terminal."""
    from linewright.simulation import export_history

    return export_history(site, folder=folder)


ROLES: Final[dict[str, Callable[[Site, Records, threading.Event], None]]] = {
    "broker": run_broker,
    "ingest": run_ingest,
    "serve": run_serve,
    "work": run_work,
    "mirror": run_mirror,
    "simulate": run_simulate,
}


def _store_when_there(site: Site, stop: threading.Event) -> ReadingStore | None:
    """The store, as soon as ingest has made it."""
    told = False
    while not stop.is_set():
        try:
            return open_store(site)
        except Unavailable as error:
            if not told:
                log.info("store_awaited", extra={"reason": str(error)})
            told = True
            stop.wait(STORE_RETRY_S)
    return None
