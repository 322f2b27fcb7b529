"""The label network: piecewise-linearly encoded inputs -> the logit of the label, by several members at once.

Every part of an input's range has a weight of its own to every hidden unit, so that a border may lie anywhere; borders
that split the labels best are narrow ramps, so that it may be sharp. Missing is a part of its own.

Source: target-aware piecewise-linear encoding after Gorishniy et al., "On Embeddings for Numerical Features in Tabular
Deep Learning" (NeurIPS 2022); members trained in one pass as in their "TabM" (ICLR 2025), with weights of their own.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

LEAST_LEAF: Final = 8
"""Rows on either side of a border."""
LEAST_GAIN: Final = 3.0
"""What a border must save [nats]."""


class LabelNetwork(nn.Module):
    """An ensemble of small networks over the same encoded inputs."""

    low: Tensor
    width: Tensor
    healthy: Tensor

    def __init__(self, *, inputs: int, parts: int, hidden: tuple[int, int], members: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.register_buffer("low", torch.zeros(inputs, parts, dtype=torch.float64))
        """Where each part of an input's range begins. (input, part)"""
        self.register_buffer("width", torch.ones(inputs, parts, dtype=torch.float64))
        """(input, part)"""
        self.register_buffer("healthy", torch.zeros(inputs, dtype=torch.float64))
        """What a normal row shows; the reference of explanations. (input,)"""
        first, second = hidden
        encoded = inputs * (parts + 1)
        self.direct = nn.Parameter(torch.zeros(encoded, members))
        self.weight_1 = nn.Parameter(torch.zeros(encoded, members * first))
        self.bias_1 = nn.Parameter(torch.zeros(members * first))
        self.weight_2 = nn.Parameter(torch.zeros(members, first, second))
        self.bias_2 = nn.Parameter(torch.zeros(members, 1, second))
        self.weight_out = nn.Parameter(torch.zeros(members, second))
        self.bias_out = nn.Parameter(torch.zeros(members))

    def start(self, edges: Tensor, *, healthy: Tensor, base_logit: float, generator: torch.Generator) -> None:
        """Set the buffers from what training found and the weights at random.

        Args:
            edges: Between the parts of each input's range, increasing or equal. (input, part + 1)
            healthy: Reference of the explanations. (input,)
            base_logit: Of the share of labels [logit].
            generator: Source of randomness.
        """
        self.low.copy_(edges[:, :-1])
        width = edges[:, 1:] - edges[:, :-1]
        self.width.copy_(torch.where(width > 0, width, torch.full_like(width, torch.inf)))  # nothing lies in it
        self.healthy.copy_(healthy)
        with torch.no_grad():
            inputs = len(self.low)
            self.weight_1.copy_(torch.randn(self.weight_1.shape, generator=generator) / math.sqrt(4 * inputs))
            self.weight_2.copy_(
                torch.randn(self.weight_2.shape, generator=generator) / math.sqrt(self.weight_2.shape[1])
            )
            self.weight_out.copy_(
                0.1 * torch.randn(self.weight_out.shape, generator=generator) / math.sqrt(self.weight_out.shape[1])
            )
            self.bias_out.fill_(base_logit)

    def encode(self, rows: Tensor) -> Tensor:
        """How much of each part lies below the value, and whether it is missing. (row, input) -> (row, encoded)"""
        share = ((rows[..., None] - self.low) / self.width).clamp_(0.0, 1.0)  # (row, input, part)
        absent = torch.isnan(rows)[..., None]
        return torch.cat([torch.nan_to_num_(share), absent.to(share.dtype)], dim=2).flatten(1).to(self.direct.dtype)

    def decide(self, encoded: Tensor) -> Tensor:
        """(row, encoded) -> logits (member, row)."""
        members = len(self.bias_out)
        hidden = functional.relu(torch.addmm(self.bias_1, encoded, self.weight_1))
        hidden = self._dropped(hidden).view(len(encoded), members, -1).transpose(0, 1)  # (member, row, unit)
        hidden = self._dropped(functional.relu(torch.baddbmm(self.bias_2, hidden, self.weight_2)))
        direct = (encoded @ self.direct).T
        return torch.einsum("mru,mu->mr", hidden, self.weight_out) + direct + self.bias_out[:, None]

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (member, row)."""
        return self.decide(self.encode(rows))

    def _dropped(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.dropout, training=self.training)


def edges_of(
    rows: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], *, quantiles: int, borders: int
) -> NDArray[np.float64]:
    """Edges between the parts of each input's range, padded by repeating the last. (input, part + 1)

    Even quantiles of rows of both kinds, half and half; and a narrow ramp over each border that splits the labels best.
    An input with few values has an edge at each: every value may mean something of its own.
    """
    share = float((weight * y).sum() / weight.sum())
    balance = np.where(y > 0.5, 0.5 / share, 0.5 / (1 - share)) * weight
    found = [_edges(column, y, weight, balance, quantiles, borders) for column in rows.T]
    longest = quantiles + 2 * borders + 1
    return np.stack([np.concatenate([edges, np.full(longest - len(edges), edges[-1])]) for edges in found])


def _edges(
    column: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    balance: NDArray[np.float64],
    quantiles: int,
    borders: int,
) -> NDArray[np.float64]:
    present = np.flatnonzero(np.isfinite(column))
    if not len(present):
        return np.zeros(2)
    order = present[np.argsort(column[present], kind="stable")]
    value = column[order]
    distinct = np.unique(value)
    if len(distinct) <= quantiles + 1:
        return distinct if len(distinct) > 1 else np.array([distinct[0] - 1.0, distinct[0]])
    mass = np.cumsum(balance[order])
    at = np.searchsorted(mass, np.linspace(0, 1, quantiles + 1)[1:-1] * mass[-1])
    edges = [value[:1], value[np.minimum(at, len(value) - 1)], value[-1:]]
    for border in _borders(value, y[order], weight[order], borders):
        edges.append(value[border - 1 : border + 1])
    return np.unique(np.concatenate(edges))


def _borders(
    value: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], most: int
) -> Sequence[int]:
    """First rows beyond the borders that save the most log loss, found one within another as a tree does."""
    zero = np.zeros(1)
    ones, all_ = np.concatenate([zero, np.cumsum(weight * y)]), np.concatenate([zero, np.cumsum(weight)])
    allowed = np.concatenate([[False], value[1:] > value[:-1]])

    def best(first: int, last: int) -> tuple[float, int]:
        at = np.arange(first + LEAST_LEAF, last - LEAST_LEAF + 1)
        at = at[allowed[at]] if len(at) else at
        if not len(at):
            return 0.0, 0
        loss = _loss(ones[at] - ones[first], all_[at] - all_[first])
        loss = loss + _loss(ones[last] - ones[at], all_[last] - all_[at])
        where = int(loss.argmin())
        whole = _loss(np.array(ones[last] - ones[first]), np.array(all_[last] - all_[first]))
        return float(whole - loss[where]), int(at[where])

    found: list[int] = []
    open_ = [(*best(0, len(value)), 0, len(value))]
    while open_ and len(found) < most:
        gain, at, first, last = open_.pop(max(range(len(open_)), key=lambda which: open_[which][0]))
        if gain < LEAST_GAIN:
            break
        found.append(at)
        open_ += [(*best(first, at), first, at), (*best(at, last), at, last)]
    return found


def _loss(ones: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log loss of saying the share of ones [nats]."""
    share = np.clip(ones / np.maximum(rows, 1e-12), 1e-9, 1 - 1e-9)
    return np.asarray(-(ones * np.log(share) + (rows - ones) * np.log1p(-share)))
