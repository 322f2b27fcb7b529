"""A whole instance: all roles of a site under one supervisor."""

import logging
import threading
import time
from collections.abc import Callable

from linewright import logs
from linewright.lifecycle import stop_on_signals
from linewright.service import roles_of, supervise
from linewright.settings.site import Site
from linewright.wiring import open_records, open_store
from plant.errors import Unavailable

log = logging.getLogger(__name__)


def run_instance(site: Site, *, announce: Callable[[str], None], stop: threading.Event | None = None) -> None:
    """Run the site until SIGTERM, Ctrl-C or `stop`.

    Args:
        site: The loaded configuration.
        announce: Receives sentences for the person at the terminal.
        stop: None: made here, and set by signals.
    """
    logs.configure("run", level=logging.WARNING)
    stop = stop or stop_on_signals()
    for warning in site.warnings:
        announce(f"Note: {warning}")
    records = open_records(site)
    announce(f"Roles {', '.join(roles_of(site))} start; logs are in {site.data / 'run'}.")
    announce(f"Console: http://{site.console.host}:{site.console.port}   Stop with Ctrl-C.")
    try:
        supervise(site, records=records, stop=stop, settled=_settled(site), announce=announce)
    finally:
        records.close()
    announce("All roles have ended in order.")


def _settled(site: Site) -> Callable[[], bool]:
    """Whether ingest has received nothing more for a second and settled all it had."""
    seen = (-1, 0.0)

    def check() -> bool:
        nonlocal seen
        try:
            store = open_store(site)
        except Unavailable:
            return True
        try:
            lines = store.ledger()
        except Unavailable:
            return False
        finally:
            store.close()
        received = sum(line.received for line in lines)
        if received != seen[0] or any(line.in_flight for line in lines):
            seen = (received, time.monotonic())
            return False
        return time.monotonic() - seen[1] > 1.0

    return check
