"""Plans for other programs: as CSV, iCalendar or a chart, followed, changed, decided; writing needs a token."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from linewright.api.work_orders import OnRecords
from linewright.decisions import Outcome, accept_plan, reject_plan
from linewright.plan_actual import ACTUAL_NOTE
from linewright.plan_files import picture_svg, plan_calendar, plan_csv
from linewright.settings.site import Site
from plant.errors import Unavailable
from plant.plans import Plan
from store.records import Records

EditPlan = Callable[[str, tuple[str, ...], str, str], Awaitable[tuple[bool, str]]]
"""Takes number, changes, name and reason; gives whether a plan was kept, and its document or why not."""
UNAUTHORISED = "Writing needs `Authorization: Bearer TOKEN`; `linewright users add NAME` gives a token."
Token = Annotated[str, Header(alias="Authorization")]


class DecisionReport(BaseModel):
    """Why a plan is accepted or rejected."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=300, description="Needed to reject.")


class EditReport(BaseModel):
    """What is changed, in the words of `linewright plan edit`."""

    model_config = ConfigDict(extra="forbid")

    edits: tuple[Annotated[str, Field(max_length=200)], ...] = Field(min_length=1, max_length=50)
    reason: str = Field(default="", max_length=300)


def router(*, site: Site, on_records: OnRecords, edit_plan: EditPlan) -> APIRouter:
    """The routes of plans.

    Args:
        site: For labels and the plant's clock.
        on_records: Runs what they ask.
        edit_plan: Plans anew with changes fixed, where that may take its time.
    """
    routes = APIRouter(prefix="/api/plan")
    labels = {product.name: product.label for product in site.products}

    async def answer(action: Callable[[Records], Response]) -> Response:
        try:
            return await on_records(action)
        except Unavailable as trouble:
            return JSONResponse({"error": str(trouble)}, status_code=503)

    async def of_plan(number: str, told: Callable[[Plan], tuple[str | bytes, str, str]]) -> Response:
        def found(records: Records) -> Response:
            plan = records.plan(number)
            if plan is None:
                return _unknown(number)
            content, kind, ending = told(plan)
            name = "".join(c for c in plan.number if c.isalnum() or c in "-.")
            disposition = f'attachment; filename="{name}.{ending}"'
            return Response(content, media_type=kind, headers={"Content-Disposition": disposition})

        return await answer(found)

    @routes.get("/{number}/csv")
    async def read_csv(number: str) -> Response:
        """Runs and maintenance as a table."""
        return await of_plan(number, lambda plan: (plan_csv(plan), "text/csv", "csv"))

    @routes.get("/{number}/ical")
    async def read_calendar(number: str) -> Response:
        """Runs and maintenance as iCalendar."""
        return await of_plan(
            number, lambda plan: (plan_calendar(plan, plant=site.plant, products=labels), "text/calendar", "ics")
        )

    @routes.get("/{number}/gantt")
    async def read_picture(number: str) -> Response:
        """The Gantt chart as SVG."""
        return await of_plan(
            number, lambda plan: (picture_svg(plan, plant=site.plant, products=labels), "image/svg+xml", "svg")
        )

    @routes.get("/{number}/actual")
    async def read_actual(number: str) -> Response:
        """What was planned by now and what was made, as last seen while the accepted plan runs."""

        def found(records: Records) -> Response:
            document = records.noted(ACTUAL_NOTE)
            if document is None or document.get("plan") != number:
                text = f"Plan {number} is not followed: the accepted plan is, while it runs."
                return JSONResponse({"error": text}, status_code=404)
            return Response(msgspec.json.encode(document), media_type="application/json")

        return await answer(found)

    @routes.post("/{number}/accept")
    async def accept(number: str, report: DecisionReport, authorization: Token = "") -> Response:
        """Accept the plan in the name of the token's user; it is published to the plant."""
        at = site.clock.now()
        return await answer(
            lambda records: _decided(
                records,
                number,
                authorization,
                lambda by: accept_plan(records, number=number, by=by, reason=report.reason, at=at),
            )
        )

    @routes.post("/{number}/reject")
    async def reject(number: str, report: DecisionReport, authorization: Token = "") -> Response:
        """Reject the plan in the name of the token's user, with a reason."""
        at = site.clock.now()
        return await answer(
            lambda records: _decided(
                records,
                number,
                authorization,
                lambda by: reject_plan(records, number=number, by=by, reason=report.reason, at=at),
            )
        )

    @routes.post("/{number}/edit")
    async def edit(number: str, report: EditReport, authorization: Token = "") -> Response:
        """Plan anew with these changes fixed; answers with the new, proposed plan once it is solved and checked."""
        names: list[str] = []

        def known(records: Records) -> Response:
            user = records.user_of_token(authorization.removeprefix("Bearer "))
            if user is None:
                return _unauthorised()
            names.append(user.name)
            return Response() if records.plan(number) is not None else _unknown(number)

        refused = await answer(known)
        if refused.status_code != 200:
            return refused
        kept, document = await edit_plan(number, report.edits, names[0], report.reason)
        if not kept:
            return JSONResponse({"error": document}, status_code=409)
        return Response(document, media_type="application/json", status_code=201)

    return routes


def _decided(records: Records, number: str, authorization: str, decide: Callable[[str], Outcome]) -> Response:
    user = records.user_of_token(authorization.removeprefix("Bearer "))
    if user is None:
        return _unauthorised()
    if records.plan(number) is None:
        return _unknown(number)
    outcome = decide(user.name)
    if not outcome.done:
        return JSONResponse({"error": outcome.sentence}, status_code=409)
    return JSONResponse({"told": outcome.sentence})


def _unauthorised() -> Response:
    return JSONResponse({"error": UNAUTHORISED}, status_code=401, headers={"WWW-Authenticate": "Bearer"})


def _unknown(number: str) -> Response:
    return JSONResponse({"error": f"There is no plan {number}."}, status_code=404)
