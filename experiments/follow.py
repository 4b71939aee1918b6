"""Training beside the first rank, as it orders."""

from __future__ import annotations

import json

import torch

from rlmem.agents.ranks import Ranks
from rlmem.experiments.device import decide_machine
from rlmem.experiments.following_run import FollowingRun
from rlmem.experiments.interruption import Interruption
from rlmem.experiments.order import Order
from rlmem.experiments.rank_states import take_state
from rlmem.experiments.run_directory import LANGUAGE_MODEL
from rlmem.experiments.train_config import TrainConfig
from rlmem.experiments.training_loop import loop
from rlmem.experiments.training_run import make_policy, make_trainer


def follow(order: Order, ranks: Ranks) -> int:
    """Train beside the first rank until the run is done or stopped; returns the exit code.

    Raises:
        RlmemError: this rank cannot go on.
    """
    with Interruption(ranks) as interruption:
        run = _language_run(order, ranks) if order.kind == LANGUAGE_MODEL else _agents_run(order, ranks)
        try:
            loop(run, interruption)
        finally:
            run.close()
    return 0 if run.is_finished else interruption.exit_code


def _agents_run(order: Order, ranks: Ranks) -> FollowingRun:
    config = TrainConfig.from_json(json.loads(order.config))
    decide_machine(config.run, ranks)
    torch.set_num_threads(config.run.num_threads or torch.get_num_threads())
    trainer = make_trainer(config, make_policy(config), ranks)
    if order.is_resumed:
        take_state(trainer, config.run.device)
    return FollowingRun(trainer, config.run, trainer.envs.close)


def _language_run(order: Order, ranks: Ranks) -> FollowingRun:
    from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
    from rlmem.experiments.lm.train_config import LanguageTrainConfig
    from rlmem.experiments.lm.training_run import make_model, make_trainer

    config = LanguageTrainConfig.from_json(json.loads(order.config))
    decide_machine(config.run, ranks)
    torch.set_num_threads(config.run.num_threads or torch.get_num_threads())
    model = make_model(config, LANGUAGE_TASKS[config.task].open_corpus(config.options))
    trainer = make_trainer(config, model, ranks)
    if order.is_resumed:
        take_state(trainer, config.run.device)
    return FollowingRun(trainer, config.run)
