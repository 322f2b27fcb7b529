"""Which signals make a machine unlike itself, in numbers and in a plant engineer's words."""

from datetime import UTC, datetime, tzinfo
from typing import Final

import numpy as np

from analytics.explain import plain_name, scale_words
from analytics.lives import Life
from analytics.normalise import normalise, usual_values
from analytics.normality import Normality, Unusualness
from plant.assets import MachineClass
from plant.clock import instant
from plant.risks import Evidence

SHOWN: Final = 5
"""Signals shown."""
FIRST_CALENDAR_YEAR: Final = 1980
"""Instants before it are numbers of cycles or hours, not dates."""


def normality_evidence(
    life: Life, unusual: Unusualness, *, normality: Normality, machine_class: MachineClass, zone: tzinfo = UTC
) -> tuple[Evidence, ...]:
    """The signals behind the newest p-value, greatest share first; shares are parts of the distance from normal.

    Args:
        life: Its last row is the one explained.
        unusual: Of this life.
        normality: That judged it.
        machine_class: For units.
        zone: In which the sentences tell since when.
    """
    settings, normaliser = normality.settings, normality.normaliser
    parts = unusual.parts[-1]
    whole = max(float(np.maximum(parts, 0.0).sum()), 1e-12)
    rows = settings.scales_rows[-1]
    z = normalise(life, normaliser=normaliser)[-rows:]
    usual, sigma = usual_values(life.values[-1:], normaliser=normaliser)
    since = _since(life, unusual, alarm_p=settings.alarm_p)
    words = scale_words(f"{rows} rows", row_units=life.row_units, cycle_h=life.cycle_h)
    when = ""
    if since is not None and since.year >= FIRST_CALENDAR_YEAR:
        when = f" since {since.astimezone(zone):%d %b %H:%M}"
    found = []
    for column in np.argsort(-parts)[:SHOWN]:
        share = float(max(parts[column], 0.0)) / whole
        reported = z[:, column][np.isfinite(z[:, column])]
        if not len(reported) or share <= 0:
            continue
        name, unit = plain_name(normaliser.kept[column], machine_class=machine_class)
        mean = float(reported.mean())
        value, healthy = (float(usual[0, column] + at * sigma[0, column]) for at in (mean, 0.0))
        side = "above" if mean >= 0 else "below"
        finding = f"{name} {abs(mean):.1f} sigma {side} normal over the last {words}"
        finding += f" ({value:.4g} against {healthy:.4g}{unit})"
        if abs(mean) < 1.0:
            finding = f"{name} no longer moves with the others as it used to ({value:.4g}{unit} over the last {words})"
        sentence = f"{finding}{when}: {share:.0%} of what is unusual".replace("%", " %")
        found.append(
            Evidence(
                signal=normaliser.kept[column],
                scale=f"{words} mean",
                contribution=float(parts[column]),
                share=share,
                value=value,
                baseline=healthy,
                deviation_sigma=mean,
                since=since,
                sentence=sentence,
            )
        )
    return tuple(found)


def _since(life: Life, unusual: Unusualness, *, alarm_p: float) -> datetime | None:
    """Since when every reading has been unusual; None: the newest is not."""
    quiet = np.flatnonzero(unusual.p > alarm_p)
    begin = int(quiet[-1]) + 1 if len(quiet) else 0
    return instant(int(life.observed_at_us[begin])) if begin < len(life) else None
