"""Commands on messages that could not be used: list, show, replay after a fix, drop."""

from pathlib import Path
from typing import Annotated

import typer

from linewright.cli.site import SiteOption, load_site

app = typer.Typer(no_args_is_help=True)

Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers, as `linewright quarantine list` shows them.")]
Topic = Annotated[str | None, typer.Option(help="Only messages whose topic fits this MQTT filter, e.g. `acme/+/#`.")]
Reason = Annotated[str | None, typer.Option(help="Only messages with this reason, e.g. unknown_machine.")]
Everything = Annotated[bool, typer.Option("--all", help="Every message in quarantine, or all that fit the options.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="How long to wait for ingest's answer [s].")]


@app.command("list")
def list_messages(
    site: SiteOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    topic: Topic = None,
    reason: Reason = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one message a line.")] = False,
) -> None:
    """List quarantined messages, newest first, each with its time and reason."""
    from linewright.quarantine import as_json_line, as_text_line, chosen

    for message in chosen(load_site(site), topic=topic, reason=reason, limit=limit):
        typer.echo(as_json_line(message) if as_json else as_text_line(message))


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(help="Number, as `linewright quarantine list` shows it.")],
    site: SiteOption = None,
) -> None:
    """Show one quarantined message with its payload."""
    from linewright.quarantine import as_document, find

    message = find(load_site(site), number)
    if message is None:
        typer.echo(f"There is no quarantined message {number}; it may have been replayed or dropped.", err=True)
        raise typer.Exit(1)
    typer.echo(as_document(message))


@app.command("replay")
def replay(
    numbers: Numbers = None,
    site: SiteOption = None,
    topic: Topic = None,
    reason: Reason = None,
    everything: Everything = False,
    wait_s: Wait = 15.0,
) -> None:
    """Send messages the way of a message again, after the mapping or the plant was corrected.

    Each is stored exactly once; one that is rejected again stays in quarantine under a new number.
    """
    _ask("replay", numbers, site, topic=topic, reason=reason, everything=everything, wait_s=wait_s)


@app.command("drop")
def drop(
    numbers: Numbers = None,
    site: SiteOption = None,
    topic: Topic = None,
    reason: Reason = None,
    everything: Everything = False,
    wait_s: Wait = 15.0,
) -> None:
    """Remove messages from quarantine for good; the ledger goes on counting them as quarantined."""
    _ask("drop", numbers, site, topic=topic, reason=reason, everything=everything, wait_s=wait_s)


def _ask(
    task: str,
    numbers: list[int] | None,
    folder: Path | None,
    *,
    topic: str | None,
    reason: str | None,
    everything: bool,
    wait_s: float,
) -> None:
    from linewright.quarantine import ask, chosen

    if not numbers and not (everything or topic or reason):
        typer.echo(f"Nothing was chosen to {task}: give numbers, --topic, --reason or --all.", err=True)
        raise typer.Exit(2)
    site = load_site(folder)
    if not numbers:
        numbers = [message.number for message in reversed(chosen(site, topic=topic, reason=reason))]
    if not numbers:
        typer.echo("No message in quarantine fits.")
        return
    outcome = ask(site, task=task, numbers=numbers, wait_s=wait_s)
    typer.echo(outcome.sentence, err=not outcome.done)
    if not outcome.done:
        raise typer.Exit(1)
