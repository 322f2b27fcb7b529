"""`linewright model ...`: train, list, promote, roll back."""

from pathlib import Path
from typing import Annotated

import typer

from linewright.cli.site import SiteOption, load_site

app = typer.Typer(no_args_is_help=True)


@app.command()
def train(
    site: SiteOption = None,
    machine_class: Annotated[str, typer.Option("--class", help="Only this machine class; default: all.")] = "",
    recorded: Annotated[
        Path | None, typer.Option(help="Train --class on recorded files by this mapping instead of the store.")
    ] = None,
    source: Annotated[Path | None, typer.Option(help="Folder of the recorded files.")] = None,
) -> None:
    """Train on the lives in the store; a trained model is registered and becomes current."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from linewright.recorded import train_on_recording
    from linewright.training import train_site

    loaded = load_site(site)
    with Progress(TextColumn("{task.description:<48}"), BarColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("Reading lives from the store", total=1.0)

        def show(fraction: float, text: str) -> None:
            bar.update(task, completed=fraction, description=text)

        if recorded is not None:
            sentences = train_on_recording(
                loaded, mapping=recorded, source=source, machine_class=machine_class, progress=show
            )
        else:
            sentences = train_site(loaded, progress=show, only=machine_class)
    for sentence in sentences:
        typer.echo(sentence)


@app.command("list")
def list_versions(site: SiteOption = None) -> None:
    """List the registered models with their metrics; * marks the current one."""
    from linewright.training import describe_models

    for line in describe_models(load_site(site)):
        typer.echo(line)


@app.command()
def promote(
    machine_class: Annotated[str, typer.Argument(help="Machine class.")],
    version: Annotated[str, typer.Argument(help="Version, as `linewright model list` shows it.")],
    site: SiteOption = None,
) -> None:
    """Make a registered version the current one."""
    from linewright.training import promote_version

    typer.echo(promote_version(load_site(site), machine_class=machine_class, version=version))


@app.command()
def rollback(machine_class: Annotated[str, typer.Argument(help="Machine class.")], site: SiteOption = None) -> None:
    """Make the version before the current one current again."""
    from linewright.training import roll_back

    typer.echo(roll_back(load_site(site), machine_class=machine_class))
