"""Equal parameters: the width at which a recurrent memory has as many parameters as the Transformer."""

from __future__ import annotations

from dataclasses import replace

from rlmem.experiments.train_config import TrainConfig
from rlmem.experiments.training_run import make_policy


def count_parameters(config: TrainConfig) -> int:
    """How many parameters the configuration's policy has, encoder and heads included; builds it to count."""
    return sum(parameter.numel() for parameter in make_policy(config).parameters())


def with_width(config: TrainConfig, width: int) -> TrainConfig:
    """The configuration with another width of the hidden state."""
    return replace(config, model=replace(config.model, model=width))


def match_width(config: TrainConfig, target: int) -> TrainConfig:
    """The configuration at the width whose parameter count is closest to a target; the smaller one of two as close.

    Widths are multiples of `--heads`, as everywhere. The count grows with the width, so that bisection finds it.

    Args:
        config: of any kind of memory; its width does not matter.
        target: parameters.
    """
    unit = config.model.heads
    above = 1
    while count_parameters(with_width(config, above * unit)) < target:
        above *= 2
    below = above // 2  # 0, or too narrow
    while above - below > 1:
        middle = (above + below) // 2
        if count_parameters(with_width(config, middle * unit)) < target:
            below = middle
        else:
            above = middle
    candidates = [with_width(config, multiple * unit) for multiple in (below, above) if multiple]
    return min(candidates, key=lambda one: abs(count_parameters(one) - target))
