"""What a batch environment is given and gives back in Gymnasium's forms: seeds, reset masks, actions, masked infos."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rlmem.errors import UsageError

Infos = dict[str, Any]


def read_seeds(seed: int | Sequence[int | None], num_envs: int) -> list[int]:
    """Give each row its seed.

    Args:
        seed: a number s, for s + i in row i, or one number a row, None there for a random one.
        num_envs: number of rows.

    Returns:
        `num_envs` numbers.

    Raises:
        UsageError: a wrong number of seeds.
    """
    if isinstance(seed, (int, np.integer)):
        return list(range(int(seed), int(seed) + num_envs))
    if len(seed) != num_envs:
        raise UsageError(
            f"got {len(seed)} seeds for {num_envs} environments: pass one seed for each, or one number for all"
        )
    return [secrets.randbits(64) if one is None else int(one) for one in seed]


def read_reset_mask(mask: Any, num_envs: int) -> npt.NDArray[np.bool_]:
    """Check ``options["reset_mask"]``.

    Args:
        mask: (num_envs,) bool, True where an episode is to start; None: everywhere.
        num_envs: number of environments.

    Returns:
        A fresh mask (num_envs,).

    Raises:
        UsageError: it is no such mask, or True nowhere.
    """
    if mask is None:
        return np.ones(num_envs, dtype=bool)
    is_mask = isinstance(mask, np.ndarray) and mask.shape == (num_envs,) and mask.dtype == np.bool_
    if not is_mask or not mask.any():
        raise UsageError(
            f"options['reset_mask'] is {mask!r}, but it says where an episode is to start: pass a NumPy array of "
            f"bool, shape ({num_envs},), with at least one True"
        )
    return np.array(mask)


def read_actions(actions: npt.ArrayLike, num_envs: int, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Check a batch of actions.

    Args:
        actions: (num_envs,) integers, indices into `names`.
        num_envs: number of environments.
        names: what the actions are called.

    Returns:
        The actions, (num_envs,) int64; not copied where they are that already.

    Raises:
        UsageError: a wrong shape, kind or value.
    """
    array = np.asarray(actions)
    if array.shape != (num_envs,) or array.dtype.kind not in "iu":
        raise UsageError(
            f"got actions of shape {array.shape} and dtype {array.dtype}, but there is one action for each of the "
            f"{num_envs} environments: pass integers of shape ({num_envs},)"
        )
    indices: npt.NDArray[np.int64] = array.astype(np.int64, copy=False)
    if indices.view(np.uint64).max() >= len(names):  # negative numbers are huge ones there
        raise UsageError(
            f"got actions from {array.min()} to {array.max()}, but the actions are {dict(enumerate(names))}: "
            f"pass integers 0-{len(names) - 1}"
        )
    return indices


def with_masks(infos: Infos, mask: npt.NDArray[np.bool_]) -> Infos:
    """Add each info's mask under Gymnasium's name for it: a copy of `mask`, (num_envs,), as ``_name``."""
    return infos | {f"_{name}": mask.copy() for name in infos}
