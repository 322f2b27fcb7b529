"""The jobs that look at machines: note their renewals, assess their risk, decide alerts, sum their KPIs."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from analytics.alarms import Delay
from analytics.cases import Moment, read_moments
from analytics.kpi import line_kpi, machine_kpi
from analytics.lives import Renewal, renewals_in
from analytics.normality import Normality
from analytics.normality_live import load_normality
from analytics.notify import alert_message
from analytics.registry import load_current
from analytics.shifts import busy_intervals
from analytics.streaming import memory_for
from analytics.training import Model
from analytics.versions import current_version
from linewright.live import LiveLives
from linewright.outcomes import labelled, labels
from linewright.pipeline import LOOKBACK, alert, judge
from linewright.settings.site import Site
from linewright.wiring import wall_now
from plant.alerts import Alert
from plant.assets import MachineClass, Plant, SignalRole
from plant.clock import instant, microseconds
from plant.errors import ConfigError
from plant.kpis import Kpi
from plant.risks import Cause, Risk
from store.contract import ReadingStore
from store.records import Records

log = logging.getLogger(__name__)

KPI_SPAN: Final = timedelta(hours=8)
"""The console shows the last shift's length, rolling."""
DRIFT_NOTE: Final = "drift_training"
RETRAIN_EVERY: Final = timedelta(hours=24)
"""Drift asks no more often for a training than the nights do."""
EVENT_OVERLAP: Final = timedelta(hours=1)
"""Events are read again over this span, so that late ones are found; noting one twice changes nothing."""


@dataclass(slots=True)
class Judge:
    """What assessing carries from one time to the next."""

    site: Site
    store: ReadingStore
    records: Records
    models: dict[str, Model | None] = field(default_factory=dict)
    normalities: dict[str, Normality | None] = field(default_factory=dict)
    moments: dict[str, tuple[Moment, ...]] = field(default_factory=dict)
    """Before past failures, as each class's model sees them."""
    broken: set[str] = field(default_factory=set)
    """Classes whose current model does not load."""
    lives: dict[str, LiveLives] = field(default_factory=dict)
    """The running lives of each class, as far as they were read."""
    pending: Mapping[str, Delay] = field(default_factory=dict)
    events_read_to: datetime | None = None

    def refresh_models(self) -> None:
        """Take the models that are current in the registry; None where a class has none that loads."""
        for machine_class in self.site.plant.classes:
            name = machine_class.name
            try:
                self._refresh(name)
                self.normalities[name] = load_normality(name, folder=self.site.data / "models")
            except ConfigError as error:
                if name not in self.broken:
                    log.error("model_not_loaded", extra={"machine_class": name, "reason": str(error)})
                self.broken.add(name)
                self.models[name] = None

    def _refresh(self, name: str) -> None:
        folder, known = self.site.data / "models", self.models.get(name)
        if name not in self.models or current_version(name, folder=folder) != (known and known.version):
            model = load_current(name, folder=folder)
            self.models[name] = model
            self.moments[name] = read_moments(folder / name / model.version) if model else ()
            self.broken.discard(name)


def assess_plant(work: Judge, *, now: datetime) -> tuple[Alert, ...]:
    """Assess every machine, keep the risks, decide the alerts, and put what changed on its way out.

    Returns:
        The alerts that opened now.
    """
    work.refresh_models()
    note_renewals(work, now=now)
    risks = tuple(
        risk for machine_class in work.site.plant.classes for risk in _assess_class(work, machine_class, now=now)
    )
    work.records.put_risks(risks)
    ask_for_training(work, risks, now=now)
    seen_at = wall_now()
    known = work.records.alerts(open_only=True)
    decisions = alert(risks, site=work.site, open_alerts=known, pending=work.pending, now=now)
    work.pending = decisions.pending
    work.records.put_alerts(decisions.alerts, seen_at=seen_at)
    for changed in decisions.alerts:
        work.records.enqueue("alert", alert_message(changed), at=now)
        if work.site.webhook is not None:
            work.records.enqueue("webhook", alert_message(changed), at=now)
        log.info("alert_changed", extra={"number": changed.number, "state": changed.state.value})
    known_numbers = {each.number for each in known}
    return tuple(each for each in decisions.alerts if each.number not in known_numbers)


def ask_for_training(work: Judge, risks: Sequence[Risk], *, now: datetime) -> bool:
    """Ask for a training, at most once a day, where machines work or move as the models have never seen."""
    asked = work.records.noted(DRIFT_NOTE)
    if asked is not None and now - instant(int(asked["at_us"])) < RETRAIN_EVERY:
        return False
    for machine_class in work.site.plant.classes:
        machines = machines_of(work.site.plant, machine_class)
        causes = [{each.cause for each in risk.diagnoses} for risk in risks if risk.machine in machines]
        new, drifting = (sum(cause in mine for mine in causes) for cause in (Cause.NEW_REGIME, Cause.DRIFT))
        if new or 2 * drifting > len(machines) > 1:
            why = f"{machine_class.name}: {new} machines in a new regime, {drifting} of {len(machines)} drifting"
            work.records.note(DRIFT_NOTE, {"at_us": microseconds(now)})
            work.records.request("train", at=now, detail=why)
            work.records.audit("linewright", "training asked for", at=now, detail=why)
            return True
    return False


def note_renewals(work: Judge, *, now: datetime) -> None:
    """Keep the failures, repairs and maintenance that the machines reported since the last look."""
    start = now - LOOKBACK if work.events_read_to is None else work.events_read_to - EVENT_OVERLAP
    for machine_class in work.site.plant.classes:
        signal = machine_class.signal(SignalRole.MAINTENANCE)
        machines = machines_of(work.site.plant, machine_class)
        if signal is None or not machines:
            continue
        for window in work.store.read(machines, signals=[signal.name], start=start, end=now).values():
            for event in renewals_in(window, machine_class=machine_class):
                work.records.put_maintenance(event.machine, kind=event.kind, at=event.at)
    work.events_read_to = now


def renewals_of(records: Records, *, horizon_h: float) -> tuple[Renewal, ...]:
    """All noted renewals and failures, in the words of the model, as the findings of work orders let them be learned.

    Args:
        records: Events of the machines and closed work orders.
        horizon_h: For how long a machine would have run on whose alarm was false [h].
    """
    told = [Renewal(machine=each.machine, kind=each.kind, at=each.at, mode=each.mode) for each in records.maintenance()]
    return labelled(told, labels(records), horizon_h=horizon_h)


def sum_kpis(work: Judge, *, now: datetime) -> tuple[Kpi, ...]:
    """The KPIs of every machine and line over the last eight hours; kept in the records."""
    start = now - KPI_SPAN
    plant = work.site.plant
    kpis: list[Kpi] = []
    for line in plant.lines:
        busy = busy_intervals(work.site.calendar, timezone=plant.timezone, line=line.name, start=start, end=now)
        rates = {c.product: c.rate_per_h for c in work.site.capabilities if c.line == line.name}
        names = [machine.name for machine in line.machines]
        early = start - timedelta(minutes=5)  # a reading before the span begins each counter
        windows = work.store.read(names, start=early, end=now)
        machines = [
            machine_kpi(windows[name], machine_class=plant.class_of(name), ideal_rate=rates, busy=busy, since=start)
            for name in names
        ]
        kpis += [*machines, line_kpi(machines, line.name)]
    work.records.put_kpis(kpis)
    return tuple(kpis)


def _assess_class(work: Judge, machine_class: MachineClass, *, now: datetime) -> Sequence[Risk]:
    machines = machines_of(work.site.plant, machine_class)
    if not machines:
        return ()
    renewals = renewals_of(work.records, horizon_h=work.site.alarms.horizon_h)
    model, normality = work.models.get(machine_class.name), work.normalities.get(machine_class.name)
    seen_by = f"{model.version if model else ''}|{normality.version if normality else ''}"
    settings = model.settings if model else work.site.model
    lives = work.lives.setdefault(machine_class.name, LiveLives()).look(
        work.store,
        machine_class=machine_class,
        machines=machines,
        renewals=renewals,
        model=seen_by,
        memory=memory_for(settings, normality=normality.settings if normality else None),
        now=now,
    )
    return judge(
        lives,
        machine_class=machine_class,
        model=model,
        normality=normality,
        moments=work.moments.get(machine_class.name, ()),
        horizon_h=work.site.alarms.horizon_h,
        now=now,
        zone=ZoneInfo(work.site.plant.timezone),
    )


def machines_of(plant: Plant, machine_class: MachineClass) -> list[str]:
    """Names of the machines of a class."""
    return [machine.name for machine in plant.machines if machine.machine_class == machine_class.name]
