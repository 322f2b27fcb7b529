"""The planning job for other programs: `GET /api/planning` tells how it stands, `POST /api/planning/stop` ends it."""

import msgspec
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from linewright.api.plans import UNAUTHORISED, Token
from linewright.api.work_orders import OnRecords
from linewright.plan_running import running_search, stop_search
from linewright.settings.site import Site
from plant.errors import Unavailable
from store.records import Records


def router(*, site: Site, on_records: OnRecords) -> APIRouter:
    """The routes of the planning job.

    Args:
        site: For the plant's clock.
        on_records: Runs what they ask.
    """
    routes = APIRouter(prefix="/api/planning")

    @routes.get("")
    async def read() -> Response:
        """Best plan, bound and gap of the search under way; `running` is null where there is none."""
        try:
            return await on_records(_running)
        except Unavailable as trouble:
            return JSONResponse({"error": str(trouble)}, status_code=503)

    @routes.post("/stop")
    async def stop(authorization: Token = "") -> Response:
        """End the search with its best plan, in the name of the token's user."""
        at = site.clock.now()

        def asked(records: Records) -> Response:
            user = records.user_of_token(authorization.removeprefix("Bearer "))
            if user is None:
                return JSONResponse({"error": UNAUTHORISED}, status_code=401, headers={"WWW-Authenticate": "Bearer"})
            sentence = stop_search(records, by=user.name, at=at)
            if not sentence:
                return JSONResponse({"error": "No plan is being made."}, status_code=409)
            return JSONResponse({"told": sentence}, status_code=202)

        try:
            return await on_records(asked)
        except Unavailable as trouble:
            return JSONResponse({"error": str(trouble)}, status_code=503)

    return routes


def _running(records: Records) -> Response:
    document = {"running": running_search(records)}
    return Response(msgspec.json.encode(document), media_type="application/json")
