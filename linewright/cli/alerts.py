"""`linewright alerts ...`: list, show and acknowledge alerts."""

import getpass
from typing import Annotated

import typer

from linewright.cli.site import SiteOption, load_site

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_alerts(
    site: SiteOption = None,
    past: Annotated[bool, typer.Option("--past", help="Also those that are over.")] = False,
) -> None:
    """List alerts, newest first."""
    from linewright.wiring import open_records

    records = open_records(load_site(site))
    for alert in records.alerts(open_only=not past):
        typer.echo(f"{alert.number}  {alert.severity.value:<6} {alert.state.value:<23} {alert.title}")
    records.close()


@app.command()
def show(number: Annotated[str, typer.Argument(help="Alert number.")], site: SiteOption = None) -> None:
    """Show one alert with its evidence and what to do."""
    from linewright.wiring import open_records

    records = open_records(load_site(site))
    alert = records.alert(number)
    records.close()
    if alert is None:
        typer.echo(f"There is no alert {number}; `linewright alerts list` shows those there are.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{alert.title}\n{alert.severity.value}, {alert.state.value}, since {alert.opened_at:%Y-%m-%d %H:%M}Z")
    typer.echo(f"What to do: {alert.action}")
    for sentence in alert.evidence:
        typer.echo(f"  - {sentence}")


@app.command()
def acknowledge(
    number: Annotated[str, typer.Argument(help="Alert number.")],
    by: Annotated[str, typer.Option(help="Who has seen it; default: the user of this terminal.")] = "",
    site: SiteOption = None,
) -> None:
    """Say that a person has seen an alert and acts on it."""
    from linewright.wiring import open_records

    loaded = load_site(site)
    records = open_records(loaded)
    if records.alert(number) is None:
        typer.echo(f"There is no alert {number}; `linewright alerts list` shows those there are.", err=True)
        raise typer.Exit(1)
    name = by or getpass.getuser()
    alert = records.acknowledge(number, by=name, at=loaded.clock.now())
    records.audit(name, "alert acknowledged", at=loaded.clock.now(), detail=number)
    records.close()
    typer.echo(f"{alert.number} is {alert.state.value}, seen by {name}.")
