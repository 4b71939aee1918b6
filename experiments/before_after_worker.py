"""What `before_after` lets each version run: only what all versions have may be used here.

Arguments: algorithm, spans, threads. Prints the steps of a window; then, for every line that it reads, the seconds that
a window took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

import torch

from rlmem.agents.learner_config import Algorithm
from rlmem.agents.trainer import Trainer
from rlmem.experiments.presets import find_preset
from rlmem.experiments.training_run import make_policy, make_trainer

Result = TypeVar("Result")

_STILL = 1e-9  # a learning rate at which nothing moves, so that every window has the same work
_WARM_UP = 4  # windows until spans are as long as they begin, and the allocator has what it needs


def main(algorithm: str, spans: str, threads: str) -> None:
    """Train when told."""
    torch.set_num_threads(int(threads))
    config = find_preset("corridor")
    model = replace(config.model, initial_span_fraction=(10 / 256,)) if spans == "short" else config.model
    config = replace(
        config,
        run=replace(config.run, device="cpu"),
        learner=replace(config.learner, algorithm=cast("Algorithm", algorithm), learning_rate=_STILL, anneal_lr=False),
        model=model,
    )
    trainer = make_trainer(config, make_policy(config))
    for _ in range(_WARM_UP):
        trainer.iterate()
    print(config.run.num_envs * config.learner.num_steps, flush=True)
    for _ in sys.stdin:
        print(json.dumps(_window(trainer)), flush=True)


def _window(trainer: Trainer) -> dict[str, float]:
    """Seconds of acting and learning on their own, and then of a whole window."""
    rollout, acting = _timed(trainer.collector.collect)
    _, learning = _timed(lambda: trainer.learner.update(rollout, success_rate=None, progress=0.0))
    trainer.collector.carry(rollout)
    _, training = _timed(trainer.iterate)
    return {"acting": acting, "learning": learning, "training": training}


def _timed(function: Callable[[], Result]) -> tuple[Result, float]:
    started = time.perf_counter()
    result = function()
    return result, time.perf_counter() - started


if __name__ == "__main__":
    main(*sys.argv[1:])
