"""`linewright status`: how the instance is, seen from outside.

It reads what the roles have written and asks none of them, so it answers even when every role is down.
`well` speaks of Linewright itself; a machine that is going to fail is the plant's trouble and shows in `alerts`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from analytics.versions import versions
from linewright.account import imbalances
from linewright.edge_nodes import edge_lines
from linewright.lifecycle import SILENT_AFTER_S
from linewright.service import roles_of
from linewright.settings.site import Site
from linewright.wiring import open_records, open_store, wall_now
from plant.clock import instant
from plant.errors import Unavailable
from plant.plans import Plan
from plant.risks import Cause, Risk
from plant.signals import LastValue, LedgerLine
from store.contract import ReadingStore
from store.records import Records

STALE_TOLD: Final = 10
SIGNALS_TOLD: Final = 10
"""Machines with stale values named one by one."""


class StatusPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RoleStatus(StatusPart):
    name: str
    running: bool = Field(description="Has reported within the last 20 s of wall time.")
    pid: int | None
    since: datetime | None = Field(description="Wall time at which this process began.")
    detail: dict[str, object] = Field(description="What the role says of itself.")


class StaleStatus(StatusPart):
    machine: str
    signals: int = Field(description="Signals whose newest value is stale: its source was declared dead since.")
    heard_at: datetime = Field(description="Plant time of the newest of them.")


class MessageStatus(StatusPart):
    received: int
    stored: int
    duplicate: int
    quarantined: int
    in_flight: int = Field(description="Held by ingest, not acknowledged yet.")


class AlertStatus(StatusPart):
    open: int = Field(description="Alerts with which a person still has something to do.")


class PlanStatus(StatusPart):
    number: str | None
    status: Literal["optimal", "feasible", "infeasible", "none"]
    gap: float | None
    checked: bool = Field(description="An independent check of every rule held.")
    age_h: float | None = Field(description="Plant hours since it was made.")
    decision: str | None


class ModelStatus(StatusPart):
    machine_class: str
    version: str | None
    age_h: float | None = Field(description="Plant hours since the data cut-off.")


class SignalStatus(StatusPart):
    machine: str
    signal: str
    cause: Literal["sensor_fault", "new_regime", "drift", "degradation"]
    sentence: str


class StatusDocument(StatusPart):
    """The answer of `linewright status --json`."""

    well: bool
    problems: tuple[str, ...] = Field(description="Why it is not well, each with the next step.")
    plant_time: datetime
    console: str = Field(description="URL of the console.")
    roles: tuple[RoleStatus, ...]
    messages: MessageStatus
    stale: tuple[StaleStatus, ...] = Field(description="Machines with stale values.")
    signals: tuple[SignalStatus, ...] = Field(
        description="Signals that are not as they were, and why; only degradation raises a risk."
    )
    alerts: AlertStatus
    plan: PlanStatus
    models: tuple[ModelStatus, ...]


def read_status(site: Site) -> StatusDocument:
    """Open what the instance has written, and examine it. Raises Unavailable where its folder cannot be used."""
    records = open_records(site)
    try:
        store = open_store(site)
    except Unavailable:
        store = None
    try:
        return examine(site, store=store, records=records)
    finally:
        records.close()
        if store is not None:
            store.close()


def examine(site: Site, *, store: ReadingStore | None, records: Records) -> StatusDocument:
    """What the instance of this site is doing; `store` is None where nothing was ever stored."""
    now = site.clock.now()
    roles = roles_status(site, records)
    lines = store.ledger() if store is not None else []
    messages = _messages(lines)
    plan = _plan(records.newest_plan(), now)
    models = _models(site, now)
    problems = (
        *(
            f"Role {role.name} does not answer. Start it with `linewright run`, or see its log in {site.data / 'run'}."
            for role in roles
            if not role.running
        ),
        *_broker_problems(roles),
        *_mirror_problems(roles),
        *_plan_problems(plan),
        *imbalances(lines),
    )
    return StatusDocument(
        well=not problems,
        problems=problems,
        plant_time=now,
        console=f"http://{site.console.host}:{site.console.port}",
        roles=roles,
        messages=messages,
        stale=_stale(store.last_values()) if store is not None else (),
        signals=_signals(records.risks()),
        alerts=AlertStatus(open=len(records.alerts(open_only=True))),
        plan=plan,
        models=models,
    )


def _signals(risks: Sequence[Risk]) -> tuple[SignalStatus, ...]:
    """Faults of sensors and new regimes first: they ask for a look."""
    found = [
        SignalStatus(machine=risk.machine, signal=each.signal, cause=each.cause.value, sentence=each.sentence)
        for risk in risks
        for each in risk.diagnoses
    ]
    order = [cause.value for cause in Cause]
    return tuple(sorted(found, key=lambda each: (order.index(each.cause), each.machine)))


def as_text(status: StatusDocument) -> str:
    """The status for a person at a terminal."""
    lines = ["All is well." if status.well else "Not all is well:", *(f"  - {problem}" for problem in status.problems)]
    for role in status.roles:
        lines.append(f"{role.name:<9} {_role_line(role)}")
        for link in _links(role) if role.running else ():
            lines += [f"{'':<9} {line}" for line in (_link_line(link), *edge_lines(link))]
    m = status.messages
    lines.append(
        f"messages  {m.received} received = {m.stored} stored + {m.duplicate} duplicate "
        f"+ {m.quarantined} quarantined + {m.in_flight} in flight"
    )
    for number, each in enumerate(status.stale[:STALE_TOLD]):
        head = "stale" if number == 0 else ""
        lines.append(f"{head:<9} {each.machine}: {each.signals} signals, last heard {each.heard_at:%Y-%m-%d %H:%M:%S}Z")
    if len(status.stale) > STALE_TOLD:
        lines.append(f"{'':<9} and {len(status.stale) - STALE_TOLD} machines more")
    for number, signal in enumerate(status.signals[:SIGNALS_TOLD]):
        lines.append(f"{'signals' if number == 0 else '':<9} {signal.machine}: {signal.sentence}")
    if len(status.signals) > SIGNALS_TOLD:
        lines.append(f"{'':<9} and {len(status.signals) - SIGNALS_TOLD} signals more")
    lines.append(f"alerts    {status.alerts.open} open")
    plan = status.plan
    if plan.number is None:
        lines.append("plan      none yet")
    else:
        gap = "no bound" if plan.gap is None else f"gap {plan.gap:.2%}"
        proof = "checked" if plan.checked else "NOT checked"
        lines.append(f"plan      {plan.number}: {plan.status}, {gap}, {proof}, {plan.age_h:.1f} h old, {plan.decision}")
    for model in status.models:
        age = "cold start, no model yet" if model.version is None else f"{model.version}, {model.age_h:.1f} h old"
        lines.append(f"model     {model.machine_class}: {age}")
    lines.append(f"console   {status.console}")
    return "\n".join(lines)


def roles_status(site: Site, records: Records) -> tuple[RoleStatus, ...]:
    """What each role last said, and whether it still answers."""
    beats = {beat.role: beat for beat in records.roles()}
    statuses = []
    for name in roles_of(site):
        known = beats.get(name)
        silent_s = None if known is None else (wall_now() - known.at).total_seconds()
        running = silent_s is not None and silent_s < SILENT_AFTER_S and not (known and known.detail.get("ended"))
        statuses.append(
            RoleStatus(
                name=name,
                running=running,
                pid=known.pid if known and running else None,
                since=known.since if known and running else None,
                detail=dict(known.detail) if known else {},
            )
        )
    return tuple(statuses)


def _messages(lines: list[LedgerLine]) -> MessageStatus:
    return MessageStatus(
        received=sum(line.received for line in lines),
        stored=sum(line.stored for line in lines),
        duplicate=sum(line.duplicate for line in lines),
        quarantined=sum(line.quarantined for line in lines),
        in_flight=sum(line.in_flight for line in lines),
    )


def _stale(values: Sequence[LastValue]) -> tuple[StaleStatus, ...]:
    heard: dict[str, list[int]] = {}
    for value in values:
        if value.stale:
            heard.setdefault(value.machine, []).append(value.received_at_us)
    return tuple(
        StaleStatus(machine=machine, signals=len(at_us), heard_at=instant(max(at_us)))
        for machine, at_us in sorted(heard.items())
    )


def _plan(plan: Plan | None, now: datetime) -> PlanStatus:
    if plan is None:
        return PlanStatus(number=None, status="none", gap=None, checked=False, age_h=None, decision=None)
    certificate = plan.certificate
    return PlanStatus(
        number=plan.number,
        status=plan.status.value,
        gap=None if certificate is None else certificate.gap,
        checked=certificate is not None and certificate.checked,
        age_h=(now - plan.created_at).total_seconds() / 3600,
        decision=plan.decision.value,
    )


def _models(site: Site, now: datetime) -> tuple[ModelStatus, ...]:
    current = {each.machine_class: each for each in versions(site.data / "models") if each.current}
    return tuple(
        ModelStatus(
            machine_class=machine_class.name,
            version=known.version if known else None,
            age_h=(now - known.data_cut_off).total_seconds() / 3600 if known else None,
        )
        for machine_class in site.plant.classes
        for known in (current.get(machine_class.name),)
    )


def _broker_problems(roles: tuple[RoleStatus, ...]) -> list[str]:
    ingest = next((role for role in roles if role.name == "ingest"), None)
    if ingest is None or not ingest.running:
        return []
    links = _links(ingest)
    if not links:
        return ["Ingest has no connection to its broker yet. Is the broker running?"]
    refused = ingest.detail.get("configuration")
    return [
        *([str(refused)] if refused else []),
        *(
            f"Ingest has no connection to the broker {link.get('link')} at {link.get('broker')}. Is it running?"
            for link in links
            if not link.get("connected")
        ),
        *(
            f"Ingest cannot write to the store: {link.get('store_trouble')}"
            for link in links[:1]
            if not link.get("store_available", True)
        ),
        *(
            f"The broker {link.get('link')} refuses the subscriptions {link.get('refused_filters')}. "
            "Allow them in its access list."
            for link in links
            if link.get("refused_filters")
        ),
    ]


def _mirror_problems(roles: tuple[RoleStatus, ...]) -> list[str]:
    mirror = next((role for role in roles if role.name == "mirror"), None)
    if mirror is None or not mirror.running or not (reason := mirror.detail.get("reason")):
        return []
    return [f"The mirror is {mirror.detail.get('behind_s')} s of plant time behind: {reason}"]


def _plan_problems(plan: PlanStatus) -> list[str]:
    if plan.number is None:
        return ["No plan has been made yet. Ask for one with `linewright plan now`."]
    if plan.status in ("infeasible", "none"):
        return [f"The newest plan {plan.number} is {plan.status}. The console's Plan page names the rules in conflict."]
    if not plan.checked:
        return [f"The newest plan {plan.number} failed its independent check and was not published."]
    return []


def _links(role: RoleStatus) -> list[dict[str, object]]:
    links = role.detail.get("links", [])
    return links if isinstance(links, list) else []


def _link_line(link: dict[str, object]) -> str:
    state = f"connected for {link.get('connected_for_s')} s" if link.get("connected") else "AWAY"
    return f"{link.get('link')} at {link.get('broker')}: {state}, {link.get('received')} received"


def _role_line(role: RoleStatus) -> str:
    if not role.running:
        return "not running"
    since = f" since {role.since:%Y-%m-%d %H:%M:%S}" if role.since else ""
    return f"running{since} (pid {role.pid})"
