"""A small plant with a day of history, written with the real store and the real records, for tests in a browser."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from console_plans import HEADLINE, HOUR, NOW, infeasible_plan, proposed_plan

from analytics.model_settings import ModelSettings
from analytics.settings import AlarmPolicy
from ingest.broker_settings import BrokerSettings
from ingest.settings import IngestSettings
from ingest.simulator.canonical import demo_facts
from linewright.settings.shell import ConsoleSettings
from linewright.settings.site import Site, Topics
from linewright.wiring import open_records
from plant.alerts import Alert, AlertState, Severity
from plant.assets import SignalKind
from plant.clock import PlantClock, microseconds
from plant.kpis import Kpi
from plant.plans import Decision
from plant.production import PlanningPolicy
from plant.risks import Evidence, Risk
from plant.signals import Batch, Quality
from store.embedded.writer import EmbeddedWriter
from store.records import Records
from store.settings import StoreSettings

TEXT_KINDS = (SignalKind.STATE, SignalKind.EVENT)
MARKUP = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'


def seeded_site(folder: Path, *, port: int, clock: PlantClock) -> Site:
    """The site that tests and the served process share."""
    facts = demo_facts(NOW.replace(minute=0))
    lines = tuple(
        replace(
            line,
            machines=tuple(
                replace(machine, label=f"{MARKUP} Packer 3") if machine.name == "L3-packer" else machine
                for machine in line.machines
            ),
        )
        for line in facts.plant.lines
    )
    return Site(
        folder=folder,
        data=folder / ".linewright",
        plant=replace(facts.plant, lines=lines),
        products=facts.products,
        capabilities=facts.capabilities,
        orders=facts.orders,
        stock=facts.stock,
        calendar=facts.calendar,
        tariff=facts.tariff,
        planning=PlanningPolicy(),
        alarms=AlarmPolicy(),
        ingest=IngestSettings(),
        broker=BrokerSettings(port=18830),
        store=StoreSettings(),
        console=ConsoleSettings(host="127.0.0.1", port=port),
        webhook=None,
        influx=None,
        topics=Topics(
            orders="linewright/linz/orders",
            plan="linewright/linz/plan",
            alerts="linewright/linz/alerts",
            avoided="linewright/linz/avoided",
            breaking="linewright/linz/break",
        ),
        model=ModelSettings(),
        simulator=None,
        clock=clock,
    )


def write_readings(site: Site, writer: EmbeddedWriter, *, run: str, instants: Sequence[datetime]) -> None:
    """One batch with a reading of every machine at each instant, received 20 s of plant time later."""
    random = np.random.default_rng(len(instants))
    tables, messages = {}, 0
    for machine_class in site.plant.classes:
        machines = [m for m in site.plant.machines if m.machine_class == machine_class.name]
        rows: list[dict[str, object]] = []
        for machine in machines:
            for at in instants:
                if machine.name == "L1-mill" and NOW - 7 * HOUR < at < NOW - 5 * HOUR:
                    continue
                rows.append({"machine": machine.name, "message": messages, **_reading(machine.name, at, random)})
                messages += 1
        if not rows:
            continue
        columns = {name: [row.get(name) for row in rows] for name in rows[0]}
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        for name, kind in (("message", pa.int32()), ("quality", pa.uint8())):
            table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind))
        tables[machine_class.name] = table
    writer.write(
        Batch(
            run=run,
            tables=tables,
            filters=("acme/linz/+/+/+/telemetry",),
            message_filter=np.zeros(messages, dtype=np.int16),
            received=np.array([messages], dtype=np.int64),
        )
    )


def write_death(site: Site, writer: EmbeddedWriter, *, run: str, machine: str) -> None:
    """A reading without values that declares a machine's source dead, as a Sparkplug death does."""
    machine_class = site.plant.class_of(machine)
    at_us = microseconds(NOW + timedelta(seconds=60))  # after every reading
    columns: dict[str, pa.Array] = {
        "machine": pa.array([machine]),
        "observed_at": pa.array([at_us]),
        "received_at": pa.array([at_us]),
        "message": pa.array([0], pa.int32()),
        "quality": pa.array([int(Quality.STALE)], pa.uint8()),
    }
    for signal in machine_class.signals:
        columns[signal.name] = pa.array([None], pa.string() if signal.kind in TEXT_KINDS else pa.float64())
    writer.write(
        Batch(
            run=run,
            tables={machine_class.name: pa.table(columns)},
            filters=("acme/linz/+/+/+/telemetry",),
            message_filter=np.zeros(1, dtype=np.int16),
            received=np.array([1], dtype=np.int64),
        )
    )


def write_edge_nodes(records: Records, *, at: datetime) -> None:
    """The ingest role's word on a link with two Sparkplug edge nodes, one of them dead."""
    counts = {"births": 1, "deaths_ignored": 0, "repeats": 0, "unanswered": 0, "rebirth_at_us": None}
    born_at_us = microseconds(NOW - 2 * HOUR)
    nodes = [
        {
            "node": f"linz/L{number}",
            "state": state,
            "born_at_us": born_at_us,
            "died_at_us": died,
            "devices": 4,
            **counts,
        }
        | {"devices_not_online": away, "gaps": number, "rebirths": 1, "deaths": len(away)}
        for number, state, died, away in (
            (1, "online", None, []),
            (2, "stale", microseconds(NOW), ["press", "mill", "oven", "packer"]),
        )
    ]
    link = {
        "link": "main.sparkplug",
        "broker": "127.0.0.1:18830",
        "connected": True,
        "connected_for_s": 60.0,
        "received": 9,
        "in_flight": 0,
        "store_available": True,
        "sparkplug": {"host_id": "linewright", "online": 1, "stale": 1, "awaited": 0, "rebirths": 2, "nodes": nodes},
    }
    records.beat("ingest", pid=1, since=at, at=at, detail={"links": [link]})


def write_records(site: Site) -> None:
    """Figures, risks, alerts, plans and the banner."""
    records = open_records(site)
    try:
        records.put_kpis(_kpis(site))
        for hours_ago in range(20, -1, -1):
            records.put_risks([_risk(machine.name, hours_ago) for machine in site.plant.machines])
        records.put_alerts(_alerts())
        records.put_maintenance("L2-press", kind="failed", at=NOW - 200 * HOUR)
        records.put_maintenance("L2-press", kind="repaired", at=NOW - 188 * HOUR)
        facts = b"{}"
        records.put_plan(proposed_plan("P-20261123T070000-1", NOW - 2 * HOUR), facts)
        records.decide("P-20261123T070000-1", Decision.ACCEPTED, by="Petra", reason="", at=NOW - 2 * HOUR)
        records.put_plan(infeasible_plan(), facts)
        records.put_plan(proposed_plan("P-20261123T090000-3", NOW - 0.5 * HOUR, headline=HEADLINE), facts)
        records.note("banner", {"sentence": HEADLINE, "href": "/machine/L2-press", "kind": "risk"})
    finally:
        records.close()


def _reading(machine: str, at: datetime, random: np.random.Generator) -> dict[str, object]:
    kind = machine.split("-")[1]
    hours_ago = (NOW - at) / HOUR
    wear = max(0.0, 1 - hours_ago / 14) ** 1.6 if machine == "L2-press" else 0.0
    state = "Execute"
    if machine == "L3-oven" and hours_ago < 0.7:
        state = "Aborted"
    elif machine.startswith("L3") and hours_ago < 0.6:
        state = "Suspended"
    elif machine == "L1-packer" and hours_ago < 0.2:
        state = "Held"
    elif 9 < hours_ago < 9.6:
        state = "Idle"
    busy = 1.0 if state == "Execute" else 0.15
    scale = {"press": 1.0, "mill": 0.8, "oven": 2.4, "packer": 0.35}[kind]
    made = max(0.0, (at - (NOW - 30 * HOUR)) / HOUR) * 70
    product = {"L1": "bracket", "L2": "gear", "L3": "shaft"}[machine[:2]]
    return {
        "observed_at": microseconds(at),
        "received_at": microseconds(at + timedelta(seconds=20)),
        "quality": 0,
        "vibration_mm_s": round(busy * (1.6 + 3.4 * wear) + 0.12 * random.standard_normal() ** 2, 3),
        "temperature_c": round(22 + busy * 34 * min(scale, 1.6) + 11 * wear + random.normal(0, 0.5), 2),
        "current_a": round(busy * scale * (38 + 5 * wear) + random.normal(0, 0.4), 2),
        "power_kw": round(busy * scale * (19 + 2.4 * wear) + random.normal(0, 0.25), 2),
        "cycle_time_s": round(30.0 + 2.5 * wear + random.normal(0, 0.3), 2),
        "speed_ratio": 0.92 if busy == 1.0 else 0.0,
        "scrap_parts": float(int(made * 0.024)),
        "good_parts": float(int(made * 0.976)),
        "energy_kwh": round(made * 0.3 * scale, 2),
        "state": state,
        "product": product if hours_ago < 11 else "flange",
    }


def _kpis(site: Site) -> list[Kpi]:
    kpis = []
    for line_index, line in enumerate(site.plant.lines):
        for index, entity in enumerate([*(machine.name for machine in line.machines), line.name]):
            production_h = 7.6 - 0.35 * index - 0.5 * line_index
            produced = 560.0 - 12 * index
            kpis.append(
                Kpi(
                    entity=entity,
                    start=NOW - 8 * HOUR,
                    end=NOW,
                    planned_busy_h=8.0,
                    production_h=production_h,
                    produced=produced,
                    good=produced * (0.978 - 0.006 * line_index),
                    target_h=production_h * (0.95 - 0.02 * index),
                    energy_kwh=310.0,
                )
            )
    return kpis


def _risk(machine: str, hours_ago: int) -> Risk:
    wearing = machine == "L2-press"
    probability = 0.03 + 0.012 * (hash_of(machine) % 5)
    if wearing:
        probability = 0.06 + 0.76 * max(0.0, 1 - hours_ago / 14) ** 1.5
    elif machine == "L1-oven":
        probability = 0.31
    horizons = tuple(float(h) for h in (1, 2, 4, 8, 12, 24, 36, 48, 72, 120, 168, 240))
    rate = -np.log(1 - min(probability, 0.99)) / 24
    survival = tuple(float(np.exp(-rate * h * (1 + (h / 60 if wearing else 0)))) for h in horizons)
    evidence = (
        Evidence(
            signal="vibration_mm_s",
            scale="6 h mean",
            contribution=2.4,
            share=0.62,
            value=4.9,
            baseline=1.7,
            deviation_sigma=4.1,
            since=NOW - 9 * HOUR,
            sentence="vibration 4.1 sigma above its own baseline since 02:20: 62 % of the risk",
        ),
        Evidence(
            signal="temperature_c",
            scale="slope",
            contribution=0.9,
            share=0.23,
            value=66.0,
            baseline=56.0,
            deviation_sigma=2.6,
            since=NOW - 4 * HOUR,
            sentence="temperature rising by 1.1 °C per hour since 06:10: 23 % of the risk",
        ),
        Evidence(
            signal="age",
            scale="age",
            contribution=0.5,
            share=0.15,
            value=188.0,
            baseline=0.0,
            deviation_sigma=0.0,
            since=None,
            sentence="188 h of operation since its repair: 15 % of the risk",
        ),
    )
    unknown = machine == "L3-mill"
    return Risk(
        machine=machine,
        mode="bearing" if wearing else "any",
        assessed_at=NOW - hours_ago * HOUR,
        horizons_h=horizons,
        survival=survival,
        probability=probability,
        horizon_h=24.0,
        remaining_life_p10_h=3.1 if wearing else 96.0,
        remaining_life_p50_h=11.4 if wearing else 240.0,
        remaining_life_p90_h=31.0 if wearing else 240.0,
        evidence=evidence if wearing else (),
        model_version="base rate" if unknown else "press-20261122T2310-7f3a",
        enough_data=not unknown,
        reason="4 of at least 10 readings since its maintenance" if unknown else "",
        age_h=188.0,
    )


def hash_of(text: str) -> int:
    """A small number that is the same in every process."""
    return sum(map(ord, text))


def _alerts() -> list[Alert]:
    evidence = (
        "vibration 4.1 sigma above its own baseline since 02:20: 62 % of the risk",
        "temperature rising by 1.1 °C per hour since 06:10: 23 % of the risk",
        "188 h of operation since its repair: 15 % of the risk",
    )
    press = Alert(
        number="A-2026-11-23-L2-press-1",
        machine="L2-press",
        mode="bearing",
        state=AlertState.ACTIVE,
        severity=Severity.HIGH,
        opened_at=NOW - 3 * HOUR,
        changed_at=NOW - HOUR,
        probability=0.82,
        horizon_h=24.0,
        title="Press 2: bearing wearing, 82 % likely to fail within 24 h.",
        action="Maintain Press 2 before Tue 04:00; the plan has a window at 03:00. Have the bearing set at hand.",
        evidence=evidence,
    )
    return [
        press,
        replace(
            press,
            number="A-2026-11-23-L1-oven-1",
            machine="L1-oven",
            mode="fan",
            state=AlertState.RETURNED,
            severity=Severity.MEDIUM,
            opened_at=NOW - 6 * HOUR,
            probability=0.31,
            title=f"Oven 1: fan slowing. {MARKUP}",
            action="Look at the fan at the next stop.",
            evidence=("current 2.2 sigma below its own baseline since 03:00: 80 % of the risk",),
        ),
        replace(
            press,
            number="A-2026-11-15-L2-press-1",
            state=AlertState.CLOSED,
            opened_at=NOW - 215 * HOUR,
            closed_at=NOW - 188 * HOUR,
            title="Press 2: seal wearing, 71 % likely to fail within 24 h.",
            acknowledged_by="Petra",
        ),
    ]
