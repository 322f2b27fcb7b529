"""The job that plans: gather the facts, solve, keep the plan with its facts, and say what it changes."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from analytics.lives import RENEWING
from linewright.coefficients import are_due, correct_coefficients, corrected_capabilities
from linewright.pipeline import propose
from linewright.plan_cases import Case
from linewright.plan_replay import PATHS, keep, replay_case
from linewright.plan_running import told_search
from linewright.settings.site import Site
from optimizer.facts import OngoingMaintenance, PlanningFacts, facts_to_json
from plant.assets import MachineState, SignalRole
from plant.plans import Plan, SolveStatus
from store.contract import ReadingStore
from store.records import Records

log = logging.getLogger(__name__)

UNDER_REPAIR: Final = (MachineState.ABORTED, MachineState.CLEARING)
BANNER_NOTE: Final = "banner"
ALLOWANCE: Final = 2.0
"""Rounding, checking and the comparison without maintenance take up to as long again as the search."""
OVERRUN: Final = timedelta(hours=1)


def make_plan(site: Site, *, store: ReadingStore, records: Records, now: datetime, reason: str) -> Plan:
    """Plan from the facts as they are now; the plan is kept as proposed, together with its facts.

    Args:
        site: Plant, products, capabilities, tariff, planning policy.
        store: For the machines that are down right now.
        records: Orders, stock, closures, risks and the accepted plan.
        now: Plant time; the plan begins with the first full hour after it can be ready.
        reason: Why it is made, for people.
    """
    if are_due(records, now=now):
        correct_coefficients(site, store=store, records=records, now=now)
    facts = gather_facts(site, store=store, records=records, now=now)
    number = f"P-{now:%Y%m%dT%H%M%S}"
    with told_search(records, number=number, reason=reason, limit_s=site.planning.time_limit_s) as control:
        plan = propose(facts, number=number, created_at=now, reason=reason, control=control)
    records.put_plan(plan, facts_to_json(facts))
    log.info(
        "plan_made",
        extra={
            "number": plan.number,
            "status": plan.status.value,
            "gap": -1.0 if plan.certificate is None or plan.certificate.gap is None else plan.certificate.gap,
            "checked": plan.certificate is not None and plan.certificate.checked,
            "took_s": 0.0 if plan.certificate is None else plan.certificate.solve_s,
        },
    )
    _tell(records, plan)
    case = Case(plan=plan, facts=facts)
    if case.has_plan:  # the other practices are left to `linewright plan replay`: each is a plan of its own
        keep(records, replay_case(case, paths=PATHS, seed=0, time_limit_s=0.0))
    return plan


def gather_facts(site: Site, *, store: ReadingStore, records: Records, now: datetime) -> PlanningFacts:
    """Everything that enters the next plan, which begins with the first full hour after it can be ready."""
    ready = now + timedelta(seconds=ALLOWANCE * site.planning.time_limit_s * site.clock.speed)
    start = ready.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return PlanningFacts(
        plant=site.plant,
        products=site.products,
        capabilities=corrected_capabilities(site, records),
        orders=records.orders(),
        stock=records.stock(),
        calendar=replace(site.calendar, closures=records.closures()),
        tariff=site.tariff,
        policy=site.planning,
        risks=records.risks(),
        start=start,
        previous=records.accepted_plan(),
        ongoing=_ongoing(site, store=store, records=records, start=start),
        objective=site.objective,
        changeovers=site.changeovers,
        set_up_for=site.set_up_for,
    )


def _ongoing(site: Site, *, store: ReadingStore, records: Records, start: datetime) -> tuple[OngoingMaintenance, ...]:
    """Machines that are not back yet from a failure or from the accepted plan's maintenance.

    A failed one is expected back after its class's mean time to repair. Maintenance that was due to be over, but whose
    end the machine has not reported, is expected to end within the plan's first hour.
    """
    renewed_at = {each.machine: each.at for each in records.maintenance() if each.kind in RENEWING}
    accepted = records.accepted_plan()
    ongoing = [
        OngoingMaintenance(machine=window.machine, end=start + OVERRUN)
        for window in (accepted.maintenance if accepted is not None else ())
        if window.end <= start < window.end + (window.end - window.start)
        and renewed_at.get(window.machine, window.start) <= window.start
    ]
    for machine in sorted(machines_down(site, store)):
        repair_h = site.plant.class_of(machine).repair_h
        ongoing.append(OngoingMaintenance(machine=machine, end=start + timedelta(hours=repair_h)))
    return tuple(ongoing)


def machines_down(site: Site, store: ReadingStore) -> frozenset[str]:
    """Machines whose newest state is that of a failure or of its repair."""
    down = set()
    for value in store.last_values():
        if value.machine in site.plant.machine_index and value.value in UNDER_REPAIR:
            signal = site.plant.class_of(value.machine).signal(SignalRole.STATE)
            if signal is not None and value.signal == signal.name:
                down.add(value.machine)
    return frozenset(down)


def _tell(records: Records, plan: Plan) -> None:
    """Put the plan's news on the console's banner."""
    if plan.status in (SolveStatus.INFEASIBLE, SolveStatus.NONE):
        records.note(BANNER_NOTE, {"sentence": plan.headline, "href": "/plan", "kind": "alert"})
    elif plan.maintenance:
        first = max(plan.maintenance, key=lambda window: window.expected_failure_cost_without)
        records.note(BANNER_NOTE, {"sentence": plan.headline, "href": f"/machine/{first.machine}", "kind": "plan"})
    elif (records.noted(BANNER_NOTE) or {}).get("kind") != "avoided":  # good news stays until there is other news
        records.note(BANNER_NOTE, {})
