"""For programs: `/api/status`, `/healthz`, `/api/plan/{number}` in JSON, `/metrics` for Prometheus."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from linewright.api.metrics import CONTENT_TYPE
from plant.errors import Unavailable
from plant.plans import Plan

StatusOf = Callable[[], Awaitable[Mapping[str, object]]]
MetricsOf = Callable[[], Awaitable[str]]
PlanOf = Callable[[str], Awaitable[Plan | None]]


def router(*, status: StatusOf, plan: PlanOf, metrics: MetricsOf) -> APIRouter:
    """The API's routes.

    Args:
        status: Gives the document of `linewright status --json`.
        plan: Gives a plan by number, or None.
        metrics: Gives all figures in Prometheus' format.
    """
    routes = APIRouter()

    @routes.get("/healthz")
    async def healthz() -> JSONResponse:
        """Whether this process answers; says nothing about the plant."""
        return JSONResponse({"alive": True})

    @routes.get("/api/status")
    async def read_status() -> JSONResponse:
        """The same document as `linewright status --json`."""
        try:
            return JSONResponse(dict(await status()))
        except Unavailable as trouble:
            return JSONResponse({"error": str(trouble)}, status_code=503)

    @routes.get("/metrics")
    async def read_metrics() -> Response:
        """Figures for Prometheus."""
        try:
            return Response(await metrics(), media_type=CONTENT_TYPE)
        except Unavailable as trouble:
            return Response(f"# {trouble}\n", status_code=503, media_type=CONTENT_TYPE)

    @routes.get("/api/plan/{number}")
    async def read_plan(number: str) -> Response:
        """One plan with its certificate."""
        try:
            found = await plan(number)
        except Unavailable as trouble:
            return JSONResponse({"error": str(trouble)}, status_code=503)
        if found is None:
            return JSONResponse({"error": f"There is no plan {number}."}, status_code=404)
        return Response(msgspec.json.encode(found), media_type="application/json")

    return routes
