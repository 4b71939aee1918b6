"""What a span predictor may look at instead of the hidden state: features in which unlike states share nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rlmem.compilable import is_compilable
from rlmem.kernels.compiling import bounds_of_threads
from rlmem.kernels.cosine_sum import Features, return_cosines, sum_cosines

_STATES_WORTH_A_THREAD = 256

BANDWIDTH = 2.0
"""Distance between two normed states at which their features' product has fallen to exp(-1/2); a normed state of width
64 has length 8."""


class _Cosine(torch.autograd.Function):
    """cos(projection @ normed + phase); by hand so that its gradient passes over the features less often."""

    @staticmethod
    def forward(ctx: Any, normed: Tensor, projection: Tensor, phase: Tensor) -> Tensor:
        """(..., features) from normed (..., model)."""
        angles = torch.nn.functional.linear(normed, projection, phase)
        ctx.save_for_backward(angles, projection)
        return angles.cos()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """To normed alone: nothing else is learned."""
        angles, projection = ctx.saved_tensors
        return (angles.sin().mul_(grads[0]) @ projection).neg_(), None, None


class _CosineSum(torch.autograd.Function):
    """weight @ `_Cosine` in compiled loops, which never write the features down."""

    @staticmethod
    def forward(ctx: Any, normed: Tensor, projection: Tensor, phase: Tensor, weight: Tensor) -> Tensor:
        """(states,) from normed (states, model) and weight (features,)."""
        turns, sums = normed.new_empty(len(normed), len(phase)), normed.new_empty(len(normed))
        features = Features(*(tensor.numpy() for tensor in (projection.t().contiguous(), phase, weight.detach())))
        sum_cosines(normed.detach().numpy(), features, turns.numpy(), sums.numpy(), _bounds(normed))
        ctx.save_for_backward(turns, projection, phase, weight)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, Tensor]:
        """To the states and the weights: nothing else is learned."""
        turns, *of_features = ctx.saved_tensors
        projection, _, weight = of_features
        bounds, features = _bounds(turns), Features(*(tensor.detach().numpy() for tensor in of_features))
        to_normed = turns.new_empty(len(turns), projection.shape[1])
        to_weight = turns.new_zeros(len(bounds) - 1, len(weight))
        to_sums = grads[0].contiguous().numpy()
        return_cosines(to_sums, features, turns.numpy(), to_normed.numpy(), to_weight.numpy(), bounds)
        return to_normed, None, None, to_weight.sum(0)


def _bounds(states: Tensor) -> NDArray[np.int64]:
    return bounds_of_threads(len(states), torch.get_num_threads(), _STATES_WORTH_A_THREAD)


class RandomFeatures(nn.Module):
    """Random Fourier features of a Gaussian kernel, drawn once and never learned.

    A linear predictor hardly tells steps apart whose states are alike in most directions: in a corridor, six of the
    seven words beside the object are those of every other cell, so that what is charged to the many takes the one
    along. Here the product of two states' features is about exp(-distance² / (2 BANDWIDTH²)): a cost on familiar steps
    leaves the spans of unlike ones where they began.

    Args:
        model: width of a state.
        num_features: >= 1; the product's error falls with its root.

    Attributes:
        scale: of the features; who has a weight for each scales the few weights.

    Source: Rahimi and Recht 2007, "Random features for large-scale kernel machines"; their use for spans is ours.
    """

    def __init__(self, model: int, num_features: int) -> None:
        super().__init__()
        self.scale = math.sqrt(2 / num_features)
        self.register_buffer("projection", torch.randn(num_features, model) / BANDWIDTH)
        self.register_buffer("phase", torch.rand(num_features) * 2 * math.pi)

    def forward(self, normed: Tensor) -> Tensor:
        """The features (..., num_features) of normed states (..., model), each still to be multiplied by `scale`."""
        projection, phase = self.get_buffer("projection"), self.get_buffer("phase")
        features: Tensor = _Cosine.apply(normed, projection, phase)  # type: ignore[no-untyped-call]
        return features

    def weighted(self, normed: Tensor, weight: Tensor) -> Tensor:
        """The sum of the features by weights (features,): (...) from normed (..., model), still without `scale`."""
        if not is_compilable(normed, weight):
            return torch.nn.functional.linear(self(normed), weight)
        states = normed.reshape(-1, normed.shape[-1]).contiguous()
        buffers = self.get_buffer("projection"), self.get_buffer("phase")
        sums: Tensor = _CosineSum.apply(states, *buffers, weight)  # type: ignore[no-untyped-call]
        return sums.view(normed.shape[:-1])
