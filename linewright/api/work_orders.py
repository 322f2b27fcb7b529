"""Work orders for a maintenance system: `/api/workorders`, and its findings back; writing needs a user's token."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from linewright.settings.site import Site
from linewright.work_orders import close_work_order
from plant.errors import Unavailable
from plant.work_orders import Finding, WorkOrderState
from store.records import Records

OnRecords = Callable[[Callable[[Records], Response]], Awaitable[Response]]
"""Runs a question to the records, or an action on them, where it may block; raises Unavailable."""


class FindingReport(BaseModel):
    """What the mechanic found."""

    model_config = ConfigDict(extra="forbid")

    finding: Finding
    mode: str = Field(default="", max_length=100, description="Failure mode that was found.")
    note: str = Field(default="", max_length=2000)


def router(*, site: Site, on_records: OnRecords) -> APIRouter:
    """The routes of the work orders.

    Args:
        site: For the plant's clock.
        on_records: Runs what they ask.
    """
    routes = APIRouter(prefix="/api/workorders")

    async def answer(action: Callable[[Records], Response]) -> Response:
        try:
            return await on_records(action)
        except Unavailable as trouble:
            return JSONResponse({"error": str(trouble)}, status_code=503)

    @routes.get("")
    async def list_work_orders(
        machine: str | None = None, state: WorkOrderState | None = None, limit: int = 200
    ) -> Response:
        """Work orders, made last first."""
        return await answer(
            lambda records: _json(records.work_orders(machine=machine, state=state, limit=max(1, min(limit, 1000))))
        )

    @routes.get("/{number}")
    async def read_work_order(number: str) -> Response:
        """One work order, with every state it was in under `history`."""

        def found(records: Records) -> Response:
            order = records.work_order(number)
            if order is None:
                return _unknown(number)
            return _json({**msgspec.to_builtins(order), "history": records.work_order_history(number)})

        return await answer(found)

    @routes.post("/{number}/close")
    async def close(number: str, report: FindingReport, authorization: Annotated[str, Header()] = "") -> Response:
        """Record what was found, in the name of the token's user."""

        def closed(records: Records) -> Response:
            user = records.user_of_token(authorization.removeprefix("Bearer "))
            if user is None:
                text = "Writing needs `Authorization: Bearer TOKEN`; `linewright users add NAME` gives a token."
                return JSONResponse({"error": text}, status_code=401, headers={"WWW-Authenticate": "Bearer"})
            if records.work_order(number) is None:
                return _unknown(number)
            at = site.clock.now()
            order = close_work_order(
                records, number=number, finding=report.finding, mode=report.mode, note=report.note, by=user.name, at=at
            )
            return _json(order)

        return await answer(closed)

    return routes


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _unknown(number: str) -> Response:
    return JSONResponse({"error": f"There is no work order {number}."}, status_code=404)
