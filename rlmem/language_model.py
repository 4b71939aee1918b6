"""The language model: an embedding of symbols, the core that agents use too, and an output over symbols.

inputs, targets   (batch, query) int64
hidden            (batch, query, model), the core's normed output
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from rlmem.adaptive_vocabulary import AdaptiveInput, AdaptiveOutput
from rlmem.core import CoreOutput
from rlmem.errors import check, flag
from rlmem.memory_state import MemoryState
from rlmem.model_config import RECURRENT_KINDS, ModelConfig
from rlmem.transformer import MemoryTransformer
from rlmem.window import Window


@dataclass(frozen=True)
class VocabularyConfig:
    """What is read and predicted, and how symbols become vectors."""

    num_symbols: int
    """Inputs are 0 <= symbol < num_symbols."""
    num_targets: int
    """Classes of the output; in text the symbols themselves."""
    cutoffs: tuple[int, ...] = ()
    """Where the clusters of an adaptive input and softmax end, symbols being ordered by frequency; none: a plain table
    and a linear output."""
    divide_by: float = 4.0
    """How many times narrower each further cluster is (adaptive only)."""
    tied: bool = False
    """Use one table of vectors for input and output."""
    embedding_dropout: float = 0.0
    """Share of an embedding that is dropped in training."""
    output_dropout: float = 0.0
    """Share of the last layer's output that is dropped in training."""

    def __post_init__(self) -> None:
        for name in ("num_symbols", "num_targets"):
            check(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}, but it must be at least 1")
        for name in ("embedding_dropout", "output_dropout"):
            share = getattr(self, name)
            check(0 <= share < 1, f"{flag(name)} is {share}, but it must be at least 0 and below 1")
        check(
            not self.tied or self.num_symbols == self.num_targets,
            f"--tied needs one vocabulary, but the task reads {self.num_symbols} symbols and predicts "
            f"{self.num_targets} classes; leave it out",
        )


class SymbolOutput(Protocol):
    """What scores symbols."""

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood in nats, (batch, query), of targets (batch, query)."""
        ...

    def predictions(self, hidden: Tensor) -> Tensor:
        """The likeliest symbol, (batch, query) int64."""
        ...


class LinearOutput(nn.Linear):
    """A score for each symbol, and the softmax over them.

    Args:
        model: width of a hidden state.
        num_targets: symbols.
    """

    def __init__(self, model: int, num_targets: int) -> None:
        super().__init__(model, num_targets)
        nn.init.zeros_(self.bias)

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """See `LanguageModel.loss`."""
        scores = self(hidden).flatten(0, 1)
        losses = nn.functional.cross_entropy(scores, targets.flatten(), reduction="none")  # float32 under autocast too
        return losses.view_as(targets)

    def predictions(self, hidden: Tensor) -> Tensor:
        """See `LanguageModel.predictions`."""
        likeliest: Tensor = self(hidden).argmax(-1)
        return likeliest


class LanguageModel(nn.Module):
    """Predicts a symbol after each symbol, with a memory of those before.

    Args:
        config: the core's sizes and memory.
        vocabulary: what is read and predicted.

    Raises:
        UsageError: the memory's kind is a recurrent core.
    """

    def __init__(self, config: ModelConfig, vocabulary: VocabularyConfig) -> None:
        super().__init__()
        check_has_slots(config.memory)
        self.config, self.vocabulary = config, vocabulary
        self.embedding = _make_embedding(config, vocabulary)
        self.core = MemoryTransformer(config)
        self.output = _make_output(config, vocabulary)
        if vocabulary.tied:
            _tie(self.embedding, self.output)
        self.embedding_dropout = nn.Dropout(vocabulary.embedding_dropout)
        self.output_dropout = nn.Dropout(vocabulary.output_dropout)

    def forward(self, inputs: Tensor, state: MemoryState, window: Window) -> CoreOutput:
        """Read a block.

        Args:
            inputs: (batch, query) int64.
            state: memory from before the block.
            window: `Window.following(state, is_first)`.

        Returns:
            `CoreOutput`, whose hidden states go to `loss` and `predictions`.
        """
        embedded = self.embedding_dropout(self.embedding(inputs))
        output: CoreOutput = self.core(embedded, state, window)
        return output

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """What each prediction costs.

        Args:
            hidden: (batch, query, model).
            targets: (batch, query) int64.

        Returns:
            (batch, query), negative log-likelihood in nats, in float32 (float64 where the model is).
        """
        return self._scorer().loss(self.output_dropout(hidden), targets)

    def predictions(self, hidden: Tensor) -> Tensor:
        """The likeliest symbol after each, (batch, query) int64 from hidden (batch, query, model)."""
        return self._scorer().predictions(hidden)

    def _scorer(self) -> SymbolOutput:
        return self.output


def check_has_slots(memory: str | None) -> None:
    """Refuse a recurrent core.

    Args:
        memory: a kind of memory, or None.

    Raises:
        UsageError: it is one.
    """
    check(
        memory not in RECURRENT_KINDS,
        f"--memory {memory} is a recurrent core, and language models here are Transformers; choose "
        "expire_span, transformer_xl, adaptive_span or compressive",
    )


def _make_embedding(config: ModelConfig, vocabulary: VocabularyConfig) -> AdaptiveInput | nn.Embedding:
    if vocabulary.cutoffs:
        return AdaptiveInput(vocabulary.num_symbols, config.model, vocabulary.cutoffs, vocabulary.divide_by)
    table = nn.Embedding(vocabulary.num_symbols, config.model)
    nn.init.normal_(table.weight, std=config.model**-0.5)  # a vector of length 1, which the layers can soon outweigh
    return table


def _make_output(config: ModelConfig, vocabulary: VocabularyConfig) -> AdaptiveOutput | LinearOutput:
    if vocabulary.cutoffs:
        return AdaptiveOutput(config.model, vocabulary.num_targets, vocabulary.cutoffs, vocabulary.divide_by)
    return LinearOutput(config.model, vocabulary.num_targets)


def _tie(embedding: nn.Module, output: nn.Module) -> None:
    """Let input and output have the same vectors; the projections between widths stay each one's own."""
    if isinstance(embedding, nn.Embedding) and isinstance(output, LinearOutput):
        output.weight = embedding.weight
    if isinstance(embedding, AdaptiveInput) and isinstance(output, AdaptiveOutput):
        first, *rest = (table for table in embedding.embeddings if isinstance(table, nn.Embedding))
        head = output.softmax.head
        with torch.no_grad():
            head.weight[: first.num_embeddings] = first.weight
        first.weight = head.weight  # whose last rows are the clusters' own, which no symbol looks up
        for table, tail in zip(rest, output.softmax.tail, strict=True):
            assert isinstance(tail, nn.Sequential), "torch projects, then scores"
            tail[1].weight = table.weight
