"""No memory: a policy that sees its present observation alone."""

from __future__ import annotations

from rlmem.memories.transformer_xl import TransformerXLMemory
from rlmem.model_config import ModelConfig


class NoMemory(TransformerXLMemory):
    """A query sees its own step and nothing is kept: a reach of 0 steps. The baseline of what needs no memory."""

    def __init__(self) -> None:
        super().__init__(max_span=0)

    @classmethod
    def from_config(cls, config: ModelConfig, layer: int) -> NoMemory:
        """The memory that a model configuration asks for; the same in every layer."""
        return cls()
