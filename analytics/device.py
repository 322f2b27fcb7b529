"""Where networks are trained: on a GPU where there is one. They judge on the CPU, a few rows at a time."""

import torch


def training_device() -> torch.device:
    """The first CUDA or ROCm device, else the CPU; others lack the double precision of the label network's borders."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
