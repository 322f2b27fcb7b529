"""The way of one reading, the whole story: receive and keep, look back, judge, alert, propose.

What judges and plans is loaded by who judges and plans: the ingest role needs neither torch nor a solver.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from analytics.alarms import Decisions, Delay, decide
from analytics.lives import Life
from ingest.broker_settings import MAIN
from ingest.ingestor import Ingestor, labels
from ingest.retained import Known
from ingest.rework import Quarantine
from ingest.sparkplug.host import state_filters
from ingest.sparkplug.links import connections
from ingest.topics import compile_router
from linewright.receiving import spool_of
from linewright.settings.site import Site
from optimizer.control import CONTROL, Control
from plant.alerts import Alert
from plant.assets import MachineClass, SignalRole
from plant.plans import Plan
from plant.risks import Risk
from plant.signals import Batch, Receipt, Window
from store.contract import ReadingStore

if TYPE_CHECKING:
    from analytics.cases import Moment
    from analytics.normality import Normality
    from analytics.training import Model
    from optimizer.problem import PlanningFacts

LOOKBACK: Final = timedelta(days=120)
"""No machine is judged by readings older than this, even if it was never renewed."""
READ_TOGETHER: Final = 25
"""Machines of about the same age that are read at once: one scan instead of many, in bounded memory."""


def receive_and_keep(
    site: Site,
    *,
    write: Callable[[Batch], Receipt],
    begin_run: Callable[[Sequence[str]], str],
    take_orders: Callable[[str, bytes], str | None],
    quarantine: Quarantine | None,
    known: Known | None = None,
) -> dict[str, Ingestor]:
    """Steps 1 and 2: from the wire to the store; a message is acknowledged only after its batch is durable.

    Args:
        site: Brokers, mappings and plant.
        write: Commits a batch, or raises Unavailable; called from the threads of all ingestors.
        begin_run: Opens an account in the ledger for some topic filters; gives its identifier.
        take_orders: Settles a message of the orders topic, or says why not.
        quarantine: Of the same store; what the spool asks to be replayed comes from there. None: that is
            another process's task.
        known: Newest values of the same store, by which copies of retained messages are told; None: only those of
            each batch, as where messages are shared out and none is retained.

    Returns:
        An ingestor per connection, by its name.
    """
    ingestors = {}
    for name, (broker, settings) in connections(site.ingest, broker=site.broker).items():
        side_topics = {site.topics.orders: take_orders} if name == MAIN else {}
        sides = (*side_topics, *state_filters(settings))
        router = compile_router(settings.mappings, plant=site.plant, side_filters=sides)
        ingestors[name] = Ingestor(
            settings,
            broker=broker,
            plant=site.plant,
            sink=write,
            clock=site.clock,
            run=begin_run(labels(router.filters, broker=name)),
            name=name,
            side_topics=side_topics,
            spool=spool_of(site, name) if quarantine is not None else None,
            quarantine=quarantine,
            memory=site.data / "run" / f"edge-nodes.{name}.json",
            known=known,
        )
    return ingestors


def look_back(
    store: ReadingStore,
    *,
    machine_class: MachineClass,
    machines: Sequence[str],
    renewed_at: Mapping[str, datetime],
    now: datetime,
) -> dict[str, Window]:
    """Step 3: what each machine has shown since its last renewal (or earlier), at the grain its class is judged by.

    A class whose readings are one per life unit (no state signal) is read raw.
    """
    step = machine_class.assess_step if machine_class.signal(SignalRole.STATE) else None
    earliest = now - LOOKBACK
    since = {machine: max(renewed_at.get(machine, earliest), earliest) for machine in machines}
    together = sorted(machines, key=since.__getitem__)
    windows: dict[str, Window] = {}
    for first in range(0, len(together), READ_TOGETHER):
        group = together[first : first + READ_TOGETHER]
        windows |= store.read(group, start=since[group[0]], end=now, step=step)
    return {machine: windows[machine] for machine in machines}


def judge(
    lives: Sequence[Life],
    *,
    machine_class: MachineClass,
    model: "Model | None",
    horizon_h: float,
    now: datetime,
    zone: tzinfo,
    normality: "Normality | None" = None,
    moments: "Sequence[Moment]" = (),
) -> tuple[Risk, ...]:
    """Step 4a: how likely each machine fails within the horizon, and what shows it."""
    from analytics.assess import assess_live

    return assess_live(
        lives,
        model,
        machine_class=machine_class,
        horizon_h=horizon_h,
        now=now,
        zone=zone,
        normality=normality,
        moments=moments,
    )


def alert(
    risks: Sequence[Risk], *, site: Site, open_alerts: Sequence[Alert], pending: Mapping[str, Delay], now: datetime
) -> Decisions:
    """Step 4b: which alerts open, change or close."""
    return decide(risks, policy=site.alarms, open_alerts=open_alerts, pending=pending, now=now, plant=site.plant)


def propose(
    facts: "PlanningFacts", *, number: str, created_at: datetime, reason: str, control: Control = CONTROL
) -> Plan:
    """Step 5: the plan that earns the most under the plant's limits, with its certificate."""
    from optimizer.problem import build_problem
    from optimizer.solve import solve

    return solve(build_problem(facts), number=number, created_at=created_at, reason=reason, control=control)
