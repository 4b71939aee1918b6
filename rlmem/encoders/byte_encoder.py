"""Observations made of few bytes, such as MiniGrid's 7 x 7 x 3 view: bytes that are usually symbols."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlmem.encoders.perceptron import Perceptron

NUM_BYTE_FEATURES = 9
BYTE_MEAN_SQUARE = 0.25  # of a feature; symbols have small numbers, and few bits set
_MOST_BYTES = 4096  # more are taken for a signal, and seen as one number each


def holds_bytes(space: spaces.Box) -> bool:
    """Whether a Box is uint8 with the bounds 0 and 255."""
    return space.dtype == np.uint8 and bool((space.low == 0).all() and (space.high == 255).all())


def takes_bytes(space: spaces.Box) -> bool:
    """Whether a Box that is no image goes to the `ByteEncoder`."""
    return holds_bytes(space) and space.low.size <= _MOST_BYTES


def byte_features(observation: Tensor, dtype: torch.dtype) -> Tensor:
    """Each byte as its value over 255 and its eight bits.

    By the value alone, symbols 1 and 2 of a grid (a wall and a door) differ by 1/255, which a network takes ages to
    notice; by the bits it tells them apart at once.

    Args:
        observation: (...) uint8.
        dtype: of the result.

    Returns:
        (..., 9).
    """
    bits = (observation.unsqueeze(-1) >> torch.arange(8, dtype=torch.uint8, device=observation.device)) & 1
    return torch.cat([observation.unsqueeze(-1).to(dtype) / 255, bits.to(dtype)], dim=-1)


class ByteEncoder(nn.Module):
    """The bytes of a small Box, each as its value and its bits, through a small network.

    Args:
        space: uint8 of any shape with bounds 0 and 255, flattened.
        model: width of the result.
    """

    def __init__(self, space: spaces.Box, model: int) -> None:
        super().__init__()
        self.num_dimensions = len(space.shape)
        self.num_bytes = int(space.low.size)
        self.network = Perceptron(self.num_bytes * NUM_BYTE_FEATURES, model, BYTE_MEAN_SQUARE)

    def forward(self, observation: Tensor) -> Tensor:
        """Encode observations; (..., *shape) uint8 to (..., model)."""
        leading = observation.shape[: observation.dim() - self.num_dimensions]
        features = byte_features(observation.reshape(*leading, self.num_bytes), self.network.expand.weight.dtype)
        encoding: Tensor = self.network(features.flatten(-2))
        return encoding
