"""Reads a site from linewright.toml and the environment, and tells all faults at once."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from analytics.model_settings import ModelSettings
from analytics.settings import AlarmPolicy
from ingest.broker_settings import BrokerSettings
from ingest.settings import IngestSettings
from ingest.simulator.settings import SimulatorSettings
from ingest.simulator.settings import check as check_simulator
from ingest.sparkplug.links import HOST, connections, host_faults
from ingest.topics import compile_router
from linewright.settings import mappings, warnings
from linewright.settings.environment import apply, is_secret, overrides, variable
from linewright.settings.faults import describe
from linewright.settings.files import file_faults, resolve_files
from linewright.settings.objective import ObjectivePart
from linewright.settings.plant import PlantPart
from linewright.settings.production import CalendarPart, DemandPart, PlanningPart, ProductionPart, ShiftPart, TariffPart
from linewright.settings.references import reference_faults
from linewright.settings.replanning import ReplanningPart
from linewright.settings.shell import (
    ClusterSettings,
    ConsoleSettings,
    StoreKind,
    StorePart,
    TopicSettings,
    WebhookSettings,
    fill,
)
from linewright.settings.site import Site, Topics
from linewright.settings.toml import Document, key_path, path_of, read_toml
from linewright.settings.toml import Path as KeyPath
from linewright.settings.words import closest, shown
from plant.assets import Plant
from plant.clock import PlantClock
from plant.errors import ConfigError, Fault
from store.books.settings import RecordsSettings
from store.influx.settings import InfluxSettings

SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "plant": PlantPart,
    "production": ProductionPart,
    "demand": DemandPart,
    "calendar": CalendarPart,
    "tariff": TariffPart,
    "planning": PlanningPart,
    "objective": ObjectivePart,
    "replanning": ReplanningPart,
    "alarms": AlarmPolicy,
    "broker": BrokerSettings,
    "ingest": IngestSettings,
    "store": StorePart,
    "records": RecordsSettings,
    "topics": TopicSettings,
    "console": ConsoleSettings,
    "webhook": WebhookSettings,
    "influx": InfluxSettings,
    "cluster": ClusterSettings,
    "model": ModelSettings,
    "simulator": SimulatorSettings,
}
"""Tables of linewright.toml; `plant` is required, without `webhook`, `influx` and `simulator` there is none."""
OPTIONAL: Final = frozenset({"calendar", "tariff", "webhook", "influx", "simulator"})
"""Sections that have no defaults of their own."""
AROUND_THE_CLOCK: Final = CalendarPart(shifts=(ShiftPart(name="all day", start_hour=0, hours=24),))
FREE_ENERGY: Final = TariffPart.model_validate({"base_price_per_kwh": 0.0})


def load(path: Path, environ: Mapping[str, str], *, now: datetime | None = None) -> Site:
    """Read a configuration, set what the environment overrides, and check all of it.

    Args:
        path: The file `linewright.toml`.
        environ: Environment variables.
        now: Wall time, for relative and past due dates; None: read from the clock.

    Raises:
        ConfigError: With every fault found.
    """
    document = _read(path)
    changes = overrides(environ)
    faults = list(apply(document.values, changes, file=path.name))
    if any(path_[:1] == ("simulator",) for path_ in changes) and document.values.get("simulator") == {}:
        del document.values["simulator"]
    resolve_files(document.values, folder=path.parent)
    found = [*_unknown_sections(document.values), *reference_faults(document.values), *file_faults(document.values)]
    parts: dict[str, Any] = {}
    for name, model in SECTIONS.items():
        if name in document.values or name not in OPTIONAL:
            parts[name], problems = _validate(name, model, document.values.get(name, {}))
            found += problems
    if parts["plant"] is not None and parts["ingest"] is not None:
        parts["ingest"], problems = mappings.completed(parts["ingest"], parts["plant"])
        found += problems
    if not found:
        found += _misfits(parts)
    unique = {(where, expected): (where, found_, expected) for where, found_, expected in found}
    ordered = sorted(unique.values(), key=lambda item: document.line(item[0]) or 0)
    faults += [_fault(item, document=document, changes=changes, file=path.name) for item in ordered]
    if faults:
        raise ConfigError(tuple(faults))
    return _site(parts, values=document.values, path=path, now=now or datetime.now(tz=UTC))


def _read(path: Path) -> Document:
    where = str(path)
    try:
        return read_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        expected = "write one with `linewright init`, or name its folder with `--site DIR`"
        raise ConfigError((Fault(where=where, found="no file", expected=expected),)) from None
    except (OSError, UnicodeDecodeError) as error:
        expected = "it must be a readable text file in UTF-8"
        raise ConfigError((Fault(where=where, found=str(error), expected=expected),)) from None
    except tomllib.TOMLDecodeError as error:
        expected = "correct it as TOML, see https://toml.io; nothing after it could be checked"
        raise ConfigError((Fault(where=where, found=str(error), expected=expected),)) from None


def _unknown_sections(values: dict[str, Any]) -> list[tuple[KeyPath, str, str]]:
    known = [*SECTIONS, "demo"]
    found: list[tuple[KeyPath, str, str]] = []
    for name, value in values.items():
        if name not in known:
            hint = closest(name, known) or f"; known are {', '.join(known)}"
            found.append(((name,), f"the key {name!r}", f"there is no such section{hint}"))
        elif name == "demo" and not isinstance(value, bool):
            found.append(((name,), shown(value), "must be true or false"))
    return found


def _validate(
    name: str, model: type[BaseModel], values: Any
) -> tuple[BaseModel | None, list[tuple[KeyPath, str, str]]]:
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        described = (describe(detail, model=model) for detail in error.errors())
        return None, [((name, *where), found, expected) for where, found, expected in described]


def _misfits(parts: dict[str, Any]) -> list[tuple[KeyPath, str, str]]:
    """What is sound by itself and does not fit the plant."""
    plant: Plant = parts["plant"].word()
    faults: list[Fault] = [
        Fault(
            where=f"ingest.brokers[{index}].client_id",
            found=repr(each.client_id),
            expected=f"[broker] has the same session at {each.address}, each would push the other out; choose another",
        )
        for index, each in enumerate(parts["ingest"].brokers)
        if (each.address, each.client_id) == (parts["broker"].address, parts["broker"].client_id)
    ]
    for name, (broker, settings) in connections(parts["ingest"], broker=parts["broker"]).items():
        further = [index for index, each in enumerate(parts["ingest"].brokers) if name == f"{each.name}.{HOST}"]
        where = f"ingest.brokers[{further[0]}]" if further else "broker"
        faults += host_faults(settings, broker=broker, where=where)
    try:
        compile_router(parts["ingest"].mappings, plant=plant)
    except ConfigError as error:
        faults += error.faults
    if parts.get("simulator") is not None:
        faults += check_simulator(parts["simulator"], plant)
    if parts["store"].kind is StoreKind.INFLUXDB and parts.get("influx") is None:
        expected = "add [influx] with url, org, bucket and token_file, which say where the readings are kept"
        faults.append(Fault(where="store.kind", found="'influxdb' without a section [influx]", expected=expected))
    return [(path_of(fault.where), fault.found, fault.expected) for fault in faults]


def _fault(item: tuple[KeyPath, str, str], *, document: Document, changes: Mapping[KeyPath, Any], file: str) -> Fault:
    path, found, expected = item
    if path in changes:
        return Fault(
            where=f"environment {variable(path)}", found="a secret" if is_secret(path) else found, expected=expected
        )
    line = document.line(path)
    where = f"{file}: {key_path(path)}" + (f" (line {line})" if line is not None else "")
    return Fault(where=where, found="a secret" if is_secret(path) else found, expected=expected)


def _site(parts: dict[str, Any], *, values: dict[str, Any], path: Path, now: datetime) -> Site:
    plant: Plant = parts["plant"].word()
    production: ProductionPart = parts["production"]
    demand: DemandPart = parts["demand"]
    topics: TopicSettings = parts["topics"]
    simulator: SimulatorSettings | None = parts.get("simulator")
    if simulator is not None and "plan_topic" not in simulator.model_fields_set:
        simulator = simulator.model_copy(update={"plan_topic": topics.plan})
    told = simulator or SimulatorSettings.model_validate({})
    folder = path.parent.absolute()

    def topic(template: str) -> str:
        return fill(template, enterprise=plant.enterprise, site=plant.site)

    site = Site(
        folder=folder,
        data=folder / parts["store"].folder,
        plant=plant,
        products=tuple(part.word() for part in production.products),
        capabilities=tuple(part.word() for part in production.capabilities),
        changeovers=production.changeover_words(),
        set_up_for=production.set_up_words(),
        orders=tuple(part.word(timezone=plant.timezone, now=now) for part in demand.orders),
        stock=demand.stock_words(),
        calendar=parts.get("calendar", AROUND_THE_CLOCK).word(timezone=plant.timezone),
        tariff=parts.get("tariff", FREE_ENERGY).word(),
        planning=parts["planning"].word(),
        objective=parts["objective"].word(),
        replanning=parts["replanning"],
        alarms=parts["alarms"],
        ingest=parts["ingest"],
        broker=parts["broker"],
        store=parts["store"],
        keeps=parts["store"].kind,
        records=parts["records"],
        cluster=parts["cluster"],
        console=parts["console"],
        webhook=parts.get("webhook"),
        influx=parts.get("influx"),
        topics=Topics(
            orders=topic(topics.orders),
            plan=topic(topics.plan),
            alerts=topic(topics.alerts),
            avoided=topic(told.avoided_topic),
            breaking=topic(told.break_topic),
        ),
        model=parts["model"],
        simulator=simulator,
        clock=PlantClock(),
        demo=bool(values.get("demo", False)),
    )
    return warnings.with_warnings(site, sections=frozenset(values), now=now)
