"""Commands that run processes: the whole instance, one role, or the demo."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linewright.cli.site import SiteOption, load_site

if TYPE_CHECKING:
    from linewright.settings.site import Site


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command()(run)
    app.command()(demo)
    own: dict[str, Callable[..., None]] = {"simulate": simulate, "ingest": ingest}
    for name, sentence in (
        ("ingest", "Take readings from the broker into the store (role; the only writer of the store)."),
        ("serve", "Serve the console and the API (role)."),
        ("work", "Assess, alert, plan and train on schedule (role)."),
        ("mirror", "Send the stored readings to InfluxDB as well (role; needs an [influx] section)."),
        ("broker", "Run the embedded broker (role; for the demo and small trials)."),
        ("simulate", "Publish a simulated plant over MQTT (role); or write its history with --history."),
    ):
        app.command(name, help=sentence)(own.get(name) or _role_command(name))


def run(site: SiteOption = None) -> None:
    """Run all roles of the site under one supervisor; SIGTERM or Ctrl-C ends them in order."""
    from linewright.instance import run_instance

    run_instance(load_site(site), announce=typer.echo)


def ingest(
    site: SiteOption = None,
    member: Annotated[
        str,
        typer.Option(
            help="Name of a further process that shares the messages ([broker] shared_group) and hands over to the one "
            "without this option, which holds the store."
        ),
    ] = "",
) -> None:
    from linewright.roles import run_role

    run_role("ingest", load_site(site), supervisor_pid=_supervisor(), member=member)


def simulate(
    site: SiteOption = None,
    history: Annotated[
        Path | None,
        typer.Option(help="Write history as a data folder (readings, failures, maintenance) instead of publishing."),
    ] = None,
) -> None:
    from linewright.roles import run_role, write_history

    loaded = load_site(site)
    if history is not None:
        typer.echo(write_history(loaded, folder=history))
        return
    run_role("simulate", loaded, supervisor_pid=_supervisor())


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its site; made anew each time.")] = Path(
        "linewright-demo"
    ),
    port: Annotated[int, typer.Option(help="Port of the console; another free one is taken if it is in use.")] = 8420,
    break_machine: Annotated[
        str, typer.Option("--break", metavar="LINE-MACHINE", help="Break a machine of the running demo, e.g. L1-mill.")
    ] = "",
    seconds: Annotated[float, typer.Option(help="Stop by itself after this time; 0: run until Ctrl-C.")] = 0.0,
) -> None:
    """Run a simulated plant, live in the browser: no configuration needed."""
    from linewright import demo as story

    if break_machine:
        typer.echo(story.break_machine(folder.absolute(), machine=break_machine))
        return
    story.run_demo(folder.absolute(), console_port=port, seconds=seconds, announce=typer.echo)


def _role_command(name: str) -> Callable[[Path | None], None]:
    def command(site: SiteOption = None) -> None:
        from linewright.roles import run_role

        loaded: Site = load_site(site)
        run_role(name, loaded, supervisor_pid=_supervisor())

    return command


def _supervisor() -> int | None:
    from linewright.lifecycle import SUPERVISOR_VARIABLE

    pid = os.environ.get(SUPERVISOR_VARIABLE)
    return int(pid) if pid else None
