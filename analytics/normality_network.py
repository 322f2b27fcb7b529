"""The normality network: how far readings are from normal, on several time scales at once, and which signal it is.

A linear network without training by descent: the whitened distance of exponentially weighted means. Its weights are
the shrunk covariance of normal readings, so its parts are exact and add up.
Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (J. Multivariate
Analysis 2004); moving averages on several scales as in MEWMA, Lowry et al. (Technometrics 1992).
"""

import torch
from torch import Tensor, nn

TRIMMED_AT = 3.0
"""Normal rows farther than this many times the 90 % quantile of the distance do not shape the fit [ratio]."""
TRIMS = 2
"""Times that the fit is repeated without them."""
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
        """Each input's exact part of the squared distance, per input; a missing one has none. (row, input)"""
        z = torch.nan_to_num((inputs - self.centre) / self.spread)
        return z * (z @ self.precision) / z.shape[1]


def shrunk_covariance(rows: Tensor) -> Tensor:
    """Ledoit-Wolf covariance of centred rows. (row, input) -> (input, input)"""
    count, inputs = rows.shape
    sample = rows.T @ rows / count
    scale = sample.trace() / inputs
    even = torch.eye(inputs, dtype=rows.dtype) * scale
    apart = (sample - even).square().sum() / inputs
    noise = (rows.square().sum(dim=1).square().sum() / count - sample.square().sum()) / count / inputs
    share = (noise.clamp_min(0.0) / apart.clamp_min(TINY)).clamp(0.0, 1.0)
    # a whisper of the even part keeps signals that repeat each other invertible
    return torch.maximum(share, torch.tensor(1e-4, dtype=rows.dtype)) * even + (1.0 - share) * sample
