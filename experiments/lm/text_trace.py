"""What a language model remembers of a passage: for how long each symbol is kept in each layer, who attends to it, and
what each prediction costs.

Steps are symbols of the passage, counted from 0. The passage is read block by block, the memory carried; no result
depends on the block but by rounding, and no tensor is larger than a block by the memories alive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlmem.core import CoreOutput
from rlmem.errors import check
from rlmem.experiments.lm.passage import NO_TARGET, Bools, Ints, Passage
from rlmem.experiments.lm.received_attention import Attended, Received, recorded_attention, steps_of_slots
from rlmem.language_model import LanguageModel
from rlmem.transformer import plain_attention
from rlmem.window import Window

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SymbolMemories:
    """What became of a layer's memories of a passage, one a symbol; all arrays are (length,).

    Args:
        span: float32, e_i in steps where the kind learns it (Adaptive-Span: mean over heads, the same for all symbols),
            else for how many steps the kind shows a symbol by itself.
        expiry: int64, the first step at which no query sees the symbol, whether the passage goes on so far or not.
            Compressive: as a slot of its own; the pooled one that then stands for it is not counted.
        seen_until: int64, the last step that does see it: `expiry` - 1, or the last of its story or the passage.
        attention: float32, what it receives from all later steps of the passage, in steps: the sum of a'_ti over
            t > i, mean over heads. Of a pooled slot each of its symbols receives an equal share.
        most_attention: float32 in [0, 1], the most it receives from one of them.
        most_attention_at: int64, from which; the symbol itself if none.
    """

    span: Floats
    expiry: Ints
    seen_until: Ints
    attention: Floats
    most_attention: Floats
    most_attention_at: Ints

    @property
    def cut_steps(self) -> Ints:
        """(length,), for how many steps more the symbol would be seen if its story or the passage did not end."""
        return self.expiry - 1 - self.seen_until

    @property
    def kept_steps(self) -> Ints:
        """(length,), for how many steps after its own the symbol was seen."""
        return self.seen_until - np.arange(len(self.seen_until))


@dataclass(frozen=True)
class TextTrace:
    """A passage, read.

    Args:
        passage: what was read.
        bits: (length,) float32, what the prediction after each symbol costs; NaN where nothing is to be predicted.
        predicted: (length,) int64, the likeliest target after each symbol.
        has_learned_spans: each symbol has a span of its own, as Expire-Span's do.
        layers: the memories of each layer.
    """

    passage: Passage
    bits: Floats
    predicted: Ints
    has_learned_spans: bool
    layers: tuple[SymbolMemories, ...]

    @property
    def is_scored(self) -> Bools:
        """(length,), True where something is to be predicted."""
        is_scored: Bools = self.passage.targets != NO_TARGET
        return is_scored

    @property
    def bits_mean(self) -> float | None:
        """Mean over what is to be predicted, or None if that is nothing."""
        return float(self.bits[self.is_scored].mean(dtype=np.float64)) if self.is_scored.any() else None

    def num_alive(self, layer: int) -> Ints:
        """(length,), how many earlier symbols each step sees by themselves in a layer."""
        seen_until = self.layers[layer].seen_until
        change = np.zeros(self.passage.length + 1, dtype=np.int64)
        np.add.at(change, np.arange(self.passage.length), 1)
        np.add.at(change, seen_until + 1, -1)
        alive: Ints = np.cumsum(change)[:-1] - 1  # the step's own left out
        return alive


@torch.no_grad()
def trace_text(model: LanguageModel, passage: Passage, *, block: int = 128, reach: int | None = None) -> TextTrace:
    """Read a passage, beginning without memory, and record what its memories do.

    Args:
        model: the language model; left in the mode that it was in.
        passage: what to read.
        block: symbols read at once.
        reach: no symbol is seen more than so many steps back, whatever its span; None: no such limit.

    Raises:
        UsageError: the passage is empty, or holds what the model does not know.
    """
    _check_fits(passage, model)
    was_training = model.training
    model.eval()
    recorder = _Recorder(model, passage, reach)
    try:
        with plain_attention(model.core):
            for start in range(0, passage.length, block):
                recorder.read(slice(start, min(start + block, passage.length)))
    finally:
        model.train(was_training)
    return recorder.trace()


def _check_fits(passage: Passage, model: LanguageModel) -> None:
    check(passage.length > 0, "the passage holds no symbol, so there is nothing to read; give a longer one")
    vocabulary = model.vocabulary
    for values, size, what in (
        (passage.symbols, vocabulary.num_symbols, "symbol"),
        (passage.targets, vocabulary.num_targets, "target"),
    ):
        largest = int(values.max())
        check(
            largest < size,
            f"the passage has the {what} {largest}, but the model knows {size:,} of them; use the run's own vocabulary",
        )


class _Recorder:
    """Reads block after block and gathers what a `TextTrace` holds."""

    def __init__(self, model: LanguageModel, passage: Passage, reach: int | None) -> None:
        self.model, self.passage, self.reach = model, passage, reach
        num_layers = len(model.core.layer_list())
        self.state = model.core.initial_state(1)
        self.received = [Received(passage.length) for _ in range(num_layers)]
        self.span: list[list[Tensor]] = [[] for _ in range(num_layers)]
        self.oldest: list[list[Tensor]] = [[] for _ in range(num_layers)]
        self.bits: list[Tensor] = []
        self.predicted: list[Tensor] = []

    def read(self, part: slice) -> None:
        """Read the passage's next symbols."""
        model, device = self.model, self.state.next_time.device
        inputs, targets, is_first = (
            torch.from_numpy(np.ascontiguousarray(one[part]))[None].to(device)
            for one in (self.passage.symbols, self.passage.targets, self.passage.is_first)
        )
        window = replace(Window.following(self.state, is_first), reach=self.reach)
        with recorded_attention(model, part.start) as attended:
            output: CoreOutput = model(inputs, self.state, window)
        self._add_attention(attended, output, window.num_queries)
        losses = model.loss(output.hidden, targets.clamp(min=0))[0] / math.log(2)
        self.bits.append(losses.masked_fill(targets[0] == NO_TARGET, torch.nan).cpu())
        self.predicted.append(model.predictions(output.hidden)[0].cpu())
        self._add_spans(output, window.num_queries)
        self.state = model.core.carry(self.state, output.layer_inputs, window)

    def _add_attention(self, attended: list[Attended], output: CoreOutput, num_queries: int) -> None:
        layers = zip(self.model.core.layer_list(), self.state.layers, output.traces, strict=True)
        for number, (layer, before, trace) in enumerate(layers):
            time = trace.slot_time[0].cpu()
            num_steps = steps_of_slots(layer, before, len(time), num_queries)
            self.received[number].add(attended[number], time, num_steps)

    def _add_spans(self, output: CoreOutput, num_queries: int) -> None:
        spans = self.model.core.spans(output.layer_inputs)
        for number, (layer, trace) in enumerate(zip(self.model.core.layer_list(), output.traces, strict=True)):
            described = None if trace.described is None else trace.described[0, -num_queries:]
            oldest = torch.as_tensor(layer.memory.seen_ages(described)[1]).float().cpu().expand(num_queries)
            self.oldest[number].append(oldest)
            self.span[number].append(oldest if spans is None else spans[number][0].float().cpu())

    def trace(self) -> TextTrace:
        """What was gathered."""
        return TextTrace(
            passage=self.passage,
            bits=torch.cat(self.bits).float().numpy(),
            predicted=torch.cat(self.predicted).numpy(),
            has_learned_spans=self.model.config.memory == "expire_span",
            layers=tuple(self._memories(number) for number in range(len(self.received))),
        )

    def _memories(self, number: int) -> SymbolMemories:
        received, birth = self.received[number], np.arange(self.passage.length)
        oldest = torch.cat(self.oldest[number]).clamp(min=0).long().numpy()
        if self.reach is not None:
            oldest = np.minimum(oldest, self.reach)
        expiry = birth + oldest + 1
        return SymbolMemories(
            span=torch.cat(self.span[number]).numpy(),
            expiry=expiry,
            seen_until=np.minimum(expiry, self.passage.story_end) - 1,
            attention=received.total.float().numpy(),
            most_attention=received.most.numpy(),
            most_attention_at=received.most_at.numpy(),
        )
