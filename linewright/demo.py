"""`linewright demo`: a simulated plant from nothing to a proposed plan, without any configuration."""

import shutil
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ingest.publisher import Publisher
from ingest.simulator.publish import break_payload
from linewright.instance import run_instance
from linewright.lifecycle import stop_on_signals
from linewright.production import seed_records
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.simulation import keep_history, make_history
from linewright.training import train_site
from linewright.wiring import keep_clock, open_records, open_site
from plant.clock import PlantClock, instant
from plant.errors import ConfigError, Fault, Unavailable

MARKER: Final = ".linewright-demo"
"""Says that a folder is the demo's own and may be made anew."""
BROKER_PORT: Final = 18830
HOUR_US: Final = 3_600_000_000


def run_demo(folder: Path, *, console_port: int, seconds: float, announce: Callable[[str], None]) -> None:
    """Make the demo's site anew, give it a history and models, and run it until Ctrl-C.

    Args:
        folder: The demo's folder; removed and made anew if an earlier demo made it.
        console_port: Wanted port of the console; a free one is taken if it is in use.
        seconds: Stop by itself after this time of live; 0: never.
        announce: Receives sentences for the person at the terminal.
    """
    stop = stop_on_signals()
    began_s = time.monotonic()
    site = _new_site(folder, console_port=console_port)
    with Progress(
        TextColumn("{task.description:<52}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task("Preparing", total=1.0)

        def show(fraction: float, text: str) -> None:
            bar.update(task, completed=fraction, description=text)

        site = _prepare(site, progress=show, stop=stop)
    if stop.is_set():
        announce("Stopped before the plant went live.")
        return
    took_s = time.monotonic() - began_s
    announce(f"Ready after {took_s:.0f} s. The plant runs {site.clock.speed:.0f} times faster than the wall.")
    announce(_what_to_look_for(site, folder))
    if seconds > 0:
        threading.Timer(seconds, stop.set).start()
    run_instance(site, announce=announce, stop=stop)


def break_machine(folder: Path, *, machine: str) -> str:
    """Break a machine of a running demo; returns a sentence for the terminal.

    Raises:
        ConfigError: There is no demo in the folder, or its plant has no such machine.
        Unavailable: The demo is not running.
    """
    if not (folder / MARKER).exists():
        raise ConfigError(
            (Fault(where=str(folder), found="no demo", expected="start one with `linewright demo` first"),)
        )
    site = open_site(folder, environ={})
    if machine not in site.plant.machine_index:
        names = ", ".join(each.name for each in site.plant.machines)
        raise ConfigError((Fault(where="--break", found=machine, expected=f"one of {names}"),))
    publisher = Publisher(site.broker, client_id="linewright-break")
    try:
        publisher.connect(timeout_s=5.0)
        publisher.publish(site.topics.breaking, break_payload(site.plant, machine=machine))
    finally:
        publisher.close()
    label = site.plant.machine_index[machine].label
    return f"{label} ({machine}) is damaged now. Watch its risk rise on {console_url(site)}/machine/{machine}"


def console_url(site: Site) -> str:
    """Where the console answers."""
    return f"http://{site.console.host}:{site.console.port}"


def _new_site(folder: Path, *, console_port: int) -> Site:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise ConfigError(
                (
                    Fault(
                        where=str(folder),
                        found="a folder that no demo has made",
                        expected="choose another with --folder; the demo would remove what is in it",
                    ),
                )
            )
        _refuse_running(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    write_template(folder, broker_port=_free_port(BROKER_PORT), console_port=_free_port(console_port), demo=True)
    return open_site(folder, environ={})


def _prepare(site: Site, *, progress: Callable[[float, str], None], stop: threading.Event) -> Site:
    now_us = time.time_ns() // 1000
    live_us = now_us - now_us % HOUR_US
    history = make_history(
        site, until=instant(live_us), progress=lambda share, text: progress(0.3 * share, f"Simulating history: {text}")
    )
    if stop.is_set():
        return site
    progress(0.3, "Storing the history")
    # history is received at its own time, so that nothing seems late
    site = keep_clock(site, PlantClock(plant_epoch_us=live_us, wall_epoch_us=now_us, speed=1.0))
    records = open_records(site)
    keep_history(site, history, records=records)
    seed_records(site, records, now=instant(live_us))
    records.close()
    if stop.is_set():
        return site
    train_site(site, progress=lambda share, text: progress(0.4 + 0.6 * share, text))
    assert site.simulator is not None
    wall_us = time.time_ns() // 1000
    return keep_clock(site, PlantClock(plant_epoch_us=live_us, wall_epoch_us=wall_us, speed=site.simulator.speed))


def _what_to_look_for(site: Site, folder: Path) -> str:
    return (
        f"\n  Open {console_url(site)}\n\n"
        "  Within two minutes one machine's risk rises, an alert opens, and the plan moves its maintenance;\n"
        "  the banner says it in one sentence and leads to the evidence. Accept the plan, and the plant obeys.\n"
        f"  Break another machine:  linewright demo --folder {folder.name} --break L1-mill\n"
        f"  Look from outside:      linewright status --site {folder.name}\n"
    )


def _refuse_running(folder: Path) -> None:
    """Refuse to remove the folder of a demo whose roles still live."""
    records_file = folder / ".linewright" / "records.db"
    if not records_file.exists():
        return
    site = open_site(folder, environ={})
    records = open_records(site)
    newest = max((beat.at for beat in records.roles()), default=datetime.fromtimestamp(0, tz=UTC))
    records.close()
    if (datetime.now(tz=UTC) - newest).total_seconds() < 10.0:
        raise Unavailable(f"A demo is running in {folder}. Stop it with Ctrl-C there, or choose another --folder.")


def _free_port(wanted: int) -> int:
    for port in dict.fromkeys((wanted, 0)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise Unavailable("No free port was found on 127.0.0.1.")
