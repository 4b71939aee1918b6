"""Did a memory matter? Take it away, with the weights fixed, and see what the agent would have done.

The observations stay those of the episode, so the change is that of the agent's mind alone:

    effect  (time,)  KL(before || after) of the action distribution at each step, in nats
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents.trace_words import shows, view_leaf
from rlmem.agents.tracing import EpisodeTrace, Floats, run_episode
from rlmem.errors import check
from rlmem.memories.base import Memory
from rlmem.memory_state import LayerMemory

_MAX_SCORES = 2**25  # attention scores in one forward pass: 128 MiB


@dataclass(frozen=True)
class Erasure:
    """What is taken away.

    Args:
        slot: number of the slot in `LayerMemories`; with `layer` None, of the step.
        layer: the layer, or None: in all layers, with the pooled slots that the step is part of.
        word: only this word of the step's observation, in all layers: the step's memory is what it would have been
            without the word, from the first later step on that does not show it either.
    """

    slot: int
    layer: int | None = None
    word: str | None = None


@dataclass(frozen=True)
class ErasureEffect:
    """What taking it away changed.

    Args:
        erasure: what was taken away.
        step: the step that made the memory.
        label: of that step, see `EpisodeTrace.labels`.
        since: the first step that does without the memory; the episode's length if it ends before.
        divergence: (time,) float32, KL(before || after) of the action distribution in nats; 0 before `since`.
        value_changes: (time,) float32, value after minus value before; 0 before `since`.
        action_outputs: (time, outputs) float32, those after the erasure.
    """

    erasure: Erasure
    step: int
    label: str
    since: int
    divergence: Floats
    value_changes: Floats
    action_outputs: Floats

    @property
    def effect(self) -> float:
        """The largest divergence, in nats."""
        return float(self.divergence.max())

    @property
    def at(self) -> int:
        """The step at which the divergence is largest."""
        return int(self.divergence.argmax())

    @property
    def value_change(self) -> float:
        """The change of the value at that step."""
        return float(self.value_changes[self.at])


class ErasedMemory(Memory):
    """Another memory, in which some queries do not see some slots.

    Args:
        memory: of a layer.
        is_erased: gives (batch, query, memory) bool for ages (batch, query, memory) as `Memory.log_mask` takes them;
            never True for a query's own step.
    """

    is_foreseeable = False

    def __init__(self, memory: Memory, is_erased: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.memory, self.is_erased = memory, is_erased

    def describe(self, normed: Tensor, phase: Tensor, steps: Tensor | None) -> Tensor | None:
        """As the memory inside; shapes as `Memory.describe`."""
        return self.memory.describe(normed, phase, steps)

    def spans(self, normed: Tensor) -> Tensor | None:
        """As the memory inside; shapes as `Memory.spans`."""
        return self.memory.spans(normed)

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        """As the memory inside, -inf where erased; shapes as `Memory.log_mask`."""
        return self.memory.log_mask(age, described).masked_fill(self.is_erased(age)[:, None], -torch.inf)

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        """As the memory inside; shapes as `Memory.is_kept`."""
        return self.memory.is_kept(age, described)

    def pool(self, slots: LayerMemory, phase: Tensor, since: Tensor, until: Tensor) -> LayerMemory | None:
        """As the memory inside; shapes as `Memory.pool`."""
        return self.memory.pool(slots, phase, since, until)


def with_erased(policy: ActorCritic, is_erased: Sequence[Callable[[Tensor], Tensor]]) -> ActorCritic:
    """A copy of a policy whose layers do not see what is erased; one function a layer, as `ErasedMemory` takes it.

    Raises:
        UsageError: the policy is recurrent, and its memory has no slots.
    """
    check_has_slots(policy)
    policy = copy.deepcopy(policy)
    for layer, function in zip(policy.core.layer_list(), is_erased, strict=True):
        layer.memory = ErasedMemory(layer.memory, function)
        layer.is_whole = True  # what is erased is told by places among all queries and slots
    return policy


def check_has_slots(policy: ActorCritic) -> None:
    """Raise `UsageError` if the policy's memory is one state, of which no single memory can be erased."""
    check(
        bool(policy.core.layer_list()),
        f"the memory {policy.config.memory} is one state, from which no single step can be erased; use --erase none",
    )


def erase(policy: ActorCritic, trace: EpisodeTrace, erasures: Sequence[Erasure]) -> list[ErasureEffect]:
    """What each of some erasures, alone, changes in the rest of the episode.

    Args:
        policy: the actor-critic that played the episode.
        trace: of the episode.
        erasures: batched, so that many cost little more than one.

    Raises:
        UsageError: the policy is recurrent.
    """
    check_has_slots(policy)
    rows = max(1, _MAX_SCORES // (policy.config.heads * trace.num_steps * len(trace.layers[0].birth)))
    return [
        effect
        for start in range(0, len(erasures), rows)
        for effect in _erase_rows(policy, trace, erasures[start : start + rows])
    ]


@torch.no_grad()
def _erase_rows(policy: ActorCritic, trace: EpisodeTrace, erasures: Sequence[Erasure]) -> list[ErasureEffect]:
    device = policy.heads.weight.device
    since = [_first_step_without(trace, erasure) for erasure in erasures]
    tables = [
        torch.as_tensor(_erased_slots(trace, erasures, since, n), device=device) for n in range(len(trace.layers))
    ]
    erased = with_erased(policy, [lambda age, table=table: table for table in tables])  # type: ignore[misc]
    observation = [np.repeat(leaf[None], len(erasures), axis=0) for leaf in trace.observation]
    for row, erasure in enumerate(erasures):
        _hide_word(policy, observation, row, erasure)
    output = run_episode(erased, tuple(torch.as_tensor(leaf, device=device) for leaf in observation))
    before = torch.as_tensor(trace.action_outputs, device=device)
    divergence = action_divergence(policy, before, output.action_outputs)  # (batch, time)
    value_change = output.value - torch.as_tensor(trace.value, device=device)
    effects = []
    for row, erasure in enumerate(erasures):
        is_after = torch.arange(trace.num_steps, device=device) >= since[row]
        step = _step_of(trace, erasure)
        effects.append(
            ErasureEffect(
                erasure=erasure,
                step=step,
                label=str(trace.labels[step]),
                since=since[row],
                divergence=divergence[row].where(is_after, 0).cpu().numpy(),
                value_changes=value_change[row].where(is_after, 0).cpu().numpy(),
                action_outputs=output.action_outputs[row].cpu().numpy(),
            )
        )
    return effects


def _step_of(trace: EpisodeTrace, erasure: Erasure) -> int:
    return int(trace.layers[erasure.layer or 0].birth[erasure.slot])


def _first_step_without(trace: EpisodeTrace, erasure: Erasure) -> int:
    """The first step after the memory was made; for a word, the first that does not show the word."""
    later = range(_step_of(trace, erasure) + 1, trace.num_steps)
    if erasure.word is None:
        return later.start
    assert trace.cells is not None, "a word was to be erased from observations without words"
    return next((step for step in later if not shows(trace.cells[step], erasure.word)), trace.num_steps)


def _erased_slots(
    trace: EpisodeTrace, erasures: Sequence[Erasure], since: Sequence[int], layer: int
) -> NDArray[np.bool_]:
    """(batch, query, memory) bool in the order of a window: pooled slots, then steps."""
    memories, num_steps = trace.layers[layer], trace.num_steps
    num_pooled = len(memories.birth) - num_steps
    table = np.zeros((len(erasures), num_steps, len(memories.birth)), dtype=np.bool_)
    for row, erasure in enumerate(erasures):
        if erasure.word is not None or erasure.layer not in (None, layer):
            continue
        is_chosen = np.arange(len(memories.birth)) == erasure.slot
        if erasure.layer is None:  # the step in every guise
            is_chosen = (memories.birth >= erasure.slot) & (memories.birth - memories.covers < erasure.slot)
        table[row, since[row] :] = np.roll(is_chosen, num_pooled)
    return table


def _hide_word(policy: ActorCritic, observation: list[NDArray[np.uint8]], row: int, erasure: Erasure) -> None:
    """Take a word out of one step's view, in place; observation: leaves (batch, time, ...)."""
    if erasure.word is None:
        return
    view = view_leaf(policy.observation_space, tuple(leaf[row] for leaf in observation))
    assert view is not None, "a word was to be erased from observations without words"
    words, leaf = view  # a view of the array
    leaf[erasure.slot, :, :, words.index(erasure.word)] = 0


def action_divergence(policy: ActorCritic, before: Tensor, after: Tensor) -> Tensor:
    """KL(before || after) of action distributions, in nats.

    Args:
        policy: whose action space says what the outputs are parameters of.
        before, after: (..., outputs).

    Returns:
        (...), of a space of several choices the sum over them.
    """
    space = policy.action_space
    if isinstance(space, spaces.Box):
        scale = torch.exp(policy.action_head.get_parameter("log_std"))
        return 0.5 * ((after - before) / scale).square().sum(-1)
    if isinstance(space, spaces.MultiBinary):  # the logits of on, and of off, which are 0
        before, after = (torch.stack([on, torch.zeros_like(on)], -1) for on in (before, after))
        return _categorical_divergence(before, after).sum(-1)
    sizes = space.nvec.ravel().tolist() if isinstance(space, spaces.MultiDiscrete) else [before.shape[-1]]
    parts = zip(before.split(sizes, -1), after.split(sizes, -1), strict=True)
    return torch.stack([_categorical_divergence(old, new) for old, new in parts]).sum(0)


def _categorical_divergence(before: Tensor, after: Tensor) -> Tensor:
    """(...) from logits (..., choices)."""
    old, new = torch.log_softmax(before.double(), -1), torch.log_softmax(after.double(), -1)  # small ones cancel
    return (old.exp() * (old - new)).sum(-1).clamp(min=0).to(before.dtype)
