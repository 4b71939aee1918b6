"""The states of later ranks: gathered at the first one, which alone writes and reads checkpoints, and handed out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlmem.agents.optimizer import is_of_optimizer
from rlmem.agents.ranks import Ranks
from rlmem.experiments.any_trainer import AnyTrainer
from rlmem.experiments.checkpoints import RankState


def gather_later_states(trainer: AnyTrainer) -> list[RankState]:
    """The states of the later ranks, in order, at the first; nothing at the others. All ranks call it.

    What the optimiser remembers is left out: it is the same on all.
    """
    ranks = trainer.ranks
    own = None
    if not ranks.is_first:
        tensors = {name: t.cpu() for name, t in trainer.tensors().items() if not is_of_optimizer(name)}
        own = RankState(tensors, trainer.state_dict())
    states = ranks.gathered(own) or []
    return [state for state in states if state is not None]


def hand_out_states(ranks: Ranks, tensors: dict[str, Tensor], states: Sequence[RankState]) -> None:
    """Give every later rank its state; the first rank calls it, which has loaded its own.

    Args:
        ranks: that train together.
        tensors: the first rank's, of which the optimiser's are everyone's.
        states: of the later ranks, in order.
    """
    ranks.told({name: tensor.cpu() for name, tensor in tensors.items() if is_of_optimizer(name)})
    ranks.handed_out([None, *states])


def take_state(trainer: AnyTrainer, device: torch.device | str) -> None:
    """Put a later rank's trainer where the checkpoint stands that the first rank hands out."""
    optimizer: dict[str, Tensor] = trainer.ranks.told({})
    state: RankState | None = trainer.ranks.handed_out(None)
    assert state is not None, "every later rank has a state"
    tensors = {name: tensor.to(device) for name, tensor in (optimizer | state.tensors).items()}
    trainer.load(tensors, state.values)
