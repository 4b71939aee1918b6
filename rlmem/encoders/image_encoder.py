"""Observations that are images: a small convolutional network.

images    (batch, channels, height, width)
"""

from __future__ import annotations

import math

from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from rlmem.encoders.byte_encoder import BYTE_MEAN_SQUARE, NUM_BYTE_FEATURES, byte_features, holds_bytes
from rlmem.encoders.perceptron import AFTER_RELU, initialise

_MOST_CHANNELS = 4
_SHORTEST_SIDE = 8  # pixels; what is smaller is no image
_LARGE_SIDE = 36  # pixels; the least that the large kernels fit
_USUAL_SIDE = 84  # pixels; images at least twice as large are reduced first
_PIXEL_MEAN_SQUARE = 1 / 3  # of a uniform value in [0, 1]

# output channels, kernel, stride, padding; the large one is that of Mnih et al. 2015
_LARGE = ((32, 8, 4, 0), (64, 4, 2, 0), (64, 3, 1, 0))
_SMALL = ((32, 3, 1, 1), (64, 3, 2, 1), (64, 3, 2, 1))


def image_layout(space: spaces.Box) -> str:
    """How a Box holds an image: "HWC", "CHW" (1 to 4 channels) or "HW", and "" if it holds none.

    An image is uint8 with bounds 0 and 255, and at least 8 pixels high and wide.
    """
    is_side = [size >= _SHORTEST_SIDE for size in space.shape]
    is_channels = [1 <= size <= _MOST_CHANNELS for size in space.shape]
    if not holds_bytes(space) or len(space.shape) not in (2, 3):
        return ""
    if len(space.shape) == 2:
        return "HW" if all(is_side) else ""
    if is_side[0] and is_side[1] and is_channels[2]:
        return "HWC"
    return "CHW" if is_channels[0] and is_side[1] and is_side[2] else ""


class ImageEncoder(nn.Module):
    """Three convolutions and a linear layer over pixels in [0, 1].

    Large images, from 36 pixels on the shorter side, have the kernels of Mnih et al. 2015; from 168 pixels on they are
    first averaged over squares. Small ones have 3 x 3 kernels, and each byte is seen with its bits (`byte_features`),
    since small images are mostly grids of symbols.

    Args:
        space: for which `image_layout` names a layout.
        model: width of the result.
    """

    def __init__(self, space: spaces.Box, model: int) -> None:
        super().__init__()
        self.layout = image_layout(space)
        self.shape = space.shape
        sizes = dict(zip(self.layout, space.shape, strict=True))
        shorter, channels = min(sizes["H"], sizes["W"]), sizes.get("C", 1)
        self.is_small = shorter < _LARGE_SIDE
        self.reduction = max(1, shorter // _USUAL_SIDE)
        sides = [sizes[side] // self.reduction for side in "HW"]
        mean_square = _PIXEL_MEAN_SQUARE
        if self.is_small:
            channels, mean_square = channels * NUM_BYTE_FEATURES, BYTE_MEAN_SQUARE
        layers: list[nn.Module] = []
        for out_channels, kernel, stride, padding in _SMALL if self.is_small else _LARGE:
            convolution = nn.Conv2d(channels, out_channels, kernel, stride, padding)
            initialise(convolution, mean_square)
            layers += [convolution, nn.ReLU()]
            sides = [(side + 2 * padding - kernel) // stride + 1 for side in sides]
            channels, mean_square = out_channels, AFTER_RELU
        self.convolutions = nn.Sequential(*layers)
        self.linear = nn.Linear(channels * math.prod(sides), model)
        initialise(self.linear, mean_square)

    def forward(self, observation: Tensor) -> Tensor:
        """Encode observations; (..., *shape) uint8 to (..., model)."""
        leading = observation.shape[: observation.dim() - len(self.shape)]
        images = self._images(observation.reshape(-1, *self.shape))
        features: Tensor = self.linear(self.convolutions(images).flatten(1))
        return features.view(*leading, -1)

    def _images(self, observation: Tensor) -> Tensor:
        """(batch, *shape) uint8 to (batch, channels, height, width) floats."""
        if self.layout == "HW":
            observation = observation.unsqueeze(1)
        elif self.layout == "HWC":
            observation = observation.movedim(3, 1)
        dtype = self.linear.weight.dtype
        if self.is_small:
            return byte_features(observation, dtype).movedim(4, 2).flatten(1, 2)
        pixels = observation.to(dtype) / 255
        return pixels if self.reduction == 1 else functional.avg_pool2d(pixels, self.reduction)
