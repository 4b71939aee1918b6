"""One Transformer layer's projected slots, and its step for one query a row.

A step is made of as few operations as its mathematics has: they are small, and on a CPU an operation costs a
microsecond or two before it begins. So weights are laid out once for the products that a step makes, biases and
residual streams go into the products, and nothing is copied but each step's key and value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rlmem.memory_state import LayerMemory

if TYPE_CHECKING:
    from rlmem.transformer import TransformerLayer


class _Weights:
    """A layer's weights as its steps use them; they must not change meanwhile."""

    def __init__(self, layer: TransformerLayer) -> None:
        attention = layer.attention
        model = attention.query.in_features
        weights = torch.cat([attention.query.weight * attention.scale, attention.key_value.weight])
        self.projections = weights.view(3, model, model).transpose(1, 2).contiguous()  # query, key, value
        self.position_table = attention.positions.step_table()
        self.output = attention.output.weight.t()
        self.attention_norm, self.feedforward_norm = map(_of_norm, (layer.attention_norm, layer.feedforward_norm))
        self.expand, self.expand_bias = layer.expand.weight.t(), layer.expand.bias
        self.contract, self.contract_bias = layer.contract.weight.t(), layer.contract.bias
        self.describe = layer.memory.describer()


class LayerCache:
    """The slots of one layer for some steps of acting.

    Args:
        layer: of the core.
        weights: of the layer.
        key_value: (2, batch, heads, slots, head), projected slots, then room for the steps'.
        described: (batch, slots) from the memory kind's `describe`, likewise; None: the kind describes nothing.

    Attributes:
        inputs: what entered the layer in each step stored, (batch, model) each.
        described: as given, and of each step from then on.
    """

    def __init__(self, layer: TransformerLayer, weights: _Weights, key_value: Tensor, described: Tensor | None) -> None:
        self.layer, self._weights = layer, weights
        self._key_value, self.described = key_value, described
        self.inputs: list[Tensor] = []

    @classmethod
    def of(cls, layer: TransformerLayer, memory: LayerMemory, phase: Tensor, room: int) -> LayerCache:
        """A memory's slots, projected.

        Args:
            layer: of the core.
            memory: (batch, memory).
            phase: (batch, memory) int64, see `Memory.describe`.
            room: for so many slots more.
        """
        attention = layer.attention
        normed = layer.attention_norm(memory.hidden)
        keys_values = torch.stack([attention.split_heads(each) for each in attention.key_value(normed).chunk(2, -1)])
        described = layer.memory.describe(normed, phase, memory.steps)
        return cls(layer, _Weights(layer), *_with_room(keys_values, described, room))

    def with_slots(self, slots: Tensor, room: int) -> LayerCache:
        """The same layer with some of its slots.

        Args:
            slots: (batch, kept) int64, which ones.
            room: for so many slots more.
        """
        _, batch, heads, _, head = self._key_value.shape
        index = slots[None, :, None, :, None].expand(2, batch, heads, -1, head)
        described = None if self.described is None else self.described.gather(1, slots)
        return LayerCache(self.layer, self._weights, *_with_room(self._key_value.gather(3, index), described, room))

    def is_kept(self, age: Tensor) -> Tensor:
        """Which slots a query may still see, (batch, slots) bool; age: (batch, slots) at the coming query."""
        described = None if self.described is None else self.described[:, : age.shape[1]]
        return self.layer.memory.is_kept(age, described)

    def step(self, hidden: Tensor, slot: int, age: Tensor, distance: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """One layer for one step.

        Args:
            hidden: (batch, model).
            slot: the step's own.
            age: (batch, slots), at the step.
            distance: (batch, slots) int64, the same up to the positions' reach.
            phase: (batch,) int64, how many steps after its episode's first it is.

        Returns:
            (batch, model), and how many memories the query saw with any head, (batch,) int64.
        """
        weights, attention, live = self._weights, self.layer.attention, slot + 1
        (batch, model), heads, head = hidden.shape, attention.heads, attention.head
        normed = torch.layer_norm(hidden, *weights.attention_norm)
        projected = torch.bmm(normed.expand(3, batch, model), weights.projections)
        self._key_value.select(3, slot).copy_(projected.narrow(0, 1, 2).view(2, batch, heads, head))
        described = weights.describe(normed, phase)
        if self.described is not None and described is not None:
            self.described.select(1, slot).copy_(described)
            described = self.described.narrow(1, 0, live)
        log_mask = self.layer.memory.log_mask(age.narrow(1, 0, live).unsqueeze(1), described).squeeze(2)
        queries = projected[0].view(batch, heads, head)
        bias = attention.positions.step_scores(queries, weights.position_table, distance.narrow(1, 0, live))
        keys, values = self._key_value.narrow(3, 0, live).flatten(1, 2).unbind(0)  # (batch * heads, slot + 1, head)
        logits = bias.add_(log_mask).view(-1, 1, live)
        logits.baddbmm_(queries.view(-1, 1, head), keys.transpose(1, 2))
        read = torch.bmm(torch.softmax(logits, dim=-1), values).view(batch, model)
        hidden = torch.addmm(hidden, read, weights.output)
        normed = torch.layer_norm(hidden, *weights.feedforward_norm)
        activations = torch.addmm(weights.expand_bias, normed, weights.expand).relu_()
        return torch.addmm(weights.contract_bias, activations, weights.contract).add_(hidden), _num_seen(log_mask)


def _of_norm(norm: nn.LayerNorm) -> tuple[tuple[int, ...], Tensor, Tensor, float]:
    """What `torch.layer_norm` takes of a norm beside its input."""
    return norm.normalized_shape, norm.weight, norm.bias, norm.eps


def _num_seen(log_mask: Tensor) -> Tensor:
    """How many slots before its own a query sees with any head, (batch,) int64.

    Args:
        log_mask: (batch, 1 or heads, slots).
    """
    most_seen = log_mask.select(1, 0) if log_mask.shape[1] == 1 else log_mask.amax(1)
    return (most_seen.narrow(1, 0, most_seen.shape[1] - 1) > -torch.inf).sum(1)


def _with_room(key_value: Tensor, described: Tensor | None, room: int) -> tuple[Tensor, Tensor | None]:
    """Slots (2, batch, heads, slots, head) and (batch, slots), both with `room` more."""
    wide = torch.nn.functional.pad(key_value, (0, 0, 0, room))
    return wide, None if described is None else torch.nn.functional.pad(described, (0, room))
