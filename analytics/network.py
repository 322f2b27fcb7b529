"""The hazard network: standardised, piecewise-linearly encoded features -> a hazard for every bin of remaining life.

An ensemble is one module with a leading member dimension in every weight, so that its members train in one pass.

Source: piecewise-linear encoding after Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep
Learning" (NeurIPS 2022), here with one learned curve per feature; discrete-time hazard head after Gensheimer and
Narasimhan, "A scalable discrete-time survival model for neural networks" (PeerJ 2019).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

KNOT_ROWS = 4000
"""Training rows that place the knots [row]."""


class HazardNetwork(nn.Module):
    """An ensemble of small networks over the same features."""

    knots: Tensor
    healthy: Tensor
    low: Tensor
    width: Tensor

    def __init__(
        self, *, features: int, knots: int, hidden: tuple[int, int], bins: int, modes: int, members: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.register_buffer("low", torch.zeros(features, knots))
        """Lower edge of each quantile bin. (feature, knot)"""
        self.register_buffer("width", torch.ones(features, knots))
        """(feature, knot)"""
        self.register_buffer("healthy", torch.zeros(features))
        """What a healthy machine shows; the reference of explanations. (feature,)"""
        first, second = hidden
        self.curve = nn.Parameter(torch.zeros(features, knots, members))
        self.shift = nn.Parameter(torch.zeros(members, features))
        self.missing = nn.Parameter(torch.zeros(members, features))
        self.weight_1 = nn.Parameter(torch.zeros(members, features, first))
        self.bias_1 = nn.Parameter(torch.zeros(members, 1, first))
        self.weight_2 = nn.Parameter(torch.zeros(members, first, second))
        self.bias_2 = nn.Parameter(torch.zeros(members, 1, second))
        self.weight_hazard = nn.Parameter(torch.zeros(members, second, bins))
        self.bias_hazard = nn.Parameter(torch.zeros(members, 1, bins))
        self.weight_mode = nn.Parameter(torch.zeros(members, second, modes))
        self.bias_mode = nn.Parameter(torch.zeros(members, 1, modes))

    def start(self, features: Tensor, *, healthy: Tensor, base_logits: Tensor, generator: torch.Generator) -> None:
        """Set the buffers from training rows and the weights at random.

        Args:
            features: Training rows, NaN where missing. (row, feature)
            healthy: Reference of the explanations. (feature,)
            base_logits: Hazard of the class without any reading [logit]. (bin,)
            generator: Source of randomness.
        """
        knots = self.low.shape[1]
        features = features[:: max(1, len(features) // KNOT_ROWS)]
        edges = torch.nanquantile(features, torch.linspace(0, 1, knots + 1, dtype=features.dtype), dim=0).T
        edges = torch.nan_to_num(edges)  # (feature, knot + 1)
        span = (edges[:, -1:] - edges[:, :1]).clamp_min(1e-6)
        edges = edges + span * torch.linspace(0, 1e-3, knots + 1, dtype=features.dtype)  # ties become steep ramps
        centred = torch.nan_to_num(features - edges[:, 0])
        scale = centred.std(dim=0).clamp_min(1e-6)  # (feature,)
        self.low.copy_(edges[:, :-1])
        self.width.copy_(edges[:, 1:] - edges[:, :-1])
        self.healthy.copy_(healthy)
        with torch.no_grad():
            self.curve.copy_(
                (self.width / scale[:, None])[..., None].expand_as(self.curve)
            )  # begins as (x - mean) / scale
            self.shift.copy_((-centred.mean(dim=0) / scale).expand_as(self.shift))
            for weight in (self.weight_1, self.weight_2, self.weight_hazard, self.weight_mode):
                weight.copy_(torch.randn(weight.shape, generator=generator) / math.sqrt(weight.shape[1]))
            self.weight_hazard.mul_(0.1)
            self.bias_hazard.copy_(base_logits.expand_as(self.bias_hazard))

    def encode(self, features: Tensor) -> Tensor:
        """Bend every feature by its learned curve. (row, feature) -> (member, row, feature)"""
        steep = (1.0 / self.width)[:, None]
        part = torch.addcmul(-self.low[:, None] * steep, features.T[..., None], steep).clamp_(0.0, 1.0)
        # part: (feature, row, knot)
        absent = torch.isnan(features)
        if absent.any():
            part = torch.nan_to_num(part)
        bent = torch.bmm(part, self.curve).permute(2, 1, 0) + self.shift[:, None, :]  # (member, row, feature)
        return torch.where(absent, self.missing[:, None, :], bent) if absent.any() else bent

    def decide(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """(member, row, feature) -> hazard logits (member, row, bin) and mode logits (member, row, mode)."""
        hidden = functional.silu(torch.baddbmm(self.bias_1, self._dropped(encoded), self.weight_1))
        hidden = functional.silu(torch.baddbmm(self.bias_2, self._dropped(hidden), self.weight_2))
        hazard = torch.baddbmm(self.bias_hazard, hidden, self.weight_hazard)
        return hazard, torch.baddbmm(self.bias_mode, hidden, self.weight_mode)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Hazard logits (member, row, bin) and mode logits (member, row, mode)."""
        return self.decide(self.encode(features))

    def _dropped(self, values: Tensor) -> Tensor:
        """Drop the same inputs of a row in every member. (member, row, input)"""
        if not self.training or self.dropout == 0.0:
            return values
        keep = torch.rand(values.shape[1:], device=values.device) >= self.dropout
        return values * (keep.to(values.dtype) / (1.0 - self.dropout))
