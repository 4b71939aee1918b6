"""How weights begin, where it is not PyTorch's way."""

from __future__ import annotations

import torch
from torch import nn

from rlmem.attention import Attention
from rlmem.positions import RelativePositions


@torch.no_grad()
def initialise_glorot(module: nn.Module) -> None:
    """Glorot-uniform matrices and zero biases, drawn from PyTorch's global generator.

    Norms and span predictors keep their own beginnings. Keys and values are two matrices, though stored as one.

    Args:
        module: whose linear layers and tables of relative positions are overwritten.

    Source: Glorot and Bengio 2010, which the paper uses for PG-19 (A.2.4).
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                part.bias.zero_()
        elif isinstance(part, RelativePositions):
            nn.init.xavier_uniform_(part.embedding)
    for part in module.modules():
        if isinstance(part, Attention):
            for matrix in part.key_value.weight.chunk(2):
                nn.init.xavier_uniform_(matrix)
