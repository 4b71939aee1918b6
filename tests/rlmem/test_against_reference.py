"""The core model against a slow reference, written from the mathematics with a loop over every row, query and slot."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.memory_state import EMPTY_TIME, LayerMemory, MemoryState
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.transformer import TransformerLayer
from rlmem.window import Window
from rlmem.word_space import WordSpace

BATCH, QUERY, START = 3, 14, 400_000_000
WORDS = ("agent", "block", "door", "object", "red", "blue")
KINDS: tuple[MemoryKind, ...] = ("expire_span", "transformer_xl", "adaptive_span", "compressive", "none")


def make_policy(kind: MemoryKind, *, charge: bool = True) -> ActorCritic:
    torch.manual_seed(1)
    config = ModelConfig(
        model=12, heads=3, feedforward=10, position_reach=5, memory=kind, max_span=8, ramp=3,
        initial_span_fraction=(0.4, 0.3), charge_at_episode_end=charge, compression_rate=3, num_compressed=2,
    )  # fmt: skip
    if kind == "compressive":
        config = replace(config, max_span=4, position_reach=9)  # the window's own steps are pooled and have positions
    policy = ActorCritic(config, WordSpace(3, 3, WORDS), Discrete(4)).double()
    for name, parameter in policy.named_parameters():
        if name.endswith(("memory.weight", "memory.logit", "embedding", "norm.weight", "heads.weight", "heads.bias")):
            parameter.data += 0.5 * torch.randn_like(parameter)
    return policy


def make_inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    observation = (torch.rand(BATCH, QUERY, 3, 3, len(WORDS), generator=generator) < 0.3).to(torch.uint8)
    is_first = torch.zeros(BATCH, QUERY, dtype=torch.bool)
    is_first[0, 6] = is_first[0, 7] = is_first[1, 0] = True  # an episode of one step; a start with the window
    is_last = torch.zeros_like(is_first)
    is_last[:, :-1] = is_first[:, 1:]
    is_last[2, -1] = True  # an end with the window
    return observation, is_first, is_last


def make_state(policy: ActorCritic) -> MemoryState:
    """Memories at scattered times, some rows fuller than others, some slots empty and full of garbage."""
    generator = torch.Generator().manual_seed(3)
    ages = torch.tensor([[9, 6, 5, 2, 1], [0, 0, 4, 3, 1], [0, 12, 7, 6, 2]])  # 0: an empty slot
    steps = None
    if policy.config.memory == "compressive":  # groups that ended 8 and 5 steps ago are pooled in row 0, 5 in row 2
        ages = torch.tensor([[8, 5, 4, 3, 2, 1], [0, 0, 4, 3, 2, 1], [0, 5, 4, 3, 2, 1]])
        steps = torch.where(ages > 4, 3, 1)
    layers = []
    for _ in range(2):
        hidden = torch.randn(*ages.shape, 12, generator=generator, dtype=torch.float64)
        time = torch.where(ages > 0, START - ages, EMPTY_TIME)
        layers.append(LayerMemory(hidden * torch.where(ages > 0, 1.0, 1e6)[:, :, None], time, steps))
    next_time = torch.full((BATCH,), START)
    return MemoryState(tuple(layers), next_time, next_time - torch.tensor([10, 4, 7]))


def reference_span(layer: TransformerLayer, hidden: Tensor, config: ModelConfig) -> Tensor:
    normed = layer.attention_norm(hidden)
    weight, bias = layer.memory.weight, layer.memory.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    return config.max_span / (1 + torch.exp(-((normed * weight).sum() + bias) / config.span_pre_divisor))


def reference_mask(layer: TransformerLayer, age: int, span: Tensor | None, config: ModelConfig) -> Tensor:
    """m_ti, one for all heads or one a head."""
    if config.memory == "adaptive_span":
        span = reference_head_spans(layer, config)
    if span is None:
        reach = {"transformer_xl": config.max_span, "none": 0, "compressive": math.inf}[config.memory]
        return torch.tensor(1.0 if age <= reach else 0.0, dtype=torch.float64)
    return (1 + (span - age) / config.ramp).clamp(0, 1)


def reference_head_spans(layer: TransformerLayer, config: ModelConfig) -> Tensor:
    assert isinstance(layer.memory.logit, Tensor)
    return config.max_span / (1 + torch.exp(-layer.memory.logit))


Slot = tuple[int, Tensor, Tensor]  # time, hidden, mask: one for all heads or one a head


def compressed(
    slots: list[tuple[int, Tensor, int]], time: int, start: int, config: ModelConfig
) -> list[tuple[int, Tensor]]:
    """What a query at `time` sees of (time, hidden, steps): recent groups step by step, old ones as their means."""
    rate, raw, means = config.compression_rate, [], []
    for end in range(start + rate - 1, time + rate, rate):
        singles = [(i, h) for i, h, steps in slots if steps == 1 and end - rate < i <= min(end, time)]
        if time - end <= config.max_span:
            raw += singles
        elif pooled := [(i, h) for i, h, steps in slots if steps == rate and i == end]:
            means += pooled
        elif len(singles) == rate:
            means.append((end, torch.stack([h for _, h in singles]).mean(0)))
    return means[-config.num_compressed :] + raw


def reference_attention(layer: TransformerLayer, hidden: Tensor, time: int, slots: list[Slot]) -> Tensor:
    """Multiply the attention by the mask and renormalise, as the paper writes it, over the slots with m > 0."""
    attention, config_heads = layer.attention, layer.attention.heads
    head = attention.head
    key_weight, value_weight = attention.key_value.weight.chunk(2)
    read = []
    for number in range(config_heads):
        part = slice(number * head, (number + 1) * head)
        query = attention.query.weight[part] @ layer.attention_norm(hidden)
        terms, values = [], []
        for slot_time, slot_hidden, mask in slots:
            normed = layer.attention_norm(slot_hidden)
            score = query @ (key_weight[part] @ normed)
            if time - slot_time < attention.positions.reach:
                score = score + query @ attention.positions.embedding[time - slot_time]
            terms.append(mask.expand(config_heads)[number] * torch.exp(score / math.sqrt(head)))
            values.append(value_weight[part] @ normed)
        total = torch.stack(terms).sum()
        read.append(torch.stack([term / total * value for term, value in zip(terms, values, strict=True)]).sum(0))
    return attention.output.weight @ torch.cat(read)


def reference(
    policy: ActorCritic, observation: Tensor, state: MemoryState, is_first: Tensor, is_last: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, values and the auxiliary loss at alpha = 1."""
    config, layers = policy.config, policy.core.layer_list()
    outputs, cost = [], torch.zeros((), dtype=torch.float64)
    for row in range(BATCH):
        start = int(state.episode_start[row])
        starts = []
        for t in range(QUERY):
            start = START + t if is_first[row, t] else start
            starts.append(start)
        embedding = next(policy.encoder.parameters())
        hidden = [
            torch.einsum("cw,cwm->m", observation[row, t].flatten(0, 1).double(), embedding) for t in range(QUERY)
        ]
        for layer, memory in zip(layers, state.layers, strict=True):
            steps = torch.ones_like(memory.time) if memory.steps is None else memory.steps
            before = zip(memory.time[row], memory.hidden[row], steps[row], strict=True)
            every = [(int(i), h, int(s)) for i, h, s in before if i != EMPTY_TIME]
            every += [(START + t, hidden[t], 1) for t in range(QUERY)]
            stored = [(i, h) for i, h, _ in every]
            if config.memory == "adaptive_span" and row == 0:
                cost = cost + reference_head_spans(layer, config).mean()
            is_expire = config.memory == "expire_span"
            spans = [reference_span(layer, h, config) if is_expire else None for _, h in stored]
            following = []
            for t in range(QUERY):
                time = START + t
                slots: list[Slot] = []
                if config.memory == "compressive":
                    stored = compressed(every, time, starts[t], config)
                    spans = [None] * len(stored)
                for (i, h), span in zip(stored, spans, strict=True):
                    if starts[t] <= i <= time:
                        mask = reference_mask(layer, time - i, span, config)
                        if (mask > 0).any():
                            slots.append((i, h, mask))
                        if span is not None and 0 < mask < 1:
                            cost = cost + (span - (time - i)) / (config.ramp * QUERY * BATCH)
                        if span is not None and mask == 1 and is_last[row, t] and config.charge_at_episode_end:
                            cost = cost + (span - (time - i)) / (QUERY * BATCH)
                h = hidden[t] + reference_attention(layer, hidden[t], time, slots)
                following.append(h + layer.feed_forward(h))
            hidden = following
        outputs.append(policy.heads(policy.core.norm(torch.stack(hidden))))
    scores = torch.stack(outputs)
    return scores[..., :4], scores[..., 4], cost


def relative_difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).detach().abs().max() / b.detach().abs().max().clamp(min=1e-3))


@pytest.mark.parametrize("charge", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_forward_and_gradients(kind: MemoryKind, charge: bool) -> None:
    policy, state = make_policy(kind, charge=charge), None
    state = make_state(policy)
    observation, is_first, is_last = make_inputs()
    window = Window.following(state, is_first, is_last)
    target = torch.randn(BATCH, QUERY, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)

    output = policy((observation,), state, window)
    cost = policy.core.auxiliary_loss(output.traces, window)
    slow_logits, slow_value, slow_cost = reference(policy, observation, state, is_first, is_last)
    assert relative_difference(output.action_outputs, slow_logits) < 1e-10
    assert relative_difference(output.value, slow_value) < 1e-10
    assert abs(float(cost.detach()) - float(slow_cost.detach())) < 1e-10
    assert (float(slow_cost.detach()) != 0) == (kind in ("expire_span", "adaptive_span"))

    def gradients(logits: Tensor, value: Tensor, cost: Tensor) -> dict[str, Tensor]:
        policy.zero_grad(set_to_none=True)
        ((logits * target).sum() + value.square().sum() + 10 * cost).backward()
        return {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}

    slow = gradients(slow_logits, slow_value, slow_cost)
    fast = gradients(output.action_outputs, output.value, cost)
    everything = {name for name, _ in policy.named_parameters()}
    assert set(fast) == everything
    assert set(slow) == everything
    for name in slow:
        assert relative_difference(fast[name], slow[name]) < 1e-9, name


def test_the_span_gradient_reaches_old_memories() -> None:
    """Old memories teach w and b: with the window's own spans out of the loss, the gradient is still there."""
    policy = make_policy("expire_span")
    state = make_state(policy)
    observation, is_first, _ = make_inputs()
    is_first = torch.zeros_like(is_first)
    output = policy((observation[:, :1],), state, Window.following(state, is_first[:, :1]))
    output.value.sum().backward()
    memory = policy.core.layer_list()[0].memory
    assert isinstance(memory.weight, torch.nn.Parameter)
    assert memory.weight.grad is not None
    assert memory.weight.grad.abs().max() > 0
