"""What stands between this site and a good day: each part is really tried, and every finding says what to do."""

import importlib.metadata
import importlib.util
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from linewright.cluster import check_cluster
from linewright.doctor_data import check_clock, check_models, check_store
from linewright.findings import Finding, Level, count, ok
from linewright.mirror import check_influx
from linewright.settings.site import Site
from linewright.settings.warnings import is_loopback
from plant.errors import ConfigError, Unavailable

ROOMS: Final = ("linewright", "ingest", "store", "analytics", "optimizer", "plant")
BROKER_TIMEOUT_S: Final = 5.0
ROLE_ALIVE_S: Final = 15.0


def examine(site: Site) -> tuple[Finding, ...]:
    """Try configuration, broker, store, solver, models, names, console and clock of a site; takes some seconds."""
    checks: tuple[Callable[[Site], Iterator[Finding]], ...] = (
        check_configuration,
        check_broker,
        check_further_brokers,
        check_store,
        check_records,
        check_influx,
        check_cluster,
        check_solver,
        check_models,
        check_names,
        check_console,
        check_clock,
    )
    return tuple(finding for check in checks for finding in check(site))


def check_configuration(site: Site) -> Iterator[Finding]:
    """The configuration could be loaded, so what remains are its warnings."""
    plant = site.plant
    yield ok(
        "configuration",
        f"{plant.enterprise}/{plant.site}: {count(len(plant.lines), 'line')}, "
        f"{count(len(plant.machines), 'machine')}, {count(len(site.products), 'product')}, "
        f"{count(len(site.orders), 'order')}.",
    )
    for warning in site.warnings:
        sentence, _, advice = warning.rpartition(". ")
        yield Finding(check="configuration", level=Level.WARNING, sentence=f"{sentence}.", next_step=advice)
    if site.webhook is None:
        yield ok("webhook", "None is configured; alerts go to the console and to MQTT.")
    else:
        yield ok("webhook", f"Alerts are posted to {site.webhook.url}, signed; the doctor sends none.")


def check_broker(site: Site) -> Iterator[Finding]:
    """The broker welcomes a client with these credentials."""
    from ingest.publisher import Publisher

    address = site.broker.address
    if site.broker.embedded and _is_free(site.broker.port):
        yield ok(
            "broker", f"The embedded broker will listen at {address}; it is not running now, and its port is free."
        )
        return
    publisher = Publisher(site.broker, client_id=f"{site.broker.client_id}-doctor")
    began = time.perf_counter()
    try:
        publisher.connect(timeout_s=BROKER_TIMEOUT_S)
    except (Unavailable, ConfigError) as error:
        step = (
            f"Another program has port {site.broker.port}: choose another [broker] port, or stop that program."
            if site.broker.embedded
            else "Start the broker, or correct host, port, tls and credentials in [broker]."
        )
        yield Finding(check="broker", level=Level.FAULT, sentence=str(error), next_step=step)
        return
    finally:
        publisher.close(timeout_s=1.0)
    if site.broker.embedded and "broker" not in _alive(site):
        sentence = f"A broker that is not this site's listens at {address}, so the embedded one could not start."
        step = "Choose another [broker] port, stop the other broker, or use it with embedded = false."
        yield Finding(check="broker", level=Level.FAULT, sentence=sentence, next_step=step)
        return
    yield ok("broker", f"The broker at {address} welcomed us in {time.perf_counter() - began:.2f} s.")
    if site.broker.embedded and not is_loopback(site.broker.host):
        sentence = f"The embedded broker listens on this machine only, but host is {site.broker.host}."
        step = 'Set host = "127.0.0.1", or embedded = false.'
        yield Finding(check="broker", level=Level.WARNING, sentence=sentence, next_step=step)


def check_further_brokers(site: Site) -> Iterator[Finding]:
    """So does each further broker that messages are taken from."""
    from ingest.publisher import Publisher

    for each in site.ingest.brokers:
        publisher = Publisher(each, client_id=f"{each.client_id}-doctor")
        try:
            publisher.connect(timeout_s=BROKER_TIMEOUT_S)
        except (Unavailable, ConfigError) as error:
            step = "Start it, or correct it in [[ingest.brokers]]; the others are not held up by it."
            yield Finding(check=f"broker {each.name}", level=Level.FAULT, sentence=str(error), next_step=step)
        else:
            yield ok(f"broker {each.name}", f"The broker at {each.address} welcomed us.")
        finally:
            publisher.close(timeout_s=1.0)


def check_solver(site: Site) -> Iterator[Finding]:
    """The solver plans a tiny plant, and this site's facts make a problem."""
    from linewright.trial_plan import site_faults, solve_trial

    try:
        trial = solve_trial()
    except (ImportError, OSError, Unavailable) as error:
        sentence = f"The solver cannot be used ({error})."
        step = "Install it again: pip install --force-reinstall highspy pulp."
        yield Finding(check="solver", level=Level.FAULT, sentence=sentence, next_step=step)
        return
    if trial.proved:
        yield ok("solver", f"A trial plan is optimal and checked after {trial.seconds:.2f} s. {trial.solver}.")
    else:
        sentence = f"A trial plan that has an obvious optimum came out as {trial.status}."
        step = "Install the solver again: pip install --force-reinstall highspy pulp."
        yield Finding(check="solver", level=Level.FAULT, sentence=sentence, next_step=step)
    if not site.capabilities:
        sentence = "No line can make any product, so there is nothing to plan but maintenance."
        step = "Describe [production] if plans are wanted."
        yield Finding(check="planning", level=Level.WARNING, sentence=sentence, next_step=step)
        return
    faults = site_faults(site)
    for fault in faults:
        yield Finding(
            check="planning", level=Level.FAULT, sentence=f"{fault}.", next_step="Correct it in linewright.toml."
        )
    if not faults:
        hours = site.planning.horizon_h
        yield ok("planning", f"The site's facts make a sound problem over {hours} h.")


def check_names(site: Site) -> Iterator[Finding]:
    """No other package hides one of ours, and no two topics lead to one place."""
    home = Path(__file__).resolve().parents[1]
    owners = importlib.metadata.packages_distributions()
    clash = False
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin is not None else None
        others = sorted(set(owners.get(room, [])) - {"linewright"})
        if origin is None or origin.parents[1] != home:
            clash = True
            sentence = f"Python finds `{room}` at {origin or 'no place'} instead of {home / room}."
            step = "Start from another folder, or give Linewright an environment of its own (python -m venv)."
            yield Finding(check="names", level=Level.FAULT, sentence=sentence, next_step=step)
        elif others:
            clash = True
            sentence = f"The package {', '.join(others)} also installs a top-level `{room}`."
            step = "Give Linewright an environment of its own (python -m venv)."
            yield Finding(check="names", level=Level.WARNING, sentence=sentence, next_step=step)
    topics = [mapping.topic for mapping in site.ingest.mappings if not mapping.machine_class]
    for topic in sorted({topic for topic in topics if topics.count(topic) > 1}):
        clash = True
        sentence = f"The topic {topic} has two mappings for every class; the second never decodes anything."
        yield Finding(
            check="names", level=Level.WARNING, sentence=sentence, next_step="Remove one of [[ingest.mappings]]."
        )
    if not clash:
        yield ok("names", "No two machines, topics or Python packages get in each other's way.")


def check_console(site: Site) -> Iterator[Finding]:
    """The console's port is its own."""
    port = site.console.port
    if _is_free(port) or "serve" in _alive(site):
        yield ok("console", f"http://{site.console.host}:{port}")
        return
    sentence = f"Another program has port {port}, so the console could not start."
    yield Finding(check="console", level=Level.FAULT, sentence=sentence, next_step="Choose another [console] port.")


def check_records(site: Site) -> Iterator[Finding]:
    """The database of the records answers, where it is not a file of the instance."""
    if not site.records.url:
        return
    from linewright.wiring import open_records

    began = time.perf_counter()
    try:
        open_records(site).close()
    except Unavailable as error:
        step = "Start PostgreSQL, or correct url and password in [records]; no role starts without it."
        yield Finding(check="records", level=Level.FAULT, sentence=str(error), next_step=step)
        return
    yield ok("records", f"{site.records.url} answered in {time.perf_counter() - began:.2f} s.")


def _alive(site: Site) -> set[str]:
    """Roles that gave a sign of life just now."""
    if not site.records.url and not (site.data / "records.db").exists():
        return set()
    from linewright.wiring import open_records

    try:
        with closing(open_records(site)) as records:
            now = datetime.now(tz=UTC)
            return {role.role for role in records.roles() if (now - role.at).total_seconds() < ROLE_ALIVE_S}
    except Unavailable:
        return set()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
