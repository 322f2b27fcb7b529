"""The `serve` role: the console's pages and the API, in one process of its own."""

import asyncio
import hashlib
import logging
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.staticfiles import StaticFiles
from nicegui import app as nicegui_app
from nicegui import ui

from linewright.account import account_of
from linewright.api import planning, plans, work_orders
from linewright.api.metrics import metrics_text
from linewright.api.routes import router
from linewright.console.context import Console
from linewright.console.desk import Desk
from linewright.console.editing import edit_in_process
from linewright.console.feed import Feed, Source, feeding
from linewright.console.guard import Guard
from linewright.console.pages.alerts import alerts_page
from linewright.console.pages.frame import page_frame, visitor
from linewright.console.pages.ledger import ledger_page
from linewright.console.pages.machine import machine_page
from linewright.console.pages.model import model_page
from linewright.console.pages.parts import Text, empty
from linewright.console.pages.plan import plan_page
from linewright.console.pages.plant import plant_page
from linewright.console.pages.questions import questions_page
from linewright.console.pages.whatif import whatif_page
from linewright.settings.site import Site
from linewright.settings.warnings import is_loopback
from linewright.status import RoleStatus, examine, roles_status
from linewright.wiring import StoreReader
from plant.errors import Unavailable
from plant.plans import Plan
from store.records import Records

log = logging.getLogger(__name__)

ASSETS: Final = Path(__file__).parent / "assets"
STOP_LIMIT_S: Final = 2
"""How long open tabs may delay the end of the process [s]."""


def serve(site: Site, *, stop: threading.Event | None = None) -> None:
    """Serve the console of a site until `stop` is set, or until SIGTERM or Ctrl-C.

    Args:
        site: Whose plant is shown; `site.console` says where to listen, loopback unless told otherwise.
        stop: Ends the server within a moment once it is set.
    """
    if not is_loopback(site.console.host):
        log.warning(
            "console_open_to_network",
            extra={"host": site.console.host, "why": "anyone who reaches this port can acknowledge and accept plans"},
        )
    application = build(site, stop=stop)
    config = uvicorn.Config(
        application,
        host=site.console.host,
        port=site.console.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_LIMIT_S,
    )
    server = uvicorn.Server(config)
    application.state.server = server
    server.run()


def build(site: Site, *, stop: threading.Event | None = None) -> FastAPI:
    """The application: guard, assets, API, pages. One per process, because pages are registered once."""
    feed = Feed(site=site, source=Source(site=site))
    source = Source(site=site)
    console = Console(site=site, feed=feed, source=source, desk=Desk(site=site, source=source))

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(_stop_when_told(application, stop)) if stop is not None else None
        await feed.look()
        async with feeding(feed, others=(console.source,)):
            log.info("console_started", extra={"url": f"http://{site.console.host}:{site.console.port}"})
            yield
            await console.desk.close()
        if watch is not None:
            watch.cancel()

    application = FastAPI(title="Linewright", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    application.add_middleware(Guard, loopback_only=is_loopback(site.console.host))
    application.mount("/assets", StaticFiles(directory=ASSETS))
    application.include_router(_api(console))
    application.include_router(planning.router(site=site, on_records=console.source.on_records))
    application.include_router(work_orders.router(site=site, on_records=console.source.on_records))
    application.include_router(
        plans.router(site=site, on_records=console.source.on_records, edit_plan=partial(edit_in_process, site))
    )
    _pages(console)
    version = hashlib.sha256((ASSETS / "console.css").read_bytes()).hexdigest()[:12]
    ui.add_head_html(f'<link rel="stylesheet" href="/assets/console.css?v={version}">', shared=True)
    ui.run_with(
        application,
        title="Linewright",
        favicon=ASSETS / "favicon.svg",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )
    return application


def _api(console: Console) -> APIRouter:
    async def status() -> Mapping[str, object]:
        def examined(records: Records, reader: "StoreReader | None") -> Mapping[str, object]:
            return examine(console.site, store=reader, records=records).model_dump(mode="json")

        try:
            return await console.source.ask(lambda reader, records: examined(records, reader))
        except Unavailable:  # nothing was ever stored: the status says so itself
            return await console.source.on_records(lambda records: examined(records, None))

    async def plan(number: str) -> Plan | None:
        return await console.source.on_records(lambda records: records.plan(number))

    async def metrics() -> str:
        beats = {role.name: role.detail if role.running else None for role in await console.source.on_records(roles)}
        try:
            ledger = account_of(await console.source.ask(lambda reader, _: reader.ledger()))
        except Unavailable:
            ledger = None
        return metrics_text(ledger, beats)

    def roles(records: Records) -> tuple[RoleStatus, ...]:
        return roles_status(console.site, records)

    return router(status=status, plan=plan, metrics=metrics)


def _pages(console: Console) -> None:
    @ui.page("/")
    def show_plant(request: Request) -> None:
        plant_page(console, visitor(request))

    @ui.page("/machine/{name}")
    def show_machine(request: Request, name: str) -> None:
        machine_page(console, visitor(request), name)

    @ui.page("/alerts")
    def show_alerts(request: Request) -> None:
        alerts_page(console, visitor(request))

    @ui.page("/plan")
    def show_plan(request: Request, number: str = "") -> None:
        plan_page(console, visitor(request), number)

    @ui.page("/questions")
    async def show_questions(request: Request, plan: str = "") -> None:
        await questions_page(console, visitor(request), plan)

    @ui.page("/whatif")
    async def show_whatif(request: Request, plan: str = "") -> None:
        await whatif_page(console, visitor(request), plan)

    @ui.page("/model")
    async def show_model(request: Request) -> None:
        await model_page(console, visitor(request))

    @ui.page("/ledger")
    def show_ledger(request: Request) -> None:
        ledger_page(console, visitor(request))

    def show_fault(fault: Exception) -> None:
        log.error("page_failed", exc_info=fault)
        with page_frame(console, active="", title="Something went wrong", dark=False):
            Text("h1", "This page could not be shown", "page-title")
            empty("The other pages still work.", "The cause is in the log of the serve role. Reload to try again.")

    nicegui_app.on_page_exception(show_fault)


async def _stop_when_told(application: FastAPI, stop: threading.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.2)
    application.state.server.should_exit = True
