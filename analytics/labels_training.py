"""How the label network is trained: each member without a part of the rows, until that part is foretold no better."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional

from analytics.labels_network import LabelNetwork
from analytics.labels_settings import LabelSettings

CHUNK_ROWS = 1000
"""Rows judged at a time; bounds memory [row]."""
LOOKS = (1 / 48, 1 / 24, *(look / 12 for look in range(1, 13)))
"""Shares of the steps after which the rows held out are looked at: early too, few lives are soon learned by heart."""
PATIENCE = 3
"""Looks in a row that may find nothing better."""
WARM = 0.1
"""Share of the steps over which the learning rate rises [0..1]."""


def train_network(
    network: LabelNetwork,
    rows: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    held: NDArray[np.bool_],
    *,
    settings: LabelSettings,
    rng: np.random.Generator,
    device: torch.device,
    progress: Callable[[float, str], None],
) -> None:
    """Train all members in one pass and leave the best weights that were met, averaged over neighbouring steps.

    The network ends on the device on which it came.

    Args:
        network: Started.
        rows: Inputs. (row, input)
        y: 0 or 1. (row,)
        weight: How many rows each stands for. (row,)
        held: What each member does not see. (member, row)
        settings: How long and how fast.
        rng: Of the order of rows.
        device: Where to train.
        progress: Called with the share done and a sentence.
    """
    home = network.healthy.device
    network.to(device)
    x, goal = torch.tensor(rows, device=device), torch.tensor(y, dtype=torch.float32, device=device)
    mine = torch.tensor(np.where(held, 0.0, weight), dtype=torch.float32, device=device)
    own: list[Tensor] = list(network.parameters())
    optimiser = torch.optim.AdamW(own, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = max(1, len(x) // settings.batch_rows)
    epochs = min(settings.epochs, max(1, settings.most_steps // batches))
    steps = epochs * batches
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    mean = [value.detach().clone() for value in own]
    best, best_loss, idle, done = mean, np.inf, 0, 0
    looks = {max(1, round(steps * share)) for share in LOOKS}
    keep = 1.0 - 1.0 / max(2.0, steps / 40)
    for epoch in range(epochs):
        network.train()
        for part in np.array_split(rng.permutation(len(x)), batches):
            index = torch.from_numpy(part).to(device)
            logit = network(x[index])  # (member, row)
            each = functional.binary_cross_entropy_with_logits(logit, goal[index].expand_as(logit), reduction="none")
            loss = (mine[:, index] * each).mean(dim=1).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch declares no types for it
            optimiser.step()
            schedule.step()
            done += 1
            with torch.no_grad():
                torch._foreach_lerp_(mean, own, 1.0 - min(keep, done / (done + 10)))
            if done in looks:
                found = _held_out_loss(network, mean, rows, y, weight, held)
                network.train()
                idle = 0 if found < best_loss else idle + 1
                if found < best_loss:
                    best, best_loss = [value.clone() for value in mean], found
        progress((epoch + 1) / epochs, f"labels: pass {epoch + 1} of {epochs}")
        if idle >= PATIENCE:
            break
    _put(network, best)
    network.eval().to(home)


def logits(network: LabelNetwork, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every member. (member, row)"""
    device = network.healthy.device
    with torch.no_grad():
        pieces: list[Tensor] = [network(part.to(device)) for part in torch.split(torch.tensor(rows), CHUNK_ROWS)]
    return torch.cat(pieces, dim=1).cpu().numpy().astype(np.float64)


def held_out_logit(each: NDArray[np.float64], held: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mean of the members that did not see a row, and whether there is one. (row,) each"""
    count = held.sum(axis=0)
    return (each * held).sum(axis=0) / np.maximum(count, 1), count > 0


def calibrate(logit: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Platt's slope and offset on rows held out, drawn weakly towards the network's own word."""

    def loss(at: NDArray[np.float64]) -> float:
        now = np.exp(at[0]) * logit + at[1]
        data = (weight * (np.logaddexp(0.0, now) - y * now)).sum()
        return float(data + at[0] ** 2 / (2 * 0.5**2) + at[1] ** 2 / 2)

    best = minimize(loss, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(best.x[0])), float(best.x[1])


def log_loss(logit: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Mean over the rows' weights [nats]."""
    return float((weight * (np.logaddexp(0.0, logit) - y * logit)).sum() / weight.sum())


def _rate(step: int, steps: int) -> float:
    """Rises, then falls as a cosine to a hundredth."""
    share = step / max(steps, 1)
    if share < WARM:
        return max(share / WARM, 1e-2)
    return 0.01 + 0.99 * 0.5 * (1.0 + float(np.cos(np.pi * (share - WARM) / (1.0 - WARM))))


def _held_out_loss(
    network: LabelNetwork,
    mean: list[Tensor],
    rows: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    held: NDArray[np.bool_],
) -> float:
    """Log loss of the averaged weights on rows that the members did not see [nats]."""
    now = [value.detach().clone() for value in network.parameters()]
    _put(network, mean)
    network.eval()
    logit, known = held_out_logit(logits(network, rows), held)
    _put(network, now)
    return log_loss(logit[known], y[known], weight[known])


def _put(network: LabelNetwork, values: list[Tensor]) -> None:
    with torch.no_grad():
        for own, value in zip(network.parameters(), values, strict=True):
            own.copy_(value)
