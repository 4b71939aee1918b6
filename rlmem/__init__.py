"""Reinforcement-learning agents whose memory learns what to forget.

``import rlmem`` registers the environments (strings only) and takes milliseconds beyond Gymnasium's own import:
the names below load their modules, and with them torch, on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rlmem.envs.registration import register_envs

if TYPE_CHECKING:
    from rlmem.actor_critic import ActorCritic as ActorCritic
    from rlmem.checkpoint import load_language_model as load_language_model
    from rlmem.checkpoint import load_policy as load_policy
    from rlmem.checkpoint import save_language_model as save_language_model
    from rlmem.checkpoint import save_policy as save_policy
    from rlmem.errors import RlmemError as RlmemError
    from rlmem.errors import UsageError as UsageError
    from rlmem.experiments.agent import Agent as Agent
    from rlmem.language_model import LanguageModel as LanguageModel
    from rlmem.language_model import VocabularyConfig as VocabularyConfig
    from rlmem.memory_state import MemoryState as MemoryState
    from rlmem.model_config import ModelConfig as ModelConfig
    from rlmem.transformer import MemoryTransformer as MemoryTransformer
    from rlmem.window import Window as Window

__version__ = "0.1.0"

# public name -> the module that defines it; the imports above say the same to type checkers
_MODULE_OF_NAME: dict[str, str] = {
    "ActorCritic": "rlmem.actor_critic",
    "Agent": "rlmem.experiments.agent",
    "LanguageModel": "rlmem.language_model",
    "load_language_model": "rlmem.checkpoint",
    "load_policy": "rlmem.checkpoint",
    "MemoryState": "rlmem.memory_state",
    "MemoryTransformer": "rlmem.transformer",
    "ModelConfig": "rlmem.model_config",
    "RlmemError": "rlmem.errors",
    "save_language_model": "rlmem.checkpoint",
    "save_policy": "rlmem.checkpoint",
    "UsageError": "rlmem.errors",
    "VocabularyConfig": "rlmem.language_model",
    "Window": "rlmem.window",
}


def __getattr__(name: str) -> object:
    """Import a public name's module on first use (PEP 562)."""
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module 'rlmem' has no attribute {name!r}")
    value: object = getattr(import_module(_MODULE_OF_NAME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name the lazy names beside the loaded ones."""
    return sorted({*globals(), *_MODULE_OF_NAME})


register_envs()
