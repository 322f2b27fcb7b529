"""`linewright workorders ...`: list and show work orders, and record what the mechanic found."""

import getpass
from typing import Annotated

import typer

from linewright.cli.site import SiteOption, load_site
from plant.work_orders import Finding, WorkOrder, WorkOrderState

app = typer.Typer(no_args_is_help=True)
Number = Annotated[str, typer.Argument(help="Number of the work order.")]


@app.command("list")
def list_work_orders(
    site: SiteOption = None,
    past: Annotated[bool, typer.Option("--past", help="Also those that are closed or cancelled.")] = False,
    machine: Annotated[str, typer.Option(help="Only of this machine.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one work order per line.")] = False,
) -> None:
    """List work orders, newest first."""
    import msgspec

    from linewright.wiring import open_records

    records = open_records(load_site(site))
    state = None if past else WorkOrderState.OPEN
    for order in records.work_orders(machine=machine or None, state=state):
        typer.echo(
            msgspec.json.encode(order).decode() if as_json else f"{order.number}  {told(order):<24} {order.title}"
        )
    records.close()


@app.command()
def show(number: Number, site: SiteOption = None) -> None:
    """Show a work order and every state it was in."""
    from linewright.wiring import open_records

    records = open_records(load_site(site))
    order, states = records.work_order(number), records.work_order_history(number)
    records.close()
    if order is None:
        _unknown(number)
        return
    typer.echo(f"{order.title}\n{order.machine}: {told(order)}")
    if order.alert:
        suspects = order.suspected_mode or "nothing in particular, its readings are unusual"
        typer.echo(f"Asked for by alert {order.alert}, which suspects: {suspects}")
    if order.planned_start is not None and order.planned_end is not None:
        typer.echo(f"Planned {order.planned_start:%Y-%m-%d %H:%M}Z to {order.planned_end:%H:%M}Z by {order.plan}")
    for each in states:
        words = [told(each), each.found_mode, each.note, f"by {each.closed_by}" if each.closed_by else ""]
        typer.echo(f"  - {', '.join(word for word in words if word)}")


@app.command()
def close(
    number: Number,
    finding: Annotated[Finding, typer.Option(help="What was found.")],
    mode: Annotated[str, typer.Option(help="Failure mode that was found, e.g. bearing.")] = "",
    note: Annotated[str, typer.Option(help="Anything else, in your words.")] = "",
    by: Annotated[str, typer.Option(help="Who looked; default: the user of this terminal.")] = "",
    site: SiteOption = None,
) -> None:
    """Record what the mechanic found; once more corrects it, and both stay in the history."""
    from linewright.wiring import open_records
    from linewright.work_orders import close_work_order

    loaded = load_site(site)
    records = open_records(loaded)
    if records.work_order(number) is None:
        _unknown(number)
    closed = close_work_order(
        records,
        number=number,
        finding=finding,
        mode=mode,
        note=note,
        by=by or getpass.getuser(),
        at=loaded.clock.now(),
    )
    records.close()
    typer.echo(f"{closed.number} is closed: {told(closed)}, found by {closed.closed_by}.")


def told(order: WorkOrder) -> str:
    """State and finding in words.

    >>> from datetime import UTC, datetime
    >>> told(WorkOrder(number="W-1", machine="m", title="", created_at=datetime(2026, 1, 1, tzinfo=UTC)))
    'open, no time yet'
    """
    if order.finding is not None:
        return order.finding.value.replace("_", " ")
    if not order.is_open:
        return order.state.value
    return "open, no time yet" if order.planned_start is None else f"open, {order.planned_start:%Y-%m-%d %H:%M}Z"


def _unknown(number: str) -> None:
    typer.echo(f"There is no work order {number}; `linewright workorders list --past` shows those there are.", err=True)
    raise typer.Exit(1)
