"""The normality head beside the failure risk of the live plant: one file per class, a word on every machine."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np

from analytics.heads import part_of, read_normality, write_normality
from analytics.lives import Life, with_signals
from analytics.normalise import HEALTHY_SHARE
from analytics.normality import Normality, judge_normality, learn_normality
from analytics.normality_evidence import normality_evidence
from analytics.normality_settings import NormalitySettings
from plant.assets import MachineClass
from plant.clock import instant
from plant.risks import Cause, Risk

FOLDER: Final = "normality"


def learn_from_lives(lives: Sequence[Life], *, alarms_per_week: float, folder: Path, created_at: datetime) -> str:
    """Learn what is normal for a class from its lives and keep it; a sentence.

    Of a life that failed the first part counts, of one that runs or was renewed in time all but its last part.

    Args:
        lives: Of one machine class.
        alarms_per_week: False alarms that are bearable per machine [1/week].
        folder: Of the registry.
        created_at: Instant of the training.
    """
    if not lives:
        return "normality: no life yet"
    share = {True: HEALTHY_SHARE, False: 1.0 - HEALTHY_SHARE}
    normal = [part_of(life, round(share[life.failed] * len(life))) for life in lives]
    found = learn_normality(normal, settings=NormalitySettings(alarms_per_week=alarms_per_week))
    if not isinstance(found, Normality):
        return f"normality: {found.reason}"
    home = folder / found.machine_class / FOLDER
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = home.parent / f".draft-{uuid4().hex}"
    draft.mkdir()
    version = f"{created_at:%Y%m%dT%H%M%SZ}-{found.data_hash[:8]}"
    write_normality(replace(found, version=version), home=draft, created_at=created_at)
    if home.is_dir():
        for path in home.iterdir():
            path.unlink()
        home.rmdir()
    draft.rename(home)
    rows = found.metrics["normal_readings"]
    return (
        f"normality from {rows:.0f} readings of {len(normal)} lives, {alarms_per_week:g} false alarms a week bearable"
    )


def load_normality(machine_class: str, *, folder: Path) -> Normality | None:
    """What is normal for a class; None where it was never learned. Raises ConfigError where it does not load."""
    home = folder / machine_class / FOLDER
    return read_normality(home) if (home / "normality.json").is_file() else None


def with_normality(risk: Risk, life: Life, *, normality: Normality, machine_class: MachineClass, zone: tzinfo) -> Risk:
    """The risk with the machine's p-value; where no failure risk could be told, also with what is unusual.

    The probability stays as it is: unusual is not worn. Settings that were never seen are unlike normal operation, and
    no reason to look at the machine.
    """
    settings = normality.settings
    if len(life) < max(settings.scales_rows) or not set(normality.normaliser.signals) <= set(life.signals):
        return risk
    life = with_signals(life, signals=normality.normaliser.signals)
    unusual = judge_normality(life, normality=normality)
    p = float(unusual.p[-1])
    if risk.enough_data:
        return replace(risk, anomaly_p=p)
    evidence = normality_evidence(life, unusual, normality=normality, machine_class=machine_class, zone=zone)
    if unusual.alarm[-1] and all(each.cause is not Cause.NEW_REGIME for each in risk.diagnoses):
        begin = int(np.flatnonzero(~unusual.alarm)[-1]) + 1 if not unusual.alarm.all() else 0
        since = instant(int(life.observed_at_us[begin]))
        words = f"; unlike its normal operation since {since.astimezone(zone):%d %b %H:%M} (p {p:.1g}), "
        words += f"with {settings.alarms_per_week:g} false alarms a week taken as bearable"
        risk = replace(risk, reason=f"{risk.reason}{words}", unusual_since=since)
    return replace(risk, anomaly_p=p, evidence=evidence)
