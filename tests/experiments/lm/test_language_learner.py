"""What an update computes: its loss, its parts, its gradient, what it carries, and how it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rlmem.agents.learner import DivergedError
from rlmem.experiments.lm.block import Block
from rlmem.experiments.lm.gathered import Gathered
from rlmem.experiments.lm.learner import LanguageLearner, Learned
from rlmem.experiments.lm.train_config import LanguageLearnerConfig
from rlmem.language_model import LanguageModel, VocabularyConfig
from rlmem.model_config import ModelConfig
from rlmem.window import Window

MODEL = ModelConfig(
    num_layers=2, model=16, heads=2, feedforward=32, position_reach=8, max_span=12, ramp=4, num_compressed=2
)
CONFIG = LanguageLearnerConfig(batch=5, block=8, learning_rate=1e-2, max_grad_norm=0.0, span_cost=1e-2)


def blocks(num_blocks: int, seed: int = 0) -> list[Block]:
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(num_blocks):
        inputs, targets = (torch.randint(7, (5, 8), generator=generator) for _ in range(2))
        is_trained, is_first = (torch.rand(5, 8, generator=generator) < share for share in (0.5, 0.1))
        made.append(Block(inputs, targets, is_trained, torch.zeros(5, 8, dtype=torch.int64), is_first))
    return made


def learner(config: LanguageLearnerConfig = CONFIG, **changes: Any) -> LanguageLearner:
    torch.manual_seed(0)
    model = LanguageModel(replace(MODEL, **changes), VocabularyConfig(7, 7)).double()
    return LanguageLearner(model, config, torch.Generator().manual_seed(0))


def learn(one: LanguageLearner, rate: float = 1e-2, num_blocks: int = 4) -> tuple[list[Learned], Tensor]:
    """Updates on some blocks; what each gave, and all weights after the last."""
    state, learned = one.model.core.initial_state(5), []
    for block in blocks(num_blocks):
        learned.append(one.update(block, state, rate, CONFIG.span_cost))
        state = learned[-1].state
    return learned, torch.cat([p.detach().flatten() for p in one.model.parameters()])


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl", "adaptive_span", "compressive"])
@pytest.mark.parametrize("parts", [2, 5])
def test_accumulated_updates_are_the_same(memory: str, parts: int) -> None:
    whole, weights = learn(learner(memory=memory, memory_dropout=True))
    cut, their_weights = learn(learner(replace(CONFIG, accumulate=parts), memory=memory, memory_dropout=True))
    assert (weights - their_weights).abs().max() < 1e-10
    for one, other in zip(whole, cut, strict=True):
        assert one.metrics == pytest.approx(other.metrics, rel=1e-6, abs=1e-9)
        for mine, theirs in zip(one.state.layers, other.state.layers, strict=True):
            assert torch.equal(mine.time, theirs.time)
            assert (mine.hidden - theirs.hidden).abs().max() < 1e-10


def test_the_loss_is_the_mean_of_what_is_trained_and_memory_has_its_price() -> None:
    one = learner(initial_span_fraction=(0.3,), charge_at_episode_end=False)
    state = one.model.core.initial_state(5)
    first, second = blocks(2)
    state = one.update(first, state, 0.0, CONFIG.span_cost).state
    window = Window.following(state, second.is_first)
    output = one.model(second.inputs, state, window)
    losses = -torch.log_softmax(one.model.output(output.hidden), -1).gather(2, second.targets[..., None])[..., 0]
    loss = (losses * second.is_trained).sum() / second.is_trained.sum()
    memory = 1e-2 * one.model.core.auxiliary_loss(output.traces, window)
    one.model.zero_grad()
    (loss + memory).backward()
    expected = torch.cat([p.grad.flatten() for p in one.model.parameters() if p.grad is not None])
    learned = one.update(second, state, 0.0, CONFIG.span_cost)
    gradient = torch.cat([p.grad.flatten() for p in one.model.parameters() if p.grad is not None])
    assert (gradient - expected).abs().max() < 1e-12
    assert learned.metrics["train/loss"] == pytest.approx(float(loss.detach()))
    assert learned.metrics["memory/auxiliary_loss"] == pytest.approx(float(memory.detach()))
    assert learned.metrics["train/grad_norm"] == pytest.approx(float(expected.norm()))
    assert learned.num_targets == int(second.is_trained.sum())
    assert float(memory.detach()) != 0


def test_memory_sizes_are_counted_as_queries_see_them() -> None:
    one = learner(memory="transformer_xl")
    learned, _ = learn(one, rate=0.0)
    state, sizes = one.model.core.initial_state(5), []
    for block, result in zip(blocks(4), learned, strict=True):
        window = Window.following(state, block.is_first)
        seen = [[min(12, int(t - start)) for t, start in zip(*row, strict=True)]
                for row in zip(window.time.tolist(), window.episode_start.tolist(), strict=True)]  # fmt: skip
        sizes.append(torch.tensor(seen).float().mean())
        state = result.state
    assert [result.metrics["memory/size_mean"] for result in learned] == pytest.approx([float(s) for s in sizes])
    assert "memory/span_mean" not in learned[0].metrics


def test_gradients_are_clipped_and_groups_have_their_rates() -> None:
    for most in (0.05, 1e6):
        one = learner(replace(CONFIG, max_grad_norm=most, span_lr_scale=10.0))
        result = learn(one, rate=0.5, num_blocks=1)[0][0]
        norm = torch.cat([p.grad.flatten() for p in one.model.parameters() if p.grad is not None]).norm()
        assert float(norm) == pytest.approx(min(most, result.metrics["train/grad_norm"]), rel=1e-4)
        assert {(group["is_span"], group["lr"]) for group in one.optimizer.param_groups} == {(False, 0.5), (True, 5.0)}


def test_a_block_that_trains_nothing_counts_for_nothing() -> None:
    one = learner()
    block = replace(blocks(1)[0], is_trained=torch.zeros(5, 8, dtype=torch.bool))
    learned = one.update(block, one.model.core.initial_state(5), 0.0, CONFIG.span_cost)
    assert learned.num_targets == 0
    assert "train/loss" not in learned.metrics
    gathered = Gathered()
    gathered.add({"train/loss": 2.0, "memory/size_max": 3.0, "x": 1.0}, 10)
    gathered.add({"memory/size_max": 2.0, "x": 3.0}, 0)
    gathered.add({"train/loss": 4.0, "memory/size_max": 1.0, "x": 5.0}, 30)
    assert gathered.metrics() == {"train/loss": 3.5, "memory/size_max": 3.0, "x": 3.0}


def test_bf16_keeps_spans_and_memories_in_float32() -> None:
    config = replace(CONFIG, precision="bf16", batch=5)
    torch.manual_seed(0)
    model = LanguageModel(MODEL, VocabularyConfig(7, 7))
    one = LanguageLearner(model, config, torch.Generator().manual_seed(0))
    dtypes = set()
    module = model.core.layer_list()[0].memory
    original = module.spans

    def spans(normed: Tensor) -> Tensor | None:
        result = original(normed)
        assert result is not None
        dtypes.add(result.dtype)
        return result

    module.spans = spans  # type: ignore[method-assign]
    learned, _ = learn(one)
    assert dtypes == {torch.float32}
    assert learned[-1].state.layers[0].hidden.dtype == torch.float32
    exact, _ = learn(LanguageLearner(model, CONFIG, torch.Generator()), rate=0.0)
    assert learned[0].metrics["train/loss"] == pytest.approx(exact[0].metrics["train/loss"], rel=0.2)


@pytest.mark.parametrize("where", ["embedding.weight", "output.weight"])
def test_what_is_no_number_is_not_learned_from(where: str) -> None:
    one = learner()
    state = dict(one.model.named_parameters())
    with torch.no_grad():
        state[where][:] = float("nan")
    before = [p.detach().clone() for p in one.model.parameters()]
    with pytest.raises(DivergedError, match=r"the loss became nan.*lower --learning-rate"):
        one.update(blocks(1)[0], one.model.core.initial_state(5), 1e-2, CONFIG.span_cost)
    assert all(torch.equal(p, q) or q.isnan().any() for p, q in zip(one.model.parameters(), before, strict=True))
