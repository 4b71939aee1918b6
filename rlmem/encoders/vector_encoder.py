"""Observations that are numbers: any Box that is no image."""

from __future__ import annotations

import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlmem.box_range import centre_and_half_width, is_ranged
from rlmem.encoders.perceptron import Perceptron

_MEAN_SQUARE = 1 / 3  # of a uniform value in [-1, 1], and nearly of a log-compressed normal one (0.33)


class VectorEncoder(nn.Module):
    """The numbers of a Box, brought to a common scale, through a small network.

    An element with finite bounds is mapped from them to [-1, 1]. One without, or with bounds so wide that they say
    nothing (`rlmem.box_range`), may be of any size, and statistics of what was seen so far would change the meaning of
    memories already stored; so it is compressed by a fixed function, sign(x) log(1 + |x|): nearly x around 0, and a
    million becomes 14.

    Args:
        space: floats, integers or booleans of any shape, flattened.
        model: width of the result.
    """

    centre: Tensor
    scale: Tensor
    has_range: Tensor

    def __init__(self, space: spaces.Box, model: int) -> None:
        super().__init__()
        self.num_dimensions = len(space.shape)
        centre, half_width = (torch.as_tensor(array) for array in centre_and_half_width(space))
        scale = torch.where(half_width > 0, 1 / half_width, 0)  # a constant says nothing
        self.register_buffer("centre", centre.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("scale", scale.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("has_range", torch.as_tensor(is_ranged(space)), persistent=False)
        self.network = Perceptron(len(centre), model, _MEAN_SQUARE)

    def forward(self, observation: Tensor) -> Tensor:
        """Encode observations; (..., *shape) of any real dtype to (..., model)."""
        leading = observation.shape[: observation.dim() - self.num_dimensions]
        values = observation.reshape(*leading, len(self.scale)).to(self.scale.dtype)
        compressed = values.sign() * values.abs().log1p()
        encoding: Tensor = self.network(torch.where(self.has_range, (values - self.centre) * self.scale, compressed))
        return encoding
