"""Evaluation: its figures against a plain count, whatever the blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from rlmem.errors import UsageError
from rlmem.experiments.lm.block import NO_ITEM, Block
from rlmem.experiments.lm.evaluation import evaluate
from rlmem.language_model import LanguageModel, VocabularyConfig
from rlmem.model_config import ModelConfig
from rlmem.window import Window

LENGTH = 30


def make(**changes: Any) -> LanguageModel:
    torch.manual_seed(0)
    config = ModelConfig(num_layers=2, model=16, heads=2, feedforward=32, position_reach=8, max_span=9, ramp=3)
    return LanguageModel(replace(config, **changes), VocabularyConfig(4, 4)).double()


def written() -> Block:
    generator = torch.Generator().manual_seed(0)
    inputs, targets = (torch.randint(4, (3, LENGTH), generator=generator) for _ in range(2))
    item = torch.arange(LENGTH).div(4, rounding_mode="floor").repeat(3, 1)
    item = item.where(torch.rand(3, LENGTH, generator=generator) < 0.5, NO_ITEM)
    is_first = torch.rand(3, LENGTH, generator=generator) < 0.1
    return Block(inputs, targets, torch.ones_like(is_first), item, is_first)


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl"])
def test_figures(written_stream: Callable[[Block], Any], memory: str) -> None:
    model, block = make(memory=memory, initial_span_fraction=(0.4,)), written()
    state = model.core.initial_state(3)
    window = Window.following(state, block.is_first)
    output = model.eval()(block.inputs, state, window)
    scores = model.output(output.hidden).log_softmax(-1)
    is_scored = block.item != NO_ITEM
    losses = -scores.gather(2, block.targets[..., None])[..., 0]
    is_right = scores.argmax(-1) == block.targets
    answers = [
        bool(is_right[row][block.item[row] == number].all())
        for row in range(3)
        for number in block.item[row].unique()
        if number != NO_ITEM
    ]
    sizes = [(trace.log_mask > -torch.inf).any(1).sum(-1).double().mean() - 1 for trace in output.traces]
    for length in (LENGTH, 7, 1):
        found = evaluate(model.train(), written_stream(block), length)
        assert model.training
        assert found.loss == pytest.approx(float(losses[is_scored].mean().detach()))
        assert (found.num_targets, found.num_items) == (int(is_scored.sum()), len(answers))
        assert found.target_accuracy == pytest.approx(float(is_right[is_scored].double().mean()))
        assert found.item_accuracy == pytest.approx(sum(answers) / len(answers))
        assert found.memory_size_by_layer == pytest.approx([float(size) for size in sizes])
        if memory == "expire_span":
            assert found.span_mean_by_layer == pytest.approx([3.6, 3.6])
        else:
            assert found.span_mean_by_layer == ()
    summary = found.summary("accuracy")
    assert summary["bits"] == pytest.approx(found.loss / 0.6931471805599453)
    assert summary["memory_size_mean"] == pytest.approx(sum(float(size) for size in sizes) / 2)
    assert found.summary("ppl")["perplexity"] == pytest.approx(2 ** summary["bits"])


def test_some_blocks_and_no_accuracy(written_stream: Callable[[Block], Any]) -> None:
    model, stream = make(), written_stream(written())
    found = evaluate(model, stream, 5, max_blocks=2, is_accuracy_wanted=False)
    assert stream.position == 10
    assert found.num_targets == int((written().item[:, :10] != NO_ITEM).sum())
    assert found.item_accuracy is None
    assert "item_accuracy" not in found.summary("bpb")


def test_dropout_is_off(written_stream: Callable[[Block], Any]) -> None:
    model = make(dropout=0.5, memory_dropout=True)
    assert evaluate(model, written_stream(written()), 9) == evaluate(model, written_stream(written()), 9)


def test_nothing_to_score(written_stream: Callable[[Block], Any]) -> None:
    block = replace(written(), item=torch.full((3, LENGTH), NO_ITEM))
    with pytest.raises(UsageError, match=r"nothing is scored.*read more blocks .--eval-blocks"):
        evaluate(make(), written_stream(block), 9)
