"""Work on the store that only its writer can do: delete, let go, import. Done here, or asked of ingest while it runs.

A request waits in a spool of its own and is served again after a kill: each kind of work may be done twice.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from ingest.spool import Answer, Request, Spool, Task
from linewright.quarantine import Outcome, ingest_lives
from linewright.settings.shell import StoreKind
from linewright.settings.site import Site
from linewright.wiring import Keeper, open_keeper
from plant.errors import ConfigError, Unavailable
from store.embedded.care import removed
from store.importing import FILTER, ImportMapping, importing, load_mapping

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
"""How often the spool is looked at [s]."""
PAUSE_S: Final = 0.01
"""Between two steps, so that batches from the broker come in between [s]."""
RETRY_S: Final = 2.0
LIVE_ROWS: Final = 100_000
"""Rows of an imported batch while ingest runs: each such batch is sealed, and files should not be small."""
OWN_ROWS: Final = 20_000


class Work(StrEnum):
    """What the writer can be asked."""

    DELETE = "delete"
    RETAIN = "retain"
    IMPORT = "import"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work."""

    work: Work
    machines: tuple[str, ...] = ()
    """To delete of."""
    start: datetime | None = None
    end: datetime | None = None
    """Half open."""
    files: tuple[str, ...] = ()
    """To import; absolute."""
    mapping: str = ""
    """TOML file of the import; empty: files are as exported."""


def carry_out(site: Site, order: Order, *, wait_s: float, show: Callable[[str], None]) -> Outcome:
    """Have it done: by ingest where that runs, else by this process as the store's writer.

    Args:
        site: Whose store.
        order: What to do.
        wait_s: How long to wait without a sign of progress from ingest [s].
        show: Called with how far it is.

    Raises:
        ConfigError: A file is not as its mapping says.
        Unavailable: There is no store, or it cannot be written.
    """
    if ingest_lives(site):
        return _ask(site, order, wait_s=wait_s, show=show)
    settings = site.store
    if order.work is Work.IMPORT:
        settings = settings.model_copy(update={"seal_span_s": 1e12})  # by size only: history spans years
    with closing(open_keeper(replace(site, store=settings))) as writer:
        last = ""
        for last in steps(site, writer, order, batch_rows=OWN_ROWS):
            show(last)
        if order.work is Work.IMPORT:
            writer.seal()
    return Outcome(done=True, sentence=last)


def steps(site: Site, writer: Keeper, order: Order, *, batch_rows: int) -> Iterator[str]:
    """Do it in small steps; yields how far it is, and at last what was done."""
    match order.work:
        case Work.DELETE:
            yield from _delete(writer, order)
        case Work.RETAIN:
            yield from _retain(site, writer)
        case Work.IMPORT:
            yield from _import(site, writer, order, batch_rows=batch_rows)


def serve(site: Site, writer: Keeper, stop: threading.Event) -> threading.Thread:
    """Start a thread of the ingest role that does what is asked until `stop` is set."""
    spool = _spool(site)

    def run() -> None:
        while not stop.wait(LOOK_EVERY_S):
            try:
                if spool.changed():
                    for name in spool.waiting():
                        _serve(site, writer, spool, name, stop)
            except (Unavailable, OSError) as error:
                log.warning("chore_held_up", extra={"why": str(error), "again_s": RETRY_S})
                stop.wait(RETRY_S)

    thread = threading.Thread(target=run, name="chores")
    thread.start()
    return thread


def _serve(site: Site, writer: Keeper, spool: Spool, name: str, stop: threading.Event) -> None:
    request = spool.request(name)
    if (order := _order_of(request)) is None:
        spool.settle(name, Answer(detail="the request cannot be read; it was removed"))
        return
    last = ""
    try:
        for last in steps(site, writer, order, batch_rows=LIVE_ROWS):
            spool.tell(name, last)
            if stop.wait(PAUSE_S):
                return  # it is served again when ingest runs again
    except (ConfigError, ValueError) as error:
        spool.settle(name, Answer(detail=str(error)))
        log.warning("chore_refused", extra={"work": order.work.value, "why": str(error)})
        return
    spool.settle(name, Answer(done=last))
    log.info("chore_done", extra={"work": order.work.value, "what": last})


def _order_of(request: Request | None) -> Order | None:
    try:
        return None if request is None else msgspec.json.decode(request.order, type=Order)
    except msgspec.DecodeError:
        return None


def _ask(site: Site, order: Order, *, wait_s: float, show: Callable[[str], None]) -> Outcome:
    spool = _spool(site)
    name = spool.ask(Task.STORE, order=msgspec.json.encode(order).decode())
    until, told = time.monotonic() + wait_s, ""
    while (answer := spool.answer(name)) is None:
        if (progress := spool.progress(name)) not in ("", told):
            until, told = time.monotonic() + wait_s, progress
            show(told)
        if time.monotonic() >= until:
            return Outcome(done=False, sentence=f"Ingest has not answered within {wait_s:.0f} s; the request is kept.")
        time.sleep(0.05)
    if answer.detail:
        return Outcome(done=False, sentence=answer.detail)
    return Outcome(done=True, sentence=answer.done)


def _delete(writer: Keeper, order: Order) -> Iterator[str]:
    assert order.start is not None
    assert order.end is not None
    gone = 0
    for machine in order.machines:
        for step in writer.deleting(machine, start=order.start, end=order.end):
            gone += step
            yield f"{machine}: {gone} readings deleted"
    for rows in writer.tidying():
        yield f"compacting, {rows} rows"
    yield f"{gone} readings of {', '.join(order.machines)} are deleted; `linewright store stats` keeps the note of it."


def _retain(site: Site, writer: Keeper) -> Iterator[str]:
    before = len(removed(site.data, limit=1_000_000))
    for rows in writer.tidying():
        yield f"compacting, {rows} rows"
    entries = removed(site.data, limit=1_000_000)
    news = [f"{each.machine_class}: {each.what} up to {each.end:%Y-%m-%d %H:%M}Z, {each.rows} rows" for each in entries]
    yield "; ".join(news[: len(entries) - before]) or "Nothing is old enough to go."


def _import(site: Site, writer: Keeper, order: Order, *, batch_rows: int) -> Iterator[str]:
    mapping = load_mapping(Path(order.mapping)) if order.mapping else ImportMapping()
    lines: list[str] = []
    for file in order.files:
        run = f"{FILTER}-{time.time_ns()}"
        path, new, known = Path(file), 0, 0
        parts = importing(
            writer, path, run=run, mapping=mapping, plant=site.plant, clock=site.clock, batch_rows=batch_rows
        )
        for far in parts:
            new, known = far.new, far.known
            yield f"{path.name}: {far.share:.0%}"
        writer.end_run(run)
        seals = site.keeps is StoreKind.EMBEDDED
        again = " Repeats of readings sealed long ago are found, and dropped, at sealing." if known and seals else ""
        lines.append(f"{file}: {new} samples new, {known} were there.{again}")
    yield "\n".join(lines)


def _spool(site: Site) -> Spool:
    """Apart from those of quarantine, which the ingestors serve."""
    return Spool(site.data / "chores")
