"""Commands on data: orders in, recorded data replayed, unmapped topics found, the ledger shown."""

from pathlib import Path
from typing import Annotated

import typer

from linewright.cli import quarantine
from linewright.cli.site import SiteOption, load_site

orders_app = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.add_typer(orders_app, name="orders", help="Customer orders: import and list.")
    app.add_typer(quarantine.app, name="quarantine", help="Messages that could not be used: list, show, replay, drop.")
    app.command()(replay)
    app.command()(ledger)
    app.command()(discover)


@orders_app.command("import")
def import_orders(
    file: Annotated[
        Path, typer.Argument(help="CSV or JSON with number, product, quantity, due_at[, priority, deadline_at].")
    ],
    site: SiteOption = None,
) -> None:
    """Import orders; an order with a known number is a new version of it."""
    from linewright.orders import import_orders as take
    from linewright.wiring import open_records

    loaded = load_site(site)
    typer.echo(take(file, site=loaded, records=open_records(loaded)))


@orders_app.command("list")
def list_orders(site: SiteOption = None) -> None:
    """List the orders that are open, by due date."""
    from linewright.wiring import open_records

    for order in open_records(load_site(site)).orders():
        hard = f"  no later than {order.deadline_at:%Y-%m-%d %H:%M}Z" if order.deadline_at is not None else ""
        typer.echo(f"{order.due_at:%Y-%m-%d %H:%M}Z  {order.number:<16} {order.quantity:10.0f} {order.product}{hard}")


def replay(
    mapping: Annotated[Path, typer.Argument(help="TOML file that maps the recorded files to topics and fields.")],
    source: Annotated[
        Path | None, typer.Option(help="Folder of the recorded files; default: as in the mapping.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Recorded seconds per second; 0: as fast as the broker confirms.")] = 0.0,
    as_now: Annotated[
        bool, typer.Option("--as-now", help="Shift the times so that the newest reading falls on this hour.")
    ] = False,
    site: SiteOption = None,
) -> None:
    """Publish recorded data over MQTT, in the order of time."""
    from linewright.recorded import replay_recorded

    typer.echo(replay_recorded(load_site(site), mapping=mapping, source=source, speed=speed, as_now=as_now))


def discover(
    seconds: Annotated[
        float, typer.Option(min=0, help="How long to listen [s]; 0: only look at the quarantine.")
    ] = 30.0,
    topic: Annotated[str, typer.Option(help="MQTT filter to listen to.")] = "#",
    broker: Annotated[str, typer.Option(help="Which broker: main, or a name of [[ingest.brokers]].")] = "main",
    site: SiteOption = None,
) -> None:
    """Find topics that no mapping serves, and print TOML that would serve them, to read, correct and paste."""
    from linewright.discovery import discover as propose
    from linewright.lifecycle import stop_on_signals

    text = propose(
        load_site(site),
        topic_filter=topic,
        broker=broker,
        seconds=seconds,
        stop=stop_on_signals(),
        announce=lambda sentence: typer.echo(sentence, err=True),
    )
    typer.echo(text, nl=False)


def ledger(site: SiteOption = None, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show what became of every message and sample, by topic filter; exit code 0 only when the account is even."""
    from linewright.account import account_of, as_text
    from linewright.wiring import open_store

    store = open_store(load_site(site))
    document = account_of(store.ledger())
    store.close()
    typer.echo(document.model_dump_json(indent=2) if as_json else as_text(document))
    if not document.balanced:
        raise typer.Exit(1)
