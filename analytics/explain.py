"""Which signal, on which time scale, raises a risk and by how much: contributions that add up, and sentences.

Integrated gradients from the machine's own healthy baseline to the present, along the straight line between the
encoded inputs. Each input has its own curve, so every encoded coordinate belongs to one input; past the curves the
network is smooth and few nodes suffice.
Source: Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analytics.features import AGE, LEVEL, Baseline, baseline_at, window_mean
from analytics.hazard import ensemble_log_survival, interpolation
from analytics.lives import Life
from analytics.normalise import normalise, usual_values
from analytics.training import Model
from plant.assets import MachineClass
from plant.clock import instant, microseconds
from plant.quantities import Quantity
from plant.risks import Evidence

NODES: Final = (16, 128)
"""Gauss-Legendre nodes, first for all rows, then for those whose parts do not add up."""
INCOMPLETE: Final = 0.005
"""Difference between the parts' sum and the whole beyond which more nodes are used [ratio]."""
EVIDENCES: Final = 8
"""Signals shown one by one; the others are added up."""
BEYOND_SIGMA: Final = 2.0
FIRST_CALENDAR_YEAR: Final = 1980
"""Instants before it are numbers of cycles or hours, not dates."""
SUFFIXES: Final = {
    Quantity.TEMPERATURE: "_c",
    Quantity.VIBRATION: "_mm_s",
    Quantity.CURRENT: "_a",
    Quantity.VOLTAGE: "_v",
    Quantity.POWER: "_kw",
    Quantity.PRESSURE: "_bar",
    Quantity.DURATION: "_s",
    Quantity.RATIO: "_ratio",
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Contributions:
    """Log cumulative hazard within the horizon, split by signal and time scale."""

    groups: tuple[tuple[str, str], ...]
    """(signal, scale)"""
    parts: NDArray[np.float64]
    """(row, group) [log units]"""
    statistic: NDArray[np.object_]
    """The statistic that gives most of each part. (row, group)"""
    whole: NDArray[np.float64]
    """At the row, less at the healthy baseline. (row,) [log units]"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cause:
    """A signal's share and where it shows most."""

    signal: str
    scale: str
    statistic: str
    contribution: float
    share: float


def contributions(features: NDArray[np.float64], *, model: Model, horizon_units: float) -> Contributions:
    """Split the risk of some rows. Parts add up to the whole within 1 %.

    Args:
        features: As extracted. (row, feature)
        model: The model that judges them.
        horizon_units: Of the risk [life units].
    """
    reference = np.where(np.isnan(features), np.nan, model.network.healthy.numpy())
    parts, whole = _integrate(features, reference, model, horizon_units, nodes=NODES[0])
    missed = np.abs(parts.sum(axis=1) - whole) > INCOMPLETE * np.abs(whole)
    if missed.any():
        parts[missed], _ = _integrate(features[missed], reference[missed], model, horizon_units, nodes=NODES[1])
    names = [(feature.signal, feature.scale) for feature in model.features]
    groups = tuple(dict.fromkeys(names))
    sums = np.zeros((len(features), len(groups)))
    statistic = np.empty(sums.shape, dtype=object)
    for column, group in enumerate(groups):
        members = np.array([index for index, name in enumerate(names) if name == group])
        sums[:, column] = parts[:, members].sum(axis=1)
        greatest = members[np.abs(parts[:, members]).argmax(axis=1)]
        statistic[:, column] = [model.features[index].statistic for index in greatest]
    return Contributions(groups=groups, parts=sums, statistic=statistic, whole=whole)


def evidence_of(
    life: Life, split: Contributions, *, row: int, model: Model, machine_class: MachineClass, zone: tzinfo = UTC
) -> tuple[Evidence, ...]:
    """The evidence at the newest reading of a life: a signal each, with the time scale that shows it best.

    Greatest share first; what is left of the smallest ones is added up at the end, so that the parts stay whole.

    Args:
        life: Its last row is the one explained.
        split: Contributions of several rows.
        row: Row of `split` that belongs to the life.
        model: The model that judged.
        machine_class: For units.
        zone: The plant's, in which the sentences tell since when.
    """
    z = normalise(life, normaliser=model.normaliser)
    last = np.array([len(life) - 1])
    baseline = baseline_at(z, rows=last, baseline_rows=model.settings.baseline_rows)
    by_signal: dict[str, list[int]] = {}
    for index, (signal, _) in enumerate(split.groups):
        by_signal.setdefault(signal, []).append(index)
    total = {signal: float(split.parts[row, groups].sum()) for signal, groups in by_signal.items()}
    positive = max(sum(part for part in total.values() if part > 0), 1e-12)
    shown = sorted(total, key=lambda signal: -abs(total[signal]))[:EVIDENCES]
    evidence = []
    for signal in sorted(shown, key=lambda signal: -total[signal]):
        share = max(total[signal], 0.0) / positive
        if signal == AGE:
            evidence.append(_age_evidence(life, model, total[signal], share))
            continue
        leading = max(by_signal[signal], key=lambda group: split.parts[row, group] * np.sign(total[signal] or 1.0))
        cause = _Cause(
            signal=signal,
            scale=split.groups[leading][1],
            statistic=str(split.statistic[row, leading]),
            contribution=total[signal],
            share=share,
        )
        evidence.append(_signal_evidence(life, z, baseline, cause, model=model, machine_class=machine_class, zone=zone))
    rest = [part for signal, part in total.items() if signal not in shown]
    if rest:
        evidence.append(_rest_evidence(sum(rest), sum(part for part in rest if part > 0) / positive))
    return tuple(evidence)


def scale_rows(scale: str) -> int:
    """Rows of the window that a feature's scale names; 1 for the level."""
    return 1 if scale == LEVEL else int(scale.split()[0])


def scale_words(scale: str, *, row_units: float, cycle_h: float) -> str:
    """A time scale for people.

    >>> scale_words("36 rows", row_units=1 / 6, cycle_h=1.0)
    '6 h'
    >>> scale_words("32 rows", row_units=1.0, cycle_h=1.0)
    '32 readings'
    """
    rows = scale_rows(scale)
    if row_units == 1.0:
        return f"{rows} readings"
    hours = rows * row_units * cycle_h
    return f"{hours:.3g} h" if hours >= 1 else f"{60 * hours:.3g} min"


def plain_name(signal: str, *, machine_class: MachineClass) -> tuple[str, str]:
    """What people call a signal, and its unit.

    A unit at the end of the name is said once, with the number.
    """
    quantity = next((s.quantity for s in machine_class.signals if s.name == signal), None)
    unit = "" if quantity in (None, Quantity.RATIO, Quantity.DIMENSIONLESS) else f" {quantity.unit}"
    suffix = SUFFIXES.get(quantity, "") if quantity else ""
    return signal.removesuffix(suffix).replace("_", " "), unit.replace("degC", "°C")


def _integrate(
    features: NDArray[np.float64], reference: NDArray[np.float64], model: Model, horizon_units: float, *, nodes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Parts (row, feature) and whole (row,)."""
    weights = torch.tensor(interpolation([horizon_units], model.edges)[:, 0])
    place, measure = np.polynomial.legendre.leggauss(nodes)
    with torch.no_grad():
        end = model.network.encode(torch.tensor(features))  # (member, row, feature)
        start = model.network.encode(torch.tensor(reference))
        whole = _log_hazard(end, model, weights) - _log_hazard(start, model, weights)
    gradient = torch.zeros_like(end)
    for at, share in zip((place + 1) / 2, measure / 2, strict=True):
        point = (start + float(at) * (end - start)).requires_grad_()
        (slope,) = torch.autograd.grad(_log_hazard(point, model, weights).sum(), point)
        gradient += float(share) * slope
    parts = ((end - start) * gradient).sum(dim=0)  # (row, feature)
    return parts.numpy(), whole.numpy()


def _log_hazard(encoded: Tensor, model: Model, weights: Tensor) -> Tensor:
    """Calibrated logarithm of the cumulative hazard within the horizon. (member, row, feature) -> (row,)"""
    hazard, _ = model.network.decide(encoded)
    survived = ensemble_log_survival(hazard) @ weights
    return model.calibration.slope * torch.log((-survived).clamp_min(1e-30)) + model.calibration.offset


def _signal_evidence(
    life: Life,
    z: NDArray[np.float64],
    baseline: Baseline,
    cause: _Cause,
    *,
    model: Model,
    machine_class: MachineClass,
    zone: tzinfo,
) -> Evidence:
    signal, scale, statistic = cause.signal, cause.scale, cause.statistic
    contribution, share = cause.contribution, cause.share
    column = model.normaliser.kept.index(signal)
    own = z[:, [column]]
    centre, spread = float(baseline.centre[0, column]), float(baseline.spread[0, column])
    mean = window_mean(own, rows=np.arange(len(life)), scale=scale_rows(scale))[:, 0]  # (time,)
    deviation = (mean - centre) / spread
    usual, sigma = usual_values(life.values[-1:], normaliser=model.normaliser)
    value = float(usual[0, column] + mean[-1] * sigma[0, column])
    healthy = float(usual[0, column] + centre * sigma[0, column])
    since = _beyond_since(deviation, life.observed_at_us)
    words = scale_words(scale, row_units=life.row_units, cycle_h=life.cycle_h)
    name, unit = plain_name(signal, machine_class=machine_class)
    over = "now" if scale == LEVEL else f"over the last {words}"
    side = "above" if deviation[-1] >= 0 else "below"
    distance = f"{abs(deviation[-1]):.1f} sigma {side} its own baseline"
    finding = f"{name} {distance} {over} ({value:.4g} against {healthy:.4g}{unit})"
    if statistic == "spread":
        finding = f"{name} scatters unusually {over} (mean {value:.4g}{unit})"
    elif statistic == "slope":
        change = mean[-1] - mean[max(len(mean) - 1 - scale_rows(scale), 0)]
        way = "rising" if change >= 0 else "falling"
        finding = f"{name} {way} {over}, now {distance} ({value:.4g}{unit})"
    began = _since_words(since, life, zone) if since else ""
    effect = f"{share:.0%} of the risk".replace("%", " %") if contribution > 0 else "lowers the risk"
    return Evidence(
        signal=signal,
        scale="level" if scale == LEVEL else f"{words} {'mean' if statistic in ('mean', 'level') else statistic}",
        contribution=contribution,
        share=share,
        value=value,
        baseline=healthy,
        deviation_sigma=float(deviation[-1]),
        since=since,
        sentence=f"{finding}{began}: {effect}",
    )


def _since_words(since: datetime, life: Life, zone: tzinfo) -> str:
    """By the plant's clock; where the readings are only numbered, by their count."""
    if since.year >= FIRST_CALENDAR_YEAR:
        return f" since {since.astimezone(zone):%d %b %H:%M}{' UTC' if zone is UTC else ''}"
    count = int((life.observed_at_us >= microseconds(since)).sum())
    return f" for {count} readings" if count > 1 else " at the newest reading"


def _beyond_since(deviation: NDArray[np.float64], observed_at_us: NDArray[np.int64]) -> datetime | None:
    """Since when the deviation has stayed beyond 2 sigma on its present side; None: it is not."""
    side = 1.0 if deviation[-1] >= 0 else -1.0
    inside = ~(np.nan_to_num(side * deviation) > BEYOND_SIGMA)
    if inside[-1]:
        return None
    rows = np.flatnonzero(inside)
    return instant(int(observed_at_us[rows[-1] + 1 if len(rows) else 0]))


def _age_evidence(life: Life, model: Model, contribution: float, share: float) -> Evidence:
    age = float(life.age_units[-1])
    index = next(i for i, feature in enumerate(model.features) if feature.signal == AGE)
    usual = float(model.network.healthy[index])
    spread = max(usual, life.row_units)
    words = f"{age:.0f} readings" if life.row_units == 1.0 else f"{age * life.cycle_h:.0f} operating hours"
    effect = f"{share:.0%} of the risk".replace("%", " %") if contribution > 0 else "lowers the risk"
    return Evidence(
        signal=AGE,
        scale=AGE,
        contribution=contribution,
        share=share,
        value=age,
        baseline=usual,
        deviation_sigma=(age - usual) / spread,
        since=None,
        sentence=f"{words} since the last renewal: {effect}",
    )


def _rest_evidence(contribution: float, share: float) -> Evidence:
    return Evidence(
        signal="other",
        scale="all",
        contribution=contribution,
        share=share,
        value=0.0,
        baseline=0.0,
        deviation_sigma=0.0,
        since=None,
        sentence=f"all other readings together: {share:.0%} of the risk".replace("%", " %"),
    )
