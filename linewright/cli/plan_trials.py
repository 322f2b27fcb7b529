"""`linewright plan whatif | replay | pareto`: other facts or goals side by side, and what chance makes of a plan."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from linewright.cli.plan_questions import CaseOption, JsonOption, open_case
from linewright.cli.site import SiteOption, load_site
from plant.errors import Fault, QuestionError
from plant.plans import Goal

if TYPE_CHECKING:
    from optimizer.scenarios import Scenario


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(whatif)
    app.command()(replay)
    app.command()(pareto)


def whatif(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Scenarios as TOML or JSON; an example: deploy/whatif.toml.")
    ] = None,
    breakdown: Annotated[list[str] | None, typer.Option(metavar="MACHINE:HOURS", help="It is down so long.")] = None,
    rush: Annotated[
        list[str] | None, typer.Option(metavar="PRODUCT:UNITS:HOURS", help="Such an order, due in so many hours.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="A field of the facts, e.g. policy.crews=2.")
    ] = None,
    plan: CaseOption = "",
    time_limit: Annotated[float, typer.Option("--time-limit", min=0.1, help="CPU time of each search [s].")] = 10.0,
    cores: Annotated[int, typer.Option(min=0, help="Searches at a time; 0: as many as this machine has.")] = 0,
    picture: Annotated[Path | None, typer.Option(help="Draw the comparison too, as .png or .svg.")] = None,
    as_json: JsonOption = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of FILE and end.")] = False,
    site: SiteOption = None,
) -> None:
    """Plan scenarios beside the facts as they are, and compare them in one table; the options make one of their own."""
    from linewright.whatif import as_table, draw, try_scenarios
    from optimizer.scenarios import scenario_schema

    if schema:
        typer.echo(json.dumps(scenario_schema(), indent=2))
        return
    scenarios = (*_of_file(file), *_of_options(breakdown or [], rush or [], change or []))
    if not scenarios:
        expected = "a FILE of scenarios, or --breakdown, --rush or --set."
        raise QuestionError((Fault(where="plan whatif", found="nothing that is otherwise", expected=expected),))
    case = open_case(plan, site)
    outcomes = try_scenarios(case.facts, scenarios, time_limit_s=time_limit, cores=cores)
    currency = case.facts.plant.currency
    if picture is not None:
        draw(outcomes, currency=currency, path=picture)
    typer.echo(msgspec.json.encode(outcomes).decode() if as_json else as_table(outcomes, currency=currency))


def replay(
    plan: Annotated[
        str, typer.Argument(metavar="[N]", help="A plan's number, or a facts file (.json, .toml); default: the newest.")
    ] = "",
    paths: Annotated[int, typer.Option(min=20, max=100_000, help="How many.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Of the luck.")] = 0,
    time_limit: Annotated[
        float,
        typer.Option("--time-limit", min=0.0, help="CPU time to plan each other practice [s]; 0: none."),
    ] = 5.0,
    as_json: JsonOption = False,
    site: SiteOption = None,
) -> None:
    """Replay a plan over failures, speeds and scrap: cost, lateness, energy, chance of each order; beside others."""
    from linewright.plan_cases import FILE_ENDINGS
    from linewright.plan_replay import keep, replay_case, replay_text
    from linewright.wiring import open_records

    case = open_case(plan, site)
    document = replay_case(case, paths=paths, seed=seed, time_limit_s=time_limit)
    if not plan.endswith(FILE_ENDINGS):
        records = open_records(load_site(site))
        newest = records.newest_plan()
        if newest is not None and newest.number == document["plan"]:  # the plan page shows the newest plan's
            keep(records, document)
    currency = case.facts.plant.currency
    typer.echo(json.dumps(document, indent=2) if as_json else replay_text(document, currency=currency))


def pareto(
    plan: Annotated[
        str, typer.Argument(metavar="[N]", help="A plan's number, or a facts file; default: the newest plan's facts.")
    ] = "",
    over: Annotated[Goal, typer.Option(help="What is traded against cost.")] = Goal.CO2,
    points: Annotated[int, typer.Option(help="How many plans.")] = 7,
    time_limit: Annotated[float, typer.Option("--time-limit", min=0.1, help="CPU time of each search [s].")] = 10.0,
    cores: Annotated[int, typer.Option(min=0, help="Searches at a time; 0: as many as this machine has.")] = 0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Draw the front, as .png or .svg.")] = None,
    as_json: JsonOption = False,
    site: SiteOption = None,
) -> None:
    """Plan the front between cost and another goal: what less lateness, risk or CO2 costs; each plan checked."""
    from linewright.pareto import as_table, draw
    from linewright.pareto import pareto as front_of

    case = open_case(plan, site)
    front = front_of(case.facts, over=over, points=points, time_limit_s=time_limit, cores=cores)
    currency = case.facts.plant.currency
    if output is not None:
        draw(front, over=over, currency=currency, path=output)
    typer.echo(msgspec.json.encode(front).decode() if as_json else as_table(front, over=over, currency=currency))


def _of_file(file: Path | None) -> tuple["Scenario", ...]:
    from optimizer.scenarios import read_scenarios

    if file is None:
        return ()
    try:
        document = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionError((Fault(where=str(file), found=str(error), expected="a TOML or JSON file."),)) from error
    return read_scenarios(document, where=file.name)


def _of_options(breakdowns: list[str], rushes: list[str], changes: list[str]) -> tuple["Scenario", ...]:
    """One scenario of everything that the options say."""
    from optimizer.scenarios import read_scenarios

    if not (breakdowns or rushes or changes):
        return ()
    scenario: dict[str, object] = {"name": "by the options"}
    scenario["breakdown"] = [
        dict(zip(("machine", "hours"), _parts(each, 2, "--breakdown MACHINE:HOURS"), strict=True))
        for each in breakdowns
    ]
    scenario["rush_order"] = [
        dict(zip(("product", "quantity", "due_in_h"), _parts(each, 3, "--rush PRODUCT:UNITS:HOURS"), strict=True))
        for each in rushes
    ]
    scenario["set"] = dict(_setting(each) for each in changes)
    return read_scenarios(json.dumps({"scenario": [scenario]}), where="options")


def _parts(text: str, count: int, form: str) -> list[str]:
    parts = text.rsplit(":", count - 1)
    if len(parts) != count:
        raise QuestionError((Fault(where="options", found=repr(text), expected=f"{form}."),))
    return parts


def _setting(text: str) -> tuple[str, object]:
    path, equals, value = text.partition("=")
    if not equals:
        raise QuestionError((Fault(where="options", found=repr(text), expected="--set PATH=VALUE."),))
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value
