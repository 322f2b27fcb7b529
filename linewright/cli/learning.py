"""What the product learned from outcomes: `linewright model labels | report` and `linewright plan coefficients`."""

import getpass
import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from linewright.cli.site import SiteOption, load_site

By = Annotated[str, typer.Option(help="Who does it; default: the user of this terminal.")]


def register(*, model: typer.Typer, plan: typer.Typer) -> None:
    """Adds the commands to `linewright model` and `linewright plan`."""
    model.command("labels")(show_labels)
    model.command("report")(report)
    plan.command("coefficients")(show_coefficients)


def report(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a model, as `train DIR --out` wrote it.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Data folder that the model did not learn from.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures, PNG and SVG.")],
    horizon: Annotated[float | None, typer.Option(help="Span of the risk, in the time unit.")] = None,
) -> None:
    """Draw risk over time with events, reliability, lead time, cost and contributions of a model on a data folder."""
    from linewright.datasets import report_folder

    typer.echo(report_folder(model, folder=folder, out=out, horizon=horizon))


def show_labels(
    out: Annotated[str, typer.Option("--leave-out", help="Work order whose finding is not to be learned from.")] = "",
    back: Annotated[str, typer.Option("--take-in", help="Work order whose finding is to count again.")] = "",
    why: Annotated[str, typer.Option(help="With --leave-out: the reason, for others.")] = "",
    by: By = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    site: SiteOption = None,
) -> None:
    """List what closed work orders teach the next training; * marks what the current models have learned."""
    from analytics.versions import current_version
    from linewright.outcomes import labels, learned_by, leave_out, take_in
    from linewright.wiring import open_records

    loaded = load_site(site)
    who = by or getpass.getuser()
    with closing(open_records(loaded)) as records:
        try:
            if out:
                leave_out(records, work_order=out, by=who, why=why, at=loaded.clock.now())
            if back:
                take_in(records, work_order=back, by=who, at=loaded.clock.now())
        except KeyError as unknown:
            typer.echo(unknown.args[0], err=True)
            raise typer.Exit(1) from None
        found = labels(records)
        used: set[str] = set()
        for machine_class in loaded.plant.classes:
            version = current_version(machine_class.name, folder=loaded.data / "models")
            used |= learned_by(records, version=version) if version else set()
    if as_json:
        rows = [{**asdict(label), "learned": label.work_order in used} for label in found]
        typer.echo(json.dumps(rows, indent=2, default=str))
        return
    for label in found:
        mark = "*" if label.work_order in used else " "
        told = f"; {label.left_out}" if label.left_out else ""
        typer.echo(f"{mark} {label.work_order:<28} {label.sentence}{told}")
    if not found:
        typer.echo("No work order has a finding yet; `linewright workorders close NUMBER --finding ...` gives it one.")


def show_coefficients(
    back: Annotated[
        str, typer.Option("--switch-back", help="LINE/PRODUCT/WHAT, LINE/PRODUCT, LINE or all: as configured again.")
    ] = "",
    on: Annotated[str, typer.Option("--switch-on", help="The same: use what was measured again.")] = "",
    measure: Annotated[bool, typer.Option("--measure", help="Measure now; else once a day, before a plan.")] = False,
    by: By = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    site: SiteOption = None,
) -> None:
    """Show how actual rate, scrap and energy correct what planning reckons with, each before and after with n."""
    from linewright.coefficients import correct_coefficients, corrections, switch
    from linewright.wiring import open_records, open_store

    loaded = load_site(site)
    with closing(open_records(loaded)) as records:
        if measure:
            with closing(open_store(loaded)) as store:
                correct_coefficients(loaded, store=store, records=records, now=loaded.clock.now())
        try:
            for name, is_back in ((back, True), (on, False)):
                if name:
                    switch(records, name=name, back=is_back, by=by or getpass.getuser(), at=loaded.clock.now())
        except KeyError as unknown:
            typer.echo(unknown.args[0], err=True)
            raise typer.Exit(1) from None
        found = corrections(records)
    if as_json:
        typer.echo(json.dumps([{**asdict(each), "used": each.used} for each in found], indent=2))
        return
    for each in found:
        typer.echo(f"{'*' if each.used else ' '} {each.sentence}")
    if not found:
        typer.echo("Nothing is corrected yet: a product needs 8 running hours within two weeks on a line.")
