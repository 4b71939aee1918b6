"""From observations to the core's inputs: one encoder for each kind of leaf space, summed.

To add one: a file beside these with a module that maps (..., *leaf shape) to (..., model), and its case in
`_leaf_encoder`. Each begins with outputs of about unit variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import Space, spaces
from torch import nn

from rlmem.encoders.byte_encoder import ByteEncoder as ByteEncoder
from rlmem.encoders.byte_encoder import takes_bytes
from rlmem.encoders.discrete_encoder import DiscreteEncoder as DiscreteEncoder
from rlmem.encoders.image_encoder import ImageEncoder as ImageEncoder
from rlmem.encoders.image_encoder import image_layout
from rlmem.encoders.multi_binary_encoder import MultiBinaryEncoder as MultiBinaryEncoder
from rlmem.encoders.multi_discrete_encoder import MultiDiscreteEncoder as MultiDiscreteEncoder
from rlmem.encoders.observation_encoder import ObservationEncoder as ObservationEncoder
from rlmem.encoders.vector_encoder import VectorEncoder as VectorEncoder
from rlmem.errors import UsageError, check
from rlmem.observation_leaves import leaf_spaces
from rlmem.word_encoder import WordEncoder
from rlmem.word_space import WordSpace

_MOST_EMBEDDINGS = 2**20  # rows of a table; more would take gigabytes and hardly ever be learned


def make_encoder(space: Space[Any], model: int) -> ObservationEncoder:
    """The encoder of an observation space.

    Args:
        space: of single observations.
        model: width of the result.

    Raises:
        UsageError: the space, or a part of it, has no encoder.
    """
    leaves = leaf_spaces(space)
    check(bool(leaves), f"{space} has no entries, so there is nothing to observe; give at least one")
    return ObservationEncoder(tuple(leaves), [_leaf_encoder(path, leaf, model) for path, leaf in leaves.items()])


def _leaf_encoder(path: str, space: Space[Any], model: int) -> nn.Module:
    if isinstance(space, WordSpace):
        return WordEncoder(space.words, space.shape[0] * space.shape[1], model)
    if isinstance(space, spaces.Box) and space.low.size:
        if image_layout(space):
            return ImageEncoder(space, model)
        return ByteEncoder(space, model) if takes_bytes(space) else VectorEncoder(space, model)
    if isinstance(space, spaces.Discrete):
        _check_table(path, space, int(space.n))
        return DiscreteEncoder(space, model)
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.size:
        _check_table(path, space, int(space.nvec.astype(np.float64).sum()))
        return MultiDiscreteEncoder(space, model)
    if isinstance(space, spaces.MultiBinary):
        return MultiBinaryEncoder(space, model)
    raise UsageError(
        f"the observation space has {space} at {path!r}, which no encoder takes; supported are Box, Discrete, "
        "MultiDiscrete and MultiBinary with at least one element, and Dict and Tuple of these: leave the entry out "
        "(gymnasium.wrappers.FilterObservation) or change it (gymnasium.wrappers.TransformObservation)"
    )


def _check_table(path: str, space: Space[Any], num_values: int) -> None:
    check(
        num_values <= _MOST_EMBEDDINGS,
        f"the observation space has {space} at {path!r}: {num_values} values, but each has an embedding of its own and "
        f"at most {_MOST_EMBEDDINGS} fit; use a Box or several smaller numbers",
    )
