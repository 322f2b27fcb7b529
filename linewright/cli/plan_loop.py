"""`linewright plan edit | actual | export`: change a plan, follow it, and take it out as files."""

import getpass
import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from linewright.cli.plan_questions import JsonOption, open_case
from linewright.cli.site import SiteOption, load_site
from plant.errors import ConfigError, Fault

PlanArgument = Annotated[str, typer.Argument(metavar="[PLAN]", help="Plan number; default: the newest.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("edit")(edit)
    app.command("actual")(actual)
    app.command("export")(export)


def edit(
    number: Annotated[str, typer.Argument(metavar="PLAN", help="Number of the plan that is changed.")],
    edits: Annotated[
        list[str],
        typer.Argument(
            metavar="CHANGE...", help='E.g. "maintain L2-press at 14:00", "move gear from L1 to L2 after 22:00".'
        ),
    ],
    by: Annotated[str, typer.Option(help="Who changes it; default: the user of this terminal.")] = "",
    reason: Annotated[str, typer.Option(help="In your words; may be empty.")] = "",
    time_limit: Annotated[
        float | None, typer.Option(min=0.1, help="CPU time of the search [s]; default: the plan's.")
    ] = None,
    as_json: JsonOption = False,
    site: SiteOption = None,
) -> None:
    """Change a plan: what you fix is kept, the rest is planned anew and checked; a new plan is proposed.

    A change that fits no form is answered by the forms there are. Exit code 1 where no plan keeps to the changes.
    """
    from linewright.plan_edits import edit_plan
    from linewright.plan_replay import REPLAY_NOTE, expected_of
    from linewright.plan_text import as_text
    from linewright.wiring import open_records

    loaded = load_site(site)
    records = open_records(loaded)
    done = edit_plan(
        records,
        number=number,
        edits=tuple(edits),
        by=by or getpass.getuser(),
        reason=reason,
        now=loaded.clock.now(),
        time_limit_s=time_limit,
    )
    if as_json:
        typer.echo(msgspec.json.encode(done).decode())
    else:
        typer.echo(done.sentence, err=not done.kept)
        if done.kept:
            expected = expected_of(records.noted(REPLAY_NOTE), done.plan)
            typer.echo(as_text(done.plan, plant=loaded.plant, expected=expected))
    if not done.kept:
        raise typer.Exit(1)


def actual(
    number: Annotated[str, typer.Argument(metavar="[PLAN]", help="Plan number; default: the accepted one.")] = "",
    as_json: JsonOption = False,
    site: SiteOption = None,
) -> None:
    """Follow a plan from the counters: good parts by now, planned and made, by line and product and by order."""
    from linewright.plan_actual import course_text, follow_plan
    from linewright.plan_cases import recorded_case
    from linewright.wiring import open_records, open_store

    loaded = load_site(site)
    records = open_records(loaded)
    accepted = records.accepted_plan()
    if not number and accepted is None:
        expected = "a number, or an accepted plan; `linewright plan list` shows those there are."
        raise ConfigError((Fault(where="plan", found="none is accepted", expected=expected),))
    case = recorded_case(records, number=number or (accepted.number if accepted is not None else ""))
    store = open_store(loaded)
    try:
        course = follow_plan(loaded, store=store, plan=case.plan, facts=case.facts, now=loaded.clock.now())
    finally:
        store.close()
    labels = {product.name: product.label for product in loaded.products}
    typer.echo(json.dumps(msgspec.to_builtins(course), indent=2) if as_json else course_text(course, labels=labels))


def export(
    plan: PlanArgument = "",
    csv: Annotated[Path | None, typer.Option(help="Runs and maintenance as a table.")] = None,
    ical: Annotated[Path | None, typer.Option(help="The same as iCalendar, for any calendar.")] = None,
    gantt: Annotated[Path | None, typer.Option(help="A chart to print, .png or .svg.")] = None,
    program: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Program (MPS), its solution, facts and certificate, for another solver."),
    ] = None,
    site: SiteOption = None,
) -> None:
    """Write a plan as files: CSV, iCalendar, a Gantt chart, or the program it solves."""
    from linewright import plan_files

    if not any((csv, ical, gantt, program)):
        expected = "at least one of --csv, --ical, --gantt and --program."
        raise ConfigError((Fault(where="plan export", found="nothing to write", expected=expected),))
    case = open_case(plan, site)
    plant = case.facts.plant
    labels = {product.name: product.label for product in case.facts.products}
    try:
        if csv is not None:
            csv.write_text(plan_files.plan_csv(case.plan), encoding="utf-8")
        if ical is not None:
            ical.write_bytes(plan_files.plan_calendar(case.plan, plant=plant, products=labels))
        if gantt is not None:
            plan_files.write_picture(case.plan, plant=plant, products=labels, path=gantt)
    except OSError as error:
        expected = "a file that can be written."
        raise ConfigError((Fault(where="plan export", found=str(error), expected=expected),)) from error
    written = [path for path in (csv, ical, gantt) if path is not None]
    if program is not None:
        from optimizer.export import write_program
        from optimizer.facts import facts_to_json
        from optimizer.problem import build_problem

        program.mkdir(parents=True, exist_ok=True)
        written += write_program(build_problem(case.facts), case.plan, program)
        (program / "facts.json").write_bytes(facts_to_json(case.facts))
        (program / "plan.json").write_bytes(msgspec.json.encode(case.plan))
        written += [program / "facts.json", program / "plan.json"]
    for path in written:
        typer.echo(str(path))
