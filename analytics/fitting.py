"""Fit the ensemble of hazard networks to the rows of many lives, each member without some of the lives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analytics.device import training_device
from analytics.features import extract
from analytics.hazard import expected_life, log_survival, mean_weights, negative_log_likelihood, targets
from analytics.lives import Life, chosen_rows
from analytics.model_settings import ModelSettings
from analytics.network import HazardNetwork
from analytics.normalise import Normaliser, medians

Progress = Callable[[float, str], None]
HEALTHY_PART = 0.3
"""First part of the lives' rows whose median is the healthy reference of explanations [0..1]."""
MODE_WEIGHT = 0.1
"""Weight of the mode's log loss beside the hazard's likelihood [ratio]."""
LIFE_SHARE = 0.6
"""Part of the median failed life up to which the expected remaining life is compared [0..1]."""
LEAST_STEPS = 24
"""Steps of the optimiser in a pass, also where few rows would make fewer."""
LEAST_ROWS = 64
"""Of such a step [row]."""
CHUNK_ROWS = 1000
"""Rows scored at a time; bounds memory [row]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainingRows:
    """Rows of all lives that enter training."""

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
    spoken: NDArray[np.bool_]
    """Whether there were readings enough by then for the model to speak. (row,)"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Targets:
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

    def to(self, device: torch.device) -> "Targets":
        """The same on another device."""
        return Targets(**{part.name: getattr(self, part.name).to(device) for part in fields(self)})


def gather_rows(lives: Sequence[Life], *, normaliser: Normaliser, settings: ModelSettings) -> TrainingRows:
    """The rows that enter training, with their inputs."""
    parts, remaining, failed, weights, index, healthy, spoken = [], [], [], [], [], [], []
    for number, life in enumerate(lives):
        rows, weight = chosen_rows(len(life), most=settings.rows_per_life)
        parts.append(extract(life, normaliser=normaliser, settings=settings, rows=rows))
        remaining.append(life.remaining_units[rows])
        failed.append(np.full(len(rows), life.failed))
        weights.append(weight)
        index.append(np.full(len(rows), number))
        healthy.append(rows < HEALTHY_PART * len(life))
        spoken.append(rows >= settings.minimum_rows - 1)
    weight = np.concatenate(weights)
    return TrainingRows(
        features=np.concatenate(parts),
        remaining=np.concatenate(remaining),
        failed=np.concatenate(failed),
        weight=weight / weight.mean(),
        life=np.concatenate(index),
        healthy=np.concatenate(healthy),
        spoken=np.concatenate(spoken),
    )


def fit_network(
    rows: TrainingRows,
    *,
    lives: Sequence[Life],
    edges: NDArray[np.float64],
    modes: tuple[str, ...],
    settings: ModelSettings,
    seed: int,
    progress: Progress,
) -> tuple[HazardNetwork, NDArray[np.bool_]]:
    """The trained ensemble, and which rows each member held out. (member, row)

    Args:
        rows: Of all lives.
        lives: Of which the rows are.
        edges: Of the hazard bins [life units]. (bin + 1,)
        modes: Failure modes that are told apart.
        settings: How to learn.
        seed: Of everything random.
        progress: Called with the share done, from 0.2 to 0.95, and a sentence.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    fold = _folds(lives, settings, rng)
    held_out = np.stack([fold[rows.life] == member % settings.folds for member in range(settings.members)])
    survived, died = targets(rows.remaining, rows.failed, edges)
    x, alive, dead = (torch.tensor(part, dtype=torch.float32) for part in (rows.features, survived, died))
    weight = torch.tensor(np.where(held_out, 0.0, rows.weight), dtype=torch.float32)  # (member, row)
    mode = torch.tensor([modes.index(life.mode) if life.mode in modes and life.failed else -1 for life in lives])
    lengths = [float(life.remaining_units[0]) for life in lives if life.failed]
    longest = max(LIFE_SHARE * float(np.median(lengths)), lives[0].row_units)
    known = rows.failed | (rows.remaining >= longest)
    goal = Targets(
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
        dropout=settings.dropout[0],
    )
    exposed = (alive * weight[0][:, None]).sum(dim=0) + 1.0
    base = torch.log(((dead * weight[0][:, None]).sum(dim=0) + 0.1) / exposed)
    healthy = torch.tensor(medians(rows.features[rows.healthy]), dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.start(x, healthy=healthy, base_logits=base, generator=generator)
        descend(network, x, goal, settings=settings, rng=rng, device=training_device(), progress=progress)
    return network, held_out


def out_of_fold(network: HazardNetwork, rows: TrainingRows, held_out: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Log-survival at the edges by the members that held the row out, pooled; NaN where none did. (row, edge)"""
    bins = network.bias_hazard.shape[-1]
    out = np.full((len(rows.weight), bins + 1), np.nan)
    use = np.flatnonzero(held_out.any(axis=0))
    for part in np.array_split(use, max(1, len(use) // CHUNK_ROWS)):
        with torch.no_grad():
            hazard, _ = network(torch.tensor(rows.features[part], dtype=torch.float32))
        share = held_out[:, part] / held_out[:, part].sum(axis=0)  # (member, row)
        out[part] = (log_survival(hazard).double().numpy() * share[..., None]).sum(axis=0)
    return out


def _folds(lives: Sequence[Life], settings: ModelSettings, rng: np.random.Generator) -> NDArray[np.intp]:
    """Fold of each life; failed and running lives are spread evenly. (life,)"""
    fold = np.zeros(len(lives), dtype=np.intp)
    begin = 0
    for ended in (True, False):
        mine = rng.permutation([index for index, life in enumerate(lives) if bool(life.failed) == ended])
        fold[mine.astype(np.intp)] = (begin + np.arange(len(mine))) % settings.folds
        begin += len(mine)
    return fold


def descend(
    network: HazardNetwork,
    x: Tensor,
    goal: Targets,
    *,
    settings: ModelSettings,
    rng: np.random.Generator,
    device: torch.device,
    progress: Progress,
) -> None:
    """Train a started network in place; it ends on the device on which it came.

    Args:
        network: Started.
        x: Inputs. (row, feature)
        goal: What to say about each row.
        settings: How long and how fast.
        rng: Of the order of rows.
        device: Where to train.
        progress: As of `fit_network`.
    """
    home = network.healthy.device
    network.to(device)
    x, goal = x.to(device), goal.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = max(min(LEAST_STEPS, len(x) // LEAST_ROWS), len(x) // settings.batch_rows, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * batches)
    network.train()
    for epoch in range(settings.epochs):
        for part in np.array_split(rng.permutation(len(x)), batches):
            index = torch.from_numpy(part).to(device)
            loss = _loss(network, x[index], goal, index, settings.life_weight).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch declares no types for it
            optimiser.step()
            schedule.step()
        progress(0.2 + 0.75 * (epoch + 1) / settings.epochs, f"pass {epoch + 1} of {settings.epochs}")
    network.eval().to(home)


def _loss(network: HazardNetwork, x: Tensor, goal: Targets, rows: Tensor, life_weight: float) -> Tensor:
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
