"""The kinds of memory. To add one: a file beside these with a `Memory`, and one line in `MEMORIES`."""

from __future__ import annotations

from collections.abc import Callable

from rlmem.memories.base import Memory as Memory
from rlmem.memories.expire_span import ExpireSpanMemory as ExpireSpanMemory
from rlmem.memories.transformer_xl import TransformerXLMemory as TransformerXLMemory
from rlmem.model_config import ModelConfig

MEMORIES: dict[str, Callable[[ModelConfig, int], Memory]] = {
    "expire_span": ExpireSpanMemory.from_config,
    "transformer_xl": TransformerXLMemory.from_config,
}


def make_memory(config: ModelConfig, layer: int) -> Memory:
    """The memory of a layer, 0 being the first, of the configuration's kind."""
    return MEMORIES[config.memory](config, layer)
