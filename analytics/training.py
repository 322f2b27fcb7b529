"""Learn the hazard of a machine class from its lives: failed ones and those that still run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analytics.calibrate import Calibration, calibrated, fit_calibration
from analytics.evaluate import average_precision, brier, expected_calibration_error
from analytics.features import Feature, extract, features_of
from analytics.hazard import bin_edges, expected_life, log_survival, mean_weights, negative_log_likelihood, targets
from analytics.held_out import held_out_bins
from analytics.lives import Life, chosen_rows, data_hash
from analytics.model_settings import AgeInput, ModelSettings
from analytics.network import HazardNetwork
from analytics.normalise import Normaliser, fit_normaliser
from analytics.versions import HeldOutBin
from plant.assets import MachineClass
from plant.clock import instant

Progress = Callable[[float, str], None]
HEALTHY_PART = 0.3
"""First part of the lives' rows whose median is the healthy reference of explanations [0..1]."""
MODE_WEIGHT = 0.1
"""Weight of the mode's log loss beside the hazard's likelihood [ratio]."""
LIFE_SHARE = 0.6
"""Part of the median failed life up to which the expected remaining life is compared [0..1]."""
MODE_FAILURES = 3
"""Failures of a mode below which it is not told apart."""
LEAST_STEPS = 24
"""Steps of the optimiser in a pass, also where few rows would make fewer."""
LEAST_ROWS = 64
"""Of such a step [row]."""
CHUNK_ROWS = 1000
"""Rows scored at a time; bounds memory [row]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Model:
    """A trained failure-risk model of one machine class."""

    machine_class: str
    settings: ModelSettings
    normaliser: Normaliser
    features: tuple[Feature, ...]
    edges: NDArray[np.float64]
    """Of the hazard bins, from 0 [life units]. (bin + 1,)"""
    network: HazardNetwork
    """In double precision, ready to be asked."""
    calibration: Calibration
    modes: tuple[str, ...]
    """Failure modes that are told apart; empty: they are not."""
    base_rate: float
    """Failures per life unit of the class [1/unit]."""
    row_units: float
    """Life units of one row."""
    cycle_h: float
    """Hours of one life unit [h]."""
    seed: int
    data_cut_off: datetime
    """Newest reading that entered the training."""
    data_hash: str
    """SHA-256 of all training lives."""
    metrics: dict[str, float]
    """On lives that the member in question did not train on."""
    version: str = "unsaved"
    horizons: tuple[float, ...] = ()
    """Spans within which a data folder asks for failures [life units]."""
    reliability: tuple[HeldOutBin, ...] = ()
    """On the rows of `metrics`, within their horizon."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotTrained:
    """Why a class has no model; its risk stays the base rate of its MTBF."""

    machine_class: str
    failures: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Targets:
    """What the network should say about each training row, and how much each row counts for each member."""

    alive: Tensor
    """Part of each bin survived [0..1]. (row, bin)"""
    dead: Tensor
    """(row, bin)"""
    life: Tensor
    """Remaining life in shares of the longest one compared, at most 1; NaN where censored before. (row,)"""
    life_weights: Tensor
    """From survival at the edges to that share. (edge, grid)"""
    weight: Tensor
    """0 where the member holds the row out. (member, row)"""
    mode: Tensor
    """-1 where unknown. (row,)"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Rows:
    """Training rows of all lives."""

    features: NDArray[np.float64]
    """(row, feature)"""
    remaining: NDArray[np.float64]
    """(row,)"""
    failed: NDArray[np.bool_]
    """(row,)"""
    weight: NDArray[np.float64]
    """Readings that the row stands for, mean 1. (row,)"""
    life: NDArray[np.intp]
    """(row,)"""
    healthy: NDArray[np.bool_]
    """In the first part of its life. (row,)"""


def train(
    lives: Sequence[Life],
    *,
    machine_class: MachineClass,
    settings: ModelSettings,
    seed: int,
    progress: Progress = lambda _share, _text: None,
) -> Model | NotTrained:
    """Train an ensemble, calibrate it on held-out lives and measure it there.

    Args:
        lives: Of one machine class; running ones count as censored.
        machine_class: Of all these lives.
        settings: How to look and how to learn.
        seed: Of everything random; the same seed and lives give the same model.
        progress: Called with the share done [0..1] and a sentence.
    """
    torch.set_num_threads(settings.threads)
    usable = [life for life in lives if len(life) >= settings.minimum_rows]
    failures = sum(life.failed for life in usable)
    if failures < settings.training_failures:
        reason = (
            f"{machine_class.name}: {failures} failures with readings before them; "
            f"{settings.training_failures} are needed; till then the MTBF of {machine_class.mtbf_h:g} h counts."
        )
        return NotTrained(machine_class=machine_class.name, failures=failures, reason=reason)
    progress(0.0, f"{machine_class.name}: looking at {len(usable)} lives, {failures} of them failed")
    choices = settings.age_parts if settings.age is AgeInput.WITH else settings.age_parts[:1]
    models = []
    for number, parts in enumerate(choices):

        def shared(share: float, text: str, number: int = number) -> None:
            progress((number + share) / len(choices), f"{machine_class.name}: {text}")

        one = settings.model_copy(update={"age_parts": (parts,)})
        models.append(_learn(usable, machine_class=machine_class, settings=one, seed=seed, progress=shared))
    progress(1.0, f"{machine_class.name}: trained")
    return min(models, key=lambda model: model.metrics["log_loss"])


def _learn(
    usable: Sequence[Life], *, machine_class: MachineClass, settings: ModelSettings, seed: int, progress: Progress
) -> Model:
    failures = sum(life.failed for life in usable)
    normaliser = fit_normaliser(usable, settings=settings, seed=seed)
    rows = _gather(usable, normaliser, settings)
    progress(0.2, f"{len(rows.weight)} rows, {rows.features.shape[1]} inputs")
    edges = bin_edges(1.1 * float(rows.remaining.max()), row=usable[0].row_units, bins=settings.bins)
    modes = _modes(usable)
    network, held_out = _fit(rows, usable, edges, modes, settings, seed, progress)
    out = _out_of_fold(network, rows, held_out)
    known = np.asarray(np.isfinite(out).all(axis=1), dtype=np.bool_)
    calibration = fit_calibration(
        out[known],
        edges=edges,
        remaining=rows.remaining[known],
        failed=rows.failed[known],
        life=rows.life[known],
        weight=rows.weight[known],
        minimum_failures=settings.calibration_failures,
    )
    metrics, bins = _measured(out[known], rows, known, edges, calibration, failures, len(usable))
    exposure = sum(float(life.age_units[-1]) for life in usable)
    prior_units = machine_class.mtbf_h / machine_class.cycle_h
    return Model(
        machine_class=machine_class.name,
        settings=settings,
        normaliser=normaliser,
        features=features_of(normaliser, settings=settings),
        edges=edges,
        network=network.double().eval(),
        calibration=calibration,
        modes=modes,
        base_rate=(1.0 + failures) / (prior_units + exposure),  # Gamma-Poisson: the MTBF weighs as one failure
        row_units=usable[0].row_units,
        cycle_h=usable[0].cycle_h,
        seed=seed,
        data_cut_off=instant(max(int(life.observed_at_us[-1]) for life in usable)),
        data_hash=data_hash(usable),
        metrics=metrics,
        reliability=bins,
    )


def _gather(lives: Sequence[Life], normaliser: Normaliser, settings: ModelSettings) -> _Rows:
    parts, remaining, failed, weights, index, healthy = [], [], [], [], [], []
    for number, life in enumerate(lives):
        rows, weight = chosen_rows(len(life), most=settings.rows_per_life)
        parts.append(extract(life, normaliser=normaliser, settings=settings, rows=rows))
        remaining.append(life.remaining_units[rows])
        failed.append(np.full(len(rows), life.failed))
        weights.append(weight)
        index.append(np.full(len(rows), number))
        healthy.append(rows < HEALTHY_PART * len(life))
    weight = np.concatenate(weights)
    return _Rows(
        features=np.concatenate(parts),
        remaining=np.concatenate(remaining),
        failed=np.concatenate(failed),
        weight=weight / weight.mean(),
        life=np.concatenate(index),
        healthy=np.concatenate(healthy),
    )


def _modes(lives: Sequence[Life]) -> tuple[str, ...]:
    labels = [life.mode for life in lives if life.failed and life.mode]
    return tuple(sorted(mode for mode in set(labels) if labels.count(mode) >= MODE_FAILURES))


def _held_out(lives: Sequence[Life], settings: ModelSettings, rng: np.random.Generator) -> NDArray[np.intp]:
    """Fold of each life; member m holds out fold m. Failed and running lives are spread evenly. (life,)"""
    folds = max(settings.members, round(1 / settings.held_out_share))
    fold = np.zeros(len(lives), dtype=np.intp)
    begin = 0
    for ended in (True, False):
        mine = rng.permutation([index for index, life in enumerate(lives) if bool(life.failed) == ended])
        fold[mine.astype(np.intp)] = (begin + np.arange(len(mine))) % folds
        begin += len(mine)
    return fold


def _fit(
    rows: _Rows,
    lives: Sequence[Life],
    edges: NDArray[np.float64],
    modes: tuple[str, ...],
    settings: ModelSettings,
    seed: int,
    progress: Progress,
) -> tuple[HazardNetwork, NDArray[np.bool_]]:
    """The trained ensemble, and which rows each member held out. (member, row)"""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    fold = _held_out(lives, settings, rng)
    held_out = np.stack([fold[rows.life] == member for member in range(settings.members)])
    survived, died = targets(rows.remaining, rows.failed, edges)
    x, alive, dead = (torch.tensor(part, dtype=torch.float32) for part in (rows.features, survived, died))
    weight = torch.tensor(np.where(held_out, 0.0, rows.weight), dtype=torch.float32)  # (member, row)
    mode = torch.tensor([modes.index(life.mode) if life.mode in modes and life.failed else -1 for life in lives])
    lengths = [float(life.remaining_units[0]) for life in lives if life.failed]
    longest = max(LIFE_SHARE * float(np.median(lengths)), lives[0].row_units)
    known = rows.failed | (rows.remaining >= longest)
    goal = _Targets(
        alive=alive,
        dead=dead,
        life=torch.tensor(np.where(known, np.minimum(rows.remaining / longest, 1.0), np.nan), dtype=torch.float32),
        life_weights=torch.tensor(mean_weights(longest, edges), dtype=torch.float32),
        weight=weight,
        mode=mode[torch.tensor(rows.life)],
    )
    network = HazardNetwork(
        features=x.shape[1],
        knots=settings.knots,
        hidden=settings.hidden,
        bins=settings.bins,
        modes=len(modes),
        members=settings.members,
        dropout=settings.dropout,
    )
    exposed = (alive * weight[0][:, None]).sum(dim=0) + 1.0
    base = torch.log(((dead * weight[0][:, None]).sum(dim=0) + 0.1) / exposed)
    healthy = torch.tensor(_reference(rows), dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.start(x, healthy=healthy, base_logits=base, generator=generator)
        _descend(network, x, goal, settings, rng, progress)
    return network, held_out


def _reference(rows: _Rows) -> NDArray[np.float64]:
    """Median of each input over the healthy rows, 0 where there is none. (feature,)"""
    healthy = rows.features[rows.healthy]
    present = np.isfinite(healthy).any(axis=0)
    reference = np.zeros(healthy.shape[1])
    reference[present] = np.nanmedian(healthy[:, present], axis=0)
    return reference


def _descend(
    network: HazardNetwork,
    x: Tensor,
    goal: _Targets,
    settings: ModelSettings,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = max(min(LEAST_STEPS, len(x) // LEAST_ROWS), len(x) // settings.batch_rows, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * batches)
    network.train()
    for epoch in range(settings.epochs):
        for part in np.array_split(rng.permutation(len(x)), batches):
            index = torch.from_numpy(part)
            loss = _loss(network, x[index], goal, index, settings.life_weight).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        progress(0.2 + 0.75 * (epoch + 1) / settings.epochs, f"pass {epoch + 1} of {settings.epochs}")
    network.eval()


def _loss(network: HazardNetwork, x: Tensor, goal: _Targets, rows: Tensor, life_weight: float) -> Tensor:
    """Weighted mean loss of each member on some rows. (member,)"""
    hazard, modes = network(x)
    weight = goal.weight[:, rows]
    total = weight.sum(dim=1).clamp_min(1.0)
    loss = (weight * negative_log_likelihood(hazard, goal.alive[rows], goal.dead[rows])).sum(dim=1) / total
    if life_weight > 0:
        wanted = goal.life[rows]
        missed = torch.nan_to_num(expected_life(hazard, goal.life_weights) - wanted)  # 0 where censored
        loss = loss + life_weight * (weight * missed**2).sum(dim=1) / total
    if modes.shape[-1] > 1:
        mode = goal.mode[rows]
        known = (mode >= 0).to(weight.dtype) * weight
        each = -torch.log_softmax(modes, dim=-1).gather(-1, mode.clamp_min(0).expand(len(modes), -1)[..., None])[..., 0]
        loss = loss + MODE_WEIGHT * (known * each).sum(dim=1) / known.sum(dim=1).clamp_min(1.0)
    return loss


def _out_of_fold(network: HazardNetwork, rows: _Rows, held_out: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Log-survival at the edges by the member that held the row out; NaN where none did. (row, edge)"""
    bins = network.bias_hazard.shape[-1]
    out = np.full((len(rows.weight), bins + 1), np.nan)
    use = np.flatnonzero(held_out.any(axis=0))
    for part in np.array_split(use, max(1, len(use) // CHUNK_ROWS)):
        with torch.no_grad():
            hazard, _ = network(torch.tensor(rows.features[part], dtype=torch.float32))
        curves = log_survival(hazard).double().numpy()  # (member, row, edge)
        out[part] = curves[held_out[:, part].argmax(axis=0), np.arange(len(part))]
    return out


def _measured(
    out: NDArray[np.float64],
    rows: _Rows,
    known: NDArray[np.bool_],
    edges: NDArray[np.float64],
    calibration: Calibration,
    failures: int,
    lives: int,
) -> tuple[dict[str, float], tuple[HeldOutBin, ...]]:
    """Risk within the middle bin edge on held-out rows, before and after calibration; its log loss up to there."""
    column = len(edges) // 2
    horizon = float(edges[column])
    remaining, failed = rows.remaining[known], rows.failed[known]
    decided = failed | (remaining > horizon)
    happened = (remaining <= horizon)[decided]
    raw = out[decided, column]
    probability = -np.expm1(calibrated(raw, calibration=calibration))
    metrics = {
        "log_loss": _log_loss(out, remaining, failed, edges, calibration),
        "lives": float(lives),
        "failures": float(failures),
        "horizon_units": horizon,
        "prevalence": float(happened.mean()) if len(happened) else float("nan"),
        "average_precision": average_precision(probability, happened),
        "brier": brier(probability, happened),
        "ece": expected_calibration_error(probability, happened),
        "ece_uncalibrated": expected_calibration_error(-np.expm1(raw), happened),
    }
    return metrics, held_out_bins(probability, happened, life=rows.life[known][decided])


def _log_loss(
    out: NDArray[np.float64],
    remaining: NDArray[np.float64],
    failed: NDArray[np.bool_],
    edges: NDArray[np.float64],
    calibration: Calibration,
) -> float:
    """Of "fails within", mean over the edges up to the middle one and the rows that are decided there."""
    near = calibrated(out, calibration=calibration)[:, 1 : len(edges) // 2 + 1]  # (row, edge)
    horizons = edges[1 : len(edges) // 2 + 1]
    happened = failed[:, None] & (remaining[:, None] <= horizons)
    decided = failed[:, None] | (remaining[:, None] > horizons)
    died = np.log(np.clip(-np.expm1(near), 1e-12, 1.0))
    return float(-np.where(happened, died, np.maximum(near, -27.0))[decided].mean()) if decided.any() else float("inf")
