"""One training of a language model: data, model, memory and every random generator, advanced block by block.

A trainer can be taken apart into named tensors and plain values, and put together again to the bit.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from rlmem.agents.optimizer import load_optimizer, optimizer_tensors
from rlmem.agents.ranks import ALONE, Ranks
from rlmem.experiments.lm.block import Block, Stream
from rlmem.experiments.lm.gathered import Gathered
from rlmem.experiments.lm.learner import LanguageLearner
from rlmem.experiments.lm.schedule import learning_rate, span_cost
from rlmem.experiments.lm.tasks import Metric, in_unit, unit_of
from rlmem.experiments.lm.train_config import LanguageLearnerConfig, LanguageRunConfig
from rlmem.language_model import LanguageModel
from rlmem.memory_state import MemoryState


class LanguageTrainer:
    """Reads, updates and carries memory, until all updates are done.

    Args:
        model: the language model, on its device; the first rank's weights are everyone's.
        stream: the training data of the rank's rows.
        learner: what an update is made of.
        run: lengths and the seed of the memory dropout.
        metric: of the task, for the unit of the loss.
        ranks: that train with this one, each with as many rows.
    """

    def __init__(
        self,
        model: LanguageModel,
        stream: Stream,
        learner: LanguageLearnerConfig,
        run: LanguageRunConfig,
        metric: Metric,
        ranks: Ranks = ALONE,
    ) -> None:
        self.model, self.stream, self.ranks, self._run, self._metric = model, stream, ranks, run, metric
        self.updates = 0
        self.state = model.core.initial_state(stream.batch)
        self.gathered = Gathered()
        self._memory_dropout = torch.Generator().manual_seed(run.seed)
        self.learner = LanguageLearner(model, learner, self._memory_dropout, ranks)
        ranks.copy_first(model)
        if not ranks.is_first:
            torch.manual_seed(ranks.seed(run.seed))  # of the other dropouts, which are each row's own
        model.train()

    @property
    def steps_done(self) -> int:
        """Updates so far."""
        return self.updates

    @property
    def total_steps(self) -> int:
        """Updates of the whole run, fine-tuning included."""
        return self._run.all_updates

    @property
    def is_finished(self) -> bool:
        """True once the run has its updates."""
        return self.updates >= self.total_steps

    def iterate(self) -> dict[str, float]:
        """Advance by one block: read, update, carry the memory.

        Returns:
            Metrics by name, gathered since the last `gathered.clear()`.

        Raises:
            DivergedError: the loss is no finite number; do not save this trainer.
        """
        block = self.stream.next_block(self.learner.config.block)
        assert block is not None, "training data has no end"
        learned = self.learner.update(
            on_device(block, self.state.next_time.device),
            self.state,
            learning_rate(self.updates, self.learner.config, self._run),
            span_cost(self.updates, self.learner.config),
        )
        self.state = learned.state
        self.updates += 1
        self.gathered.add(learned.metrics, learned.num_targets)
        metrics = self.gathered.metrics()
        if "train/loss" in metrics:
            metrics[f"train/{unit_of(self._metric)}"] = in_unit(metrics["train/loss"], self._metric)
        return metrics

    def tensors(self) -> dict[str, Tensor]:
        """The trainer's tensors beside the model's weights, by name."""
        named = {f"memory.{name}": tensor for name, tensor in self.state.tensors().items()}
        named |= {f"stream.{name}": tensor for name, tensor in self.stream.state().items()}
        named["generator.memory_dropout"] = self._memory_dropout.get_state()
        named["generator.torch"] = torch.get_rng_state()  # of the other dropouts
        if self.state.next_time.is_cuda:
            named["generator.cuda"] = torch.cuda.get_rng_state(self.state.next_time.device)
        return named | optimizer_tensors(self.learner.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """The rest, in plain values."""
        return {"updates": self.updates, "gathered": self.gathered.state_dict()}

    def load(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Restore what `tensors` and `state_dict` gave; load the model's weights apart."""
        self.updates = int(state["updates"])
        self.gathered.load_state_dict(state["gathered"])
        self.state = MemoryState.from_tensors(_named(tensors, "memory."))
        self.stream.load_state({name: tensor.cpu() for name, tensor in _named(tensors, "stream.").items()})
        load_optimizer(self.learner.optimizer, tensors)
        self._memory_dropout.set_state(tensors["generator.memory_dropout"].cpu())
        torch.set_rng_state(tensors["generator.torch"].cpu())
        if self.state.next_time.is_cuda and "generator.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["generator.cuda"].cpu(), self.state.next_time.device)


def on_device(block: Block, device: torch.device) -> Block:
    """A block's tensors where the model is."""
    if device.type == "cpu":
        return block
    return Block(**{one.name: getattr(block, one.name).to(device) for one in fields(Block)})


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
