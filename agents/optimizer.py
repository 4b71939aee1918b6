"""The optimiser, with the span predictors in a group of their own."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rlmem.memories import Memory


class OptimizerSettings(Protocol):
    """What learners' configurations say of their optimiser."""

    @property
    def optimizer(self) -> str:
        """`adam` or `rmsprop`."""
        ...

    @property
    def learning_rate(self) -> float:
        """Step size."""
        ...

    @property
    def span_lr_scale(self) -> float:
        """Learning rate of the span predictors, as a multiple of the others'."""
        ...


def make_optimizer(model: nn.Module, config: OptimizerSettings) -> torch.optim.Optimizer:
    """Adam or RMSProp over a model's parameters.

    Each group carries `scale`, its learning rate as a multiple of the configured one, and `is_span`, True for the
    parameters of the memories.

    Args:
        model: a policy or a language model.
        config: the optimiser's name and its rates.
    """
    learned = [p for p in model.parameters() if p.requires_grad]
    span_ids = {id(p) for module in model.modules() if isinstance(module, Memory) for p in module.parameters()}
    span = [p for p in learned if id(p) in span_ids]
    rest = [p for p in learned if id(p) not in span_ids]
    groups: list[dict[str, Any]] = [{"params": rest, "scale": 1.0, "is_span": False}]
    if span:
        groups.append({"params": span, "scale": config.span_lr_scale, "is_span": True})
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=config.learning_rate, alpha=0.99, eps=1e-5)
    return torch.optim.Adam(groups, lr=config.learning_rate, eps=1e-8, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers of its parameters, as named tensors to be saved."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, slots in optimizer.state_dict()["state"].items()
        for name, value in slots.items()
    }


def is_of_optimizer(name: str) -> bool:
    """True for the names that `optimizer_tensors` gives."""
    return name.startswith("optimizer.")


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore what `optimizer_tensors` gave; other names are passed over."""
    state = optimizer.state_dict()
    for name, tensor in tensors.items():
        if is_of_optimizer(name):
            _, index, slot = name.split(".")
            # load_state_dict keeps the tensors that it is given, and the optimiser changes them in place
            state["state"].setdefault(int(index), {})[slot] = tensor.clone()
    optimizer.load_state_dict(state)
