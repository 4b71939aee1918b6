"""Where compiled kernels serve: elsewhere PyTorch's operations do what they would."""

from __future__ import annotations

import torch
from torch import Tensor


def is_compilable(*tensors: Tensor) -> bool:
    """Whether kernels take some tensors: on a CPU, in float32, outside autocast."""
    return not torch.is_autocast_enabled("cpu") and all(
        tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors
    )
