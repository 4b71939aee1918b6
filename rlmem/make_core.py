"""Which core model a configuration asks for."""

from __future__ import annotations

from rlmem.core import Core
from rlmem.model_config import RECURRENT_KINDS, ModelConfig
from rlmem.recurrent import RecurrentCore
from rlmem.transformer import MemoryTransformer


def make_core(config: ModelConfig) -> Core:
    """The core of the configuration's kind: recurrent, or a Transformer with that memory.

    Args:
        config: sizes and the memory's kind.
    """
    return RecurrentCore(config) if config.memory in RECURRENT_KINDS else MemoryTransformer(config)
