"""Learning from a block: the loss of its predictions, the cost of memory, an optimiser's step, what is remembered."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from rlmem.agents.learner import DivergedError
from rlmem.agents.optimizer import make_optimizer
from rlmem.agents.ranks import ALONE, Ranks
from rlmem.core import CoreOutput
from rlmem.experiments.lm.block import Block
from rlmem.experiments.lm.memory_measures import measure_memory
from rlmem.experiments.lm.train_config import LanguageLearnerConfig, Precision
from rlmem.language_model import LanguageModel
from rlmem.memory_state import MemoryState
from rlmem.window import Window

_ADVICE = "resume from the last checkpoint with a lower --learning-rate, or train anew with one"


@dataclass(frozen=True)
class Learned:
    """What an update gives.

    Args:
        state: the memory after the block.
        num_targets: how many predictions counted, in the rows of all ranks.
        metrics: of all ranks; `train/loss` is a mean over those predictions, in nats, and missing if there were none.
    """

    state: MemoryState
    num_targets: int
    metrics: dict[str, float]


class LanguageLearner:
    """Updates a language model from blocks.

    Args:
        model: the language model.
        config: sizes, rates and costs.
        generator: source of the memory dropout, on the CPU; the same on all ranks.
        ranks: with whom the steps are taken; each learns from rows of its own.
    """

    def __init__(
        self, model: LanguageModel, config: LanguageLearnerConfig, generator: torch.Generator, ranks: Ranks = ALONE
    ) -> None:
        self.model, self.config, self.generator, self.ranks = model, config, generator, ranks
        self.optimizer = make_optimizer(model, config)

    def update(self, block: Block, state: MemoryState, learning_rate: float, span_cost: float) -> Learned:
        """Learn from one block.

        Args:
            block: of the rank's rows, on the model's device.
            state: the memory before it.
            learning_rate: of this update.
            span_cost: alpha of this update.

        Raises:
            DivergedError: the loss or the gradient is no finite number; the weights are those before the block.
        """
        core, config = self.model.core, self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["scale"]
        window = core.with_memory_dropout(Window.following(state, block.is_first), self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        num_targets = int(self.ranks.total(block.is_trained.sum()))
        parts = [
            self._learn_from(block, rows, state, window, max(num_targets, 1) / self.ranks.size, span_cost)
            for rows in torch.arange(state.batch, device=window.time.device).chunk(config.accumulate)
        ]
        self.ranks.average_gradients(self.model.parameters())
        metrics = _together([metrics for _, metrics in parts])
        metrics["train/grad_norm"] = self._clipped_norm()
        self.optimizer.step()
        layer_inputs = tuple(torch.cat(layers) for layers in zip(*(inputs for inputs, _ in parts), strict=True))
        if num_targets == 0:
            del metrics["train/loss"]
        return Learned(
            core.carry(state, layer_inputs, window),  # what is dead is judged by the new weights
            num_targets,
            {**self.ranks.merged(as_floats(metrics)), "train/learning_rate": learning_rate},
        )

    def _learn_from(
        self, block: Block, rows: Tensor, state: MemoryState, window: Window, targets_per_rank: float, span_cost: float
    ) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Gradients of some rows' share of the loss; returns what they store and their share of the metrics."""
        model, config = self.model, self.config
        share = len(rows) / state.batch
        if share < 1:
            state, window = state.rows(rows), window.rows(rows)
        with autocast(config.precision, rows.device):
            output: CoreOutput = model(block.inputs[rows], state, window)
            losses = model.loss(output.hidden, block.targets[rows])
        task_loss = losses[block.is_trained[rows]].sum() / targets_per_rank
        memory_loss = span_cost * share * model.core.auxiliary_loss(output.traces, window)
        loss = task_loss + memory_loss
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the loss became {loss.item()} (train/loss {task_loss.item():.3g}, memory/auxiliary_loss "
                f"{memory_loss.item():.3g}); {_ADVICE}"
            )
        loss.backward()
        measured = measure_memory(model.core, output, window).metrics()
        metrics = {name: value if _is_maximum(name) else value * share for name, value in measured.items()}
        metrics |= {"train/loss": task_loss.detach(), "memory/auxiliary_loss": memory_loss.detach()}
        return tuple(hidden.detach() for hidden in output.layer_inputs), metrics

    def _clipped_norm(self) -> Tensor:
        """The gradient's norm before it is clipped."""
        norm = clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm or torch.inf)
        if not torch.isfinite(norm):
            raise DivergedError(f"the gradient's norm became {norm.item()} although the loss is finite; {_ADVICE}")
        return norm


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context of a forward pass; float32 leaves the weights' own precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def as_floats(metrics: dict[str, Tensor]) -> dict[str, float]:
    """Scalars as numbers, in one transfer from the device."""
    values = torch.stack([value.detach().double() for value in metrics.values()]).tolist()
    return dict(zip(metrics, values, strict=True))


def _is_maximum(name: str) -> bool:
    return "_max" in name


def _together(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The metrics of all rows from those of some each."""
    stacked = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
    return {name: values.max() if _is_maximum(name) else values.sum() for name, values in stacked.items()}
