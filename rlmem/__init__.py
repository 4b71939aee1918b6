"""Reinforcement-learning agents whose memory learns what to forget.

``import rlmem`` registers the environments (strings only) and takes milliseconds beyond Gymnasium's own import:
the names below load their modules, and with them torch, on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rlmem.envs.registration import register_envs

if TYPE_CHECKING:
    pass  # one `from module import Name as Name` for each entry of the table below

__version__ = "0.1.0"

_MODULE_OF_NAME: dict[str, str] = {}  # public name -> the module that defines it


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
