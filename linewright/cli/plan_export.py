"""`linewright plan export`: a plan's program and solution for another solver, with its facts and certificate."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from linewright.cli.plan_questions import CaseOption, open_case
from linewright.cli.site import SiteOption


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("export")(export)


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made where it is missing.")],
    plan: CaseOption = "",
    site: SiteOption = None,
) -> None:
    """Write a plan's program (MPS), its choices as a solution of it, its facts, the plan and its certificate."""
    from optimizer.export import write_program
    from optimizer.facts import facts_to_json
    from optimizer.problem import build_problem

    case = open_case(plan, site)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_program(build_problem(case.facts), case.plan, folder)
    (folder / "facts.json").write_bytes(facts_to_json(case.facts))
    (folder / "plan.json").write_bytes(msgspec.json.encode(case.plan))
    for path in (*written, folder / "facts.json", folder / "plan.json"):
        typer.echo(str(path))
