"""The kinds of memory. To add one: a file beside these with a `Memory`, and one line in `MEMORIES`.

Recurrent cores have none: see `rlmem.recurrent`.
"""

from __future__ import annotations

from collections.abc import Callable

from rlmem.errors import check
from rlmem.memories.adaptive_span import AdaptiveSpanMemory as AdaptiveSpanMemory
from rlmem.memories.base import Memory as Memory
from rlmem.memories.base import Ramp as Ramp
from rlmem.memories.compressive import CompressiveMemory as CompressiveMemory
from rlmem.memories.expire_span import ExpireSpanMemory as ExpireSpanMemory
from rlmem.memories.none import NoMemory as NoMemory
from rlmem.memories.transformer_xl import TransformerXLMemory as TransformerXLMemory
from rlmem.model_config import ModelConfig

MEMORIES: dict[str, Callable[[ModelConfig, int], Memory]] = {
    "expire_span": ExpireSpanMemory.from_config,
    "transformer_xl": TransformerXLMemory.from_config,
    "adaptive_span": AdaptiveSpanMemory.from_config,
    "compressive": CompressiveMemory.from_config,
    "none": NoMemory.from_config,
}


def make_memory(config: ModelConfig, layer: int) -> Memory:
    """The memory of a layer, 0 being the first, of the configuration's kind.

    Raises:
        UsageError: the kind is a recurrent core.
    """
    check(
        config.memory in MEMORIES,
        f"memory {config.memory!r} is no memory of a Transformer; choose one of {', '.join(MEMORIES)}, or build the "
        "model with rlmem.make_core.make_core",
    )
    return MEMORIES[config.memory](config, layer)
