"""The `linewright` command with all its parts, and how errors reach the person at the terminal."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from linewright.cli import alerts, data, effect, learning, models, plans, roles, solve, store, users, workorders
from linewright.cli.site import SiteOption, load_site
from plant.errors import ConfigError, Unavailable

EXIT_NOT_WELL = 1
EXIT_CONFIG = 2
EXIT_UNAVAILABLE = 3

app = typer.Typer(
    name="linewright",
    help="Tends production lines: hears every machine, says which will fail and why, and proposes the best plan.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
roles.register(app)
data.register(app)
store.register(app)
app.add_typer(alerts.app, name="alerts", help="List, show and acknowledge alerts.")
learning.register(model=models.app, plan=plans.app)
app.add_typer(models.app, name="model", help="Train and look after the risk models.")
solve.register(app)
effect.register(app)
app.add_typer(workorders.app, name="workorders", help="List work orders, and record what the mechanic found.")
app.add_typer(users.app, name="users", help="Say who may write over the API.")
app.add_typer(plans.app, name="plan", help="Ask for plans, show and decide them.")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder for the new site; made if it is not there.")] = Path(),
) -> None:
    """Write a commented linewright.toml that runs as it is."""
    from linewright.settings.template import write_template

    path = write_template(folder)
    typer.echo(f"Wrote {path}. Edit it, then check it with `linewright doctor --site {folder}`.")


@app.command()
def doctor(site: SiteOption = None) -> None:
    """Check configuration, broker, store, solver, model, names and clock, and say what to do."""
    from linewright.doctor import examine

    findings = examine(load_site(site))
    for finding in findings:
        typer.echo(f"{finding.level.value.upper():<8} {finding.check}: {finding.sentence}")
        if finding.next_step:
            typer.echo(f"{'':<8} -> {finding.next_step}")
    if any(finding.level.value == "fault" for finding in findings):
        raise typer.Exit(EXIT_NOT_WELL)


@app.command()
def status(
    site: SiteOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; see --schema.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of --json and end.")] = False,
) -> None:
    """Say from outside how the instance is; exit code 0 only when all is well."""
    import json

    from linewright.status import StatusDocument, as_text, read_status

    if schema:
        typer.echo(json.dumps(StatusDocument.model_json_schema(mode="serialization"), indent=2))
        return
    document = read_status(load_site(site))
    typer.echo(document.model_dump_json(indent=2) if as_json else as_text(document))
    if not document.well:
        raise typer.Exit(EXIT_NOT_WELL)


def main() -> None:
    """Run the command line; faults become sentences and exit codes, never a stack trace."""
    try:
        app()
    except ConfigError as error:
        print(error.opening, file=sys.stderr)
        for fault in error.faults:
            print(f"  {fault}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)
    except Unavailable as error:
        print(str(error), file=sys.stderr)
        sys.exit(EXIT_UNAVAILABLE)
    except BrokenPipeError:
        # The reader of our output left, e.g. `| head`; give Python nothing more to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        logging.shutdown()
