"""The work role's schedule: assess every minute, sum KPIs, book production, plan by cron and events, train nightly.

Periods are in plant time, so a faster plant clock makes them come sooner; a shortest wall time keeps a fast clock
from drowning the machine. Jobs that touch the same things never run at once: one line of work for looking at
machines, one for planning, one for training, one for delivering.
"""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from ingest.publisher import Publisher
from linewright.delivery import Postman
from linewright.judging import Judge, assess_plant, sum_kpis
from linewright.orders import ORDERS_CHANGED
from linewright.plan_actual import keep_course
from linewright.planning import BANNER_NOTE, machines_down
from linewright.production import book_production, seed_records
from linewright.settings.replanning import ReplanEvent, next_due
from linewright.settings.site import Site
from linewright.watching import watch_ledger
from linewright.work_orders import keep_work_orders
from plant.errors import Unavailable
from store.contract import ReadingStore
from store.records import Records

log = logging.getLogger(__name__)

ASSESS_EVERY_S: Final = 60.0
KPI_EVERY_S: Final = 300.0
SHORTEST_ASSESS_S: Final = 5.0
LEDGER_EVERY_S: Final = 5.0
SHORTEST_KPI_S: Final = 10.0
SHORTEST_PLAN_S: Final = 30.0
TRAIN_HOUR: Final = 2
"""Local hour of the nightly training."""
SHORTEST_TRAIN_S: Final = 3600.0
"""Nights of a fast clock come too often to train in each."""
STOP_LIMIT_S: Final = 25.0
NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Work:
    """Everything that the jobs share."""

    site: Site
    store: ReadingStore
    records: Records
    judge: Judge
    postman: Postman
    plan_reason: str = ""
    """Why a plan is wanted before the hour; empty: it is not."""
    plan_wanted: threading.Event = field(default_factory=threading.Event)
    planning: subprocess.Popen[bytes] | None = None
    plan_later: str = ""
    """Why a plan is wanted as soon as the last one is no longer new; empty: it is not."""
    plan_due_at: datetime | None = None
    """Plant time of the next plan by schedule; None: it is not worked out yet."""
    broken_down: frozenset[str] | None = None
    """Machines that were down at the last look; None: nobody has looked yet."""
    last_train_night: str = ""
    last_train_wall_s: float = 0.0
    training: subprocess.Popen[bytes] | None = None
    scheduler: BackgroundScheduler = field(default_factory=BackgroundScheduler)
    done: dict[str, str] = field(default_factory=dict)
    """When each job last ended, for the role's sign of life."""

    def now(self) -> datetime:
        """Plant time."""
        return self.site.clock.now()


def run_jobs(site: Site, *, store: ReadingStore, records: Records, publisher: Publisher) -> Work:
    """Start the schedule; it runs in the background until `stop_jobs`.

    Args:
        site: Configuration with the plant's clock.
        store: A reading store.
        records: The records.
        publisher: For alerts and accepted plans; connected when first needed.
    """
    judge = Judge(site=site, store=store, records=records)
    work = Work(
        site=site,
        store=store,
        records=records,
        judge=judge,
        postman=Postman(site=site, records=records, publisher=publisher),
    )
    seed_records(site, records, now=work.now())
    accepted = records.accepted_plan()
    if accepted is not None and accepted.end > work.now():
        records.enqueue("plan", msgspec.json.encode(accepted), at=work.now())  # retained: telling it again does no harm
    if site.simulator is not None:
        publisher.subscribe(site.topics.avoided, lambda _topic, payload: tell_avoided(work, payload))
    schedule(work)
    return work


def schedule(work: Work) -> None:
    """Put every job on its line of work and start the scheduler."""
    clock = work.site.clock
    scheduler = work.scheduler
    scheduler.configure(
        timezone="UTC",
        executors={name: ThreadPoolExecutor(1) for name in ("look", "plan", "train", "deliver")},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    jobs: tuple[tuple[str, str, float, Callable[[Work], None]], ...] = (
        ("assess", "look", max(clock.wall_seconds(ASSESS_EVERY_S), SHORTEST_ASSESS_S), assess_job),
        ("kpis", "look", max(clock.wall_seconds(KPI_EVERY_S), SHORTEST_KPI_S), kpi_job),
        ("ledger", "look", LEDGER_EVERY_S, ledger_job),
        ("requests", "look", 1.0, request_job),
        ("plan", "plan", 1.0, plan_job),
        ("train", "train", 10.0, train_job),
        ("deliver", "deliver", 1.0, deliver_job),
    )
    for name, executor, period_s, job in jobs:
        scheduler.add_job(
            job,
            "interval",
            args=(work,),
            seconds=period_s,
            id=name,
            executor=executor,
            next_run_time=datetime.now(tz=ZoneInfo("UTC")),
        )
    scheduler.add_listener(_report_error, EVENT_JOB_ERROR)
    scheduler.start()


def assess_job(work: Work) -> None:
    """Assess every machine; alerts that open or clear and breakdowns ask for a plan at once."""
    before = {each.number for each in work.records.alerts(open_only=True)}
    assess_plant(work.judge, now=work.now())
    keep_work_orders(work.records, plant=work.site.plant, now=work.now())
    after = {each.number for each in work.records.alerts(open_only=True)}
    for number in sorted(before - after):
        tell_event(work, ReplanEvent.ALERT_CLEARED, reason=f"alert {number} cleared")
    down = machines_down(work.site, work.store)
    for machine in sorted(down - (down if work.broken_down is None else work.broken_down)):
        tell_event(work, ReplanEvent.BREAKDOWN, reason=f"breakdown of {machine}")
    work.broken_down = down
    for number in sorted(after - before):
        tell_event(work, ReplanEvent.ALERT_OPENED, reason=f"alert {number}")
    _note_done(work, "assess")


def kpi_job(work: Work) -> None:
    """Sum the KPIs, book what was produced, and follow the accepted plan."""
    sum_kpis(work.judge, now=work.now())
    book_production(work.site, store=work.store, records=work.records, now=work.now())
    keep_course(work.site, store=work.store, records=work.records, now=work.now())
    _note_done(work, "kpis")


def ledger_job(work: Work) -> None:
    """Tell it when the ledger does not balance."""
    watch_ledger(work.site, store=work.store, records=work.records, now=work.now())


def request_job(work: Work) -> None:
    """Run what the console or the command line asked for."""
    for request in work.records.take_requests():
        log.info("job_requested", extra={"job": request.job, "detail": request.detail})
        if request.job == "plan":
            want_plan(work, reason=request.detail or "on demand")
        elif request.job == ORDERS_CHANGED:
            tell_event(work, ReplanEvent.ORDERS_CHANGED, reason=request.detail)
        elif request.job == "train":
            _start_training(work)
        elif request.job == "assess":
            assess_job(work)


def want_plan(work: Work, *, reason: str) -> None:
    """Ask the planning line of work for a plan."""
    work.plan_reason = reason
    work.plan_wanted.set()


def tell_event(work: Work, event: ReplanEvent, *, reason: str) -> None:
    """Ask for a plan where the site wants one on this event; of orders that keep coming, one plan takes many."""
    if event not in work.site.replanning.events:
        return
    if event is ReplanEvent.ORDERS_CHANGED:
        work.plan_later = reason
    else:
        want_plan(work, reason=reason)


def plan_job(work: Work) -> None:
    """Plan when the schedule says so, or when somebody or something asked, in a process of its own."""
    if work.planning is not None:
        code = work.planning.poll()
        if code is None:
            return
        work.planning = None
        if code:
            log.error("planning_failed", extra={"code": code, "log": str(work.site.data / "run" / "plan.log")})
        else:
            _note_done(work, "plan")
    now = work.now()
    crons, zone = work.site.replanning.cron, work.site.plant.timezone
    if work.plan_due_at is None:
        work.plan_due_at = now if crons else NEVER  # a plant that starts has a plan soon
    wanted = work.plan_wanted.is_set()
    due = now >= work.plan_due_at
    if not wanted and (not (due or work.plan_later) or "assess" not in work.done or not _plan_is_due(work, now)):
        return
    reason = work.plan_reason if wanted else "scheduled" if due else work.plan_later
    work.plan_wanted.clear()
    work.plan_later = ""
    work.plan_due_at = next_due(crons, after=now, zone=zone) or NEVER
    work.planning = _start(work, "plan", "now", "--quiet", "--reason", reason)


def train_job(work: Work) -> None:
    """Train once a night in a process of its own, and take the new models when it has ended."""
    if work.training is not None:
        code = work.training.poll()
        if code is None:
            return
        work.training = None
        log.info("training_ended", extra={"code": code})
        _note_done(work, "train")
        return
    local = work.now().astimezone(ZoneInfo(work.site.plant.timezone))
    night = f"{local:%Y-%m-%d}"
    wall_s = datetime.now(tz=ZoneInfo("UTC")).timestamp()
    if not work.last_train_night:
        work.last_train_night, work.last_train_wall_s = night, wall_s
    elif local.hour == TRAIN_HOUR and night != work.last_train_night:
        work.last_train_night = night
        if wall_s - work.last_train_wall_s >= SHORTEST_TRAIN_S:
            _start_training(work)
            work.last_train_wall_s = wall_s


def deliver_job(work: Work) -> None:
    """Bring alerts and plans to where they belong."""
    work.postman.deliver(now=work.now())


def tell_avoided(work: Work, payload: bytes) -> None:
    """The simulator tells which failure a maintenance avoided; the console shows it."""
    told = json.loads(payload)
    work.records.note("avoided", told)
    work.records.note(
        BANNER_NOTE,
        {"sentence": _avoided_sentence(work.site, told), "href": f"/machine/{told['machine']}", "kind": "avoided"},
    )


def stop_jobs(work: Work) -> None:
    """Let the running jobs end; a plan or training under way is given up, the next start makes it again."""
    for process in (work.planning, work.training):
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait(STOP_LIMIT_S)
    work.scheduler.shutdown(wait=True)


def _avoided_sentence(site: Site, told: dict[str, str]) -> str:
    machine = site.plant.machine_index[told["machine"]]
    zone = ZoneInfo(site.plant.timezone)
    failed = datetime.fromisoformat(told["would_have_failed_at"]).astimezone(zone)
    maintained = datetime.fromisoformat(told["maintained_at"]).astimezone(zone)
    return (
        f"Failure avoided: {machine.label} was maintained at {maintained:%H:%M}; "
        f"untouched it would have failed on {failed:%d %b at %H:%M} ({told['mode']})"
    )


def _plan_is_due(work: Work, now: datetime) -> bool:
    newest = work.records.newest_plan()
    if newest is None:
        return True
    return work.site.clock.wall_seconds((now - newest.created_at).total_seconds()) >= SHORTEST_PLAN_S


def _start_training(work: Work) -> None:
    if work.training is None:
        work.training = _start(work, "model", "train")
        log.info("training_started", extra={"pid": work.training.pid})


def _start(work: Work, command: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start long work as a process of its own, so that a stop need not wait for it and its memory is given back."""
    line = (sys.executable, "-m", "linewright", command, *arguments, "--site", str(work.site.folder))
    with (work.site.data / "run" / f"{command}.log").open("ab") as output:
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _note_done(work: Work, job: str) -> None:
    work.done[job] = work.now().isoformat(timespec="seconds")


def _report_error(event: JobExecutionEvent) -> None:
    if isinstance(event.exception, Unavailable):
        log.warning("job_postponed", extra={"job": event.job_id, "reason": str(event.exception)})
    else:
        log.error("job_failed", extra={"job": event.job_id, "reason": repr(event.exception), "trace": event.traceback})
