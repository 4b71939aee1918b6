"""The language model: shapes, what it costs to be wrong, and a memory that does not care how a text is cut."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.checkpoint import CheckpointError, load_language_model, load_policy, save_language_model, save_policy
from rlmem.errors import UsageError
from rlmem.language_model import LanguageModel, VocabularyConfig
from rlmem.model_config import ModelConfig
from rlmem.window import Window
from rlmem.word_space import WordSpace

CONFIG = ModelConfig(
    num_layers=2, model=16, heads=2, feedforward=32, position_reach=6, max_span=10, ramp=3, num_compressed=2
)
PLAIN = VocabularyConfig(11, 7)
ADAPTIVE = VocabularyConfig(30, 30, cutoffs=(5, 12), divide_by=2.0)
BATCH, LENGTH = 3, 24


def make(vocabulary: VocabularyConfig = PLAIN, **changes: Any) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(replace(CONFIG, **changes), vocabulary).double().eval()


def text(model: LanguageModel, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets and is_first of rows; row 1 begins a new story in the middle."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(model.vocabulary.num_symbols, (BATCH, LENGTH), generator=generator)
    targets = torch.randint(model.vocabulary.num_targets, (BATCH, LENGTH), generator=generator)
    is_first = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    is_first[1, 13] = True
    return inputs, targets, is_first


def read(model: LanguageModel, lengths: list[int]) -> tuple[Tensor, Tensor]:
    """Hidden states and losses of the text, read in blocks of these lengths with memory carried."""
    inputs, targets, is_first = text(model)
    state, hidden, losses = model.core.initial_state(BATCH), [], []
    for part in zip(*(whole.split(lengths, dim=1) for whole in (inputs, targets, is_first)), strict=True):
        window = Window.following(state, part[2])
        output = model(part[0], state, window)
        hidden.append(output.hidden)
        losses.append(model.loss(output.hidden, part[1]))
        state = model.core.carry(state, output.layer_inputs, window)
    return torch.cat(hidden, dim=1), torch.cat(losses, dim=1)


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl", "adaptive_span", "compressive"])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("vocabulary", [PLAIN, ADAPTIVE], ids=["plain", "adaptive"])
def test_memory_goes_on_across_blocks(memory: str, fused: bool, vocabulary: VocabularyConfig) -> None:
    model = make(vocabulary, memory=memory, fused=fused)
    whole, losses = read(model, [LENGTH])
    for lengths in ([6, 6, 6, 6], [1, 10, 13], [1] * LENGTH):
        parts, their_losses = read(model, lengths)
        assert (parts - whole).abs().max() < 1e-10
        assert (their_losses - losses).abs().max() < 1e-10


def test_memory_matters_and_stories_are_apart() -> None:
    model = make(initial_span_fraction=(0.9,))
    inputs, _, is_first = text(model)
    state = model.core.initial_state(BATCH)
    before = model(inputs, state, Window.following(state, is_first)).hidden
    inputs[:, 10] = (inputs[:, 10] + 1) % model.vocabulary.num_symbols
    after = model(inputs, state, Window.following(state, is_first)).hidden
    changed = (after - before).abs().amax(-1) > 1e-9
    assert not changed[:, :10].any()
    assert changed[[0, 2], 10:18].all()
    assert changed[1, 10:13].all()
    assert not changed[1, 13:].any()


@pytest.mark.parametrize("vocabulary", [PLAIN, ADAPTIVE], ids=["plain", "adaptive"])
def test_the_loss_is_that_of_a_distribution(vocabulary: VocabularyConfig) -> None:
    model = make(vocabulary)
    hidden, _ = read(model, [LENGTH])
    every = torch.stack(
        [model.loss(hidden, torch.full((BATCH, LENGTH), target)) for target in range(vocabulary.num_targets)], dim=-1
    )
    assert ((-every).exp().sum(-1) - 1).abs().max() < 1e-6
    assert torch.equal(model.predictions(hidden), every.argmin(-1))


def test_an_untrained_model_knows_nothing() -> None:
    _, losses = read(make(VocabularyConfig(11, 11)), [LENGTH])
    assert float(losses.mean().detach()) == pytest.approx(math.log(11), rel=0.15)


@pytest.mark.parametrize("vocabulary", [VocabularyConfig(30, 30), ADAPTIVE], ids=["plain", "adaptive"])
def test_one_table_for_input_and_output(vocabulary: VocabularyConfig) -> None:
    apart, tied = make(vocabulary), make(replace(vocabulary, tied=True))
    num_apart, num_tied = (sum(p.numel() for p in one.parameters()) for one in (apart, tied))
    tables = [30 * 16] if not vocabulary.cutoffs else [5 * 16, 7 * 8, 18 * 4]
    assert num_apart - num_tied == sum(tables)
    symbol, hidden = torch.zeros(1, 1, dtype=torch.int64), torch.randn(1, 1, 16, dtype=torch.float64)
    for number in (0, 8, 29):  # of each cluster
        symbol.fill_(number)
        tied.zero_grad()
        tied.loss(hidden, symbol).backward()
        learned_as_output = {name for name, p in tied.named_parameters() if p.grad is not None and p.grad.any()}
        tied.zero_grad()
        tied.embedding(symbol).sum().backward()
        learned_as_input = {name for name, p in tied.named_parameters() if p.grad is not None and p.grad.any()}
        shared = learned_as_output & learned_as_input
        assert len(shared) == 1, "one table serves both"


def test_losses_are_float32_under_autocast() -> None:
    model = make().float()
    inputs, targets, is_first = text(model)
    state = model.core.initial_state(BATCH)
    window = Window.following(state, is_first)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(inputs, state, window)
        losses = model.loss(output.hidden, targets)
    assert losses.dtype == torch.float32
    exact = model.loss(model(inputs, state, window).hidden, targets)
    assert (losses - exact).abs().max() < 0.1
    assert all(trace.described is not None and trace.described.dtype == torch.float32 for trace in output.traces)
    assert all(stored.dtype == torch.float32 for stored in output.layer_inputs)


def test_dropouts_are_for_training_only() -> None:
    model = make(replace(PLAIN, embedding_dropout=0.5))
    inputs, _, is_first = text(model)
    state = model.core.initial_state(BATCH)
    window = Window.following(state, is_first)
    assert torch.equal(model(inputs, state, window).hidden, model(inputs, state, window).hidden)
    model.train()
    assert not torch.equal(model(inputs, state, window).hidden, model(inputs, state, window).hidden)
    model = make(replace(PLAIN, output_dropout=0.5)).train()
    hidden, targets = torch.randn(2, 3, 16, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.int64)
    assert not torch.equal(model.loss(hidden, targets), model.loss(hidden, targets))


@pytest.mark.parametrize("vocabulary", [PLAIN, replace(ADAPTIVE, tied=True)], ids=["plain", "adaptive"])
def test_round_trip(vocabulary: VocabularyConfig, tmp_path: Path) -> None:
    model = make(vocabulary, initial_span_fraction=(0.3, 0.6)).float()
    path = tmp_path / "model.safetensors"
    save_language_model(model, path)
    loaded = load_language_model(path).eval()
    assert (loaded.config, loaded.vocabulary) == (model.config, model.vocabulary)
    assert torch.equal(read(loaded, [LENGTH])[1], read(model, [LENGTH])[1])


def test_policies_and_language_models_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_language_model(make(), path)
    with pytest.raises(CheckpointError, match="holds a language model and no policy; try rlmem lm eval"):
        load_policy(path)
    save_policy(ActorCritic(CONFIG, WordSpace(3, 3, ("agent", "block")), Discrete(4)), path)
    with pytest.raises(CheckpointError, match="holds an agent's policy and no language model; try rlmem eval"):
        load_language_model(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_symbols": 0}, "num_symbols is 0, but it must be at least 1"),
        ({"tied": True}, "--tied needs one vocabulary, but the task reads 11 symbols and predicts 7 classes"),
        ({"output_dropout": 1.0}, "--output-dropout is 1.0, but it must be at least 0 and below 1"),
    ],
)
def test_what_no_vocabulary_can_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(PLAIN, **changes)


def test_recurrent_cores_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--memory lstm is a recurrent core.*choose expire_span"):
        make(memory="lstm")
