"""Learn from labelled readings: how likely a reading is one that a person would call anomalous.

Readings in time are seen as the failure risk sees them, without age. Rows that stand alone are seen as they are, with
the product and the difference of each pair of signals: power is torque times speed, heat flow a temperature difference.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional

from analytics.evaluate import average_precision, brier, expected_calibration_error
from analytics.features import extract, features_of
from analytics.lives import Life, data_hash
from analytics.model_settings import AgeInput, ModelSettings
from analytics.network import HazardNetwork
from analytics.normalise import Normaliser, fit_normaliser

Progress = Callable[[float, str], None]
LOOK: Final = ModelSettings(age=AgeInput.WITHOUT, scales_rows=(4, 8, 16, 32))
"""Readings in time are seen over up to 64 rows; a label speaks of a state, not of an age or of most of a life."""
CHUNK_ROWS: Final = 1000
"""Rows judged at a time; bounds memory [row]."""
CELLS: Final = 4_000_000
"""Most rows times inputs that enter training."""
NODES: Final = 16
"""Gauss-Legendre nodes of the explanation's path."""


class LabelSettings(BaseModel):
    """Configuration of the label head; one for every data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least: int = Field(default=20, ge=2)
    """Labels of each kind below which nothing is learned."""
    knots: int = Field(default=32, ge=2)
    """Quantile bins of the encoding of each input."""
    knots_wide: int = Field(default=8, ge=2)
    """The same where inputs are many."""
    wide: int = Field(default=100, ge=1)
    """Inputs beyond which they are many."""
    hidden: tuple[int, int] = (96, 48)
    members: int = Field(default=4, ge=1)
    held_out_folds: int = Field(default=10, ge=2)
    """Each member does not see one of so many parts; it is calibrated there."""
    epochs: int = Field(default=60, ge=1)
    batch_rows: int = Field(default=256, ge=8)
    learning_rate: float = Field(default=4e-3, gt=0)
    sparsity: float = Field(default=1e-3, ge=0)
    """Cost of each input's weight in the first layer: few inputs matter [loss]."""
    weight_decay: float = Field(default=1e-2, ge=0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelHead:
    """A trained classifier of readings."""

    signals: tuple[str, ...]
    settings: LabelSettings
    normaliser: Normaliser | None
    """None: rows stand alone."""
    network: HazardNetwork
    """In double precision; its one hazard bin is the label."""
    slope: float
    """Of the calibration: reported logit = slope * logit + offset, per member mean."""
    offset: float
    seed: int
    data_hash: str
    metrics: dict[str, float]
    """On rows that the member in question did not see."""


def inputs_of(signals: Sequence[str], normaliser: Normaliser | None) -> tuple[tuple[str, str], ...]:
    """Signal (or pair of signals) and statistic of each input, in the order of the columns."""
    if normaliser is not None:
        return tuple((f.signal, f"{f.scale} {f.statistic}") for f in features_of(normaliser, settings=LOOK))
    pairs = list(itertools.combinations(signals, 2))
    names = [(name, "value") for name in signals]
    names += [(f"{a} x {b}", "product") for a, b in pairs]
    return tuple(names + [(f"{a} - {b}", "difference") for a, b in pairs])


def learn_labels(
    lives: Sequence[Life],
    labels: Sequence[NDArray[np.float64]],
    *,
    in_time: bool,
    settings: LabelSettings,
    seed: int,
    progress: Progress = lambda _share, _text: None,
) -> LabelHead | str:
    """Train on labelled readings; a sentence where there are too few.

    Args:
        lives: Of one machine class.
        labels: 0, 1 or NaN for each of their readings. (time,) each
        in_time: Whether readings follow one another; else each row stands alone.
        settings: How to learn.
        seed: Of everything random.
        progress: Called with the share done and a sentence.
    """
    label = np.concatenate(list(labels))
    counts = [int((label == value).sum()) for value in (0, 1)]
    if min(counts) < settings.least:
        return f"{counts[1]} readings labelled 1 and {counts[0]} labelled 0; {settings.least} of each are needed"
    normaliser = fit_normaliser(lives, settings=LOOK, seed=seed) if in_time else None
    names = inputs_of(lives[0].signals, normaliser)
    rng = np.random.default_rng(seed)
    use, weight = _chosen(label, most=CELLS // len(names), rng=rng)
    begins = np.cumsum([0, *(len(life) for life in lives)])
    wanted = [use[(use >= a) & (use < b)] - a for a, b in itertools.pairwise(begins)]
    rows = np.concatenate([label_inputs(life, normaliser, at) for life, at in zip(lives, wanted, strict=True)])
    y = label[use]
    fold = _folds(wanted, [len(life) for life in lives], y, settings, rng, in_time=in_time)
    network = HazardNetwork(
        features=rows.shape[1],
        knots=settings.knots if rows.shape[1] <= settings.wide else settings.knots_wide,
        hidden=settings.hidden,
        bins=1,
        modes=0,
        members=settings.members,
        dropout=0.0,
    )
    _train(network, rows, y, weight, fold, settings=settings, seed=seed, rng=rng, progress=progress)
    network = network.double().eval()
    each = _logits(network, rows)
    seen = fold < settings.members
    out = each[fold[seen], np.flatnonzero(seen)]
    slope, offset = _calibrate(out, y[seen], weight[seen])
    chance = 1.0 / (1.0 + np.exp(-(slope * out + offset)))
    happened = y[seen] > 0.5
    return LabelHead(
        signals=lives[0].signals,
        settings=settings,
        normaliser=normaliser,
        network=network,
        slope=slope,
        offset=offset,
        seed=seed,
        data_hash=data_hash(lives),
        metrics={
            "labelled_normal": float(counts[0]),
            "labelled_anomalous": float(counts[1]),
            "prevalence": float(happened.mean()),
            "average_precision": average_precision(chance, happened),
            "brier": brier(chance, happened),
            "ece": expected_calibration_error(chance, happened),
        },
    )


def judge_labels(life: Life, *, head: LabelHead) -> NDArray[np.float64]:
    """Probability that each reading would be labelled anomalous [0..1]. (row,)"""
    logit = _logits(head.network, label_inputs(life, head.normaliser, np.arange(len(life)))).mean(axis=0)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(head.slope * logit + head.offset, -60.0, 60.0))))


def explain_label(life: Life, *, head: LabelHead, row: int) -> dict[str, float]:
    """What each input adds to a reading's logit against a normal reading; the parts add up, greatest first.

    Source: integrated gradients, Sundararajan, Taly and Yan (ICML 2017).
    """
    now = torch.tensor(label_inputs(life, head.normaliser, np.array([row])))
    reference = torch.where(torch.isnan(now), now, head.network.healthy.expand_as(now))
    place, measure = np.polynomial.legendre.leggauss(NODES)
    with torch.no_grad():
        end, start = head.network.encode(now), head.network.encode(reference)
    slope = torch.zeros_like(end)
    for at, share in zip((place + 1) / 2, measure / 2, strict=True):
        point = (start + float(at) * (end - start)).requires_grad_()
        (gradient,) = torch.autograd.grad(head.network.decide(point)[0].mean(dim=0).sum(), point)
        slope += float(share) * gradient
    parts = head.slope * ((end - start) * slope).sum(dim=0)[0].numpy()
    names = inputs_of(head.signals, head.normaliser)
    total: dict[str, float] = {}
    for (signal, _), part in zip(names, parts.tolist(), strict=True):
        total[signal] = total.get(signal, 0.0) + part
    return dict(sorted(total.items(), key=lambda entry: -entry[1]))


def label_inputs(life: Life, normaliser: Normaliser | None, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Inputs of some rows. (row, input)"""
    if normaliser is not None:
        return extract(life, normaliser=normaliser, settings=LOOK, rows=rows)
    values = life.values[rows]
    first, second = np.triu_indices(values.shape[1], k=1)
    a, b = values[:, first], values[:, second]
    return np.concatenate([values, a * b, a - b], axis=1)


def _chosen(
    label: NDArray[np.float64], *, most: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Labelled rows to train on, at most so many, and how many each stands for (mean 1)."""
    rows, weights = [], []
    for value in (0, 1):
        mine = np.flatnonzero(label == value)
        room = max(most // 2, most - int((label == 1 - value).sum()))
        kept = np.sort(rng.permutation(mine)[:room])
        rows.append(kept)
        weights.append(np.full(len(kept), len(mine) / len(kept)))
    use, weight = np.concatenate(rows), np.concatenate(weights)
    order = np.argsort(use)
    return use[order], weight[order] / weight.mean()


def _folds(
    rows: Sequence[NDArray[np.intp]],
    lengths: Sequence[int],
    y: NDArray[np.float64],
    settings: LabelSettings,
    rng: np.random.Generator,
    *,
    in_time: bool,
) -> NDArray[np.intp]:
    """Part of each row; member m does not see part m. Neighbours in time stay together. (row,)"""
    folds = settings.held_out_folds
    if in_time:
        stretch = [20 * at // max(length, 1) for at, length in zip(rows, lengths, strict=True)]
        return np.concatenate([rng.permutation(20)[part] % folds for part in stretch])
    fold = np.empty(len(y), dtype=np.intp)
    for value in (0.0, 1.0):
        mine = rng.permutation(np.flatnonzero(y == value))
        fold[mine] = np.arange(len(mine)) % folds
    return fold


def _train(
    network: HazardNetwork,
    rows: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    fold: NDArray[np.intp],
    *,
    settings: LabelSettings,
    seed: int,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    x, goal = torch.tensor(rows, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    share = float((weight * y).sum() / weight.sum())
    # half of the rows that place the knots are anomalous, so that the encoding is fine where anomalies are
    anomalous, normal = np.flatnonzero(y > 0.5), np.flatnonzero(y < 0.5)
    balanced = np.concatenate([rng.choice(anomalous, 2000), rng.choice(normal, 2000)])
    healthy = np.nan_to_num(np.nanmedian(rows[normal], axis=0)) if len(normal) else np.zeros(rows.shape[1])
    network.start(
        x[torch.from_numpy(balanced)],
        healthy=torch.tensor(healthy, dtype=torch.float32),
        base_logits=torch.tensor([np.log(share / (1 - share))], dtype=torch.float32),
        generator=torch.Generator().manual_seed(seed),
    )
    mine = torch.tensor(
        np.stack([np.where(fold == member, 0.0, weight) for member in range(settings.members)]), dtype=torch.float32
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = max(1, len(x) // settings.batch_rows)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.epochs * batches
    )
    network.train()
    for epoch in range(settings.epochs):
        for part in np.array_split(rng.permutation(len(x)), batches):
            index = torch.from_numpy(part)
            logit = network(x[index])[0][..., 0]  # (member, row)
            each = functional.binary_cross_entropy_with_logits(logit, goal[index].expand_as(logit), reduction="none")
            loss = (mine[:, index] * each).mean(dim=1).sum()
            loss = loss + settings.sparsity * network.weight_1.norm(dim=2).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        progress((epoch + 1) / settings.epochs, f"labels: pass {epoch + 1} of {settings.epochs}")
    network.eval()


def _logits(network: HazardNetwork, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every member. (member, row)"""
    with torch.no_grad():
        pieces: list[Tensor] = [network(part)[0][..., 0] for part in torch.split(torch.tensor(rows), CHUNK_ROWS)]
    return torch.cat(pieces, dim=1).numpy()


def _calibrate(logit: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Platt's slope and offset on rows held out, drawn weakly towards the network's own word."""

    def loss(at: NDArray[np.float64]) -> float:
        now = np.exp(at[0]) * logit + at[1]
        data = (weight * (np.logaddexp(0.0, now) - y * now)).sum()
        return float(data + at[0] ** 2 / (2 * 0.5**2) + at[1] ** 2 / 2)

    best = minimize(loss, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(best.x[0])), float(best.x[1])
