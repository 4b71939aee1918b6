"""What changes over a run: the learning rate (up along a line, then level or down along a cosine, then low for
fine-tuning) and the cost of memory."""

from __future__ import annotations

import math

from rlmem.experiments.lm.train_config import LanguageLearnerConfig, LanguageRunConfig


def learning_rate(update: int, learner: LanguageLearnerConfig, run: LanguageRunConfig) -> float:
    """The learning rate of an update.

    Args:
        update: 0 is the first.
        learner: rate, warm-up and schedule.
        run: lengths of training and fine-tuning.

    Source: the paper, A.2.4: linear warm-up; cosine annealing (Loshchilov & Hutter 2016); fine-tuning at a tenth.
    """
    if update >= run.updates:
        return learner.learning_rate * run.fine_tune_factor
    if update < learner.warmup_updates:
        return learner.learning_rate * (update + 1) / learner.warmup_updates
    if learner.schedule == "constant":
        return learner.learning_rate
    share = (update - learner.warmup_updates) / (run.updates - learner.warmup_updates)
    return learner.learning_rate * (1 + math.cos(math.pi * share)) / 2


def span_cost(update: int, learner: LanguageLearnerConfig) -> float:
    """Alpha of an update, 0 being the first; the delay is ours."""
    return learner.span_cost if update >= learner.span_cost_delay else 0.0
