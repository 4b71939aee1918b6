"""From the policy's outputs to actions: one head for each kind of action space.

To add one: a file beside these with an `ActionHead`, and its case in `make_action_head`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import Space, spaces

from rlmem.action_heads.base import ActionHead as ActionHead
from rlmem.action_heads.discrete_head import DiscreteHead as DiscreteHead
from rlmem.action_heads.gaussian_head import GaussianHead as GaussianHead
from rlmem.action_heads.multi_binary_head import MultiBinaryHead as MultiBinaryHead
from rlmem.action_heads.multi_discrete_head import MultiDiscreteHead as MultiDiscreteHead
from rlmem.errors import UsageError


def make_action_head(space: Space[Any]) -> ActionHead:
    """The head of an action space.

    Args:
        space: of single actions.

    Raises:
        UsageError: the space has no head.
    """
    if isinstance(space, spaces.Discrete):
        return DiscreteHead(space)
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.size:
        return MultiDiscreteHead(space)
    if isinstance(space, spaces.MultiBinary):
        return MultiBinaryHead(space)
    if isinstance(space, spaces.Box) and space.low.size and np.issubdtype(space.dtype, np.floating):
        return GaussianHead(space)
    raise UsageError(
        f"no action head takes the action space {space}; supported are Discrete, MultiDiscrete, MultiBinary and Box of "
        "floats, with at least one element: write the action as one of these (gymnasium.wrappers.TransformAction; "
        "MultiDiscrete for a Box of integers or several discrete parts)"
    )
