"""`linewright plan compare | prices | why-late | why-not`: what changed, what is scarce, why so and not otherwise."""

import json
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from linewright.cli.site import SiteOption, load_site

if TYPE_CHECKING:
    from linewright.plan_cases import Case

CaseOption = Annotated[
    str,
    typer.Option("--plan", metavar="PLAN", help="A plan's number, or a facts file (.json, .toml), planned now."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
LimitOption = Annotated[float, typer.Option("--time-limit", min=0.1, help="CPU time of the search [s].")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(compare)
    app.command()(prices)
    app.command("why-late")(why_late)
    app.command("why-not")(why_not)


def open_case(name: str, site: SiteOption) -> "Case":
    """The plan that a command is about."""
    from linewright import plan_cases
    from linewright.wiring import open_records

    return plan_cases.open_case(name, open_records=lambda: open_records(load_site(site)))


def compare(
    before: Annotated[
        str, typer.Argument(metavar="A", help="The earlier plan: its number, or a facts file (.json, .toml).")
    ],
    now: Annotated[str, typer.Argument(metavar="B", help="The later plan; default: the newest.")] = "",
    as_json: JsonOption = False,
    site: SiteOption = None,
) -> None:
    """Bridge the cost from plan A to plan B by term, line, product and day; say what moved, and from which facts."""
    from linewright.plan_answers import comparison_document, comparison_text
    from optimizer import compare as comparing

    old, new = open_case(before, site), open_case(now, site)
    found = comparing.compare(new.plan, old.plan, facts=new.facts, previous_facts=old.facts)
    names = (old.plan.number, new.plan.number)
    currency = new.facts.plant.currency
    typer.echo(
        json.dumps({"plans": names, **comparison_document(found)}, indent=2)
        if as_json
        else comparison_text(found, names=names, currency=currency)
    )


def prices(plan: CaseOption = "", as_json: JsonOption = False, site: SiteOption = None) -> None:
    """Say what one more hour of a line, unit, kW or kg would save, and how far that holds; default: the newest plan."""
    from linewright.plan_answers import prices_text
    from optimizer.prices import shadow_prices
    from optimizer.problem import build_problem

    case = open_case(plan, site)
    found = shadow_prices(build_problem(case.facts), case.plan)
    currency = case.facts.plant.currency
    typer.echo(msgspec.json.encode(found).decode() if as_json else prices_text(found, currency=currency))


def why_late(
    order: Annotated[str, typer.Argument(help="Number of the order.")],
    plan: CaseOption = "",
    time_limit: LimitOption = 10.0,
    as_json: JsonOption = False,
    site: SiteOption = None,
) -> None:
    """Say what stands in the way of an order, in hours and units, and what being in time would cost, solved."""
    from linewright.plan_answers import why_late_text
    from optimizer import why_late as asking
    from optimizer.problem import build_problem

    case = open_case(plan, site)
    told = asking.why_late(build_problem(case.facts), case.plan, order=order, time_limit_s=time_limit)
    currency = case.facts.plant.currency
    typer.echo(msgspec.json.encode(told).decode() if as_json else why_late_text(told, currency=currency))


def why_not(
    statement: Annotated[str, typer.Argument(help='E.g. "no maintenance on L2", "maintain L2-press on Tuesday".')],
    plan: CaseOption = "",
    time_limit: LimitOption = 10.0,
    as_json: JsonOption = False,
    site: SiteOption = None,
) -> None:
    """Say what it would cost to do otherwise, as a proven interval; another statement lists the forms there are."""
    from linewright.plan_answers import answer_text
    from optimizer import questions
    from optimizer.problem import build_problem

    case = open_case(plan, site)
    answer = questions.why_not(build_problem(case.facts), case.plan, text=statement, time_limit_s=time_limit)
    currency = case.facts.plant.currency
    typer.echo(msgspec.json.encode(answer).decode() if as_json else answer_text(answer, currency=currency))
    if not answer.possible:
        raise typer.Exit(1)
