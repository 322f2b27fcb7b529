"""`linewright plan ...`: ask for a plan, show, accept or reject one."""

import getpass
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from linewright.cli import plan_loop, plan_questions, plan_trials
from linewright.cli.site import SiteOption, load_site
from linewright.plan_progress import Follow, follower, kept_on_interrupt
from optimizer.control import SEED, Control, Measure
from plant.plans import SolveStatus

app = typer.Typer(no_args_is_help=True)
plan_questions.register(app)
plan_trials.register(app)
plan_loop.register(app)


@app.command()
def now(
    site: SiteOption = None,
    reason: Annotated[str, typer.Option(help="Why, for those who read the plan.")] = "on demand",
    quiet: Annotated[bool, typer.Option("--quiet", help="Keep the plan without showing it.")] = False,
) -> None:
    """Plan now, from the facts as they are, and show the plan."""
    from linewright import logs
    from linewright.plan_replay import REPLAY_NOTE, expected_of
    from linewright.plan_text import as_text
    from linewright.planning import make_plan
    from linewright.production import seed_records
    from linewright.wiring import open_records, open_store

    if quiet:
        logs.configure("plan")
    loaded = load_site(site)
    records, store = open_records(loaded), open_store(loaded)
    try:
        moment = loaded.clock.now()
        seed_records(loaded, records, now=moment)
        plan = make_plan(loaded, store=store, records=records, now=moment, reason=reason)
        if not quiet:
            expected = expected_of(records.noted(REPLAY_NOTE), plan)
            typer.echo(as_text(plan, plant=loaded.plant, expected=expected))
    finally:
        store.close()
        records.close()


@app.command()
def solve(
    file: Annotated[Path | None, typer.Argument(help="Planning facts as JSON or TOML; see --schema.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON, with its certificate.")] = False,
    time_limit: Annotated[
        float | None, typer.Option(help="CPU time of the search [s]; default: the file's.", min=0.1)
    ] = None,
    gap: Annotated[float | None, typer.Option(help="Relative gap that is good enough; default: the file's.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of the solver.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of the solver's random choices.", min=0)] = SEED,
    repeatable: Annotated[
        bool, typer.Option("--repeatable", help="Count the limit in work: equal runs give equal plans. One thread.")
    ] = False,
    follow: Annotated[Follow, typer.Option(help="Tell on the error output how the search stands.")] = Follow.QUIET,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of FILE and end.")] = False,
) -> None:
    """Plan from a file, without any site; nothing is kept. Ctrl-C ends the search with the best plan so far.

    Exit code 1 where there is no plan.
    """
    import msgspec

    from linewright.pipeline import propose
    from linewright.plan_cases import Case, read_facts
    from linewright.plan_replay import PATHS, expected_of, replay_case
    from linewright.plan_text import as_text
    from optimizer.facts import facts_schema

    if schema or file is None:
        typer.echo(json.dumps(facts_schema(), indent=2))
        return
    facts = read_facts(file)
    policy = facts.policy
    limit_s = policy.time_limit_s if time_limit is None else time_limit
    facts = replace(facts, policy=replace(policy, time_limit_s=limit_s, gap=policy.gap if gap is None else gap))
    if repeatable and threads > 1:
        raise typer.BadParameter("--repeatable takes one thread; leave out --threads.")
    with kept_on_interrupt() as is_cancelled:
        control = Control(
            threads=threads,
            seed=seed,
            measure=Measure.WORK if repeatable else Measure.CPU,
            report=follower(follow, sys.stderr),
            is_cancelled=is_cancelled,
        )
        reason = f"on demand, from {file.name}"
        plan = propose(facts, number=file.stem, created_at=facts.start, reason=reason, control=control)
    if follow is Follow.LINE:
        typer.echo(err=True)
    if as_json:
        typer.echo(msgspec.json.encode(plan).decode())
    else:
        case = Case(plan=plan, facts=facts)
        document = replay_case(case, paths=PATHS, seed=0, time_limit_s=0.0) if case.has_plan else None
        typer.echo(as_text(plan, plant=facts.plant, expected=expected_of(document, plan)))
    if plan.status not in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        raise typer.Exit(1)


@app.command()
def facts(
    number: Annotated[str, typer.Argument(help="Plan number; default: the newest.")] = "", site: SiteOption = None
) -> None:
    """Print the facts a plan was made from, as JSON: a file for `plan solve`, to be changed at will."""
    from linewright.wiring import open_records

    records = open_records(load_site(site))
    newest = records.newest_plan()
    wanted = number or (newest.number if newest is not None else "")
    document = records.plan_facts(wanted) if wanted else None
    if document is None:
        typer.echo(f"There is no plan {number}." if number else "No plan has been made yet.", err=True)
        raise typer.Exit(1)
    typer.echo(document.decode())


@app.command()
def request(site: SiteOption = None) -> None:
    """Ask the running work role for a plan, and end at once."""
    from linewright.wiring import open_records

    loaded = load_site(site)
    open_records(loaded).request("plan", at=loaded.clock.now(), detail="on demand")
    typer.echo("Asked for a plan. See it with `linewright plan show` or on the console's Plan page.")


@app.command()
def show(
    number: Annotated[str, typer.Argument(help="Plan number; default: the newest.")] = "", site: SiteOption = None
) -> None:
    """Show a plan: what is made when, maintenance, costs, certificate."""
    from linewright.plan_replay import REPLAY_NOTE, expected_of
    from linewright.plan_text import as_text
    from linewright.wiring import open_records

    loaded = load_site(site)
    records = open_records(loaded)
    plan = records.plan(number) if number else records.newest_plan()
    if plan is None:
        typer.echo(f"There is no plan {number}." if number else "No plan has been made yet.", err=True)
        raise typer.Exit(1)
    typer.echo(as_text(plan, plant=loaded.plant, expected=expected_of(records.noted(REPLAY_NOTE), plan)))


@app.command("list")
def list_plans(site: SiteOption = None) -> None:
    """List the newest plans with status and decision."""
    from linewright.wiring import open_records

    for plan in open_records(load_site(site)).plans(limit=20):
        typer.echo(f"{plan.number}  {plan.status.value:<10} {plan.decision.value:<10} {plan.headline}")


@app.command()
def accept(
    number: Annotated[str, typer.Argument(help="Plan number.")],
    by: Annotated[str, typer.Option(help="Who accepts; default: the user of this terminal.")] = "",
    reason: Annotated[str, typer.Option(help="In your words; may be empty.")] = "",
    site: SiteOption = None,
) -> None:
    """Accept a plan; it is published to the plant."""
    from linewright.decisions import accept_plan
    from linewright.wiring import open_records

    loaded = load_site(site)
    outcome = accept_plan(
        open_records(loaded), number=number, by=by or getpass.getuser(), reason=reason, at=loaded.clock.now()
    )
    typer.echo(outcome.sentence, err=not outcome.done)
    if not outcome.done:
        raise typer.Exit(1)


@app.command()
def reject(
    number: Annotated[str, typer.Argument(help="Plan number.")],
    reason: Annotated[str, typer.Option(help="Why, for those who plan next.")],
    by: Annotated[str, typer.Option(help="Who rejects; default: the user of this terminal.")] = "",
    site: SiteOption = None,
) -> None:
    """Reject a plan, with a reason."""
    from linewright.decisions import reject_plan
    from linewright.wiring import open_records

    loaded = load_site(site)
    outcome = reject_plan(
        open_records(loaded), number=number, by=by or getpass.getuser(), reason=reason, at=loaded.clock.now()
    )
    typer.echo(outcome.sentence, err=not outcome.done)
    if not outcome.done:
        raise typer.Exit(1)
