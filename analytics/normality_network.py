"""The normality network: how far readings are from normal, on several time scales at once, and which signal it is.

A linear network without training by descent: the whitened distance of exponentially weighted means. Its weights are
the shrunk covariance of normal readings, so its parts are exact and add up.
Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (J. Multivariate
Analysis 2004); moving averages on several scales as in MEWMA, Lowry et al. (Technometrics 1992).
"""

import numpy as np
import torch
from torch import Tensor, nn

TRIMMED_AT = 3.0
"""Normal rows farther than this many times the 90 % quantile of the distance do not shape the fit [ratio]."""
TRIMS = 2
"""Times that the fit is repeated without them."""
SHRINKAGE = 0.01
"""Part of Ledoit and Wolf's share that is used: less of it found more of the injected faults (docs/benchmarks)."""
LEAST_SHRINKAGE = 1e-4
"""Keeps signals that repeat each other invertible [ratio]."""
TINY = 1e-9


class NormalityNetwork(nn.Module):
    """Mahalanobis distance over all signals and scales together, per input."""

    centre: Tensor
    spread: Tensor
    precision: Tensor

    def __init__(self, *, inputs: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(inputs, dtype=torch.float64))
        """Mean of each input over normal rows. (input,)"""
        self.register_buffer("spread", torch.ones(inputs, dtype=torch.float64))
        """(input,)"""
        self.register_buffer("precision", torch.eye(inputs, dtype=torch.float64))
        """Inverse of the shrunk correlation. (input, input)"""

    def learn(self, normal: Tensor) -> None:
        """Fit on normal rows; the few that stand far out are left out. (row, input), NaN where missing."""
        use = normal
        for _ in range(TRIMS + 1):
            present = ~torch.isnan(use)
            count = present.sum(dim=0).clamp_min(1)
            self.centre.copy_(torch.nan_to_num(use).sum(dim=0) / count)
            residual = torch.nan_to_num(use - self.centre)
            self.spread.copy_((residual.square().sum(dim=0) / count).sqrt().clamp_min(TINY))
            self.precision.copy_(torch.linalg.inv(shrunk_covariance(residual / self.spread)))
            distance = self(normal).sum(dim=1)
            use = normal[distance <= TRIMMED_AT * distance.quantile(0.9)]

    def forward(self, inputs: Tensor) -> Tensor:
        """Each input's exact part of the squared distance, per reported input; a missing one has none. (row, input)

        A missing input takes the value that fits the others best: what is left is the distance of the others alone.
        """
        missing = torch.isnan(inputs)
        z = torch.nan_to_num((inputs - self.centre) / self.spread)
        for pattern, rows in _alike(missing) if missing.any() else ():
            absent, present = pattern.nonzero()[:, 0], (~pattern).nonzero()[:, 0]
            if not len(absent) or not len(present):
                continue
            joint = -self.precision[absent][:, present]
            fill = torch.linalg.solve(self.precision[absent][:, absent], joint @ z[rows][:, present].T).T
            z[rows[:, None], absent] = fill
        parts = z * (z @ self.precision) / (~missing).sum(dim=1, keepdim=True).clamp_min(1)
        return parts.masked_fill(missing, 0.0)


def _alike(missing: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Each pattern of missing inputs with its rows. (row, input) -> [((input,), (row,))]"""
    patterns, which, counts = np.unique(missing.numpy(), axis=0, return_inverse=True, return_counts=True)
    groups = np.split(np.argsort(which.ravel(), kind="stable"), np.cumsum(counts)[:-1])
    return [(torch.from_numpy(each), torch.from_numpy(rows)) for each, rows in zip(patterns, groups, strict=True)]


def shrunk_covariance(rows: Tensor) -> Tensor:
    """Covariance of centred rows, drawn a little towards an even one. (row, input) -> (input, input)"""
    count, inputs = rows.shape
    sample = rows.T @ rows / count
    scale = sample.trace() / inputs
    even = torch.eye(inputs, dtype=rows.dtype) * scale
    apart = (sample - even).square().sum() / inputs
    noise = (rows.square().sum(dim=1).square().sum() / count - sample.square().sum()) / count / inputs
    share = (SHRINKAGE * noise.clamp_min(0.0) / apart.clamp_min(TINY)).clamp(LEAST_SHRINKAGE, 1.0)
    return share * even + (1.0 - share) * sample
