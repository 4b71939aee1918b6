"""The two-layer network that flat features go through, and the initial scale that all encoders share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

AFTER_RELU = 0.5  # mean square of a rectified unit-variance value
_BIAS_VARIANCE = 1 / 3  # of hidden biases, uniform in [-1, 1]: they spread the bends over the input's range


@torch.no_grad()
def initialise(layer: nn.Linear | nn.Conv2d, input_mean_square: float, variance: float = 1.0) -> None:
    """Draw weights that give outputs of a wanted mean square over the draw, and set the biases to zero.

    Args:
        layer: changed in place.
        input_mean_square: of a typical input element.
        variance: the wanted mean square of an output element.
    """
    fan_in = layer.weight[0].numel()
    layer.weight.normal_(std=(variance / (fan_in * input_mean_square)) ** 0.5)
    if layer.bias is not None:
        layer.bias.zero_()


class Perceptron(nn.Module):
    """Linear, ReLU, linear.

    Args:
        num_features: width of the input.
        model: width of the output; the hidden layer is twice as wide.
        input_mean_square: of a typical feature, for the initial scale.
    """

    def __init__(self, num_features: int, model: int, input_mean_square: float) -> None:
        super().__init__()
        self.expand = nn.Linear(num_features, 2 * model)
        self.contract = nn.Linear(2 * model, model)
        initialise(self.expand, input_mean_square, 1 - _BIAS_VARIANCE)
        nn.init.uniform_(self.expand.bias, -1, 1)
        initialise(self.contract, AFTER_RELU)

    def forward(self, features: Tensor) -> Tensor:
        """(..., features) to (..., model)."""
        encoding: Tensor = self.contract(torch.relu(self.expand(features)))
        return encoding
