"""The nearest past case: which failure before looked most as a machine looks now, and how long before its end.

Machines are compared by what raises their risks, signal by signal and scale by scale: by causes, not by levels, which
differ from machine to machine.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.explain import FIRST_CALENDAR_YEAR, contributions
from analytics.features import extract
from analytics.lives import Life
from analytics.training import Model
from plant.clock import instant
from plant.risks import PastCase

FILE: Final = "cases.json"
MOMENTS: Final = 16
"""Moments of each failed life that are kept, over its second half."""
LEAST_LIKENESS: Final = 0.5
"""Below it no case is called alike [0..1]."""
LEAST_RAISED: Final = 2.3
"""Log units above healthy, ten times its hazard, below which there is nothing to compare: age and noise alone may make
it a few times higher."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What raised the risk of a machine at a moment before its failure."""

    machine: str
    mode: str
    failed_at_us: int
    """[µs UTC]"""
    left_units: float
    """To the failure [life units]."""
    parts: tuple[float, ...]
    """By signal and scale, as the model's contributions. (group,)"""


def moments_of(lives: Sequence[Life], *, model: Model, horizon_units: float) -> tuple[Moment, ...]:
    """Moments of the lives that failed, to compare running machines with."""
    found = []
    for life in lives:
        if not life.failed or len(life) < model.settings.minimum_rows:
            continue
        first = max(len(life) // 2, model.settings.minimum_rows - 1)
        rows = np.unique(np.linspace(first, len(life) - 1, MOMENTS).round().astype(np.intp))
        features = extract(life, normaliser=model.normaliser, settings=model.settings, rows=rows)
        split = contributions(features, model=model, horizon_units=horizon_units)
        left = life.remaining_units[rows]
        found += [
            Moment(
                machine=life.machine,
                mode=life.mode,
                failed_at_us=int(life.observed_at_us[-1]),
                left_units=float(left[index]),
                parts=tuple(split.parts[index].tolist()),
            )
            for index in range(len(rows))
        ]
    return tuple(found)


def nearest_case(
    parts: NDArray[np.float64], moments: Sequence[Moment], *, model: Model, machine: str, zone: tzinfo = UTC
) -> PastCase | None:
    """The moment before a failure that was most alike; None where none was, or where nothing raises the risk.

    Likeness is 1 - |a - b| / (|a| + |b|): 1 for the same causes to the same extent, 0 for opposite ones.

    Args:
        parts: Contributions at the newest reading. (group,)
        moments: Of the same model.
        model: That made them.
        machine: Whose parts they are.
        zone: In which the sentence tells when it was.
    """
    if not moments or float(parts.sum()) < LEAST_RAISED:
        return None
    known = np.array([moment.parts for moment in moments])  # (moment, group)
    size = np.linalg.norm(known, axis=1) + np.linalg.norm(parts)
    likeness = 1.0 - np.linalg.norm(known - parts, axis=1) / np.maximum(size, 1e-12)
    best = int(likeness.argmax())
    if likeness[best] < LEAST_LIKENESS:
        return None
    moment, at = moments[best], instant(moments[best].failed_at_us)
    left_h = moment.left_units * model.cycle_h
    when = f" of {at.astimezone(zone):%d %b %Y %H:%M}" if at.year >= FIRST_CALENDAR_YEAR else ""
    who = "this machine itself" if moment.machine == machine else moment.machine
    mode = f" ({moment.mode})" if moment.mode else ""
    ahead = f"{left_h:.0f} h" if left_h >= 1 else "less than an hour"
    sentence = f"most like {who} {ahead} before its failure{when}{mode}: {likeness[best]:.0%} alike".replace("%", " %")
    return PastCase(
        machine=moment.machine,
        mode=moment.mode,
        failed_at=at,
        left_h=left_h,
        likeness=float(likeness[best]),
        sentence=sentence,
    )


def write_moments(moments: Sequence[Moment], *, home: Path) -> None:
    """Keep the moments beside the model that made them."""
    (home / FILE).write_bytes(msgspec.json.encode([asdict(moment) for moment in moments]))


def read_moments(home: Path) -> tuple[Moment, ...]:
    """The moments kept beside a model; none where there are none or they cannot be read."""
    try:
        return msgspec.json.decode((home / FILE).read_bytes(), type=tuple[Moment, ...])
    except (OSError, msgspec.MsgspecError):
        return ()
