"""A language model on validation or test data: what its predictions cost, how many are right, what it remembered."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rlmem.core import CoreOutput
from rlmem.errors import UsageError, check
from rlmem.experiments.lm.block import NO_ITEM, Stream
from rlmem.experiments.lm.item_score import ItemScore
from rlmem.experiments.lm.learner import autocast
from rlmem.experiments.lm.memory_measures import MemoryMeasures, measure_memory
from rlmem.experiments.lm.tasks import Metric, in_unit, unit_of
from rlmem.experiments.lm.train_config import Precision
from rlmem.experiments.lm.trainer import on_device
from rlmem.language_model import LanguageModel
from rlmem.window import Window

_NOTHING = (
    "nothing is scored: no answer is asked for, or none ends, in what an evaluation reads; read more blocks "
    "(--eval-blocks, of lm eval and lm report --blocks; 0: all) or fewer rows (--eval-rows, --rows), or raise "
    "--eval-symbols"
)


@dataclass(frozen=True)
class LanguageEvaluation:
    """What came of reading a stream to its end.

    Args:
        loss: mean negative log-likelihood of the scored targets, in nats.
        num_targets: scored targets.
        num_items: answers.
        target_accuracy: share of the scored targets that were predicted; None if it was not asked for.
        item_accuracy: share of the answers of which every target was; likewise.
        memory_size_by_layer: |C_t|, mean over rows and queries.
        memory_size_max: the row's, layer's and block's that had most, a mean over its queries.
        span_mean_by_layer: e_i in steps, mean over symbols; empty for kinds without spans.
        span_max_by_layer: likewise.
    """

    loss: float
    num_targets: int
    num_items: int
    target_accuracy: float | None
    item_accuracy: float | None
    memory_size_by_layer: tuple[float, ...]
    memory_size_max: float
    span_mean_by_layer: tuple[float, ...]
    span_max_by_layer: tuple[float, ...]

    @property
    def memory_size_mean(self) -> float:
        """|C_t|, mean over rows, queries and layers."""
        return sum(self.memory_size_by_layer) / len(self.memory_size_by_layer)

    def summary(self, metric: Metric) -> dict[str, float]:
        """The figures of the log, without `eval/`.

        Args:
            metric: of the task.
        """
        figures = {"loss": self.loss, unit_of(metric): in_unit(self.loss, metric)}
        if self.target_accuracy is not None and self.item_accuracy is not None:
            figures |= {"target_accuracy": self.target_accuracy, "item_accuracy": self.item_accuracy}
        figures["memory_size_mean"] = self.memory_size_mean
        if self.span_mean_by_layer:
            figures["span_mean"] = sum(self.span_mean_by_layer) / len(self.span_mean_by_layer)
        return figures


@torch.no_grad()
def evaluate(
    model: LanguageModel,
    stream: Stream,
    block: int,
    *,
    max_blocks: int = 0,
    precision: Precision = "float32",
    is_accuracy_wanted: bool = True,
) -> LanguageEvaluation:
    """Read a stream, memory carried from block to block; the model is left in the mode that it was in.

    Args:
        model: the language model.
        stream: validation or test data, from where it stands.
        block: symbols of each row that are read at once; no result depends on it.
        max_blocks: how many are read; 0: to the end.
        precision: of the arithmetic.
        is_accuracy_wanted: also choose the likeliest symbols, which is dear with a large vocabulary.

    Raises:
        UsageError: nothing in the stream is scored.
    """
    was_training = model.training
    model.eval()
    totals = _Totals(stream.batch, is_accuracy_wanted)
    state = model.core.initial_state(stream.batch)
    device = state.next_time.device
    try:
        while (max_blocks == 0 or totals.num_blocks < max_blocks) and (read := stream.next_block(block)) is not None:
            given = on_device(read, device)
            window = Window.following(state, given.is_first)
            with autocast(precision, device):
                output: CoreOutput = model(given.inputs, state, window)
                losses = model.loss(output.hidden, given.targets)
                predicted = model.predictions(output.hidden) if is_accuracy_wanted else None
            totals.add(losses, given.item, None if predicted is None else predicted == given.targets)
            totals.add_memory(measure_memory(model.core, output, window), window.num_queries)
            state = model.core.carry(state, output.layer_inputs, window)
    finally:
        model.train(was_training)
    return totals.evaluation()


def check_scored(stream: Stream, block: int, max_blocks: int) -> None:
    """See that something is scored in what `evaluate` would read.

    Args:
        stream: is read on.
        block: symbols of each row that are read at once.
        max_blocks: how many are read; 0: to the end.

    Raises:
        UsageError: nothing is.
    """
    num_blocks = 0
    while (max_blocks == 0 or num_blocks < max_blocks) and (read := stream.next_block(block)) is not None:
        if (read.item != NO_ITEM).any():
            return
        num_blocks += 1
    raise UsageError(_NOTHING)


class _Totals:
    """Sums over blocks."""

    def __init__(self, batch: int, has_accuracy: bool) -> None:
        self.num_blocks = self.num_targets = self.num_right = self.num_queries = 0
        self.loss, self.size_max, self.has_accuracy = 0.0, 0.0, has_accuracy
        self.items = ItemScore(batch)
        self.size: Tensor | None = None
        self.span: Tensor | None = None
        self.span_max: Tensor | None = None

    def add(self, losses: Tensor, item: Tensor, is_right: Tensor | None) -> None:
        """The predictions of a block, all (batch, block)."""
        is_scored = item != NO_ITEM
        self.num_blocks += 1
        self.num_targets += int(is_scored.sum())
        self.loss += float(losses[is_scored].double().sum())
        self.items.add(item, torch.zeros_like(is_scored) if is_right is None else is_right)
        if is_right is not None:
            self.num_right += int((is_right & is_scored).sum())

    def add_memory(self, measures: MemoryMeasures, num_queries: int) -> None:
        """The memory in a block of so many queries."""
        self.num_queries += num_queries
        size = measures.size.double().mean(0).cpu() * num_queries
        self.size = size if self.size is None else self.size + size
        self.size_max = max(self.size_max, float(measures.size.max()))
        if measures.span_mean is not None and measures.span_max is not None:
            span, longest = measures.span_mean.double().cpu() * num_queries, measures.span_max.double().cpu()
            self.span = span if self.span is None else self.span + span
            self.span_max = longest if self.span_max is None else torch.maximum(self.span_max, longest)

    def evaluation(self) -> LanguageEvaluation:
        """Their means."""
        check(self.num_targets > 0 and self.size is not None, _NOTHING)
        assert self.size is not None, "a block was read"
        self.items.finish()
        return LanguageEvaluation(
            loss=self.loss / self.num_targets,
            num_targets=self.num_targets,
            num_items=self.items.num_items,
            target_accuracy=self.num_right / self.num_targets if self.has_accuracy else None,
            item_accuracy=self.items.num_right / self.items.num_items if self.has_accuracy else None,
            memory_size_by_layer=tuple((self.size / self.num_queries).tolist()),
            memory_size_max=self.size_max,
            span_mean_by_layer=() if self.span is None else tuple((self.span / self.num_queries).tolist()),
            span_max_by_layer=() if self.span_max is None else tuple(self.span_max.tolist()),
        )
