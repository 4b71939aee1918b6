"""The encoder of a whole observation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ObservationEncoder(nn.Module):
    """The sum of the leaves' encodings, over the root of their number so that the variance stays.

    Args:
        paths: of the leaves, as `leaf_spaces` names them; kept for reading, a state dict counts 0, 1, ...
        encoders: one a leaf, each mapping (..., *leaf shape) to (..., model).
    """

    def __init__(self, paths: Sequence[str], encoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.paths = tuple(paths)
        self.encoders = nn.ModuleList(encoders)
        self._scale: float = len(encoders) ** -0.5

    def forward(self, leaves: tuple[Tensor, ...]) -> Tensor:
        """Encode observations.

        Args:
            leaves: one tensor (..., *leaf shape) of the leaf's dtype a path, all with the same leading dimensions.

        Returns:
            (..., model).
        """
        encodings: list[Tensor] = [encoder(leaf) for encoder, leaf in zip(self.encoders, leaves, strict=True)]
        if len(encodings) == 1:
            return encodings[0]
        return torch.stack(encodings).sum(0) * self._scale
