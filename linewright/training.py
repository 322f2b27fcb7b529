"""Training on what the store holds: lives of each machine class in, a registered and current model out."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from analytics import registry
from analytics.cases import moments_of, write_moments
from analytics.lives import Life, lives_from_windows, truncated
from analytics.model_settings import ModelSettings
from analytics.normality_live import learn_from_lives
from analytics.promotion import Verdict, decide_promotion
from analytics.training import Model, NotTrained, train
from analytics.versions import versions
from linewright.cluster import Spread, spreading
from linewright.judging import Judge, machines_of, note_renewals, renewals_of
from linewright.outcomes import Meaning, keep_version, labels
from linewright.pipeline import LOOKBACK
from linewright.reading import read_over
from linewright.settings.site import Site
from linewright.wiring import open_records, open_store
from plant.assets import MachineClass, SignalRole
from plant.clock import microseconds
from plant.errors import ConfigError, Fault, QuestionError
from store.books.entries import ModelUse
from store.contract import ReadingStore
from store.records import Records

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]
SEED: Final = 1
SHOWN: Final = 5
"""Versions named where one is not known, the newest."""
_ALONE: Final = threading.Lock()


def train_site(site: Site, *, progress: Progress, only: str = "") -> list[str]:
    """Train every machine class on the lives in the store; what costs no more than the champion becomes current.

    Args:
        site: Configuration.
        progress: Receives the share done [0..1] and what is being done.
        only: Name of the one class to train; empty: all.

    Returns:
        A sentence per class.
    """
    with spreading(site) as spread:
        return train_lives(site, lives_of_site(site, spread=spread, only=only), progress=progress, spread=spread)


def lives_of_site(site: Site, *, spread: Spread, only: str = "") -> dict[str, tuple[Life, ...]]:
    """Every life in the store by machine class; `only` one class, or all where it is empty."""
    store, records = open_store(site), open_records(site)
    try:
        note_renewals(Judge(site=site, store=store, records=records), now=site.clock.now())
        return {
            machine_class.name: read_lives(site, machine_class, store=store, records=records, spread=spread)
            for machine_class in site.plant.classes
            if only in ("", machine_class.name)
        }
    finally:
        store.close()
        records.close()


def read_lives(
    site: Site, machine_class: MachineClass, *, store: ReadingStore, records: Records, spread: Spread
) -> tuple[Life, ...]:
    """Every life of a class that the store still knows.

    Learning is frozen while a machine is abnormal: a running life ends for training where its open alert began, so that
    what an alert is about is not learned as good running before somebody has looked.
    """
    now = site.clock.now()
    step = machine_class.assess_step if machine_class.signal(SignalRole.STATE) else None
    machines = machines_of(site.plant, machine_class)
    windows = read_over(store, machines, start=now - 4 * LOOKBACK, end=now, step=step, spread=spread)
    renewals = renewals_of(records, horizon_h=site.alarms.horizon_h)
    lives = lives_from_windows(windows, machine_class=machine_class, renewals=renewals)
    abnormal = {each.machine: each.opened_at for each in records.alerts(open_only=True) if each.state.is_active}
    return tuple(_frozen(life, since=abnormal.get(life.machine)) for life in lives)


def _frozen(life: Life, *, since: datetime | None) -> Life:
    if since is None or life.failed:
        return life
    return truncated(life, rows=int((life.observed_at_us < microseconds(since)).sum()))


def train_lives(
    site: Site, lives: Mapping[str, Sequence[Life]], *, progress: Progress, spread: Spread | None = None
) -> list[str]:
    """Train on given lives, by class name, and make each trained model current; on a cluster, classes side by side."""
    sentences = []
    for name, model in _trained(site, lives, progress=progress, spread=spread):
        bearable = site.alarms.alarms_per_week
        now = site.clock.now()
        normal = learn_from_lives(lives[name], alarms_per_week=bearable, folder=_folder(site), created_at=now)
        if isinstance(model, NotTrained):
            sentences.append(f"{model.reason} Beside it: {normal}.")
            continue
        saved = registry.save_model(model, folder=_folder(site), created_at=site.clock.now())
        horizon = site.alarms.horizon_h / saved.cycle_h
        moments = moments_of(lives[name], model=saved, horizon_units=horizon)
        write_moments(moments, home=_folder(site) / name / saved.version)
        learned = _keep_labels(site, name, version=saved.version)
        verdict = decide_promotion(
            _champion(site, name),
            saved,
            lives[name],
            machine_class=site.plant.class_index[name],
            policy=site.alarms,
        )
        if verdict.promoted:
            registry.promote(name, version=saved.version, folder=_folder(site))
            _note_use(site, name, how="trained", by="training", reason=verdict.reason)
        _tell_verdict(site, saved, verdict)
        state = "is current" if verdict.promoted else "waits as challenger"
        sentences.append(f"{name}: {saved.version} {state}, {_measured(saved.metrics)}{learned}; {verdict.reason}.")
    return sentences


def _trained(
    site: Site, lives: Mapping[str, Sequence[Life]], *, progress: Progress, spread: Spread | None
) -> Iterator[tuple[str, Model | NotTrained]]:
    """The model of each class, as soon as it is there."""
    teach = partial(_train_class, settings=site.model)
    classes = [(site.plant.class_index[name], tuple(mine)) for name, mine in lives.items()]
    if spread is not None and site.cluster.scheduler is not None:
        for index, (name, model) in enumerate(zip(lives, spread(teach, classes), strict=True), start=1):
            progress(index / len(lives), f"Trained {name} on the cluster")
            yield name, model
        return
    for index, (machine_class, mine) in enumerate(classes):

        def show(share: float, text: str, *, index: int = index, name: str = machine_class.name) -> None:
            progress((index + share) / len(lives), f"Training {name}: {text.removeprefix(f'{name}: ')}")

        yield machine_class.name, teach((machine_class, mine), progress=show)


def _train_class(
    work: tuple[MachineClass, tuple[Life, ...]],
    *,
    settings: ModelSettings,
    progress: Progress = lambda _share, _text: None,
) -> Model | NotTrained:
    """Train one class; one at a time in a process, whose threads share torch's random numbers."""
    machine_class, lives = work
    with _ALONE:
        return train(lives, machine_class=machine_class, settings=settings, seed=SEED, progress=progress)


def describe_models(site: Site) -> list[str]:
    """A line per registered version; * marks the current one."""
    lines = []
    for each in versions(_folder(site)):
        mark = "*" if each.current else " "
        trust = "calibrated" if each.calibrated else "uncalibrated"
        data = f"data to {each.data_cut_off:%Y-%m-%d %H:%M}Z"
        lines.append(f"{mark} {each.machine_class:<12} {each.version}  {data}, {trust}, {_measured(each.metrics)}")
    return lines or ["No model is registered yet. Train one with `linewright model train`."]


def describe_uses(site: Site) -> list[str]:
    """A line per time that a version was put in use, newest first: when, how and by whom."""
    with closing(open_records(site)) as records:
        uses = records.model_uses()
    return [
        f"{use.at:%Y-%m-%d %H:%M}Z  {use.machine_class:<12} {use.version}  {use.how.replace('_', ' ')} by {use.by}"
        f"{': ' if use.reason else ''}{use.reason}"
        for use in uses
    ] or ["No model has been put in use yet. Train one with `linewright model train`."]


def promote_version(site: Site, *, machine_class: str, version: str, by: str) -> str:
    """Make a version current; a sentence for the terminal.

    Raises:
        ConfigError: The plant has no such class, the class no such version, or it does not load.
    """
    _check_class(site, machine_class)
    there = [each.version for each in versions(_folder(site), machine_class=machine_class)]
    if version not in there:
        names = ", ".join(there[-SHOWN:]) or "none yet: train one with `linewright model train`"
        expected = f"a registered version of {machine_class}, as `linewright model list` shows it ({names})"
        raise QuestionError((Fault(where="VERSION", found=repr(version), expected=expected),))
    registry.promote(machine_class, version=version, folder=_folder(site))
    _note_use(site, machine_class, how="promoted", by=by)
    return f"{machine_class}: {version} is current; the work role takes it at its next look."


def roll_back(site: Site, *, machine_class: str, by: str) -> str:
    """Make the version before the current one current; a sentence for the terminal.

    Raises:
        ConfigError: The plant has no such class, or that version does not load.
    """
    _check_class(site, machine_class)
    version = registry.rollback(machine_class, folder=_folder(site))
    if version is None:
        return f"{machine_class} has no earlier version to go back to."
    _note_use(site, machine_class, how="rolled_back", by=by)
    return f"{machine_class}: {version} is current again."


def _check_class(site: Site, machine_class: str) -> None:
    if machine_class not in site.plant.class_index:
        expected = f"one of the plant's machine classes: {', '.join(site.plant.class_index)}"
        raise QuestionError((Fault(where="MACHINE_CLASS", found=repr(machine_class), expected=expected),))


def _champion(site: Site, machine_class: str) -> Model | None:
    """The model in use; one that does not load is none."""
    try:
        return registry.load_current(machine_class, folder=_folder(site))
    except ConfigError as error:
        log.warning("champion_not_loaded", extra={"machine_class": machine_class, "reason": str(error)})
        return None


def _tell_verdict(site: Site, challenger: Model, verdict: Verdict) -> None:
    what = "challenger promoted" if verdict.promoted else "challenger waits"
    detail = f"{challenger.machine_class}: {challenger.version}: {verdict.reason}"
    with closing(open_records(site)) as records:
        records.audit("training", what, at=site.clock.now(), detail=detail)


def _keep_labels(site: Site, machine_class: str, *, version: str) -> str:
    """Remember which findings a version learned from; told in a few words."""
    names = machines_of(site.plant, site.plant.class_index[machine_class])
    with closing(open_records(site)) as records:
        mine = [label for label in labels(records) if label.machine in names and not label.left_out]
        keep_version(records, version=version, found=mine)
    kinds = {meaning: sum(label.meaning is meaning for label in mine) for meaning in Meaning}
    told = ", ".join(f"{number} {meaning.value}" for meaning, number in kinds.items() if number)
    return f"; findings of work orders among them: {told}" if told else ""


def _note_use(site: Site, machine_class: str, *, how: str, by: str, reason: str = "") -> None:
    """Keep in the records that the current version of a class was put in use."""
    (now_used,) = (each for each in versions(_folder(site)) if each.current and each.machine_class == machine_class)
    use = ModelUse(
        machine_class=machine_class,
        version=now_used.version,
        at=site.clock.now(),
        by=by,
        how=how,
        data_cut_off=now_used.data_cut_off,
        metrics=dict(now_used.metrics),
        reason=reason,
    )
    with closing(open_records(site)) as records:
        records.put_model_use(use)


def _folder(site: Site) -> Path:
    return site.data / "models"


def _measured(metrics: Mapping[str, float]) -> str:
    return (
        f"from {metrics['failures']:.0f} failures in {metrics['lives']:.0f} lives; on held-out lives average precision "
        f"{metrics['average_precision']:.2f} at a prevalence of {metrics['prevalence']:.2f}"
    )
