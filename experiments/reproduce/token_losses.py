"""What each prediction along a text costs, read in one row with the memory carried."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rlmem.core import CoreOutput
from rlmem.experiments.lm.block import NO_ITEM, Split
from rlmem.experiments.lm.learner import autocast
from rlmem.experiments.lm.trainer import on_device
from rlmem.experiments.reproduce.trained_model import TrainedModel
from rlmem.window import Window


@dataclass(frozen=True)
class TokenLosses:
    """A text and what its predictions cost; all arrays are (length,).

    Args:
        targets: int64, the symbols that were to be predicted, which are the text without its first symbol.
        bits: float32, what each cost.
    """

    targets: NDArray[np.int64]
    bits: NDArray[np.float32]


@torch.no_grad()
def token_losses(trained: TrainedModel, split: Split, *, reach: int | None = None, length: int = 0) -> TokenLosses:
    """Read a split from its beginning.

    Args:
        trained: the model.
        split: of its text.
        reach: no memory more than so many steps old is seen; None: no such limit.
        length: predictions to make; 0: all.
    """
    model, stream = trained.model, trained.stream(split)
    state = model.core.initial_state(1)
    device = state.next_time.device
    targets, bits, done = [], [], 0
    while (length == 0 or done < length) and (read := stream.next_block(trained.config.learner.block)) is not None:
        block = on_device(read, device)
        window = replace(Window.following(state, block.is_first), reach=reach)
        with autocast(trained.config.learner.precision, device):
            output: CoreOutput = model(block.inputs, state, window)
            losses = model.loss(output.hidden, block.targets)
        is_scored = block.item[0] != NO_ITEM
        targets.append(block.targets[0][is_scored].cpu().numpy())
        bits.append((losses[0][is_scored].float() / math.log(2)).cpu().numpy())
        done += len(bits[-1])
        state = model.core.carry(state, output.layer_inputs, window)
    kept = length or done
    return TokenLosses(np.concatenate(targets)[:kept], np.concatenate(bits)[:kept])
