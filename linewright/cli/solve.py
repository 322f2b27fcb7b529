"""`linewright solve MODEL`: a model of one's own, maximise f under g and h."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.errors import DataError, Fault

if TYPE_CHECKING:
    from optimizer.expressions.model import UserModel
    from optimizer.expressions.solve import Answer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(solve)


def solve(
    file: Annotated[Path, typer.Argument(metavar="MODEL", help="The model, .toml or .yaml; see docs/models.md.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    time_limit: Annotated[float, typer.Option(min=0.1, help="CPU time [s].")] = 20.0,
    gap: Annotated[float, typer.Option(min=1e-6, help="Relative gap at which an answer counts as proved.")] = 5e-4,
) -> None:
    """Solve a model of your own: best point, proven bound, and how well it keeps each rule. Exit code 1 without one."""
    from optimizer.expressions.model import read_model
    from optimizer.expressions.solve import solve_model

    try:
        document = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError((Fault(where=str(file), found=str(error), expected="a file to read, in UTF-8."),)) from error
    model = read_model(document, where=file.name)
    answer = solve_model(model, time_limit_s=time_limit, gap=gap)
    typer.echo(json.dumps(asdict(answer), indent=2) if as_json else _as_text(model, answer))
    if answer.objective is None:
        raise typer.Exit(1)


def _as_text(model: "UserModel", answer: "Answer") -> str:
    lines = [f"{model.title}: {answer.status.value}. {answer.reason}".strip()]
    if answer.objective is not None:
        bound = "no bound" if answer.bound is None else f"bound {answer.bound:,.6g}"
        gap = "" if answer.gap is None else f", gap {answer.gap:.3%}"
        word = "greatest" if model.maximize else "least"
        lines.append(f"  {word} value {answer.objective:,.6g}, {bound}{gap}, {answer.seconds:.1f} s")
        lines += [f"  {v.name:<20} {answer.values[v.name]:14,.6g} {v.unit}" for v in model.variables]
        worst = max(answer.residuals, key=lambda name: answer.residuals[name])
        lines.append(f"  {len(answer.residuals)} rules and bounds re-checked; worst: {worst}, off by "
                     f"{answer.residuals[worst]:.2g}")  # fmt: skip
    return "\n".join(lines)
