"""`linewright users ...`: who may write over the API."""

from typing import Annotated

import typer

from linewright.cli.site import SiteOption, load_site

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of a person or program, e.g. cmms; it stands beside what they write.")]


@app.command()
def add(name: Name, note: Annotated[str, typer.Option(help="What it is for.")] = "", site: SiteOption = None) -> None:
    """Add a user, or give one a new token; the token is shown once and kept as a hash only."""
    from linewright.wiring import open_records, wall_now
    from store.books.entries import User

    loaded = load_site(site)
    records = open_records(loaded)
    token = records.put_user(User(name=name, since=wall_now(), note=note))
    records.audit("command line", "user added", at=loaded.clock.now(), detail=name)
    records.close()
    typer.echo(f"{name} may write over the API with the header `Authorization: Bearer {token}`.")
    typer.echo("Keep it now: it is not shown again. An older token of this user no longer works.", err=True)


@app.command("list")
def list_users(site: SiteOption = None) -> None:
    """List users."""
    from linewright.wiring import open_records

    records = open_records(load_site(site))
    for user in records.users():
        typer.echo(f"{user.name:<20} since {user.since:%Y-%m-%d %H:%M}Z  {user.note}")
    records.close()


@app.command()
def remove(name: Name, site: SiteOption = None) -> None:
    """Take a user out; their token no longer works."""
    from linewright.wiring import open_records

    loaded = load_site(site)
    records = open_records(loaded)
    if not records.remove_user(name):
        typer.echo(f"There is no user {name}; `linewright users list` shows those there are.", err=True)
        raise typer.Exit(1)
    records.audit("command line", "user removed", at=loaded.clock.now(), detail=name)
    records.close()
    typer.echo(f"{name} may no longer write.")
