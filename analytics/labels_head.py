"""Learn from labelled readings: how likely a reading is one that a person would call anomalous.

Inputs, the point at which training stops, and the calibration rest on training rows that were held out: parts of the
rows where each stands alone, whole lives where there are several, stretches of the one life else.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from analytics.device import training_device
from analytics.evaluate import average_precision, brier, expected_calibration_error
from analytics.labels_choice import choose_alike, choose_inputs
from analytics.labels_inputs import LOOK, PAIRED, inputs_of, label_inputs, pair_inputs
from analytics.labels_network import LabelNetwork, edges_of
from analytics.labels_settings import LabelSettings
from analytics.labels_training import calibrate, held_out_logit, logits, train_network
from analytics.lives import Life, data_hash
from analytics.normalise import Normaliser, fit_normaliser, medians

Progress = Callable[[float, str], None]
CELLS: Final = 8_000_000
"""Most rows times candidates that are looked at."""
MOST_ROWS: Final = 50_000
"""Rows that stand alone, beyond which training takes a part of the normal ones [row]."""
NODES: Final = 128
"""Points on the explanation's path; the network is linear between its kinks."""
LEAST_INPUTS: Final = 3
"""Inputs looked at even where none foretells a label."""
STRETCHES: Final = 20
"""Parts into which a single life is cut before they are dealt out."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelHead:
    """A trained classifier of readings."""

    signals: tuple[str, ...]
    settings: LabelSettings
    normaliser: Normaliser | None
    """None: rows stand alone."""
    chosen: tuple[int, ...]
    """Columns of the candidates that it looks at."""
    network: LabelNetwork
    """In double precision."""
    slope: float
    """Of the calibration: reported logit = slope * logit + offset, per member mean."""
    offset: float
    seed: int
    data_hash: str
    metrics: dict[str, float]
    """On rows that the member in question did not see."""


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
    use, weight = _thinned(label, most=CELLS // len(names) if in_time else MOST_ROWS, rng=rng)
    begins = np.cumsum([0, *(len(life) for life in lives)])
    wanted = [use[(use >= a) & (use < b)] - a for a, b in itertools.pairwise(begins)]
    y = label[use]
    fold = _folds(wanted, [len(life) for life in lives], y, settings, rng, in_time=in_time)
    if in_time:
        rows = np.concatenate([label_inputs(life, normaliser, at) for life, at in zip(lives, wanted, strict=True)])
        chosen = _choose_in_time(rows, y, weight, fold, [len(at) for at in wanted], settings)
        rows = rows[:, chosen]
    else:
        values = np.concatenate([life.values[at] for life, at in zip(lives, wanted, strict=True)])
        part, part_weight = _thinned(y, most=CELLS // len(names), rng=rng)
        chosen = choose_inputs(
            pair_inputs(values[part]),
            y[part],
            part_weight * weight[part],
            fold[part],
            always=values.shape[1] if values.shape[1] <= PAIRED else 0,
            least=LEAST_INPUTS,
            most=settings.most_inputs if values.shape[1] <= PAIRED else PAIRED,
            bins=settings.choice_bins,
            least_gain=settings.least_gain,
        )
        rows = pair_inputs(values, chosen)
    network, held = fit_network(rows, y, weight, fold, settings=settings, seed=seed, progress=progress)
    out, seen = held_out_logit(logits(network, rows), held)
    slope, offset = calibrate(out[seen], y[seen], weight[seen])
    chance = 1.0 / (1.0 + np.exp(-(slope * out[seen] + offset)))
    happened = y[seen] > 0.5
    return LabelHead(
        signals=lives[0].signals,
        settings=settings,
        normaliser=normaliser,
        chosen=tuple(chosen.tolist()),
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
    rows = label_inputs(life, head.normaliser, np.arange(len(life)), chosen=np.array(head.chosen, dtype=np.intp))
    logit = logits(head.network, rows).mean(axis=0)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(head.slope * logit + head.offset, -60.0, 60.0))))


def explain_label(life: Life, *, head: LabelHead, row: int) -> dict[str, float]:
    """What each input adds to a reading's logit against a normal reading; the parts add up, greatest first.

    Source: integrated gradients, Sundararajan, Taly and Yan (ICML 2017).
    """
    chosen = np.array(head.chosen, dtype=np.intp)
    now = torch.tensor(label_inputs(life, head.normaliser, np.array([row]), chosen=chosen))
    end, start = head.network.encode(now), head.network.encode(head.network.healthy[None])
    way = (torch.arange(NODES, dtype=end.dtype)[:, None] + 0.5) / NODES
    points = (start + way * (end - start)).requires_grad_()  # (node, encoded)
    (gradient,) = torch.autograd.grad(head.network.decide(points).mean(dim=0).sum(), points)
    added = head.slope * (end - start)[0] * gradient.mean(dim=0)
    parts = added.view(len(head.chosen), -1).sum(dim=1)
    names = inputs_of(head.signals, head.normaliser)
    total: dict[str, float] = {}
    for column, part in zip(head.chosen, parts.tolist(), strict=True):
        total[names[column][0]] = total.get(names[column][0], 0.0) + part
    return dict(sorted(total.items(), key=lambda entry: -entry[1]))


def fit_network(
    rows: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    fold: NDArray[np.intp],
    *,
    settings: LabelSettings,
    seed: int,
    progress: Progress = lambda _share, _text: None,
) -> tuple[LabelNetwork, NDArray[np.bool_]]:
    """A trained network in double precision, and what each member did not see (member, row)."""
    edges = edges_of(rows, y, weight, quantiles=settings.quantiles, borders=settings.borders)
    network = LabelNetwork(
        inputs=rows.shape[1],
        parts=edges.shape[1] - 1,
        hidden=settings.hidden,
        members=settings.members,
        dropout=settings.dropout,
    )
    normal = rows[y < 0.5]
    share = float((weight * y).sum() / weight.sum())
    network.start(
        torch.tensor(edges),
        healthy=torch.tensor(medians(normal)),
        base_logit=float(np.log(share / (1 - share))),
        generator=torch.Generator().manual_seed(seed),
    )
    held = fold == np.arange(settings.members)[:, None] % (int(fold.max()) + 1)  # (member, row)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train_network(
        network, rows, y, weight, held, settings=settings, rng=rng, device=training_device(), progress=progress
    )
    return network.double().eval(), held


def _choose_in_time(
    rows: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    fold: NDArray[np.intp],
    lengths: Sequence[int],
    settings: LabelSettings,
) -> NDArray[np.intp]:
    """Of few lives what is alike in all, of many or of one what foretells the parts held out. (chosen,)"""
    life = np.repeat(np.arange(len(lengths)), lengths)
    if 2 <= len(np.unique(life[y > 0.5])) < settings.folds:
        return choose_alike(rows, y, life, least=LEAST_INPUTS, most=settings.most_alike, least_auc=settings.least_auc)
    return choose_inputs(
        rows,
        y,
        weight,
        fold,
        always=0,
        least=LEAST_INPUTS,
        most=settings.most_inputs,
        bins=settings.choice_bins,
        least_gain=settings.least_gain_in_time,
    )


def _thinned(
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
    """Part of each row: whole lives where two have labels, else neighbours in time stay together. (row,)"""
    life = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    ones = np.bincount(life, weights=y, minlength=len(rows))
    if in_time and (ones > 0).sum() >= 2:
        # the lives with most anomalies are dealt first, each to the part that has fewest so far
        load = np.zeros(min(settings.folds, int((ones > 0).sum())))
        part_of = np.zeros(len(rows), dtype=np.intp)
        for which in np.argsort(-ones, kind="stable"):
            part_of[which] = int(load.argmin())
            load[part_of[which]] += ones[which] + 1e-3 * lengths[which]
        return part_of[life]
    if in_time:
        stretch = [STRETCHES * at // max(length, 1) for at, length in zip(rows, lengths, strict=True)]
        return np.concatenate([rng.permutation(STRETCHES)[part] % settings.folds for part in stretch])
    fold = np.empty(len(y), dtype=np.intp)
    for value in (0.0, 1.0):
        mine = rng.permutation(np.flatnonzero(y == value))
        fold[mine] = np.arange(len(mine)) % settings.folds
    return fold
