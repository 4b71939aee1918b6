"""Observations to check with, drawn from a space or by the policy's own hook, and slices of them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from gymnasium import Space, spaces
from numpy.typing import NDArray
from torch import Tensor

from rlmem.box_range import centre_and_half_width, is_ranged
from rlmem.errors import UsageError

_LARGEST_NORMAL = 3.0  # elements without bounds are drawn from a normal distribution cut here


def sample_observations(space: Space[Any], batch: int, steps: int, generator: torch.Generator) -> Any:
    """Observations (batch, steps, ...) of a space, its structure kept; the space's own random state stays as it is.

    Args:
        space: of single observations.
        batch, steps: how many.
        generator: on the CPU; a uniform draw within a Box's bounds, and about normal where it has none.

    Raises:
        UsageError: a leaf of the space cannot be written as a tensor.
    """
    if isinstance(space, spaces.Dict):
        return {key: sample_observations(part, batch, steps, generator) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(sample_observations(part, batch, steps, generator) for part in space.spaces)
    seed = int(torch.randint(2**31, (), generator=generator))
    if isinstance(space, spaces.Box):
        return torch.as_tensor(_box(space, (batch, steps), np.random.default_rng(seed)))
    space = deepcopy(space)
    space.seed(seed)
    try:
        drawn = np.stack([np.asarray(space.sample()) for _ in range(batch * steps)])
        return torch.as_tensor(drawn.reshape(batch, steps, *drawn.shape[1:]))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"observations of {space} cannot be drawn as tensors ({error}); give the policy a method "
            "sample_observations(batch, steps, generator)"
        ) from error


def _box(space: spaces.Box, leading: tuple[int, ...], random: np.random.Generator) -> NDArray[Any]:
    shape = (*leading, int(np.prod(space.shape)))
    if np.issubdtype(space.dtype, np.floating):
        centre, half_width = centre_and_half_width(space)
        normal = random.standard_normal(shape).clip(-_LARGEST_NORMAL, _LARGEST_NORMAL)
        unit = np.where(is_ranged(space), random.uniform(-1, 1, shape), normal)
        values = (centre + half_width * unit).clip(space.low.ravel(), space.high.ravel())
    else:
        low, high = space.low.ravel().astype(np.int64), space.high.ravel().astype(np.int64)
        values = random.integers(low, np.minimum(high, low + 255) + 1, shape)
    return values.reshape(*leading, *space.shape).astype(space.dtype)


def map_tensors(function: Callable[..., Tensor], *trees: Any) -> Any:
    """Apply a function to the tensors of observations of one structure, leaf by leaf."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: map_tensors(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, tuple):
        return tuple(map_tensors(function, *parts) for parts in zip(*trees, strict=True))
    return function(*trees)


def rows_of(observation: Any, index: Tensor) -> Any:
    """Some rows of observations (batch, ...); index: (rows,) int64."""
    return map_tensors(lambda leaf: leaf[index], observation)


def steps_of(observation: Any, steps: slice | int) -> Any:
    """Some steps, or one, of observations (batch, steps, ...)."""
    return map_tensors(lambda leaf: leaf[:, steps], observation)


def join_steps(*parts: Any) -> Any:
    """Observations (batch, steps, ...) one after another."""
    return map_tensors(lambda *leaves: torch.cat(leaves, dim=1), *parts)


def with_step_changed(observation: Any, other: Any, row: int, step: int) -> Any:
    """Observations (batch, steps, ...) with one step of one row taken from `other`."""

    def changed(leaf: Tensor, other_leaf: Tensor) -> Tensor:
        leaf = leaf.clone()
        leaf[row, step] = other_leaf[row, step]
        return leaf

    return map_tensors(changed, observation, other)
