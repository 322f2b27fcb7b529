"""The Plant page's content: lines as rows of machines in series, with totals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from analytics.kpi import add
from linewright.console.snapshot import Snapshot
from linewright.console.words import (
    MISSING,
    Mark,
    Tone,
    age,
    hours,
    moment,
    number,
    percent,
    severity_mark,
    significant,
    soon,
    state_mark,
)
from plant.alerts import Severity
from plant.assets import Line, Machine, Plant, SignalRole
from plant.clock import instant
from plant.kpis import Kpi
from plant.risks import Risk


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """One of the three factors of OEE."""

    name: str
    text: str
    ratio: float
    """Length of its bar [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineTile:
    name: str
    label: str
    href: str
    state: Mark
    since: str
    product: str
    oee: str
    factors: tuple[Factor, ...]
    power: str
    scrap: str
    risk: Mark
    risk_ratio: float
    """Length of the risk bar [0..1]."""
    alert: Mark | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LineCard:
    name: str
    label: str
    product: str
    oee: str
    power: str
    energy: str
    """Per good part."""
    scrap: str
    machines: tuple[MachineTile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """One big number."""

    title: str
    value: str
    detail: str
    tone: Tone = Tone.MUTED


@dataclass(frozen=True, kw_only=True, slots=True)
class PlantView:
    totals: tuple[Total, ...]
    lines: tuple[LineCard, ...]


def plant_view(
    snapshot: Snapshot, *, plant: Plant, products: Mapping[str, str], open_probability: float, now: datetime
) -> PlantView:
    """The whole page.

    Args:
        snapshot: What is known.
        plant: Its lines and machines.
        products: Label of each product by name.
        open_probability: From which an alert opens [0..1]; a risk bar is red from here.
        now: Plant time.
    """
    lines = tuple(
        _line_card(line, snapshot, plant=plant, products=products, open_probability=open_probability, now=now)
        for line in plant.lines
    )
    return PlantView(totals=_totals(snapshot, plant, now), lines=lines)


def risk_mark(risk: Risk | None, *, open_probability: float) -> Mark:
    """A risk in one word, e.g. `12 % in 24 h`."""
    if risk is None:
        return Mark(word=MISSING, tone=Tone.MUTED, hint="not assessed yet")
    within = f"of failing within {hours(risk.horizon_h)} of operation"
    if not risk.enough_data:
        return Mark(word=percent(risk.probability), tone=Tone.MUTED, hint=f"not enough data: {risk.reason}; base rate")
    tone = Tone.BAD if risk.probability >= open_probability else Tone.OK
    if tone is Tone.OK and risk.probability >= open_probability / 2:
        tone = Tone.WARN
    return Mark(word=percent(risk.probability), tone=tone, hint=f"{percent(risk.probability)} probability {within}")


def machine_tile(
    machine: Machine,
    snapshot: Snapshot,
    *,
    plant: Plant,
    products: Mapping[str, str],
    open_probability: float,
    now: datetime,
) -> MachineTile:
    """One machine in its line."""
    kpi = snapshot.kpis.get(machine.name)
    state = snapshot.role_value(plant, machine.name, SignalRole.STATE)
    product = snapshot.role_value(plant, machine.name, SignalRole.PRODUCT)
    power = snapshot.role_value(plant, machine.name, SignalRole.POWER)
    risk = snapshot.risks.get(machine.name)
    alerts = sorted(snapshot.open_alerts(machine.name), key=lambda a: list(Severity).index(a.severity), reverse=True)
    silent = snapshot.silent_for(plant, machine.name, now=now)
    stale_sign = f"{Tone.WARN.sign} " if snapshot.stale(machine.name) else ""
    mark, since = state_mark(str(state) if state is not None else None), ""
    if stale := snapshot.stale(machine.name):
        mark = Mark(
            word="Stale",
            tone=Tone.WARN,
            hint=f"its source was declared dead; {len(stale)} values are the last before that; was {mark.word}",
        )
        heard = snapshot.heard_at(machine.name)
        since = f"heard {moment(heard, timezone=plant.timezone, now=now)}"
    elif silent is not None:
        mark = Mark(
            word="Silent", tone=Tone.WARN, hint=f"nothing heard for {age(silent)} of plant time; was {mark.word}"
        )
        since = f"for {age(silent)}"
    elif machine.name in snapshot.state_since_us:
        at = instant(snapshot.state_since_us[machine.name])
        since = f"since {moment(at, timezone=plant.timezone, now=now)}"
    return MachineTile(
        name=machine.name,
        label=machine.label or machine.name,
        href=f"/machine/{quote(machine.name, safe='')}",
        state=mark,
        since=since,
        product=products.get(str(product), str(product)) if product else MISSING,
        oee=percent(kpi.oee if kpi else None),
        factors=_factors(kpi),
        power=f"{stale_sign}{number(power)} kW" if isinstance(power, float) else MISSING,
        scrap=percent(kpi.scrap_ratio if kpi else None, digits=1),
        risk=risk_mark(risk, open_probability=open_probability),
        risk_ratio=min(max(risk.probability, 0.0), 1.0) if risk else 0.0,
        alert=severity_mark(alerts[0].severity) if alerts else None,
    )


def _line_card(
    line: Line,
    snapshot: Snapshot,
    *,
    plant: Plant,
    products: Mapping[str, str],
    open_probability: float,
    now: datetime,
) -> LineCard:
    tiles = tuple(
        machine_tile(machine, snapshot, plant=plant, products=products, open_probability=open_probability, now=now)
        for machine in line.machines
    )
    kpi = snapshot.kpis.get(line.name)
    made = list(dict.fromkeys(tile.product for tile in tiles if tile.product != MISSING))
    return LineCard(
        name=line.name,
        label=line.label or line.name,
        product=" → ".join(reversed(made)) if len(made) <= 2 and made else (made[-1] if made else MISSING),
        oee=percent(kpi.oee if kpi else None),
        power=_power([machine.name for machine in line.machines], snapshot, plant),
        energy=_energy(kpi),
        scrap=percent(kpi.scrap_ratio if kpi else None, digits=1),
        machines=tiles,
    )


def _energy(kpi: Kpi | None) -> str:
    per_good = kpi.energy_per_good_kwh if kpi else None
    return MISSING if per_good is None else f"{significant(per_good)} kWh"


def _power(machines: Sequence[str], snapshot: Snapshot, plant: Plant) -> str:
    readings = [
        snapshot.role_value(plant, machine, SignalRole.POWER) for machine in machines if not snapshot.stale(machine)
    ]
    known = [reading for reading in readings if isinstance(reading, float)]
    return f"{number(sum(known))} kW" if known else MISSING


def _factors(kpi: Kpi | None) -> tuple[Factor, ...]:
    ratios = (
        ("Availability", kpi.availability if kpi else None),
        ("Effectiveness", kpi.effectiveness if kpi else None),
        ("Quality", kpi.quality_ratio if kpi else None),
    )
    return tuple(Factor(name=name, text=percent(r), ratio=min(max(r or 0.0, 0.0), 1.0)) for name, r in ratios)


def _totals(snapshot: Snapshot, plant: Plant, now: datetime) -> tuple[Total, ...]:
    names = [machine.name for machine in plant.machines]
    stale = sum(1 for name in names if snapshot.stale(name))
    states = [snapshot.role_value(plant, name, SignalRole.STATE) for name in names if not snapshot.stale(name)]
    running = sum(1 for state in states if state == "Execute")
    faults = sum(1 for state in states if state in ("Aborted", "Aborting"))
    lines = [snapshot.kpis[line.name] for line in plant.lines if line.name in snapshot.kpis]
    whole = add(lines, plant.site) if lines else None
    alerts = snapshot.open_alerts()
    unseen = sum(1 for alert in alerts if not alert.acknowledged_by)
    window = f"last {hours((whole.end - whole.start).total_seconds() / 3600)}" if whole else "no figures yet"
    coming = (
        sorted((w for w in snapshot.accepted.maintenance if w.end > now), key=lambda w: w.start)
        if (snapshot.accepted)
        else []
    )
    next_text = soon(coming[0].start, timezone=plant.timezone, now=now) if coming else MISSING
    next_label = (
        plant.machine_index[coming[0].machine].label
        if coming and (coming[0].machine in plant.machine_index)
        else "no accepted plan has any"
    )
    return (
        Total(
            title="Machines running",
            value=f"{running} / {len(names)}",
            detail=(f"{faults} with a fault" if faults else "no fault") + (f", {stale} stale" if stale else ""),
            tone=Tone.BAD if faults else Tone.WARN if stale else Tone.MUTED,
        ),
        Total(title="OEE", value=percent(whole.oee if whole else None), detail=window),
        Total(title="Power", value=_power(names, snapshot, plant), detail="all machines, now"),
        Total(
            title="Scrap",
            value=percent(whole.scrap_ratio if whole else None, digits=1),
            detail=f"{number(whole.produced - whole.good, digits=0)} of {number(whole.produced, digits=0)} parts"
            if whole
            else "no figures yet",
        ),
        Total(
            title="Open alerts",
            value=str(len(alerts)),
            detail=f"{unseen} not acknowledged" if unseen else "all acknowledged" if alerts else "nothing to do",
            tone=Tone.BAD if unseen else Tone.WARN if alerts else Tone.MUTED,
        ),
        Total(title="Next maintenance", value=next_text, detail=next_label),
    )
